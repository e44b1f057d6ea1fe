"""Reads by id that arrive together are asked for together: one round trip for all who wait.

While one query is under way the next requests gather; so the busier the server, the fewer queries each read costs,
and a lone reader waits for nobody.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jiankang.kernel.database import translated

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

Row = tuple[Any, ...]

_READ = """
SELECT rid, version, updated, deleted, method, body, id, type, at, home, CASE WHEN %s THEN keys END AS keys
FROM resource WHERE rid = ANY(%s::bigint[])
"""
_MOST = 256


class Reads:
    """Gathers reads of `resource` rows by their number."""

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self._pool = pool
        self._waiting: dict[tuple[int, bool], list[asyncio.Future[Row | None]]] = {}
        self._busy = False

    async def row(self, rid: int, *, with_keys: bool) -> Row | None:
        """The row of `rid`, or None; `keys` only where they are needed to decide who may see it."""
        future: asyncio.Future[Row | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault((rid, with_keys), []).append(future)
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

    async def _answer(self, wanted: dict[tuple[int, bool], list[asyncio.Future[Row | None]]]) -> None:
        try:
            found = await self._fetch(wanted)
        except BaseException as error:
            for futures in wanted.values():
                for future in futures:
                    if not future.done():
                        future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            if not isinstance(error, Exception):
                raise
            return
        for (rid, _), futures in wanted.items():
            for future in futures:
                if not future.done():
                    future.set_result(found.get(rid))

    async def _fetch(self, wanted: dict[tuple[int, bool], list[asyncio.Future[Row | None]]]) -> dict[int, Row]:
        with_keys = any(keys for _, keys in wanted)
        with translated():
            async with self._pool.connection() as db:
                cursor = db.cursor(binary=True)
                await cursor.execute(_READ, (with_keys, list({rid for rid, _ in wanted})))
                return {row[0]: row for row in await cursor.fetchall()}
