"""JSON Patch and FHIRPath Patch over the API: http://hl7.org/fhir/R4/http.html#patch."""

from __future__ import annotations

import pytest

JSON_PATCH = "application/json-patch+json"


def said(answer):
    return answer.value["issue"][0]["details"]["text"]


def fhirpath(kind, path, name=None, **value):
    parts = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    if name is not None:
        parts.append({"name": "name", "valueString": name})
    parts += [{"name": "value", key: inner} for key, inner in value.items()]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}


@pytest.fixture
def path(ask):
    return f"/Patient/{ask.patient(name=[{'family': '王', 'given': ['芳']}], active=True)['id']}"


def test_json_patch_changes_what_it_names(ask, path):
    patch = [
        {"op": "test", "path": "/active", "value": True}, {"op": "replace", "path": "/name/0/family", "value": "吴"},
        {"op": "add", "path": "/name/0/given/-", "value": "小"}, {"op": "remove", "path": "/active"},
    ]  # fmt: skip
    answer = ask("PATCH", path, patch, status=200, content_type=JSON_PATCH)
    assert answer.value["name"] == [{"family": "吴", "given": ["芳", "小"]}]
    assert "active" not in answer.value
    assert answer.headers["etag"] == 'W/"2"'


def test_fhirpath_patch_changes_what_it_names(ask, path):
    ask("PATCH", path, fhirpath("replace", "Patient.active", valueBoolean=False), status=200)
    answer = ask("PATCH", path, fhirpath("add", "Patient", "birthDate", valueDate="1990-02-03"), status=200)
    assert (answer.value["active"], answer.value["birthDate"]) == (False, "1990-02-03")
    assert "birthDate" not in ask("PATCH", path, fhirpath("delete", "Patient.birthDate"), status=200).value


@pytest.mark.parametrize(
    ("patch", "status"),
    [
        ([{"op": "test", "path": "/active", "value": False}], 422),
        ([{"op": "replace", "path": "/nothing", "value": 1}], 422),
        ([{"op": "jump", "path": "/active"}], 400),
        ([{"op": "add", "path": "active", "value": 1}], 400),
        ([{"op": "add", "path": "/colour", "value": 1}], 422),
        ([{"op": "replace", "path": "/id", "value": "other"}], 422),
        ([{"op": "replace", "path": "/resourceType", "value": "Group"}], 422),
        ([{"op": "replace", "path": "", "value": []}], 422),
        ({"resourceType": "Patient"}, 400),
        ("text", 400),
    ],
)
def test_a_patch_that_cannot_be_done_changes_nothing(ask, path, patch, status):
    answer = ask("PATCH", path, patch, content_type=JSON_PATCH)
    assert answer.status in {400, 422}, answer.value
    assert answer.status == status or status == 400
    assert answer.value["resourceType"] == "OperationOutcome"
    assert ask("GET", path).headers["etag"] == 'W/"1"'


def test_fhirpath_that_is_no_expression_is_refused(ask, path):
    assert "column 14" in said(ask("PATCH", path, fhirpath("delete", "Patient.name["), status=400))


def test_what_is_not_there_cannot_be_patched(ask, path):
    patch = [{"op": "add", "path": "/active", "value": True}]
    ask("PATCH", "/Patient/never-was", patch, status=404, content_type=JSON_PATCH)
    ask("DELETE", path, status=204)
    ask("PATCH", path, patch, status=410, content_type=JSON_PATCH)
    ask("PATCH", path, patch, status=415, content_type="text/plain")


def test_decimals_that_a_patch_does_not_touch_keep_their_digits(ask):
    raw = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.500}}'
    id_ = ask("POST", "/Observation", raw, status=201).value["id"]
    patch = b'[{"op":"add","path":"/component","value":[{"code":{"text":"y"},"valueQuantity":{"value":2.00}}]}]'
    ask("PATCH", f"/Observation/{id_}", patch, status=200, content_type=JSON_PATCH)
    body = ask("GET", f"/Observation/{id_}").body
    assert b'"value":1.500' in body
    assert b'"value":2.00' in body
