"""Each entry for itself: http://hl7.org/fhir/R4/http.html#brules."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from jiankang.fhir.definitions import load
from jiankang.fhir.outcome import outcome
from jiankang.foundation.record.interactions.bundles.dispatching import dispatched
from jiankang.foundation.record.interactions.bundles.readying import NOTHING_RESOLVED, prepare_all
from jiankang.foundation.record.interactions.bundles.telling import entry_of, refused
from jiankang.foundation.record.interactions.bundles.work import work_of
from jiankang.foundation.record.interactions.bundles.writing import entry_of_work, write
from jiankang.foundation.record.wire.bundles import bundle
from jiankang.foundation.record.wire.http import Request, Response
from jiankang.kernel.errors import Invalid, Issue, Problem
from jiankang.kernel.ids import new_uuid7
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from jiankang.foundation.record.interactions.bundles.reading import Asked, Entry, Frame

_log = logging.getLogger("jiankang.api")


async def batch(request: Request, parsed: Frame) -> Response:
    """Do each entry for itself, in the order that the norm gives; refused ones are told in their place."""
    answers: list[bytes] = [b""] * len(parsed.entry)
    if await _together(request, parsed, answers):
        return Response(200, bundle("batch-response", answers))
    order = sorted(range(len(parsed.entry)), key=lambda n: _rank(parsed.entry[n].request))
    for number in order:
        answers[number] = await _alone(request, parsed.entry[number], number)
    return Response(200, bundle("batch-response", answers))


async def _together(request: Request, parsed: Frame, answers: list[bytes]) -> bool:
    """Do a batch of nothing but plain creates in one transaction; False when it is not one or something is wrong.

    What is wrong is then found by doing each entry for itself.
    """
    if len(parsed.entry) < 2 or not all(
        entry.request
        and entry.request.method == "POST"
        and entry.request.ifNoneExist is None
        and load().is_resource(entry.request.url)
        for entry in parsed.entry
    ):
        return False
    works = [work_of(request, entry, number) for number, entry in enumerate(parsed.entry)]
    try:
        await prepare_all(request, works, NOTHING_RESOLVED, {})
        await request.server.record.run(request.actor, lambda tx: write(request, tx, works))
    except Problem:
        return False
    for work in works:
        answers[work.number] = entry_of_work(request, work)
    return True


def _rank(asked: Asked | None) -> int:
    return {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2}.get(asked.method if asked else "", 3)


async def _alone(request: Request, entry: Entry, number: int) -> bytes:
    """One entry of a batch: done as if it had been sent by itself."""
    try:
        if entry.request is None:
            return entry_of(refused(Invalid("the entry has no request", code="required"), number))
        return entry_of(await dispatched(request, entry.request, entry.resource))
    except Problem as problem:
        return entry_of(refused(problem, number))
    except Exception:  # noqa: BLE001 - one entry's bug does not spoil the others
        id_ = new_uuid7()
        _log.exception("batch entry failed, %s", id_)
        issue = Issue("exception", "something went wrong on our side")
        return entry_of(Response(500, encode(outcome([issue], diagnostics=id_))))
