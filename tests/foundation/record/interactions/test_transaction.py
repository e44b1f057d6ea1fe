"""Transactions and batches: http://hl7.org/fhir/R4/http.html#transaction."""

from __future__ import annotations

import base64
import json
import uuid

import pytest


def urn():
    return f"urn:uuid:{uuid.uuid4()}"


def fresh():
    return uuid.uuid4().hex


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


def patient(**members):
    return {"resourceType": "Patient", **members}


def observation(subject, **members):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": subject},
        **members,
    }


def statuses(answer):
    return [one["response"]["status"].split()[0] for one in answer.value["entry"]]


def locations(answer):
    return [one["response"]["location"].split("/fhir/")[1].split("/_history")[0] for one in answer.value["entry"]]


def test_every_kind_of_reference_leads_to_what_was_made(ask):
    old = ask.patient()
    known, own = fresh(), f"own-{fresh()[:20]}"
    ask(
        "POST",
        "/Organization",
        {"resourceType": "Organization", "identifier": [{"system": "urn:o", "value": known}]},
        status=201,
    )
    by_uuid, by_oid = urn(), "urn:oid:1.2.3.4.5"
    base = "http://localhost/fhir"
    answer = ask(
        "POST", "/",
        bundle(
            entry("POST", "Patient", patient(), by_uuid),
            entry("POST", "Patient", patient(), by_oid),
            entry("PUT", f"Patient/{own}", patient(id=own), f"{base}/Patient/{own}"),
            entry("POST", "Observation", observation(by_uuid)),
            entry("POST", "Observation", observation(by_oid)),
            entry("POST", "Observation", observation(f"Patient/{own}")),
            entry("POST", "Observation", observation(f"Patient/{old['id']}", performer=[
                {"reference": f"Organization?identifier=urn:o|{known}"}])),
            entry("POST", "Observation", observation("Patient/elsewhere"), f"{base}/Observation/9"),
        ),
        status=200,
    )  # fmt: skip
    assert answer.value["type"] == "transaction-response"
    made = locations(answer)
    found = [ask("GET", f"/{one}").value for one in made[3:]]
    assert [one["subject"]["reference"] for one in found] == [
        made[0], made[1], f"Patient/{own}", f"Patient/{old['id']}", "Patient/elsewhere",
    ]  # fmt: skip
    assert found[3]["performer"][0]["reference"].startswith("Organization/")


def test_references_in_narrative_uris_and_contained_resources_are_rewritten_too(ask):
    person = urn()
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{person}">her</a> and {person} as text</div>'
    answer = ask(
        "POST", "/",
        bundle(
            entry("POST", "Patient", patient(), person),
            entry("POST", "DocumentReference", {
                "resourceType": "DocumentReference", "status": "current", "text": {"status": "generated", "div": div},
                "content": [{"attachment": {"url": person, "title": person}}],
                "contained": [{"resourceType": "Observation", "id": "c", "status": "final", "code": {"text": "x"},
                               "subject": {"reference": person}}]}),
        ),
        status=200,
    )  # fmt: skip
    made, document = locations(answer)
    found = ask("GET", f"/{document}").value
    assert found["content"][0]["attachment"] == {"url": made, "title": person}
    assert f'href="{made}"' in found["text"]["div"]
    assert f"and {person} as text" in found["text"]["div"]
    assert found["contained"][0]["subject"]["reference"] == made


def test_resources_that_refer_to_one_another_are_stored(ask):
    a, b = urn(), urn()
    link = lambda to: [{"other": {"reference": to}, "type": "seealso"}]  # noqa: E731
    answer = ask("POST", "/", bundle(
        entry("POST", "Patient", patient(link=link(b)), a), entry("POST", "Patient", patient(link=link(a)), b),
    ), status=200)  # fmt: skip
    first, second = locations(answer)
    assert ask("GET", f"/{first}").value["link"][0]["other"]["reference"] == second
    assert ask("GET", f"/{second}").value["link"][0]["other"]["reference"] == first


def test_deletes_come_first_then_creates_then_updates_then_reads(ask):
    value = fresh()
    identified = {"identifier": [{"system": "urn:t", "value": value}]}
    old = ask("POST", "/Patient", patient(**identified), status=201).value
    answer = ask("POST", "/", bundle(
        entry("GET", f"Patient?identifier=urn:t|{value}"),
        entry("POST", "Patient", patient(**identified, active=True), ifNoneExist=f"identifier=urn:t|{value}"),
        entry("DELETE", f"Patient/{old['id']}"),
    ), status=200)  # fmt: skip
    assert statuses(answer) == ["200", "201", "204"]
    shown = answer.value["entry"][0]["resource"]
    assert [one["resource"]["active"] for one in shown["entry"]] == [True]


def test_one_failure_undoes_everything_and_names_the_entry(ask):
    value = fresh()
    good = patient(identifier=[{"system": "urn:t", "value": value}])
    stored = ask.patient()
    for bad, status, where in [
        (entry("POST", "Patient", patient(birthDate="soon")), 422, "Bundle.entry[1].resource.birthDate"),
        (entry("PUT", f"Patient/{stored['id']}", stored, ifMatch='W/"7"'), 412, "Bundle.entry[1]"),
        (entry("GET", "Patient/never-was"), 404, "Bundle.entry[1]"),
        (entry("POST", "Observation", observation("Patient?identifier=urn:t|nobody")), 412, "Bundle.entry[1]"),
        (entry("POST", "Patient", {"resourceType": "Observation"}), 400, "Bundle.entry[1]"),
        (entry("POST", "Patiant", good), 404, "Bundle.entry[1]"),
        (
            entry("PATCH", f"Patient/{stored['id']}", {"resourceType": "Parameters"}, ifMatch='W/"7"'),
            412,
            "Bundle.entry[1]",
        ),
    ]:
        answer = ask("POST", "/", bundle(entry("POST", "Patient", good), bad), status=status)
        issue = answer.value["issue"][0]
        assert "entry 1" in issue["details"]["text"]
        assert issue["expression"][0].startswith(where)
        assert ask.ids("/Patient", f"identifier=urn:t|{value}") == set()


def test_two_entries_about_one_identity_cannot_both_be_done(ask):
    value, stored = fresh(), ask.patient()
    same = patient(identifier=[{"system": "urn:t", "value": value}])
    condition = f"identifier=urn:t|{value}"
    for entries in (
        [entry("POST", "Patient", same, ifNoneExist=condition)] * 2,
        [entry("POST", "Patient", same, ifNoneExist=condition), entry("PUT", f"Patient?{condition}", same)],
        [entry("PUT", f"Patient/{stored['id']}", stored), entry("DELETE", f"Patient/{stored['id']}")],
    ):
        answer = ask("POST", "/", bundle(*entries))
        assert answer.status in {400, 409}
        assert answer.value["issue"][0]["code"] == "duplicate"
    assert ask.ids("/Patient", condition) == set()


def test_entries_are_conditional_patched_and_guarded(ask):
    stored = ask.patient()
    value = stored["identifier"][0]["value"]
    patch = base64.b64encode(json.dumps([{"op": "add", "path": "/active", "value": True}]).encode()).decode()
    answer = ask("POST", "/", bundle(
        entry("PATCH", f"Patient/{stored['id']}",
              {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": patch}, ifMatch='W/"1"'),
        entry("GET", f"Patient/{stored['id']}"),
        entry("GET", f"Patient?identifier=urn:test|{value}"),
    ), status=200)  # fmt: skip
    assert statuses(answer) == ["200", "200", "200"]
    assert answer.value["entry"][1]["resource"]["active"] is True
    again = ask(
        "POST",
        "/",
        bundle(entry("PUT", f"Patient?identifier=urn:test|{value}", patient(identifier=stored["identifier"]))),
        status=200,
    )
    assert locations(again) == [f"Patient/{stored['id']}"]
    gone = ask("POST", "/", bundle(entry("DELETE", f"Patient?identifier=urn:test|{value}")), status=200)
    assert statuses(gone) == ["204"]
    ask("GET", f"/Patient/{stored['id']}", status=410)


def test_a_conditional_read_in_a_transaction_may_be_304(ask):
    stored = ask.patient()
    answer = ask("POST", "/", bundle(entry("GET", f"Patient/{stored['id']}", ifNoneMatch='W/"1"')), status=200)
    assert statuses(answer) == ["304"]
    assert "resource" not in answer.value["entry"][0]


def test_a_batch_does_each_entry_for_itself(ask):
    stored = ask.patient()
    answer = ask("POST", "/", bundle(
        entry("POST", "Patient", patient(active=True)),
        entry("POST", "Patient", patient(active="yes")),
        entry("GET", "Patient/never-was"),
        entry("PUT", f"Patient/{stored['id']}", stored, ifMatch='W/"9"'),
        entry("DELETE", f"Patient/{stored['id']}"),
        entry("GET", f"Patient/{stored['id']}"),
        {"resource": patient()},
        kind="batch",
    ), status=200)  # fmt: skip
    assert answer.value["type"] == "batch-response"
    assert statuses(answer) == ["201", "422", "404", "412", "204", "410", "400"]
    assert answer.value["entry"][1]["response"]["outcome"]["issue"][0]["expression"] == [
        "Bundle.entry[1].resource.active"
    ]
    all_new = ask("POST", "/", bundle(*[entry("POST", "Patient", patient())] * 3, kind="batch"), status=200)
    assert len(set(locations(all_new))) == 3


def test_what_comes_back_is_as_the_sender_prefers(ask):
    sent = bundle(entry("POST", "Patient", patient(active=True)))
    whole = ask("POST", "/", sent, status=200, prefer="return=representation").value["entry"][0]
    assert whole["resource"]["active"] is True
    assert "resource" not in ask("POST", "/", sent, status=200, prefer="return=minimal").value["entry"][0]
    response = whole["response"]
    assert (response["status"], response["etag"]) == ("201 Created", 'W/"1"')
    assert response["lastModified"] == whole["resource"]["meta"]["lastUpdated"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"resourceType": "Bundle", "type": "collection", "entry": []}, 400),
        ({"resourceType": "Bundle"}, 422),
        ({"resourceType": "Patient"}, 400),
        (bundle(entry("POST", "")), 400),
        (bundle(entry("OPTIONS", "Patient")), 405),
        (bundle(entry("POST", "Patient")), 400),
        (bundle(entry("POST", "http://elsewhere.org/fhir/Patient", patient())), 400),
        (bundle(entry("POST", "Patient/$validate", patient())), 400),
        (bundle({"request": {"method": "GET", "url": "Patient"}, "unknown": 1}), 422),
    ],
)
def test_bundles_that_cannot_be_understood_are_refused(ask, sent, status):
    answer = ask("POST", "/", sent)
    assert answer.status in ({status, 404, 422, 501} if status == 400 else {status}), answer.value
    assert answer.value["resourceType"] == "OperationOutcome"


def test_an_empty_transaction_is_done_at_once(ask):
    answer = ask("POST", "/", {"resourceType": "Bundle", "type": "transaction"}, status=200)
    assert answer.value.get("entry", []) == []


def test_a_reference_to_an_unknown_practitioner_becomes_logical(ask):
    sent = observation(
        "Patient/1", performer=[{"reference": "Practitioner?identifier=urn:npi|99", "display": "Dr. 王"}]
    )
    made = locations(ask("POST", "/", bundle(entry("POST", "Observation", sent)), status=200))[0]
    assert ask("GET", f"/{made}").value["performer"] == [
        {"type": "Practitioner", "identifier": {"system": "urn:npi", "value": "99"}, "display": "Dr. 王"}
    ]
