"""Compiles the official FHIR R4 packages into the tables that `jiankang.fhir.definitions` reads.

    python tools/definitions.py                       # from node_modules/hl7.fhir.r4.examples
    python tools/definitions.py package.tgz --out DIR # from an archive, to another folder

The package `hl7.fhir.r4.examples` holds all definitions of R4 4.0.1 (CC0). The tables are written again only
when the package, this program or the shape of the tables changed.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tools")]

import conformance_tables  # noqa: E402 - beside this file, wherever it is started
from jiankang.fhir.definitions import composing, model, tables  # noqa: E402 - the source tree may not be installed yet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Json = dict[str, Any]
TERMINOLOGY = ROOT / "node_modules" / "hl7.terminology.r4"
DEFAULT_SOURCE = ROOT / "node_modules" / "hl7.fhir.r4.examples"
CORE_VERSION = "4.0.1"
STRUCTURE_URL = "http://hl7.org/fhir/StructureDefinition/"
REGEX_URL = STRUCTURE_URL + "regex"
BEST_PRACTICE_URL = STRUCTURE_URL + "elementdefinition-bestpractice"
MAX_VALUE_SET_URL = STRUCTURE_URL + "elementdefinition-maxValueSet"
ANY_RESOURCE = {"Resource", "DomainResource", "MetadataResource"}
# R4 gives these the FHIRPath type System.String; https://jira.hl7.org/browse/FHIR-25262 names what was meant.
SYSTEM_TYPES = {"Resource.id": "id", "Element.id": "string", "Extension.url": "uri"}
WANTED_BUNDLES = ("Bundle-searchParams.json", "Bundle-valueset-expansions.json")
WANTED_PREFIXES = ("CompartmentDefinition-", *conformance_tables.PREFIXES)
STAMP = "READY"


def main(arguments: list[str] | None = None) -> int:
    """Compile, or say what is missing."""
    options = _parse(arguments)
    if not options.source.exists():
        print(
            f"No definition package at {options.source}: run `npm ci`, or name a folder or .tgz.",
            file=sys.stderr,
        )
        return 1
    stamp = _fingerprint(options.source)
    if not options.force and (options.out / STAMP).exists() and (options.out / STAMP).read_text() == stamp:
        print(f"definitions: up to date in {_shown(options.out)}")
        return 0
    began = time.perf_counter()
    counts = compile_tables(options.source, options.out)
    (options.out / STAMP).write_text(stamp)
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(f"definitions: {told} in {time.perf_counter() - began:.1f} s to {_shown(options.out)}")
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("source", nargs="?", type=Path, default=DEFAULT_SOURCE, help="package folder or .tgz")
    parser.add_argument("--out", type=Path, default=tables.COMPILED, help="where the tables go")
    parser.add_argument("--force", action="store_true", help="compile even when nothing changed")
    return parser.parse_args(arguments)


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _fingerprint(source: Path) -> str:
    """What the tables depend on: the package's own description, this program, the shape of the tables."""
    digest = hashlib.sha256()
    for file in (
        _package_json(source),
        Path(__file__),
        Path(conformance_tables.__file__),
        Path(composing.__file__),
        *TERMINOLOGY.glob("package.json"),
        Path(model.__file__ or ""),
        Path(tables.__file__ or ""),
    ):
        digest.update(file.read_bytes())
    return digest.hexdigest() + "\n"


def _package_json(source: Path) -> Path:
    return source if source.is_file() else _folder_of(source) / "package.json"


def _folder_of(source: Path) -> Path:
    """Where the files are: npm unpacks to the folder itself; `tar` to package/ inside it."""
    return source / "package" if (source / "package").is_dir() else source


# ---- reading


def _wanted(name: str) -> bool:
    return name in WANTED_BUNDLES or (name.startswith(WANTED_PREFIXES) and name.endswith(".json"))


def _files(source: Path) -> Iterator[tuple[str, bytes]]:
    """Name and text of each file of the package that matters here."""
    if source.is_file():
        with tarfile.open(source) as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if _wanted(name) and (opened := archive.extractfile(member)) is not None:
                    yield name, opened.read()
        return
    for path in sorted(_folder_of(source).iterdir()):
        if _wanted(path.name):
            yield path.name, path.read_bytes()


def _later_code_systems() -> Iterator[Json]:
    """HL7's code systems as they are now (npm hl7.terminology.r4): codes that came after R4 are codes, too."""
    for path in sorted(TERMINOLOGY.glob("CodeSystem-*.json")):
        yield msgspec.json.decode(path.read_bytes())


def compile_tables(source: Path, out: Path) -> dict[str, int]:
    """Read the package, write all tables, answer how many of each there are."""
    published: dict[str, dict[str, Json]] = {"StructureDefinition": {}, "CodeSystem": {}, "ValueSet": {}}
    compartments: list[Json] = []
    bundles: dict[str, list[Json]] = {}
    for name, text in _files(source):
        content = msgspec.json.decode(text)
        if name in WANTED_BUNDLES:
            bundles[name] = [entry["resource"] for entry in content["entry"]]
        elif content["resourceType"] == "CompartmentDefinition":
            compartments.append(content)
        else:
            published[content["resourceType"]][content["url"]] = content
    structures = {each["type"]: each for each in published["StructureDefinition"].values() if _is_base_type(each)}
    missing = [name for name in WANTED_BUNDLES if name not in bundles]
    if missing or not structures:
        raise SystemExit(f"{source} is not hl7.fhir.r4.examples: it lacks {', '.join(missing) or 'base types'}")
    types = _all_types(structures)
    resources = sorted(t.name for t in types.values() if t.kind == "resource" and not t.abstract)
    search = _search_parameters(bundles[WANTED_BUNDLES[0]])
    codes = _value_set_codes(bundles[WANTED_BUNDLES[1]], _required_value_sets(types.values()))
    systems = conformance_tables.code_systems([*published["CodeSystem"].values(), *_later_code_systems()])
    value_sets = conformance_tables.value_sets(bundles[WANTED_BUNDLES[1]], published["ValueSet"], systems)
    _write(out, tables.STRUCTURES, conformance_tables.structures(published["StructureDefinition"].values()))
    _write(out, tables.SYSTEMS, systems)
    _write(out, tables.VALUE_SETS, value_sets)
    _write(out, tables.TYPES, (resources, {name: types[name] for name in sorted(types)}))
    _write(out, tables.SEARCH, search)
    _write(out, tables.COMPARTMENTS, _compartment_table(compartments))
    _write(out, tables.CODES, codes)
    return {
        "resource types": len(resources),
        "types in all": len(types),
        "search parameters": len(search),
        "code lists": len(codes),
        "value sets": len(value_sets),
        "code systems": len(systems),
    }


def _write(out: Path, name: str, content: object) -> None:
    """Write beside, then move into place: a reader sees the old table or the new one."""
    out.mkdir(parents=True, exist_ok=True)
    fresh = out / f".{name}.new"
    fresh.write_bytes(msgspec.msgpack.encode(content))
    fresh.replace(out / name)


# ---- types


def _is_base_type(definition: Json) -> bool:
    """A type of the norm itself, not a profile on one and not a logical model."""
    return (
        definition["kind"] in ("resource", "complex-type", "primitive-type")
        and definition.get("derivation", "specialization") == "specialization"
        and definition["url"] == STRUCTURE_URL + definition["type"]
    )


def _all_types(structures: Mapping[str, Json]) -> dict[str, model.TypeDefinition]:
    """Every type and backbone by name."""
    return {made.name: made for definition in structures.values() for made in _types_of(definition)}


def _types_of(definition: Json) -> Iterator[model.TypeDefinition]:
    """The type that a StructureDefinition defines, and the backbones inside it."""
    root, *rest = definition["snapshot"]["element"]
    by_parent: dict[str, list[Json]] = {}
    for element in rest:
        by_parent.setdefault(element["path"].rpartition(".")[0], []).append(element)
    yield model.TypeDefinition(
        name=definition["type"],
        kind=definition["kind"],
        base=(definition.get("baseDefinition") or "").removeprefix(STRUCTURE_URL) or None,
        abstract=definition["abstract"],
        children=_children_of(root["path"], by_parent, definition["kind"]),
        constraints=tuple(map(_constraint, root.get("constraint", ()))),
        regex=_regex_of(rest) if definition["kind"] == "primitive-type" else None,
        short=root.get("short", ""),
    )
    for element in rest:
        if element["path"] in by_parent:
            yield _backbone(element, by_parent)


def _backbone(element: Json, by_parent: dict[str, list[Json]]) -> model.TypeDefinition:
    return model.TypeDefinition(
        name=element["path"],
        kind="backbone",
        base=element["type"][0]["code"],
        abstract=False,
        children=_children_of(element["path"], by_parent, "backbone"),
        constraints=tuple(map(_constraint, element.get("constraint", ()))),
        short=element.get("short", ""),
    )


def _children_of(path: str, by_parent: Mapping[str, list[Json]], kind: str) -> tuple[model.Element, ...]:
    """Children in the order of the norm; a primitive's own `value` is no child in JSON."""
    return tuple(
        _element(child, is_parent=child["path"] in by_parent)
        for child in by_parent.get(path, ())
        if not (kind == "primitive-type" and child["path"].endswith(".value"))
    )


def _element(definition: Json, *, is_parent: bool) -> model.Element:
    path: str = definition["path"]
    last = path.rpartition(".")[2]
    is_choice = last.endswith("[x]")
    name = last.removesuffix("[x]")
    types = _element_types(definition, is_parent=is_parent)
    binding = definition.get("binding") or {}
    return model.Element(
        name=name,
        path=path,
        min=definition["min"],
        max=None if definition["max"] == "*" else int(definition["max"]),
        types=types,
        is_choice=is_choice,
        json_names={name + t[0].upper() + t[1:]: t for t in types} if is_choice else {name: types[0]},
        target_profiles=_target_profiles(definition),
        is_modifier=definition.get("isModifier", False),
        is_summary=definition.get("isSummary", False),
        binding=_binding(binding) if "valueSet" in binding else None,
        constraints=() if is_parent else _own_constraints(definition),
        short=definition.get("short", ""),
        max_length=definition.get("maxLength"),
        profiles={each["code"]: tuple(each["profile"]) for each in definition.get("type", ()) if "profile" in each},
    )


def _binding(definition: Json) -> model.Binding:
    most = [each["valueCanonical"] for each in definition.get("extension", ()) if each["url"] == MAX_VALUE_SET_URL]
    return model.Binding(definition["strength"], definition["valueSet"], most[0] if most else None)


def _element_types(definition: Json, *, is_parent: bool) -> tuple[str, ...]:
    """Names of the types an element may have; backbones and content references by path."""
    if "contentReference" in definition:
        return (definition["contentReference"].removeprefix("#"),)
    if is_parent:
        return (definition["path"],)
    codes = [each["code"] for each in definition["type"]]
    if codes[0].startswith("http://hl7.org/fhirpath/"):
        return (SYSTEM_TYPES[definition["base"]["path"]],)
    return tuple(dict.fromkeys(codes))


def _target_profiles(definition: Json) -> tuple[str, ...]:
    """Resource types that a reference (or else a canonical) may point to; () is any."""
    for code in ("Reference", "canonical"):
        for each in definition.get("type", ()):
            if each["code"] == code:
                targets = [url.removeprefix(STRUCTURE_URL) for url in each.get("targetProfile", ())]
                return () if ANY_RESOURCE & set(targets) else tuple(dict.fromkeys(targets))
    return ()


def _own_constraints(definition: Json) -> tuple[model.Constraint, ...]:
    """Constraints of this element alone: those of its type (ele-1, ext-1) are kept with the type."""
    inherited = {STRUCTURE_URL + "Element", STRUCTURE_URL + "Extension"}
    return tuple(_constraint(each) for each in definition.get("constraint", ()) if each.get("source") not in inherited)


def _constraint(definition: Json) -> model.Constraint:
    return model.Constraint(
        key=definition["key"],
        severity=definition["severity"],
        human=definition["human"],
        expression=definition.get("expression", ""),
        best_practice=any(
            each["url"] == BEST_PRACTICE_URL and each.get("valueBoolean") for each in definition.get("extension", ())
        ),
    )


def _regex_of(elements: Iterable[Json]) -> str | None:
    """The regular expression that the norm gives a primitive's value."""
    for each in elements:
        if each["path"].endswith(".value"):
            for extension in each["type"][0].get("extension", ()):
                if extension["url"] == REGEX_URL:
                    return str(extension["valueString"])
    return None


# ---- search parameters, compartments, codes


def _search_parameters(resources: Iterable[Json]) -> list[model.SearchParameter]:
    """The official parameters: the bundle `searchParams` is the norm's own list, without examples."""
    return [
        model.SearchParameter(
            url=each["url"],
            code=each["code"],
            type=each["type"],
            base=tuple(each["base"]),
            expression=each.get("expression", ""),
            target=tuple(each.get("target", ())),
            components=tuple(
                model.Component(part["definition"], part["expression"]) for part in each.get("component", ())
            ),
            multiple_or=each.get("multipleOr", True),
            multiple_and=each.get("multipleAnd", True),
            comparators=tuple(each.get("comparator", ())),
            modifiers=tuple(each.get("modifier", ())),
            description=each.get("description", ""),
        )
        for each in sorted(resources, key=lambda each: str(each["url"]))
    ]


def _compartment_table(definitions: Iterable[Json]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Compartment to type to parameters; the owner of a compartment is in its own (`{def}`)."""
    table: dict[str, dict[str, tuple[str, ...]]] = {}
    for definition in sorted(definitions, key=lambda each: str(each["code"])):
        if definition["url"] != f"http://hl7.org/fhir/CompartmentDefinition/{definition['id']}":
            continue
        if definition["id"].lower() != definition["code"].lower():
            continue  # the package's own example
        owner = definition["code"]
        members = {each["code"]: tuple(each["param"]) for each in definition["resource"] if each.get("param")}
        members[owner] = tuple(dict.fromkeys(("{def}", *members.get(owner, ()))))
        table[owner] = members
    return table


def _required_value_sets(types: Iterable[model.TypeDefinition]) -> set[str]:
    return {
        each.binding.value_set.split("|", 1)[0]
        for definition in types
        for each in definition.children
        if each.binding is not None and each.binding.strength == "required"
    }


def _value_set_codes(expanded: Iterable[Json], wanted_urls: set[str]) -> dict[str, dict[str, str]]:
    """Codes of each wanted value set whose expansion is whole (the norm cuts long ones at 1,000)."""
    table: dict[str, dict[str, str]] = {}
    for each in expanded:
        contains = each["expansion"].get("contains", ())
        if each["url"] in wanted_urls and 0 < len(contains) < 1000:
            table[each["url"]] = {code["code"]: code["system"] for code in _flat(contains)}
    return table


def _flat(contains: Iterable[Json]) -> Iterator[Json]:
    for each in contains:
        if not each.get("abstract") and "code" in each:
            yield each
        yield from _flat(each.get("contains", ()))


if __name__ == "__main__":
    sys.exit(main())
