"""How far the passes over stored resources have come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row

from jiankang.kernel.database import translated

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from psycopg import AsyncConnection

_PROGRESS = """
SELECT type, state, asked, least(done, total) AS done, total, rewritten, finished FROM reindex
WHERE %s::text[] IS NULL OR type = ANY(%s::text[]) ORDER BY type
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """The pass over one type: `done` of `total` resources were read and `rewritten` of them had to be changed.

    `state` is waiting (total not counted yet), reading, settling (all were read; writes that began before the pass are
    waited for), or done.
    """

    type: str
    state: str
    asked: datetime
    done: int
    total: int
    rewritten: int
    finished: datetime | None

    @property
    def percent(self) -> int:
        """How much of it is done; 100 only at the end."""
        if self.state == "done":
            return 100
        return min(99, 100 * self.done // self.total) if self.total else 0


async def progress(db: AsyncConnection[Any], types: Sequence[str] | None = None) -> list[Progress]:
    """The passes over these types (None: all), as they are committed."""
    with translated():
        cursor = db.cursor(row_factory=class_row(Progress))
        named = None if types is None else list(types)
        return await (await cursor.execute(_PROGRESS, (named, named))).fetchall()
