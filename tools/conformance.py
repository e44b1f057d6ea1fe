"""Runs outside suites against the code and prints how much of each passes: `python tools/conformance.py [--failures]`.

Suites: the official FHIRPath tests for R4, FHIRPath Patch and JSON Patch (read from `../shared/conformance`), the norm's own
examples (npm hl7.fhir.r4.examples) validated and sent through XML and back, the examples of IPS 2.0 (npm hl7.fhir.uv.ips)
against its profiles. A suite that is not here is left out, and says so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from lxml import etree

from jiankang.fhir.patch import apply_fhirpath_patch, apply_json_patch
from jiankang.fhir.path import PathSyntaxError, compile_path
from jiankang.fhir.path.functions import truth
from jiankang.fhir.path.numbers import to_string
from jiankang.fhir.path.values import shape, system_value, type_of
from jiankang.fhir.validation import ListedTerminology, Validator
from jiankang.fhir.validation.profiles import Definitions
from jiankang.fhir.xml import from_xml as from_fhir_xml
from jiankang.fhir.xml import to_xml
from jiankang.kernel import jsontext
from jiankang.kernel.errors import Problem

SUITES = Path(__file__).resolve().parent.parent.parent / "shared" / "conformance"
_FHIR = "{http://hl7.org/fhir}"
_RESOURCE_OF_MISSING = {
    "appointment-examplereq.json": "Appointment",
    "explanationofbenefit-example.json": "ExplanationOfBenefit",
    "patient-container-example.json": "Patient",
    "patient-name-extensions.json": "Patient",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case of a suite: its group and name, and why it failed (None where it passed)."""

    group: str
    name: str
    failure: str | None


# ---- FHIR XML, as far as suites need it


def from_xml(element: Any) -> dict[str, Any]:
    """A resource in XML as its JSON (http://hl7.org/fhir/R4/json.html)."""
    name = etree.QName(element).localname
    return {"resourceType": name, **_members(element, name)}


def _members(element: Any, type_name: str) -> dict[str, Any]:
    members: dict[str, Any] = dict(element.attrib)
    members.pop("{http://www.w3.org/2001/XMLSchema-instance}schemaLocation", None)
    children = shape(type_name).children
    for part in element:
        if not isinstance(part.tag, str):
            continue
        name = etree.QName(part).localname
        child = children[name]
        value, extra = _value(part, child.type)
        if child.repeats:
            _append(members, name, value, extra)
        else:
            members.update({k: v for k, v in ((name, value), ("_" + name, extra)) if v is not None})
    return members


def _append(members: dict[str, Any], name: str, value: Any, extra: Any) -> None:
    values = members.setdefault(name, [])
    values.append(value)
    if extra is not None or "_" + name in members:
        extras = members.setdefault("_" + name, [])
        extras += [None] * (len(values) - 1 - len(extras)) + [extra]


def _value(element: Any, type_name: str) -> tuple[Any, Any]:
    """The JSON value of an element, and what stands beside it."""
    if type_name == "xhtml":
        return etree.tostring(element, encoding="unicode", with_tail=False), None
    if type_name in ("Resource", "DomainResource"):
        return from_xml(next(part for part in element if isinstance(part.tag, str))), None
    if shape(type_name).kind != "primitive-type":
        return _members(element, type_name), None
    attributes = dict(element.attrib)
    text = attributes.pop("value", None)
    extra = {**attributes, **_members_of_primitive(element)}
    return _primitive(text, type_name), extra or None


def _members_of_primitive(element: Any) -> dict[str, Any]:
    extensions = [_members(part, "Extension") for part in element if isinstance(part.tag, str)]
    return {"extension": extensions} if extensions else {}


def _primitive(text: str | None, type_name: str) -> Any:
    if text is None:
        return None
    if type_name == "boolean":
        return text == "true"
    if type_name in ("integer", "positiveInt", "unsignedInt"):
        return int(text)
    return Decimal(text) if type_name == "decimal" else text


# ---- FHIRPath


def fhirpath(folder: Path = SUITES) -> Iterator[Outcome]:
    """Every case of the official FHIRPath suite for R4 (https://github.com/HL7/FHIRPath)."""
    suite = etree.parse(folder / "fhirpath" / "tests-fhir-r4.xml")
    inputs = _Inputs(folder / "fhirpath" / "input")
    for group in suite.getroot().iter("group"):
        for test in group.findall("test"):
            yield Outcome(group.get("name"), test.get("name"), _fhirpath_failure(test, inputs))


class _Inputs:
    """The resources that cases are about, each read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read: dict[str, dict[str, Any] | None] = {}

    def resource(self, name: str) -> dict[str, Any] | None:
        """The resource in a file; None where the suite came without it."""
        if name not in self.read:
            file = self.folder / name
            if not file.exists():
                self.read[name] = None
            elif file.suffix == ".json":
                self.read[name] = jsontext.decode(file.read_bytes())
            else:
                self.read[name] = from_xml(etree.parse(file).getroot())
        return self.read[name]


def _fhirpath_failure(test: Any, inputs: _Inputs) -> str | None:
    expression = test.find("expression")
    invalid = expression.get("invalid")
    file_name = test.get("inputfile", "patient-example.xml")
    resource = inputs.resource(file_name)
    type_name = resource["resourceType"] if resource else _RESOURCE_OF_MISSING[file_name]
    try:
        path = compile_path(expression.text, type_name=type_name, strict=True)
        if resource is None:
            return f"its input {file_name} is not in the suite's folder"
        items = path.evaluate(resource)
    except Problem as error:
        if invalid is None:
            return f"raised {error}"
        wants_syntax = invalid == "syntax"
        return "a syntax error is expected" if wants_syntax and not isinstance(error, PathSyntaxError) else None
    if invalid is not None:
        return f"an error is expected, not {items}"
    return _difference(test, items)


def _difference(test: Any, items: list[Any]) -> str | None:
    wanted = [(output.get("type"), output.text or "") for output in test.findall("output")]
    if test.get("predicate") == "true":
        items = [bool(items) if len(items) != 1 else truth(items)]
    found = [(_shown_type(item), _shown(item)) for item in items]
    if len(found) == len(wanted) and all(map(_same, wanted, found)):
        return None
    return f"expected {wanted}, found {found}"


def _shown_type(item: Any) -> str:
    info = type_of(item)
    if info.namespace == "FHIR" or info.name == "Quantity":
        return info.name
    return info.name[0].lower() + info.name[1:]


def _shown(item: Any) -> str:
    value = system_value(item)
    return to_string(value) if value is not None else str(getattr(item, "value", item))


def _same(wanted: tuple[str | None, str], found: tuple[str, str]) -> bool:
    kind, text = wanted
    text = text.removeprefix("@").removeprefix("T") if kind != "string" else text
    if kind is not None and kind != found[0] and not (kind == "dateTime" and found[0] == "instant"):
        return False
    if text == found[1]:
        return True
    try:
        return kind in ("decimal", None) and Decimal(text) == Decimal(found[1])
    except ArithmeticError:
        return False


# ---- patches


def json_patch(folder: Path = SUITES) -> Iterator[Outcome]:
    """The cases of RFC 6902's appendix and of json-patch-tests (https://github.com/json-patch/json-patch-tests)."""
    cases = json.loads((folder / "patch" / "json-patch-tests.json").read_text(), parse_float=Decimal)
    for case in cases:
        yield Outcome("JSON Patch", case["comment"], _patch_failure(case, apply_json_patch, case["doc"], case["patch"]))


def _patch_failure(case: dict[str, Any], apply: Callable[[Any, Any], Any], before: Any, patch: Any) -> str | None:
    try:
        after = apply(before, patch)
    except Problem as error:
        return None if "error" in case else f"raised {error}"
    if "error" in case:
        return f"an error is expected: {case['error']}"
    return None if after == case["expected"] else f"expected {case['expected']}, found {after}"


def fhirpath_patch(folder: Path = SUITES) -> Iterator[Outcome]:
    """The official cases of FHIRPath Patch (https://github.com/FHIR/fhir-test-cases)."""
    suite = etree.parse(folder / "patch" / "fhir-patch-tests.xml")
    for number, case in enumerate(suite.getroot().iter("case")):
        before, patch, after = (_resource_in(case.find(name)) for name in ("input", "diff", "output"))
        expected = {"error": "yes"} if after is None else {"expected": after}
        name = f"{number + 1}. {case.get('name')}"
        yield Outcome("FHIRPath Patch", name, _patch_failure(expected, apply_fhirpath_patch, before, patch))


def _resource_in(element: Any) -> dict[str, Any] | None:
    inside = None if element is None else element.find(f"{_FHIR}*")
    return None if inside is None else from_xml(inside)


# ---- validation and XML

MODULES = Path(__file__).resolve().parent.parent / "node_modules"
# What defines the norm itself: types, codes, operations, and the bundles and indexes of them.
DEFINITIONS = frozenset(
    {"CapabilityStatement", "CodeSystem", "CompartmentDefinition", "ConceptMap", "ImplementationGuide", "NamingSystem",
     "OperationDefinition", "SearchParameter", "StructureDefinition", "StructureMap", "ValueSet", "ig", "package"}
)  # fmt: skip
_LARGE = 2_000_000
_IPS = "hl7.fhir.uv.ips"


def examples() -> Iterator[tuple[str, dict[str, Any]]]:
    """The norm's examples that are not definitions."""
    folder = MODULES / "hl7.fhir.r4.examples"
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    for path in sorted(folder.glob("*.json")):
        if path.name.split("-")[0].removesuffix(".json") in DEFINITIONS or path.stat().st_size > _LARGE:
            continue
        resource = jsontext.decode(path.read_bytes())
        if "resourceType" in resource and not _of_definitions(resource):
            yield path.name, resource


def _of_definitions(resource: dict[str, Any]) -> bool:
    """Whether this is a Bundle of definitions."""
    entries = resource.get("entry") or [{}] if resource["resourceType"] == "Bundle" else [{}]
    kinds = {each.get("resource", {}).get("resourceType") for each in entries}
    return bool(kinds) and kinds <= DEFINITIONS


def validated() -> Iterator[Outcome]:
    """Each example is valid."""
    for name, resource in examples():
        yield Outcome("examples", name, _first_error(Validator(), resource))


def through_xml() -> Iterator[Outcome]:
    """Each example is the same after JSON → XML → JSON."""
    for name, resource in examples():
        again = from_fhir_xml(to_xml(resource))
        yield Outcome("examples", name, None if _sorted(again) == _sorted(resource) else "it comes back changed")


def ips() -> Iterator[Outcome]:
    """Each example of the International Patient Summary conforms to the profiles that it claims."""
    folder = MODULES / _IPS
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    content = [jsontext.decode(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
    of_type = {name: [each for each in content if each.get("resourceType") == name] for name in DEFINITIONS}
    codes = ListedTerminology(of_type["ValueSet"], of_type["CodeSystem"])
    validator = Validator(Definitions(of_type["StructureDefinition"]), codes)
    for path in sorted((folder / "example").glob("*.json")):
        yield Outcome("examples", path.name, _first_error(validator, jsontext.decode(path.read_bytes())))


def _first_error(validator: Validator, resource: dict[str, Any]) -> str | None:
    return next((each.text for each in validator.validate(resource) if each.severity == "error"), None)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


ALL: dict[str, Callable[[], Iterator[Outcome]]] = {
    "FHIRPath R4": fhirpath,
    "JSON Patch": json_patch,
    "FHIRPath Patch": fhirpath_patch,
    "R4 examples are valid": validated,
    "R4 examples through XML and back": through_xml,
    "IPS 2.0 examples conform": ips,
}


def main(arguments: list[str]) -> int:
    """Print a table of groups and suites; with --failures also what failed and why."""
    for suite, run in ALL.items():
        try:
            outcomes = list(run())
        except FileNotFoundError as missing:
            print(f"{suite:<36} not here: {missing.filename or missing}\n")
            continue
        groups: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            groups.setdefault(outcome.group, []).append(outcome)
        if len(groups) > 1:
            for name, group in groups.items():
                print(f"  {name:<34} {_passed(group):>4} / {len(group)}")
        print(f"{suite:<36} {_passed(outcomes):>4} / {len(outcomes)}\n")
        if "--failures" in arguments:
            for outcome in outcomes:
                if outcome.failure is not None:
                    print(f"    {outcome.group} · {outcome.name}: {outcome.failure}")
    return 0


def _passed(outcomes: list[Outcome]) -> int:
    return sum(outcome.failure is None for outcome in outcomes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
