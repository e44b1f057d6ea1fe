"""The sets of codes that search modifiers stand for, and what the room does as a whole."""

from __future__ import annotations

import asyncio
import json

import pytest

from jiankang.foundation.terminology import SearchCodes, UnknownValueSet, catch_up, terminology_of
from jiankang.foundation.terminology.keeping import TYPES

COLOURS = "http://example.org/colours"


@pytest.fixture
def sets(rig):
    return SearchCodes(terminology_of(rig.platform.record))


def only(pairs):
    assert {system for system, _ in pairs} <= {COLOURS}
    return sorted(code for _, code in pairs)


def test_below_and_above_include_the_code_itself(rig, sets):
    assert only(rig.platform.run(sets.descendants(COLOURS, "red"))) == ["crimson", "red", "scarlet"]
    assert only(rig.platform.run(sets.ancestors(COLOURS, "crimson"))) == ["colour", "crimson", "red"]
    assert only(rig.platform.run(sets.descendants(COLOURS, "unheard of"))) == ["unheard of"]


def test_in_gives_all_codes_of_a_value_set(rig, sets):
    include = {"system": COLOURS, "filter": [{"property": "concept", "op": "is-a", "value": "blue"}]}
    value_set = {"resourceType": "ValueSet", "url": "urn:blue", "status": "active", "compose": {"include": [include]}}
    rig.put(value_set, "blue")
    assert only(rig.platform.run(sets.codes_in("urn:blue"))) == ["blue", "navy"]
    with pytest.raises(UnknownValueSet):
        rig.platform.run(sets.codes_in("urn:none"))


def test_more_questions_than_connections_are_all_answered(rig):
    async def many():
        path = "/CodeSystem/$lookup"
        asks = [rig.platform.ask("GET", path, query=f"system={COLOURS}&code={code}&n={n}".encode())
                for n in range(60) for code in ("red", "blue", "crimson", "colour")]  # fmt: skip
        return await asyncio.gather(*asks)

    answers = rig.platform.run(many())
    assert {answer.status for answer in answers} == {200}


def test_a_resource_written_past_the_hook_is_taken_in_later(rig):
    record = rig.platform.record
    guards = {name: record.guards.pop(name) for name in TYPES}
    concept = [{"code": "a", "display": "A"}]
    system = {
        "resourceType": "CodeSystem",
        "url": "urn:late",
        "status": "active",
        "content": "complete",
        "concept": concept,
    }
    try:
        rig.put(system, "late")
    finally:
        record.guards.update(guards)
    rig.get("/CodeSystem/$lookup", system="urn:late", code="a", status=404)
    assert rig.platform.run(catch_up(record)) == 1
    assert rig.ask("/CodeSystem/$lookup", system="urn:late", code="a")["display"] == "A"
    assert rig.platform.run(catch_up(record)) == 0


_WILD = [
    None, [], "x", 7, {}, {"resourceType": "Parameters", "parameter": "x"}, {"resourceType": "Parameters", "parameter": [7]},
    {"resourceType": "Parameters", "parameter": [{"name": "code"}]}, {"resourceType": "Patient"},
    *({"resourceType": "Parameters", "parameter": [{"name": name, key: value}]}
      for name in ("coding", "codeableConcept", "valueSet", "url", "code", "system", "dependency", "concept", "name", "count", "codingA")
      for key, value in (("valueString", "\u0000"), ("valueString", ""), ("valueCoding", {}), ("valueCoding", {"code": 7}),
                         ("valueCodeableConcept", {"coding": [None]}), ("valueBoolean", True), ("part", [1]), ("resource", {"a": 1}),
                         ("resource", {"resourceType": "ValueSet", "status": "active", "compose": {"include": [{}]}}))),
]  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["/CodeSystem/$lookup", "/CodeSystem/$validate-code", "/CodeSystem/$subsumes", "/ValueSet/$expand", "/ValueSet/$validate-code",
     "/ConceptMap/$translate", "/$closure", "/ValueSet/nobody/$expand"],
)  # fmt: skip
def test_wild_input_is_refused_and_never_breaks_anything(rig, path):
    for body in _WILD:
        answer = rig.platform("POST", path, json.dumps(body).encode())
        assert answer.status in {200, 400, 404, 422}, (body, answer.value)
        assert answer.value["resourceType"] in {"OperationOutcome", "Parameters", "ValueSet", "ConceptMap"}
