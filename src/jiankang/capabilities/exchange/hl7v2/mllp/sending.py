"""The sending side: a message, and the acknowledgement that comes back."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Self

from jiankang.capabilities.exchange.hl7v2.mllp.framing import Frames, framed

if TYPE_CHECKING:
    import ssl

_CONTROL = re.compile(rb"MSH([^\r\n])(?:[^\r\n]*?\1){8}([^\r\n]*?)(?:\1|[\r\n]|$)")
_ACKNOWLEDGED = re.compile(rb"[\r\n]MSA([^\r\n])[^\r\n]*?\1([^\r\n]*?)(?:\1|[\r\n]|$)")
_MOST_ANSWER = 4 * 1024 * 1024


class Unanswered(Exception):  # noqa: N818 - read as a sentence
    """The other side could not be reached, or did not answer in time."""


def _is_answer(answer: bytes, message: bytes) -> bool:
    """Whether MSA-2 names the message; a later acknowledgement of one before (enhanced mode) is no answer to this one."""
    sent, told = _CONTROL.match(message), _ACKNOWLEDGED.search(answer)
    return sent is None or told is None or told[2] in {b"", sent[2]}


class Outlet:
    """A connection that is kept, and made again when it breaks: `async with Outlet(host, port) as outlet: …`."""

    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None = None, seconds: float = 30.0) -> None:
        self.host = host
        self.port = port
        self.tls = tls
        self.seconds = seconds
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._frames = Frames(_MOST_ANSWER)
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._drop()

    async def send(self, message: bytes) -> bytes:
        """The acknowledgement of a message. Raises Unanswered; whether it arrived is then not known."""
        async with self._turn:
            try:
                async with asyncio.timeout(self.seconds):
                    return await self._exchanged(message)
            except (OSError, TimeoutError, EOFError) as error:
                self._drop()
                raise Unanswered(f"{self.host}:{self.port}: {error or type(error).__name__}") from error

    async def _exchanged(self, message: bytes) -> bytes:
        if self._streams is None or self._streams[1].is_closing() or self._streams[0].at_eof():
            self._drop()
            self._streams = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
        reader, writer = self._streams
        writer.write(framed(message))
        await writer.drain()
        while True:
            data = await reader.read(65536)
            if not data:
                raise EOFError("it hung up")
            for answer in self._frames.feed(data):
                if _is_answer(answer, message):
                    return answer
            if self._frames.over:
                raise EOFError("its answer is too large")

    def _drop(self) -> None:
        self._frames = Frames(_MOST_ANSWER)
        if self._streams is not None:
            with contextlib.suppress(Exception):
                self._streams[1].close()
            self._streams = None


async def send(
    host: str, port: int, message: bytes, *, tls: ssl.SSLContext | None = None, seconds: float = 30.0
) -> bytes:
    """Send one message over a connection of its own; the acknowledgement. Raises Unanswered."""
    async with Outlet(host, port, tls=tls, seconds=seconds) as outlet:
        return await outlet.send(message)
