"""Where a code is used: value sets that hold it, maps that speak of it, resources of the record that say it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load
from jiankang.foundation.record import search as searching
from jiankang.foundation.record.indexing import param_key
from jiankang.foundation.terminology.builtin import builtin
from jiankang.foundation.terminology.composing import Members, Versions
from jiankang.foundation.terminology.maps import Translation, translate
from jiankang.kernel.errors import Problem
from jiankang.kernel.jsontext import decode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jiankang.fhir.search import Registry
    from jiankang.foundation.access import Actor
    from jiankang.foundation.record.wire.server import Server
    from jiankang.foundation.terminology.codes import Codes
    from jiankang.foundation.terminology.model import Coding

MOST_ASKED = 400
MOST_COUNTED = 12
SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Holding:
    """Value sets that hold a code (address and title); how many were asked, and how many could hold it."""

    found: tuple[tuple[str, str], ...]
    asked: int
    of: int


@dataclass(frozen=True, slots=True)
class Mapped:
    """A code that a map relates to ours: how, where to, by which map, and in which direction."""

    equivalence: str
    system: str
    code: str
    display: str
    map_url: str
    reverse: bool


@dataclass(frozen=True, slots=True)
class Use:
    """How many resources of a type say a code in a search parameter, as far as the reader may see; None: too many to count."""

    type_name: str
    param: str
    number: int | None


# ---- value sets


class _Index:
    """Which value sets name a system, and which import which."""

    def __init__(self) -> None:
        self.titles: dict[str, str] = {}
        self.by_system: dict[str, list[str]] = {}
        self.importers: dict[str, list[str]] = {}

    def add(self, url: str, value_set: dict[str, Any]) -> None:
        self.titles[url] = str(value_set.get("title") or value_set.get("name") or url)
        for include in value_set.get("compose", {}).get("include", ()):
            if include.get("system"):
                self.by_system.setdefault(include["system"], []).append(url)
            for imported in include.get("valueSet", ()):
                self.importers.setdefault(imported.partition("|")[0], []).append(url)


@cache
def _built_in() -> _Index:
    index = _Index()
    for url, entries in builtin().value_sets.items():
        index.add(url, entries[0].resource)
    return index


async def _own(codes: Codes) -> _Index:
    found: _Index | None = codes.memory.others.get("value sets by system")
    if found is None:
        found = _Index()
        for url, body in await codes.rows("SELECT url, body FROM value_set", ()):
            found.add(url, decode(body))
        codes.memory.others.put("value sets by system", found)
    return found


def _candidates(indexes: Iterable[_Index], system: str) -> dict[str, str]:
    """Value sets that may hold codes of a system, by name or by import, with their titles."""
    indexes = tuple(indexes)
    waiting = [url for index in indexes for url in index.by_system.get(system, ())]
    found: dict[str, str] = {}
    while waiting:
        url = waiting.pop(0)
        if url in found:
            continue
        found[url] = next((index.titles[url] for index in indexes if url in index.titles), url)
        waiting += [more for index in indexes for more in index.importers.get(url, ())]
    return found


async def holding(codes: Codes, coding: Coding) -> Holding:
    """The value sets that hold a code, as many as can be asked within `SECONDS`; what comes from the record first."""
    candidates = _candidates((await _own(codes), await asyncio.to_thread(_built_in)), coding.system)
    members = Members(codes, Versions())
    deadline = time.monotonic() + SECONDS
    found: list[tuple[str, str]] = []
    asked = 0
    for url, title in candidates.items():
        if asked >= MOST_ASKED or time.monotonic() > deadline:
            break
        asked += 1
        try:
            value_set = await codes.value_set(url)
            if await members.holds(value_set, coding.system, coding.code, None):
                found.append((url, title))
        except Problem:  # such a value set cannot be worked out for anybody
            members = Members(codes, Versions())
    return Holding(tuple(found), asked, len(candidates))


# ---- maps


async def mapped(codes: Codes, coding: Coding) -> list[Mapped]:
    """What all maps say of a code, in both directions."""
    found = []
    for reverse in (False, True):
        answer = await translate(codes, Translation(coding, reverse=reverse))
        matches = [each["part"] for each in answer["parameter"] if each["name"] == "match"]
        found += [_mapped(parts, reverse=reverse) for parts in matches[:100]]
    return found


def _mapped(parts: list[dict[str, Any]], *, reverse: bool) -> Mapped:
    said = {each["name"]: each for each in parts}
    concept = said.get("concept", {}).get("valueCoding", {})
    return Mapped(
        said["equivalence"]["valueCode"], concept.get("system", ""), concept.get("code", ""), concept.get("display", ""),
        said.get("source", {}).get("valueUri", ""), reverse,
    )  # fmt: skip


# ---- the record

_SAID = "SELECT DISTINCT hash FROM vocabulary WHERE hash = ANY(%s::bigint[]) AND code = %s AND system = %s"


def _token_parameters(registry: Registry) -> dict[int, tuple[str, str]]:
    return {
        param_key(type_name, name): (type_name, name)
        for type_name in load().resource_names
        for name, param in registry.parameters(type_name).items()
        if param.type == "token"
    }


async def uses(codes: Codes, server: Server, actor: Actor, coding: Coding) -> list[Use]:
    """In which types and search parameters the record says a code, and how often; of what the actor may see."""
    known = _token_parameters(server.registry)
    rows = await codes.rows(_SAID, (list(known), coding.code, coding.system))
    places = sorted(known[row[0]] for row in rows)
    found = [await _counted(server, actor, each, coding) for each in places[:MOST_COUNTED]]
    return [each for each in found if each.number != 0]


async def _counted(server: Server, actor: Actor, place: tuple[str, str], coding: Coding) -> Use:
    type_name, name = place
    params = [(name, f"{_escaped(coding.system)}|{_escaped(coding.code)}"), ("_summary", "count")]
    try:
        async with server.record.reading(None) as db:
            result = await searching.search(
                db, actor, type_name, params, registry=server.registry, base_url="http://localhost/fhir",
                secret=server.secret, payload=server.record.payload, clock=server.record.clock,
            )  # fmt: skip
    except Problem:  # more than a search may touch; that there is anything is told only to who may see the type
        return Use(type_name, name, None if actor.restriction.permits(type_name, ()) else 0)
    return Use(type_name, name, result.total)


def _escaped(text: str) -> str:
    """http://hl7.org/fhir/R4/search.html#escaping."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace(",", "\\,").replace("$", "\\$")
