"""All entries or none: http://hl7.org/fhir/R4/http.html#trules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from jiankang.foundation.record.interactions.bundles.dispatching import dispatched
from jiankang.foundation.record.interactions.bundles.readying import NOTHING_RESOLVED, prepare_all
from jiankang.foundation.record.interactions.bundles.resolving import check_conditions, resolve
from jiankang.foundation.record.interactions.bundles.telling import guarded
from jiankang.foundation.record.interactions.bundles.work import check_twice, names_of, work_of
from jiankang.foundation.record.interactions.bundles.writing import entry_of_work, write
from jiankang.foundation.record.interactions.rewriting import conditional_references
from jiankang.foundation.record.wire.bundles import bundle
from jiankang.foundation.record.wire.http import Request, Response

if TYPE_CHECKING:
    from jiankang.foundation.record.interactions.bundles.reading import Frame
    from jiankang.foundation.record.store import Transaction


async def transaction(request: Request, parsed: Frame) -> Response:
    """Do all entries in one transaction of the database, or none."""
    works = [work_of(request, entry, number) for number, entry in enumerate(parsed.entry)]
    check_twice(works)
    for work in works:
        if work.raw is not None and work.written:
            work.searches = conditional_references(work.raw)
    plain = not any(work.condition is not None or work.searches for work in works)
    if plain:
        await prepare_all(request, works, NOTHING_RESOLVED, names_of(works))

    async def do(tx: Transaction) -> None:
        for one in works:
            one.result = None  # it may be done a second time
        if not plain:
            await resolve(request, tx, works)
        await write(request, tx, works)
        await check_conditions(request, tx, works)
        for one in works:
            if one.method == "GET":
                one.response = await guarded(one, dispatched(request, one.asked, msgspec.Raw(), tx))

    await request.server.record.run(request.actor, do)
    entries = [entry_of_work(request, one) for one in works]
    return Response(200, bundle("transaction-response", entries))
