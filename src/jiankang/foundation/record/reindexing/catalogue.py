"""What one process knows of the custom search parameters, kept fresh while it runs, and its share of the indexing.

A process hears of changes by NOTIFY, and looks every second in case it did not. When it could not look for
LEASE_SECONDS it answers no search by custom parameters; that is why a pass that takes index rows away waits so long
before it begins.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from jiankang.foundation.record.reindexing.definitions import CHANNEL, Definitions, definition_of
from jiankang.foundation.record.reindexing.passes import Passes
from jiankang.foundation.record.reindexing.progress import Progress, progress
from jiankang.kernel.database import translated
from jiankang.kernel.errors import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from jiankang.fhir.search import Parameter, Registry
    from jiankang.foundation.record.store import Record

POLL_SECONDS = 1.0
LEASE_SECONDS = 4.0

_log = logging.getLogger("jiankang.search")
_ROWS = "SELECT url, base, bit, definition, state FROM search_parameter WHERE state <> 'retired' ORDER BY url, base"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One custom parameter as it was taken into force."""

    definition: str
    bits: tuple[tuple[str, int], ...]


class Catalogue:
    """Custom search parameters of one record in one process."""

    def __init__(self, record: Record, registry: Registry, passes: Passes | None = None) -> None:
        self.record = record
        self.registry = registry
        self.passes = passes or Passes(record, registry)
        self._generation = -1
        self._fresh_until = 0.0
        self._entries: dict[str, _Entry] = {}
        self._building: dict[tuple[str, str], int] = {}
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()

    @asynccontextmanager
    async def running(self, *, indexing: bool = True) -> AsyncIterator[Catalogue]:
        """Know the parameters, take new ones that are written, and (with `indexing`) help to index what is stored."""
        self.record.guards["SearchParameter"] = Definitions(self.registry)
        self.registry.withheld = self.withheld
        await self.refresh()
        tasks = [asyncio.create_task(self._follow())]
        if indexing:
            tasks.append(asyncio.create_task(self._index()))
        listener = asyncio.create_task(self._listen())
        try:
            yield self
        finally:
            self._stopping.set()
            self._wake.set()
            await asyncio.gather(*tasks)
            while not listener.done():  # a cancellation may be lost while psycopg waits
                listener.cancel()
                await asyncio.wait([listener], timeout=1)
            for url in self._entries:
                self.registry.unregister(url)

    def withheld(self, type_name: str, parameter: Parameter) -> str | None:
        """Why nothing can be found by this custom parameter just now; None when everything can."""
        if time.monotonic() > self._fresh_until:
            return "whether every resource is indexed for it cannot be told just now; try again"
        percent = self._building.get((type_name, parameter.code))
        if percent is None:
            return None
        return (
            f"the {type_name} resources stored before are still being indexed for it ({percent} % done); "
            "GET $reindex shows how far it is"
        )

    # -- knowing

    async def refresh(self) -> None:
        """Learn what changed since last time."""
        started = time.monotonic()
        with translated():
            async with self.record.side.connection() as db:
                row = await (await db.execute("SELECT number FROM search_generation")).fetchone()
                number = int(row[0]) if row else 0
                if number != self._generation or self._building:
                    rows = await (await db.execute(_ROWS)).fetchall()
                    self._take(rows, await progress(db))
                    self._generation = number
        self._fresh_until = started + LEASE_SECONDS

    def _take(self, rows: list[Any], passes: list[Progress]) -> None:
        """Bring the registry in step with the table."""
        percents = {one.type: one.percent for one in passes}
        found: dict[str, _Entry] = {}
        building: dict[tuple[str, str], int] = {}
        for url, base, bit, definition, state in rows:
            before = found.get(url)
            found[url] = _Entry(definition, (*(before.bits if before else ()), (base, bit)))
            if state == "building":
                building[base, definition_of(definition)["code"]] = percents.get(base, 0)
        self._building = building | self._building
        for url in [url for url in self._entries if url not in found]:
            self.registry.unregister(url)
            del self._entries[url]
        for url, entry in found.items():
            if self._entries.get(url) == entry:
                continue
            try:
                self.registry.register(definition_of(entry.definition), dict(entry.bits))
            except Problem:
                _log.exception("search parameter %s cannot be used by this version", url)
                continue
            self._entries[url] = entry
        self._building = building

    async def _follow(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):  # wait_for of 3.11 may lose a cancellation
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.refresh()
            except (Problem, psycopg.Error) as problem:
                _log.warning("custom search parameters cannot be looked up: %s", problem)

    async def _listen(self) -> None:
        while True:
            try:
                dsn = str(self.record.side.conninfo)
                async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as db:
                    await db.execute(f"LISTEN {CHANNEL}")
                    async for _ in db.notifies():
                        self._wake.set()
            except psycopg.OperationalError:
                await asyncio.sleep(POLL_SECONDS)

    # -- indexing

    async def _index(self) -> None:
        """Batch after batch, resting as long as each took, so that requests always have at least half of the time."""
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                worked = self._generation >= 0 and await self.passes.step()
            except Problem as problem:
                _log.warning("indexing waits: %s", problem)
                worked = False
            except (psycopg.Error, ValueError):
                _log.exception("indexing failed and is tried again")
                worked = False
            took = time.monotonic() - started
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(took if worked else POLL_SECONDS):
                    await self._stopping.wait()
