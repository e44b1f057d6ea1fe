"""Takes a multipart body apart as it arrives: https://www.rfc-editor.org/rfc/rfc2387, https://www.rfc-editor.org/rfc/rfc2046."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from jiankang.kernel.errors import Invalid, UnsupportedMediaType

MOST_HEADER_BYTES = 8 * 1024
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_PARAMETER = re.compile(r';\s*([A-Za-z0-9-]+)\s*=\s*("((?:[^"\\]|\\.)*)"|[^;"\s]*)')


@dataclass(frozen=True, slots=True)
class ContentType:
    """A media type with its parameters, names in small letters."""

    name: str
    parameters: dict[str, str]


def content_type(text: str) -> ContentType:
    """A Content-Type header taken apart."""
    name, _, _ = text.partition(";")
    found = {one[1].lower(): one[3] if one[3] is not None else one[2] for one in _PARAMETER.finditer(text)}
    return ContentType(name.strip().lower(), found)


def boundary_of(kind: ContentType) -> bytes:
    """What parts the parts. Raises UnsupportedMediaType, Invalid."""
    if kind.name != "multipart/related":
        raise UnsupportedMediaType('send multipart/related; type="application/dicom"; boundary=…')
    boundary = kind.parameters.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise Invalid("Content-Type names no boundary")
    return boundary.encode("ascii")


@dataclass(frozen=True, slots=True)
class Head:
    """A part begins."""

    kind: ContentType


class Parts:
    """`async for event in Parts(body, boundary)`: a Head, then the bytes of the part, then the next Head.

    No more is held than what may still turn out to be a boundary. Raises Invalid for a body that is not well-formed.
    """

    def __init__(self, body: AsyncIterator[bytes], boundary: bytes) -> None:
        self._body = body
        self._mark = b"\r\n--" + boundary
        self._held = bytearray(b"\r\n")  # so that the first boundary is found as all others are

    async def __aiter__(self) -> AsyncIterator[Head | bytes]:
        """The events."""
        async for _ in self._until_mark():
            pass  # what stands before the first boundary says nothing
        while not await self._is_end():
            yield Head(await self._head())
            async for piece in self._until_mark():
                yield piece

    async def _more(self) -> None:
        piece = await anext(self._body, None)
        if piece is None:
            raise Invalid("the body ends before its last boundary")
        self._held += piece

    async def _until_mark(self) -> AsyncIterator[bytes]:
        while (at := self._held.find(self._mark)) < 0:
            safe = len(self._held) - len(self._mark) + 1
            if safe > 0:
                yield bytes(self._held[:safe])
                del self._held[:safe]
            await self._more()
        if at:
            yield bytes(self._held[:at])
        del self._held[: at + len(self._mark)]

    async def _is_end(self) -> bool:
        """Whether the boundary that was just read is the last."""
        while len(self._held) < 2:
            await self._more()
        return self._held.startswith(b"--")

    async def _head(self) -> ContentType:
        while (end := self._held.find(b"\r\n\r\n")) < 0:
            if len(self._held) > MOST_HEADER_BYTES:
                raise Invalid("the headers of a part are too long")
            await self._more()
        lines = bytes(self._held[:end]).decode("latin-1").split("\r\n")
        if lines[0].strip():
            raise Invalid("a boundary is followed by something else than a new line")
        del self._held[: end + 4]
        named = [line.partition(":") for line in lines[1:]]
        given = next((value for name, _, value in named if name.strip().lower() == "content-type"), "")
        return content_type(given or "application/dicom")
