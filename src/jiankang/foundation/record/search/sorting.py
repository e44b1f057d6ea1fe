"""The order of matches: what `_sort` asks for, as SQL over a `resource` row, and the place of a page in it.

http://hl7.org/fhir/R4/search.html#_sort. Resources without a value come last in both directions; of several values
the least counts going up, the greatest going down. Ties are broken by rid, so that every order is total.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jiankang.foundation.record.search.sql import Bound


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of an order. `kind` is what to look at; `hashes` the parameter's keys; `via` a chain of one hop.

    Kinds: moment (the date, 0 where there is none), at (the date), updated, id, str, span, amount, number, token, reference.
    """

    kind: str
    descending: bool = False
    hashes: tuple[int, ...] = ()
    via: tuple[int, ...] = ()
    targets: tuple[int, ...] = ()

    @property
    def direction(self) -> str:
        """ASC or DESC."""
        return "DESC" if self.descending else "ASC"

    @property
    def cast(self) -> str:
        """The SQL type of the key's values."""
        return _CASTS[self.kind]


_CASTS = {
    "moment": "bigint",
    "at": "bigint",
    "updated": "timestamptz",
    "id": "text",
    "str": "text",
    "span": "bigint",
    "amount": "float8",
    "number": "float8",
    "token": "text",
    "reference": "text",
}


def expression(bound: Bound, key: SortKey, r: str) -> str:
    """The key's value for the `resource` row `r`, NULL where it has none."""
    if not key.via:
        return _value(bound, key, r)
    k, t = bound.alias("k"), bound.alias("t")
    least = "max" if key.descending else "min"
    inner = _value(bound, key, t)
    parts = [
        f"(SELECT {least}({t}.v) FROM unnest({r}.keys) {k}(k) CROSS JOIN LATERAL (SELECT {inner} AS v FROM resource {t} "
        f"WHERE {t}.rid = {k}.k # {bound.big(constant)} AND NOT {t}.deleted AND "
        f"{t}.type + 0 = ANY({bound.smalls(key.targets)}){bound.allowed(t)} OFFSET 0) {t})"
        for constant in key.via
    ]
    return parts[0] if len(parts) == 1 else f"{'greatest' if key.descending else 'least'}({', '.join(parts)})"


def _value(bound: Bound, key: SortKey, r: str) -> str:
    least = "max" if key.descending else "min"
    if key.kind == "moment":
        return f"{r}.at"
    if key.kind == "at":
        return f"nullif({r}.at, 0)"
    if key.kind == "updated":
        return f"{r}.updated"
    if key.kind == "id":
        return f"{r}.id"
    hashes = bound.bigs(key.hashes)
    if key.kind == "token":
        return f"(SELECT {least}(coalesce(v.code, v.norm)) FROM vocabulary v WHERE v.key = ANY({r}.keys) AND v.hash + 0 = ANY({hashes}))"
    if key.kind == "reference":
        return (
            f"(SELECT {least}(x.id) FROM unnest({r}.keys) k(k) CROSS JOIN unnest({hashes}) c(c) CROSS JOIN LATERAL "
            f"(SELECT id FROM resource WHERE rid = k.k # c.c OFFSET 0) x)"
        )
    table, column, more = _COLUMNS[key.kind]
    return f"(SELECT {least}(s.{column}) FROM {table} s WHERE s.rid = {r}.rid AND s.hash + 0 = ANY({hashes}){more})"


_COLUMNS = {
    "str": ("str", "norm", ""),
    "span": ("span", "lo", ""),
    "number": ("quantity", "lo", ""),
    "amount": ("quantity", "canon_lo", " AND s.canon_unit <> 0"),
}


def order_by(order: Sequence[SortKey], m: str) -> str:
    """The ORDER BY list over columns k0, k1, … and rid of `m`."""
    parts = [f"{m}.k{number} {key.direction} NULLS LAST" for number, key in enumerate(order)]
    return ", ".join([*parts, f"{m}.rid {order[0].direction}"])


def after(bound: Bound, order: Sequence[SortKey], place: Sequence[object], m: str) -> str:
    """Whether the row `m` comes after `place`: the values of a page's last row, its rid at the end."""
    alternatives = []
    equal: list[str] = []
    for number, (key, value) in enumerate(zip(order, place, strict=False)):
        column = f"{m}.k{number}"
        if value is None:
            equal.append(f"{column} IS NULL")
            continue
        bound_value = bound.plain(value, key.cast) + (' COLLATE "C"' if key.cast == "text" else "")
        sign = "<" if key.descending else ">"
        alternatives.append(" AND ".join([*equal, f"({column} {sign} {bound_value} OR {column} IS NULL)"]))
        equal.append(f"{column} = {bound_value}")
    sign = "<" if order[0].descending else ">"
    alternatives.append(" AND ".join([*equal, f"{m}.rid {sign} {bound.big(int(str(place[-1])))}"]))
    return "(" + " OR ".join(f"({part})" for part in alternatives) + ")"
