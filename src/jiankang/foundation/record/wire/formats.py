"""In which form a request came and its answer goes: FHIR's JSON or XML (http://hl7.org/fhir/R4/http.html#mime-type).

Inside there is only JSON: XML is turned into it on the way in, and made of it on the way out.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from jiankang.fhir.xml import from_xml, to_xml
from jiankang.foundation.record.wire.http import JSON, JSON_TYPES, Response
from jiankang.kernel.errors import NotAcceptable, UnsupportedMediaType
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

XML = "application/fhir+xml"
XML_TYPES = frozenset({XML, "application/xml", "text/xml", "application/xml+fhir"})
_ANY = frozenset({"*/*", "application/*", "text/*", "text/html"})
_THREAD_BYTES = 64 * 1024
_VERSIONS = frozenset({"4.0", "4.0.0", "4.0.1"})
_ROOT = re.compile(rb"<(?:[\w.\-]+:)?([\w.\-]+)[\s/>]")


def answer_form(query: bytes, headers: Mapping[str, str]) -> str:
    """What `_format` says, else what Accept prefers: json, xml, or other. Raises NotAcceptable for another `_format`."""
    if b"_format" in query:
        asked = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("_format")
        if asked:
            kind, *options = (piece.strip().replace(" ", "+") for piece in asked[-1].lower().split(";"))
            form = _form(kind) or {"json": "json", "xml": "xml"}.get(kind)
            if form is None or not _our_version(options):
                raise _neither(asked[-1][:80])
            return form
    accept = headers.get("accept", "")
    if accept in {"", "*/*", JSON, "application/json"}:
        return "json"
    return _preferred(accept)


def _form(kind: str) -> str | None:
    return "json" if kind in JSON_TYPES else "xml" if kind in XML_TYPES else None


def _preferred(accept: str) -> str:
    """The form with the highest weight, the first of those with the same (RFC 9110 §12.5.1)."""
    best, chosen = 0.0, None
    for part in accept.lower().split(","):
        kind, *options = (piece.strip() for piece in part.split(";"))
        form = _form(kind) or ("json" if kind in _ANY else None)
        weight = _weight(options)
        if form is not None and weight > best and _our_version(options):
            best, chosen = weight, form
    return chosen or "other"


def _our_version(options: list[str]) -> bool:
    """Whether the parameter fhirVersion of a media type, where there is one, names R4."""
    return all(one.partition("=")[2].strip('"') in _VERSIONS for one in options if one.startswith("fhirversion"))


def _weight(options: list[str]) -> float:
    for option in options:
        if option.startswith("q="):
            try:
                return float(option[2:])
            except ValueError:
                return 0.0
    return 1.0


def expect_ours(form: str, method: str, segments: tuple[str, ...], accept: str) -> None:
    """Refuse who wants neither JSON nor XML, except where there is something else to be had: a Binary, an exported file."""
    if form == "other" and not (method in {"GET", "HEAD"} and segments[:1] in {("Binary",), ("_bulk",)}):
        raise _neither(accept[:80])


def _neither(kind: str) -> NotAcceptable:
    return NotAcceptable(f"{kind} cannot be answered: ask for {JSON} or {XML}")


async def as_json(body: bytes, headers: dict[str, str], segments: tuple[str, ...], limit: int) -> bytes:
    """The body as JSON text; when it came as XML, `headers` say JSON afterwards.

    Raises Invalid with line and path, UnsupportedMediaType for another version of FHIR. What is sent to Binary as XML
    of a general media type and is not FHIR stays as it is.
    """
    kind, *options = (piece.strip() for piece in headers.get("content-type", "").lower().split(";"))
    if not _our_version(options):
        raise UnsupportedMediaType(f"{kind} is taken of FHIR version 4.0 only")
    if kind not in XML_TYPES or not body:
        return body
    if segments[:1] == ("Binary",) and "fhir" not in kind and not _is_binary(body):
        return body
    headers["content-type"] = JSON
    if len(body) > _THREAD_BYTES:
        return await asyncio.to_thread(_to_json, body, limit)
    return _to_json(body, limit)


def _is_binary(body: bytes) -> bool:
    root = _ROOT.search(body, 0, 4096)
    return root is not None and root[1] == b"Binary"


def _to_json(body: bytes, limit: int) -> bytes:
    return encode(from_xml(body, limit))


async def in_form(response: Response, form: str) -> Response:
    """The response with its resource in the form that was asked for."""
    if form != "xml" or not response.body or not response.content_type.startswith(JSON):
        return response
    body = response.body
    response.body = await asyncio.to_thread(_to_xml, body) if len(body) > _THREAD_BYTES else _to_xml(body)
    response.content_type = f"{XML};charset=utf-8"
    return response


def _to_xml(body: bytes) -> bytes:
    return to_xml(decode(body, max_bytes=1 << 31))
