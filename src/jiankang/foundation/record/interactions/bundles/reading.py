"""What a Bundle asks for, read: http://hl7.org/fhir/R4/bundle.html, http://hl7.org/fhir/R4/http.html#transaction."""

from __future__ import annotations

import msgspec

from jiankang.fhir.structure import check
from jiankang.foundation.record.wire.http import JSON, Request, http_date, path_segments, query_pairs
from jiankang.kernel.errors import Invalid, Issue, TooLarge, Unprocessable
from jiankang.kernel.jsontext import decode


class Asked(msgspec.Struct):
    """Bundle.entry.request."""

    method: str
    url: str
    ifNoneMatch: str | None = None  # noqa: N815 - FHIR's names
    ifModifiedSince: str | None = None  # noqa: N815
    ifMatch: str | None = None  # noqa: N815
    ifNoneExist: str | None = None  # noqa: N815


class Entry(msgspec.Struct):
    """Bundle.entry; its resource is text still."""

    fullUrl: str | None = None  # noqa: N815
    resource: msgspec.Raw = msgspec.Raw()
    request: Asked | None = None


class Frame(msgspec.Struct):
    """A Bundle whose resources are text still."""

    resourceType: str  # noqa: N815
    type: str = ""
    entry: list[Entry] = []


_decoder = msgspec.json.Decoder(Frame)


def read_frame(body: bytes, most: int) -> Frame:
    """The Bundle's frame, its resources still as text. Raises Invalid or Unprocessable with what is wrong."""
    try:
        parsed = _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        value = decode(body)
        issues = check(value, expected_type="Bundle")
        raise Unprocessable(issues=issues or [Issue("structure", "this is not a Bundle of requests")]) from None
    if parsed.resourceType != "Bundle":
        raise Invalid(
            f"a {parsed.resourceType} cannot be posted here: send a Bundle, or post to /{parsed.resourceType}"
        )
    if len(parsed.entry) > most:
        raise TooLarge(f"the Bundle has {len(parsed.entry)} entries; at most {most} are taken: send it in parts")
    _check_frame(body, parsed)
    return parsed


def _check_frame(body: bytes, parsed: Frame) -> None:
    """Check the Bundle around the resources, which are checked one by one later."""
    parts: list[bytes] = []
    place = 0
    for entry in parsed.entry:
        raw = bytes(entry.resource)
        if not raw:
            continue
        found = body.index(raw, place)
        parts += [body[place:found], b'{"resourceType":"Basic","code":{"text":"-"}}']
        place = found + len(raw)
    frame = decode(b"".join((*parts, body[place:])))
    issues = check(frame, expected_type="Bundle")
    if issues:
        raise Unprocessable(issues=issues)


def address(request: Request, asked: Asked) -> tuple[str, tuple[str, ...], list[tuple[str, str]]]:
    """Method, path and parameters of an entry. Raises Invalid."""
    url = asked.url.removeprefix(request.base_url).split("#")[0]
    if url.startswith(("http:", "https:", "urn:")):
        raise Invalid(f"{asked.url} is not an address of this server")
    path, _, query = url.partition("?")
    method = "GET" if asked.method == "HEAD" else asked.method
    return method, path_segments(path), query_pairs(query) if query else []


def patch_body(body: bytes) -> tuple[str, bytes]:
    """Media type and text of a patch in a Bundle: Parameters, or a Binary that holds a JSON Patch."""
    import base64

    value = decode(body)
    if isinstance(value, dict) and value.get("resourceType") == "Binary":
        try:
            return "application/json-patch+json", base64.b64decode(value.get("data", ""), validate=True)
        except ValueError:
            raise Invalid("the Binary's data is not base64") from None
    return JSON, body


def as_http_date(moment: str | None) -> str | None:
    """The instant of ifModifiedSince as HTTP writes it. Raises Invalid."""
    if moment is None:
        return None
    from datetime import datetime

    try:
        return http_date(datetime.fromisoformat(moment))
    except ValueError:
        raise Invalid(f"ifModifiedSince is {moment}, which is no instant") from None
