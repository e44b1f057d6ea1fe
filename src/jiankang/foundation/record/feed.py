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
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from jiankang.fhir.definitions import load
from jiankang.foundation.access import resource_key
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
    xid: int = 0
    """Number of the transaction: entries come in the order of (xid, seq)."""


@dataclass(frozen=True, slots=True)
class State:
    """What a changed resource is now. `keys` are its facts for a restriction, also after it was deleted."""

    version: int
    deleted: bool
    keys: frozenset[int]


Handler = Callable[["AsyncConnection[Any]", Sequence[FeedEntry]], Awaitable[None]]

_REGISTER = "INSERT INTO feed_reader (name) VALUES (%s) ON CONFLICT DO NOTHING"
_PLACE = "SELECT xid::text, seq FROM feed_reader WHERE name = %s FOR UPDATE SKIP LOCKED"
_NEXT = """
SELECT c.xid::text, c.seq, c.type, r.id, c.version, c.method, c.updated
FROM change AS c JOIN resource AS r ON r.rid = c.rid
WHERE (c.xid, c.seq) > (%s::xid8, %s::bigint) AND c.xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY c.xid, c.seq LIMIT %s
"""
_STATES = "SELECT rid, version, deleted, keys FROM resource WHERE rid = ANY(%s::bigint[])"
_MOVE = "UPDATE feed_reader SET xid = %s::xid8, seq = %s, moved = now() WHERE name = %s"


# A dump that is restored into a younger server brings transaction numbers from its future: what is written next would
# get lower ones and be passed over by every reader. All that was restored is committed, so one number will do for it;
# in the order of `seq` the versions of a resource still follow one another.
_FROM_THE_FUTURE = """
SELECT greatest((SELECT xid FROM {log} ORDER BY xid DESC LIMIT 1), (SELECT max(xid) FROM {readers}))
    >= pg_snapshot_xmax(pg_current_snapshot())
"""
_PLACES_AGAIN = """
UPDATE {readers} AS f SET xid = '1', seq = coalesce(
    (SELECT min(c.seq) - 1 FROM {log} AS c WHERE (c.xid, c.seq) > (f.xid, f.seq)), (SELECT max(seq) FROM {log}), 0)
"""
_BEFORE_ALL = "UPDATE {log} SET xid = '1' WHERE xid <> '1'"


class Log(NamedTuple):
    """A table of changes in the order of (xid, seq), and the table of those who read it, with their places."""

    log: str
    readers: str


CHANGES = Log("change", "feed_reader")


@translated()
def renumber(database_url: str, which: Log = CHANGES) -> bool:
    """Put a log of changes right after a dump was restored into a younger server; whether that was needed.

    No reader misses a change; it may be given some again that it has seen. To be called before anything is written.
    """
    names = which._asdict()
    late = _FROM_THE_FUTURE.format(**names)
    with psycopg.connect(database_url, autocommit=True) as db:
        if db.execute(late).fetchone() != (True,):
            return False
        db.execute("SET statement_timeout = 0")
        with db.transaction():
            db.execute("LOCK TABLE {log}, {readers} IN EXCLUSIVE MODE".format(**names))
            if db.execute(late).fetchone() != (True,):
                return False  # somebody else did it meanwhile
            db.execute(_PLACES_AGAIN.format(**names))
            db.execute(_BEFORE_ALL.format(**names))
    return True


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
                entries = [FeedEntry(q, names[t], i, v, METHODS[m], at, int(x)) for x, q, t, i, v, m, at in rows]
                await handle(db, entries)
                await db.execute(_MOVE, (rows[-1][0], rows[-1][1], reader))
                return len(rows)


async def states(db: AsyncConnection[Any], entries: Sequence[FeedEntry]) -> dict[tuple[str, str], State]:
    """What has become of the resources that changed."""
    rids = {resource_key(one.type, one.id): (one.type, one.id) for one in entries}
    rows = await db.execute(_STATES, (list(rids),))
    return {rids[rid]: State(v, gone, frozenset(keys)) for rid, v, gone, keys in await rows.fetchall()}


async def follow(
    record: Record, reader: str, handle: Handler, *, limit: int = 500, done: Callable[[], None] = lambda: None
) -> None:
    """Deliver for ever: woken by NOTIFY when a writer commits, and every second in case a wake-up was lost.

    `done` is called when something was delivered and what `handle` wrote is committed.
    """
    wake = asyncio.Event()
    listener = asyncio.create_task(_listen(record, wake))
    try:
        while True:
            wake.clear()
            while await deliver(record, reader, handle, limit):
                done()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):  # wait_for may lose a cancellation before Python 3.12
                    await wake.wait()
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
