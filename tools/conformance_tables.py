"""The tables that validation reads: structure definitions as published, value sets counted up, code systems.

Part of `tools/definitions.py`. Each is a map from canonical URL to a record that is decoded when first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import zstandard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Json = dict[str, Any]
Codes = dict[str, dict[str, None]]

CUT_AT = 1000  # the norm's own expansions stop here
PREFIXES = ("StructureDefinition-", "CodeSystem-", "ValueSet-")
# What nobody needs to check or to build a snapshot.
_PROSE = ("comment", "requirements", "alias", "example", "mapping", "meaningWhenMissing", "orderMeaning")


def structures(definitions: Iterable[Json]) -> dict[str, bytes]:
    """Each StructureDefinition that has a snapshot, without its prose, packed."""
    packer = zstandard.ZstdCompressor(level=19)
    return {
        each["url"]: packer.compress(msgspec.msgpack.encode(_lean(each)))
        for each in definitions
        if "snapshot" in each
    }


def _lean(definition: Json) -> Json:
    kept = {name: value for name, value in definition.items() if name not in ("text", "mapping", "contact")}
    for view in ("snapshot", "differential"):
        if view in definition:
            elements = definition[view]["element"]
            kept[view] = {"element": [{k: v for k, v in each.items() if k not in _PROSE} for each in elements]}
    return kept


def code_systems(systems: Iterable[Json]) -> dict[str, tuple[str, bool, dict[str, str]]]:
    """URL to content ('complete', ...), whether case matters, and display by code."""
    return {
        each["url"]: (
            each["content"],
            each.get("caseSensitive", True),
            {concept["code"]: concept.get("display", "") for concept in _concepts(each.get("concept", ()))},
        )
        for each in systems
        if each["content"] != "supplement"
    }


def _concepts(concepts: Iterable[Json]) -> Iterator[Json]:
    for each in concepts:
        yield each
        yield from _concepts(each.get("concept", ()))


def value_sets(
    expanded: Iterable[Json], published: Mapping[str, Json], systems: Mapping[str, tuple[str, bool, dict[str, str]]]
) -> dict[str, dict[str, list[str]]]:
    """Codes by system of every value set that can be counted up whole."""
    found: dict[str, Codes | None] = {each["url"]: _expansion(each) for each in expanded}
    for url in published:
        if found.get(url) is None:
            found[url] = _composed(url, published, systems, found, ())
    return {
        url: {system: list(codes) for system, codes in known.items()}
        for url, known in sorted(found.items())
        if known
    }


def _expansion(value_set: Json) -> Codes | None:
    contains = list(_flat(value_set["expansion"].get("contains", ())))
    if not 0 < len(contains) < CUT_AT:
        return None
    codes: Codes = {}
    for each in contains:
        codes.setdefault(each["system"], {})[each["code"]] = None
    return codes


def _flat(contains: Iterable[Json]) -> Iterator[Json]:
    for each in contains:
        if not each.get("abstract") and "code" in each:
            yield each
        yield from _flat(each.get("contains", ()))


def _composed(
    url: str,
    published: Mapping[str, Json],
    systems: Mapping[str, tuple[str, bool, dict[str, str]]],
    found: dict[str, Codes | None],
    above: tuple[str, ...],
) -> Codes | None:
    """The codes of a value set by its definition, None where that takes more than counting."""
    if found.get(url) is not None:
        return found[url]
    compose = published.get(url, {}).get("compose")
    if compose is None or url in above:
        return None
    codes: Codes = {}
    for sign, parts in (("+", compose["include"]), ("-", compose.get("exclude", ()))):
        for part in parts:
            some = _part(part, published, systems, found, (*above, url))
            if some is None:
                return None
            for system, listed in some.items():
                if sign == "+":
                    codes.setdefault(system, {}).update(listed)
                else:
                    codes[system] = {c: None for c in codes.get(system, {}) if c not in listed}
    return codes


def _part(
    part: Json,
    published: Mapping[str, Json],
    systems: Mapping[str, tuple[str, bool, dict[str, str]]],
    found: dict[str, Codes | None],
    above: tuple[str, ...],
) -> Codes | None:
    sets: list[Codes] = []
    if part.get("filter"):
        return None
    if "concept" in part:
        sets.append({part["system"]: {each["code"]: None for each in part["concept"]}})
    elif "system" in part:
        content, _, listed = systems.get(part["system"], ("", True, {}))
        if content != "complete" or len(listed) >= 10 * CUT_AT:
            return None
        sets.append({part["system"]: dict.fromkeys(listed)})
    for canonical in part.get("valueSet", ()):
        imported = _composed(canonical.partition("|")[0], published, systems, found, above)
        if imported is None:
            return None
        sets.append(imported)
    first, *others = sets or [{}]
    for other in others:
        first = {
            system: {code: None for code in listed if code in other.get(system, {})}
            for system, listed in first.items()
        }
    return first
