"""What this part does in the background: rows of confirmed files are kept, databases are looked at when their time comes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.tables.sources import Sources
    from jiankang.capabilities.exchange.tables.uploads import Uploads

IDLE_SECONDS = 1.0
TROUBLED_SECONDS = 10.0
_log = logging.getLogger("jiankang.exchange.tables")


class TableWorker:
    """Works until it is left."""

    def __init__(self, uploads: Uploads, sources: Sources) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._parts = (uploads, sources)

    async def __aenter__(self) -> Self:
        """Begin."""
        self._tasks = [asyncio.create_task(self._work(part)) for part in self._parts]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop; what was under way is begun again by the next."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _work(self, part: Uploads | Sources) -> None:
        while True:
            try:
                wait = 0.0 if await part.work() else IDLE_SECONDS
            except Exception:  # noqa: BLE001 - the next look may fare better
                _log.exception("%s", type(part).__name__)
                wait = TROUBLED_SECONDS
            await asyncio.sleep(wait)
