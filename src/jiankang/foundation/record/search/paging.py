"""Page links: where a page starts, signed, so that nobody can make one up or use another person's.

The cursor holds the order values of the row before the page, when the search began, and where the pages before started. It is bound by HMAC-SHA256 to the query and the actor.
http://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote

import msgspec

from jiankang.foundation.record.search.plan import Place
from jiankang.kernel.errors import Invalid

CURSOR = "_cursor"
"""The query parameter that carries it; never written by hand."""

_TRAIL = 24
_MAC_BYTES = 16
_HELP = "page links cannot be changed or kept for another search: start again without `_cursor`"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of a page and, newest last, the order values at which the pages before it started (None: the first)."""

    place: Place
    trail: tuple[tuple[object, ...] | None, ...] = ()


def _pack_time(values: tuple[object, ...] | None) -> list[object] | None:
    return None if values is None else [_instant_out(value) for value in values]


def _instant_out(value: object) -> object:
    if isinstance(value, datetime):
        delta = value - _EPOCH
        return [(delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds]
    return value


def _instant_in(value: object) -> object:
    if isinstance(value, list):
        seconds, micros = divmod(int(value[0]), 1_000_000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)
    return value


def _moment(value: object) -> datetime:
    found = _instant_in(value)
    if not isinstance(found, datetime):
        raise Invalid(_HELP, expression=[CURSOR])
    return found


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def seal(cursor: Cursor, secret: bytes, scope: str) -> str:
    """The cursor as opaque text; `scope` is whatever it must not be used without (the query, the actor)."""
    trail = [_pack_time(values) for values in cursor.trail[-_TRAIL:]]
    place = cursor.place
    body = _encode([place.shape, _pack_time(place.values), _pack_time((place.as_of,)), trail])
    mac = hmac.digest(secret, body + b"\x00" + scope.encode(), sha256)[:_MAC_BYTES]
    return urlsafe_b64encode(mac + body).rstrip(b"=").decode()


def unseal(text: str, secret: bytes, scope: str) -> Cursor:
    """The cursor of a link. Raises Invalid when it was not made by us for this query and this actor."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise Invalid(_HELP, expression=[CURSOR]) from None
    mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    expected = hmac.digest(secret, body + b"\x00" + scope.encode(), sha256)[:_MAC_BYTES]
    if not hmac.compare_digest(mac, expected):
        raise Invalid(_HELP, expression=[CURSOR])
    shape, values, (as_of,), trail = _decode(body)
    unpacked = tuple(None if one is None else tuple(_instant_in(v) for v in one) for one in trail)
    return Cursor(Place(shape, tuple(_instant_in(v) for v in values), _moment(as_of)), unpacked)


def link(base: str, params: list[tuple[str, str]], cursor: str | None = None) -> str:
    """A search URL: `base` with `params` (and the cursor) as its query."""
    pairs: list[tuple[str, str]] = [*params, (CURSOR, cursor)] if cursor is not None else params
    if not pairs:
        return base
    return base + "?" + "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in pairs)


def _quoted(text: str) -> str:
    return text if _PLAIN(text) else quote(text, safe=_SAFE)


_SAFE = "/:,._-@!~*'()$"
_PLAIN = re.compile(r"[A-Za-z0-9/:,._\-@!~*'()$]*", re.ASCII).fullmatch
