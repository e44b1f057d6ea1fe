"""A file on its way out: in pieces, packed as the client accepts, or one range of it (RFC 9110 §14)."""

from __future__ import annotations

import asyncio
import re
import zlib
from typing import TYPE_CHECKING, Any

import zstandard

from jiankang.foundation.record.wire.http import Request, Response, accepted_coding
from jiankang.kernel.errors import Gone, Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BLOCK = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class RangeNotSatisfiable(Problem):
    """The range lies outside the file (416)."""

    status, code = 416, "invalid"


async def blocks(path: Path, start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes of a file from `start` to before `end`."""
    try:
        source = await asyncio.to_thread(path.open, "rb")
    except FileNotFoundError:
        raise Gone("the file was cleared away, or lies on another machine") from None
    with source:
        source.seek(start)
        left = end - start
        while left > 0:
            data = await asyncio.to_thread(source.read, min(BLOCK, left))
            if not data:
                return
            left -= len(data)
            yield data


async def packed(source: AsyncIterator[bytes], coding: str) -> AsyncIterator[bytes]:
    """The same in one gzip or zstd stream."""
    machine: Any
    if coding == "gzip":
        machine = zlib.compressobj(level=5, wbits=31)
    else:
        machine = zstandard.ZstdCompressor(level=3).compressobj()
    async for data in source:
        out = await asyncio.to_thread(machine.compress, data)
        if out:
            yield out
    yield machine.flush()


def asked_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The range asked for, as (start, end); None for all of it. Raises RangeNotSatisfiable."""
    match = _RANGE.fullmatch(header.replace(" ", "")) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, end = max(0, size - int(match[2])), size
    else:
        start, end = int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)
    if start >= end:
        raise RangeNotSatisfiable(f"the file has {size} bytes")
    return start, end


async def file_response(request: Request, path: Path, size: int, content_type: str) -> Response:
    """The first `size` bytes of a file. Raises Gone when it is there no more."""
    if not await asyncio.to_thread(path.is_file):
        raise Gone("the file was cleared away, or lies on another machine")
    piece = asked_range(request.headers.get("range"), size)
    if piece is not None:
        headers = [
            ("Content-Range", f"bytes {piece[0]}-{piece[1] - 1}/{size}"),
            ("Content-Length", str(piece[1] - piece[0])),
        ]
        return Response(206, b"", headers, content_type, stream=blocks(path, *piece))
    coding = accepted_coding(request.headers.get("accept-encoding", ""))
    if coding is not None:
        headers = [("Content-Encoding", coding), ("Vary", "Accept-Encoding")]
        return Response(200, b"", headers, content_type, stream=packed(blocks(path, 0, size), coding))
    headers = [("Accept-Ranges", "bytes"), ("Vary", "Accept-Encoding"), ("Content-Length", str(size))]
    return Response(200, b"", headers, content_type, stream=blocks(path, 0, size))
