"""delete, also conditional: http://hl7.org/fhir/R4/http.html#delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.foundation.record.interactions.answers import if_match
from jiankang.foundation.record.interactions.conditions import claims, matches, one_match
from jiankang.foundation.record.store import Change
from jiankang.foundation.record.wire.http import Request, Response
from jiankang.kernel.errors import PreconditionFailed

if TYPE_CHECKING:
    from jiankang.foundation.record.store import Stored, Transaction

MOST = 1_000
"""Most resources that one conditional delete takes away."""


async def delete(request: Request) -> Response:
    """Take a resource out of reads and searches; its history stays. Deleting what is gone is no error."""
    type_name, id_ = request.segments
    change = Change("DELETE", type_name, id_, None, if_match(request))

    async def work(tx: Transaction) -> Stored:
        return (await tx.apply([change]))[0]

    stored = await request.server.record.run(request.actor, work)
    return Response(204, b"", [("ETag", stored.etag)] if stored.version else [])


async def conditional_delete(request: Request) -> Response:
    """Delete what matches: all of it, or with the setting `conditional_delete` single only where one matches."""
    type_name = request.segments[0]

    async def work(tx: Transaction) -> None:
        await tx.claim(claims(type_name, request.params))
        await delete_matching(request, tx, type_name, request.params)

    await request.server.record.run(request.actor, work)
    return Response(204)


async def delete_matching(
    request: Request, tx: Transaction, type_name: str, params: list[tuple[str, str]]
) -> list[Stored]:
    """Delete what a condition means, in the transaction."""
    ids = await ids_to_delete(request, tx, type_name, params)
    return await tx.apply([Change("DELETE", type_name, id_) for id_ in ids])


async def ids_to_delete(request: Request, tx: Transaction, type_name: str, params: list[tuple[str, str]]) -> list[str]:
    """The ids that a conditional delete means. Raises PreconditionFailed where these are too many."""
    if request.server.settings.conditional_delete == "single":
        found = await one_match(request.server, tx, type_name, params)
        return [] if found is None else [found]
    ids = await matches(request.server, tx, type_name, params, MOST + 1)
    if len(ids) > MOST:
        raise PreconditionFailed(f"more than {MOST} resources match: narrow the condition", code="too-costly")
    return ids
