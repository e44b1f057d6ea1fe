"""What expressions give: tables of cases beyond the official suite."""

from __future__ import annotations

from decimal import Decimal

import pytest

from jiankang.fhir.definitions import load
from jiankang.fhir.path import Node, PathMeaningError, PathRunError, compile_path

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "active": False,
    "name": [
        {"use": "official", "family": "王", "given": ["小明", None], "_given": [None, {"id": "g2"}]},
        {"use": "usual", "given": ["Ming"]},
    ],
    "birthDate": "1974-12",
    "_birthDate": {"extension": [{"url": "http://x/time", "valueDateTime": "1974-12-25T14:35:45-05:00"}]},
    "_gender": {"extension": [{"url": "http://x/unknown", "valueBoolean": True}]},
    "deceasedBoolean": False,
    "managingOrganization": {"reference": "#org"},
    "generalPractitioner": [
        {"reference": "Practitioner/7"},
        {"reference": "http://other/fhir/Organization/1/_history/2"},
    ],
    "contained": [{"resourceType": "Organization", "id": "org", "name": "Clinic"}],
}
OBSERVATION = {
    "resourceType": "Observation",
    "valueQuantity": {"value": Decimal("1.50"), "system": "http://unitsofmeasure.org", "code": "g"},
    "component": [{"valueString": "high"}, {"valueQuantity": {"value": 3, "code": "mg"}}],
    "subject": {"reference": "Patient/1"},
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("name.given", ["小明", "Ming"]),
        ("name.given.count()", [3]),
        ("name.given.where(hasValue().not()).id", ["g2"]),
        ("name.where(use = 'official').family", ["王"]),
        ("gender.exists()", [True]),
        ("gender.hasValue()", [False]),
        ("gender.extension('http://x/unknown').value", [True]),
        ("gender = 'male'", [False]),
        ("deceased.exists() and deceased != false", [False]),
        ("(deceased as boolean)", [False]),
        ("birthDate.extension.value.toDate().toString()", ["1974-12-25"]),
        ("birthDate < @1974-12-03", []),
        ("birthDate < @1975-01-01", [True]),
        ("managingOrganization.resolve().name", ["Clinic"]),
        ("generalPractitioner.where(resolve() is Practitioner).reference", ["Practitioner/7"]),
        ("generalPractitioner.where(resolve() is Organization).count()", [1]),
        ("managingOrganization.where(resolve() is Organization).exists()", [True]),
        ("contained.ofType(Organization).name", ["Clinic"]),
        ("contained.id", ["org"]),
        ("children().count() > 5", [True]),
        ("name.select(given.first() & '!')", ["小明!", "Ming!"]),
        ("name.given.aggregate($total & $this, '')", ["小明Ming"]),
        ("name.sort(-use).use", ["usual", "official"]),
        ("iif(active, 'yes', 'no')", ["no"]),
        ("%resource.id", ["p1"]),
        ("Patient.name.family | Person.name.family", ["王"]),
        ("name.use.indexOf('f')", None),
        ("'a,b'.split(',').join('-')", ["a-b"]),
        ("'2.50'.toDecimal().precision()", [2]),
        ("(4 'g').toQuantity('mg')", [{"value": Decimal(4000), "unit": "mg"}]),
        ("'abc'.replaceMatches('(?P<x>b)', '[${x}]')", ["a[b]c"]),
        ("@2024-02-29 + 1 year", ["2025-02-28"]),
        ("@2024-01-31 + 1 month", ["2024-02-29"]),
        ("@T23:30 + 45 minutes", ["00:15"]),
        ("@2024-05-06T10:00:00+08:00 = @2024-05-06T02:00:00Z", [True]),
        ("9999.power(9999)", []),
        ("2147483647 + 1", []),
        ("active.memberOf('http://hl7.org/fhir/ValueSet/none')", []),
        ("'male'.memberOf('http://hl7.org/fhir/ValueSet/administrative-gender')", [True]),
    ],
)
def test_a_patient_answers(expression, expected):
    path = compile_path(expression)
    if expected is None:
        with pytest.raises(PathRunError):
            path.evaluate(PATIENT)
    else:
        assert path.values(PATIENT) == expected


def test_choices_come_with_their_types():
    typed = compile_path("Observation.component.value | Observation.value").evaluate_typed(OBSERVATION)
    assert [name for name, _ in typed] == ["string", "Quantity", "Quantity"]
    narrowed = compile_path("(Observation.value as Quantity) | (Observation.value as SampledData)")
    assert narrowed.evaluate_typed(OBSERVATION) == [("Quantity", OBSERVATION["valueQuantity"])]


def test_a_reference_is_fetched_only_by_the_resolver_that_is_handed_in():
    path = compile_path("Observation.subject.resolve().active")
    assert path.evaluate(OBSERVATION) == []
    found = path.evaluate(OBSERVATION, resolver={"Patient/1": PATIENT}.get)
    assert [node.value for node in found] == [False]


def test_nodes_know_their_place():
    (node,) = compile_path("Patient.name[1].given").evaluate(PATIENT)
    assert isinstance(node, Node)
    assert node.location == "Patient.name[1].given[0]"
    assert node.type == "string"


def test_an_element_can_be_the_focus_and_its_resource_stays_known():
    path = compile_path("use = 'usual' and %resource.id = 'p1'", type_name="HumanName")
    assert [path.holds(PATIENT, context=name) for name in PATIENT["name"]] == [False, True]


def test_variables_are_handed_in():
    path = compile_path("%factor * 2")
    assert path.evaluate(PATIENT, variables={"factor": 21}) == [42]
    with pytest.raises(PathRunError):
        path.evaluate(PATIENT)


@pytest.mark.parametrize(
    "expression",
    ["name.given1", "Encounter.status", "name.as(Nonsense)", "valueQuantity", "children().first()", "id.nope()"],
)
def test_strict_paths_refuse_what_can_never_make_sense(expression):
    with pytest.raises(PathMeaningError):
        compile_path(expression, type_name="Patient", strict=True)


def test_evaluation_never_changes_the_resource():
    import copy

    before = copy.deepcopy(PATIENT)
    for expression in (
        "name.given | name.family",
        "descendants().count()",
        "name.sort(use)",
        "repeat(children()).count()",
    ):
        compile_path(expression).evaluate(PATIENT)
    assert before == PATIENT


def test_every_official_search_parameter_compiles():
    definitions = load()
    for parameter in definitions.all_search_parameters:
        if parameter.expression:
            compile_path(parameter.expression)
        for component in parameter.components:
            compile_path(component.expression)


def test_every_official_invariant_compiles_for_its_type():
    definitions = load()
    for name, definition in definitions.types.items():
        for constraint in definition.constraints:
            compile_path(constraint.expression, type_name=name)
