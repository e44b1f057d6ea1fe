"""batch and transaction: http://hl7.org/fhir/R4/http.html#transaction."""

from __future__ import annotations

import asyncio

from jiankang.foundation.record.interactions.answers import expect_content
from jiankang.foundation.record.interactions.bundles.batch import batch
from jiankang.foundation.record.interactions.bundles.reading import read_frame
from jiankang.foundation.record.interactions.bundles.transaction import transaction
from jiankang.foundation.record.interactions.preparing import THREAD_BYTES, refreshed
from jiankang.foundation.record.wire.http import JSON_TYPES, Request, Response
from jiankang.kernel.errors import Invalid


async def process(request: Request) -> Response:
    """Do all of a Bundle's entries: a transaction wholly or not at all, a batch each for itself."""
    expect_content(request, JSON_TYPES)
    most = request.server.settings.max_bundle_entries
    if len(request.body) > THREAD_BYTES:
        parsed = await asyncio.to_thread(read_frame, request.body, most)
    else:
        parsed = read_frame(request.body, most)
    await refreshed(request.server)
    if parsed.type == "batch":
        return await batch(request, parsed)
    if parsed.type == "transaction":
        return await transaction(request, parsed)
    raise Invalid(
        f"a Bundle of type {parsed.type or '(none)'} cannot be processed here: send a batch or a transaction",
        expression=["Bundle.type"],
    )
