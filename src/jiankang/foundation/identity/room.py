"""The room over one record: its model, and the guard that registers every Patient."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from jiankang.foundation.identity.normalise import Normaliser
from jiankang.foundation.identity.registering import Registrar
from jiankang.foundation.identity.weights import first_weights

if TYPE_CHECKING:
    from jiankang.foundation.identity.weights import Weights
    from jiankang.foundation.record.store import Record

_ROOMS: WeakKeyDictionary[Record, Identity] = WeakKeyDictionary()


@lru_cache(maxsize=4)
def _normaliser(today: str) -> Normaliser:
    return Normaliser(today)


class Identity:
    """Who is who in one record."""

    def __init__(self, record: Record, weights: Weights) -> None:
        self.record = record
        self.weights = weights

    @property
    def normaliser(self) -> Normaliser:
        """The normaliser of today."""
        return _normaliser(f"{self.record.clock():%Y%m%d}")


def identity_of(record: Record) -> Identity:
    """The room over a record; from then on every Patient that is written is registered."""
    room = _ROOMS.get(record)
    if room is None:
        room = _ROOMS[record] = Identity(record, first_weights())
        record.guards["Patient"] = Registrar(room)
    return room
