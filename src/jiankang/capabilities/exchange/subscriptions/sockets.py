"""The channel websocket: a client binds itself to subscriptions and is told at once.

`bind <id>` is answered with `bound <id>`, and each news of it with `ping <id>`
(http://hl7.org/fhir/R4/subscription.html#websocket). `bind-with-token: <token>` is answered with notification Bundles
(http://hl7.org/fhir/uv/subscriptions-backport/channels.html#websockets).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from starlette.websockets import WebSocketDisconnect

from jiankang.capabilities.exchange.subscriptions import records
from jiankang.capabilities.exchange.subscriptions.model import FAILED, FAILING, WEBSOCKET, Subscriber
from jiankang.capabilities.exchange.subscriptions.notifications import HANDSHAKE, HEARTBEAT, notification
from jiankang.capabilities.exchange.subscriptions.signing import bearer_of
from jiankang.capabilities.exchange.subscriptions.telling import NOTHING, base_url, bundle_parcel, parcel
from jiankang.foundation.identity.notifying import TYPE
from jiankang.kernel.database import translated
from jiankang.kernel.errors import Problem

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from jiankang.foundation.access import Actor
    from jiankang.foundation.record.store import Record
    from jiankang.foundation.record.wire.server import Server

POLL_SECONDS = 0.1
IDLE_SECONDS = 30.0
"""How long a client may take to bind itself to something."""
MOST_BOUND = 100
_TAKING_SECONDS = 10.0
_MOST_LETTERS = 2_048
_AT_ONCE = 50
_POLICY, _TOO_BIG = 1008, 1009
_log = logging.getLogger("jiankang.exchange")


@dataclass(slots=True)
class Bound:
    """A client bound to a subscription: how far it was told here, by `ping` or in full, and when last."""

    told: int
    in_full: bool
    spoke: float


@dataclass(eq=False, slots=True)
class Line:
    """One client's connection."""

    socket: WebSocket
    actor: Actor | None
    bound: dict[str, Bound] = field(default_factory=dict)

    async def say(self, text: str) -> None:
        """Send; a client that does not take it in is left."""
        async with asyncio.timeout(_TAKING_SECONDS):
            await self.socket.send_text(text)


class Switchboard:
    """All clients of a process, and one look at the database for all of them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.lines: set[Line] = set()
        self._watching: asyncio.Task[None] | None = None

    async def serve(self, socket: WebSocket) -> None:
        """Talk with a client until it, or we, leave."""
        if not _may_come(self.server, socket):
            await socket.close(_POLICY)
            return
        try:
            actor: Actor | None = self.server.authenticate(socket.scope)
        except Problem:
            actor = None  # who cannot say who they are needs a token
        await socket.accept()
        line = Line(socket, actor)
        self.lines.add(line)
        try:
            await self._listen(line)
        except (WebSocketDisconnect, RuntimeError, TimeoutError):  # gone, or does not take anything in
            pass
        finally:
            self.lines.discard(line)

    async def _listen(self, line: Line) -> None:
        while True:
            try:
                async with asyncio.timeout(None if line.bound else IDLE_SECONDS):
                    text = await line.socket.receive_text()
            except TimeoutError:
                await line.socket.close(_POLICY, "nothing was bound")
                return
            except KeyError:  # bytes
                text = ""
            if len(text) > _MOST_LETTERS:
                await line.socket.close(_TOO_BIG)
                return
            await self._heard(line, text.strip())

    async def _heard(self, line: Line, text: str) -> None:
        word, _, rest = text.partition(" ")
        if word == "bind" and rest:
            await self._bind(line, rest.strip(), in_full=False)
        elif word == "bind-with-token:" and rest:
            ids = bearer_of(self.server.secret, rest, self.server.record.clock().timestamp())
            for id_ in ids:
                await self._bind(line, id_, in_full=True)
            if not ids:
                await line.say("error: the token is not valid (any more): ask for another with $get-ws-binding-token")
        else:
            await line.say("error: say `bind [id]` or `bind-with-token: [token]`")

    async def _bind(self, line: Line, id_: str, *, in_full: bool) -> None:
        if len(line.bound) >= MOST_BOUND and id_ not in line.bound:
            await line.say(f"error: at most {MOST_BOUND} subscriptions are bound on one connection")
            return
        one = await self._known(line, id_, by_token=in_full)
        if one is None:
            await line.say(f"error: {id_} is no subscription with the channel websocket that you may see")
            return
        now = asyncio.get_running_loop().time()
        if in_full and one.wish.topic:
            greeting = notification(one, HANDSHAKE, base_url(self.server), now=self.server.record.clock())
            await line.say(bundle_parcel(one, greeting).body.decode())
        else:
            await line.say(f"bound {id_}")
        line.bound[id_] = Bound(one.told, in_full and bool(one.wish.topic), now)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())

    async def _known(self, line: Line, id_: str, *, by_token: bool) -> Subscriber | None:
        try:
            if not by_token:
                if line.actor is None:
                    return None
                await self.server.record.read(line.actor, TYPE, id_)
            with translated():
                async with self.server.record.pool.connection() as db:
                    one = await records.subscriber_or_none(db, id_)
        except Problem:
            return None
        served = one is not None and one.wish.channel == WEBSOCKET and one.state not in {FAILING, FAILED}
        return one if served else None

    async def _watch(self) -> None:
        """Tell all clients what is new, as long as there are any."""
        while self.lines:
            try:
                await self._look()
            except Problem as problem:
                _log.warning("sockets wait: %s", problem)
            except Exception:  # noqa: BLE001 - one client must not silence all others
                _log.exception("telling on sockets")
            await asyncio.sleep(POLL_SECONDS)

    async def _look(self) -> None:
        ids = sorted({id_ for line in self.lines for id_ in line.bound})
        if not ids:
            return
        with translated():
            async with self.server.record.pool.connection() as db:
                found = {one.id: one for one in await records.several(db, ids)}
        jobs = [self._update(line, found) for line in tuple(self.lines)]
        told = [done for some in await asyncio.gather(*jobs) for done in some]
        if told:
            with translated():
                async with self.server.record.pool.connection() as db:
                    for id_, number in told:
                        await records.bound_told(db, id_, number)

    async def _update(self, line: Line, found: dict[str, Subscriber]) -> list[tuple[str, int]]:
        """Tell one client; of which subscriptions, and up to where."""
        told: list[tuple[str, int]] = []
        try:
            for id_, bound in tuple(line.bound.items()):
                one = found.get(id_)
                if one is None or one.ended or one.state in {FAILING, FAILED}:
                    del line.bound[id_]
                    await line.say(f"error: {id_} is served no more")
                elif one.events > bound.told:
                    await self._tell(line, one, bound)
                    told.append((id_, bound.told))
                else:
                    await self._beat(line, one, bound)
        except (WebSocketDisconnect, RuntimeError, TimeoutError):
            self.lines.discard(line)
            with contextlib.suppress(Exception):
                await line.socket.close()
        return told

    async def _tell(self, line: Line, one: Subscriber, bound: Bound) -> None:
        if not bound.in_full:
            await line.say(f"ping {one.id}")
            bound.told = one.events
        else:
            async with self.server.record.pool.connection() as db:
                events = await records.events(db, one.id, bound.told + 1, one.events, _AT_ONCE)
            step = one.wish.most_events
            for start in range(0, len(events), step):
                some = events[start : start + step]
                told = await parcel(self.server, one, some)
                if told is not NOTHING:
                    await line.say(told.body.decode())
                bound.told = some[-1].number
            if not events:  # they are kept no more
                bound.told = one.events
        bound.spoke = asyncio.get_running_loop().time()

    async def _beat(self, line: Line, one: Subscriber, bound: Bound) -> None:
        now = asyncio.get_running_loop().time()
        if bound.in_full and one.wish.heartbeat_seconds and now - bound.spoke >= one.wish.heartbeat_seconds:
            beat = notification(one, HEARTBEAT, base_url(self.server), now=self.server.record.clock())
            await line.say(bundle_parcel(one, beat).body.decode())
            bound.spoke = now


def _may_come(server: Server, socket: WebSocket) -> bool:
    """Whether a page of that origin may talk with us: browsers send it, and anybody's page may try."""
    origin = socket.headers.get("origin")
    if origin is None:
        return True
    allowed = {one.strip() for one in server.settings.cors_origins.split(",")}
    return origin in allowed or "*" in allowed or urlsplit(origin).netloc == socket.headers.get("host")


_BOARDS: WeakKeyDictionary[Record, Switchboard] = WeakKeyDictionary()


async def listen(socket: WebSocket) -> None:
    """The endpoint of the socket, over the server that the app has in its state."""
    server: Server = socket.app.state.server
    board = _BOARDS.get(server.record)
    if board is None or board.server is not server:
        board = _BOARDS[server.record] = Switchboard(server)
    await board.serve(socket)
