"""The feed: every committed change, in order, at least once, to readers that keep their place in the database.

A change is delivered once no transaction older than it is still running: its order is (transaction, number), and
a reader never passes a transaction that could still commit something before it. So a change whose number was
drawn early but which committed late is not skipped, as it would be by reading plain sequence numbers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from jiankang.fhir.definitions import load
from jiankang.foundation.record.store import CHANNEL, METHODS
from jiankang.kernel.database import translated

if TYPE_CHECKING:
    from datetime import datetime

    from psycopg import AsyncConnection

    from jiankang.foundation.record.store import Record

POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One committed change. Read the resource itself from the record: it may have changed again since."""

    seq: int
    type: str
    id: str
    version: int
    method: str
    updated: datetime


Handler = Callable[["AsyncConnection[Any]", Sequence[FeedEntry]], Awaitable[None]]

_REGISTER = "INSERT INTO feed_reader (name) VALUES (%s) ON CONFLICT DO NOTHING"
_PLACE = "SELECT xid::text, seq FROM feed_reader WHERE name = %s FOR UPDATE SKIP LOCKED"
_NEXT = """
SELECT c.xid::text, c.seq, c.type, r.id, c.version, c.method, c.updated
FROM change AS c JOIN resource AS r ON r.rid = c.rid
WHERE (c.xid, c.seq) > (%s::xid8, %s::bigint) AND c.xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY c.xid, c.seq LIMIT %s
"""
_MOVE = "UPDATE feed_reader SET xid = %s::xid8, seq = %s, moved = now() WHERE name = %s"


async def deliver(record: Record, reader: str, handle: Handler, limit: int = 500) -> int:
    """Hand the next changes to `handle` and move the reader on, both in one transaction; how many there were.

    When `handle` raises, the reader stays where it was and gets the same changes again. What `handle` writes through
    the connection it is given happens exactly once. Only one process at a time delivers to a reader: the others get 0.
    """
    with translated():
        async with record.side.connection() as db:
            await db.execute(_REGISTER, (reader,))
            async with db.transaction():
                place = await (await db.execute(_PLACE, (reader,))).fetchone()
                if place is None:
                    return 0
                rows = await (await db.execute(_NEXT, (*place, limit))).fetchall()
                if not rows:
                    return 0
                names = load().resource_names
                entries = [FeedEntry(seq, names[t], id_, v, METHODS[m], at) for _, seq, t, id_, v, m, at in rows]
                await handle(db, entries)
                await db.execute(_MOVE, (rows[-1][0], rows[-1][1], reader))
                return len(rows)


async def follow(record: Record, reader: str, handle: Handler, *, limit: int = 500) -> None:
    """Deliver for ever: woken by NOTIFY when a writer commits, and every second in case a wake-up was lost."""
    wake = asyncio.Event()
    listener = asyncio.create_task(_listen(record, wake))
    try:
        while True:
            wake.clear()
            while await deliver(record, reader, handle, limit):
                pass
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), POLL_SECONDS)
    finally:
        listener.cancel()


async def _listen(record: Record, wake: asyncio.Event) -> None:
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(str(record.side.conninfo), autocommit=True) as db:
                await db.execute(f"LISTEN {CHANNEL}")
                async for _ in db.notifies():
                    wake.set()
        except psycopg.OperationalError:
            await asyncio.sleep(POLL_SECONDS)


async def lag(record: Record) -> dict[str, int]:
    """How many committed changes each reader has still to be given."""
    async with record.side.connection() as db:
        rows = await (
            await db.execute(
                "SELECT name, (SELECT count(*) FROM change AS c WHERE (c.xid, c.seq) > (f.xid, f.seq)) FROM feed_reader AS f"
            )
        ).fetchall()
    return dict(rows)
