"""Opens the room over a record: registration, operations, and persons read as Patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.foundation.identity.answering import Persons
from jiankang.foundation.identity.notifying import TYPE, Subscribing
from jiankang.foundation.identity.operations import add_operations
from jiankang.foundation.identity.room import identity_of

if TYPE_CHECKING:
    from jiankang.foundation.identity.weights import Weights
    from jiankang.foundation.record.wire.server import Server


def open_index(server: Server, weights: Weights | None = None) -> Persons:
    """Have every Patient that is written find its person by a model (else the shipped one), and the operations answered."""
    room = identity_of(server.record)
    server.record.guards[TYPE] = Subscribing(server)
    if weights is not None:
        room.weights = weights
    add_operations()
    return Persons()
