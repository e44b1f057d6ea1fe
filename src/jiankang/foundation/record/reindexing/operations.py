"""The operations that tell how far the indexing is, and that ask for it anew.

`GET SearchParameter/{id}/$reindex-status`, `GET $reindex`, `POST $reindex?_type=…` (docs/reference/search.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load
from jiankang.foundation.access import EVERYTHING
from jiankang.foundation.record.reindexing.definitions import ask
from jiankang.foundation.record.reindexing.progress import Progress, progress
from jiankang.foundation.record.wire.http import Request, Response
from jiankang.kernel.clock import instant
from jiankang.kernel.database import translated
from jiankang.kernel.errors import Forbidden, Invalid, NotFound
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

_OF_RESOURCE = "SELECT base, code, state FROM search_parameter WHERE resource = %s ORDER BY base"


async def status(request: Request) -> Response:
    """How far the indexing for one SearchParameter is, for each resource type that it is for."""
    type_name, id_ = request.segments[:2]
    if type_name != "SearchParameter":
        raise NotFound("$reindex-status is asked of a SearchParameter", code="not-supported")
    await request.server.read(request, type_name, id_)
    async with request.server.db(request) as db:
        rows = await (await db.execute(_OF_RESOURCE, (id_,))).fetchall()
        passes = {one.type: one for one in await progress(db, [row[0] for row in rows])}
    states = {state for _, _, state in rows}
    overall = (
        "none" if not rows else "building" if "building" in states else "retired" if states == {"retired"} else "ready"
    )
    parts = [
        _part(passes[base], [{"name": "code", "valueCode": code}, {"name": "parameter", "valueCode": state}])
        for base, code, state in rows
    ]
    return _parameters([{"name": "state", "valueCode": overall}, *parts])


async def show(request: Request) -> Response:
    """All passes there are."""
    _only_for_all(request)
    async with request.server.db(request) as db:
        return _parameters([_part(one, []) for one in await progress(db)])


async def again(request: Request) -> Response:
    """Ask for a pass over the types that `_type` names: their index rows are compared with what they should be."""
    _only_for_all(request)
    types = [one.strip() for one in (request.param("_type") or "").split(",") if one.strip()]
    if not types:
        raise Invalid("say which types, as $reindex?_type=Observation,Patient", expression=["_type"])
    for one in types:
        if not load().is_resource(one):
            raise Invalid(f"'{one}' is not a resource type of FHIR R4", expression=["_type"])
    with translated():
        async with request.server.record.pool.connection() as db, db.transaction():
            await ask(db, types)
        async with request.server.record.pool.connection() as db:
            found = await progress(db, types)
    return _parameters([_part(one, []) for one in found], 202)


def _only_for_all(request: Request) -> None:
    """Numbers of resources are only told to those who may see all of them."""
    if request.actor.restriction is not EVERYTHING:
        raise Forbidden("this is for those who look after the whole record")


def _part(one: Progress, more: Sequence[dict[str, Any]]) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"name": "type", "valueCode": one.type},
        *more,
        {"name": "state", "valueCode": one.state},
        {"name": "percent", "valueInteger": one.percent},
        {"name": "done", "valueInteger": one.done},
        {"name": "total", "valueInteger": one.total},
        {"name": "rewritten", "valueInteger": one.rewritten},
        {"name": "asked", "valueInstant": instant(one.asked)},
    ]
    if one.finished is not None:
        parts.append({"name": "finished", "valueInstant": instant(one.finished)})
    return {"name": "pass", "part": parts}


def _parameters(found: list[dict[str, Any]], code: int = 200) -> Response:
    body: dict[str, Any] = {"resourceType": "Parameters"}
    if found:
        body["parameter"] = found
    return Response(code, encode(body))
