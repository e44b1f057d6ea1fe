"""The listening side: many senders at once, answers in the order of their messages, nothing without bounds."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from jiankang.capabilities.exchange.hl7v2.mllp.framing import Frames, framed

if TYPE_CHECKING:
    import ssl

_HEARD_SECONDS = 2.0
"""How long a sender whose message was too large may go on writing before it is hung up on."""
_log = logging.getLogger("jiankang.mllp")


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection."""

    address: str
    fingerprint: str = ""
    """SHA-256 of its certificate, hex; empty without TLS client certificates."""
    subject: str = ""


Handler = Callable[[bytes, Peer], Awaitable[bytes | None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may take."""

    most_bytes: int = 32 * 1024 * 1024
    most_under_way: int = 64
    half_seconds: float = 30.0
    idle_seconds: float = 3600.0
    most_connections: int = 2000


class Listener:
    """`async with Listener(host, port, handler) as listener: …` answers messages until it is left."""

    def __init__(
        self,
        host: str,
        port: int,
        handler: Handler,
        *,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        too_large: Callable[[], bytes] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.handler = handler
        self.tls = tls
        self.limits = limits or Limits()
        self.too_large = too_large
        self.connections: set[_Connection] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        bound = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((self.host, self.port))
        self.port = bound.getsockname()[1]
        self._server = await loop.create_server(
            lambda: _Connection(self),
            sock=bound,
            ssl=self.tls,
            backlog=512,
            ssl_shutdown_timeout=_HEARD_SECONDS if self.tls else None,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Take no more messages, answer what is under way, and close."""
        self._server.close()
        leaving = [connection.leave() for connection in self.connections]
        if leaving:
            await asyncio.wait([asyncio.create_task(one) for one in leaving], timeout=15)
        for connection in list(self.connections):
            connection.transport.abort()


class _Connection(asyncio.Protocol):
    """One sender's connection."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.limits = listener.limits
        self.frames = Frames(self.limits.most_bytes)
        self.waiting: deque[bytes] = deque()
        self.under_way: deque[asyncio.Task[bytes | None]] = deque()
        self.loop = asyncio.get_running_loop()
        self.deadline: asyncio.TimerHandle | None = None
        self.writer: asyncio.Task[None] | None = None
        self.closing: asyncio.Task[None] | None = None
        self.slow: asyncio.TimerHandle | None = None
        self.transport: Any = None
        self.writable = asyncio.Event()
        self.writable.set()
        self.lost = asyncio.Event()
        self.leaving = False
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        if len(self.listener.connections) >= self.limits.most_connections:
            self.transport.abort()
            return
        self.listener.connections.add(self)
        self.peer = _peer(self.transport)
        self._wait(self.limits.idle_seconds)

    def data_received(self, data: bytes) -> None:
        if self.closing is not None:
            return  # taken off the wire, so that the refusal reaches who is still writing
        begun = self.frames.begun
        messages = self.frames.feed(data)
        self.waiting.extend(messages)
        self._work()
        if self.frames.over:
            self._refuse_size()
            return
        if messages or self.frames.begun != begun:
            self._wait(self.limits.half_seconds if self.frames.begun else self.limits.idle_seconds)

    def _work(self) -> None:
        """Begin as much as may be under way at once; the rest waits, and is not read from the wire."""
        while self.waiting and len(self.under_way) < self.limits.most_under_way and not self.leaving:
            self.under_way.append(self.loop.create_task(self._handled(self.waiting.popleft())))
        if self.under_way and (self.writer is None or self.writer.done()):
            self.writer = self.loop.create_task(self._write())
        if self.transport.is_closing():
            return
        if self.waiting and not self.paused:
            self.transport.pause_reading()
            self.paused = True
        elif not self.waiting and self.paused:
            self.transport.resume_reading()
            self.paused = False

    async def _handled(self, message: bytes) -> bytes | None:
        return await self.listener.handler(message, self.peer)

    async def _write(self) -> None:
        """Answers in the order of the messages."""
        while self.under_way:
            try:
                answer = await self.under_way[0]
            except Exception:  # noqa: BLE001 - without an answer the sender sends again
                _log.exception("a message from %s", self.peer.address)
                self.transport.abort()
                return
            self.under_way.popleft()
            if answer is not None:
                self.transport.write(framed(answer))
                await self.writable.wait()
            self._work()

    def _refuse_size(self) -> None:
        """Answer what came before, refuse this one, and hang up as soon as the sender has heard it."""
        self.closing = self.loop.create_task(self._refused())
        self._wait(self.limits.half_seconds)

    async def _refused(self) -> None:
        if self.writer is not None:
            await self.writer
        if self.transport.is_closing():
            return
        if self.listener.too_large is not None:
            self.transport.write(framed(self.listener.too_large()))
        if self.paused:
            self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
            await asyncio.sleep(_HEARD_SECONDS)
        self.transport.close()

    def _wait(self, seconds: float) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
        self.deadline = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        if self.under_way or self.waiting:
            self._wait(self.limits.half_seconds)
            return
        self.transport.abort()

    def pause_writing(self) -> None:
        self.writable.clear()
        self.slow = self.loop.call_later(self.limits.half_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self.writable.set()
        if self.slow is not None:
            self.slow.cancel()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.listener.connections.discard(self)
        self.lost.set()
        self.writable.set()
        self.waiting.clear()
        for timer in (self.deadline, self.slow):
            if timer is not None:
                timer.cancel()

    async def leave(self) -> None:
        """Answer what is under way and close."""
        self.leaving = True
        self.transport.pause_reading()
        if self.writer is not None:
            await asyncio.wait([self.writer])
        self.transport.close()
        await self.lost.wait()


def _peer(transport: Any) -> Peer:
    name = transport.get_extra_info("peername")
    address = str(name[0]) if name else ""
    tls = transport.get_extra_info("ssl_object")
    raw = tls.getpeercert(binary_form=True) if tls is not None else None
    if not raw:
        return Peer(address)
    parts = [value for group in (tls.getpeercert() or {}).get("subject", ()) for _, value in group]
    return Peer(address, hashlib.sha256(raw).hexdigest(), ", ".join(parts))
