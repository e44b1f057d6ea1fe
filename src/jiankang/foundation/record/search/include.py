"""What comes along with matches: `_include`, `_revinclude`, `:iterate` (http://hl7.org/fhir/R4/search.html#include)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load
from jiankang.foundation.record import indexing
from jiankang.foundation.record.search.query import codes
from jiankang.foundation.record.search.sql import Bound
from jiankang.kernel.database import translated
from jiankang.kernel.errors import Issue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg import AsyncConnection

    from jiankang.fhir.search import Registry
    from jiankang.foundation.access import Restriction
    from jiankang.foundation.record.search.query import Include

MOST = 1_000
"""Resources included with one page at most; more are left out with a warning."""

_ROUNDS = 10

Row = tuple[Any, ...]

_COLUMNS = "r.rid, r.type, r.id, r.version, r.updated, r.method, r.body, r.keys"


class Includer:
    """Follows references from the rows of a page, within what the actor may see."""

    def __init__(self, db: AsyncConnection[Any], restriction: Restriction, registry: Registry) -> None:
        self.db = db
        self.restriction = restriction
        self.registry = registry
        self.definitions = load()

    async def follow(self, matches: Sequence[Row], includes: Sequence[Include]) -> tuple[list[Row], list[Issue]]:
        """The included rows (columns rid, type, id, version, updated, method, body, keys), no match among them."""
        known = {row[0] for row in matches}
        found: list[Row] = []
        fresh: Sequence[Row] = matches
        wanted: Sequence[Include] = includes
        for _ in range(_ROUNDS):
            batch: dict[int, Row] = {}
            for include in wanted:
                for row in await self._one(include, fresh, MOST + 1 - len(found) - len(batch)):
                    if row[0] not in known:
                        batch[row[0]] = row
                if len(found) + len(batch) > MOST:
                    break
            known.update(batch)
            found.extend(batch.values())
            fresh = list(batch.values())
            wanted = [include for include in includes if include.iterate]
            if len(found) > MOST or not fresh or not wanted:
                break
        else:
            return found, [Issue("too-costly", f"includes were followed {_ROUNDS} times, no further", (), "warning")]
        if len(found) > MOST:
            text = f"more than {MOST} resources would be included with this page; the rest is left out: ask for fewer with _count"
            return found[:MOST], [Issue("too-costly", text, (), "warning")]
        return found, []

    async def _one(self, include: Include, rows: Sequence[Row], limit: int) -> list[Row]:
        if not rows or limit <= 0:
            return []
        return await (self._reverse if include.reverse else self._forward)(include, rows, limit)

    def _constants(self, source: str, include: Include, target: str | None) -> list[tuple[int, str | None]]:
        """The reference constants of the parameters meant, each with the one type that it may lead to, if any."""
        known = self.registry.parameters(source)
        chosen = list(known.values()) if include.code == "*" else [known[include.code]] if include.code in known else []
        found: dict[tuple[int, str | None], None] = {}
        for parameter in chosen:
            if parameter.type != "reference" or (include.code == "*" and parameter.alias_of):
                continue
            only = parameter.alias_of.target if parameter.alias_of else None
            if target is not None and only is not None and only != target:
                continue
            for code in codes(parameter):
                found[indexing.reference_constant(source, code), target or only] = None
        return list(found)

    async def _forward(self, include: Include, rows: Sequence[Row], limit: int) -> list[Row]:
        names = self.definitions.resource_names
        by_type: dict[int, list[Row]] = {}
        for row in rows:
            if include.source in {"*", names[row[1]]}:
                by_type.setdefault(row[1], []).append(row)
        wanted: dict[int, set[int | None]] = {}
        for type_code, members in by_type.items():
            for constant, target in self._constants(names[type_code], include, include.target):
                only = None if target is None else self.definitions.type_code(target)
                for row in members:
                    for key in row[7]:
                        wanted.setdefault(key ^ constant, set()).add(only)
        return await self._fetch(wanted, limit)

    async def _fetch(self, wanted: dict[int, set[int | None]], limit: int) -> list[Row]:
        """Rows by rid; most of those asked for are no resource's, and cost an index probe each."""
        found: list[Row] = []
        rids = list(wanted)
        for start in range(0, len(rids), 20_000):
            bound = Bound(self.restriction)
            text = (
                f"SELECT {_COLUMNS} FROM unnest({bound.plain(rids[start : start + 20_000], 'bigint[]')}) t(rid) "
                f"CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.rid = t.rid AND NOT r.deleted{bound.allowed('r')} "
                f"OFFSET 0) r LIMIT {bound.big(limit)}"
            )
            found.extend(row for row in await self._run(text, bound) if _fits(row, wanted[row[0]]))
        return found[:limit]

    async def _reverse(self, include: Include, rows: Sequence[Row], limit: int) -> list[Row]:
        """Resources that refer to the rows."""
        names = self.definitions.resource_names
        sources = names if include.source == "*" else (include.source,)
        pairs: list[tuple[int, int]] = []
        for source in sources:
            for constant, only in self._constants(source, include, include.target):
                pairs.extend(
                    (row[0] ^ constant, self.definitions.type_code(source))
                    for row in rows
                    if only is None or names[row[1]] == only
                )
        if not pairs:
            return []
        bound = Bound(self.restriction)
        lanes: dict[int, list[tuple[int, int]]] = {}
        for pair in pairs:
            lanes.setdefault(pair[0] & 7, []).append(pair)
        found = " UNION ALL ".join(f"({self._lane(bound, lane, members, limit)})" for lane, members in lanes.items())
        text = (
            f"SELECT {_COLUMNS} FROM (SELECT DISTINCT ON (o.rid) o.rid FROM ({found} LIMIT {bound.big(limit * 4)}) o) d "
            f"CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.rid = d.rid AND NOT r.deleted{bound.allowed('r')} OFFSET 0) r "
            f"LIMIT {bound.big(limit)}"
        )
        return await self._run(text, bound)

    def _lane(self, bound: Bound, lane: int, pairs: Sequence[tuple[int, int]], limit: int) -> str:
        hashes = bound.plain([pair[0] for pair in pairs], "bigint[]")
        types = bound.smalls([pair[1] for pair in pairs])
        return (
            f"SELECT i.rid FROM unnest({hashes}, {types}) h(h, t) CROSS JOIN LATERAL (SELECT rid, at FROM idx "
            f"WHERE h{lane} = h.h ORDER BY h{lane} DESC, at DESC, rid DESC LIMIT {bound.big(limit)}) i"
        )

    async def _run(self, text: str, bound: Bound) -> list[Row]:
        cursor = self.db.cursor(binary=True)
        with translated():
            await cursor.execute(text, bound.values)
            return await cursor.fetchall()


def _fits(row: Row, allowed: Iterable[int | None]) -> bool:
    return any(only is None or only == row[1] for only in allowed)
