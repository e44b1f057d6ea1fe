"""What stewards have before them: open questions, two registrations side by side, what was decided, and the figures.

Nothing of a registration that the reader may not see is told: a question about one is not shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jiankang.foundation.identity import index, linking
from jiankang.foundation.identity.rules import Answer, judge
from jiankang.foundation.identity.score import Part, Score, explain, scorer
from jiankang.foundation.record.codec import join_text
from jiankang.foundation.record.indexing import resource_key
from jiankang.kernel.errors import Conflict, Invalid, NotFound
from jiankang.kernel.jsontext import decode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from psycopg import AsyncConnection

    from jiankang.foundation.access import Actor
    from jiankang.foundation.identity.linking import Done
    from jiankang.foundation.identity.model import Record
    from jiankang.foundation.identity.weights import Weights
    from jiankang.foundation.record.store import Record as TheRecord
    from jiankang.foundation.record.store import Transaction

Json = dict[str, Any]

OPEN = """
FROM identity_task AS t
JOIN identity_record AS l ON l.rid = t.low JOIN identity_record AS h ON h.rid = t.high
JOIN resource AS a ON a.rid = t.low JOIN resource AS b ON b.rid = t.high
WHERE t.answer IS NULL AND (t.kind = 'doubt') = (l.person = h.person) AND {allowed_a} AND {allowed_b}
"""
_LIST = (
    "SELECT t.id, t.kind, t.low, t.high, l.id, h.id, t.reasons, t.bits, t.made, l.record, h.record, "
    "(a.updated, t.low) > (b.updated, t.high)" + OPEN + " AND t.id > %s {reason} ORDER BY t.id LIMIT %s"
)
_FIGURES = """
SELECT (SELECT count(*) FROM identity_record), (SELECT count(DISTINCT person) FROM identity_record),
    (SELECT count(*) FROM identity_record WHERE NOT matchable),
    (SELECT count(*) FROM identity_task), (SELECT count(*) FROM identity_task WHERE answer = 'same'),
    (SELECT count(*) FROM identity_task WHERE answer = 'different'),
    (SELECT count(*) FROM identity_operation WHERE kind = 'undo')
"""
MOST = 200


@dataclass(frozen=True, slots=True)
class Side:
    """One of two registrations: its Patient as its source wrote it, and its comparable record."""

    rid: int
    id: str
    person: str
    version: int
    updated: datetime
    resource: Json
    record: Record


@dataclass(frozen=True, slots=True)
class Listed:
    """An open question as the queue shows it; `written` are the names of both, the one first that is there longer."""

    task: int
    kind: str
    ids: tuple[str, str]
    written: tuple[str, str]
    reasons: tuple[str, ...]
    bits: float
    made: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    """A question with everything a steward needs to answer it; `parts` says field by field how the score came about."""

    task: int
    kind: str
    left: Side
    right: Side
    answer: Answer
    parts: tuple[Part, ...]
    reasons: tuple[str, ...]
    made: datetime
    settled: str
    """What was answered, "" while it is open."""
    operation: str
    together: tuple[int, int]
    """How many registrations each of both persons has."""

    @property
    def open(self) -> bool:
        """Whether it still waits for an answer: neither given, nor come about by a link made elsewhere."""
        return not self.settled and (self.kind == "doubt") == (self.left.person == self.right.person)


@dataclass(frozen=True, slots=True)
class Told:
    """An operation in the history: who, when, why, what it moved, and what took it back."""

    operation: str
    kind: str
    actor: str
    at: datetime
    note: str
    patients: tuple[str, ...]
    undoes: str
    undone_by: str


@dataclass(frozen=True, slots=True)
class Figures:
    """How good the index is. Rates are shares between 0 and 1; `oldest` is when the oldest open question was asked."""

    registrations: int
    persons: int
    unmatchable: int
    asked: int
    same: int
    different: int
    undone: int
    open: int
    oldest: datetime | None

    @property
    def duplicates(self) -> float:
        """The share of registrations that were of somebody known already."""
        return (self.registrations - self.persons) / self.registrations if self.registrations else 0.0

    @property
    def review(self) -> float:
        """Questions for each registration."""
        return self.asked / self.registrations if self.registrations else 0.0


def allowed_both(actor: Actor) -> tuple[str, str, list[Any]]:
    """What limits a question to one that the actor may see: SQL for each of its registrations, and values."""
    left, values = actor.restriction.sql("a")
    right, more = actor.restriction.sql("b")
    return left, right, [*values, *more]


async def listed(
    db: AsyncConnection[Any], actor: Actor, *, after: int = 0, count: int = 20, reason: str = ""
) -> list[Listed]:
    """Open questions, the oldest first, from the one after `after`; those with a reason's code when one is given."""
    left, right, values = allowed_both(actor)
    only = "AND %s = ANY(t.reasons)" if reason else ""
    query = _LIST.format(allowed_a=left, allowed_b=right, reason=only)
    asked = [*values, after, *([reason] if reason else []), min(count, MOST)]
    cursor = db.cursor(binary=True)
    await cursor.execute(query, asked)
    found = []
    for task, kind, _, _, left_id, right_id, reasons, bits, made, one, other, turned in await cursor.fetchall():
        ids, written = (left_id, right_id), (index.unpack(one).written, index.unpack(other).written)
        if turned:
            ids, written = ids[::-1], written[::-1]
        found.append(Listed(task, kind, ids, written, tuple(reasons), bits, made))
    return found


async def sides(record: TheRecord, db: AsyncConnection[Any], actor: Actor, rids: Sequence[int]) -> list[Side]:
    """These registrations. Raises NotFound when the actor may not see one of them."""
    allowed, values = actor.restriction.sql("r")
    cursor = db.cursor(binary=True)
    await cursor.execute(
        "SELECT r.rid, r.id, i.person, r.version, r.updated, r.body, i.record FROM identity_record AS i "
        f"JOIN resource AS r ON r.rid = i.rid WHERE i.rid = ANY(%s::bigint[]) AND NOT r.deleted AND {allowed}",
        (list(rids), *values),
    )
    found = {}
    for rid, id_, person, version, updated, body, packed in await cursor.fetchall():
        text = join_text("Patient", id_, version, updated, await record.payload(body))
        found[rid] = Side(rid, id_, str(person), version, updated, decode(text), index.unpack(packed))
    if set(found) != set(rids):
        raise NotFound("one of both registrations is not known")
    return [found[rid] for rid in rids]


async def shown(record: TheRecord, db: AsyncConnection[Any], actor: Actor, task: int, weights: Weights) -> Shown:
    """A question, the registration that is there longer on the left. Raises NotFound."""
    row = await (
        await db.execute(
            "SELECT kind, low, high, reasons, made, coalesce(answer, ''), coalesce(operation::text, '') "
            "FROM identity_task WHERE id = %s",
            (task,),
        )
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no question {task}")
    kind, low, high, reasons, made, settled, operation = row
    left, right, together = await _both(record, db, actor, (low, high))
    answer, parts = _scored(left, right, weights)
    return Shown(task, kind, left, right, answer, parts, tuple(reasons), made, settled, operation, together)


async def compared(
    record: TheRecord, db: AsyncConnection[Any], actor: Actor, ids: Sequence[str], weights: Weights
) -> Shown:
    """Two registrations that nobody asks about, by the ids of their Patients, as if somebody did. Raises NotFound.

    The kind is `doubt` for two that are linked; settled is what a steward said of them for good.
    """
    rids = sorted(resource_key("Patient", id_) for id_ in ids)
    left, right, together = await _both(record, db, actor, rids)
    answer, parts = _scored(left, right, weights)
    rule = await (
        await db.execute(
            "SELECT kind, operation::text FROM identity_rule WHERE low = %s AND high = %s AND ended IS NULL", rids
        )
    ).fetchone()
    settled, operation = rule or ("", "")
    kind = "doubt" if left.person == right.person else "pair"
    return Shown(0, kind, left, right, answer, parts, (), record.clock(), settled, operation, together)


async def _both(
    record: TheRecord, db: AsyncConnection[Any], actor: Actor, rids: Sequence[int]
) -> tuple[Side, Side, tuple[int, int]]:
    """Two registrations, the one first that is there longer, and how many each of their persons has."""
    left, right = sorted(await sides(record, db, actor, rids), key=lambda one: (one.updated, one.rid))
    people = await index.members(db, {left.person, right.person})
    return left, right, (len(people[left.person]), len(people[right.person]))


def _scored(left: Side, right: Side, weights: Weights) -> tuple[Answer, tuple[Part, ...]]:
    bits, levels = scorer(weights)(left.record, [right.record])[0]
    answer = judge(left.record, right.record, Score(bits, levels), weights)
    return answer, tuple(explain(left.record, levels, weights))


async def decided(tx: Transaction, task: int, answer: str, weights: Weights, *, note: str = "") -> Done:
    """Answer a question: `same` links both persons, `different` says for good that the two registrations are two people.

    Raises NotFound, Invalid, and Conflict when it was answered meanwhile.
    """
    if answer not in {"same", "different"}:
        raise Invalid("the answer is `same` or `different`")
    row = await (
        await tx.db.execute("SELECT kind, low, high, answer FROM identity_task WHERE id = %s FOR UPDATE", (task,))
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no question {task}")
    kind, low, high, already = row
    if already is not None:
        raise Conflict("somebody answered this already: look at its history")
    left, right = sorted(await sides(tx.record, tx.db, tx.actor, (low, high)), key=lambda one: (one.updated, one.rid))
    if answer == "different":
        done = await linking.never(tx, right.rid, left.rid, note=note)
    elif kind == "doubt":
        done = await linking.always(tx, left.rid, right.rid, note=note)
    else:
        done = await linking.merge(tx, left.person, right.person, weights, note=note, force=True)
    await tx.db.execute(
        "UPDATE identity_task SET answer = %s, answered = clock_timestamp(), actor = %s, operation = %s WHERE id = %s",
        (answer, tx.actor.id, done.operation, task),
    )
    return done


async def history(
    db: AsyncConnection[Any], actor: Actor, *, before: str = "", only: str = "", count: int = 20
) -> list[Told]:
    """What was decided, the latest first, from before the operation `before`, as far as the actor may see whom it is about.

    `only` is one operation that is asked for.
    """
    allowed, values = actor.restriction.sql("r")
    rows = await db.execute(
        "SELECT o.id::text, o.kind, o.actor, o.at, coalesce(o.note, ''), array_agg(DISTINCT r.id ORDER BY r.id), "
        "coalesce(o.undoes::text, ''), coalesce(u.id::text, '') FROM identity_operation AS o "
        "LEFT JOIN identity_operation AS u ON u.undoes = o.id "
        "JOIN LATERAL (SELECT c.rid FROM identity_change AS c WHERE c.operation IN (o.id, o.undoes) "
        "UNION SELECT s.low FROM identity_rule AS s WHERE s.operation IN (o.id, o.undoes) "
        "UNION SELECT s.high FROM identity_rule AS s WHERE s.operation IN (o.id, o.undoes)) AS about ON true "
        f"JOIN resource AS r ON r.rid = about.rid AND {allowed} "
        "WHERE (%s = '' OR o.id < nullif(%s, '')::uuid) AND (%s = '' OR o.id = nullif(%s, '')::uuid) GROUP BY o.id, u.id ORDER BY o.id DESC LIMIT %s",
        (*values, before, before, only, only, min(count, MOST)),
    )
    return [
        Told(operation, kind, by, at, note, tuple(ids), undoes, undone)
        for operation, kind, by, at, note, ids, undoes, undone in await rows.fetchall()
    ]


async def figures(db: AsyncConnection[Any]) -> Figures:
    """The figures of the whole index."""
    row = await (await db.execute(_FIGURES)).fetchone()
    open_ = await (
        await db.execute("SELECT count(*), min(t.made)" + OPEN.format(allowed_a="TRUE", allowed_b="TRUE"))
    ).fetchone()
    if row is None or open_ is None:
        raise LookupError("a count has a row")
    return Figures(*row, *open_)


async def unmatchable(db: AsyncConnection[Any], actor: Actor, *, after: int = -(2**63), count: int = 20) -> list[Any]:
    """Registrations with nothing to match on: (rid, Patient id, comparable record), from the one after `after`."""
    allowed, values = actor.restriction.sql("r")
    cursor = db.cursor(binary=True)
    await cursor.execute(
        "SELECT i.rid, i.id, i.record FROM identity_record AS i JOIN resource AS r ON r.rid = i.rid "
        f"WHERE NOT i.matchable AND i.rid > %s AND {allowed} ORDER BY i.rid LIMIT %s",
        (after, *values, min(count, MOST)),
    )
    return [(rid, id_, index.unpack(packed)) for rid, id_, packed in await cursor.fetchall()]
