"""What lies on a steward's desk besides the questions themselves: how many wait, which comes next, whom something is about.

As in `queue`, nothing of a registration that the reader may not see is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jiankang.foundation.identity import index
from jiankang.foundation.identity.queue import MOST, OPEN, allowed_both
from jiankang.foundation.record.indexing import resource_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from psycopg import AsyncConnection

    from jiankang.foundation.access import Actor

MOST_COUNTED = 10_000
"""Of more open questions than this, the number is not told to the last one."""

_WAITING = (
    "WITH waiting AS MATERIALIZED (SELECT t.reasons, t.made "
    + OPEN
    + " ORDER BY t.id LIMIT %s) SELECT '', count(*), min(made) FROM waiting "
    "UNION ALL SELECT reason, count(*), min(made) FROM waiting, unnest(reasons) AS reason GROUP BY 1"
)
_NEXT = "SELECT t.id" + OPEN + " AND t.id > %s {reason} ORDER BY t.id LIMIT 1"
_BEFORE = "SELECT t.id" + OPEN + " AND t.id < %s {reason} ORDER BY t.id DESC LIMIT 1"
_AUTOMATIC = """
SELECT c.seq, c.kind, a.id, b.id, i.record, j.record, c.bits, c.reasons, c.actor, c.at, c.after = i.person
FROM identity_change AS c
JOIN resource AS a ON a.rid = c.rid JOIN resource AS b ON b.rid = c.evidence
JOIN identity_record AS i ON i.rid = c.rid JOIN identity_record AS j ON j.rid = c.evidence
WHERE c.seq < %s AND c.evidence IS NOT NULL AND c.kind IN ('register', 'update', 'join') AND {allowed_a} AND {allowed_b}
ORDER BY c.seq DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The open questions that somebody may see: how many, since when the oldest, how many for each reason."""

    total: int
    oldest: datetime | None
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Linked:
    """A link made without a steward: which registration was linked because of which other, and whether it still is."""

    number: int
    kind: str
    ids: tuple[str, str]
    written: tuple[str, str]
    bits: float | None
    reasons: tuple[str, ...]
    actor: str
    at: datetime
    holds: bool


async def waiting(db: AsyncConnection[Any], actor: Actor) -> Waiting:
    """How much there is to do; counted up to MOST_COUNTED."""
    left, right, values = allowed_both(actor)
    rows = await db.execute(_WAITING.format(allowed_a=left, allowed_b=right), (*values, MOST_COUNTED))
    found = {code: (number, since) for code, number, since in await rows.fetchall()}
    total, oldest = found.pop("")
    return Waiting(
        total, oldest, {code: found[code][0] for code in sorted(found, key=lambda one: (-found[one][0], one))}
    )


async def around(db: AsyncConnection[Any], actor: Actor, task: int, reason: str = "") -> tuple[int | None, int | None]:
    """The open questions before and after one, with a reason's code among those that have it; None at the ends."""
    left, right, values = allowed_both(actor)
    only = "AND %s = ANY(t.reasons)" if reason else ""
    found = []
    for query in (_BEFORE, _NEXT):
        asked = (*values, task, *([reason] if reason else []))
        row = await (await db.execute(query.format(allowed_a=left, allowed_b=right, reason=only), asked)).fetchone()
        found.append(row[0] if row else None)
    return found[0], found[1]


async def tasks_of(db: AsyncConnection[Any], operations: Sequence[str]) -> dict[str, int]:
    """The questions that operations answered, as far as these answers stand."""
    rows = await db.execute(
        "SELECT operation::text, id FROM identity_task WHERE operation = ANY(%s::uuid[])", (list(operations),)
    )
    return dict(await rows.fetchall())


async def called(db: AsyncConnection[Any], ids: Iterable[str]) -> dict[str, str]:
    """The names of registrations, of ids that the reader was told of already."""
    rids = {resource_key("Patient", id_): id_ for id_ in ids}
    return {rids[rid]: one.record.written for rid, one in (await index.known(db, list(rids))).items()}


async def automatic(
    db: AsyncConnection[Any], actor: Actor, *, before: int = 2**63 - 1, count: int = 20
) -> list[Linked]:
    """Links that were made by score and rules, the latest first, from before the one numbered `before`."""
    left, right, values = allowed_both(actor)
    cursor = db.cursor(binary=True)
    await cursor.execute(_AUTOMATIC.format(allowed_a=left, allowed_b=right), (before, *values, min(count, MOST)))
    return [
        Linked(
            number, kind, (one, other), (index.unpack(left_).written, index.unpack(right_).written), bits, tuple(reasons), by, at, holds
        )
        for number, kind, one, other, left_, right_, bits, reasons, by, at, holds in await cursor.fetchall()
    ]  # fmt: skip
