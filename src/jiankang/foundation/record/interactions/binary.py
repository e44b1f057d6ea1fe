"""Binary in its own media type instead of wrapped in FHIR: http://hl7.org/fhir/R4/binary.html#rest."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from jiankang.foundation.record.wire.http import JSON, JSON_TYPES, Request, Response
from jiankang.kernel.errors import Invalid, Problem
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from jiankang.foundation.record.store import Stored

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9.+_-]+/[A-Za-z0-9.+_-]+(?:;[ -~]*)?")
_CONFINED = [
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ("X-Content-Type-Options", "nosniff"),
]
"""What somebody sent is shown by a browser without scripts, and as nothing else than what it says it is."""


def wrap(request: Request) -> None:
    """Make a Binary resource of a body that is not FHIR; X-Security-Context says whose access rules it has."""
    kind = request.content_type
    if (
        request.segments[0] != "Binary"
        or not kind
        or (kind in JSON_TYPES and ("fhir" in kind or _is_fhir(request.body)))
    ):
        return
    if not request.body:
        raise Invalid("the body is empty: there is nothing to keep")
    resource = {"resourceType": "Binary", "contentType": request.headers["content-type"].strip()}
    if len(request.segments) > 1:
        resource["id"] = request.segments[1]
    context = request.headers.get("x-security-context")
    wrapped = encode({**resource, **({"securityContext": {"reference": context}} if context else {})})
    data = b64encode(request.body)
    request.body = b'%s,"data":"%s"}' % (wrapped[:-1], data)
    request.headers["content-type"] = JSON


def _is_fhir(body: bytes) -> bool:
    """Whether JSON of a general media type is a resource rather than something to keep as it is."""
    try:
        value = decode(body)
    except Problem:
        return False
    return isinstance(value, dict) and "resourceType" in value


def unwrapped(request: Request, stored: Stored) -> Response | None:
    """The content alone, where Accept asks for its media type and not for FHIR."""
    accept = request.headers.get("accept", "")
    if stored.type != "Binary" or not accept or request.param("_format") is not None:
        return None
    wanted = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    if any("fhir" in kind or kind in JSON_TYPES for kind in wanted):
        return None
    resource = stored.resource
    kind = str(resource.get("contentType"))
    if not _MEDIA_TYPE.fullmatch(kind):
        kind = "application/octet-stream"  # it goes into a header
    plain = kind.split(";", maxsplit=1)[0].strip().lower()
    if plain not in wanted and f"{plain.partition('/')[0]}/*" not in wanted:
        return None
    return Response(200, b64decode(resource.get("data", "")), list(_CONFINED), content_type=kind)
