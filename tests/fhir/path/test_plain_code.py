"""The fast code says exactly what the general code says."""

from __future__ import annotations

import bz2
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiankang.fhir.definitions import load
from jiankang.fhir.path import compile_path, resource_node
from jiankang.fhir.path.functions import truth
from jiankang.fhir.path.plain import plain_code
from jiankang.fhir.path.values import all_children, plain_value
from jiankang.kernel import jsontext

SYNTHEA = Path(__file__).resolve().parents[4] / "shared" / "data" / "synthea"

_codings = st.fixed_dictionaries(
    {},
    optional={
        "code": st.sampled_from(["a", "b"]),
        "system": st.sampled_from(["s", "t"]),
        "_code": st.just({"id": "x"}),
    },
)
_concepts = st.fixed_dictionaries(
    {}, optional={"coding": st.lists(_codings, min_size=1, max_size=3), "text": st.just("t")}
)
_quantities = st.fixed_dictionaries(
    {},
    optional={
        "value": st.integers(0, 3),
        "code": st.sampled_from(["1", "%"]),
        "system": st.just("http://unitsofmeasure.org"),
    },
)
_references = st.fixed_dictionaries(
    {}, optional={"reference": st.sampled_from(["Patient/1", "#c", "Group/2", "urn:uuid:1"]), "display": st.just("d")}
)
_observations = st.fixed_dictionaries(
    {"resourceType": st.just("Observation")},
    optional={
        "code": _concepts,
        "status": st.sampled_from(["final", "amended"]),
        "_status": st.just({"extension": [{"url": "u"}]}),
        "category": st.lists(_concepts, min_size=1, max_size=2),
        "subject": _references,
        "performer": st.lists(_references, min_size=1, max_size=2),
        "valueQuantity": _quantities,
        "dataAbsentReason": _concepts,
        "contained": st.just([{"resourceType": "Patient", "id": "c"}]),
        "component": st.lists(
            st.fixed_dictionaries(
                {}, optional={"valueQuantity": _quantities, "valueString": st.just("v"), "code": _concepts}
            ),
            min_size=1,
            max_size=2,
        ),
    },
)
EXPRESSIONS = [
    "status",
    "status = 'final'",
    "status != 'final'",
    "'final' = status",
    "status in ('final' | 'x')",
    "status.exists() and status.hasValue()",
    "code.coding.code",
    "code.coding.where(system = 's').code",
    "code.coding.exists(code = 'a' and system = 's')",
    "code.coding.all(code.exists() or system.exists())",
    "category.coding.code = 'a'",
    "category.coding.code.isDistinct()",
    "category.coding.count() > 1 implies category.text.exists()",
    "code.coding.first().code",
    "value.exists() xor dataAbsentReason.exists()",
    "dataAbsentReason.empty() or value.empty()",
    "value is Quantity",
    "value.ofType(Quantity).value > 1",
    "value.as(Quantity).code = '1' and value.as(Quantity).system = %ucum",
    "component.value.ofType(Quantity)",
    "component.value.as(string)",
    "(component.count() + category.count()) > 2",
    "subject.where(resolve() is Patient)",
    "performer.where(resolve() is Patient).reference",
    "subject.reference.startsWith('#').not() or (subject.reference.substring(1) in %resource.contained.id)",
    "contained.contained.empty()",
    "Observation.subject | Observation.performer",
    "Patient.name | Observation.status",
    "code.text.matches('^t$') and code.text.length() = 1",
    "code.text.contains('t') or code.coding.select(code).exists()",
    "status.length() + 1",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_both_ways_agree_on_made_up_observations(expression):
    path = compile_path(expression)
    made = plain_code(path.tree, expression, "Observation", strict=False)
    assert made is not None, "this expression is to have fast code"

    @settings(max_examples=60, deadline=None)
    @given(_observations)
    def agree(observation):
        slow = [plain_value(item) for item in path.evaluate(observation)]
        assert path.values(observation) == [value for value in slow if value is not None]

    agree()


def test_both_ways_agree_on_every_invariant_of_real_records():
    if not SYNTHEA.exists():
        pytest.skip("../shared/data/synthea is not here")
    with bz2.open(min(SYNTHEA.glob("*.json.bz2"))) as file:
        bundle = jsontext.decode(file.read())
    definitions = load()
    checked = 0
    for entry in bundle["entry"][:60]:
        resource = entry["resource"]
        for node in _walk(resource_node(resource)):
            if not isinstance(node.value, dict):
                continue
            for constraint in definitions.types[node.type].constraints:
                path = compile_path(constraint.expression, type_name=node.type)
                slow = truth(path.evaluate(resource, context=node))
                assert path.holds(resource, context=node.value) == slow, (constraint.key, node.location)
                checked += 1
    assert checked > 1000


def _walk(node):
    yield node
    for child in all_children(node):
        yield from _walk(child)


def test_data_of_the_wrong_shape_is_left_to_the_general_code():
    path = compile_path("name.where(use = 'official').exists()", type_name="Patient")
    for name in ("text", ["text"], [None], 3):
        assert path.values({"resourceType": "Patient", "name": name}) == [False]


def test_nine_in_ten_invariants_have_fast_code():
    definitions = load()
    known = fast = 0
    for name, definition in definitions.types.items():
        if definition.kind != "primitive-type":
            for constraint in definition.constraints:
                path = compile_path(constraint.expression, type_name=name)
                known += 1
                fast += plain_code(path.tree, constraint.expression, name, strict=False) is not None
    assert fast / known > 0.85
