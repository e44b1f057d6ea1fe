"""Right examples have no error, wrong ones get the message that they are there for; rules hold for the facts' numbers."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "ig" / "cn-hainan" / "examples"
CANONICAL = "urn:jiankang:cn-hainan:StructureDefinition:"
RIGHT = sorted(path.stem for path in EXAMPLES.glob("*.json") if not path.name.endswith(".wrong.json"))
WRONG = [
    (path.name.removesuffix(".wrong.json"), number)
    for path in sorted(EXAMPLES.glob("*.wrong.json"))
    for number in range(len(json.loads(path.read_text(encoding="utf-8"))))
]


def errors(guide, resource):
    return [each for each in guide.examples.findings(resource, guide.validator) if each.severity == "error"]


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_example_has_no_error(guide, name):
    assert errors(guide, guide.examples.right[name]) == []


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_example_breaks_no_rule_that_only_warns(guide, name):
    told = guide.examples.findings(guide.examples.right[name], guide.validator)
    warned = {each.message_id for each in told if each.severity == "warning"}
    assert warned <= {"binding-extensible"}, warned  # HL7 has no kind of identifier for Chinese permits


@pytest.mark.parametrize("name", RIGHT)
def test_every_code_of_a_right_example_is_known_or_belongs_to_a_system_that_may_not_be_shipped(guide, name):
    told = guide.examples.findings(guide.examples.right[name], guide.validator)
    unchecked = {each.expected for each in told if each.message_id == "binding-not-checked"}
    assert not {url for url in unchecked if url.startswith("urn:jiankang")}


@pytest.mark.parametrize(("profile", "number"), WRONG)
def test_a_wrong_example_gets_its_message(guide, profile, number):
    wrong = [each for each in guide.examples.wrong if each.profile == profile][number]
    told = guide.examples.findings(wrong.resource, guide.validator)
    fitting = [each for each in told if each.message_id == wrong.message_id and wrong.place in each.expression]
    assert [each.severity for each in fitting[:1]] == [wrong.severity], [(e.message_id, e.expression) for e in told]


@pytest.mark.parametrize(("profile", "number"), WRONG)
def test_a_wrong_example_claims_the_profile_it_is_for(guide, profile, number):
    wrong = [each for each in guide.examples.wrong if each.profile == profile][number]
    assert CANONICAL + profile in wrong.resource["meta"]["profile"]


def test_each_profile_has_a_right_example_and_wrong_ones(guide):
    for sheet in guide.sheets:
        if sheet.resource["type"] != "Extension":
            name = sheet.resource["id"]
            assert guide.examples.of(sheet.resource["url"]), name
            assert len([each for each in guide.examples.wrong if each.profile == name]) >= 2, name


def test_each_rule_is_broken_by_a_wrong_example(guide):
    assert {each.message_id for each in guide.examples.wrong} >= set(guide.rules)


def test_a_rule_says_nothing_where_a_required_value_is_absent_by_a_reason(guide):
    absent = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    patient = {
        "resourceType": "Patient", "meta": {"profile": [f"{CANONICAL}resident"]},
        "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "_value": {"extension": [absent]}}],
        "name": [{"text": "无名氏"}], "gender": "unknown", "_birthDate": {"extension": [absent]},
    }  # fmt: skip
    assert errors(guide, patient) == []


@pytest.mark.parametrize(
    ("born", "onset", "asked"),
    [
        ("2012-05-10", "2026-05-10", True),
        ("2011-05-11", "2026-05-10", True),
        ("2011-05-10", "2026-05-10", False),
        ("1955-03-12", "2026-05-10T08:00:00+08:00", False),
        ("2022-04-18", "2026-05-10T08:00:00+08:00", True),
    ],
)
def test_a_parent_is_asked_for_up_to_fourteen_years(guide, born, onset, asked):
    card = {**guide.examples.right["hand-foot-mouth-zheng"], "onsetDateTime": onset}
    child = {**guide.examples.right["wu-newborn"], "birthDate": born}
    told = guide.validator.validate(card, resolve=lambda reference: child if reference == "Patient/zheng" else None)
    assert ("hn-card-6" in {each.message_id for each in told}) is asked


def pressure(guide, systolic, diastolic):
    made = {**guide.examples.right["pressure-chen"], "component": []}
    for code, value in (("8480-6", systolic), ("8462-4", diastolic)):
        quantity = {"value": value, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
        coded = {"coding": [{"system": "http://loinc.org", "code": code}]}
        made["component"].append({"code": coded, "valueQuantity": quantity})
    return made


@pytest.mark.parametrize(
    ("systolic", "diastolic", "rules"),
    [
        (149, 89, set()),
        (150, 80, {"hn-hypertension-1"}),
        (120, 90, {"hn-hypertension-1"}),
        (179, 109, {"hn-hypertension-1"}),
        (180, 80, {"hn-hypertension-1", "hn-hypertension-2"}),
        (130, 110, {"hn-hypertension-1", "hn-hypertension-2"}),
    ],
)
def test_a_pressure_called_controlled_is_judged_by_its_numbers(guide, systolic, diastolic, rules):
    measured = pressure(guide, systolic, diastolic)
    told = guide.validator.validate(
        guide.examples.right["hypertension-chen"],
        resolve=lambda reference: measured if reference.endswith("/pressure-chen") else None,
    )
    assert {each.message_id for each in told if each.message_id.startswith("hn-")} == rules


@pytest.mark.parametrize(("born", "broken"), [("1961-08-20", False), ("1961-08-21", True), ("1985-01-01", True)])
def test_under_sixty_five_years_the_limit_is_140(guide, born, broken):
    known = {
        "Observation/pressure-chen": pressure(guide, 142, 80),
        "Patient/chen": {**guide.examples.right["wu-newborn"], "birthDate": born},
    }
    told = guide.validator.validate(guide.examples.right["hypertension-chen"], resolve=known.get)
    assert ("hn-hypertension-1" in {each.message_id for each in told}) is broken


@pytest.mark.parametrize(
    ("scores", "conclusion"),
    [((0, 0, 0, 1, 1), "1"), ((3, 0, 0, 0, 0), "1"), ((3, 1, 0, 0, 0), "2"), ((3, 3, 0, 1, 1), "2"),
     ((3, 3, 3, 0, 0), "3"), ((5, 7, 5, 1, 0), "3"), ((5, 7, 5, 1, 1), "4"), ((5, 7, 5, 10, 10), "4")],
)  # fmt: skip
def test_the_sum_of_self_care_decides_its_conclusion(guide, scores, conclusion):
    right = guide.examples.right["self-care-chen"]
    parts = [{**part, "valueInteger": score} for part, score in zip(right["component"], scores, strict=True)]
    for told in ("1", "2", "3", "4"):
        coded = {"coding": [{"system": "urn:jiankang:codes:ws364:CV04.01.014", "code": told}]}
        found = guide.validator.validate({**right, "component": parts, "valueCodeableConcept": coded})
        assert ("hn-elderly-2" not in {each.message_id for each in found}) is (told == conclusion)


def test_the_numbers_of_the_facts_are_judged_as_the_facts_say(guide, shared):
    vectors = json.loads((shared / "reference" / "hainan" / "identity_rules.json").read_text())["test_vectors"]
    for vector in vectors:
        patient = guide.examples.right["petrov"] if "iso_numeric" in vector else guide.examples.right["wu-newborn"]
        if "iso_numeric" in vector:
            number = {**patient["identifier"][0], "value": vector["value"]}
        else:
            number = {"system": "urn:oid:2.16.156.10011.1.3", "value": vector["value"]}
        found = errors(guide, {**patient, "identifier": [number]})
        assert (found == []) is vector["valid"], (vector, found)


def test_the_made_up_region_conforms(guide, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    writing = importlib.import_module("region.writing")
    patients = [each for each in writing.all_resources(120, 5) if each["resourceType"] == "Patient"]
    citizens = 0
    for patient in patients:
        citizen = any(each.get("system") == "urn:oid:2.16.156.10011.1.3" for each in patient["identifier"])
        citizens += citizen
        profile = CANONICAL + ("resident" if citizen else "visitor")
        told = guide.validator.validate(patient, profiles=[profile])
        assert [each for each in told if each.severity == "error"] == [], patient["identifier"]
    assert 0 < citizens < len(patients)
