"""history of a resource, a type, the whole record: http://hl7.org/fhir/R4/http.html#history."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from jiankang.fhir.search import date_range
from jiankang.foundation.record.indexing import resource_key
from jiankang.foundation.record.interactions.answers import shape
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
_ITEM = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([0-9]{1,9}))?")
_KNOWN = frozenset({"_since", "_at", "_list", "_count", "_before", "_format", "_pretty", "_summary", "_elements"})


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
    window = await _window(request)
    shown = shape(request)
    versions = await history(request.server.record, request.actor, window, type_name, id_, request.tx)
    await request.server.show(request, "history", versions.entries)
    address = f"{request.base_url}/{path}"
    asked = [(name, value) for name, value in request.params if name != "_before"]
    links = {"self": _link(address, request.params)}
    if versions.next is not None:
        links["next"] = _link(address, [*asked, ("_before", str(versions.next))])
    entries = [history_entry(stored, request.base_url, shown) for stored in versions.entries]
    made = instant(request.server.record.clock())
    return Response(200, bundle("history", entries, total=versions.total, links=links, made=made))


def _link(address: str, params: list[tuple[str, str]]) -> str:
    return f"{address}?{urlencode(params)}" if params else address


async def _window(request: Request) -> Window:
    unknown = sorted({name for name, _ in request.params} - _KNOWN)
    if unknown and request.handling == "strict":
        raise Invalid(f"history does not know {', '.join(unknown)}; it knows _since, _at, _list and _count")
    count = 0 if request.param("_summary") == "count" else _number(request, "_count", DEFAULT_COUNT)
    before = request.param("_before")
    since = _period(request, "_since")
    rids, versions = await _listed(request)
    return Window(
        None if since is None else since[0],
        _period(request, "_at"),
        min(count, MOST_COUNT),
        None if before is None else _number(request, "_before", 0),
        rids,
        versions,
    )


async def _listed(request: Request) -> tuple[list[int] | None, list[tuple[int, int]]]:
    """The resources, and the single versions, that the List named by `_list` refers to; None when none is named."""
    name = request.param("_list")
    if name is None:
        return None, []
    found = await request.server.read(request, "List", name.removeprefix("List/"))
    rids: list[int] = []
    versions: list[tuple[int, int]] = []
    for entry in found.resource.get("entry", []):
        match = _ITEM.fullmatch(entry["item"].get("reference", "").removeprefix(f"{request.base_url}/"))
        if match is None:
            continue
        rid = resource_key(match[1], match[2])
        if match[3] is None:
            rids.append(rid)
        else:
            versions.append((rid, int(match[3])))
    return rids, versions


def _number(request: Request, name: str, default: int) -> int:
    text = request.param(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid(f"{name}={text} is not a whole number")
    return int(text)


def _period(request: Request, name: str) -> tuple[datetime, datetime] | None:
    """The half-open period that a date, a time or an instant stands for."""
    text = request.param(name)
    if text is None:
        return None
    lo, hi = date_range(text.replace(" ", "+"))
    return moment(lo), moment(hi)
