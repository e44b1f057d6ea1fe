"""The shape of resources: what is right passes, what is wrong is told with its place and what to do."""

from __future__ import annotations

import bz2
import json
import time
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiankang.fhir.structure import MAX_ISSUES, check, source
from jiankang.kernel.jsontext import decode

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "node_modules" / "hl7.fhir.r4.examples"
SYNTHEA = ROOT.parent / "shared" / "data" / "synthea"

CODE = {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]}
URL = "http://example.org/x"


def patient(**members):
    return {"resourceType": "Patient", **members}


def observation(**members):
    return {"resourceType": "Observation", "status": "final", "code": CODE, **members}


def extension(**members):
    return patient(extension=[{"url": URL, **members}])


RIGHT = {
    "the least patient": patient(),
    "a name": patient(id="a-1.B", name=[{"family": "张", "given": ["伟"]}], gender="male", birthDate="1970-02-28"),
    "only the year": patient(birthDate="1970"),
    "a leap day": patient(birthDate="2000-02-29"),
    "a choice": observation(valueQuantity={"value": Decimal("1.00"), "unit": "cm"}),
    "an integer where a decimal may be": observation(valueQuantity={"value": 1}),
    "another choice": observation(valueBoolean=False),
    "a choice by its extension alone": observation(_valueString={"extension": [{"url": URL, "valueCode": "unknown"}]}),
    "a choice and its own extension": observation(valueString="x", _valueString={"id": "a"}),
    "a required element by its extension alone": {
        "resourceType": "Observation",
        "code": CODE,
        "_status": {"extension": [{"url": URL, "valueCode": "unknown"}]},
    },
    "names with places kept": patient(name=[{"given": [None, "b"], "_given": [{"id": "x"}, None]}]),
    "names by extension alone": patient(name=[{"_given": [{"extension": [{"url": URL, "valueBoolean": True}]}]}]),
    "contained": observation(contained=[patient(id="p")], subject={"reference": "#p"}),
    "a reference to the container": patient(link=[{"other": {"reference": "#"}, "type": "refer"}]),
    "a version": observation(subject={"reference": "Patient/1/_history/2"}),
    "an absolute reference": observation(subject={"reference": "https://example.org/fhir/Patient/1"}),
    "an absolute reference to what is elsewhere": observation(subject={"reference": "https://example.org/people?id=1"}),
    "a urn": observation(subject={"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}),
    "an oid": observation(subject={"reference": "urn:oid:1.2.3"}),
    "a conditional reference": observation(subject={"reference": "Patient?identifier=urn:a|1"}),
    "text": patient(
        text={"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>a&nbsp;<b>b</b></div>"}
    ),
    "lines in a string": patient(name=[{"text": "a\r\n\tb"}]),
    "times": observation(effectiveDateTime="2020-12-31T23:59:60.123+14:00", issued="2020-01-01T00:00:00Z"),
    "a time": observation(valueTime="23:59:59"),
    "base64": {"resourceType": "Binary", "contentType": "text/plain", "data": "aGVs\nbG8="},
    "an empty bundle": {"resourceType": "Bundle", "type": "searchset", "total": 0},
    "nested items": {
        "resourceType": "Questionnaire",
        "status": "draft",
        "item": [{"linkId": "1", "type": "group", "item": [{"linkId": "1.1", "type": "string"}]}],
    },
    "nested extensions": extension(extension=[{"url": "a", "valueString": "b"}]),
    "an extension of a profile not known here": extension(valueMoney={"value": 1, "currency": "CNY"}),
    "parameters": {"resourceType": "Parameters", "parameter": [{"name": "a", "resource": patient()}]},
}


@pytest.mark.parametrize("resource", RIGHT.values(), ids=RIGHT.keys())
def test_what_is_right_passes(resource):
    assert check(resource) == []


WRONG = {
    "no object": ([1], "Resource", "structure", "must be a JSON object"),
    "no type": ({"id": "x"}, "Resource.resourceType", "required", "is required"),
    "an unknown type": (
        {"resourceType": "Pateint"},
        "Resource.resourceType",
        "structure",
        "did you mean Patient?",
    ),
    "an abstract type": (
        {"resourceType": "DomainResource"},
        "Resource.resourceType",
        "structure",
        "no resource type",
    ),
    "a type that is no string": (
        {"resourceType": ["Patient"]},
        "Resource.resourceType",
        "structure",
        "must be a string",
    ),
    "an unknown element": (
        patient(birthdate="1970"),
        "Patient.birthdate",
        "structure",
        "did you mean birthDate?",
    ),
    "an unknown element deep inside": (
        patient(name=[{}, {"familly": "x"}][1:]),
        "Patient.name[0].familly",
        "structure",
        "did you mean family?",
    ),
    "an element of another type": (
        patient(status="final"),
        "Patient.status",
        "structure",
        "is not an element of Patient",
    ),
    "an underscore of a complex element": (
        patient(_name=[{"id": "a"}]),
        "Patient._name",
        "structure",
        "not an element",
    ),
    "null": (patient(birthDate=None), "Patient.birthDate", "structure", "must not be null"),
    "null for an extension": (patient(extension=None), "Patient.extension", "structure", "must not be null"),
    "null in a list": (patient(name=[None]), "Patient.name[0]", "structure", "must not be null"),
    "an object for a list": (patient(name={"family": "x"}), "Patient.name", "structure", "takes a list"),
    "a list for a string": (
        patient(birthDate=["1970"]),
        "Patient.birthDate",
        "structure",
        "leave out the square brackets",
    ),
    "a list for an object": (
        patient(maritalStatus=[CODE]),
        "Patient.maritalStatus",
        "structure",
        "leave out the square",
    ),
    "a string for an object": (
        patient(name=["张伟"]),
        "Patient.name[0]",
        "structure",
        "must be a JSON object",
    ),
    "an empty list": (patient(name=[]), "Patient.name", "structure", "must not be an empty list"),
    "an empty object": (patient(name=[{}]), "Patient.name[0]", "structure", "must not be empty"),
    "an empty string": (
        patient(name=[{"family": ""}]),
        "Patient.name[0].family",
        "value",
        "must not be empty",
    ),
    "an empty string in a list": (
        patient(name=[{"given": ["a", ""]}]),
        "Patient.name[0].given[1]",
        "value",
        "empty",
    ),
    "null without an extension": (
        patient(name=[{"given": [None]}]),
        "Patient.name[0].given[0]",
        "structure",
        "_given[0]",
    ),
    "lists that do not match": (
        patient(name=[{"given": ["a", "b"], "_given": [{"id": "x"}]}]),
        "Patient.name[0].given",
        "structure",
        "2 values",
    ),
    "nothing but null beside": (
        patient(name=[{"_given": [None]}]),
        "Patient.name[0]._given",
        "structure",
        "but null",
    ),
    "an empty primitive extension": (
        patient(_birthDate={}),
        "Patient.birthDate",
        "structure",
        "must not be empty",
    ),
    "a value in a primitive extension": (
        patient(_birthDate={"value": "1970"}),
        "Patient.birthDate.value",
        "structure",
        "is not an element of Element",
    ),
    "a number for a string": (
        patient(name=[{"family": 1}]),
        "Patient.name[0].family",
        "value",
        "write it in quotes",
    ),
    "a string for a boolean": (patient(active="true"), "Patient.active", "value", "without quotes"),
    "a number for a boolean": (
        patient(active=1),
        "Patient.active",
        "value",
        "must be true or false, not a number",
    ),
    "true for a number": (
        patient(multipleBirthInteger=True),
        "Patient.multipleBirth",
        "value",
        "must be a whole number",
    ),
    "a string for a number": (observation(valueInteger="1"), "Observation.value", "value", "without quotes"),
    "a decimal for an integer": (
        observation(valueInteger=Decimal("1.0")),
        "Observation.value",
        "value",
        "whole number",
    ),
    "an integer beyond 32 bits": (
        observation(valueInteger=2**31),
        "Observation.value",
        "value",
        "out of range",
    ),
    "zero for a positive": (
        patient(telecom=[{"rank": 0}]),
        "Patient.telecom[0].rank",
        "value",
        "1 to 2147483647",
    ),
    "a string for a decimal": (
        observation(valueQuantity={"value": "1"}),
        "Observation.value.value",
        "value",
        "without quotes",
    ),
    "a required element": (
        {"resourceType": "Observation", "code": CODE},
        "Observation.status",
        "required",
        "required",
    ),
    "a required object": (
        {"resourceType": "Observation", "status": "final"},
        "Observation.code",
        "required",
        "required",
    ),
    "a required choice": (
        {
            "resourceType": "MedicationRequest",
            "status": "active",
            "intent": "order",
            "subject": {"reference": "Patient/1"},
        },
        "MedicationRequest.medication",
        "required",
        "is required",
    ),
    "a required choice beside an extension": (
        {
            "resourceType": "MedicationRequest",
            "status": "active",
            "intent": "order",
            "subject": {"reference": "Patient/1"},
            "language": "zh",
        },
        "MedicationRequest.medication",
        "required",
        "is required",
    ),
    "two choices": (
        observation(valueString="a", valueBoolean=True),
        "Observation.value",
        "structure",
        "there are valueString, valueBoolean",
    ),
    "two choices, one by extension": (
        observation(valueString="a", _valueBoolean={"id": "a"}),
        "Observation.value",
        "structure",
        "one of its forms",
    ),
    "a choice that is none": (
        observation(valueDecimal=1),
        "Observation.valueDecimal",
        "structure",
        "is not an element",
    ),
    "the name of a choice": (observation(value=1), "Observation.value", "structure", "is not an element"),
    "a month that is none": (patient(birthDate="1970-13"), "Patient.birthDate", "value", "is not a date"),
    "a day that is none": (patient(birthDate="1970-04-31"), "Patient.birthDate", "value", "is not a date"),
    "a leap day in a common year": (
        patient(birthDate="1900-02-29"),
        "Patient.birthDate",
        "value",
        "no 29th of February",
    ),
    "year 0": (patient(birthDate="0000"), "Patient.birthDate", "value", "is not a date"),
    "a date with time": (
        patient(birthDate="1970-01-01T00:00:00Z"),
        "Patient.birthDate",
        "value",
        "is not a date",
    ),
    "digits that are not ASCII": (
        patient(birthDate="１９７０"),
        "Patient.birthDate",
        "value",
        "is not a date",
    ),
    "a date and a line feed": (patient(birthDate="1970\n"), "Patient.birthDate", "value", "is not a date"),
    "a time without zone": (
        observation(effectiveDateTime="2020-01-01T10:00:00"),
        "Observation.effective",
        "value",
        "time zone",
    ),
    "a time without seconds": (
        observation(issued="2020-01-01T10:00Z"),
        "Observation.issued",
        "value",
        "with seconds",
    ),
    "25 o'clock": (observation(valueTime="25:00:00"), "Observation.value", "value", "is not a time"),
    "a code with spaces": (patient(gender=" male"), "Patient.gender", "value", "is not a code"),
    "a uri with spaces": (
        patient(identifier=[{"system": "a b"}]),
        "Patient.identifier[0].system",
        "value",
        "white space",
    ),
    "an oid with letters": (
        patient(identifier=[{"system": "urn:oid:1.a"}]),
        "Patient.identifier[0].system",
        "value",
        "OID",
    ),
    "an id with an underscore": (patient(id="a_b"), "Patient.id", "value", "is not an id"),
    "an id that is long": (patient(id="a" * 65), "Patient.id", "value", "is not an id"),
    "a control character": (patient(name=[{"text": "a\x07"}]), "Patient.name[0].text", "value", "U+0007"),
    "a string of over a megabyte": (
        patient(name=[{"text": "a" * 1048577}]),
        "Patient.name[0].text",
        "value",
        "1048577",
    ),
    "base64 that is not": (
        {"resourceType": "Binary", "contentType": "a/b", "data": "a"},
        "Binary.data",
        "value",
        "base64",
    ),
    "a div that is none": (
        patient(text={"status": "empty", "div": "<p/>"}),
        "Patient.text.div",
        "value",
        "one <div>",
    ),
    "a div not closed": (
        patient(text={"status": "empty", "div": "<div><b></div>"}),
        "Patient.text.div",
        "value",
        "well-formed",
    ),
    "an unknown entity": (
        patient(text={"status": "empty", "div": "<div>&foo;</div>"}),
        "Patient.text.div",
        "value",
        "&foo;",
    ),
    "an entity bomb": (
        patient(text={"status": "empty", "div": "<div></div><!DOCTYPE a [<!ENTITY b 'c'>]>"}),
        "Patient.text.div",
        "value",
        "DOCTYPE",
    ),
    "a reference to no type": (
        observation(subject={"reference": "Person2/1"}),
        "Observation.subject.reference",
        "value",
        "is not a reference",
    ),
    "a reference to an unknown type": (
        observation(subject={"reference": "Human/1"}),
        "Observation.subject.reference",
        "value",
        "no resource type",
    ),
    "a reference without type": (
        observation(subject={"reference": "1"}),
        "Observation.subject.reference",
        "value",
        "write Type/id",
    ),
    "a reference that is no uuid": (
        observation(subject={"reference": "urn:uuid:1"}),
        "Observation.subject.reference",
        "value",
        "UUID",
    ),
    "a reference to a type not allowed here": (
        observation(subject={"reference": "Practitioner/1"}),
        "Observation.subject",
        "structure",
        "points to a Practitioner; here it may be Patient, Group, Device or Location",
    ),
    "an absolute reference to a type not allowed here": (
        observation(performer=[{"reference": "Patient/1"}, {"reference": "http://a.b/fhir/Device/1"}]),
        "Observation.performer[1]",
        "structure",
        "points to a Device",
    ),
    "a choice of reference to a type not allowed here": (
        {
            "resourceType": "MedicationRequest",
            "status": "active",
            "intent": "order",
            "subject": {"reference": "Patient/1"},
            "medicationReference": {"reference": "Substance/1"},
        },
        "MedicationRequest.medication",
        "structure",
        "here it may be Medication",
    ),
    "an extension without url": (
        patient(extension=[{"valueCode": "a"}]),
        "Patient.extension[0].url",
        "required",
        "required",
    ),
    "an extension without value": (
        extension(),
        "Patient.extension[0]",
        "structure",
        "neither a value nor extensions",
    ),
    "an extension with id alone": (
        extension(id="a"),
        "Patient.extension[0]",
        "structure",
        "neither a value nor extensions",
    ),
    "an extension with both": (
        extension(valueCode="a", extension=[{"url": "b", "valueCode": "c"}]),
        "Patient.extension[0]",
        "structure",
        "both",
    ),
    "an extension in a primitive": (
        patient(_birthDate={"extension": [{"url": URL}]}),
        "Patient.birthDate.extension[0]",
        "structure",
        "neither",
    ),
    "a contained resource without type": (
        observation(contained=[{"id": "a"}]),
        "Observation.contained[0].resourceType",
        "required",
        "is required",
    ),
    "a contained resource with a mistake": (
        observation(contained=[patient(id="a", active=1)]),
        "Observation.contained[0].active",
        "value",
        "true or false",
    ),
    "an entry with a mistake": (
        {
            "resourceType": "Bundle",
            "type": "batch",
            "entry": [{"fullUrl": "urn:a"}, {"resource": patient(active=1)}],
        },
        "Bundle.entry[1].resource.active",
        "value",
        "true or false",
    ),
    "an item of an item": (
        {
            "resourceType": "Questionnaire",
            "status": "draft",
            "item": [{"linkId": "1", "type": "group", "item": [{"linkId": "2"}]}],
        },
        "Questionnaire.item[0].item[0].type",
        "required",
        "is required",
    ),
    "a reference range of a component": (
        observation(component=[{"code": CODE, "referenceRange": [{"txt": "a"}]}]),
        "Observation.component[0].referenceRange[0].txt",
        "structure",
        "did you mean text?",
    ),
}


@pytest.mark.parametrize(("resource", "where", "code", "says"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told_with_its_place(resource, where, code, says):
    (issue,) = check(resource)
    assert issue.expression == (where,)
    assert issue.code == code
    assert says in issue.text
    assert issue.severity == "error"


def test_all_problems_are_told_at_once():
    issues = check(patient(active=1, birthDate="x", name=[{"family": 1}, {"given": "a"}], foo=1))
    assert [issue.expression[0] for issue in issues] == [
        "Patient.active",
        "Patient.name[0].family",
        "Patient.name[1].given",
        "Patient.birthDate",
        "Patient.foo",
    ]


def test_another_type_than_expected_is_told():
    assert check(patient(), expected_type="Patient") == []
    (issue,) = check(patient(), expected_type="Observation")
    assert issue.text == "Patient is the resourceType, but Observation is expected here."


def test_tells_a_hundred_problems_and_that_there_are_more():
    issues = check(patient(name=[{"x": 1}] * 5_000))
    assert len(issues) == MAX_ISSUES + 1
    assert "more problems" in issues[-1].text


def test_mistakes_in_deeply_nested_lists_take_no_longer_than_their_size():
    item = {"linkId": 1}
    for _ in range(60):
        item = {"linkId": "1", "type": "group", "item": [item]}
    began = time.process_time()
    issues = check({"resourceType": "Questionnaire", "status": "draft", "item": [item]})
    assert len(issues) == 2
    assert time.process_time() - began < 1


def test_what_is_nested_without_end_is_refused():
    item = {"linkId": "1", "type": "group"}
    item["item"] = [item]
    (issue,) = check({"resourceType": "Questionnaire", "status": "draft", "item": [item]})
    assert "nested too deep" in issue.text


def test_generated_code_of_every_type_compiles():
    from jiankang.fhir.definitions import load

    for name, definition in load().types.items():
        if definition.kind != "primitive-type":
            compile(source(name), name, "exec")


# Mistakes of the norm's own examples, each looked at: what is told is what the norm says.
KNOWN_MISTAKES = {
    "Bundle-v2-valuesets.json": "codes with two spaces",
    "Bundle-valueset-expansions.json": "an OID with a leading zero",
    "CodeSystem-v2-0550.json": "codes with two spaces",
    "DeviceMetric-example.json": "parent is a DeviceDefinition, the definition says Device",
    "DeviceUseStatement-example.json": "reason is a Procedure",
    "ImplementationGuide-fhir.json": "name and status are missing",
    "Library-zika-virus-intervention-logic.json": "urn:oid: without an OID",
    "MedicationRequest-medrx0301.json": "dispenser is a Practitioner, the definition says Organization",
    "Observation-clinical-gender.json": "performer is an Encounter",
    "Questionnaire-qs1.json": "items without linkId",
    "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json": "an id of 67 letters",
    "ig-r4.json": "name and status are missing",
}
HEAVY = {"Bundle-resources.json", "Bundle-types.json", "Bundle-dataelements.json", "Bundle-valuesets.json"}


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="npm package hl7.fhir.r4.examples is not installed: run `make setup`")
def test_the_examples_of_the_norm_pass():
    refused = {}
    count = 0
    for path in sorted(EXAMPLES.glob("*-*.json")):
        if path.name in HEAVY or path.name.startswith(("package", "StructureDefinition-", "CodeSystem-", "ValueSet-")):
            continue
        count += 1
        if issues := check(decode(path.read_bytes())):
            refused[path.name] = issues[0].text
    unexplained = {
        name: text
        for name, text in refused.items()
        if name not in KNOWN_MISTAKES and text != "SearchParameter.base is required."
    }
    assert unexplained == {}
    assert count > 2_000


@pytest.mark.skipif(not SYNTHEA.is_dir(), reason="../shared/data/synthea is not here")
def test_synthea_passes():
    paths = sorted(SYNTHEA.glob("*.json.bz2"), key=lambda path: path.stat().st_size)[:12]
    assert len(paths) == 12
    for path in paths:
        bundle = decode(bz2.decompress(path.read_bytes()))
        assert len(bundle["entry"]) > 10
        assert check(bundle) == []


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["Patient", "Patient/1", "#", "urn:oid:", "1970-02-29", "<div>"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "resourceType",
                    "id",
                    "url",
                    "reference",
                    "extension",
                    "valueString",
                    "_valueString",
                    "div",
                    "given",
                    "_given",
                    "coding",
                    "x",
                    "",
                    "_",
                    "__",
                    "item",
                    "contained",
                    "resource",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
NAMES = [
    "id",
    "meta",
    "text",
    "name",
    "birthDate",
    "_birthDate",
    "extension",
    "contained",
    "deceasedBoolean",
    "_deceasedBoolean",
    "multipleBirthInteger",
    "link",
    "contact",
    "active",
    "modifierExtension",
    "photo",
]


@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING, min_size=1, max_size=4))
@settings(max_examples=400, deadline=None)
def test_whatever_comes_is_answered_with_issues_that_can_be_written(members):
    for issue in check(patient(**members)):
        assert issue.expression[0].startswith("Patient")
        json.dumps(issue.text)


GOOD = observation(
    id="o",
    subject={"reference": "Patient/1"},
    issued="2020-01-01T00:00:00Z",
    valueQuantity={"value": 1},
    component=[{"code": CODE, "valueString": "x"}],
)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_one_mistake_in_a_right_resource_is_found(data):
    changed = json.loads(json.dumps(GOOD))
    places = []

    def visit(value):
        for name in list(value) if isinstance(value, dict) else range(len(value)):
            places.append((value, name))
            if isinstance(value[name], dict | list):
                visit(value[name])

    visit(changed)
    holder, name = data.draw(st.sampled_from(places))
    holder[name] = data.draw(st.sampled_from([None, [], {}, "", [[]], {"": 1}]))
    assert check(changed)
