"""Codes found in all systems at once: those that came along in memory, those that were loaded here through their index."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from jiankang.foundation.terminology.asking import shown_display
from jiankang.foundation.terminology.builtin import builtin
from jiankang.foundation.terminology.codes import as_concept
from jiankang.foundation.terminology.gathering import COLUMNS
from jiankang.foundation.terminology.model import Concept, System
from jiankang.foundation.terminology.words import folded, query_of
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jiankang.foundation.terminology.codes import Codes

MOST = 200
_LOOKED_AT = 2_000
_SYSTEMS = "SELECT id, url, version, concepts, header FROM code_system WHERE ready AND origin <> 'built-in'"
_WORDS = f"SELECT {COLUMNS} FROM (SELECT * FROM concept WHERE words @@ %s::tsquery LIMIT {_LOOKED_AT}) AS c"


@dataclass(frozen=True, slots=True)
class Hit:
    """A code that was found."""

    system: System
    concept: Concept

    @property
    def title(self) -> str:
        """What its system is called."""
        header = self.system.header
        return str(header.get("title") or header.get("name") or self.system.url)

    def name(self, language: str) -> str:
        """The concept's name in a language, where it has one."""
        return shown_display(self.concept, self.system, self.concept.designations, language)


@dataclass(frozen=True, slots=True)
class _Known:
    """A concept in memory and the text that it is found by."""

    system: System
    code: str
    display: str
    more: str | None
    text: str


@cache
def _built_in() -> tuple[_Known, ...]:
    found: list[_Known] = []
    for url, entries in builtin().systems.items():
        resource = entries[0].resource
        header = {name: value for name, value in resource.items() if name != "concept"}
        system = System(0, url, entries[0].version, False, entries[0].concepts, header, "built-in")
        found += [_known(system, each) for each in _walked(resource.get("concept", ()))]
    return tuple(found)


def _walked(concepts: Any) -> Iterator[dict[str, Any]]:
    for each in concepts:
        yield each
        yield from _walked(each.get("concept", ()))


def _known(system: System, raw: dict[str, Any]) -> _Known:
    names = [each.get("value", "") for each in raw.get("designation", ())]
    text = folded("\n".join([raw["code"], raw.get("display", ""), *names]))
    more = encode({"designation": raw["designation"]}).decode() if names else None
    return _Known(system, raw["code"], raw.get("display", ""), more, text)


def _in_memory(text: str, without: frozenset[str]) -> list[Hit]:
    words = folded(text).split()
    hits = []
    for known in _built_in():
        if all(word in known.text for word in words) and known.system.url not in without:
            hits.append(Hit(known.system, Concept(0, 0, 0, 0, known.code, known.display, (), (), known.more)))
            if len(hits) >= _LOOKED_AT:
                break
    return hits


async def _loaded(codes: Codes) -> dict[int, System]:
    found: dict[int, System] | None = codes.memory.others.get("loaded systems")
    if found is None:
        rows = await codes.rows(_SYSTEMS, ())
        found = {row[0]: System(row[0], row[1], row[2], False, row[3], decode(row[4])) for row in rows}
        codes.memory.others.put("loaded systems", found)
    return found


async def find_codes(codes: Codes, text: str) -> list[Hit]:
    """At most MOST codes whose code or names have the words of `text`: the code itself first, then short names."""
    if not folded(text).split():
        return []
    loaded = await _loaded(codes)
    hits: list[Hit] = []
    if loaded:
        query = " | ".join(f"({query_of(number, text)})" for number in loaded)
        hits = [Hit(loaded[row[0]], as_concept(row)) for row in await codes.rows(_WORDS, (query,))]
    hits += await asyncio.to_thread(_in_memory, text, frozenset(each.url for each in loaded.values()))
    sought = folded(text).strip()
    hits.sort(key=lambda hit: (folded(hit.concept.code) != sought, len(hit.concept.display), hit.system.url))
    return hits[:MOST]
