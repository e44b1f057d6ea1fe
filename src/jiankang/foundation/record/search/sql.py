"""Criteria as SQL, in two forms: a test on a `resource` row, and a set of rids read from an index.

Every value is bound. Each fragment is fenced (`OFFSET 0`, `+ 0` on columns that must not choose an index), so that the
plan is the one written here and not the planner's guess: unfenced, the same searches were measured 1,000 times slower
at 400,000 resources. A criterion's two forms agree; `plan` chooses which to use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg.types.numeric import Float8, Int2, Int4, Int8

from jiankang.foundation.record.indexing import by_lane, column
from jiankang.foundation.record.search.criteria import (
    Amount,
    Chain,
    Every,
    Has,
    Ids,
    Keys,
    Member,
    Missing,
    Near,
    Not,
    OfType,
    Some,
    Span,
    Text,
    Updated,
    Words,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from jiankang.foundation.access import Restriction
    from jiankang.foundation.record.search.criteria import Criterion

LONG = 172_800_000_000
"""Microseconds: spans longer than this have an index on their end (two days, as in migration 0001)."""

_LONG_SPAN = "(s.lo < s.hi - 172800000000 OR s.lo < -100000000000000000)"
_FEW_WORDS_OF_TRIGRAMS = 3


@dataclass(slots=True)
class Bound:
    """The bound values of a statement under construction, and the restriction that every resource row must pass."""

    restriction: Restriction
    values: dict[str, object] = field(default_factory=dict)
    _aliases: int = 0

    def _name(self, value: object) -> str:
        name = f"p{len(self.values)}"
        self.values[name] = value
        return name

    def big(self, value: int) -> str:
        """A bigint."""
        return f"%({self._name(Int8(value))})s"

    def small(self, value: int) -> str:
        """A smallint."""
        return f"%({self._name(Int2(value))})s"

    def number(self, value: int) -> str:
        """An integer."""
        return f"%({self._name(Int4(value))})s"

    def real(self, value: float) -> str:
        """A double precision number."""
        return f"%({self._name(Float8(value))})s"

    def text(self, value: str) -> str:
        """A text, compared byte by byte."""
        return f'%({self._name(value)})s::text COLLATE "C"'

    def moment(self, value: datetime) -> str:
        """A timestamptz."""
        return f"%({self._name(value)})s::timestamptz"

    def bigs(self, values: Sequence[int]) -> str:
        """A bigint[]."""
        return f"%({self._name([Int8(v) for v in values])})s::bigint[]"

    def smalls(self, values: Sequence[int]) -> str:
        """A smallint[]."""
        return f"%({self._name(list(values))})s::smallint[]"

    def texts(self, values: Sequence[str]) -> str:
        """A text[]."""
        return f"%({self._name(list(values))})s::text[]"

    def plain(self, value: object, cast: str) -> str:
        """Any other value, cast to the SQL type named."""
        return f"%({self._name(value)})s::{cast}"

    def alias(self, letter: str) -> str:
        """A table alias not used before in this statement."""
        self._aliases += 1
        return f"{letter}{self._aliases}"

    def allowed(self, alias: str) -> str:
        """What the actor may see, over the `resource` row `alias`; "" when that is everything."""
        fragment, values = self.restriction.sql(alias)
        if fragment == "TRUE" and not values:
            return ""
        for value in values:
            fragment = fragment.replace("%s", f"%({self._name(value)})s", 1)
        return f" AND ({fragment})"

    @property
    def open(self) -> bool:
        """Whether the actor may see everything."""
        fragment, values = self.restriction.sql("r")
        return fragment == "TRUE" and not values


# -- conditions on index rows ---------------------------------------------------------------------------------------


def span_condition(bound: Bound, criterion: Span, s: str) -> str:
    """How the span row `s` compares: `jiankang.fhir.search.DATE_RULES`."""
    low, high = bound.big(criterion.lo), bound.big(criterion.hi)
    return {
        "eq": f"{s}.lo >= {low} AND {s}.hi <= {high}",
        "ne": f"NOT ({s}.lo >= {low} AND {s}.hi <= {high})",
        "gt": f"{s}.hi > {high}",
        "lt": f"{s}.lo < {low}",
        "ge": f"({s}.hi > {high} OR {s}.lo >= {low})",
        "le": f"({s}.lo < {low} OR {s}.hi <= {high})",
        "sa": f"{s}.lo >= {high}",
        "eb": f"{s}.hi <= {low}",
        "ap": f"{s}.lo < {high} AND {s}.hi > {low}",
    }[criterion.op]


def amount_condition(bound: Bound, criterion: Amount, q: str) -> str:
    """How the quantity row `q` compares, units included: `jiankang.fhir.search.NUMBER_RULES`."""
    low, high = bound.real(criterion.lo), bound.real(criterion.hi)
    lo, hi = (f"{q}.lo", f"{q}.hi") if criterion.canon is None else (f"{q}.canon_lo", f"{q}.canon_hi")
    within = f"{lo} >= {low} AND {hi} < {high}"
    text = {
        "eq": within,
        "ne": f"NOT ({within})",
        "gt": f"{hi} > {low}",
        "lt": f"{lo} < {low}",
        "ge": f"{hi} >= {low}",
        "le": f"{lo} <= {low}",
        "sa": f"{lo} > {low}",
        "eb": f"{hi} < {low}",
        "ap": f"{lo} <= {high} AND {hi} >= {low}",
    }[criterion.op]
    if criterion.unit is not None:
        text += f" AND {q}.unit = {bound.big(criterion.unit)}"
    if criterion.canon is not None:
        text += f" AND {q}.canon_unit = {bound.big(criterion.canon)}"
    return text


def prefix_end(prefix: str) -> str | None:
    """The least string (by code point) greater than every string that starts with `prefix`; None when there is none."""
    for place in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[place])
        if code < 0x10FFFF:
            following = 0xE000 if code == 0xD7FF else code + 1
            return prefix[:place] + chr(following)
    return None


def like_pattern(text: str) -> str:
    """`text` anywhere, as a LIKE pattern."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def text_condition(bound: Bound, criterion: Text, s: str) -> str:
    """How the string row `s` compares (http://hl7.org/fhir/R4/search.html#string)."""
    if criterion.mode == "exact":
        return f"{s}.norm = {bound.text(criterion.norm)} AND coalesce({s}.raw, {s}.norm) = {bound.text(criterion.raw)}"
    if criterion.mode == "equals":
        return f"{s}.norm = {bound.text(criterion.norm)}"
    if criterion.mode == "contains":
        return f"{s}.norm LIKE {bound.text(like_pattern(criterion.norm))}"
    if criterion.mode == "ends":
        return f"{s}.norm LIKE {bound.text(like_pattern(criterion.norm)[:-1])}"
    if criterion.mode in _ORDERINGS:
        return f"{s}.norm {_ORDERINGS[criterion.mode]} {bound.text(criterion.norm)}"
    if not criterion.norm:
        return "TRUE"
    end = prefix_end(criterion.norm)
    low = f"{s}.norm >= {bound.text(criterion.norm)}"
    return low if end is None else f"{low} AND {s}.norm < {bound.text(end)}"


_ORDERINGS = {"gt": ">", "lt": "<", "ge": ">=", "le": "<="}


def updated_condition(bound: Bound, criterion: Updated, r: str) -> str:
    """How the time of the last change compares; it is one millisecond wide."""
    low, high = bound.moment(criterion.lo), bound.moment(criterion.hi)
    column = f"{r}.updated"
    width = "interval '1 millisecond'"
    return {
        "eq": f"{column} >= {low} AND {column} < {high}",
        "ne": f"NOT ({column} >= {low} AND {column} < {high})",
        "gt": f"{column} > {high} - {width}",
        "lt": f"{column} < {low}",
        "ge": f"{column} >= {low}",
        "le": f"{column} < {high}",
        "sa": f"{column} >= {high}",
        "eb": f"{column} <= {low} - {width}",
        "ap": f"{column} >= {low} - {width} AND {column} < {high}",
    }[criterion.op]


# -- tests on a resource row ----------------------------------------------------------------------------------------


def test(bound: Bound, criterion: Criterion, r: str) -> str:
    """`criterion` as a boolean expression over the `resource` row `r`."""
    return _TESTS[type(criterion)](bound, criterion, r)


def _test_keys(bound: Bound, criterion: Keys, r: str) -> str:
    if len(criterion.hashes) == 1:
        return f"{bound.big(criterion.hashes[0])} = ANY({r}.keys)"
    return f"{r}.keys && {bound.bigs(criterion.hashes)}"


def _test_member(bound: Bound, criterion: Member, r: str) -> str:
    if len(criterion.facts) == 1:
        return f"{bound.big(criterion.facts[0])} = ANY({r}.keys)"
    return f"{r}.keys && {bound.bigs(criterion.facts)}"


def _exists(table: str, s: str, r: str, hash_: str, condition: str) -> str:
    """A row of an index table, found by the resource's rid and by nothing else."""
    return f"EXISTS (SELECT FROM {table} {s} WHERE {s}.rid = {r}.rid AND {s}.hash + 0 = {hash_} AND ({condition}) OFFSET 0)"


def _test_text(bound: Bound, criterion: Text, r: str) -> str:
    s = bound.alias("s")
    return _exists("str", s, r, bound.big(criterion.hash), text_condition(bound, criterion, s))


def _test_span(bound: Bound, criterion: Span, r: str) -> str:
    s = bound.alias("s")
    return _exists("span", s, r, bound.big(criterion.hash), span_condition(bound, criterion, s))


def _test_amount(bound: Bound, criterion: Amount, r: str) -> str:
    q = bound.alias("q")
    return _exists("quantity", q, r, bound.big(criterion.hash), amount_condition(bound, criterion, q))


def _test_ids(bound: Bound, criterion: Ids, r: str) -> str:
    return f"({r}.rid = ANY({bound.bigs(criterion.rids)}) AND {r}.id = ANY({bound.texts(criterion.ids)}))"


def _test_updated(bound: Bound, criterion: Updated, r: str) -> str:
    return f"({updated_condition(bound, criterion, r)})"


def _test_missing(bound: Bound, criterion: Missing, r: str) -> str:
    number = criterion.number
    has = (
        f"(CASE WHEN octet_length({r}.present) > {bound.number(number // 8)} "
        f"THEN get_bit({r}.present, {bound.big(number)}) ELSE 0 END)"
    )
    return f"{has} = {0 if criterion.missing else 1}"


def _test_words(bound: Bound, criterion: Words, r: str) -> str:
    return f"{r}.words @> {bound.plain(list(criterion.keys), 'integer[]')}"


def _test_types(bound: Bound, criterion: OfType, r: str) -> str:
    return f"{r}.type = ANY({bound.smalls(criterion.types)})"


def _test_chain(bound: Bound, criterion: Chain, r: str) -> str:
    k, t = bound.alias("k"), bound.alias("t")
    parts = []
    for constant in criterion.constants:
        joined = f"{t}.rid = {k}.k # {bound.big(constant)}"
        parts.append(
            f"EXISTS (SELECT FROM unnest({r}.keys) {k}(k) CROSS JOIN LATERAL (SELECT FROM resource {t} WHERE {joined} AND "
            f"NOT {t}.deleted AND {t}.type + 0 = {bound.small(criterion.target)} AND "
            f"{test(bound, criterion.inner, t)}{bound.allowed(t)} OFFSET 0) AS {bound.alias('x')} OFFSET 0)"
        )
    return parts[0] if len(parts) == 1 else "(" + " OR ".join(parts) + ")"


def _test_has(bound: Bound, criterion: Has, r: str) -> str:
    i, t = bound.alias("i"), bound.alias("t")
    return (
        f"EXISTS (SELECT FROM idx {i} CROSS JOIN LATERAL (SELECT FROM resource {t} WHERE {t}.rid = {i}.rid AND "
        f"NOT {t}.deleted AND {t}.type + 0 = {bound.small(criterion.source)} AND "
        f"{test(bound, criterion.inner, t)}{bound.allowed(t)} OFFSET 0) AS {bound.alias('x')} "
        f"WHERE {i}.{column(criterion.constant)} = {r}.rid # {bound.big(criterion.constant)} OFFSET 0)"
    )


_EARTH_METRES = 6_371_008.8


def _test_near(bound: Bound, criterion: Near, r: str) -> str:
    a, o = bound.alias("a"), bound.alias("o")
    lat, lon = bound.real(criterion.latitude), bound.real(criterion.longitude)
    return (
        f"EXISTS (SELECT FROM quantity {a}, quantity {o} WHERE {a}.rid = {r}.rid AND {o}.rid = {r}.rid AND "
        f"{a}.hash + 0 = {bound.big(criterion.latitudes)} AND {o}.hash + 0 = {bound.big(criterion.longitudes)} AND "
        f"2 * {_EARTH_METRES} * asind(least(1, sqrt(power(sind(({a}.lo - {lat}) / 2), 2) + cosd({lat}) * cosd({a}.lo) * "
        f"power(sind(({o}.lo - {lon}) / 2), 2)))) * pi() / 180 <= {bound.real(criterion.metres)} OFFSET 0)"
    )


def _test_every(bound: Bound, criterion: Every, r: str) -> str:
    return "(" + " AND ".join(test(bound, part, r) for part in criterion.parts) + ")" if criterion.parts else "TRUE"


def _test_some(bound: Bound, criterion: Some, r: str) -> str:
    return "(" + " OR ".join(test(bound, part, r) for part in criterion.parts) + ")" if criterion.parts else "FALSE"


def _test_not(bound: Bound, criterion: Not, r: str) -> str:
    return f"NOT ({test(bound, criterion.part, r)})"


_TESTS: dict[type, Callable[[Bound, Any, str], str]] = {
    Keys: _test_keys,
    Member: _test_member,
    Text: _test_text,
    Span: _test_span,
    Amount: _test_amount,
    Ids: _test_ids,
    Updated: _test_updated,
    Missing: _test_missing,
    Words: _test_words,
    OfType: _test_types,
    Chain: _test_chain,
    Has: _test_has,
    Near: _test_near,
    Every: _test_every,
    Some: _test_some,
    Not: _test_not,
}


# -- sets of rids ---------------------------------------------------------------------------------------------------


def settable(criterion: Criterion) -> bool:
    """Whether the resources that fulfil `criterion` can be read from an index, without looking at all others."""
    if isinstance(criterion, Keys | Member | Text | Ids | Words):
        return not (isinstance(criterion, Text) and criterion.mode == "starts" and not criterion.norm)
    if isinstance(criterion, Span | Amount):
        return criterion.op != "ne"
    if isinstance(criterion, Chain | Has):
        return settable(criterion.inner)
    if isinstance(criterion, Every):
        return any(settable(part) for part in criterion.parts)
    if isinstance(criterion, Some):
        return all(settable(part) for part in criterion.parts)
    return False


def rids(bound: Bound, criterion: Criterion) -> str:
    """A SELECT of the column `rid`: all resources that fulfil `criterion`, perhaps some of them twice.

    Rows are of live resources. What is read is not yet checked against the actor's restriction, except inside
    chains, where each hop is.
    """
    return _SETS[type(criterion)](bound, criterion)


def _set_hashes(bound: Bound, hashes: Sequence[int]) -> str:
    if len(hashes) == 1:
        i = bound.alias("i")
        return f"SELECT {i}.rid FROM idx {i} WHERE {i}.{column(hashes[0])} = {bound.big(hashes[0])}"
    parts = []
    for lane in by_lane(hashes).values():
        h, i = bound.alias("h"), bound.alias("i")
        parts.append(
            f"SELECT {i}.rid FROM unnest({bound.bigs(lane)}) {h}(h) "
            f"CROSS JOIN LATERAL (SELECT rid FROM idx WHERE {column(lane[0])} = {h}.h OFFSET 0) {i}"
        )
    return " UNION ALL ".join(parts) or "SELECT NULL::bigint AS rid WHERE FALSE"


def _set_keys(bound: Bound, criterion: Keys) -> str:
    return _set_hashes(bound, criterion.hashes)


def _set_member(bound: Bound, criterion: Member) -> str:
    found = _set_hashes(bound, criterion.hashes) if criterion.hashes else ""
    if not criterion.owners:
        return found or "SELECT NULL::bigint AS rid WHERE FALSE"
    owners = f"SELECT o.rid FROM unnest({bound.bigs(criterion.owners)}) o(rid)"
    return f"{found} UNION ALL {owners}" if found else owners


def _set_text(bound: Bound, criterion: Text) -> str:
    s = bound.alias("s")
    condition = text_condition(bound, criterion, s)
    if criterion.mode in {"contains", "ends"} and len(criterion.norm) >= _FEW_WORDS_OF_TRIGRAMS:
        x = bound.alias("x")
        inner = f"SELECT {s}.rid, {s}.hash FROM str {s} WHERE {condition} OFFSET 0"
        return f"SELECT {x}.rid FROM ({inner}) {x} WHERE {x}.hash = {bound.big(criterion.hash)}"
    if criterion.mode in {"contains", "ends"}:
        x = bound.alias("x")
        inner = f"SELECT {s}.rid, {s}.norm FROM str {s} WHERE {s}.hash = {bound.big(criterion.hash)} OFFSET 0"
        return f"SELECT {x}.rid FROM ({inner}) {x} WHERE {text_condition(bound, criterion, x)}"
    return f"SELECT {s}.rid FROM str {s} WHERE {s}.hash = {bound.big(criterion.hash)} AND {condition}"


def _set_span(bound: Bound, criterion: Span) -> str:
    head = f"SELECT s.rid FROM span s WHERE s.hash = {bound.big(criterion.hash)}"
    low, high = bound.big(criterion.lo), bound.big(criterion.hi)
    condition = span_condition(bound, criterion, "s")
    op = criterion.op
    if op in {"eq", "sa"}:
        return f"{head} AND s.lo >= {low} AND {condition}"
    if op in {"lt", "le", "eb", "ap"}:
        return _set_span_before(head, op, low, high, condition)
    ends_after = f"s.hi > {high}"
    starts = f"s.lo >= {low}" if op == "ge" else "FALSE"
    near, far = f"s.lo > {high} - {LONG}", f"s.lo <= {high} - {LONG}"
    short = f"{head} AND {near} AND ({ends_after} OR {starts})"
    rest = f"{head} AND {far} AND s.lo >= {low}" if op == "ge" else ""
    lower = f" AND s.lo < {low}" if op == "ge" else ""
    long = f"{head} AND {_LONG_SPAN} AND {far} AND {ends_after}{lower}"
    return " UNION ALL ".join(part for part in (short, rest, long) if part)


def _set_span_before(head: str, op: str, low: str, high: str, condition: str) -> str:
    """Spans found through their start; of those that overlap, short ones cannot start long before."""
    if op != "ap":
        return f"{head} AND s.lo < {high} AND {condition}"
    short = f"{head} AND s.lo > {low} - {LONG} AND {condition}"
    return f"{short} UNION ALL {head} AND {_LONG_SPAN} AND s.lo <= {low} - {LONG} AND {condition}"


def _set_amount(bound: Bound, criterion: Amount) -> str:
    """Amounts found through their lower end; where only the upper end is bounded, ranges are read apart from points.

    The ranges have partial indexes of their own, `quantity_hash_range` and `quantity_hash_canon_range`.
    """
    q = bound.alias("q")
    lo, hi = (f"{q}.lo", f"{q}.hi") if criterion.canon is None else (f"{q}.canon_lo", f"{q}.canon_hi")
    head = f"SELECT {q}.rid FROM quantity {q} WHERE {q}.hash = {bound.big(criterion.hash)}"
    condition = amount_condition(bound, criterion, q)
    if criterion.op in {"eq", "lt", "le", "sa", "eb"}:
        edge = f" AND {lo} <= {bound.real(criterion.hi)}" if criterion.op in {"eq", "eb"} else ""
        return f"{head}{edge} AND {condition}"
    low = bound.real(criterion.lo)
    points = f"{head} AND {lo} >= {low} AND {condition}"
    if criterion.op == "ap":
        points = f"{head} AND {lo} >= {low} AND {lo} <= {bound.real(criterion.hi)} AND {condition}"
    return f"{points} UNION ALL {head} AND {lo} < {hi} AND {lo} < {low} AND {hi} >= {low} AND {condition}"


def _set_ids(bound: Bound, criterion: Ids) -> str:
    return f"SELECT o.rid FROM unnest({bound.bigs(criterion.rids)}) o(rid)"


def _set_words(bound: Bound, criterion: Words) -> str:
    w = bound.alias("w")
    words = bound.plain(list(criterion.keys), "integer[]")
    return f"SELECT {w}.rid FROM resource {w} WHERE {w}.words @> {words} AND NOT {w}.deleted"


def _set_chain(bound: Bound, criterion: Chain) -> str:
    t, i = bound.alias("t"), bound.alias("i")
    inner = checked(bound, criterion.inner, criterion.target)
    parts = [
        f"SELECT rid FROM idx WHERE {column(constant)} = {t}.rid # {bound.big(constant)}"
        for constant in criterion.constants
    ]
    return f"SELECT {i}.rid FROM ({inner} OFFSET 0) {t} CROSS JOIN LATERAL ({' UNION ALL '.join(parts)} OFFSET 0) {i}"


def _set_has(bound: Bound, criterion: Has) -> str:
    """Resources referred to; rids that are none are dropped when the rows are joined."""
    t, k, s = bound.alias("t"), bound.alias("k"), bound.alias("s")
    inner = checked(bound, criterion.inner, criterion.source)
    return (
        f"SELECT {k}.k # {bound.big(criterion.constant)} AS rid FROM ({inner} OFFSET 0) {t} CROSS JOIN LATERAL "
        f"(SELECT keys FROM resource WHERE rid = {t}.rid OFFSET 0) {s} CROSS JOIN LATERAL unnest({s}.keys) {k}(k)"
    )


def checked(bound: Bound, criterion: Criterion, type_code: int) -> str:
    """A SELECT of `rid`: the resources of a type that fulfil `criterion` and that the actor may see."""
    driver, rest = split(criterion)
    if driver is None:
        raise ValueError("no part of the criterion can be read from an index")
    found = rids(bound, driver)
    if bound.open and not rest and self_checked(driver):
        return found
    d, r = bound.alias("d"), bound.alias("r")
    tests = "".join(f" AND {test(bound, part, r)}" for part in rest)
    return (
        f"SELECT {r}.rid FROM ({found} OFFSET 0) {d} CROSS JOIN LATERAL (SELECT {r}.rid FROM resource {r} WHERE "
        f"{r}.rid = {d}.rid AND NOT {r}.deleted AND {r}.type + 0 = {bound.small(type_code)}{tests}{bound.allowed(r)} "
        f"OFFSET 0) {r}"
    )


def self_checked(criterion: Criterion) -> bool:
    """Whether index rows alone tell that the resource exists and is of the type asked for."""
    if isinstance(criterion, Some):
        return all(self_checked(part) for part in criterion.parts)
    return isinstance(criterion, Keys | Text | Span | Amount | Chain)


def split(criterion: Criterion) -> tuple[Criterion | None, tuple[Criterion, ...]]:
    """The part of a conjunction to read from an index, and what remains to be tested."""
    if not isinstance(criterion, Every):
        return (criterion, ()) if settable(criterion) else (None, (criterion,))
    for place, part in enumerate(criterion.parts):
        if settable(part):
            return part, criterion.parts[:place] + criterion.parts[place + 1 :]
    return None, criterion.parts


def _set_every(bound: Bound, criterion: Every) -> str:
    driver, rest = split(criterion)
    if driver is None:
        raise ValueError("no part of the criterion can be read from an index")
    found = rids(bound, driver)
    d, r = bound.alias("d"), bound.alias("r")
    tests = "".join(f" AND {test(bound, part, r)}" for part in rest)
    return (
        f"SELECT {r}.rid FROM ({found} OFFSET 0) {d} CROSS JOIN LATERAL (SELECT {r}.rid FROM resource {r} WHERE "
        f"{r}.rid = {d}.rid AND NOT {r}.deleted{tests} OFFSET 0) {r}"
    )


def _set_some(bound: Bound, criterion: Some) -> str:
    if not criterion.parts:
        return "SELECT NULL::bigint AS rid WHERE FALSE"
    return " UNION ALL ".join(
        f"SELECT * FROM ({rids(bound, part)} OFFSET 0) {bound.alias('u')}" for part in criterion.parts
    )


_SETS: dict[type, Callable[[Bound, Any], str]] = {
    Keys: _set_keys,
    Member: _set_member,
    Text: _set_text,
    Span: _set_span,
    Amount: _set_amount,
    Ids: _set_ids,
    Words: _set_words,
    Chain: _set_chain,
    Has: _set_has,
    Every: _set_every,
    Some: _set_some,
}

__all__ = ["Bound", "checked", "prefix_end", "rids", "settable", "test"]
