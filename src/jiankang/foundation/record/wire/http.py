"""Requests and answers of the FHIR API, and what HTTP says about their form.

http://hl7.org/fhir/R4/http.html, RFC 9110 (semantics), RFC 7240 (Prefer).
"""

from __future__ import annotations

import asyncio
import re
import zlib
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

import zstandard

from jiankang.kernel.errors import Invalid, TooLarge, Unavailable, UnsupportedMediaType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from starlette.types import Receive

    from jiankang.foundation.access import Actor
    from jiankang.foundation.record.store import Transaction
    from jiankang.foundation.record.wire.server import Server
    from jiankang.kernel.errors import Issue

JSON = "application/fhir+json"
JSON_TYPES = frozenset({JSON, "application/json", "application/json+fhir", "text/json"})
JSON_PATCH = "application/json-patch+json"
FORM = "application/x-www-form-urlencoded"
_LEAST_COMPRESSED = 1024


@dataclass(slots=True)
class Request:
    """One interaction asked for: by HTTP, or by an entry of a Bundle (then `tx` may be its transaction)."""

    server: Server
    actor: Actor
    method: str
    segments: tuple[str, ...]
    params: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    base_url: str
    tx: Transaction | None = None
    receive: Receive | None = None

    def param(self, name: str) -> str | None:
        """The last value of a parameter."""
        return next((value for key, value in reversed(self.params) if key == name), None)

    @property
    def prefer(self) -> dict[str, str]:
        """The preferences of RFC 7240: {"return": "minimal", "handling": "strict", …}."""
        found = {}
        for part in self.headers.get("prefer", "").replace(";", ",").split(","):
            name, _, value = part.strip().partition("=")
            if name:
                found[name.strip().lower()] = value.strip().strip('"')
        return found

    @property
    def handling(self) -> str:
        """Whether unknown parameters are refused ("strict", unless the sender asks otherwise)."""
        asked = self.prefer.get("handling", "strict")
        return asked if asked in {"strict", "lenient"} else "strict"

    @property
    def content_type(self) -> str:
        """The media type of the body, without parameters, lower case."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()


@dataclass(slots=True)
class Response:
    """An answer before it is put on the wire; a large one as a `stream` of pieces instead of a body.

    `updated` is when the version that it is about was made, `findings` what is to be said of what was written.
    """

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    content_type: str = f"{JSON};charset=utf-8"
    stream: AsyncIterator[bytes] | None = None
    updated: datetime | None = None
    findings: Sequence[Issue] = ()


def http_date(moment: datetime) -> str:
    """`moment` as in Last-Modified."""
    return format_datetime(moment.replace(microsecond=0), usegmt=True)


def parse_http_date(text: str) -> datetime | None:
    """An HTTP date; None when it is none (such a header is ignored, RFC 9110 §13.1.3)."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_TAG = re.compile(r'(?:W/)?"([0-9]{1,9})"|([0-9]{1,9})')


def parse_versions(header: str) -> frozenset[int]:
    """The versions in an If-Match header: W/"3", "3", 3, or several with commas; none for a star, which means any.

    Raises Invalid for anything else. RFC 9110 §13.1.1
    """
    if header.strip() == "*":
        return frozenset()
    found = [_TAG.fullmatch(part.strip()) for part in header.split(",")]
    if not all(found):
        raise Invalid(f'the version {header!r} is not one of ours: write W/"3" as in the ETag that you were given')
    return frozenset(int(match[1] or match[2]) for match in found if match)


def query_pairs(text: str) -> list[tuple[str, str]]:
    """Names and values of a query string or form. Raises Invalid when it is not UTF-8 or has too many parts."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=2000)
    except ValueError as error:
        raise Invalid(f"the query cannot be read: {error}") from None
    for name, value in pairs:
        if "\x00" in name or "\x00" in value:
            raise Invalid(f"the parameter {name!r} holds a NUL character")
    return pairs


def path_segments(path: str) -> tuple[str, ...]:
    """The parts of a path, unescaped; a slash at the end means nothing."""
    return tuple(unquote(part) for part in path.strip("/").split("/") if part)


async def read_body(receive: Receive, headers: dict[str, str], limit: int, seconds: float) -> bytes:
    """The request's body, unpacked. Raises TooLarge, UnsupportedMediaType, Unavailable when it does not arrive."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "", "gzip", "zstd"}:
        raise UnsupportedMediaType(f"the body is encoded with {encoding}: gzip, zstd or nothing is understood")
    declared = headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:18]) > limit:
        raise TooLarge(f"the body has {declared} bytes; at most {limit} are taken")
    try:
        async with asyncio.timeout(seconds):
            body = await _receive_all(receive, limit)
    except TimeoutError:
        raise Unavailable(f"the body did not arrive within {seconds:.0f} seconds", code="timeout") from None
    return unpacked(body, encoding, limit)


async def _receive_all(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Unavailable("the sender hung up before the end of the body")
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise TooLarge(f"the body is larger than the {limit} bytes that are taken")
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """`body` without its content coding; never more than `limit` bytes are made of it."""
    if encoding in {"identity", ""} or not body:
        return body
    try:
        if encoding == "gzip":
            machine = zlib.decompressobj(wbits=31)
            plain = machine.decompress(body, limit + 1)
            if not machine.eof and len(plain) <= limit:
                raise Invalid("the gzip body ends too early")
        else:
            with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(body) as reader:
                plain = reader.read(limit + 1)
    except (zlib.error, zstandard.ZstdError) as error:
        raise Invalid(f"the body is not valid {encoding}: {error}") from None
    if len(plain) > limit:
        raise TooLarge(f"the body unpacks to more than the {limit} bytes that are taken")
    return plain


def accepted_coding(header: str) -> str | None:
    """The content coding to answer with: zstd before gzip, each unless its q is 0 (RFC 9110 §12.5.3)."""
    if not header:
        return None
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        name, *options = (piece.strip() for piece in part.split(";"))
        weight = 1.0
        for option in options:
            if option.startswith("q="):
                try:
                    weight = float(option[2:])
                except ValueError:
                    weight = 0.0
        weights[name] = weight
    best = max(("zstd", "gzip"), key=lambda name: (weights.get(name, 0.0), name == "zstd"))
    return best if weights.get(best, 0.0) > 0 else None


def packed(body: bytes, coding: str | None) -> tuple[bytes, str | None]:
    """`body` in the coding, when that is worth it."""
    if coding is None or len(body) < _LEAST_COMPRESSED:
        return body, None
    if coding == "gzip":
        machine = zlib.compressobj(level=5, wbits=31)
        return machine.compress(body) + machine.flush(), coding
    return zstandard.ZstdCompressor(level=3).compress(body), coding


def header_map(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header names (lower case) and values; values of a repeated name are joined by commas."""
    found: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1")
        text = value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found
