"""The tables that validation reads: structure definitions as published, value sets counted up, code systems.

Part of `tools/definitions.py`. Each is a map from canonical URL to a record that is decoded when first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import zstandard

from jiankang.fhir.definitions.composing import Composer, concepts, expansion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Json = dict[str, Any]

PREFIXES = ("StructureDefinition-", "CodeSystem-", "ValueSet-")
# What nobody needs to check or to build a snapshot.
_PROSE = ("comment", "requirements", "alias", "example", "mapping", "meaningWhenMissing", "orderMeaning")


def structures(definitions: Iterable[Json]) -> dict[str, bytes]:
    """Each StructureDefinition that has a snapshot, without its prose, packed."""
    packer = zstandard.ZstdCompressor(level=19)
    return {
        each["url"]: packer.compress(msgspec.msgpack.encode(_lean(each))) for each in definitions if "snapshot" in each
    }


def _lean(definition: Json) -> Json:
    kept = {name: value for name, value in definition.items() if name not in ("text", "mapping", "contact")}
    for view in ("snapshot", "differential"):
        if view in definition:
            elements = definition[view]["element"]
            kept[view] = {"element": [{k: v for k, v in each.items() if k not in _PROSE} for each in elements]}
    return kept


def code_systems(systems: Iterable[Json]) -> dict[str, tuple[str, bool, dict[str, str]]]:
    """URL to content ('complete', ...), whether case matters, and display by code.

    Of a system that is there twice, the earlier and the later codes are kept, with the later displays.
    """
    found: dict[str, tuple[str, bool, dict[str, str]]] = {}
    for each in systems:
        if each["content"] == "supplement":
            continue
        content, case_sensitive, codes = found.get(each["url"], (each["content"], each.get("caseSensitive", True), {}))
        listed = {concept["code"]: concept.get("display", "") for concept in concepts(each.get("concept", ()))}
        found[each["url"]] = (content, case_sensitive and each.get("caseSensitive", True), codes | listed)
    return found


def value_sets(
    expanded: Iterable[Json], published: Mapping[str, Json], systems: Mapping[str, tuple[str, bool, dict[str, str]]]
) -> dict[str, dict[str, list[str]]]:
    """Codes by system of every value set that can be counted up whole."""
    whole = {url: displays for url, (content, _, displays) in systems.items() if content == "complete"}
    known = {each["url"]: expansion(each) for each in expanded}
    composer = Composer(published, whole, known)
    for url in published:
        composer.codes(url)
    return {
        url: {system: list(codes) for system, codes in listed.items()}
        for url, listed in sorted(known.items())
        if listed
    }
