"""The front of search: a page of a search, the ids that a condition means, and the explanation of a plan."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from jiankang.fhir.definitions import load
from jiankang.foundation.record.search.facts import Condition
from jiankang.foundation.record.search.include import Includer
from jiankang.foundation.record.search.meaning import no_terminology
from jiankang.foundation.record.search.paging import Cursor, link, seal, unseal
from jiankang.foundation.record.search.plan import Goal, Place, choose, compounded, contenders, needs_counts
from jiankang.foundation.record.search.query import Query, Reader
from jiankang.foundation.record.search.running import BOUNDS, Page, Runner, types_and_codes
from jiankang.foundation.record.search.values import Values
from jiankang.foundation.record.store import METHODS, Stored
from jiankang.kernel.clock import Clock, system_clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from psycopg import AsyncConnection

    from jiankang.fhir.search import Registry
    from jiankang.foundation.access import Actor
    from jiankang.kernel.errors import Issue

    Payload = Callable[[bytes], Awaitable[bytes]]


class Compartment(NamedTuple):
    """The compartment of `name`/`id` (Patient/123), which is that of the resources `ids` where it stands for several."""

    name: str
    id: str
    ids: tuple[str, ...] = ()


@dataclass(slots=True)
class SearchResult:
    """One page: matches in order, what comes along with them, and how to go on.

    `total` is None where it was not asked for and is not known anyway. `links` are URLs by relation (self, first,
    previous, next). `summary` and `elements` are for whoever writes the bundle.
    """

    matches: list[Stored] = field(default_factory=list)
    includes: list[Stored] = field(default_factory=list)
    total: int | None = None
    links: dict[str, str] = field(default_factory=dict)
    warnings: list[Issue] = field(default_factory=list)
    params: list[tuple[str, str]] = field(default_factory=list)
    summary: str | None = None
    elements: tuple[str, ...] = ()


async def search(
    db: AsyncConnection[Any],
    actor: Actor,
    type: str | None,  # noqa: A002 - the interface's word
    params: Sequence[tuple[str, str]],
    *,
    registry: Registry,
    base_url: str,
    secret: bytes,
    payload: Payload,
    handling: str = "strict",
    compartment: Compartment | None = None,
    clock: Clock = system_clock,
) -> SearchResult:
    """A page of the resources of `type` (None: all types) that match, as far as the actor may see them.

    `payload` turns a stored body into its payload
    (`Record.payload`). Raises Invalid naming what is not understood (with `handling` "lenient" that is left out, with
    a warning), NotSupported, and TooCostly with a hint. http://hl7.org/fhir/R4/http.html#search
    """
    started = clock()
    reader = Reader(registry, Values(started, registry.zone, base_url), lenient=handling == "lenient")
    query = reader.read(type, params)
    _place_in(reader, query, compartment)
    runner = Runner(db, actor.restriction, registry.meaning or no_terminology)
    names, codes = types_and_codes(query.types)
    goal = Goal(names, codes, await runner.resolved(query.criteria), query.order, keys=bool(query.includes))
    result = SearchResult(warnings=query.warnings, params=query.used, summary=query.summary, elements=query.elements)
    address = _address(base_url, type, compartment)
    if query.count == 0 or query.summary == "count":
        result.total = await runner.total(goal, accurate=query.total != "estimate")
        result.links["self"] = link(address, query.used)
        return result
    scope = _scope(address, query.used, actor)
    cursor = unseal(query.cursor, secret, scope) if query.cursor is not None else None
    page = await runner.page(goal, query.count, cursor.place if cursor else None)
    included, warnings = await Includer(db, actor.restriction, registry).follow(_plain(page), query.includes)
    result.warnings.extend(warnings)
    result.matches = [await _stored(row, payload) for row in _plain(page)]
    result.includes = [await _stored(row, payload) for row in included]
    result.total = await _total(runner, goal, query, page, cursor)
    _link(result, page, cursor, address, query, secret, scope, started)
    return result


def _place_in(reader: Reader, query: Query, compartment: Compartment | None) -> None:
    if compartment is not None:
        types, member = reader.member(compartment.name, compartment.ids or (compartment.id,), query.types)
        query.types = types
        query.criteria.append(member)


def _address(base_url: str, type_name: str | None, compartment: Compartment | None) -> str:
    base = base_url.rstrip("/")
    if compartment is not None:
        return f"{base}/{compartment.name}/{compartment.id}/{type_name or '*'}"
    return f"{base}/{type_name}" if type_name else base


def _scope(address: str, used: Sequence[tuple[str, str]], actor: Actor) -> str:
    """What a page link is bound to."""
    text = "\x00".join([actor.id, address, *(f"{name}={value}" for name, value in used)])
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _plain(page: Page) -> list[tuple[Any, ...]]:
    return [row[1:9] for row in page.rows]


async def _stored(row: tuple[Any, ...], payload: Payload) -> Stored:
    rid, type_code, id_, version, updated, method, body, keys = row
    name = load().resource_names[type_code]
    return Stored(name, id_, version, updated, False, METHODS[method], await payload(body), rid, keys=keys or ())


async def _total(runner: Runner, goal: Goal, query: Query, page: Page, cursor: Cursor | None) -> int | None:
    if cursor is None and not page.more and query.total != "none":
        return len(page.rows)
    if query.total in {"accurate", "estimate"}:
        return await runner.total(goal, accurate=query.total == "accurate")
    return None


def _link(
    result: SearchResult,
    page: Page,
    cursor: Cursor | None,
    address: str,
    query: Query,
    secret: bytes,
    scope: str,
    started: datetime,
) -> None:
    used = query.used
    result.links["self"] = link(address, used, query.cursor)
    trail = () if cursor is None else cursor.trail
    if cursor is not None:
        result.links["first"] = link(address, used)
        if trail:
            before = trail[-1]
            if before is None:
                result.links["previous"] = link(address, used)
            else:
                start = Place(cursor.place.shape, before, cursor.place.as_of)
                result.links["previous"] = link(address, used, seal(Cursor(start, trail[:-1]), secret, scope))
    place = page.place(started if cursor is None else cursor.place.as_of)
    if page.more and place is not None:
        if cursor is not None and not query.order:
            place = replace(place, shape=cursor.place.shape)
        here = None if cursor is None else cursor.place.values
        result.links["next"] = link(address, used, seal(Cursor(place, (*trail, here)), secret, scope))


async def match_ids(
    db: AsyncConnection[Any],
    actor: Actor,
    type: str,  # noqa: A002 - the interface's word
    params: Sequence[tuple[str, str]],
    limit: int,
    *,
    registry: Registry,
    base_url: str = "",
    clock: Clock = system_clock,
) -> list[str]:
    """Ids of up to `limit` resources that a condition means, in the transaction that `db` is in.

    Parameters that only shape an answer (`_count`, `_sort`, …) are read and do nothing. Raises Invalid as `search`
    does, and always strictly. http://hl7.org/fhir/R4/http.html#ccreate
    """
    reader = Reader(registry, Values(clock(), registry.zone, base_url), lenient=False)
    query = reader.read(type, params)
    runner = Runner(db, actor.restriction, registry.meaning or no_terminology)
    names, codes = types_and_codes(query.types)
    page = await runner.page(Goal(names, codes, await runner.resolved(query.criteria)), limit)
    return [row[3] for row in page.rows]


def read_condition(
    type: str,  # noqa: A002 - the interface's word
    params: Sequence[tuple[str, str]],
    *,
    registry: Registry,
    base_url: str = "",
    clock: Clock = system_clock,
) -> Condition:
    """A search of one type as a value that can be asked what facts tell of it. Raises Invalid as `search` does."""
    reader = Reader(registry, Values(clock(), registry.zone, base_url), lenient=False)
    return Condition(tuple(reader.read(type, params).criteria))


async def explain(
    db: AsyncConnection[Any],
    actor: Actor,
    type: str | None,  # noqa: A002 - the interface's word
    params: Sequence[tuple[str, str]],
    *,
    registry: Registry,
    base_url: str = "",
    compartment: Compartment | None = None,
    clock: Clock = system_clock,
) -> dict[str, Any]:
    """How a search would be carried out: criteria, counts, shape, statements with PostgreSQL's plans, and the bounds."""
    reader = Reader(registry, Values(clock(), registry.zone, base_url), lenient=False)
    query = reader.read(type, [pair for pair in params if pair[0] != "_cursor"])
    _place_in(reader, query, compartment)
    runner = Runner(db, actor.restriction, registry.meaning or no_terminology)
    names, codes = types_and_codes(query.types)
    goal = compounded(Goal(names, codes, await runner.resolved(query.criteria), query.order))
    needed = needs_counts(goal)
    counts = (
        await runner.statistics.counts(db, actor.restriction, needed)
        if needed
        else runner.statistics.known(actor.restriction, contenders(goal))
    )
    plan = choose(goal, counts)
    runner.statements.clear()
    if plan is not None:
        await runner.page(goal, query.count or 1)
    plans = []
    for text, values in runner.statements:
        cursor = await db.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {text}", values)
        plans.append({"sql": text, "plan": [row[0] for row in await cursor.fetchall()]})
    return {
        "types": list(names) if len(names) < 20 else f"{len(names)} types",
        "criteria": [str(criterion) for criterion in goal.criteria],
        "counts": {str(criterion): "many" if count > 1 << 30 else count for criterion, count in counts.items()},
        "shape": None if plan is None else plan.shape,
        "driver": None if plan is None else str(plan.driver),
        "tested": [] if plan is None else [str(criterion) for criterion in plan.rest],
        "statements": plans,
        "bounds": BOUNDS,
    }
