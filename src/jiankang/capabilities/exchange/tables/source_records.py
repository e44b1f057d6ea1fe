"""The rows of databases that are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.tables.sources import Source

Db = Any
_ALL = """SELECT name, sender, url, query, watermark, mapping, every_seconds, reached, looked, rows, problem
FROM exchange_table_source ORDER BY name"""
_ADD = """
INSERT INTO exchange_table_source (name, sender, url, query, watermark, mapping, every_seconds)
VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING name
"""
_LOOKED = """
UPDATE exchange_table_source SET rows = rows + %s, problem = %s, reached = %s::jsonb, looked = now(),
    due = now() + make_interval(secs => every_seconds) WHERE name = %s
"""
_CLAIM = """
UPDATE exchange_table_source SET due = now() + greatest(interval '10 minutes', make_interval(secs => every_seconds))
WHERE name = (SELECT name FROM exchange_table_source WHERE due <= now() ORDER BY due LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING name
"""


@dataclass(frozen=True, slots=True)
class State:
    """How far a source was read."""

    reached: Any
    looked: datetime | None
    rows: int
    problem: str


async def add(db: Db, one: Source) -> bool:
    """Keep a source; False when its name is taken."""
    row = await db.execute(
        _ADD, (one.name, one.sender, one.url, one.query, one.watermark, one.mapping, one.every_seconds)
    )
    return await row.fetchone() is not None


async def all_of(db: Db) -> list[tuple[tuple[Any, ...], State]]:
    """All sources."""
    return [(tuple(row[:7]), State(*row[7:])) for row in await (await db.execute(_ALL)).fetchall()]


async def remove(db: Db, name: str) -> bool:
    """Forget a source; False when there is none."""
    row = await db.execute("DELETE FROM exchange_table_source WHERE name = %s RETURNING name", (name,))
    return await row.fetchone() is not None


async def looked(db: Db, name: str, rows: int, problem: str, reached: Any) -> None:
    """Note what a look brought, and when the next is due."""
    await db.execute(_LOOKED, (rows, problem, encode(reached).decode(), name))


async def claim(db: Db) -> str | None:
    """A source whose time has come; nobody else looks at it for ten minutes."""
    row = await (await db.execute(_CLAIM)).fetchone()
    return None if row is None else str(row[0])
