"""$validate: http://hl7.org/fhir/R4/resource-operation-validate.html."""

from __future__ import annotations

import pytest

GOOD = {"resourceType": "Patient", "gender": "female", "birthDate": "1990-01-01"}


def places(answer, severity="error"):
    return {issue["expression"][0] for issue in answer.value["issue"] if issue["severity"] == severity}


def test_a_valid_resource_is_said_to_be_valid_and_is_not_stored(ask):
    before = ask("GET", "/Patient", query="_summary=count").value["total"]
    answer = ask("POST", "/Patient/$validate", GOOD, status=200)
    assert [issue["severity"] for issue in answer.value["issue"]] == ["information"]
    assert ask("GET", "/Patient", query="_summary=count").value["total"] == before


def test_shape_codes_and_rules_are_all_checked_at_once(ask):
    bad = {
        "resourceType": "Patient", "gender": "m", "birthDate": "soon", "colour": 1,
        "contact": [{"gender": "male"}], "contained": [{"resourceType": "Basic", "code": {"text": "x"}}],
    }  # fmt: skip
    answer = ask("POST", "/Patient/$validate", bad, status=200)
    assert places(answer) >= {"Patient.gender", "Patient.birthDate", "Patient.colour", "Patient.contact[0]"}


def test_it_may_come_as_a_parameter_with_a_mode_and_profiles(ask):
    def sent(**more):
        parameters = [{"name": "resource", "resource": {**GOOD, "id": "a"}}]
        parameters += [{"name": name, "valueCode": value} for name, value in more.items()]
        return {"resourceType": "Parameters", "parameter": parameters}

    assert places(ask("POST", "/Patient/$validate", sent(), status=200)) == set()
    assert places(ask("POST", "/Patient/b/$validate", sent(mode="update"), status=200)) == {"Patient.id"}
    vital = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    profile = "http://hl7.org/fhir/StructureDefinition/vitalsigns"
    assert places(ask("POST", "/Observation/$validate", vital, status=200)) == set()
    told = ask("POST", "/Observation/$validate", vital, query=f"profile={profile}", status=200)
    assert any("Observation" in place for place in places(told))
    ask("POST", "/Patient/$validate", sent(mode="profile"), status=400)
    ask("POST", "/Patient/$validate", sent(mode="guess"), status=400)


def test_a_stored_resource_is_checked_too(ask):
    id_ = ask.patient()["id"]
    ask("GET", f"/Patient/{id_}/$validate", status=200)
    ask("POST", f"/Patient/{id_}/$validate", query="mode=delete", status=200)
    ask("POST", "/Patient/never-was/$validate", query="mode=delete", status=404)
    ask("GET", "/Patient/never-was/$validate", status=404)


@pytest.mark.parametrize("body", [{"resourceType": "Observation"}, [], {}, {"resourceType": "Parameters"}])
def test_what_is_no_resource_of_the_type_is_said(ask, body):
    answer = ask("POST", "/Patient/$validate", body)
    assert answer.status in {200, 400}
    assert answer.value["issue"][0]["severity"] == "error"
