"""/-/identity: the queue with its figures, registrations that cannot be matched, what was decided, what was linked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.foundation.identity import desk, queue
from jiankang.foundation.identity.pages import asking
from jiankang.foundation.identity.pages.asking import PAGE, PATH, actor_of, room_of
from jiankang.foundation.identity.pages.gauging import figures_for
from jiankang.foundation.identity.score import probability
from jiankang.ui import page

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import AsyncConnection
    from starlette.requests import Request
    from starlette.responses import Response

    from jiankang.foundation.access import Actor


async def show_queue(request: Request) -> Response:
    """The open questions, the oldest first, with the figures above them."""
    actor, reason = actor_of(request), asking.reason_of(request.query_params.get("reason"))
    after = asking.number_of(request.query_params.get("after"), 0)
    async with room_of(request).record.reading(None) as db:
        found = await queue.listed(db, actor, after=after, count=PAGE + 1, reason=reason)
        told = await told_of(request, db, actor)
        names = await desk.called(db, told.patients if told else ())
        waiting = await desk.waiting(db, actor)
        await _noted(request, db, actor, (id_ for each in found for id_ in each.ids))
    return await _show(
        request, "queue", "identity/_queue.html", actor, waiting=waiting, reason=reason, after=after, listed=found[:PAGE],
        more=len(found) > PAGE, told=told, names=names, probability=probability,
    )  # fmt: skip


async def show_unmatchable(request: Request) -> Response:
    """Registrations with nothing to match on, and why."""
    actor = actor_of(request)
    after = asking.number_of(request.query_params.get("after"), -(2**63))
    async with room_of(request).record.reading(None) as db:
        found = await queue.unmatchable(db, actor, after=after, count=PAGE + 1)
        waiting = await desk.waiting(db, actor)
        await _noted(request, db, actor, (id_ for _, id_, _ in found))
    return await _show(
        request, "unmatchable", None, actor, waiting=waiting, listed=found[:PAGE], more=len(found) > PAGE, after=after
    )


async def show_history(request: Request) -> Response:
    """What people decided, the latest first."""
    actor = actor_of(request)
    before = asking.operation_of(request.query_params.get("before"))
    async with room_of(request).record.reading(None) as db:
        found = await queue.history(db, actor, before=before, count=PAGE + 1)
        told = await told_of(request, db, actor)
        names = await desk.called(db, {id_ for each in (*found, told) if each for id_ in each.patients})
        tasks = await desk.tasks_of(db, [each.operation for each in found])
        waiting = await desk.waiting(db, actor)
        await _noted(request, db, actor, names)
    return await _show(
        request, "history", None, actor, waiting=waiting, listed=found[:PAGE], more=len(found) > PAGE, before=before,
        names=names, tasks=tasks, told=told, kinds=asking.KINDS,
    )  # fmt: skip


async def show_automatic(request: Request) -> Response:
    """Links that were made without a steward, the latest first."""
    actor = actor_of(request)
    before = asking.number_of(request.query_params.get("before"), 2**63 - 1)
    async with room_of(request).record.reading(None) as db:
        found = await desk.automatic(db, actor, before=before, count=PAGE + 1)
        waiting = await desk.waiting(db, actor)
        await _noted(request, db, actor, (id_ for each in found for id_ in each.ids))
    return await _show(
        request, "automatic", None, actor, waiting=waiting, listed=found[:PAGE], more=len(found) > PAGE,
        first=before == 2**63 - 1, kinds=asking.MADE, probability=probability,
    )  # fmt: skip


async def told_of(request: Request, db: AsyncConnection[Any], actor: Actor) -> queue.Told | None:
    """The operation that the reader comes from having done, which the address names."""
    operation = asking.operation_of(request.query_params.get("done"))
    found = await queue.history(db, actor, only=operation, count=1) if operation else []
    return found[0] if found else None


async def _noted(request: Request, db: AsyncConnection[Any], actor: Actor, ids: Iterable[str]) -> None:
    """Have it written down whose registrations the reader is shown."""
    targets = [("Patient", id_) for id_ in dict.fromkeys(ids)]
    if targets:
        await room_of(request).record.shown(actor, "search", targets, db)


async def _show(request: Request, tab: str, fragment: str | None, actor: Actor, **values: Any) -> Response:
    return page(
        request, f"identity/{tab}.html", fragment=fragment, tab=tab, path_=PATH, most=desk.MOST_COUNTED,
        counted=await figures_for(room_of(request), actor), **helpers(request), **values,
    )  # fmt: skip


def helpers(request: Request) -> dict[str, Any]:
    """What templates of this room ask for words."""
    return {
        "reasons": lambda codes: asking.reasons_in_words(request, tuple(codes)),
        "age": lambda since: asking.age(request, since),
        "moment": asking.moment, "percent": asking.percent, "done_words": asking.DONE,
        "keys_on": asking.keys_are_on(request),
    }  # fmt: skip
