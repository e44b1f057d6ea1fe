"""Passes over what is stored: each resource's index rows made anew by the parameters in force.

A pass reads a type in the order of the last change. A resource that is changed meanwhile moves towards the end, where
it is met again; so none is left out. Place and rows are committed together, under a lock on the type's row of `reindex`:
a process that is killed leaves its place to the next, and two never do the same.

A process that has not heard of a parameter yet writes resources without its rows and without its second bit. Such
resources are looked for by that bit when all were read, before the parameter is called ready, and again from time to time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from psycopg.errors import DeadlockDetected, LockNotAvailable

from jiankang.fhir.definitions import load
from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.reindexing.definitions import CHANNEL
from jiankang.foundation.record.reindexing.rewriting import rewrite
from jiankang.foundation.record.store import Transaction
from jiankang.kernel.database import translated

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from jiankang.fhir.search import Registry
    from jiankang.foundation.record.store import Record

BATCH = 100
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
QUIET_SECONDS = 5.0
"""A pass begins this long after it was asked for: longer than any process answers by what it knew before."""

SETTLE_SECONDS = 12.0
"""It ends no sooner than this: a request waits ten seconds for a connection at most, with what it prepared before."""

SWEEP_SECONDS = 30.0
_OVERLAP_SECONDS = 150.0

_DUE = """
SELECT type, state, place_updated, place_rid FROM reindex
WHERE state <> 'done' AND asked <= clock_timestamp() - %s * interval '1 second'
    AND (state <> 'settling' OR asked <= clock_timestamp() - %s * interval '1 second')
ORDER BY asked, type LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_COUNT = "SELECT count(*) FROM resource WHERE type = %s"
_PAGE = """
SELECT updated, rid, id, present, words FROM resource
WHERE type = %s AND (updated, rid) > (%s, %s) ORDER BY updated, rid LIMIT %s
"""
_MOVE = """
UPDATE reindex SET place_updated = %s, place_rid = %s, done = done + %s, rewritten = rewritten + %s WHERE type = %s
"""
_OLDER = """
SELECT count(*) FROM pg_stat_activity, reindex
WHERE reindex.type = %s AND datname = current_database() AND pid <> pg_backend_pid()
    AND xact_start < reindex.asked + %s * interval '1 second'
"""
_STALE = """
SELECT id FROM resource WHERE type = %s AND NOT deleted AND updated > %s::timestamptz
    AND ({unseen}) ORDER BY updated LIMIT %s
"""
_READY = """
UPDATE search_parameter SET state = 'ready', changed = clock_timestamp() WHERE base = %s AND state = 'building'
"""
_SWEEP = """
SELECT type, swept - %s * interval '1 second' FROM reindex
WHERE state = 'done' AND (swept IS NULL OR swept <= clock_timestamp() - %s * interval '1 second')
    AND EXISTS (SELECT FROM search_parameter WHERE base = type AND state = 'ready')
ORDER BY swept LIMIT 1 FOR UPDATE SKIP LOCKED
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much at once, and how long to wait for others."""

    batch: int = BATCH
    quiet_seconds: float = QUIET_SECONDS
    settle_seconds: float = SETTLE_SECONDS
    sweep_seconds: float = SWEEP_SECONDS


class Passes:
    """Does the next piece of whatever pass is due."""

    def __init__(self, record: Record, registry: Registry, pace: Pace | None = None) -> None:
        self.record = record
        self.registry = registry
        self.pace = pace or Pace()

    async def step(self) -> bool:
        """One batch, or one sweep; whether there was anything to do."""
        try:
            with translated():
                async with self.record.pool.connection() as db, db.transaction():
                    await db.execute("SET LOCAL statement_timeout = '10min'")
                    due = await (await db.execute(_DUE, (self.pace.quiet_seconds, self.pace.settle_seconds))).fetchone()
                    if due is None:
                        return await self._sweep(db)
                    type_name, state, updated, rid = due
                    if not await self._knows(db, type_name):
                        return False
                    if state == "settling":
                        return await self._settle(db, type_name)
                    return await self._read(db, type_name, state, (updated, rid))
        except (DeadlockDetected, LockNotAvailable):
            return True

    async def _knows(self, db: AsyncConnection[Any], type_name: str) -> bool:
        """Whether this process has exactly the parameters of the type that the table has."""
        found = await db.execute(
            "SELECT code, bit FROM search_parameter WHERE base = %s AND state <> 'retired'", (type_name,)
        )
        known = self.registry.parameters(type_name).values()
        return {(one.code, one.number) for one in known if one.custom} == set(await found.fetchall())

    async def _read(self, db: AsyncConnection[Any], type_name: str, state: str, place: tuple[Any, int]) -> bool:
        code = load().type_code(type_name)
        if state == "waiting":
            row = await (await db.execute(_COUNT, (code,))).fetchone()
            await db.execute(
                "UPDATE reindex SET state = 'reading', total = %s WHERE type = %s", (row[0] if row else 0, type_name)
            )
        cursor = db.cursor(binary=True)
        await cursor.execute(_PAGE, (code, *place, self.pace.batch))
        rows = await cursor.fetchall()
        if not rows:
            await db.execute("UPDATE reindex SET state = 'settling' WHERE type = %s", (type_name,))
            return True
        seen = {rid: (present, words) for _, rid, _, present, words in rows}
        changed = await self._rewrite(db, type_name, [row[2] for row in rows], seen)
        await db.execute(_MOVE, (rows[-1][0], rows[-1][1], len(rows), changed, type_name))
        return True

    async def _rewrite(
        self, db: AsyncConnection[Any], type_name: str, ids: list[str], seen: dict[int, tuple[bytes, list[int]]]
    ) -> int:
        tx = Transaction(self.record, db, LOCAL_OPERATOR)
        stored = await tx.lock([(type_name, id_) for id_ in ids])
        live = [one for one in stored.values() if one is not None and not one.deleted]
        return await rewrite(tx, self.registry, live, seen)

    # -- the end of a pass

    async def _settle(self, db: AsyncConnection[Any], type_name: str) -> bool:
        """Call the parameters ready when nobody can still commit what was prepared without them, and nothing is behind."""
        row = await (await db.execute(_OLDER, (type_name, self.pace.settle_seconds))).fetchone()
        if row and row[0]:
            await asyncio.sleep(0.1)
            return False
        row = await (
            await db.execute(
                "SELECT since - %s * interval '1 second' FROM reindex WHERE type = %s", (_OVERLAP_SECONDS, type_name)
            )
        ).fetchone()
        behind = await self._stale(db, type_name, row[0] if row else _BEGINNING)
        if behind:
            changed = await self._rewrite(db, type_name, behind, {})
            await db.execute("UPDATE reindex SET rewritten = rewritten + %s WHERE type = %s", (changed, type_name))
            return True
        await db.execute(_READY, (type_name,))
        await db.execute(
            "UPDATE reindex SET state = 'done', done = total, swept = asked, finished = clock_timestamp() WHERE type = %s",
            (type_name,),
        )
        await db.execute("UPDATE search_generation SET number = number + 1")
        await db.execute(f"NOTIFY {CHANNEL}")
        return True

    async def _stale(self, db: AsyncConnection[Any], type_name: str, since: Any) -> list[str]:
        """Ids of some resources that were written without a parameter that is in force."""
        bits = [one.number + 1 for one in self.registry.parameters(type_name).values() if one.custom]
        if not bits:
            return []
        unseen = " OR ".join(
            f"octet_length(present) <= {bit // 8} OR CASE WHEN octet_length(present) > {bit // 8} "
            f"THEN get_bit(present, {bit}) = 0 END"
            for bit in bits
        )
        values = (load().type_code(type_name), since, self.pace.batch)
        rows = await (await db.execute(_STALE.format(unseen=unseen), values)).fetchall()
        return [row[0] for row in rows]

    async def _sweep(self, db: AsyncConnection[Any]) -> bool:
        """Look for resources written without their parameter since the last time, by loaders and laggards."""
        due = await (await db.execute(_SWEEP, (_OVERLAP_SECONDS, self.pace.sweep_seconds))).fetchone()
        if due is None or not await self._knows(db, due[0]):
            return False
        behind = await self._stale(db, due[0], due[1] or _BEGINNING)
        if behind:
            await self._rewrite(db, due[0], behind, {})
            return True
        await db.execute("UPDATE reindex SET swept = now() WHERE type = %s", (due[0],))
        return True
