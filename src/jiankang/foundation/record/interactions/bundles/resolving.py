"""What the conditions of a transaction mean, decided while others that decide about the same wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.foundation.record.interactions.bundles.readying import NOTHING_RESOLVED, prepare_all
from jiankang.foundation.record.interactions.bundles.references import references
from jiankang.foundation.record.interactions.bundles.telling import guarded, renamed
from jiankang.foundation.record.interactions.bundles.work import Work, check_twice, names_of, own_id
from jiankang.foundation.record.interactions.bundles.writing import apply
from jiankang.foundation.record.interactions.conditions import claims, one_match
from jiankang.foundation.record.interactions.delete import ids_to_delete
from jiankang.foundation.record.interactions.update import expect_free
from jiankang.foundation.record.store import Change, Transaction
from jiankang.kernel.errors import Conflict, Invalid, NotFound

if TYPE_CHECKING:
    from jiankang.foundation.record.wire.http import Request


async def resolve(request: Request, tx: Transaction, works: list[Work]) -> None:
    """Find what conditions mean, waiting for others that decide about the same identities; then prepare."""
    conditional = [work for work in works if work.condition is not None]
    await tx.claim({claim for work in conditional for claim in claims(work.type, work.condition or [])})
    for work in conditional:
        work.id, work.existing, work.ids = None, None, []
    await _delete(request, tx, works)
    taken: dict[int, int] = {}
    for work in conditional:
        if work.method != "DELETE":
            await guarded(work, _identify(request, tx, work))
            _check_identity(work, taken)
    check_twice(works)
    names = names_of(works)
    early = _made_first(works)
    if early:
        await prepare_all(request, early, NOTHING_RESOLVED, names, tx)
        await apply(tx, early)
    resolved = await references(request, tx, works)
    await prepare_all(request, [work for work in works if not early or work.searches], resolved, names, tx)


async def _delete(request: Request, tx: Transaction, works: list[Work]) -> None:
    """Do all deletes, which come before everything else; what they mean is decided before any is done."""
    deleting = [work for work in works if work.method == "DELETE"]
    for work in deleting:
        if work.condition is not None:
            work.ids = await guarded(work, ids_to_delete(request, tx, work.type, work.condition))
    check_twice([work for work in works if work.changed])
    await apply(tx, [work for work in deleting if work.condition is None])
    for work in deleting:
        await guarded(work, tx.apply([Change("DELETE", work.type, id_) for id_ in work.ids]))


async def _identify(request: Request, tx: Transaction, work: Work) -> None:
    """Find what a condition means. Raises NotFound, PreconditionFailed, Invalid, Conflict where it cannot be done."""
    work.id = await one_match(request.server, tx, work.type, work.condition or [])
    own = own_id(work)
    if work.method == "POST" and work.id is not None:
        work.existing = await tx.get(work.type, work.id)
    elif work.method == "PATCH" and work.id is None:
        raise NotFound(f"no {work.type} matches the condition")
    elif work.id is None:
        if own is not None:
            await expect_free(tx, work.type, own)
        work.id = own or request.server.record.new_id()
    elif own not in {None, work.id}:
        raise Invalid(f"the condition matches {work.type}/{work.id}, the resource says it is {own}")


def _made_first(works: list[Work]) -> list[Work]:
    """What conditional references of other entries may be about: it is written before they are resolved."""
    targets = {one.partition("?")[0] for work in works if work.written for one in work.searches}
    if not any(work.written and work.type in targets for work in works):
        return []
    return [work for work in works if work.written and not work.searches]


async def check_conditions(request: Request, tx: Transaction, works: list[Work]) -> None:
    """No entry may make what the condition of another one means: nobody could say which of them it is."""
    made = {work.type for work in works if work.written and work.condition is None}
    for work in works:
        if work.condition is None or work.method not in {"POST", "PUT"} or work.type not in made:
            continue
        found = await guarded(work, one_match(request.server, tx, work.type, work.condition))
        if found not in {None, work.id}:
            raise renamed(
                Conflict(f"its condition now means {work.type}/{found}, which another entry made"), work.number
            )


def _check_identity(work: Work, taken: dict[int, int]) -> None:
    """Two entries that would make, or mean, one identity cannot both be done."""
    for claim in claims(work.type, work.condition or []):
        first = taken.setdefault(claim, work.number)
        if first != work.number:
            raise renamed(
                Conflict(f"entry {first} is about the same identity: send each identity once", code="duplicate"),
                work.number,
            )
