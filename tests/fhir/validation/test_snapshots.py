"""Snapshots made from differentials, compared with those that HL7 published."""

from __future__ import annotations

import pytest

from jiankang.fhir.definitions import load
from jiankang.fhir.validation.profiles import ProfileBook, ProfileError

NORM = "http://hl7.org/fhir/StructureDefinition/"

# Published snapshots that differ, each looked at.
DIFFERENT = {
    "bp": "the published one renames the component's value[x] instead of slicing it; both allow Quantity only",
    "catalog": "the published one dropped Composition.date, which the base has",
    "codesystem-history": "its differential contradicts itself: no extensions inside, and four of them; it is refused",
    "cholesterol": "the published one repeats constraints of the type SimpleQuantity on the element",
    "elementdefinition-de": "the published one writes out the inside of an extension",
    "familymemberhistory-genetic": "the published one dropped elements of its base",
    "hdlcholesterol": "as cholesterol",
    "ldlcholesterol": "as cholesterol",
    "provenance-relevant-history": "the published one lost the differential's binding",
}


def view(element):
    types = sorted(
        (each["code"], tuple(each.get("profile", ())), tuple(sorted(each.get("targetProfile", ()))))
        for each in element.get("type", ())
    )
    values = {name: value for name, value in element.items() if name.startswith(("fixed", "pattern"))}
    binding = element.get("binding") or {}
    return {
        "min": element["min"], "max": element["max"], "slice": element.get("sliceName"), "types": types, "values": values,
        "binding": (binding.get("strength"), binding.get("valueSet")), "support": bool(element.get("mustSupport")),
        "constraints": sorted(each["key"] for each in element.get("constraint", ())),
    }  # fmt: skip


def derived():
    for url in load().structure_urls:
        definition = load().structure(url)
        if definition.get("derivation") == "constraint" and definition["kind"] != "logical":
            yield url, definition


def test_snapshots_are_those_that_hl7_published():
    book, same, different = ProfileBook(), 0, {}
    for url, definition in derived():
        name = url.removeprefix(NORM)
        try:
            made = book.snapshot(definition)["snapshot"]["element"]
        except ProfileError as error:
            different[name] = repr(error)
            continue
        published = definition["snapshot"]["element"]
        ids = [each["id"] for each in made] == [each["id"] for each in published]
        if ids and all(view(one) == view(other) for one, other in zip(made, published, strict=True)):
            same += 1
        else:
            different[name] = "ids" if not ids else "content"
    assert {name: why for name, why in different.items() if name not in DIFFERENT} == {}
    assert same >= 430


@pytest.mark.parametrize("name", ["heartrate", "patient-nationality", "lipidprofile"])
def test_a_snapshot_begins_with_its_base_and_says_where_each_element_is(name):
    definition = load().structure(NORM + name)
    made = ProfileBook().snapshot({**definition, "snapshot": None})["snapshot"]["element"]
    assert made[0]["path"] == definition["type"]
    assert len({each["id"] for each in made}) == len(made)
    assert all(each["id"].split(":")[0].startswith(definition["type"]) for each in made)
