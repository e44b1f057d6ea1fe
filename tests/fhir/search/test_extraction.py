"""Which values each kind of element gives (http://hl7.org/fhir/R4/search.html)."""

from __future__ import annotations

from datetime import timedelta, timezone
from decimal import Decimal

import pytest

from jiankang.fhir.definitions import load
from jiankang.fhir.search import DATE_MAX, DATE_MIN, Alias, Registry, extract, parameters, principal_date
from jiankang.kernel.errors import Unprocessable

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
DAY = 86_400_000_000

PRESSURE = {
    "resourceType": "Observation",
    "id": "bp",
    "meta": {"profile": ["http://a/p|1.0"], "tag": [{"system": "http://t", "code": "x"}], "source": "urn:here"},
    "status": "final",
    "code": {"coding": [{"system": LOINC, "code": "85354-9", "display": "Blood pressure"}], "text": "血压"},
    "subject": {"reference": "Patient/p1"},
    "performer": [{"reference": "Practitioner/d1/_history/3"}, {"reference": "http://elsewhere/fhir/Organization/o"}],
    "effectiveDateTime": "2024-05-06",
    "component": [
        {
            "code": {"coding": [{"system": LOINC, "code": "8480-6"}]},
            "valueQuantity": {"value": 140, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"},
        },
        {
            "code": {"coding": [{"system": LOINC, "code": "8462-4"}]},
            "valueQuantity": {"value": Decimal("9.0"), "unit": "kPa", "system": UCUM, "code": "kPa"},
        },
    ],
}


def rows(resource, member, param):
    return [row[1:] for row in getattr(extract(resource), member) if row[0] == param]


def is_present(resource, code):
    parameter = parameters(resource["resourceType"])[code]
    return bool(extract(resource).present[parameter.number >> 3] >> (parameter.number & 7) & 1)


def test_a_concept_gives_each_coding_with_display_and_text():
    assert rows(PRESSURE, "tokens", "code") == [
        ("code", LOINC, "85354-9", "Blood pressure"),
        ("code", LOINC, "85354-9", "血压"),
    ]


def test_a_concept_without_coding_gives_its_text():
    resource = {"resourceType": "Observation", "status": "final", "code": {"text": "头痛"}}
    assert rows(resource, "tokens", "code") == [("code", None, None, "头痛")]


def test_a_code_has_the_system_that_its_binding_implies():
    assert rows(PRESSURE, "tokens", "status") == [("code", "http://hl7.org/fhir/observation-status", "final", None)]


def test_references_are_relative_versioned_or_absolute():
    assert rows(PRESSURE, "references", "subject") == [("Patient", "p1", None)]
    assert rows(PRESSURE, "references", "performer") == [("Practitioner", "d1", "3")]
    assert rows(PRESSURE, "urls", "performer") == [("http://elsewhere/fhir/Organization/o",)]


def test_an_absolute_reference_with_a_version_is_found_without_it_too():
    resource = {**PRESSURE, "subject": {"reference": "http://e/Patient/p/_history/2"}}
    assert rows(resource, "urls", "subject") == [("http://e/Patient/p/_history/2",), ("http://e/Patient/p",)]


def test_a_logical_reference_gives_its_identifier():
    resource = {**PRESSURE, "subject": {"identifier": {"system": "urn:mrn", "value": "7"}}}
    assert rows(resource, "reference_identifiers", "subject") == [("urn:mrn", "7")]


def test_a_profile_is_found_with_and_without_its_version():
    assert rows(PRESSURE, "uris", "_profile") == [("http://a/p|1.0",), ("http://a/p",)]


def test_components_are_tied_to_their_codes():
    found = rows(PRESSURE, "composites", "component-code-value-quantity")
    assert [(pair[0][2], pair[1][1]) for (pair,) in found] == [("8480-6", 140), ("8462-4", Decimal("9.0"))]


def test_amounts_are_given_in_canonical_units_too():
    (first, second) = rows(PRESSURE, "quantities", "component-value-quantity")
    assert first[:5] == (140, 140, UCUM, "mm[Hg]", "mmHg")
    assert first[7] == second[7] == "g.m-1.s-2"
    assert second[5] == Decimal(9_000_000)


@pytest.mark.parametrize(
    ("comparator", "low", "high"),
    [("<", "-Infinity", "5"), ("<=", "-Infinity", "5"), (">", "5", "Infinity"), (">=", "5", "Infinity")],
)
def test_a_comparator_leaves_one_end_open(comparator, low, high):
    quantity = {"value": 5, "comparator": comparator, "unit": "mg", "system": UCUM, "code": "mg"}
    resource = {"resourceType": "Observation", "valueQuantity": quantity}
    (row,) = rows(resource, "quantities", "value-quantity")
    assert (row[0], row[1]) == (Decimal(low), Decimal(high))


def test_money_has_its_currency_as_code():
    resource = {"resourceType": "Invoice", "totalNet": {"value": Decimal("12.50"), "currency": "CNY"}}
    (row,) = rows(resource, "quantities", "totalnet")
    assert row[:5] == (Decimal("12.50"), Decimal("12.50"), "urn:iso:std:iso:4217", "CNY", None)


def test_sampled_data_covers_least_to_greatest_sample():
    sampled = {
        "origin": {"value": 100, "system": UCUM, "code": "uV"},
        "period": 10,
        "factor": 2,
        "dimensions": 1,
        "data": "1 -3 E 4",
    }
    (row,) = rows({"resourceType": "Observation", "valueSampledData": sampled}, "quantities", "value-quantity")
    assert row[:2] == (94, 108)


@pytest.mark.parametrize(
    ("written", "first", "width"),
    [
        ("1970", 0, 365 * DAY),
        ("1970-02", 31 * DAY, 28 * DAY),
        ("1972-02", 761 * DAY, 29 * DAY),
        ("1970-01-02", DAY, DAY),
        ("1970-01-01T08:00:00+08:00", 0, 1_000_000),
        ("1970-01-01T00:00:00.5Z", 500_000, 100_000),
        ("1970-01-01T00:00:00.000001234Z", 1, 1),
        ("1970-01-01T23:59:60Z", DAY - 1_000_000, 1_000_000),
        ("9999", DATE_MAX - 365 * DAY, 365 * DAY),
    ],
)
def test_a_date_covers_what_its_precision_says(written, first, width):
    resource = {**PRESSURE, "effectiveDateTime": written}
    assert rows(resource, "dates", "date") == [(first, first + width)]


def test_an_open_period_reaches_to_the_ends_of_time():
    assert rows({**PERIOD, "period": {"start": "1970"}}, "dates", "date") == [(0, DATE_MAX)]
    assert rows({**PERIOD, "period": {"end": "1970-01-01"}}, "dates", "date") == [(DATE_MIN, DAY)]


PERIOD = {"resourceType": "Encounter", "status": "finished"}


def test_days_are_read_in_the_zone_of_the_registry():
    haikou = Registry(timezone(timedelta(hours=8)))
    (row,) = haikou.extract({"resourceType": "Patient", "birthDate": "1970-01-02"}).dates
    assert row == ("birthdate", 16 * 3_600_000_000, 40 * 3_600_000_000)


def test_a_timing_is_its_events_and_its_bounds():
    timing = {
        "event": ["1970-01-01", "1970-01-03"],
        "repeat": {"boundsPeriod": {"start": "1970-01-01", "end": "1970-01-03"}},
    }
    found = rows({"resourceType": "ServiceRequest", "occurrenceTiming": timing}, "dates", "occurrence")
    assert found == [(0, DAY), (2 * DAY, 3 * DAY), (0, 3 * DAY)]


def test_a_name_is_found_by_each_part_and_a_chinese_one_also_as_a_whole():
    resource = {"resourceType": "Patient", "name": [{"family": "王", "given": ["小明"], "text": "王 小明"}]}
    assert [text for (text,) in rows(resource, "strings", "name")] == ["王", "小明", "王小明", "王 小明"]
    latin = {"resourceType": "Patient", "name": [{"family": "García", "given": ["Ana", "M"], "prefix": ["Dr"]}]}
    assert [text for (text,) in rows(latin, "strings", "name")] == ["García", "Ana", "M", "Dr"]


def test_an_identifier_is_found_by_its_type_too():
    kind = {"coding": [{"system": "http://v2", "code": "MR"}], "text": "住院号"}
    resource = {"resourceType": "Patient", "identifier": [{"system": "urn:h", "value": "12", "type": kind}]}
    assert rows(resource, "tokens", "identifier") == [
        ("identifier", "urn:h", "12", "住院号"),
        ("of-type", "http://v2", "MR", "12"),
    ]


def test_a_telephone_is_found_without_its_punctuation():
    telecom = [{"system": "phone", "value": "+86 138-0000-1111"}, {"system": "email", "value": "a-b@c.cn"}]
    resource = {"resourceType": "Patient", "telecom": telecom}
    assert [row[2] for row in rows(resource, "tokens", "phone")] == ["+86 138-0000-1111", "+8613800001111"]
    assert [row[2] for row in rows(resource, "tokens", "email")] == ["a-b@c.cn"]


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ({}, "false"),
        ({"deceasedBoolean": False}, "false"),
        ({"deceasedBoolean": True}, "true"),
        ({"deceasedDateTime": "2020"}, "true"),
    ],
)
def test_deceased_is_a_date_or_a_yes(member, expected):
    assert rows({"resourceType": "Patient", **member}, "tokens", "deceased") == [("code", None, expected, None)]


def test_a_position_is_two_numbers():
    resource = {"resourceType": "Location", "position": {"latitude": Decimal("19.24"), "longitude": 110}}
    assert rows(resource, "numbers", "near:latitude") == [(Decimal("19.24"), Decimal("19.24"))]
    assert rows(resource, "numbers", "near:longitude") == [(110, 110)]


def test_the_first_resource_of_a_document_is_found_by_its_type():
    entry = [{"resource": {"resourceType": "Composition", "id": "c1"}}]
    bundle = {"resourceType": "Bundle", "type": "document", "entry": entry}
    assert rows(bundle, "references", "composition") == [("Composition", "c1", None)]
    assert rows(bundle, "references", "message") == []


def test_a_parameter_for_the_patient_alone_asks_the_rows_of_the_subject():
    assert parameters("Observation")["patient"].alias_of == Alias(("subject",), "Patient")
    assert parameters("Observation")["combo-code"].alias_of == Alias(("code", "component-code"))
    assert parameters("AuditEvent")["patient"].alias_of == Alias(("agent", "entity"), "Patient")
    assert rows(PRESSURE, "references", "patient") == []


def test_present_says_which_parameters_have_values_aliases_included():
    assert is_present(PRESSURE, "subject")
    assert is_present(PRESSURE, "patient")
    assert is_present(PRESSURE, "combo-code-value-quantity")
    assert not is_present(PRESSURE, "encounter")
    group = {**PRESSURE, "subject": {"reference": "Group/g"}}
    assert is_present(group, "subject")
    assert not is_present(group, "patient")


def test_a_resource_is_in_the_compartments_that_it_refers_to():
    assert set(extract(PRESSURE).compartments) == {("Patient", "p1"), ("Practitioner", "d1")}
    patient = {"resourceType": "Patient", "id": "p9", "link": [{"other": {"reference": "Patient/p8"}}]}
    assert extract(patient).compartments == (("Patient", "p9"), ("Patient", "p8"))


def test_a_condition_is_placed_in_time_by_its_onset_else_by_its_recording():
    onset = {"resourceType": "Condition", "onsetDateTime": "1970-01-03", "recordedDate": "1970-01-05"}
    assert extract(onset).at == 2 * DAY
    assert extract({"resourceType": "Condition", "recordedDate": "1970-01-05"}).at == 4 * DAY
    assert extract({"resourceType": "Patient", "birthDate": "1970-01-05"}).at == 0
    assert principal_date("Observation") == "date"


def test_words_come_from_narrative_and_content_in_any_script():
    resource = {
        **PRESSURE,
        "text": {"status": "generated", "div": "<div xmlns='x'><b>Hyper</b>tension &amp; <i>心衰</i></div>"},
        "note": [{"text": "患者头痛 3 天"}],
    }
    found = extract(resource)
    assert found.narrative == ("hyper", "tension", "心", "心衰", "衰")
    assert {"血压", "头痛", "患", "3", "blood", "85354", "mmhg"} <= set(found.content)
    assert not {"final", "http", "hyper", "p1"} & set(found.content)


def test_every_type_has_a_function_and_stable_bits():
    for name in load().resource_names:
        known = parameters(name)
        assert [parameter.number for parameter in known.values()] == list(range(len(known)))
        assert extract({"resourceType": name}).content == ()


def custom(**changes):
    return {
        "resourceType": "SearchParameter",
        "url": "http://jk/nation",
        "code": "nation",
        "type": "token",
        "base": ["Patient"],
        "expression": "Patient.extension.where(url='http://jk/nation').value",
        **changes,
    }


def test_a_custom_parameter_is_extracted_beside_the_official_ones():
    registry = Registry()
    ((base, made),) = registry.register(custom())
    assert (base, made.number) == ("Patient", 128)
    patient = {
        "resourceType": "Patient",
        "gender": "male",
        "extension": [
            {"url": "http://jk/other", "valueCode": "x"},
            {"url": "http://jk/nation", "valueCoding": {"system": "urn:n", "code": "04", "display": "藏族"}},
        ],
    }
    found = registry.extract(patient)
    assert ("nation", "code", "urn:n", "04", "藏族") in found.tokens
    assert found.present[made.number >> 3] >> (made.number & 7) & 1
    assert not [row for row in extract(patient).tokens if row[0] == "nation"]
    registry.unregister("http://jk/nation")
    assert "nation" not in registry.parameters("Patient")


def test_a_custom_parameter_for_resource_is_for_every_type():
    added = Registry().register(custom(base=["Resource"], expression="Resource.language", code="lang"))
    assert len(added) == len(load().resource_names)


def test_a_custom_expression_may_be_any_fhirpath():
    registry = Registry()
    official_name = "Patient.name.where(use = 'official' and period.empty()).family"
    registry.register(custom(code="official", type="string", expression=official_name))
    names = [{"use": "official", "family": "王"}, {"use": "usual", "family": "李"}]
    found = registry.extract({"resourceType": "Patient", "name": names})
    assert [row for row in found.strings if row[0] == "official"] == [("official", "王")]


def test_a_custom_expression_that_fails_on_a_resource_gives_no_value_of_it():
    registry = Registry()
    registry.register(custom(code="only", type="string", expression="Patient.name.single().family.lower()"))
    patient = {"resourceType": "Patient", "name": [{"family": "A"}, {"family": "B"}]}
    assert not [row for row in registry.extract(patient).strings if row[0] == "only"]
    assert ("only", "a") in registry.extract({"resourceType": "Patient", "name": [{"family": "A"}]}).strings


def test_a_custom_composite_ties_components_together():
    definition = "http://hl7.org/fhir/SearchParameter/"
    parts = [
        {"definition": f"{definition}Encounter-participant-type", "expression": "type"},
        {"definition": f"{definition}Encounter-participant", "expression": "individual"},
    ]
    registry = Registry()
    changes = {"type": "composite", "base": ["Encounter"], "expression": "Encounter.participant", "component": parts}
    registry.register(custom(code="who-as", **changes))
    participants = [
        {"type": [{"coding": [{"code": "ATND"}]}], "individual": {"reference": "Practitioner/a"}},
        {"type": [{"coding": [{"code": "CON"}]}], "individual": {"reference": "Practitioner/b"}},
    ]
    found = registry.extract({"resourceType": "Encounter", "participant": participants}).composites
    assert [(row[1][0][2], row[1][1][2]) for row in found] == [("ATND", "a"), ("CON", "b")]


def test_hostile_texts_are_read_in_bounded_time():
    sampled = {"origin": {"value": 0}, "data": "1e999999999 NaN Infinity 2 " + "9" * 500}
    hostile = {
        "resourceType": "Observation",
        "text": {"div": "<" * 200_000 + "<!--" * 50_000},
        "note": [{"text": "a" * 1_000_000}, {"text": "高" * 100_000}],
        "valueSampledData": sampled,
    }
    found = extract(hostile)
    assert found.quantities[0][1:3] == (2, 2)
    assert set(found.content) == {"a" * 64, "高", "高高"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"expression": ""}, "expression"),
        ({"expression": "Patient.nothing"}, "leads to nothing"),
        ({"expression": "Patient.name.where("}, "cannot be used"),
        ({"expression": "Patient.name" * 400}, "characters"),
        ({"code": "name"}, "already"),
        ({"base": ["Nobody"]}, "Nobody"),
        ({"type": "thing"}, "thing"),
    ],
)
def test_a_custom_parameter_that_cannot_work_is_refused(changes, says):
    with pytest.raises(Unprocessable, match=says):
        Registry().register(custom(**changes))
