"""Codes translated by concept maps, and closure tables kept by clients."""

from __future__ import annotations

import pytest

COLOURS, PAINTS = "http://example.org/colours", "http://example.org/paints"
MAP = "http://example.org/ConceptMap/paints"


@pytest.fixture(scope="module", autouse=True)
def paint_map(rig):
    depends = [{"property": "http://example.org/gloss", "value": "matt"}]
    elements = [
        {"code": "red", "display": "Red", "target": [{"code": "R1", "display": "Paint red", "equivalence": "wider", "comment": "nearly"}]},
        {"code": "blue", "target": [
            {"code": "B1", "equivalence": "equivalent", "dependsOn": depends, "product": [{"property": "http://example.org/p", "value": "x"}]},
            {"code": "B2", "equivalence": "narrower"}]},
        {"code": "navy", "target": [{"equivalence": "unmatched", "comment": "no such paint"}]},
    ]  # fmt: skip
    group = {
        "source": COLOURS,
        "target": PAINTS,
        "element": elements,
        "unmapped": {"mode": "fixed", "code": "??", "display": "Any"},
    }
    resource = {"resourceType": "ConceptMap", "url": MAP, "version": "1", "status": "active", "group": [group],
                "sourceUri": "http://example.org/vs/colours", "targetUri": "http://example.org/vs/paints"}  # fmt: skip
    rig.put(resource, "paints")


def matches(found):
    return [
        ({part["name"]: part for part in each["part"]}["equivalence"]["valueCode"],
         {part["name"]: part for part in each["part"]}.get("concept", {}).get("valueCoding", {}).get("code"))
        for each in found["parameter"] if each["name"] == "match"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"system": COLOURS, "code": "red"}, [("wider", "R1")]),
        ({"system": COLOURS, "code": "red", "target": "http://example.org/vs/paints"}, [("wider", "R1")]),
        ({"system": COLOURS, "code": "red", "target": "http://example.org/vs/others"}, []),
        ({"system": COLOURS, "code": "red", "targetsystem": "http://nowhere"}, []),
        ({"system": COLOURS, "code": "navy"}, [("unmatched", None)]),
        ({"system": COLOURS, "code": "blue"}, [("narrower", "B2")]),
        ({"system": COLOURS, "code": "scarlet"}, [("inexact", "??")]),
        ({"system": PAINTS, "code": "R1", "reverse": "true"}, [("narrower", "red")]),
        ({"system": "http://nowhere", "code": "a"}, []),
    ],
)
def test_translate(rig, params, found):
    for path in ("/ConceptMap/$translate", "/ConceptMap/paints/$translate"):
        if "target" in params and path.count("/") == 3:
            continue
        answer = rig.get(path, **params)
        assert matches(answer) == found
        assert answer["parameter"][0]["valueBoolean"] is any(how != "unmatched" for how, _ in found)


def test_what_a_mapping_depends_on_has_to_be_said(rig):
    gloss = [
        {"name": "element", "valueUri": "http://example.org/gloss"},
        {"name": "concept", "valueCodeableConcept": {"coding": [{"code": "matt"}]}},
    ]
    body = {"resourceType": "Parameters", "parameter": [
        {"name": "coding", "valueCoding": {"system": COLOURS, "code": "blue"}}, {"name": "dependency", "part": gloss}]}  # fmt: skip
    answer = rig.post("/ConceptMap/$translate", body)
    assert matches(answer) == [("equivalent", "B1"), ("narrower", "B2")]
    assert any(part["name"] == "product" for part in answer["parameter"][1]["part"])


def test_an_unknown_map_is_404(rig):
    rig.get("/ConceptMap/$translate", url="http://nowhere", system=COLOURS, code="red", status=404)


def test_a_map_may_be_sent_along_and_is_not_kept(rig):
    sent = {"resourceType": "ConceptMap", "status": "draft", "group": [
        {"source": "urn:a", "target": "urn:b", "element": [{"code": "1", "target": [{"code": "2", "equivalence": "equal"}]}]}]}  # fmt: skip
    coding = {"name": "coding", "valueCoding": {"system": "urn:a", "code": "1"}}
    body = {"resourceType": "Parameters", "parameter": [coding, {"name": "conceptMap", "resource": sent}]}
    assert matches(rig.post("/ConceptMap/$translate", body)) == [("equal", "2")]
    assert matches(rig.get("/ConceptMap/$translate", system="urn:a", code="1")) == []


def test_a_deleted_map_translates_no_more(rig):
    rig.put({"resourceType": "ConceptMap", "status": "active", "url": "urn:m", "group": [
        {"source": "urn:x", "target": "urn:y", "element": [{"code": "1", "target": [{"code": "2", "equivalence": "equal"}]}]}]}, "gone")  # fmt: skip
    assert matches(rig.get("/ConceptMap/$translate", system="urn:x", code="1")) == [("equal", "2")]
    rig.delete("/ConceptMap/gone")
    assert matches(rig.get("/ConceptMap/$translate", system="urn:x", code="1")) == []


def closure(rig, *codes, status=200, **more):
    concepts = [{"name": "concept", "valueCoding": {"system": COLOURS, "code": code}} for code in codes]
    extra = [{"name": name, "valueString": value} for name, value in more.items()]
    body = {"resourceType": "Parameters", "parameter": [{"name": "name", "valueString": "mine"}, *concepts, *extra]}
    found = rig.post("/$closure", body, status=status)
    pairs = {
        (element["code"], target["code"])
        for group in found.get("group", []) for element in group["element"] for target in element["target"]
    }  # fmt: skip
    return found.get("version"), pairs


def test_a_closure_table_tells_what_is_new(rig):
    closure(rig, "red", status=404)
    assert closure(rig) == ("0", set())
    assert closure(rig, "red", "crimson") == ("1", {("crimson", "red")})
    assert closure(rig, "colour") == ("2", {("crimson", "colour"), ("red", "colour")})
    assert closure(rig, "navy") == ("3", {("navy", "colour")})
    assert closure(rig, version="1") == ("3", {("crimson", "colour"), ("red", "colour"), ("navy", "colour")})
    assert closure(rig) == ("0", set())
