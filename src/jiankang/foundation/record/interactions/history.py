"""history of a resource, a type, the whole record: http://hl7.org/fhir/R4/http.html#history."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from jiankang.fhir.search import date_range
from jiankang.foundation.record.versions import Window, history
from jiankang.foundation.record.wire.bundles import bundle, history_entry
from jiankang.foundation.record.wire.http import Response
from jiankang.kernel.clock import instant, moment
from jiankang.kernel.errors import Invalid

if TYPE_CHECKING:
    from datetime import datetime

    from jiankang.foundation.record.wire.http import Request

DEFAULT_COUNT = 50
MOST_COUNT = 1_000
_KNOWN = frozenset({"_since", "_at", "_count", "_before", "_format", "_pretty"})


async def history_system(request: Request) -> Response:
    """Every version of everything, newest first."""
    return await _answer(request, "_history")


async def history_type(request: Request) -> Response:
    """Every version of a type's resources."""
    return await _answer(request, f"{request.segments[0]}/_history", request.segments[0])


async def history_instance(request: Request) -> Response:
    """Every version of one resource."""
    type_name, id_ = request.segments[:2]
    return await _answer(request, f"{type_name}/{id_}/_history", type_name, id_)


async def _answer(request: Request, path: str, type_name: str | None = None, id_: str | None = None) -> Response:
    window = _window(request)
    versions = await history(request.server.record, request.actor, window, type_name, id_)
    await request.server.show(request, "history", versions.entries)
    address = f"{request.base_url}/{path}"
    asked = [(name, value) for name, value in request.params if name != "_before"]
    links = {"self": _link(address, request.params)}
    if versions.next is not None:
        links["next"] = _link(address, [*asked, ("_before", str(versions.next))])
    entries = [history_entry(stored, request.base_url) for stored in versions.entries]
    made = instant(request.server.record.clock())
    return Response(200, bundle("history", entries, total=versions.total, links=links, made=made))


def _link(address: str, params: list[tuple[str, str]]) -> str:
    return f"{address}?{urlencode(params)}" if params else address


def _window(request: Request) -> Window:
    unknown = sorted({name for name, _ in request.params} - _KNOWN)
    if unknown and request.handling == "strict":
        raise Invalid(f"history does not know {', '.join(unknown)}; it knows _since, _at and _count")
    count = _number(request, "_count", DEFAULT_COUNT)
    before = request.param("_before")
    return Window(
        _moment(request, "_since", end=False),
        _moment(request, "_at", end=True),
        min(count, MOST_COUNT),
        None if before is None else _number(request, "_before", 0),
    )


def _number(request: Request, name: str, default: int) -> int:
    text = request.param(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid(f"{name}={text} is not a whole number")
    return int(text)


def _moment(request: Request, name: str, *, end: bool) -> datetime | None:
    """An instant, or the start or the last millisecond of a date."""
    text = request.param(name)
    if text is None:
        return None
    lo, hi = date_range(text.replace(" ", "+"))
    return moment(hi - 1 if end else lo)
