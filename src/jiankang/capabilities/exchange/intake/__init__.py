"""The common way in: letters of every format are kept before they are acknowledged, and then land in the record."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.intake import records
from jiankang.capabilities.exchange.intake.keeping import Keeper, Kept, keep_all, to_keep
from jiankang.capabilities.exchange.intake.landing import Lander
from jiankang.capabilities.exchange.intake.senders import STATES, Known, Senders
from jiankang.capabilities.exchange.intake.working import Worker
from jiankang.kernel.database import translated
from jiankang.kernel.errors import Conflict, NotFound

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.model import Complaint, Format, Letter
    from jiankang.foundation.record.wire.server import Server


@dataclass(frozen=True, slots=True)
class Landed:
    """What became of a letter: `landed`, `dead`, `tested` (nothing was written), `waiting`, `refused`, `dropped`."""

    number: int
    state: str
    resources: tuple[tuple[str, str], ...] = ()
    """Type and id of what was made or changed."""
    complaints: tuple[dict[str, Any], ...] = ()


class Intake:
    """The inbox of one platform."""

    def __init__(self, server: Server, formats: Mapping[str, Format]) -> None:
        self.server = server
        self.record = server.record
        self.formats = formats
        self.senders = Senders(self.record)
        self.keeper = Keeper(self.record)
        self.lander = Lander(server, formats, self.senders)
        self._come = asyncio.Event()

    async def keep(
        self,
        sender: str,
        letter: Letter,
        *,
        answer: bytes = b"",
        state: str = "waiting",
        complaints: Sequence[Complaint] = (),
    ) -> Kept:
        """Have a letter on disk; from then on it lands, whatever happens. `answer` is what its sender is told.

        One that came before, byte for byte, is told the same and has no second effect. Another letter under the same key
        is a conflict: it is kept as refused, and lands nowhere. With state `dead` or `refused` it is kept for people to
        look at, with what is wrong with it. Raises Unavailable.
        """
        kept = await self.keeper.keep(to_keep(sender, letter, answer, state, complaints))
        self._come.set()
        return kept

    async def keep_all(self, sender: str, letters: Sequence[Letter]) -> list[Kept]:
        """Have many letters on disk, all or none."""
        with translated():
            async with self.record.pool.connection() as db, db.transaction():
                kept = await keep_all(db, [to_keep(sender, one, b"") for one in letters])
        self._come.set()
        return kept

    async def land(self, number: int) -> Landed:
        """Read a letter and write what it says now, also one that landed or died before. Raises NotFound."""
        await self.lander.land_one(number)
        return await self.state(number)

    async def state(self, number: int) -> Landed:
        """What became of a letter. Raises NotFound."""
        async with self.record.pool.connection() as db:
            found = await records.state_of(db, number)
        if found is None:
            raise NotFound(f"there is no letter {number}")
        state, made, complaints = found
        pairs = tuple((one.split("/")[0], one.split("/")[1]) for one in made if "/" in one)
        return Landed(number, state, pairs, tuple(complaints))

    async def mend(self, number: int, body: bytes, by: str) -> Landed:
        """Land a dead letter with another text, which is kept beside what arrived. Raises Conflict when it is not dead."""
        async with self.record.pool.connection() as db, db.transaction():
            if not await records.mend(db, number, body, by):
                raise Conflict(f"letter {number} is not dead (any more): look at it again")
        return await self.land(number)

    async def drop(self, number: int, by: str) -> None:
        """Put a dead letter away for good. Raises Conflict when it is not dead."""
        async with self.record.pool.connection() as db:
            if not await records.drop(db, number, by):
                raise Conflict(f"letter {number} is not dead (any more): look at it again")

    async def again(self, numbers: Sequence[int]) -> int:
        """Have letters landed again in the background; how many there are."""
        async with self.record.pool.connection() as db:
            count = await records.wait_again(db, numbers)
        self._come.set()
        return count

    async def wait_for_letters(self, seconds: float) -> None:
        """Wait until a letter comes through a door of this process, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._come.wait()
        self._come.clear()


__all__ = ["STATES", "Intake", "Kept", "Known", "Landed", "Senders", "Worker"]
