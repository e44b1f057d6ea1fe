"""A guide put together: sources read, snapshots made, everything held against the validator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from guides.examples import Examples, load_examples
from guides.searches import search_parameter
from guides.source import SourceError, Table, read
from guides.structures import Maker, Sheet
from guides.terms import Systems, code_system, concept_map, value_set
from guides.words import Json, Words, both, spaced
from jiankang.fhir.path import compile_path
from jiankang.fhir.validation import ListedTerminology, Validator
from jiankang.fhir.validation.profiles import Definitions, ProfileError
from jiankang.fhir.validation.terms import membership
from jiankang.foundation.terminology.builtin import builtin, chosen
from jiankang.foundation.terminology.systems import own_resources
from jiankang.kernel.errors import Invalid

_FILES = {
    "CodeSystem": "code-systems",
    "ValueSet": "value-sets",
    "ConceptMap": "concept-maps",
    "SearchParameter": "search-parameters",
}
OPEN_SYSTEMS = ("http://loinc.org", "http://snomed.info/sct")


@dataclass
class Guide:
    """A built guide: resources in the order they are packed, sheets with their sources, examples right and wrong."""

    words: Words
    sheets: list[Sheet]
    resources: list[Json]
    rules: Table
    examples: Examples
    validator: Validator
    tables: dict[tuple[str, str], Table] = field(default_factory=dict)  # (type, id) → what the source says

    @property
    def definitions(self) -> list[Json]:
        """Its StructureDefinitions."""
        return [each for each in self.resources if each["resourceType"] == "StructureDefinition"]

    def of(self, kind: str) -> list[Json]:
        """Its resources of a type."""
        return [each for each in self.resources if each["resourceType"] == kind]


def build(folder: Path, root: Path) -> Guide:
    """The guide of a folder. Raises SourceError, with file and line, where a source is wrong."""
    words = Words.of(read(folder / "guide.yaml", root))
    rules = read(folder / "rules.yaml", root)
    systems = _systems(words)
    told = {kind: read(folder / f"{name}.yaml", root) for kind, name in _FILES.items()}
    code_systems = [code_system(key, said, words) for key, said in told["CodeSystem"].items()]
    for each in code_systems:
        systems.add(each)
    value_sets = [value_set(key, said, words, systems) for key, said in told["ValueSet"].items()]
    maps = [concept_map(key, said, words, systems) for key, said in told["ConceptMap"].items()]
    searches = [search_parameter(key, said, words) for key, said in told["SearchParameter"].items()]
    extensions = read(folder / "extensions.yaml", root)
    profiles = [*_profiles(folder / "profiles", words, root)]
    sheets = _sheets(words, rules, systems, {each["id"]: each["url"] for each in value_sets}, extensions, profiles)
    _with_snapshots(sheets)
    _check_value_sets(sheets, value_sets, maps)
    _check_rules(rules, sheets)
    resources = [*(each.resource for each in sheets), *value_sets, *code_systems, *maps, *searches]
    validator = Validator(
        Definitions([each.resource for each in sheets]), ListedTerminology(*_terms(value_sets, code_systems))
    )
    guide = Guide(words, sheets, resources, rules, load_examples(folder / "examples", root), validator)
    guide.tables = {(kind, key): said for kind, table in told.items() for key, said in table.items()}
    resources.append(_implementation_guide(guide))
    _check_resources(guide)
    return guide


def _profiles(folder: Path, words: Words, root: Path) -> Iterator[Table]:
    """The profiles, in the order of guide.yaml."""
    named = spaced(words.table.need("profiles"))
    for own_id in named:
        table = read(folder / f"{own_id}.yaml", root)
        if table.need("id") != own_id:
            raise table.error(f"its file is called {own_id}.yaml", "id")
        yield table
    for path in sorted(folder.glob("*.yaml")):
        if path.stem not in named:
            raise words.table.error(f"{path.name} is not named here", "profiles")


def _systems(words: Words) -> Systems:
    """Code systems that patterns and value sets may name: the platform's own, and HL7's by their aliases."""
    made = Systems([], OPEN_SYSTEMS)
    for each in _platform("CodeSystem"):
        made.add(each)
    for url in words.table["aliases"].values():
        entry = chosen(builtin().systems.get(url, ()), None) if made.codes.get(url) is None else None
        if entry is not None:
            made.add(entry.resource)
    return made


def _platform(kind: str) -> list[Json]:
    return [each for each in own_resources() if each["resourceType"] == kind]


def _terms(value_sets: list[Json], code_systems: list[Json]) -> tuple[list[Json], list[Json]]:
    return [*value_sets, *_platform("ValueSet")], [*code_systems, *_platform("CodeSystem")]


def _sheets(
    words: Words, rules: Table, systems: Systems, sets: dict[str, str], extensions: Table, profiles: list[Table]
) -> list[Sheet]:
    own = {name: words.url("StructureDefinition", name) for name in extensions}
    for table in profiles:
        if table.need("id") in own:
            raise table.error(f"`{table['id']}` is there already", "id")
        own[table["id"]] = words.url("StructureDefinition", table["id"])
    maker = Maker(words, rules, sets, own, systems)
    return [
        *(maker.extension(name, said) for name, said in extensions.items()),
        *(maker.profile(table) for table in profiles),
    ]


def _with_snapshots(sheets: list[Sheet]) -> None:
    """Write snapshots, and the differentials in their order."""
    book = Validator(Definitions([each.resource for each in sheets])).profiles
    for sheet in sheets:
        try:
            made = book.snapshot(sheet.resource)
        except ProfileError as error:
            path = str(error).partition(":")[0]
            raise SourceError(str(error), sheet.place(path)) from None
        order = {each["id"]: number for number, each in enumerate(made["snapshot"]["element"])}
        for element in sheet.elements:
            if element["id"] not in order:
                raise SourceError(f"{element['id']} is no element of its base", sheet.place(element["id"]))
        sheet.elements.sort(key=lambda each: order[each["id"]])
        differential = sheet.resource.pop("differential")
        sheet.resource.update(snapshot={"element": made["snapshot"]["element"]}, differential=differential)


def _check_value_sets(sheets: list[Sheet], value_sets: list[Json], maps: list[Json]) -> None:
    known = {each["url"] for each in (*value_sets, *_platform("ValueSet"))}

    def there(url: str) -> bool:
        return url in known or membership(url) is not None or url in builtin().value_sets

    for sheet in sheets:
        for element in sheet.elements:
            url = element.get("binding", {}).get("valueSet")
            if url and not there(url):
                raise SourceError(f"there is no value set {url}", sheet.place(element["id"]))
    bound = {element.get("binding", {}).get("valueSet") for sheet in sheets for element in sheet.elements}
    bound.update(each[key] for each in maps for key in ("sourceUri", "targetUri"))
    for each in value_sets:
        if each["url"] not in bound:
            raise SourceError(f"nothing uses the value set `{each['id']}`")
    for each in maps:
        for key in ("sourceUri", "targetUri"):
            if not there(each[key]):
                raise SourceError(f"there is no value set {each[key]} (ConceptMap {each['id']})")


def _check_rules(rules: Table, sheets: list[Sheet]) -> None:
    """Each rule is FHIRPath, and used."""
    used = {c["key"] for sheet in sheets for element in sheet.elements for c in element.get("constraint", ())}
    for key, said in rules.items():
        try:
            compile_path(said.need("expression"))
        except Invalid as error:
            raise said.error(f"{key} is no FHIRPath: {error}", "expression") from None
        if key not in used:
            raise rules.error(f"no profile uses the rule `{key}`", key)


def _check_resources(guide: Guide) -> None:
    """The validator has nothing against what is packed."""
    places = {sheet.resource["url"]: sheet for sheet in guide.sheets}
    for each in guide.resources:
        for finding in guide.validator.validate(each):
            if finding.severity == "error":
                sheet = places.get(each["url"])
                raise SourceError(f"{each['url']}: {finding.text}", sheet.source.place() if sheet else "")


def _implementation_guide(guide: Guide) -> Json:
    words = guide.words
    table = words.table
    return {
        "resourceType": "ImplementationGuide", "id": words.id, "language": "zh-CN",
        "url": words.url("ImplementationGuide", words.id), "version": words.version, "name": "CnHainan",
        "title": both(table["title"]), "status": "active", "experimental": False, "date": words.date,
        "publisher": words.publisher, "description": both(table["description"]), "packageId": words.id,
        "license": table["license"], "fhirVersion": ["4.0.1"],
        "definition": {"resource": [*_listed(guide)]},
    }  # fmt: skip


def _listed(guide: Guide) -> Iterator[Json]:
    for each in guide.resources:
        yield {
            "reference": {"reference": f"{each['resourceType']}/{each['id']}"}, "name": each.get("title") or each["name"],
            "exampleBoolean": False,
        }  # fmt: skip
    for example in guide.examples.right.values():
        claimed = example.get("meta", {}).get("profile", ())
        yield {
            "reference": {"reference": f"{example['resourceType']}/{example['id']}"}, "name": example["id"],
            **({"exampleCanonical": claimed[0]} if claimed else {"exampleBoolean": True}),
        }  # fmt: skip
