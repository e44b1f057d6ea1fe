"""Dictionaries for bodies: made from the record itself, and made again as it grows.

A dictionary halves the size of a body, and a good one needs a sample of what the region really sends. So the first is
made from the first few thousand resources, and a new one each time the record has grown by a factor. What was written
with an older one stays readable: every dictionary is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from psycopg_pool import PoolTimeout

from jiankang.foundation.record.codec import SAMPLES, train
from jiankang.kernel.database import translated
from jiankang.kernel.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import AsyncConnection

    from jiankang.foundation.record.store import Record

_log = logging.getLogger("jiankang.record")

FIRST = 800
"""Resources written before the first dictionary is made."""

GROWTH = 3
"""How many times larger the record must be than when the newest dictionary was made, before another is."""

LARGEST = 100_000
"""Written resources after which a dictionary is good for ever."""

_LOCK = 0x6A6B_6469
_SAMPLE = "SELECT body FROM resource WHERE NOT deleted AND length(body) < 65536 ORDER BY rid LIMIT %s"
_STATE = """
SELECT coalesce((SELECT last_value FROM pg_sequences WHERE schemaname = current_schema() AND sequencename = 'change_seq_seq'), 0),
    (SELECT max(written) FROM dictionary), (SELECT count(*) FROM dictionary)
"""


async def improve(record: Record) -> bool:
    """Make a dictionary from the record when it has outgrown the newest one; whether one was made.

    Of several processes that try at once, one does it.
    """
    async with record.side.connection() as db:
        if not _due(*await _state(record, db)):
            return False
        async with db.transaction():
            locked = await (await db.execute("SELECT pg_try_advisory_xact_lock(%s)", (_LOCK,))).fetchone()
            if locked is None or not locked[0]:
                return False
            written, then = await _state(record, db)
            if not _due(written, then):
                return False
            rows = await (await db.execute(_SAMPLE, (SAMPLES,))).fetchall()
            samples = [await record.payload(bytes(body)) for (body,) in rows]  # in the order of digests: a random one
            if len(samples) < FIRST // 2:
                return False
            await learn(record, db, samples, written)
    return True


async def _state(record: Record, db: AsyncConnection[Any]) -> tuple[int, int | None]:
    """How many changes were written, and how many there were when the newest dictionary was made."""
    row = await (await db.execute(_STATE)).fetchone()
    written, then, number = row if row is not None else (0, None, 0)
    if number > len(record.codec):
        await record.load_dictionaries()
    return written, then


def _due(written: int, then: int | None) -> bool:
    if then is None:
        return written >= FIRST
    return then < LARGEST and written >= then * GROWTH


async def learn(record: Record, db: AsyncConnection[Any], samples: Sequence[bytes], written: int) -> None:
    """Write bodies from now on with a dictionary made from these payloads, when `written` changes had been written."""
    id_, data = await asyncio.to_thread(train, samples)
    await db.execute(
        "INSERT INTO dictionary (id, written, bytes) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", (id_, written, data)
    )
    record.codec.add(id_, data)


async def tend(record: Record, *, seconds: float = 3.0) -> None:
    """Look after the dictionaries for as long as a server runs."""
    while True:
        await asyncio.sleep(seconds)
        with contextlib.suppress(Problem, PoolTimeout), translated():
            if await improve(record):
                _log.info("made a dictionary for bodies")
