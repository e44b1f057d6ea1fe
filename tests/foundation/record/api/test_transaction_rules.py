"""The rules of processing a transaction, clause by clause: http://hl7.org/fhir/R4/http.html#trules."""

from __future__ import annotations

import pytest

URN = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"


def said(answer):
    return answer.value["issue"][0]["details"]["text"]


def entry(method, url, resource=None, full_url=None, **asked):
    found = {"request": {"method": method, "url": url, **asked}}
    if resource is not None:
        found["resource"] = resource
    if full_url is not None:
        found["fullUrl"] = full_url
    return found


def bundle(*entries, kind="transaction"):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def person(value, **members):
    return {"resourceType": "Patient", "identifier": [{"system": "urn:t", "value": value}], **members}


def observation(subject, **members):
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"},
            "subject": {"reference": subject}, **members}  # fmt: skip


def statuses(answer):
    return [one["response"]["status"].split()[0] for one in answer.value["entry"]]


def test_a_conditional_reference_may_mean_what_the_same_transaction_makes(ask, new_id):
    sent = bundle(
        entry("POST", "Observation", observation(f"Patient?identifier=urn:t|{new_id}")),
        entry("POST", "Patient", person(new_id)),
    )
    answer = ask("POST", "/", sent, status=200)
    (made,) = ask.ids("/Patient", f"identifier=urn:t|{new_id}")
    address = answer.value["entry"][0]["response"]["location"].split("/fhir")[1].split("/_history")[0]
    assert ask("GET", address).value["subject"]["reference"] == f"Patient/{made}"


def test_a_conditional_reference_to_what_is_known_and_made_again_is_of_two_minds(ask, new_id):
    ask("POST", "/Patient", person(new_id), status=201)
    sent = bundle(
        entry("POST", "Observation", observation(f"Patient?identifier=urn:t|{new_id}")),
        entry("POST", "Patient", person(new_id)),
    )
    answer = ask("POST", "/", sent, status=412)
    assert answer.value["issue"][0]["expression"] == ["Bundle.entry[0]"]
    assert len(ask.ids("/Patient", f"identifier=urn:t|{new_id}")) == 1


def test_a_conditional_reference_may_ask_for_anything_that_is_made_beside_it(ask, new_id):
    sent = bundle(
        entry("PUT", f"Patient/{new_id}", person("x", id=new_id, name=[{"family": new_id}])),
        entry("POST", "Observation", observation(f"Patient?family={new_id}")),
    )
    ask("POST", "/", sent, status=200)
    assert len(ask.ids("/Observation", f"subject=Patient/{new_id}")) == 1


@pytest.mark.parametrize("other", ["PUT", "PATCH", "DELETE", "PUT?", "DELETE?"])
def test_what_a_conditional_delete_takes_no_other_entry_may_change(ask, new_id, other):
    id_ = ask("POST", "/Patient", person(new_id), status=201).value["id"]
    condition = f"Patient?identifier=urn:t|{new_id}"
    also = f"Patient?identifier=urn:t|{new_id}&active:missing=true"
    second = {
        "PUT": entry("PUT", f"Patient/{id_}", person(new_id, id=id_)),
        "PATCH": entry("PATCH", f"Patient/{id_}", {"resourceType": "Parameters"}),
        "DELETE": entry("DELETE", f"Patient/{id_}"),
        "PUT?": entry("PUT", also, person(new_id, id=id_)),
        "DELETE?": entry("DELETE", also),
    }[other]
    answer = ask("POST", "/", bundle(entry("DELETE", condition), second))
    assert answer.status in {400, 404, 409, 410}, answer.value
    assert "Bundle.entry[1]" in answer.value["issue"][0]["expression"][0]
    ask("GET", f"/Patient/{id_}", status=200)


@pytest.mark.parametrize("conditional", ["POST", "PUT"])
def test_an_entry_that_makes_what_another_one_s_condition_means_fails_the_transaction(ask, new_id, conditional):
    condition = f"identifier=urn:t|{new_id}"
    asked = (
        entry("POST", "Patient", person(new_id), ifNoneExist=condition)
        if conditional == "POST"
        else entry("PUT", f"Patient?{condition}", person(new_id))
    )
    answer = ask("POST", "/", bundle(asked, entry("POST", "Patient", person(new_id))))
    assert answer.status in {409, 412}, answer.value
    assert answer.value["issue"][0]["expression"] == ["Bundle.entry[0]"]
    assert ask.ids("/Patient", condition) == set()


def test_a_patch_whose_condition_matches_nothing_is_not_found(ask, new_id):
    patch = {"resourceType": "Parameters"}
    ask("POST", "/", bundle(entry("PATCH", f"Patient?identifier=urn:t|{new_id}", patch)), status=404)


def test_if_none_match_star_in_an_entry_creates_but_never_overwrites(ask, new_id):
    sent = bundle(entry("PUT", f"Patient/{new_id}", person(new_id, id=new_id), ifNoneMatch="*"))
    assert statuses(ask("POST", "/", sent, status=200)) == ["201"]
    assert "exists already" in said(ask("POST", "/", sent, status=412))
    assert statuses(ask("POST", "/", {**sent, "type": "batch"}, status=200)) == ["412"]


def test_reads_inside_a_transaction_see_what_it_did(ask, new_id):
    ask("PUT", f"/Patient/{new_id}", person(new_id, id=new_id), status=201)
    answer = ask("POST", "/", bundle(
        entry("GET", f"Patient/{new_id}/_history"), entry("GET", f"Patient/{new_id}/_history/2"),
        entry("GET", "Patient/_history?_count=1"),
        entry("PUT", f"Patient/{new_id}", person(new_id, id=new_id, active=True)),
    ), status=200)  # fmt: skip
    of_one, second, of_type = (one["resource"] for one in answer.value["entry"][:3])
    assert [one["response"]["etag"] for one in of_one["entry"]] == ['W/"2"', 'W/"1"']
    assert second["active"] is True
    assert of_type["entry"][0]["resource"]["active"] is True


def test_a_head_in_a_bundle_is_answered_without_a_resource(ask):
    stored = ask.patient()
    for kind in ("transaction", "batch"):
        answer = ask("POST", "/", bundle(entry("HEAD", f"Patient/{stored['id']}"), kind=kind), status=200)
        (one,) = answer.value["entry"]
        assert (one["response"]["status"], one["response"]["etag"]) == ("200 OK", 'W/"1"')
        assert "resource" not in one


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_transaction_begins_no_work_that_outlives_it(ask, method):
    answer = ask("POST", "/", bundle(entry(method, "$export")))
    assert answer.status in {400, 405, 501}
    assert "Bundle.entry[0]" in answer.value["issue"][0]["expression"][0]


def test_canonicals_are_not_rewritten_and_other_uris_are(ask):
    answer = ask("POST", "/", bundle(
        entry("POST", "Questionnaire", {"resourceType": "Questionnaire", "status": "draft"}, URN),
        entry("POST", "QuestionnaireResponse", {"resourceType": "QuestionnaireResponse", "status": "completed",
              "questionnaire": URN, "extension": [{"url": "urn:e", "valueUri": URN}]}),
    ), status=200)  # fmt: skip
    made, response = (
        one["response"]["location"].split("/fhir/")[1].split("/_history")[0] for one in answer.value["entry"]
    )
    stored = ask("GET", f"/{response}").value
    assert stored["questionnaire"] == URN
    assert stored["extension"][0]["valueUri"] == made


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_all_entries_answer_alike_and_as_preferred(ask, kind):
    mixed = bundle(entry("POST", "Patient", person("1")), entry("POST", "Patient", person("2")),
                   entry("GET", "Patient?_count=1"), kind=kind)  # fmt: skip
    alike = bundle(*mixed["entry"][:2], kind=kind)
    for sent in (mixed, alike):
        short, whole, told = (
            ask("POST", "/", sent, status=200, **prefer).value["entry"][0]
            for prefer in ({}, {"prefer": "return=representation"}, {"prefer": "return=OperationOutcome"})
        )
        assert "resource" not in short
        assert whole["resource"]["resourceType"] == "Patient"
        assert told["response"]["outcome"]["resourceType"] == "OperationOutcome"
        assert {"status", "location", "etag", "lastModified"} <= set(short["response"])
        assert whole["response"]["lastModified"] == whole["resource"]["meta"]["lastUpdated"]
