"""create, also conditional: http://hl7.org/fhir/R4/http.html#create."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.foundation.record.interactions.answers import expect_content, written
from jiankang.foundation.record.interactions.binary import wrap
from jiankang.foundation.record.interactions.conditions import claims, one_match
from jiankang.foundation.record.interactions.preparing import prepare_body
from jiankang.foundation.record.store import Change
from jiankang.foundation.record.wire.http import JSON_TYPES, Request, Response, query_pairs

if TYPE_CHECKING:
    from jiankang.foundation.record.store import Prepared, Stored, Transaction


async def create(request: Request) -> Response:
    """Store a new resource under an id of the server's; with If-None-Exist only where nothing matches."""
    wrap(request)
    expect_content(request, JSON_TYPES)
    type_name = request.segments[0]
    prepared = await prepare_body(request, type_name)
    condition = request.headers.get("if-none-exist")
    if condition is not None:
        return await _unless_exists(request, type_name, prepared, condition)
    if request.tx is not None:
        stored = (await request.tx.apply([Change("POST", type_name, None, prepared)]))[0]
    else:
        stored = await request.server.record.create(request.actor, prepared)
    return written(request, stored)


async def _unless_exists(request: Request, type_name: str, prepared: Prepared, condition: str) -> Response:
    params = query_pairs(condition.removeprefix("?"))

    async def work(tx: Transaction) -> tuple[Stored, bool]:
        await tx.claim(claims(type_name, params))
        found = await one_match(request.server, tx, type_name, params)
        if found is not None:
            existing = await tx.get(type_name, found)
            if existing is not None:
                return existing, True
        return (await tx.apply([Change("POST", type_name, None, prepared)]))[0], False

    stored, existing = await request.server.record.run(request.actor, work)
    return written(request, stored, existing=existing)
