"""What a person filled in: read within bounds, and what is to be put right."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from jiankang.kernel.errors import Invalid, TooLarge, Unavailable, UnsupportedMediaType

if TYPE_CHECKING:
    from starlette.requests import Request

FORM = "application/x-www-form-urlencoded"
BODY_SECONDS = 60
_MOST_FIELDS = 200
_LARGE = 100_000


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something in a form that is to be put right: which field, and a sentence that says how."""

    field: str
    text: str


async def read_form(request: Request, max_bytes: int) -> dict[str, str]:
    """The fields of a form that was sent, the last of each name. Raises TooLarge, Invalid, Unavailable.

    https://url.spec.whatwg.org/#application/x-www-form-urlencoded
    """
    kind = request.headers.get("content-type", FORM).partition(";")[0].strip().lower()
    if kind != FORM:
        raise UnsupportedMediaType(f"a form is sent as {FORM}, not as {kind}")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > max_bytes:
                    raise TooLarge(f"the form has more than {max_bytes:,} bytes")
    except TimeoutError:
        raise Unavailable("the form did not arrive in time") from None
    return await asyncio.to_thread(_fields, bytes(body)) if len(body) > _LARGE else _fields(bytes(body))


def _fields(body: bytes) -> dict[str, str]:
    try:
        return dict(
            parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
        )
    except ValueError:
        raise Invalid("the form cannot be read: it is not UTF-8, or has too many fields") from None


def page_number(text: str | None, most: int = 10_000) -> int:
    """The number of a page that an address names; 1 where it names none."""
    return min(int(text), most) if text and text.isascii() and text.isdigit() and len(text) < 8 and int(text) else 1
