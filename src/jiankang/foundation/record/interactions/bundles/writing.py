"""The writes of a transaction, and what is answered for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.foundation.record.interactions.answers import told_of
from jiankang.foundation.record.interactions.bundles.telling import entry_of, guarded, renamed
from jiankang.foundation.record.interactions.bundles.work import Work, version_of
from jiankang.foundation.record.interactions.update import expect_none
from jiankang.foundation.record.store import Change, Transaction
from jiankang.foundation.record.wire.bundles import text
from jiankang.kernel.clock import instant
from jiankang.kernel.errors import Problem
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from jiankang.foundation.record.wire.http import Request


async def write(request: Request, tx: Transaction, works: list[Work]) -> None:
    """Write what is ready, then the patches, which read what was written."""
    from jiankang.foundation.record.interactions.patch import patch_in

    for work in works:
        if work.method == "PUT" and work.id is not None and (work.asked.ifNoneMatch or "").strip() == "*":
            await guarded(work, expect_none(tx, work.type, work.id))
    doing = [work for work in works if work.written or (work.method == "DELETE" and work.condition is None)]
    await apply(tx, [work for work in doing if work.result is None])
    for work in works:
        if work.method == "PATCH":
            doing_it = patch_in(request, tx, work.type, work.id or "", work.patch, version_of(work))
            work.result = await guarded(work, doing_it)


async def apply(tx: Transaction, doing: list[Work]) -> None:
    """Write, and say of what is refused which entry it is."""
    if not doing:
        return
    changes = [Change(w.method, w.type, w.id, w.prepared, version_of(w)) for w in doing]
    created = {w.id for w in doing if w.method == "POST"}
    try:
        results = await tx.apply(changes, new=created)
    except Problem as problem:
        number = _culprit(problem, doing)
        if number is None:
            raise
        raise renamed(problem, number) from None
    for work, result in zip(doing, results, strict=True):
        work.result = result


def _culprit(problem: Problem, doing: list[Work]) -> int | None:
    """The entry that a refusal of the store is about: it names the resource."""
    said = str(problem)
    return next((work.number for work in doing if f"{work.type}/{work.id}" in said), None)


def entry_of_work(request: Request, work: Work) -> bytes:
    """The answer to one entry."""
    if work.response is not None:
        return entry_of(work.response)
    if work.method == "DELETE":
        etag = b',"etag":%s' % text(work.result.etag) if work.result is not None and work.result.version else b""
        return b'{"response":{"status":"204 No Content"%s}}' % etag
    stored = work.existing or work.result
    if stored is None:
        return b'{"response":{"status":"204 No Content"}}'
    status = "201 Created" if work.existing is None and stored.created else "200 OK"
    location = f"{request.base_url}/{stored.type}/{stored.id}/_history/{stored.version}"
    response = b'"response":{"status":"%s","location":%s,"etag":%s,"lastModified":"%s"}' % (
        status.encode(), text(location), text(stored.etag), instant(stored.updated).encode(),
    )  # fmt: skip
    wanted = request.prefer.get("return")
    if wanted == "representation":
        return b'{"resource":%s,%s}' % (stored.json, response)
    if wanted == "OperationOutcome" or any(issue.severity == "error" for issue in stored.findings):
        return b'{%s,"outcome":%s}}' % (response[:-1], encode(told_of(stored, work.existing)))
    return b"{%s}" % response
