"""$snapshot and $must-support: http://hl7.org/fhir/R4/structuredefinition-operation-snapshot.html."""

from __future__ import annotations

import json

import pytest

from jiankang.fhir.validation import validate
from jiankang.main import compose

URL = "https://example.org/StructureDefinition/small"


def profile(*elements, **more):
    return {
        "resourceType": "StructureDefinition", "id": "small", "url": URL, "name": "Small", "status": "active", "kind": "resource",
        "abstract": False, "type": "Patient", "derivation": "constraint", "fhirVersion": "4.0.1",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient", "differential": {"element": list(elements)}, **more,
    }  # fmt: skip


NAME = {"id": "Patient.name", "path": "Patient.name", "min": 1, "mustSupport": True, "short": "姓名"}
SEX = {
    "id": "Patient.gender", "path": "Patient.gender", "min": 1, "mustSupport": True,
    "binding": {"strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/administrative-gender"},
}  # fmt: skip


@pytest.fixture(scope="module")
def api(platform):
    compose(platform.app.server)

    def ask(method, path, body=None, *, status=200, query=""):
        raw = b"" if body is None else json.dumps(body).encode()
        answer = platform(method, path, raw, query=query.encode())
        assert answer.status == status, answer.body[:500]
        return answer.value

    return ask


def elements(definition):
    return {each["id"]: each for each in definition["snapshot"]["element"]}


def test_a_snapshot_is_made_of_what_is_sent(api):
    made = api("POST", "/StructureDefinition/$snapshot", profile(NAME))
    assert elements(made)["Patient.name"]["min"] == 1
    assert elements(made)["Patient.contact.name"]["max"] == "1"
    assert len(elements(made)) > 40
    assert [each.text for each in validate(made) if each.severity == "error"] == []
    sent = {"resourceType": "Parameters", "parameter": [{"name": "definition", "resource": profile(NAME)}]}
    assert api("POST", "/StructureDefinition/$snapshot", sent) == made


def test_a_snapshot_is_made_of_what_is_in_the_record_by_id_and_by_url(api):
    api("PUT", "/StructureDefinition/small", profile(NAME, SEX), status=201)
    by_id = api("GET", "/StructureDefinition/small/$snapshot")
    assert elements(by_id)["Patient.gender"]["min"] == 1
    assert elements(api("GET", "/StructureDefinition/$snapshot", query=f"url={URL}")) == elements(by_id)
    norm = api("GET", "/StructureDefinition/$snapshot", query="url=http://hl7.org/fhir/StructureDefinition/bmi")
    assert norm["type"] == "Observation"


def test_what_must_be_supported_is_listed_with_cardinality_words_and_codes(api):
    api("PUT", "/StructureDefinition/small", profile(NAME, SEX))
    told = api("GET", "/StructureDefinition/small/$must-support")
    listed = [
        {part["name"]: part[next(k for k in part if k != "name")] for part in each["part"]}
        for each in told["parameter"]
    ]
    assert listed[0] == {"id": "Patient.name", "cardinality": "1..*", "short": "姓名"}
    assert (listed[1]["id"], listed[1]["cardinality"]) == ("Patient.gender", "1..1")
    assert listed[1]["valueSet"].endswith("administrative-gender")
    assert len(listed) == 2


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (profile({"id": "Patient.nam", "path": "Patient.nam", "min": 1}), 422, "Patient.nam"),
        (profile(NAME, baseDefinition=URL), 422, "own base"),
        (profile(NAME, baseDefinition="https://example.org/none"), 422, "not known"),
        (profile(NAME, kind=7), 422, "kind"),
        ({"resourceType": "Parameters"}, 400, "url"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(api, body, status, said):
    told = api("POST", "/StructureDefinition/$snapshot", body, status=status)
    assert said in told["issue"][0]["details"]["text"]


def test_a_profile_that_nobody_knows_is_404(api):
    api("GET", "/StructureDefinition/$snapshot", query="url=https://example.org/none", status=404)
    api("GET", "/StructureDefinition/none/$snapshot", status=404)
