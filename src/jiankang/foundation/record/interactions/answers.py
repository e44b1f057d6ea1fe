"""What the answers of several interactions have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.fhir.outcome import told
from jiankang.foundation.record.wire.bundles import Shape
from jiankang.foundation.record.wire.http import Request, Response, http_date, parse_version
from jiankang.kernel.errors import Invalid, UnsupportedMediaType
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Collection

    from jiankang.foundation.record.store import Stored


def written(request: Request, stored: Stored, *, status: int | None = None) -> Response:
    """The answer to a write, as long as the sender prefers (http://hl7.org/fhir/R4/http.html#ops)."""
    code = status or (201 if stored.created else 200)
    address = f"{request.base_url}/{stored.type}/{stored.id}/_history/{stored.version}"
    headers = [("ETag", stored.etag), ("Last-Modified", http_date(stored.updated)), ("Location", address)]
    wanted = request.prefer.get("return", "representation")
    if wanted == "minimal":
        return Response(code, b"", headers)
    if wanted == "OperationOutcome":
        verb = "created" if code == 201 else "stored"
        body = encode(told(f"{stored.type}/{stored.id} was {verb} as version {stored.version}."))
        return Response(code, body, headers)
    return Response(code, stored.json, headers)


def shape(request: Request) -> Shape:
    """How the sender wants resources shown."""
    summary = request.param("_summary")
    if summary not in {None, "true", "text", "data", "count", "false"}:
        raise Invalid(f"_summary={summary} is not known: use true, text, data, count or false")
    elements = [part.strip() for part in (request.param("_elements") or "").split(",") if part.strip()]
    if summary not in {None, "false"} and elements:
        raise Invalid("_summary and _elements cannot be asked for together")
    return Shape(summary, elements)


def if_match(request: Request) -> int | None:
    """The version that must be current, from If-Match."""
    header = request.headers.get("if-match")
    return None if header is None else parse_version(header)


def expect_content(request: Request, allowed: Collection[str]) -> None:
    """Refuse a body whose media type this interaction does not take."""
    kind = request.content_type
    if kind not in allowed:
        shown = " or ".join(sorted(allowed)[:2])
        raise UnsupportedMediaType(f"a body of type {kind or '(none given)'} is not taken here: send {shown}")
