"""The package works where it is for: stored whole in the record, its value sets expand, its maps translate."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from jiankang.foundation.terminology import open_room
from jiankang.kernel.jsontext import encode

PREFIX = "urn:jiankang:cn-hainan"


@pytest.fixture(scope="module")
def ask(platform, guide):
    """Asks a platform that holds everything of the guide, examples too: put there by one transaction."""

    async def opened() -> None:
        open_room(platform.record)

    platform.run(opened())
    everything = [*guide.resources, *guide.examples.right.values()]
    entries = [
        {
            "fullUrl": f"http://localhost/{each['resourceType']}/{each['id']}",
            "resource": each,
            "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"},
        }
        for each in everything
    ]
    answer = platform("POST", "/", encode({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
    assert answer.status == 200, answer.value

    def asked(path: str, **params: str):
        found = platform("GET", path, query=urlencode(params).encode())
        assert found.status == 200, found.value
        return found.value

    return asked


def parameter(answer, name):
    return next(each for each in answer["parameter"] if each["name"] == name)


def test_every_value_set_expands(ask, guide):
    for each in guide.of("ValueSet"):
        expansion = ask("/ValueSet/$expand", url=each["url"])["expansion"]
        assert expansion["contains"], each["url"]
        listed = [concept for include in each["compose"]["include"] for concept in include.get("concept", ())]
        assert len(expansion["contains"]) >= len(listed)


def test_names_are_there_in_both_languages(ask):
    chinese = ask("/CodeSystem/$lookup", system="urn:jiankang:codes:cn-hainan:levels", code="red")
    english = ask("/CodeSystem/$lookup", system="urn:jiankang:codes:cn-hainan:levels", code="red", displayLanguage="en")
    assert parameter(chinese, "display")["valueString"] == "红(高风险)"
    assert parameter(english, "display")["valueString"] == "Red (high risk)"


@pytest.mark.parametrize(
    ("system", "code", "name", "target"),
    [
        ("urn:oid:2.16.156.10011.2.3.3.4", "2", "sex-to-fhir", "female"),
        ("http://hl7.org/fhir/administrative-gender", "male", "sex-from-fhir", "1"),
        ("urn:oid:2.16.156.10011.2.3.3.5", "21", "marital-to-fhir", "M"),
        ("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "W", "marital-from-fhir", "30"),
    ],
)
def test_maps_translate(ask, system, code, name, target):
    answer = ask("/ConceptMap/$translate", url=f"{PREFIX}:ConceptMap:{name}", system=system, code=code)
    assert parameter(answer, "result")["valueBoolean"] is True
    concept = next(each for each in parameter(answer, "match")["part"] if each["name"] == "concept")
    assert concept["valueCoding"]["code"] == target


@pytest.mark.parametrize(
    ("path", "params", "ids"),
    [
        ("/Condition", {"category": "urn:jiankang:codes:wst483|EHR-DE-10", "onset-date": "ge2026-08"}, {"dengue-chen"}),
        ("/Condition", {"verification-status": "urn:jiankang:codes:idr-case-class-1|2"}, {"dengue-chen", "hepatitis-chen"}),
        ("/Task", {"business-status": "urn:jiankang:codes:cn-hainan:card-state|final"}, {"report-dengue"}),
        ("/Observation", {"category": "urn:jiankang:codes:cn-hainan:programmes|diabetes"}, {"diabetes-chen"}),
        ("/Observation", {"value-concept": "urn:jiankang:codes:ws364:CV05.10.012|1"}, {"hypertension-chen", "diabetes-chen"}),
        ("/Patient", {"identifier": "urn:jiankang:passport:RUS|712345678"}, {"sokolova"}),
        ("/Flag", {"patient": "chen"}, {"flag-chen"}),
    ],
)  # fmt: skip
def test_what_rooms_look_for_is_found_by_plain_search(ask, path, params, ids):
    assert {each["resource"]["id"] for each in ask(path, **params)["entry"]} == ids
