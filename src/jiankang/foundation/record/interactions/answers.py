"""What the answers of several interactions have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.fhir.outcome import outcome, told
from jiankang.foundation.record.wire.bundles import Shape
from jiankang.foundation.record.wire.http import Request, Response, http_date, parse_versions
from jiankang.kernel.errors import Invalid, Issue, UnsupportedMediaType
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Collection

    from jiankang.foundation.record.store import Stored


def told_of(stored: Stored, existing: Stored | None = None) -> dict[str, Any]:
    """What became of a write, in a sentence, and what is to be said of its content."""
    name = f"{stored.type}/{stored.id}"
    if existing is not None:
        return told(f"{name} exists already, as version {stored.version}: nothing was written.")
    text = f"{name} was {'created' if stored.created else 'stored'} as version {stored.version}."
    return outcome([Issue("informational", text, severity="information"), *stored.findings])


def written(request: Request, stored: Stored, *, existing: bool = False) -> Response:
    """The answer to a write, as long as the sender prefers (http://hl7.org/fhir/R4/http.html#ops).

    `existing` says that nothing was written because it exists already.
    """
    code = 201 if stored.created else 200
    address = f"{request.base_url}/{stored.type}/{stored.id}/_history/{stored.version}"
    headers = [("ETag", stored.etag), ("Last-Modified", http_date(stored.updated)), ("Location", address)]
    wanted = request.prefer.get("return", "representation")
    if wanted == "minimal":
        return Response(code, b"", headers, updated=stored.updated, findings=stored.findings)
    if wanted == "OperationOutcome":
        body = encode(told_of(stored, stored if existing else None))
        return Response(code, body, headers, updated=stored.updated)
    return Response(code, stored.json, headers, updated=stored.updated, findings=stored.findings)


def shape(request: Request) -> Shape:
    """How the sender wants resources shown."""
    summary = request.param("_summary")
    if summary not in {None, "true", "text", "data", "count", "false"}:
        raise Invalid(f"_summary={summary} is not known: use true, text, data, count or false")
    elements = [part.strip() for part in (request.param("_elements") or "").split(",") if part.strip()]
    if summary not in {None, "false"} and elements:
        raise Invalid("_summary and _elements cannot be asked for together")
    return Shape(summary, elements)


def if_match(request: Request) -> frozenset[int] | None:
    """The versions of which one must be current, from If-Match; an empty set: any."""
    header = request.headers.get("if-match")
    return None if header is None else parse_versions(header)


def expect_content(request: Request, allowed: Collection[str]) -> None:
    """Refuse a body whose media type this interaction does not take."""
    kind = request.content_type
    if kind not in allowed:
        shown = " or ".join(sorted(allowed)[:2])
        raise UnsupportedMediaType(f"a body of type {kind or '(none given)'} is not taken here: send {shown}")
