"""read and vread, also conditional: http://hl7.org/fhir/R4/http.html#read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.foundation.record.interactions.answers import shape
from jiankang.foundation.record.interactions.binary import unwrapped
from jiankang.foundation.record.wire.http import Request, Response, http_date, parse_http_date
from jiankang.kernel.errors import NotFound

if TYPE_CHECKING:
    from jiankang.foundation.record.store import Stored


async def read(request: Request) -> Response:
    """The current version; 304 where the reader has it already (If-None-Match, If-Modified-Since)."""
    type_name, id_ = request.segments
    return _shown(request, await request.server.read(request, type_name, id_))


async def vread(request: Request) -> Response:
    """One version."""
    type_name, id_, _, version = request.segments
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise NotFound(f"{type_name}/{id_} has no version {version}")
    return _shown(request, await request.server.vread(request, type_name, id_, int(version)))


def _shown(request: Request, stored: Stored) -> Response:
    headers = [("ETag", stored.etag), ("Last-Modified", http_date(stored.updated))]
    if _unchanged(request, stored):
        return Response(304, b"", headers, updated=stored.updated)
    content = unwrapped(request, stored)
    if content is not None:
        content.headers += headers
        return content
    if not request.params:
        return Response(200, stored.json, headers, updated=stored.updated)
    return Response(200, shape(request).of(stored), headers, updated=stored.updated)


def _unchanged(request: Request, stored: Stored) -> bool:
    known = request.headers.get("if-none-match")
    if known is not None:
        return known.strip() == "*" or stored.etag.removeprefix("W/") in known
    since = request.headers.get("if-modified-since")
    moment = parse_http_date(since) if since else None
    return moment is not None and stored.updated.replace(microsecond=0) <= moment
