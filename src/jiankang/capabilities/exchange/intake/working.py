"""Lands what waits, in the background of a process; several processes may, each takes what no other holds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from jiankang.capabilities.exchange.intake import records
from jiankang.capabilities.exchange.intake.records import Traffic
from jiankang.kernel.database import translated
from jiankang.kernel.errors import Problem
from jiankang.kernel.tasks import end_tasks

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.intake import Intake

POLL_SECONDS = 0.05
AT_ONCE = 40
_TROUBLE_SECONDS = 2.0
_TELL_SECONDS = 2.0
_log = logging.getLogger("jiankang.exchange")


class Worker:
    """`async with Worker(intake): …` lands letters until it is left."""

    def __init__(self, intake: Intake, at_once: int = AT_ONCE) -> None:
        self.intake = intake
        self.at_once = at_once
        self._tally: dict[str, Traffic] = {}
        self._told = 0.0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await end_tasks(self._task)
        with contextlib.suppress(Problem):
            await self._tell()

    async def run(self) -> None:
        """Land letters for ever."""
        while True:
            try:
                if await self.once():
                    continue
                await self._tell()
                await self.intake.wait_for_letters(POLL_SECONDS)
            except Problem as problem:
                _log.warning("letters wait: %s", problem)
                await asyncio.sleep(_TROUBLE_SECONDS)
            except Exception:  # noqa: BLE001 - whatever it was, go on
                _log.exception("landing letters")
                await asyncio.sleep(_TROUBLE_SECONDS)

    async def once(self) -> int:
        """Land some; how many were taken."""
        taken, done = await self.intake.lander.land_some(self.at_once)
        self._note(done)
        if asyncio.get_running_loop().time() - self._told > _TELL_SECONDS:
            await self._tell()
        return taken

    def _note(self, done: Sequence[tuple[str, int, float]]) -> None:
        for sender, dead, age_ms in done:
            tally = self._tally.setdefault(sender, Traffic())
            if dead:
                tally.dead += 1
                continue
            tally.landed += 1
            tally.landed_ms += int(age_ms)
            tally.slowest_ms = max(tally.slowest_ms, int(age_ms))

    async def _tell(self) -> None:
        """Write the traffic down."""
        self._told = asyncio.get_running_loop().time()
        tally, self._tally = self._tally, {}
        if tally:
            await count(self.intake, tally)


async def count(intake: Intake, tally: Mapping[str, Traffic]) -> None:
    """Add to the traffic of this minute."""
    with translated():
        async with intake.record.pool.connection() as db, db.transaction():
            await records.count(db, tally)
