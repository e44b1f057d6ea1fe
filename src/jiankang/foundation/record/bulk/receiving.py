"""NDJSON that is sent to `$import`: written to a file while it arrives, however large, in little memory."""

from __future__ import annotations

import asyncio
import os
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

import zstandard

from jiankang.foundation.record.bulk.asking import NDJSON_TYPES
from jiankang.kernel.errors import Invalid, OutOfStorage, TooLarge, Unavailable, UnsupportedMediaType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from starlette.types import Receive

_BLOCK = 1 << 20


def takes_lines(method: str, path: str, headers: Mapping[str, str]) -> bool:
    """Whether a request's body is lines to import, which are not held in memory."""
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    return method == "POST" and path.strip("/") == "$import" and kind in NDJSON_TYPES


class _Sink:
    """A file that takes so many bytes and no more."""

    def __init__(self, target: BinaryIO, most: int) -> None:
        self.target = target
        self.left = most
        self.most = most

    def write(self, data: bytes) -> int:
        self.left -= len(data)
        if self.left < 0:
            raise TooLarge(f"the lines are more than the {self.most} bytes that are taken")
        return self.target.write(data)


class _Gunzip:
    """Unpacks gzip into a sink, piece by piece."""

    def __init__(self, sink: _Sink) -> None:
        self._sink = sink
        self._machine = zlib.decompressobj(wbits=31)

    def write(self, data: bytes) -> None:
        while data:
            self._sink.write(self._machine.decompress(data, _BLOCK))
            data = self._machine.unconsumed_tail
            if self._machine.eof and self._machine.unused_data:  # members may follow one another, RFC 1952 §2.2
                data = self._machine.unused_data
                self._machine = zlib.decompressobj(wbits=31)

    def close(self) -> None:
        if not self._machine.eof:
            raise Invalid("the gzip body ends too early")


def _unpacker(encoding: str, sink: _Sink) -> Any:
    match encoding:
        case "" | "identity":
            return sink
        case "gzip":
            return _Gunzip(sink)
        case "zstd":
            machine = zstandard.ZstdDecompressor(max_window_size=1 << 27)
            target: Any = sink
            return machine.stream_writer(target, closefd=False)
    raise UnsupportedMediaType(f"the body is encoded with {encoding}: gzip, zstd or nothing is understood")


async def spool(receive: Receive, headers: Mapping[str, str], path: Path, most: int, seconds: float) -> int:
    """Write the body to `path`, unpacked and safely on disk; its size in bytes.

    `seconds` is how long the sender may be silent. Raises Invalid, TooLarge, UnsupportedMediaType, Unavailable,
    OutOfStorage; then no file is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    encoding = headers.get("content-encoding", "").strip().lower()
    try:
        with path.open("wb") as target:
            unpacker = _unpacker(encoding, _Sink(target, most))
            async for data in _pieces(receive, seconds):
                await asyncio.to_thread(unpacker.write, data)
            if encoding not in {"", "identity"}:
                unpacker.close()
            target.flush()
            await asyncio.to_thread(os.fsync, target.fileno())
            return target.tell()
    except BaseException as error:
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - one name
        if isinstance(error, zlib.error | zstandard.ZstdError):
            raise Invalid(f"the body is not valid {encoding}") from None
        if isinstance(error, OSError):
            raise OutOfStorage("there is no room left to keep what was sent") from error
        raise


async def _pieces(receive: Receive, seconds: float) -> AsyncIterator[bytes]:
    """The body, piece by piece."""
    more = True
    while more:
        try:
            message = await asyncio.wait_for(receive(), seconds)
        except TimeoutError:
            raise Unavailable(f"nothing arrived for {seconds:.0f} seconds", code="timeout") from None
        if message["type"] == "http.disconnect":
            raise Unavailable("the sender hung up before the end of the body")
        yield message.get("body", b"")
        more = message.get("more_body", False)
