"""What stewards do to links: merge, move, always, never, and the undoing of each.

Only links change, never a registration; each operation is logged with who, when and why. An undone operation leaves the
links, rules and questions exactly as they would be without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jiankang.foundation.access import EVERYTHING
from jiankang.foundation.identity import index
from jiankang.foundation.identity.deciding import against
from jiankang.foundation.identity.index import Link
from jiankang.foundation.identity.persons import person_id
from jiankang.foundation.identity.reasons import reason
from jiankang.foundation.record.indexing import resource_key
from jiankang.kernel.errors import Conflict, Forbidden, NotFound
from jiankang.kernel.ids import new_uuid7

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from psycopg import AsyncConnection

    from jiankang.foundation.identity.deciding import Known
    from jiankang.foundation.identity.weights import Weights
    from jiankang.foundation.record.store import Transaction


@dataclass(frozen=True, slots=True)
class Move:
    """A registration that went from one person to another."""

    rid: int
    id: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Done:
    """An operation that was done: its id (what undoes it asks for it), its kind, and the registrations it moved."""

    operation: str
    kind: str
    moved: tuple[Move, ...] = ()
    about: tuple[str, ...] = ()
    """Patient ids that a rule is about."""
    undoes: str = ""


_MOVE = "UPDATE identity_record SET person = %s WHERE rid = ANY(%s::bigint[]) RETURNING rid, id"

_BROKEN = """
WITH mine AS (SELECT rid FROM identity_record WHERE person = ANY(%s::uuid[])),
said AS (
    SELECT r.low, r.high, r.kind FROM mine JOIN identity_rule AS r ON r.low = mine.rid WHERE r.ended IS NULL
    UNION SELECT r.low, r.high, r.kind FROM mine JOIN identity_rule AS r ON r.high = mine.rid WHERE r.ended IS NULL)
SELECT l.id, h.id, said.kind FROM said JOIN identity_record AS l ON l.rid = said.low
JOIN identity_record AS h ON h.rid = said.high WHERE (said.kind = 'never') = (l.person = h.person) LIMIT 1
"""


async def merge(
    tx: Transaction, keep: str, other: str, weights: Weights, *, note: str = "", force: bool = False
) -> Done:
    """Link all registrations of the person `other` to the person `keep`.

    Raises Conflict where a rule forbids it, or where two registrations cannot be one person (two valid numbers) and
    `force` does not say that this is known.
    """
    if keep == other:
        raise Conflict("both are one person already")
    people = await _hold(tx, (keep, other))
    if not force:
        for one in people[other]:
            said = against(one.record, people[keep], weights)
            if said:
                raise Conflict(
                    f"{reason(said[0]).en}: say `force` if they are one person all the same", code="conflict"
                )
    operation = await _begin(tx, "merge", note)
    moved = await _move(tx, operation, "merge", people[other], keep)
    await _keeps_rules(tx.db, (keep, other))
    return Done(operation, "merge", tuple(moved))


async def move(tx: Transaction, rid: int, to: str | None, *, note: str = "") -> Done:
    """Link a registration to another person, or to a new one when `to` is None. Raises Conflict, NotFound."""
    one = await _one(tx, rid)
    if one.person == to:
        raise Conflict("it is linked to this person already")
    people = await _hold(tx, (one.person, to) if to else (one.person,))
    _still(one, people)
    if to is None and len(people[one.person]) == 1:
        raise Conflict("it is the only registration of its person already")
    operation = await _begin(tx, "move", note)
    after = to or new_uuid7()
    moved = await _move(tx, operation, "move", [one], after)
    await _keeps_rules(tx.db, (one.person, after))
    return Done(operation, "move", tuple(moved))


async def never(tx: Transaction, left: int, right: int, *, note: str = "") -> Done:
    """Say for good that two registrations are two people; `left` leaves the person if both are linked to one."""
    one, other = await _pair(tx, left, right)
    people = await _hold(tx, (one.person, other.person))
    _still(one, people)
    _still(other, people)
    operation = await _begin(tx, "never", note)
    await _rule(tx, operation, "never", left, right, note)
    moved: list[Move] = []
    persons = [one.person, other.person]
    if one.person == other.person:
        moved = await _move(tx, operation, "never", [one], new_uuid7())
        persons.append(moved[0].after)
    await _keeps_rules(tx.db, persons)
    return Done(operation, "never", tuple(moved), await _ids(tx.db, (left, right)))


async def always(tx: Transaction, left: int, right: int, *, note: str = "") -> Done:
    """Say for good that two registrations are one person; the person of `left` keeps its id."""
    one, other = await _pair(tx, left, right)
    people = await _hold(tx, (one.person, other.person))
    _still(one, people)
    _still(other, people)
    operation = await _begin(tx, "always", note)
    await _rule(tx, operation, "always", left, right, note)
    moved: list[Move] = []
    if one.person != other.person:
        moved = await _move(tx, operation, "always", people[other.person], one.person)
    await _keeps_rules(tx.db, (one.person, other.person))
    return Done(operation, "always", tuple(moved), await _ids(tx.db, (left, right)))


async def say_one(tx: Transaction, left: str, right: str, *, note: str = "") -> bool:
    """The same as `always` of two Patients by their ids, as their source says it; False when it was said before.

    Raises Conflict where a steward said that they are two.
    """
    pair = sorted(resource_key("Patient", id_) for id_ in (left, right))
    said = await (
        await tx.db.execute(
            "SELECT kind FROM identity_rule WHERE low = %s AND high = %s AND ended IS NULL FOR UPDATE", tuple(pair)
        )
    ).fetchone()
    if said is not None and said[0] == "always":
        return False
    await always(tx, resource_key("Patient", left), resource_key("Patient", right), note=note)
    return True


async def undo(tx: Transaction, operation: str, *, note: str = "") -> Done:
    """Take an operation back. Raises NotFound, Conflict where later operations lean on it: those come first."""
    row = await (
        await tx.db.execute(
            "SELECT o.kind, u.id::text FROM identity_operation AS o LEFT JOIN identity_operation AS u ON u.undoes = o.id "
            "WHERE o.id = %s FOR UPDATE OF o",
            (operation,),
        )
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no operation {operation}: links made automatically are parted by never-link")
    if row[0] == "undo":
        raise Conflict("this is an undoing itself: do again what it took back")
    if row[1] is not None:
        raise Conflict("this was taken back already")
    changes = await (
        await tx.db.execute(
            "SELECT c.rid, c.before::text, c.after::text, r.person::text FROM identity_change AS c "
            "JOIN identity_record AS r ON r.rid = c.rid WHERE c.operation = %s ORDER BY c.seq",
            (operation,),
        )
    ).fetchall()
    people = await _hold(tx, {person for _, *ones in changes for person in ones}, empty=True)
    now = {one.rid: one for ones in people.values() for one in ones}
    back: dict[str, list[Known]] = {}
    for rid, before, after, _ in changes:
        if rid not in now or now[rid].person != after:
            raise Conflict("a registration of it was linked elsewhere since: take that back first")
        back.setdefault(before, []).append(now[rid])
    ruled = await tx.db.execute("SELECT low, high FROM identity_rule WHERE operation = %s", (operation,))
    await _permit(tx, [rid for pair in await ruled.fetchall() for rid in pair])
    mine = await _begin(tx, "undo", note, undoes=operation)
    moved = [each for before, ones in back.items() for each in await _move(tx, mine, "undo", ones, before)]
    await tx.db.execute("UPDATE identity_rule SET ended = %s WHERE operation = %s AND ended IS NULL", (mine, operation))
    await tx.db.execute(
        "UPDATE identity_task SET answer = NULL, answered = NULL, actor = NULL, operation = NULL WHERE operation = %s",
        (operation,),
    )
    await _keeps_rules(tx.db, list(people))
    return Done(mine, "undo", tuple(moved), undoes=operation)


async def _begin(tx: Transaction, kind: str, note: str, undoes: str | None = None) -> str:
    operation = new_uuid7()
    await tx.db.execute(
        "INSERT INTO identity_operation (id, kind, actor, note, undoes) VALUES (%s, %s, %s, %s, %s)",
        (operation, kind, tx.actor.id, note or None, undoes),
    )
    return operation


async def _hold(tx: Transaction, persons: Collection[str], *, empty: bool = False) -> dict[str, list[Known]]:
    """Hold persons, and know their registrations, all of which the actor may change."""
    await index.hold_persons(tx.db, set(persons))
    people = await index.members(tx.db, set(persons))
    for person, ones in people.items():
        if not ones and not empty:
            raise NotFound(f"Patient/{person_id(person)} has no registrations")
    await _permit(tx, [one.rid for ones in people.values() for one in ones])
    return people


async def _permit(tx: Transaction, rids: Sequence[int]) -> None:
    actor = tx.actor
    if actor.restriction is EVERYTHING and actor.write_restriction is None:
        return
    rows = await tx.db.execute("SELECT keys FROM resource WHERE rid = ANY(%s::bigint[])", (list(rids),))
    for (keys,) in await rows.fetchall():
        if not actor.restriction.permits("Patient", keys) or not actor.writes.permits("Patient", keys):
            raise Forbidden("registrations that you may not change are linked to this person")


async def _one(tx: Transaction, rid: int) -> Known:
    found = (await index.known(tx.db, [rid])).get(rid)
    if found is None:
        raise NotFound("there is no such registration")
    return found


async def _pair(tx: Transaction, left: int, right: int) -> tuple[Known, Known]:
    if left == right:
        raise Conflict("a registration is one person with itself: name two")
    return await _one(tx, left), await _one(tx, right)


def _still(one: Known, people: dict[str, list[Known]]) -> None:
    if all(each.rid != one.rid for each in people[one.person]):
        raise Conflict("it was linked to another person meanwhile: look again")


async def _move(tx: Transaction, operation: str, kind: str, ones: Sequence[Known], to: str) -> list[Move]:
    if not ones:
        return []
    before = {one.rid: one.person for one in ones}
    rows = await (await tx.db.execute(_MOVE, (to, sorted(before)))).fetchall()
    moved = [Move(rid, id_, before[rid], to) for rid, id_ in sorted(rows)]
    links = [Link(operation, kind, one.rid, one.before, to) for one in moved]
    await index.write(tx.db, [], links, actor=tx.actor.id, model="")
    return moved


async def _rule(tx: Transaction, operation: str, kind: str, left: int, right: int, note: str) -> None:
    low, high = min(left, right), max(left, right)
    there = await (
        await tx.db.execute(
            "SELECT kind FROM identity_rule WHERE low = %s AND high = %s AND ended IS NULL FOR UPDATE", (low, high)
        )
    ).fetchone()
    if there is not None:
        raise Conflict(f"they were said to be {there[0]} one person already")
    await tx.db.execute(
        "INSERT INTO identity_rule (low, high, kind, operation, actor, note) VALUES (%s, %s, %s, %s, %s, %s)",
        (low, high, kind, operation, tx.actor.id, note or None),
    )


async def _ids(db: AsyncConnection[Any], rids: Sequence[int]) -> tuple[str, ...]:
    rows = await db.execute("SELECT id FROM identity_record WHERE rid = ANY(%s::bigint[]) ORDER BY rid", (list(rids),))
    return tuple(id_ for (id_,) in await rows.fetchall())


async def _keeps_rules(db: AsyncConnection[Any], persons: Collection[str]) -> None:
    """Raises Conflict if links and rules contradict one another now."""
    row = await (await db.execute(_BROKEN, (list(persons),))).fetchone()
    if row is not None:
        low, high, kind = row
        raise Conflict(
            f"a steward said that Patient/{low} and Patient/{high} are {kind} one person: take that back first"
        )
