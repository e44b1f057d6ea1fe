"""create, read, vread, update, delete: http://hl7.org/fhir/R4/http.html."""

from __future__ import annotations

import json

import pytest

PATIENT = {"resourceType": "Patient", "name": [{"family": "符"}]}


def said(answer):
    return answer.value["issue"][0]["details"]["text"]


def test_a_created_resource_has_an_id_a_version_and_an_address(ask):
    answer = ask("POST", "/Patient", {**PATIENT, "id": "ignored", "meta": {"versionId": "77"}}, status=201)
    stored = answer.value
    assert stored["id"] != "ignored"
    assert stored["meta"]["versionId"] == "1"
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["location"].endswith(f"/fhir/Patient/{stored['id']}/_history/1")
    assert answer.headers["last-modified"].endswith("GMT")
    assert ask("GET", f"/Patient/{stored['id']}", status=200).value == stored


def test_a_read_says_version_and_time_and_a_head_says_the_same_without_a_body(ask):
    id_ = ask.patient()["id"]
    read = ask("GET", f"/Patient/{id_}", status=200)
    head = ask("HEAD", f"/Patient/{id_}", status=200)
    assert head.body == b""
    assert {name: head.headers[name] for name in ("etag", "last-modified", "content-length", "content-type")} == {
        name: read.headers[name] for name in ("etag", "last-modified", "content-length", "content-type")
    }


def test_the_text_comes_back_as_it_was_sent_with_its_decimals(ask):
    raw = (
        b'{ "resourceType":"Observation", "status":"final","meta":{"profile":["http://e.org/p"],"lastUpdated":"2001-01-01T00:00:00Z"},'
        b'\n "code":{"text":"\\u7b26"},  "valueQuantity":{"value":1.00,"unit":"g"}, "component":[{"code":{"text":"x"},'
        b'"valueQuantity":{"value":0.00000000000000000001}}]}'
    )
    stored = ask("POST", "/Observation", raw, status=201)
    body = ask("GET", f"/Observation/{stored.value['id']}").body
    assert b'"valueQuantity":{"value":1.00,"unit":"g"}' in body
    assert b"0.00000000000000000001" in body
    assert b'"text":"\\u7b26"' in body
    meta = json.loads(body)["meta"]
    assert meta["profile"] == ["http://e.org/p"]
    assert meta["lastUpdated"] != "2001-01-01T00:00:00Z"


def test_an_update_makes_the_next_version_and_the_old_one_stays(ask):
    stored = ask.patient(active=True)
    changed = ask("PUT", f"/Patient/{stored['id']}", {**stored, "active": False}, status=200)
    assert changed.headers["etag"] == 'W/"2"'
    assert ask("GET", f"/Patient/{stored['id']}").value["active"] is False
    assert ask("GET", f"/Patient/{stored['id']}/_history/1", status=200).value["active"] is True
    assert ask("GET", f"/Patient/{stored['id']}/_history/2", status=200).value["active"] is False


def test_an_update_under_a_new_id_creates(ask, new_id):
    assert ask("PUT", f"/Patient/{new_id}", {**PATIENT, "id": new_id}, status=201).value["id"] == new_id
    assert ask("PUT", f"/Patient/{new_id}", {**PATIENT, "id": new_id}, status=200).value["meta"]["versionId"] == "2"


def test_what_is_deleted_is_gone_but_its_history_stays_and_it_can_be_made_again(ask):
    stored = ask.patient()
    path = f"/Patient/{stored['id']}"
    assert ask("DELETE", path, status=204).headers["etag"] == 'W/"2"'
    assert "deleted" in said(ask("GET", path, status=410))
    ask("GET", f"{path}/_history/2", status=410)
    ask("GET", f"{path}/_history/1", status=200)
    ask("DELETE", path, status=204)
    assert len(ask("GET", f"{path}/_history").value["entry"]) == 2
    again = ask("PUT", path, stored, status=201)
    assert again.headers["etag"] == 'W/"3"'
    ask("GET", path, status=200)


def test_what_never_was_is_not_found(ask, new_id):
    assert ask("GET", f"/Patient/{new_id}", status=404).value["resourceType"] == "OperationOutcome"
    ask("GET", f"/Patient/{new_id}/_history", status=404)
    ask("DELETE", f"/Patient/{new_id}", status=204)
    ask("GET", f"/Patient/{new_id}", status=404)
    id_ = ask.patient()["id"]
    for version in ("2", "0", "x", "-1"):
        ask("GET", f"/Patient/{id_}/_history/{version}", status=404)
    assert "did you mean Patient" in said(ask("GET", "/Patiant/1", status=404))
    ask("GET", "/Patient/1/$nothing", status=404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/metadata", "GET, HEAD"),
        ("DELETE", "/", None),
        ("POST", "/Patient/1", "DELETE, GET, HEAD, PATCH, PUT"),
        ("PUT", "/Patient/1/_history", "GET, HEAD"),
        ("GET", "/Patient/1/$meta-add", "POST"),
    ],
)
def test_a_method_that_means_nothing_is_405_and_names_those_that_do(ask, method, path, allowed):
    answer = ask(method, path, PATIENT, status=405)
    if allowed is not None:
        assert answer.headers["allow"] == allowed
    assert answer.value["issue"][0]["code"] == "not-supported"


def test_what_was_read_already_is_not_sent_again(ask):
    id_ = ask.patient()["id"]
    read = ask("GET", f"/Patient/{id_}")
    for headers in (
        {"if_none_match": 'W/"1"'}, {"if_none_match": '"1"'}, {"if_none_match": 'W/"7", W/"1"'}, {"if_none_match": "*"},
        {"if_modified_since": read.headers["last-modified"]},
    ):  # fmt: skip
        answer = ask("GET", f"/Patient/{id_}", status=304, **headers)
        assert answer.body == b""
        assert answer.headers["etag"] == 'W/"1"'
    for headers in (
        {"if_none_match": 'W/"2"'}, {"if_modified_since": "Mon, 01 Jan 2001 00:00:00 GMT"},
        {"if_modified_since": "yesterday"}, {"if_none_match": 'W/"2"', "if_modified_since": read.headers["last-modified"]},
    ):  # fmt: skip
        ask("GET", f"/Patient/{id_}", status=200, **headers)


def test_if_match_guards_updates_patches_and_deletes(ask):
    stored = ask.patient()
    path = f"/Patient/{stored['id']}"
    told = ask("PUT", path, stored, status=412, if_match='W/"2"')
    assert "version 1, not version 2" in said(told)
    patch = [{"op": "add", "path": "/active", "value": True}]
    ask("PATCH", path, patch, status=412, if_match='W/"9"', content_type="application/json-patch+json")
    ask("DELETE", path, status=412, if_match='W/"9"')
    ask("PUT", path, stored, status=400, if_match="three")
    ask("PUT", path, stored, status=200, if_match='W/"1"')
    ask("DELETE", path, status=204, if_match='W/"2"')
    ask("PUT", path, stored, status=412, if_match='W/"3"')


def test_if_none_match_star_creates_but_never_overwrites(ask, new_id):
    ask("PUT", f"/Patient/{new_id}", {**PATIENT, "id": new_id}, status=201, if_none_match="*")
    assert "exists" in said(ask("PUT", f"/Patient/{new_id}", {**PATIENT, "id": new_id}, status=412, if_none_match="*"))


@pytest.mark.parametrize(
    ("path", "body", "status", "where"),
    [
        ("/Patient", {"resourceType": "Observation"}, 400, "resourceType"),
        ("/Patient", {"family": "x"}, 400, None),
        ("/Patient", b"[]", 400, None),
        ("/Patient", b"", 400, None),
        ("/Patient", b'{"resourceType":"Patient",}', 400, None),
        ("/Patient", {"resourceType": "Patient", "gender": 1}, 422, "Patient.gender"),
        ("/Patient", {"resourceType": "Patient", "nom": 1}, 422, "Patient.nom"),
        ("/Patient", {"resourceType": "Patient", "birthDate": "2020-13-01"}, 422, "Patient.birthDate"),
    ],
)
def test_what_is_wrong_with_a_body_is_said_with_its_place(ask, path, body, status, where):
    issue = ask("POST", path, body, status=status, content_type="application/fhir+json").value["issue"][0]
    assert issue["severity"] == "error"
    assert len(issue["details"]["text"]) > 15
    assert where is None or issue["expression"] == [where]


def test_all_problems_come_at_once(ask):
    bad = {"resourceType": "Patient", "gender": ["male"], "birthDate": "soon", "active": "yes", "colour": 1}
    issues = ask("POST", "/Patient", bad, status=422).value["issue"]
    assert {issue["expression"][0] for issue in issues} == {
        "Patient.gender", "Patient.birthDate", "Patient.active", "Patient.colour",
    }  # fmt: skip


def test_ids_must_agree_and_be_ids(ask):
    assert "it must be a" in said(ask("PUT", "/Patient/a", PATIENT, status=400))
    assert "the address says a" in said(ask("PUT", "/Patient/a", {**PATIENT, "id": "b"}, status=400))
    ask("PUT", "/Patient/a_b", {**PATIENT, "id": "a_b"}, status=400)
    ask("PUT", "/Patient/" + "a" * 65, {**PATIENT, "id": "a" * 65}, status=400)


def test_media_types_that_are_not_ours_are_refused(ask):
    raw = json.dumps(PATIENT).encode()
    assert (
        ask("POST", "/Patient", raw, status=415, content_type="text/csv").value["issue"][0]["code"] == "not-supported"
    )
    ask("POST", "/Patient", raw, status=201, content_type="application/json; charset=utf-8")
    id_ = ask.patient()["id"]
    ask("GET", f"/Patient/{id_}", status=406, accept="text/turtle")
    ask("GET", f"/Patient/{id_}", status=406, query="_format=ttl")
    ask("GET", f"/Patient/{id_}", status=200, accept="text/turtle;q=0.3, application/fhir+json;q=0.2")


def test_the_sender_says_how_much_comes_back(ask):
    minimal = ask("POST", "/Patient", PATIENT, status=201, prefer="return=minimal")
    assert minimal.body == b""
    assert "location" in minimal.headers
    assert ask("POST", "/Patient", PATIENT, prefer="return=representation").value["resourceType"] == "Patient"
    told = ask("POST", "/Patient", PATIENT, status=201, prefer="return=OperationOutcome").value
    assert told["resourceType"] == "OperationOutcome"
    assert told["issue"][0]["severity"] == "information"
