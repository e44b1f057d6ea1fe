"""Concepts that are looked for at the same time are read together: one round trip for all who wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jiankang.kernel.database import translated

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

COLUMNS = "system, n, last, flags, code, display, parents, ancestors, more"
_READ = """
SELECT {columns} FROM unnest(%s::integer[], %s::{type}[]) AS u(wanted, item)
JOIN concept AS c ON c.system = u.wanted AND c.{column} = u.item{collation}
"""
BY_CODE = _READ.format(columns=COLUMNS, type="text", column="code", collation=' COLLATE "C"'), 4
BY_PLACE = _READ.format(columns=COLUMNS, type="integer", column="n", collation=""), 1
_MOST = 256
Row = tuple[Any, ...]


class Gathering:
    """Gathers reads of concepts by system and code (or place), as `record.reads` gathers those of resources."""

    def __init__(self, pool: AsyncConnectionPool[Any], how: tuple[str, int]) -> None:
        self._pool = pool
        self._statement, self._column = how
        self._waiting: dict[tuple[int, Any], list[asyncio.Future[Row | None]]] = {}
        self._busy = False

    async def row(self, system: int, item: str | int) -> Row | None:
        """The row of a concept, or None."""
        future: asyncio.Future[Row | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault((system, item), []).append(future)
        if not self._busy:
            self._busy = True
            self._task = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        try:
            while self._waiting:
                wanted = dict(list(self._waiting.items())[:_MOST])
                for key in wanted:
                    del self._waiting[key]
                await self._answer(wanted)
        finally:
            self._busy = False

    async def _answer(self, wanted: dict[tuple[int, Any], list[asyncio.Future[Row | None]]]) -> None:
        found: dict[tuple[int, Any], Row] = {}
        error: BaseException | None = None
        try:
            systems, items = zip(*wanted, strict=True)
            with translated():
                async with self._pool.connection() as db:
                    cursor = db.cursor(binary=True)
                    await cursor.execute(self._statement, (list(systems), list(items)))
                    found = {(row[0], row[self._column]): row for row in await cursor.fetchall()}
        except BaseException as caught:  # noqa: BLE001 - it is the waiters' error
            error = caught
        for key, futures in wanted.items():
            for future in futures:
                if future.done():
                    continue
                if error is None:
                    future.set_result(found.get(key))
                else:
                    future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
