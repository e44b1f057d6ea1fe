"""Input that is made to cost much, or to break what reads it: bounded time, a clear answer, never an exception."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiankang.fhir.definitions import load
from jiankang.fhir.validation import ListedTerminology, Validator, validate
from jiankang.fhir.validation.profiles import Definitions

NORM = "http://hl7.org/fhir/StructureDefinition/"


def nested(depth):
    inside = {"linkId": str(depth), "type": "string"}
    for number in range(depth - 1, 0, -1):
        inside = {"linkId": str(number), "type": "group", "item": [inside]}
    return {"resourceType": "Questionnaire", "status": "draft", "item": [inside]}


@pytest.mark.parametrize("depth", [50, 200, 300, 450, 700, 900, 940, 5_000])
@pytest.mark.parametrize("profiles", [(), (NORM + "cqf-questionnaire",)], ids=["alone", "with a profile"])
def test_deep_nesting_is_answered(depth, profiles):
    began = time.perf_counter()
    told = validate(nested(depth), profiles=profiles)
    assert time.perf_counter() - began < 20
    assert depth > 50 or [each for each in told if each.severity == "error"] == []


def test_many_problems_are_cut_off():
    names = [{"period": {"start": "2020", "end": "2019"}, "use": "x"}] * 5_000
    began = time.perf_counter()
    told = validate({"resourceType": "Patient", "name": names})
    assert time.perf_counter() - began < 15
    assert 50 < len(told) < 500


def test_an_expression_that_explodes_is_given_up():
    rule = {
        "key": "x-1",
        "severity": "error",
        "human": "?",
        "expression": "descendants().select(%resource.descendants().select(%resource.descendants())).empty()",
    }
    profile = {
        "resourceType": "StructureDefinition", "url": "https://example.org/p", "name": "p", "status": "draft", "kind": "resource", "abstract": False,
        "type": "Patient", "derivation": "constraint", "baseDefinition": NORM + "Patient", "differential": {"element": [{"path": "Patient", "constraint": [rule]}]},
    }  # fmt: skip
    validator = Validator(Definitions([profile]))
    began = time.perf_counter()
    told = validator.validate({"resourceType": "Patient", "name": [{"given": ["x"] * 500}]}, profiles=[profile["url"]])
    assert time.perf_counter() - began < 10
    assert {each.code for each in told} == {"too-costly"}


def test_value_sets_that_import_each_other_end():
    def imports(one, other):
        return {"resourceType": "ValueSet", "url": one, "compose": {"include": [{"valueSet": [other]}]}}

    terms = ListedTerminology([imports("urn:a", "urn:b"), imports("urn:b", "urn:a")])
    assert terms.validate_code("urn:x", "y", "urn:a").known is False


@pytest.mark.parametrize("text", ["a" * 100_000 + "!", "a-" * 50_000, "x/" + "y;z=" * 30_000, "😀 \t", "-" * 1_000])
def test_codes_that_are_made_to_cost_much_cost_little(text):
    began = time.perf_counter()
    validate({"resourceType": "Patient", "language": text, "photo": [{"contentType": text, "language": text}]})
    resource = {
        "resourceType": "Observation",
        "status": text,
        "code": {"coding": [{"system": text, "code": text, "display": text}]},
    }
    validate({**resource, "valueQuantity": {"value": 1, "system": "http://unitsofmeasure.org", "code": text}})
    assert time.perf_counter() - began < 8


@pytest.mark.parametrize(
    "div", ["<div " * 20_000, "<" * 100_000, "<div>" * 3_000, "<div " + "a='" * 30_000 + ">", "<div>" + "&x;" * 30_000]
)
def test_narratives_that_are_made_to_cost_much_cost_little(div):
    began = time.perf_counter()
    told = validate({"resourceType": "Patient", "text": {"status": "generated", "div": div}})
    assert time.perf_counter() - began < 15
    assert any(each.severity == "error" for each in told)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = sorted(
    {name for kind in ("Patient", "Observation", "Bundle", "Questionnaire", "Extension", "Reference", "Attachment", "Meta", "Coding", "Quantity", "Narrative")
     for element in load().types[kind].children for json_name in element.json_names for name in (json_name, "_" + json_name)}
)  # fmt: skip
LIKELY = st.recursive(
    ANYTHING,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(["Patient", "Observation", "Bundle", "Questionnaire", "Provenance", "List"]),
    st.dictionaries(st.sampled_from(MEMBERS), LIKELY, max_size=6),
)
def test_whatever_is_sent_is_answered(kind, members):
    told = validate({**members, "resourceType": kind, "meta": {"profile": [NORM + "heartrate", NORM + "bp", "x"]}})
    assert all(each.text and each.expression for each in told)


VALID = {
    "resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/1"}, "effectiveDateTime": "2020-01-01",
    "meta": {"profile": [NORM + "bodyweight"]}, "contained": [{"resourceType": "Patient", "id": "p", "name": [{"given": ["a"]}]}],
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
    "extension": [{"url": NORM + "observation-v2-subid", "valueString": "x"}],
    "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "x"}]}, "performer": [{"reference": "#p"}],
    "valueQuantity": {"value": Decimal("70.5"), "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    "referenceRange": [{"low": {"value": 1}, "appliesTo": [{"text": "x"}]}], "identifier": [{"system": "urn:x", "value": "1", "period": {"start": "2020"}}],
}  # fmt: skip


def spots(value, path=()):
    yield path
    if isinstance(value, dict):
        for name, each in value.items():
            yield from spots(each, (*path, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from spots(each, (*path, number))


def replaced(value, path, other):
    if not path:
        return other
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], other)
    return copy


@pytest.mark.parametrize(
    "other", [None, 7, "", "x", [], {}, [None], [{}], {"x": 1}, True, Decimal("1.5"), [[1]]], ids=repr
)
def test_any_value_in_any_place_is_answered(other):
    assert [each for each in validate(VALID) if each.severity == "error"] == []
    for path in spots(VALID):
        if path and path != ("resourceType",):
            told = validate(replaced(VALID, path, other))
            assert all(each.text and each.expression for each in told)


def test_a_profile_of_many_slices_is_read_in_time():
    slicing = {"discriminator": [{"type": "value", "path": "gender"}], "rules": "open"}
    elements = [{"id": "Patient.contact", "path": "Patient.contact", "slicing": slicing}]
    elements += [{"id": f"Patient.contact:s{n}", "path": "Patient.contact", "sliceName": f"s{n}"} for n in range(1_000)]
    profile = {
        "resourceType": "StructureDefinition", "url": "https://example.org/p", "name": "P", "status": "draft", "kind": "resource", "abstract": False,
        "type": "Patient", "derivation": "constraint", "baseDefinition": NORM + "Patient", "differential": {"element": elements},
    }  # fmt: skip
    began = time.perf_counter()
    assert [each for each in validate(profile) if each.severity == "error"] == []
    Validator(Definitions([profile])).validate(
        {"resourceType": "Patient", "contact": [{"gender": "male", "name": {"text": "x"}}] * 50},
        profiles=[profile["url"]],
    )
    assert time.perf_counter() - began < 20


def test_one_validator_serves_many_threads():
    validator = Validator()
    resources = [
        VALID,
        nested(5),
        {"resourceType": "Patient", "gender": "x"},
        {"resourceType": "List", "status": "current", "mode": "working"},
    ]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(validator.validate, resources * 20))
    for number, resource in enumerate(resources):
        assert all(each == validate(resource) for each in answers[number :: len(resources)])
