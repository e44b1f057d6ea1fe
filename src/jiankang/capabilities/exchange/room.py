"""The room over one server: its formats, its inbox, and what it does in the background."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from jiankang.capabilities.exchange.dicom.opening import following
from jiankang.capabilities.exchange.hl7v2.door import Door
from jiankang.capabilities.exchange.hl7v2.mllp import Limits, Listener, server_tls
from jiankang.capabilities.exchange.hl7v2.out.telling import Teller
from jiankang.capabilities.exchange.intake import Intake, Worker
from jiankang.capabilities.exchange.subscriptions import Couriers
from jiankang.capabilities.exchange.tables import Sources, TableFormat, TableWorker, Uploads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from jiankang.capabilities.exchange.model import Format
    from jiankang.foundation.record.store import Record
    from jiankang.foundation.record.wire.server import Server

_ROOMS: WeakKeyDictionary[Record, Exchange] = WeakKeyDictionary()


def formats() -> Mapping[str, Format]:
    """The languages that are understood, by name."""
    from jiankang.capabilities.exchange.dicom import DicomFormat
    from jiankang.capabilities.exchange.hl7v2 import Hl7v2

    return {one.name: one for one in (Hl7v2(), DicomFormat(), TableFormat())}


class Exchange:
    """What arrives at and leaves one platform."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.intake = Intake(server, formats())
        self.door = Door(self.intake)
        self.tables = Uploads(self.intake)
        self.sources = Sources(self.intake)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Land what waits, follow the archive of images, tell subscribers, until it is left."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(Worker(self.intake))
            await stack.enter_async_context(following(self.intake))
            await stack.enter_async_context(TableWorker(self.tables, self.sources))
            await stack.enter_async_context(Couriers(self.server))
            await stack.enter_async_context(Teller(self.server))
            yield

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Listener]:
        """Keep the MLLP door open, until it is left."""
        settings = self.server.settings
        tls = server_tls(settings.mllp_certificate, settings.mllp_key, settings.mllp_clients)
        limits = Limits(most_bytes=settings.max_message_bytes)
        listener = Listener(
            settings.mllp_host, settings.mllp_port, self.door, tls=tls, limits=limits, too_large=self.door.too_large
        )
        async with listener:
            yield listener


def open_exchange(server: Server) -> Exchange:
    """The room over a server: one for each record."""
    room = _ROOMS.get(server.record)
    if room is None or room.server is not server:
        room = _ROOMS[server.record] = Exchange(server)
    return room
