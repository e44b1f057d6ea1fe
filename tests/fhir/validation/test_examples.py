"""The norm's own examples, and what stands in for the norm's expressions compared with them."""

from __future__ import annotations

import bz2
from pathlib import Path

import pytest

from jiankang.fhir.definitions import load
from jiankang.fhir.path import compile_path
from jiankang.fhir.validation import validate
from jiankang.fhir.validation.invariants import SPECIALISED, guard_of
from jiankang.kernel.errors import Invalid
from jiankang.kernel.jsontext import decode

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "node_modules" / "hl7.fhir.r4.examples"
SYNTHEA = ROOT.parent / "shared" / "data" / "synthea"

needs_examples = pytest.mark.skipif(
    not EXAMPLES.is_dir(), reason="npm package hl7.fhir.r4.examples is not installed: run `make setup`"
)

# What defines the norm itself: types, codes, operations, and the bundles and indexes of them.
DEFINITIONS = {
    "CapabilityStatement", "CodeSystem", "CompartmentDefinition", "ConceptMap", "ImplementationGuide", "NamingSystem",
    "OperationDefinition", "SearchParameter", "StructureDefinition", "StructureMap", "ValueSet", "ig", "package",
}  # fmt: skip
BUNDLES_OF_DEFINITIONS = {
    f"Bundle-{name}.json"
    for name in (
        "conceptmaps", "dataelements", "extensions", "externals", "profiles-others", "profiles-resources", "profiles-types",
        "resources", "searchParams", "terminologies", "types", "v2-tables", "v2-valuesets", "v3-codesystems", "v3-valuesets",
        "valueset-expansions", "valuesets",
    )
}  # fmt: skip

# Mistakes of the examples, each looked at: what is told is what the norm says.
MISTAKES = {
    "DeviceMetric-example.json": "its parent is a DeviceDefinition, the definition says Device",
    "DeviceUseStatement-example.json": "its reason is a Procedure, which the definition does not allow",
    "MedicationRequest-medrx0301.json": "its dispenser is a Practitioner, the definition says Organization",
    "Observation-clinical-gender.json": "its performer is an Encounter, which the definition does not allow",
    "Questionnaire-qs1.json": "items without the linkId that every item must have",
}


def paths():
    for path in sorted(EXAMPLES.glob("*.json")):
        if path.name.split("-")[0].removesuffix(".json") not in DEFINITIONS and path.name not in BUNDLES_OF_DEFINITIONS:
            yield path


@needs_examples
def test_the_examples_of_the_norm_are_valid():
    refused = {}
    count = 0
    for path in paths():
        resource = decode(path.read_bytes())
        if "resourceType" not in resource:
            continue
        count += 1
        errors = [each for each in validate(resource) if each.severity == "error"]
        if errors:
            refused[path.name] = errors[0].text
    assert refused.keys() == MISTAKES.keys(), refused
    assert count > 700


@needs_examples
def test_special_code_says_what_the_expressions_of_the_norm_say():
    compared = dict.fromkeys(("dom-2", "dom-3", "dom-4", "dom-5"), 0)
    constraints = {each.key: each for each in load().types["DomainResource"].constraints}
    resources = [decode(path.read_bytes()) for path in paths() if path.stat().st_size < 30_000]
    containing = [each for each in resources if "contained" in each]
    broken = [_without_references(each) for each in containing] + [_with_history(each) for each in containing]
    for resource in [*containing, *broken]:
        told = {each.message_id for each in validate(resource)}
        for key in compared:
            path = compile_path(constraints[key].expression, type_name=resource["resourceType"])
            assert (key not in told) == path.holds(resource), (key, resource["resourceType"], resource.get("id"))
            compared[key] += path.holds(resource) is False
    assert compared["dom-3"] > 5
    assert compared["dom-4"] > 5


def _without_references(resource):
    """The resource with every `#id` turned into a reference to elsewhere."""
    if isinstance(resource, dict):
        return {name: _without_references(value) for name, value in resource.items()}
    if isinstance(resource, list):
        return [_without_references(value) for value in resource]
    return f"Patient/{resource[1:]}" if isinstance(resource, str) and resource.startswith("#") else resource


def _with_history(resource):
    contained = [{**each, "meta": {"versionId": "1", "security": [{"code": "R"}]}} for each in resource["contained"]]
    return {**resource, "contained": contained}


@needs_examples
def test_a_guard_never_hides_an_invariant_that_fails():
    """Every invariant is run on every example, and on each with one member left out: where it fails, its guard is open."""
    definitions = load()
    guards = {}
    failures = 0
    for path in [each for each in paths() if each.stat().st_size < 6_000][::3]:
        resource = decode(path.read_bytes())
        definition = definitions.types.get(resource.get("resourceType"))
        if definition is None:
            continue
        if definition.name not in guards:
            guards[definition.name] = [
                (
                    compile_path(each.expression, type_name=definition.name),
                    eval(f"lambda o: {guard_of(each, definition)}"),
                    each.key,
                )
                for each in definition.constraints
                if each.key not in SPECIALISED
            ]
        for name in [None, *(member for member in resource if member != "resourceType")]:
            shorter = {key: value for key, value in resource.items() if key != name}
            for expression, guard, key in guards[definition.name]:
                try:
                    holds = expression.holds(shorter)
                except Invalid:
                    continue
                if holds is False:
                    failures += 1
                    assert guard(shorter), (key, path.name, name)
    assert failures > 20


@pytest.mark.skipif(not SYNTHEA.is_dir(), reason="../shared/data/synthea is not here")
def test_synthea_is_valid():
    for path in sorted(SYNTHEA.glob("*.json.bz2"), key=lambda path: path.stat().st_size)[:6]:
        bundle = decode(bz2.decompress(path.read_bytes()))
        assert [each.text for each in validate(bundle) if each.severity == "error"] == []


def test_every_invariant_of_the_norm_compiles():
    definitions = load()
    count = 0
    for definition in definitions.types.values():
        constraints = [(each, definition.name) for each in definition.constraints]
        constraints += [(c, t) for element in definition.children for c in element.constraints for t in element.types]
        for constraint, type_name in constraints:
            if constraint.expression:
                compile_path(constraint.expression, type_name=type_name)
                count += 1
    assert count > 400
