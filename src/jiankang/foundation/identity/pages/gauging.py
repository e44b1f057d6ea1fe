"""The figures of the whole index, which take a while at ten million registrations: counted again only now and then."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from jiankang.foundation.access import EVERYTHING
from jiankang.foundation.identity import queue

if TYPE_CHECKING:
    from datetime import datetime

    from jiankang.foundation.access import Actor
    from jiankang.foundation.identity.queue import Figures
    from jiankang.foundation.identity.room import Identity

LEAST_SECONDS = 30.0
SHARE = 50.0
"""Counting takes at most one part in so many of the time."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Figures, when they were counted, and until when they are good enough (by the monotonic clock)."""

    figures: Figures
    at: datetime
    until: float


_COUNTED: WeakKeyDictionary[Identity, Counted] = WeakKeyDictionary()


async def figures_for(room: Identity, actor: Actor) -> Counted | None:
    """The figures, a little old perhaps; None for who may not see every registration: they count those, too."""
    if actor.restriction is not EVERYTHING:
        return None
    counted = _COUNTED.get(room)
    if counted is None or time.monotonic() > counted.until:
        started = time.monotonic()
        async with room.record.reading(None) as db:
            figures = await queue.figures(db)
        ended = time.monotonic()
        until = ended + max(LEAST_SECONDS, SHARE * (ended - started))
        counted = _COUNTED[room] = Counted(figures, room.record.clock(), until)
    return counted
