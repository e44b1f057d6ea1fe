"""The resources of a transaction made ready for writing: references replaced, all problems of all entries at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jiankang.foundation.record.interactions.bundles.telling import MOST_ISSUES, placed
from jiankang.foundation.record.interactions.preparing import THREAD_BYTES
from jiankang.foundation.record.interactions.rewriting import Names, logical, rewritten
from jiankang.foundation.record.judging import Judge, judged, prepared
from jiankang.kernel.errors import Invalid, Issue, Problem, TooLarge, Unprocessable

if TYPE_CHECKING:
    from jiankang.foundation.record.interactions.bundles.work import Work
    from jiankang.foundation.record.store import Prepared, Transaction
    from jiankang.foundation.record.wire.http import Request


@dataclass(frozen=True, slots=True)
class Resolved:
    """What conditional references stand for: addresses, or identifiers of what is not known here."""

    addresses: dict[str, str]
    identifiers: dict[str, tuple[str, str, str]]


NOTHING_RESOLVED = Resolved({}, {})


async def prepare_all(
    request: Request, works: list[Work], resolved: Resolved, names: dict[str, str], tx: Transaction | None = None
) -> None:
    """Prepare the resources of `works`, references to `names` and to what is `resolved` replaced."""
    size = sum(len(work.raw) for work in works if work.raw)
    limit = request.server.settings.max_resource_bytes
    judge, aside = request.server.judge, size > THREAD_BYTES
    if aside:
        await asyncio.to_thread(_prepare_each, judge, works, resolved, names, limit)
    else:
        _prepare_each(judge, works, resolved, names, limit)
    ready = [(work, work.prepared) for work in works if work.written and work.prepared is not None]
    refused = await judged(judge, [prepared for _, prepared in ready], aside=aside, db=None if tx is None else tx.db)
    if refused:
        issues = [issue for place, one in refused.items() for issue in placed(one, ready[place][0].number)]
        raise Unprocessable(issues=issues[:MOST_ISSUES])


def _prepare_each(
    judge: Judge | None, works: list[Work], resolved: Resolved, known: dict[str, str], limit: int
) -> None:
    """Prepare every resource; all problems of all entries at once."""
    names = Names(known | resolved.addresses)
    issues: list[Issue] = []
    kind: type[Problem] = Unprocessable
    for work in works:
        if not work.written:
            continue
        try:
            work.prepared = _prepared(judge, work, names, resolved.identifiers, limit)
        except Problem as problem:
            kind = type(problem)
            issues += placed(problem, work.number)
            if len(issues) > MOST_ISSUES:
                break
    if issues:
        raise kind(issues=issues)


def _prepared(
    judge: Judge | None, work: Work, names: Names, identifiers: dict[str, tuple[str, str, str]], limit: int
) -> Prepared:
    raw = work.raw or b""
    if len(raw) > limit:
        raise TooLarge(f"the resource has {len(raw)} bytes; at most {limit} are taken")
    raw = rewritten(raw, names, work.full_url)
    if not work.searches.isdisjoint(identifiers):
        raw = logical(raw, identifiers)
    ready = prepared(judge, raw, type_name=work.type)
    if work.method == "PUT" and work.id is not None and ready.id != work.id and work.condition is None:
        raise Invalid(f"the resource's id is {ready.id}, the address says {work.id}", expression=[f"{work.type}.id"])
    return ready
