"""Carries a search out: looks codes up, counts where a choice must be made, runs the statement, makes the links."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load
from jiankang.foundation.record.indexing import column, token_key, type_key
from jiankang.foundation.record.search.criteria import (
    NOTHING,
    Chain,
    Criterion,
    Every,
    Has,
    Keys,
    Lookup,
    Meant,
    Not,
    Some,
    either,
)
from jiankang.foundation.record.search.meaning import Meaning, no_terminology
from jiankang.foundation.record.search.plan import (
    CANDIDATES,
    COUNTED,
    HOPS,
    SCANNED,
    Goal,
    Place,
    Plan,
    Writer,
    choose,
    compounded,
    contenders,
    count_statement,
    flattened,
    impossible,
    is_quick,
    needs_counts,
)
from jiankang.foundation.record.search.sql import Bound, prefix_end
from jiankang.foundation.record.search.statistics import MANY, statistics_of
from jiankang.kernel.database import translated
from jiankang.kernel.errors import Invalid, NotFound, TooCostly

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from psycopg import AsyncConnection

    from jiankang.foundation.access import Restriction

_MOST_CODES = 2_000
_ESTIMATED = 10_000
_HINT = (
    "this search would have to look at too many resources; add a criterion that few fulfil (a patient, an identifier, "
    "a code with its system, a period), or sort by a date or by _lastUpdated"
)

Row = tuple[Any, ...]


@dataclass(slots=True)
class Page:
    """The rows of a page, whether more follow, and what was done to find them."""

    rows: list[Row] = field(default_factory=list)
    more: bool = False
    plan: Plan | None = None

    def place(self, as_of: datetime) -> Place | None:
        """Where the next page starts."""
        if not self.rows or self.plan is None:
            return None
        last = self.rows[-1]
        return Place(self.plan.shape, (*last[9:], last[1]), as_of)


class Runner:
    """Runs goals on one connection, within one restriction."""

    def __init__(self, db: AsyncConnection[Any], restriction: Restriction, meaning: Meaning = no_terminology) -> None:
        self.meaning = meaning
        self.db = db
        self.restriction = restriction
        self.statistics = statistics_of(db)
        self.statements: list[tuple[str, dict[str, object]]] = []

    async def fetch(self, text: str, values: dict[str, object]) -> list[Row]:
        """All rows of a statement."""
        self.statements.append((text, values))
        cursor = self.db.cursor(binary=True)
        with translated():
            await cursor.execute(text, values)
            return await cursor.fetchall()

    # -- codes

    async def resolved(self, criteria: Sequence[Criterion]) -> tuple[Criterion, ...]:
        """The criteria with every look-up of codes replaced by the keys found."""
        lookups = list(dict.fromkeys(one for criterion in criteria for one in _lookups(criterion)))
        if not lookups:
            return flattened(criteria)
        found: dict[Lookup | Meant, Criterion] = {}
        asked = [one for one in lookups if isinstance(one, Lookup)]
        if asked:
            found |= await self._look_up(asked)
        for one in lookups:
            if isinstance(one, Meant):
                found[one] = await self._meant(one)
        return flattened([_replaced(criterion, found) for criterion in criteria])

    async def _look_up(self, lookups: list[Lookup]) -> dict[Lookup | Meant, Criterion]:
        from jiankang.foundation.record.indexing import param_key

        bound = Bound(self.restriction)
        parts = []
        for number, one in enumerate(lookups):
            where = f"v.hash = {bound.big(param_key(one.type, one.param))}"
            if one.code is not None:
                where += f" AND v.code = {bound.text(one.code)}"
            elif one.prefix is not None:
                where += _starting(bound, "v.code", one.prefix)
            elif one.text is not None:
                where += _starting(bound, "v.norm", one.text)
            else:
                where += f" AND v.system = {bound.text(one.system or '')} AND v.code IS NOT NULL"
            parts.append(
                f"(SELECT DISTINCT {number} AS n, v.key FROM vocabulary v WHERE {where} LIMIT {_MOST_CODES + 1})"
            )
        found: dict[int, list[int]] = {}
        for number, key in await self.fetch(" UNION ALL ".join(parts), bound.values):
            found.setdefault(number, []).append(key)
        result: dict[Lookup | Meant, Criterion] = {}
        for number, one in enumerate(lookups):
            keys = found.get(number, [])
            if len(keys) > _MOST_CODES:
                raise TooCostly(
                    f"more than {_MOST_CODES} codes are meant by '{one.param}': write more of the text, or a code"
                )
            result[one] = Keys(tuple(sorted(keys)), one.param)
        return result

    async def _meant(self, asked: Meant) -> Criterion:
        """The codes that terminology says, as far as the record has seen them under this parameter."""
        sets = self.meaning(self.db)
        try:
            if asked.relation == "in":
                pairs = await sets.codes_in(asked.url)
            elif asked.relation == "below":
                pairs = await sets.descendants(asked.url, asked.code)
            else:
                pairs = await sets.ancestors(asked.url, asked.code)
        except NotFound as problem:
            raise Invalid(f"{asked.param}:{asked.relation}: {problem}", expression=[asked.param]) from None
        keys = [token_key(asked.type, asked.param, system, code) for system, code in pairs]
        bound = Bound(self.restriction)
        seen = await self.fetch(
            f"SELECT DISTINCT v.key FROM vocabulary v WHERE v.key = ANY({bound.bigs(keys)})", bound.values
        )
        return Keys(tuple(sorted(row[0] for row in seen)), asked.param)

    # -- pages

    async def page(self, goal: Goal, limit: int, place: Place | None = None) -> Page:
        """Up to `limit` matches after `place`."""
        if any(impossible(criterion) for criterion in goal.criteria) or not goal.codes:
            return Page()
        goal = compounded(goal)
        counts = await self._counts(goal)
        rows = await self.statistics.rows_of(self.db, goal.codes) if goal.single else 0
        goal = replace(goal, limit=limit, rows=rows)
        for _ in range(3):
            plan = choose(goal, counts, shape=place.shape if place else None)
            if plan is None:
                break
            page = await self._try(goal, plan, limit, place)
            if page is not None:
                return page
            counts = {**counts, **{c: MANY for c in [plan.driver] if c is not None}}
            if choose(goal, counts, shape=place.shape if place else None) == plan:
                break
        raise TooCostly(_HINT)

    async def _counts(self, goal: Goal) -> dict[Criterion, int]:
        needed = needs_counts(goal)
        if not needed:
            return self.statistics.known(self.restriction, contenders(goal))
        with translated():
            return await self.statistics.counts(self.db, self.restriction, needed)

    async def _try(self, goal: Goal, plan: Plan, limit: int, place: Place | None) -> Page | None:
        """The page by this plan; None when the plan met its bound, so that another must be found."""
        rows = await self._rows(goal, plan, limit + 1, place)
        if rows and rows[0][0] > 0:
            if plan.driver is not None:
                self.statistics.learn(self.restriction, plan.driver, MANY)
            return None
        rows = [row for row in rows if row[1] is not None]
        if (
            len(rows) <= limit
            and plan.rest
            and plan.shape in {"time", "text", "walk"}
            and await self._cut_short(goal, plan)
        ):
            raise TooCostly(_HINT)
        return Page(rows[:limit], len(rows) > limit, plan)

    async def _rows(self, goal: Goal, plan: Plan, limit: int, place: Place | None) -> list[Row]:
        rows: list[Row] = []
        if plan.shape != "walk" or place is None or place.values[0] is not None:
            rows = await self.fetch(*Writer(goal, plan, self.restriction, limit, place).statement())
        if plan.shape == "walk" and len(rows) < limit:
            rows += await self.fetch(
                *Writer(goal, plan, self.restriction, limit - len(rows), place, tail=True).statement()
            )
        return rows

    async def _cut_short(self, goal: Goal, plan: Plan) -> bool:
        """Whether the rows read in order ended at the bound rather than at the last one."""
        driver = plan.driver if plan.driver is not None else Keys((type_key(goal.types[0]),))
        if is_quick(driver):
            return False
        count = (await self.statistics.counts(self.db, self.restriction, [driver]))[driver]
        if count < SCANNED:
            return False
        from jiankang.foundation.record.search.plan import probe

        text, values = probe(self.restriction, [driver], SCANNED)
        return int((await self.fetch(text, values))[0][0]) >= SCANNED

    # -- counts

    async def total(self, goal: Goal, accurate: bool) -> int:
        """How many match; an estimate is exact where there are few."""
        if any(impossible(criterion) for criterion in goal.criteria) or not goal.codes:
            return 0
        goal = compounded(goal)
        counts = await self._counts(goal)
        plan = choose(replace(goal, order=()), counts)
        if plan is None:
            raise TooCostly(_HINT)
        bound = COUNTED if accurate else _ESTIMATED
        text, values = count_statement(goal, plan, self.restriction, bound)
        number, read = (await self.fetch(text, values))[0]
        if read <= bound:
            return int(number)
        if accurate:
            raise TooCostly(
                f"more than {COUNTED} resources would have to be counted; ask for _total=estimate or add a criterion"
            )
        return await self._extrapolated(goal, plan, number / max(1, read))

    async def _extrapolated(self, goal: Goal, plan: Plan, share: float) -> int:
        """From the share of tested rows that matched, and the rows there are by the database's own statistics."""
        driver = plan.driver if isinstance(plan.driver, Keys) else None
        hashes = driver.hashes if driver else tuple(type_key(name) for name in goal.types)
        bound = Bound(self.restriction)
        text = (
            "SELECT coalesce(sum(c.reltuples * f.f), 0)::bigint FROM pg_class c, pg_stats s, "
            "unnest(s.most_common_vals::text::bigint[], s.most_common_freqs) f(v, f) "
            "WHERE c.oid = 'idx'::regclass AND s.schemaname = c.relnamespace::regnamespace::text AND s.tablename = 'idx' "
            f"AND s.attname = ANY({bound.texts(sorted({column(h) for h in hashes}))}) AND f.v = ANY({bound.bigs(hashes)})"
        )
        rows = await self.fetch(text, bound.values)
        return max(_ESTIMATED, int(int(rows[0][0]) * share))


def _starting(bound: Bound, column_name: str, prefix: str) -> str:
    end = prefix_end(prefix)
    below = "" if end is None else f" AND {column_name} < {bound.text(end)}"
    return f" AND {column_name} >= {bound.text(prefix)}{below}"


def _lookups(criterion: Criterion) -> Iterator[Lookup | Meant]:
    if isinstance(criterion, Lookup | Meant):
        yield criterion
    elif isinstance(criterion, Every | Some):
        for part in criterion.parts:
            yield from _lookups(part)
    elif isinstance(criterion, Not):
        yield from _lookups(criterion.part)
    elif isinstance(criterion, Chain | Has):
        yield from _lookups(criterion.inner)


def _replaced(criterion: Criterion, found: dict[Lookup | Meant, Criterion]) -> Criterion:
    if isinstance(criterion, Lookup | Meant):
        return found[criterion]
    if isinstance(criterion, Every):
        return Every(tuple(_replaced(part, found) for part in criterion.parts))
    if isinstance(criterion, Some):
        return either([_replaced(part, found) for part in criterion.parts]) if criterion.parts else NOTHING
    if isinstance(criterion, Not):
        return Not(_replaced(criterion.part, found))
    if isinstance(criterion, Chain | Has):
        return replace(criterion, inner=_replaced(criterion.inner, found))
    return criterion


def types_and_codes(types: Sequence[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names of types with their codes."""
    return tuple(types), tuple(load().type_code(name) for name in types)


BOUNDS = {"candidates": CANDIDATES, "hops": HOPS, "scanned": SCANNED, "counted": COUNTED}
