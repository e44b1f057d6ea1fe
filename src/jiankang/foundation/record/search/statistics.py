"""What is known of how many rows a criterion has: bounded counts, kept for a short while for each database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from jiankang.foundation.record.search.plan import probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import AsyncConnection

    from jiankang.foundation.access import Restriction
    from jiankang.foundation.record.search.criteria import Criterion

PROBED = 20_001
"""Rows counted at most before a search: more is "many"."""

MANY = 1 << 40
"""Stands for a number that was not counted to its end."""

_SECONDS_FEW = 5.0
_SECONDS_MANY = 120.0
_SECONDS_SIZES = 300.0
_MOST_KEPT = 20_000
_UNKNOWN_ROWS = 1_000

_SIZES = """
SELECT f.v, (f.f * c.reltuples)::bigint FROM pg_class c, pg_stats s,
    unnest(s.most_common_vals::text::smallint[], s.most_common_freqs) f(v, f)
WHERE c.oid = 'resource'::regclass AND s.schemaname = c.relnamespace::regnamespace::text AND s.tablename = 'resource'
    AND s.attname = 'type' AND c.reltuples > 0
"""


class Statistics:
    """Counts of criteria in one database. Stale ones cost time, never answers: every plan checks its own bounds."""

    def __init__(self) -> None:
        self._known: dict[tuple[Restriction, Criterion], tuple[int, float]] = {}
        self._sizes: dict[int, int] = {}
        self._sizes_until = 0.0

    async def counts(
        self, db: AsyncConnection[Any], restriction: Restriction, criteria: Sequence[Criterion]
    ) -> dict[Criterion, int]:
        """Rows of each criterion, up to PROBED; those not known are counted in one round trip."""
        now = time.monotonic()
        found: dict[Criterion, int] = {}
        missing: list[Criterion] = []
        for criterion in criteria:
            known = self._known.get((restriction, criterion))
            if known is not None and now < known[1]:
                found[criterion] = known[0]
            else:
                missing.append(criterion)
        if missing:
            text, values = probe(restriction, missing, PROBED)
            cursor = db.cursor(binary=True)
            await cursor.execute(text, values)
            row = await cursor.fetchone()
            for criterion, count in zip(missing, row or (), strict=True):
                found[criterion] = many(int(count))
                self._keep(restriction, criterion, found[criterion], now)
        return found

    async def rows_of(self, db: AsyncConnection[Any], codes: Sequence[int]) -> int:
        """About how many resources of these types there are, by the database's own statistics."""
        now = time.monotonic()
        if now >= self._sizes_until:
            rows = await (await db.execute(_SIZES)).fetchall()
            self._sizes = {int(code): int(rows) for code, rows in rows}
            self._sizes_until = now + _SECONDS_SIZES
        return sum(self._sizes.get(code, _UNKNOWN_ROWS) for code in codes)

    def known(self, restriction: Restriction, criteria: Sequence[Criterion]) -> dict[Criterion, int]:
        """The counts that are known already."""
        now = time.monotonic()
        kept = {criterion: self._known.get((restriction, criterion)) for criterion in criteria}
        return {criterion: one[0] for criterion, one in kept.items() if one is not None and now < one[1]}

    def learn(self, restriction: Restriction, criterion: Criterion, count: int) -> None:
        """Remember that the criterion turned out to have this many rows."""
        self._keep(restriction, criterion, count, time.monotonic())

    def _keep(self, restriction: Restriction, criterion: Criterion, count: int, now: float) -> None:
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        seconds = _SECONDS_MANY if count >= PROBED else _SECONDS_FEW
        self._known[restriction, criterion] = (count, now + seconds)


def many(count: int) -> int:
    """A bounded count as an estimate: what reached the bound may be any number."""
    return MANY if count >= PROBED else count


_databases: dict[tuple[str, int, str], Statistics] = {}
_connections: WeakKeyDictionary[AsyncConnection[Any], Statistics] = WeakKeyDictionary()


def statistics_of(db: AsyncConnection[Any]) -> Statistics:
    """What is known of the database that `db` is connected to."""
    found = _connections.get(db)
    if found is not None:
        return found
    key = (db.info.host, db.info.port, db.info.dbname)
    found = _databases.get(key)
    if found is None:
        if len(_databases) > 64:
            _databases.clear()
        found = _databases[key] = Statistics()
    _connections[db] = found
    return found
