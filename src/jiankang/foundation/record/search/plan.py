"""Which index to start from: one statement for each shape of search, chosen by small bounded counts.

Four shapes, each with a total order of its own, so that a page continues where the last one ended:

- `time`: newest principal date first, read from `idx` in that order, other criteria tested row by row;
- `text`: by the string that was searched for, read from `str` in that order;
- `hop`: through a reference: by its target, then newest first;
- `set`: all candidates of one criterion (at most CANDIDATES) tested, then sorted as asked;
- `changed`: by time of change, read from `resource` in that order.

An unsorted search may use any of them; the page link remembers which. Nothing is read without a bound.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from jiankang.fhir.definitions import load
from jiankang.fhir.search import parameters, principal_dates
from jiankang.foundation.record.indexing import COMPOUNDS, column, compound_key, param_key, reference_constant, type_key
from jiankang.foundation.record.search import sorting
from jiankang.foundation.record.search.criteria import Chain, Every, Ids, Keys, Some, Span, Text
from jiankang.foundation.record.search.sorting import SortKey
from jiankang.foundation.record.search.sql import Bound, checked, rids, self_checked, settable, test, text_condition
from jiankang.foundation.record.search.values import leaf_types

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jiankang.foundation.access import Restriction
    from jiankang.foundation.record.search.criteria import Criterion

CANDIDATES = 20_000
"""Rows of one criterion that are tested and sorted; more need another way or are refused."""

HOPS = 2_000
"""Resources at the far end of a reference whose referrers are read one after another."""

SCANNED = 200_000
"""Rows read in order and tested before a search is given up as too costly."""

COUNTED = 1_000_000
"""Rows counted exactly for `_total=accurate` before that is refused."""

_FEW = 500
_MERGED = 8
_COMPOUND = 16

NEWEST = (SortKey("moment", True),)


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be found: resources of `types` (names and codes) for which all `criteria` hold, in `order` if any.

    `limit` matches are wanted; about `rows` resources of these types are there. With `keys` the rows found bring the keys
    along by which includes are followed.
    """

    types: tuple[str, ...]
    codes: tuple[int, ...]
    criteria: tuple[Criterion, ...]
    order: tuple[SortKey, ...] = ()
    limit: int = 50
    rows: int = 10_000
    keys: bool = False

    @property
    def columns(self) -> str:
        """What is read of a row that was found."""
        return f"{_COLUMNS}, {'r.keys' if self.keys else 'NULL::bigint[]'}"

    @property
    def single(self) -> bool:
        """Whether one type is searched."""
        return len(self.types) == 1


@dataclass(frozen=True, slots=True)
class Plan:
    """A shape, the criterion it starts from (None: the rows of the type), and the criteria to test."""

    shape: str
    driver: Criterion | None
    rest: tuple[Criterion, ...]
    order: tuple[SortKey, ...] = ()
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page starts: after the row with these order values, in the order of `shape`.

    Resources made after `as_of`, when the first page was answered, are not shown.
    """

    shape: str
    values: tuple[object, ...]
    as_of: datetime


def compounded(goal: Goal) -> Goal:
    """The goal with "this patient" and "this code" as one key, where rows of the type are kept by both.

    The patient may be named or be found through a chain; the key of both is the XOR of each (`compound_key`).
    """
    if not goal.single or goal.types[0] not in COMPOUNDS:
        return goal
    type_name = goal.types[0]
    patient_param, token_params = COMPOUNDS[type_name]
    what = next(
        (c for c in goal.criteria if isinstance(c, Keys) and c.param in token_params and c.unique is False), None
    )
    if what is None:
        return goal
    who = next((c for c in goal.criteria if isinstance(c, Keys) and c.targets and c.param == patient_param), None)
    if who is not None and len(who.targets) * len(what.hashes) <= _COMPOUND:
        hashes = tuple(compound_key(type_name, rid, token) for rid in who.targets for token in what.hashes)
        return _without(goal, (who, what), Keys(hashes, "compound", unique=True))
    through = (reference_constant(type_name, patient_param),)
    patients = load().type_code("Patient")
    chain = next(
        (c for c in goal.criteria if isinstance(c, Chain) and c.constants == through and c.target == patients), None
    )
    if chain is not None and len(what.hashes) == 1 and settable(chain):
        both = replace(chain, constants=(compound_key(type_name, 0, what.hashes[0]),))
        return _without(goal, (chain, what), both)
    return goal


def _without(goal: Goal, parts: Sequence[Criterion], instead: Criterion) -> Goal:
    return replace(goal, criteria=(instead, *(c for c in goal.criteria if c not in parts)))


def flattened(criteria: Sequence[Criterion]) -> tuple[Criterion, ...]:
    """The conjunction's parts, without nesting."""
    flat: list[Criterion] = []
    for criterion in criteria:
        if isinstance(criterion, Every):
            flat.extend(flattened(criterion.parts))
        else:
            flat.append(criterion)
    return tuple(flat)


def impossible(criterion: Criterion) -> bool:
    """Whether no resource can fulfil it."""
    if isinstance(criterion, Some):
        return all(impossible(part) for part in criterion.parts)
    if isinstance(criterion, Every):
        return any(impossible(part) for part in criterion.parts)
    return isinstance(criterion, Keys | Ids) and not (
        criterion.hashes if isinstance(criterion, Keys) else criterion.rids
    )


# -- choosing -------------------------------------------------------------------------------------------------------


def is_quick(criterion: Criterion) -> bool:
    """Whether few rows are certain without counting."""
    return isinstance(criterion, Ids) or (isinstance(criterion, Keys) and criterion.unique)


def contenders(goal: Goal) -> list[Criterion]:
    """The criteria that a search could start from."""
    return [criterion for criterion in goal.criteria if settable(criterion)]


def needs_counts(goal: Goal) -> list[Criterion]:
    """The criteria to count before choosing; none where the choice is plain: a single one is tried within its bounds."""
    found = contenders(goal)
    if any(is_quick(criterion) for criterion in found):
        return []
    if len(found) == 1 and isinstance(found[0], Keys | Text | Chain):
        return []
    return found


def choose(goal: Goal, counts: dict[Criterion, int], *, shape: str | None = None) -> Plan | None:
    """The plan for a first page, or for a page in the order of `shape`; None when it would cost too much."""
    found = contenders(goal)
    quick = next(
        (criterion for criterion in found if is_quick(criterion) and counts.get(criterion, 0) <= CANDIDATES), None
    )
    best = quick or min(found, key=lambda c: counts.get(c, 0), default=None)
    size = 0 if quick else counts.get(best, 0) if best is not None else CANDIDATES + 1
    if shape is not None and not goal.order:
        return _in_shape(goal, best, size, counts, shape)
    if goal.order:
        return _sorted(goal, best, size, counts)
    return _unsorted(goal, best, size, counts)


def _rest(goal: Goal, driver: Criterion | None) -> tuple[Criterion, ...]:
    return tuple(c for c in goal.criteria if c is not driver or isinstance(c, Ids))


def _unsorted(goal: Goal, best: Criterion | None, size: int, counts: dict[Criterion, int]) -> Plan | None:
    if not goal.single:
        return _by_time(goal, best, size, counts)
    if isinstance(best, Keys) and len(best.hashes) <= _MERGED:
        return Plan("time", best, _rest(goal, best))
    if isinstance(best, Text) and best.mode in {"starts", "exact", "equals"}:
        return Plan("text", best, _rest(goal, best))
    if isinstance(best, Chain) and len(best.constants) == 1 and size <= CANDIDATES:
        return Plan("hop", best, _rest(goal, best))
    return _by_time(goal, best, size, counts)


def _by_time(goal: Goal, best: Criterion | None, size: int, counts: dict[Criterion, int]) -> Plan | None:
    if best is not None and size <= CANDIDATES and not _scan_is_cheaper(goal, size, counts):
        return Plan("set", best, _rest(goal, best), NEWEST)
    return _scan(goal, counts, NEWEST)


def _scan_is_cheaper(goal: Goal, size: int, counts: dict[Criterion, int]) -> bool:
    """Whether reading in order until enough match reads fewer rows than all `size` candidates, as far as is known."""
    if size <= _FEW or not goal.single:
        return False
    rows = max(goal.rows, size)
    matching = 1.0
    for criterion in contenders(goal):
        matching *= min(1.0, counts.get(criterion, rows) / rows)
    return (goal.limit + 1) / max(matching, 1e-12) < size


def _scan(goal: Goal, counts: dict[Criterion, int], order: tuple[SortKey, ...]) -> Plan | None:
    """Read rows in order of their date and test them: from the rarest keys, or all of the type."""
    if not goal.single:
        return Plan("changed", None, goal.criteria, (SortKey("updated", True),))
    keyed = [c for c in contenders(goal) if isinstance(c, Keys) and len(c.hashes) <= _MERGED]
    driver = min(keyed, key=lambda c: counts.get(c, 0), default=None)
    return Plan("time", driver, _rest(goal, driver), order)


def _sorted(goal: Goal, best: Criterion | None, size: int, counts: dict[Criterion, int]) -> Plan | None:
    only = goal.order[0] if len(goal.order) == 1 else None
    if only is not None and only.kind == "at" and not only.via and goal.single:
        if isinstance(best, Keys) and len(best.hashes) <= _MERGED:
            return Plan("time", best, _rest(goal, best), goal.order, exact=True)
        if best is not None and size <= CANDIDATES and not _scan_is_cheaper(goal, size, counts):
            return Plan("set", best, _rest(goal, best), goal.order)
        plan = _scan(goal, counts, goal.order)
        return None if plan is None else replace(plan, exact=True)
    if best is not None and size <= CANDIDATES:
        return Plan("set", best, _rest(goal, best), goal.order)
    if only is not None and not only.via:
        if only.kind == "updated":
            return Plan("changed", None, goal.criteria, goal.order)
        if only.kind in {"str", "span"} and len(only.hashes) == 1 and goal.single:
            return Plan("walk", None, goal.criteria, goal.order)
    if best is None and goal.single:
        return Plan("set", Keys((type_key(goal.types[0]),)), goal.criteria, goal.order)
    return Plan("set", best, _rest(goal, best), goal.order) if best is not None else None


def _in_shape(goal: Goal, best: Criterion | None, size: int, counts: dict[Criterion, int], shape: str) -> Plan | None:
    """A later page of an unsorted search: the order is given, the index to start from is free where it allows."""
    if shape == "changed":
        return Plan("changed", None, goal.criteria, (SortKey("updated", True),))
    if shape == "text":
        texts = [c for c in contenders(goal) if isinstance(c, Text) and c.mode in {"starts", "exact", "equals"}]
        driver = min(texts, key=lambda c: counts.get(c, 0), default=None)
        return None if driver is None else Plan("text", driver, _rest(goal, driver))
    if shape == "hop":
        chains = [c for c in contenders(goal) if isinstance(c, Chain) and len(c.constants) == 1]
        chain = min(chains, key=lambda c: counts.get(c, 0), default=None)
        return None if chain is None else Plan("hop", chain, _rest(goal, chain))
    if not goal.single:
        return Plan("set", best, _rest(goal, best), NEWEST) if best is not None and size <= CANDIDATES else None
    if isinstance(best, Keys) and len(best.hashes) <= _MERGED:
        return Plan("time", best, _rest(goal, best))
    return _by_time(goal, best, size, counts)


# -- writing statements ---------------------------------------------------------------------------------------------

_COLUMNS = "r.rid, r.type, r.id, r.version, r.updated, r.method, r.body"


class Writer:
    """Writes the statement of a plan. The result's columns: `overflow`, those of a row, order values."""

    def __init__(
        self, goal: Goal, plan: Plan, restriction: Restriction, limit: int, place: Place | None, *, tail: bool = False
    ) -> None:
        self.tail = tail
        self.goal = goal
        self.plan = plan
        self.bound = Bound(restriction)
        self.limit = limit
        self.place = place

    def statement(self) -> tuple[str, dict[str, object]]:
        """The SQL text and its bound values."""
        text = getattr(self, f"_{self.plan.shape}")()
        return text, self.bound.values

    # The tests that every candidate row must pass.

    def _tests(self, r: str, rest: Sequence[Criterion]) -> str:
        bound = self.bound
        parts = [f"NOT {r}.deleted"]
        if self.goal.single:
            parts.append(f"{r}.type + 0 = {bound.small(self.goal.codes[0])}")
        else:
            parts.append(f"{r}.type = ANY({bound.smalls(self.goal.codes)})")
        parts.extend(test(bound, criterion, r) for criterion in rest)
        text = " AND ".join(parts) + bound.allowed(r)
        if self.place is not None:
            h, as_of = bound.alias("h"), bound.moment(self.place.as_of)
            text += (
                f" AND ({r}.updated <= {as_of} OR ({r}.version > 1 AND EXISTS (SELECT FROM history {h} WHERE "
                f"{h}.rid = {r}.rid AND {h}.version = 1 AND {h}.updated <= {as_of} OFFSET 0)))"
            )
        return text

    def _checked_row(self, d: str, rest: Sequence[Criterion], columns: str) -> str:
        return (
            f"CROSS JOIN LATERAL (SELECT {columns} FROM resource r WHERE r.rid = {d}.rid AND "
            f"{self._tests('r', rest)} OFFSET 0) r"
        )

    @property
    def _trusting(self) -> bool:
        """Whether index rows need no test at all."""
        return not self.plan.rest and self.bound.open and self.place is None

    def _rows(self, inner: str, order: Sequence[str], by: str) -> str:
        """The outermost SELECT: bodies for the rows of `inner` (rid and order columns)."""
        keys = "".join(f", m.{name}" for name in order)
        return (
            f"SELECT 0::bigint AS overflow, {self.goal.columns}{keys} FROM ({inner}) m "
            f"CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.rid = m.rid OFFSET 0) r ORDER BY {by}"
        )

    # -- time

    def _time(self) -> str:
        limit = self.bound.big(self.limit)
        keys = self.plan.driver
        hashes = keys.hashes if isinstance(keys, Keys) else (type_key(self.goal.types[0]),)
        down = not self.plan.order or self.plan.order[0].descending
        sign, direction = ("<", "DESC") if down else (">", "ASC")
        order = f"ORDER BY at {direction}, rid {direction}"
        if not self.plan.exact:
            where = self._within()
            if self.place is not None:
                at, rid = self.place.values
                where = f" AND (at, rid) {sign} ({self.bound.big(_int(at))}, {self.bound.big(_int(rid))})"
            inner = self._time_branch(hashes, where, order, direction, "at")
            inner = f"{inner} LIMIT {limit}"
            return self._rows(inner, ["k0"], f"m.k0 {direction}, m.rid {direction}")
        inner = self._dated(hashes, sign, direction, order)
        return self._rows(inner, ["k0"], f"m.k0 {direction} NULLS LAST, m.rid {direction}")

    def _dated(self, hashes: Sequence[int], sign: str, direction: str, order: str) -> str:
        """Rows with a date in its order, then those without."""
        limit = self.bound.big(self.limit)
        at, rid = self.place.values if self.place is not None else (None, None)
        parts = []
        if self.place is None or at is not None:
            where = " AND at <> 0" + self._within()
            if self.place is not None:
                where += f" AND (at, rid) {sign} ({self.bound.big(_int(at))}, {self.bound.big(_int(rid))})"
            parts.append(f"({self._time_branch(hashes, where, order, direction, 'at')} LIMIT {limit})")
        if self._dated_only():
            return parts[0][1:-1] if parts else "SELECT NULL::bigint AS rid, NULL::bigint AS k0 LIMIT 0"
        where = " AND at = 0"
        if self.place is not None and at is None:
            where += f" AND rid {sign} {self.bound.big(_int(rid))}"
        parts.append(f"({self._time_branch(hashes, where, order, direction, 'NULL::bigint')} LIMIT {limit})")
        union = " UNION ALL ".join(parts)
        return f"SELECT * FROM ({union}) u ORDER BY k0 {direction} NULLS LAST, rid {direction} LIMIT {limit}"

    def _principal(self) -> list[Span]:
        """The criteria about the date that `at` is the start of."""
        name = self.goal.types[0]
        codes = principal_dates(name)
        if len(codes) != 1:
            return []
        hash_ = param_key(name, codes[0])
        return [criterion for criterion in self.plan.rest if isinstance(criterion, Span) and criterion.hash == hash_]

    def _dated_only(self) -> bool:
        return bool(self._principal())

    def _within(self) -> str:
        """Bounds on `at` that follow from criteria about the date: it is the earliest start, so none is above these."""
        text = ""
        for criterion in self._principal():
            if criterion.op in {"eq", "le", "ap"}:
                text += f" AND at < {self.bound.big(criterion.hi)}"
            elif criterion.op in {"lt", "eb"}:
                text += f" AND at < {self.bound.big(criterion.lo)}"
            if criterion.op in {"eq", "sa"} and _starts_once(self.goal.types[0]):
                text += f" AND at >= {self.bound.big(criterion.lo if criterion.op == 'eq' else criterion.hi)}"
        return text

    def _time_branch(self, hashes: Sequence[int], where: str, order: str, direction: str, k0: str) -> str:
        """Tested rows of the merged ranges of `idx`, in order."""
        d = self._merged(hashes, where, order)
        if not self._trusting:
            rest = self.plan.rest
            if rest:
                d = f"{d} LIMIT {SCANNED}"
            row = self._checked_row("d", rest, "r.rid")
            return f"SELECT d.rid, {k0.replace('at', 'd.at')} AS k0 FROM ({d}) d {row} ORDER BY d.at {direction}, d.rid {direction}"
        return (
            f"SELECT d.rid, {k0.replace('at', 'd.at')} AS k0 FROM ({d}) d ORDER BY d.at {direction}, d.rid {direction}"
        )

    def _merged(self, hashes: Sequence[int], where: str, order: str) -> str:
        one = [f"SELECT rid, at FROM idx WHERE {column(h)} = {self.bound.big(h)}{where} {order}" for h in hashes]
        if len(one) == 1:
            return one[0]
        union = " UNION ALL ".join(f"({part})" for part in one)
        return f"SELECT DISTINCT ON (at, rid) rid, at FROM ({union}) u {order}"

    # -- text

    def _text(self) -> str:
        bound, driver = self.bound, self.plan.driver
        if not isinstance(driver, Text):
            raise TypeError("the text shape starts from a string criterion")
        hash_ = bound.big(driver.hash)
        where = f"s.hash = {hash_} AND {text_condition(bound, driver, 's')}"
        if self.place is not None:
            norm, rid = self.place.values
            where += f" AND (s.norm, s.rid) > ({bound.text(str(norm))}, {bound.big(_int(rid))})"
        d = f"SELECT DISTINCT ON (s.norm, s.rid) s.rid, s.norm FROM str s WHERE {where} ORDER BY s.norm, s.rid"
        if self.plan.rest:
            d += f" LIMIT {SCANNED}"
        if driver.mode == "starts":
            first = (
                f" WHERE NOT EXISTS (SELECT FROM str e WHERE e.rid = d.rid AND e.hash + 0 = {bound.big(driver.hash)} "
                f"AND e.norm < d.norm AND {text_condition(bound, driver, 'e')} OFFSET 0)"
            )
        else:
            first = ""
        row = "" if self._trusting else self._checked_row("d", self.plan.rest, "r.rid")
        limit = bound.big(self.limit)
        inner = f"SELECT d.rid, d.norm AS k0 FROM ({d}) d {row}{first} ORDER BY d.norm, d.rid LIMIT {limit}"
        return self._rows(inner, ["k0"], "m.k0, m.rid")

    # -- hop

    def _hop(self) -> str:
        bound, driver = self.bound, self.plan.driver
        if not isinstance(driver, Chain):
            raise TypeError("the hop shape starts from a chained criterion")
        limit = bound.big(self.limit)
        inner = checked(bound, driver.inner, driver.target)
        t = f"WITH t AS MATERIALIZED (SELECT rid FROM ({inner} OFFSET 0) f LIMIT {HOPS + 1})"
        targets, where = "SELECT DISTINCT rid FROM t", ""
        if self.place is not None:
            hop, at, rid = self.place.values
            h = bound.big(_int(hop))
            targets += f" WHERE rid >= {h}"
            where = f" AND (t.rid > {h} OR (i.at, i.rid) < ({bound.big(_int(at))}, {bound.big(_int(rid))}))"
        constant = bound.big(driver.constants[0])
        row = "" if self._trusting and driver.single else self._checked_row("i", self.plan.rest, "r.rid, r.keys")
        first = ""
        if not driver.single:
            other = f"k.k # {bound.big(driver.constants[0])}"
            first = (
                f" AND NOT EXISTS (SELECT FROM unnest(r.keys) k(k) WHERE {other} < t.rid "
                f"AND {other} = ANY (ARRAY(SELECT rid FROM t)) OFFSET 0)"
            )
        found = (
            f"SELECT t.rid AS k0, i.at AS k1, i.rid FROM ({targets} ORDER BY rid) t CROSS JOIN LATERAL (SELECT i.at, i.rid "
            f"FROM idx i {row} WHERE i.{column(driver.constants[0])} = t.rid # {constant}{where}{first} ORDER BY i.at DESC, i.rid DESC LIMIT {limit}) i "
            f"WHERE h.n = 0 ORDER BY t.rid, i.at DESC, i.rid DESC LIMIT {limit}"
        )
        return (
            f"{t} SELECT h.n AS overflow, {self.goal.columns}, m.k0, m.k1 "
            f"FROM (SELECT greatest(count(*) - {HOPS}, 0) AS n FROM t) h LEFT JOIN LATERAL ({found}) m ON TRUE "
            f"LEFT JOIN LATERAL (SELECT * FROM resource r WHERE r.rid = m.rid OFFSET 0) r ON TRUE "
            f"ORDER BY m.k0, m.k1 DESC, m.rid DESC"
        )

    # -- set

    def _set(self) -> str:
        bound, driver, order = self.bound, self.plan.driver, self.plan.order
        if driver is None:
            raise TypeError("the set shape starts from a criterion")
        limit = bound.big(self.limit)
        b = f"WITH b AS MATERIALIZED (SELECT s.rid FROM ({rids(bound, driver)} OFFSET 0) s LIMIT {CANDIDATES + 1})"
        keys = ", ".join(f"{sorting.expression(bound, key, 'r')} AS k{number}" for number, key in enumerate(order))
        row = self._checked_row("d", self.plan.rest, f"r.rid, {keys}")
        after = "WHERE h.n = 0 "
        if self.place is not None:
            after += f"AND {sorting.after(bound, order, self.place.values, 'c')} "
        names = [f"k{number}" for number in range(len(order))]
        listed = "".join(f", r.{name}" for name in names)
        candidates = f"SELECT r.rid{listed} FROM (SELECT DISTINCT rid FROM b) d {row} OFFSET 0"
        found = f"SELECT * FROM ({candidates}) c {after}ORDER BY {sorting.order_by(order, 'c')} LIMIT {limit}"
        return (
            f"{b} SELECT h.n AS overflow, {self.goal.columns}"
            f"{''.join(f', m.{name}' for name in names)} "
            f"FROM (SELECT greatest(count(*) - {CANDIDATES}, 0) AS n FROM b) h LEFT JOIN LATERAL ({found}) m ON TRUE "
            f"LEFT JOIN LATERAL (SELECT * FROM resource r WHERE r.rid = m.rid OFFSET 0) r ON TRUE "
            f"ORDER BY {sorting.order_by(order, 'm')}"
        )

    # -- changed

    def _changed(self) -> str:
        """By time of change: of several types, type after type."""
        bound = self.bound
        down = self.plan.order[0].descending
        sign, direction = ("<", "DESC") if down else (">", "ASC")
        limit = bound.big(self.limit)
        where = ""
        types = bound.smalls(self.goal.codes)
        if self.place is not None:
            updated, rid = self.place.values[-2:]
            where = f" AND (r.updated, r.rid) {sign} ({bound.plain(updated, 'timestamptz')}, {bound.big(_int(rid))})"
        tests = self._tests("r", self.plan.rest).replace(f"{'r'}.type + 0 =", "r.type + 0 =")
        scan = (
            f"SELECT r.rid, r.updated AS k0 FROM resource r WHERE r.type = t.type{where} AND {tests} "
            f"ORDER BY r.type, r.updated {direction}, r.rid {direction} LIMIT {limit}"
        )
        inner = (
            f"SELECT x.rid, x.k0 FROM unnest({types}) t(type) CROSS JOIN LATERAL ({scan}) x "
            f"ORDER BY x.k0 {direction}, x.rid {direction} LIMIT {limit}"
        )
        return self._rows(inner, ["k0"], f"m.k0 {direction}, m.rid {direction}")

    # -- walk

    def _walk(self) -> str:
        """Along an index of values: each resource at its least (going down: greatest) value; `tail`: those without one."""
        bound, key = self.bound, self.plan.order[0]
        limit = bound.big(self.limit)
        table, column = ("str", "norm") if key.kind == "str" else ("span", "lo")
        sign, direction = ("<", "DESC") if key.descending else (">", "ASC")
        value, rid = self.place.values if self.place is not None else (None, None)
        if self.tail:
            inner = self._valueless(table, key, sign, direction, rid if value is None else None)
            return self._rows(f"{inner} LIMIT {limit}", ["k0"], f"m.rid {direction}")
        hash_ = bound.big(key.hashes[0])
        where = f"s.hash = {hash_}"
        if self.place is not None:
            cast = bound.text(str(value)) if key.kind == "str" else bound.big(_int(value))
            where += f" AND (s.{column}, s.rid) {sign} ({cast}, {bound.big(_int(rid))})"
        order = f"ORDER BY s.{column} {direction}, s.rid {direction}"
        d = f"SELECT DISTINCT ON (s.{column}, s.rid) s.rid, s.{column} AS k0 FROM {table} s WHERE {where} {order} LIMIT {SCANNED}"
        first = (
            f"WHERE NOT EXISTS (SELECT FROM {table} e WHERE e.rid = d.rid AND e.hash + 0 = {hash_} "
            f"AND e.{column} {'>' if key.descending else '<'} d.k0 OFFSET 0)"
        )
        inner = (
            f"SELECT d.rid, d.k0 FROM ({d}) d {self._checked_row('d', self.plan.rest, 'r.rid')} {first} "
            f"ORDER BY d.k0 {direction}, d.rid {direction} LIMIT {limit}"
        )
        return self._rows(inner, ["k0"], f"m.k0 {direction}, m.rid {direction}")

    def _valueless(self, table: str, key: SortKey, sign: str, direction: str, rid: object) -> str:
        bound = self.bound
        cast = "text" if key.kind == "str" else "bigint"
        where = "" if rid is None else f" AND d.rid {sign} {bound.big(_int(rid))}"
        type_hash = type_key(self.goal.types[0])
        d = f"SELECT rid FROM idx WHERE {column(type_hash)} = {bound.big(type_hash)} LIMIT {SCANNED}"
        none = f"WHERE NOT EXISTS (SELECT FROM {table} e WHERE e.rid = d.rid AND e.hash + 0 = {bound.big(key.hashes[0])} OFFSET 0)"
        return (
            f"SELECT d.rid, NULL::{cast} AS k0 FROM ({d}) d {self._checked_row('d', self.plan.rest, 'r.rid')} "
            f"{none}{where} ORDER BY d.rid {direction}"
        )


@lru_cache(maxsize=256)
def _starts_once(type_name: str) -> bool:
    """Whether a resource of the type has one principal date at most, so that `at` is where it starts."""
    expression = parameters(type_name)[principal_dates(type_name)[0]].expression
    return all(single and kind in _ONE_RANGE for kind, _, single in leaf_types(type_name, expression))


_ONE_RANGE = frozenset({"date", "dateTime", "instant", "Period"})


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("a page's place holds numbers here")
    return value


# -- counting -------------------------------------------------------------------------------------------------------


def probe(restriction: Restriction, criteria: Sequence[Criterion], bound_rows: int) -> tuple[str, dict[str, object]]:
    """One statement that counts the rows of each criterion, up to `bound_rows`; of a chain those of its far end."""
    bound = Bound(restriction)
    parts = []
    for criterion in criteria:
        inner = criterion
        while isinstance(inner, Chain):
            inner = inner.inner
        x = bound.alias("x")
        if inner is criterion or not settable(inner):
            found = rids(bound, criterion)
        else:
            found = rids(bound, inner)
        parts.append(
            f"(SELECT count(*) FROM (SELECT FROM ({found} OFFSET 0) {x} LIMIT {bound_rows}) {bound.alias('y')})"
        )
    return "SELECT " + ", ".join(parts), bound.values


def count_statement(goal: Goal, plan: Plan, restriction: Restriction, bound_rows: int) -> tuple[str, dict[str, object]]:
    """A statement that counts the matches; its second column says whether more than `bound_rows` rows would be read."""
    writer = Writer(goal, plan, restriction, 0, None)
    bound = writer.bound
    driver = plan.driver
    if driver is None and not goal.single:
        tests = writer._tests("r", plan.rest)  # noqa: SLF001 - its own module
        found = (
            f"SELECT r.rid FROM unnest({bound.smalls(goal.codes)}) t(type) CROSS JOIN LATERAL "
            f"(SELECT rid, type, keys, words, present, deleted, updated, id FROM resource WHERE type = t.type OFFSET 0) r WHERE {tests}"
        )
        text = f"SELECT count(*), count(*) FROM (SELECT FROM ({found}) f LIMIT {bound_rows + 1}) x"
        return text, bound.values
    criterion = driver if driver is not None else Keys((type_key(goal.types[0]),))
    found = rids(bound, criterion)
    distinct = not (isinstance(criterion, Keys) and len(criterion.hashes) == 1)
    open_ = bound.open and not plan.rest and self_checked(criterion)
    if open_ and not distinct:
        return f"SELECT count(*), count(*) FROM (SELECT FROM ({found}) f LIMIT {bound_rows + 1}) x", bound.values
    head = f"WITH b AS MATERIALIZED (SELECT s.rid FROM ({found} OFFSET 0) s LIMIT {bound_rows + 1})"
    if open_:
        return f"{head} SELECT count(DISTINCT rid), count(*) FROM b", bound.values
    row = writer._checked_row("d", plan.rest, "r.rid")  # noqa: SLF001 - its own module
    return (
        f"{head} SELECT (SELECT count(*) FROM (SELECT DISTINCT rid FROM b) d {row}), (SELECT count(*) FROM b)",
        bound.values,
    )


__all__ = ["Goal", "Place", "Plan", "Writer", "choose", "compounded", "count_statement", "probe"]
