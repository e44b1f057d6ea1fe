"""What there is to look at: lists of code systems and value sets, trees of concepts, a value set's definition in parts."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from jiankang.foundation.terminology.builtin import Entry, builtin
from jiankang.foundation.terminology.codes import as_concept
from jiankang.foundation.terminology.gathering import COLUMNS
from jiankang.foundation.terminology.grammars import GRAMMARS
from jiankang.foundation.terminology.model import Concept, System, version_order
from jiankang.foundation.terminology.words import folded
from jiankang.kernel.jsontext import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jiankang.foundation.terminology.codes import Codes

PAGE = 50
ROOTS = 100
_HAN = re.compile(r"[\u4e00-\u9fff]")
_SYSTEMS = "SELECT url, version, concepts, header, origin FROM code_system WHERE ready"
_VALUE_SETS = "SELECT url, version, body FROM value_set"
_MAPS = "SELECT resource, url, version, header, (SELECT count(*) FROM mapping m WHERE m.map = c.id) FROM concept_map c"
_ROOTS = f"""
WITH RECURSIVE root AS (
    (SELECT * FROM concept WHERE system = %s AND n >= %s AND ancestors = '{{}}' ORDER BY n LIMIT 1)
    UNION ALL SELECT c.* FROM root JOIN concept AS c ON c.system = root.system AND c.n = root.last + 1
) SELECT {COLUMNS} FROM root LIMIT %s"""


@dataclass(frozen=True, slots=True)
class Listed:
    """A code system, value set or concept map in a list. `count` is None where nobody counted."""

    url: str
    version: str
    title: str
    count: int | None
    origin: str
    publisher: str = ""
    copyright: str = ""
    resource: str = ""

    @property
    def sought(self) -> str:
        """What it is found by."""
        return folded(f"{self.title} {self.url} {self.publisher}")


def _title(header: dict[str, Any]) -> str:
    return str(header.get("title") or header.get("name") or header.get("url") or "")


def _listed(header: dict[str, Any], url: str, version: str, count: int | None, origin: str, id_: str = "") -> Listed:
    publisher, licence = (str(header.get(name) or "") for name in ("publisher", "copyright"))
    return Listed(url, version, _title(header), count, origin, publisher, licence, id_)


@cache
def _built_in(kind: str) -> tuple[Listed, ...]:
    """The best version of everything of a kind that comes along."""
    found: dict[str, list[Entry]] = builtin().systems if kind == "CodeSystem" else builtin().value_sets
    return tuple(
        _listed(entries[0].resource, url, entries[0].version, entries[0].concepts or None, "built-in")
        for url, entries in found.items()
    )


async def systems(codes: Codes) -> list[Listed]:
    """All code systems, each once, in its newest version; what was loaded here first, then by name."""
    found: list[Listed] | None = codes.memory.others.get("listed systems")
    if found is None:
        rows = await codes.rows(_SYSTEMS, ())
        loaded = [_listed(decode(row[3]), row[0], row[1], row[2], row[4]) for row in rows if row[4] != "built-in"]
        grammars = [Listed(each.url, "", each.name, None, "grammar") for each in GRAMMARS.values()]
        found = codes.memory.others.put(
            "listed systems", _ordered([*loaded, *grammars], await asyncio.to_thread(_built_in, "CodeSystem"))
        )
    return found


async def value_sets(codes: Codes) -> list[Listed]:
    """All value sets, in the same way."""
    found: list[Listed] | None = codes.memory.others.get("listed value sets")
    if found is None:
        rows = await codes.rows(_VALUE_SETS, ())
        own = [_listed(decode(row[2]), row[0], row[1], None, "record") for row in rows]
        found = codes.memory.others.put(
            "listed value sets", _ordered(own, await asyncio.to_thread(_built_in, "ValueSet"))
        )
    return found


async def concept_maps(codes: Codes) -> list[Listed]:
    """All concept maps; `count` is that of their mappings."""
    found: list[Listed] | None = codes.memory.others.get("listed maps")
    if found is None:
        rows = await codes.rows(_MAPS, ())
        own = [_listed(decode(row[3]), row[1] or "", row[2], row[4], "record", row[0]) for row in rows]
        found = codes.memory.others.put("listed maps", _ordered(own, ()))
    return found


def _ordered(own: Sequence[Listed], built_in: Iterable[Listed]) -> list[Listed]:
    newest: dict[str, Listed] = {}
    for each in own:
        kept = newest.get(each.url or each.resource)
        if kept is None or version_order(each.version) > version_order(kept.version):
            newest[each.url or each.resource] = each
    rest = [each for each in built_in if each.url not in newest]
    return sorted([*newest.values(), *rest], key=_rank)


def _rank(each: Listed) -> tuple[int, bool, str]:
    order = {"record": 0, "import": 0, "built-in": 1, "grammar": 2}
    return order.get(each.origin, 1), _HAN.search(each.title) is None, each.title.casefold()


def matching(listed: Sequence[Listed], text: str) -> Sequence[Listed]:
    """Those in whose title, address or publisher each word of `text` occurs."""
    words = folded(text).split()
    return [each for each in listed if all(word in each.sought for word in words)] if words else listed


# ---- trees


async def roots(codes: Codes, system: System, start: int = 0, most: int = ROOTS) -> list[Concept]:
    """Concepts without parents from the place `start` on, one more than `most` where there are more."""
    return [as_concept(row) for row in await codes.rows(_ROOTS, (system.id, start, most + 1))]


async def above(codes: Codes, system: System, concept: Concept) -> list[Concept]:
    """The way from a root down to a concept, by first parents; the concept itself is the last."""
    way = [concept]
    while way[0].parents and len(way) < 100:
        parents = await codes.at(system, way[0].parents[:1])
        if not parents:
            break
        way.insert(0, parents[0])
    return way


async def leaves(codes: Codes, system: System, concepts: Sequence[Concept]) -> set[int]:
    """The places of those that have nothing below them."""
    found = {each.n for each in concepts if each.last == each.n}
    if system.polyhierarchy and found:
        rows = await codes.rows(
            "SELECT ancestor FROM closure WHERE system = %s AND ancestor = ANY(%s::integer[])",
            (system.id, sorted(found)),
        )
        found -= {row[0] for row in rows}
    return found


def is_flat(system: System, concepts: Sequence[Concept]) -> bool:
    """Whether none of these has anything below it."""
    return not system.polyhierarchy and all(each.last == each.n for each in concepts)


# ---- what a value set says of itself


@dataclass(frozen=True, slots=True)
class Clause:
    """One include or exclude: codes of a system (all, listed, or by conditions), and value sets they must be in."""

    exclude: bool
    system: str
    version: str
    listed: int
    filters: tuple[tuple[str, str, str], ...]
    value_sets: tuple[str, ...]


def clauses(value_set: dict[str, Any]) -> list[Clause]:
    """The parts of a value set's definition, includes first. http://hl7.org/fhir/R4/valueset.html#compositions."""
    compose = value_set.get("compose", {})
    return [
        Clause(
            name == "exclude", each.get("system", ""), each.get("version", ""), len(each.get("concept", ())),
            tuple((one.get("property", ""), one.get("op", ""), one.get("value", "")) for one in each.get("filter", ())),
            tuple(each.get("valueSet", ())),
        )
        for name in ("include", "exclude")
        for each in compose.get(name, ())
    ]  # fmt: skip
