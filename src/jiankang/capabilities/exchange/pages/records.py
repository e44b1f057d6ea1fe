"""What the pages ask of the tables of letters, senders, alerts and gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jiankang.capabilities.exchange.intake.records import Db, text

_HOUR = """
SELECT sender, sum(received), sum(landed), sum(dead), sum(refused), sum(repeated),
    sum(landed_ms) / nullif(sum(landed), 0), max(slowest_ms), max(last_at)
FROM exchange_traffic WHERE minute > now() - interval '1 hour' GROUP BY sender
"""
_MINUTES = """
SELECT sender, extract(epoch FROM date_trunc('minute', now()) - minute)::integer / 60, received
FROM exchange_traffic WHERE minute > now() - interval '1 hour'
"""
_WAITING = """
SELECT count(*) FILTER (WHERE state = 'waiting'), min(received) FILTER (WHERE state = 'waiting'),
    count(*) FILTER (WHERE state = 'dead'), min(received) FILTER (WHERE state = 'dead')
FROM exchange_letter WHERE state IN ('waiting', 'dead')
"""
_ALERTS = "SELECT id, at, sender, kind, text, number FROM exchange_alert WHERE seen IS NULL ORDER BY id DESC LIMIT 20"
_LAST = "SELECT DISTINCT ON (sender) sender, received FROM exchange_letter ORDER BY sender, number DESC"
_LISTED = """
SELECT number, sender, format, kind, key, received, state, patient, complaints, repeats, landed FROM exchange_letter
WHERE number < %(before)s AND (%(sender)s = '' OR sender = %(sender)s) AND (%(state)s = '' OR state = %(state)s)
    AND (%(kind)s = '' OR kind LIKE %(kind)s || '%%') AND (%(key)s = '' OR key = %(key)s)
ORDER BY number DESC LIMIT %(count)s
"""
_ONE = """
SELECT number, sender, format, kind, key, received, state, patient, complaints, repeats, landed, media_type, context,
    body, answer, made, tries, mended, mended_by, mended_at FROM exchange_letter WHERE number = %s
"""
_GAPS = """
SELECT g.sender, g.system, g.code, g.display, g.place, g.seen, g.last_seen, g.answer FROM exchange_gap AS g
WHERE (g.answer IS NULL) = %s ORDER BY g.seen DESC, g.sender, g.system, g.code LIMIT 200
"""


@dataclass(frozen=True, slots=True)
class Hour:
    """What a sender did within an hour; milliseconds are until landed."""

    received: int = 0
    landed: int = 0
    dead: int = 0
    refused: int = 0
    repeated: int = 0
    mean_ms: int = 0
    slowest_ms: int = 0
    minutes: tuple[int, ...] = ()
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A letter in a list."""

    number: int
    sender: str
    format: str
    kind: str
    key: str
    received: datetime
    state: str
    patient: str
    complaints: Sequence[dict[str, Any]]
    repeats: int
    landed: datetime | None


@dataclass(frozen=True, slots=True)
class Full:
    """A letter with everything about it."""

    number: int
    sender: str
    format: str
    kind: str
    key: str
    received: datetime
    state: str
    patient: str
    complaints: Sequence[dict[str, Any]]
    repeats: int
    landed: datetime | None
    media_type: str
    context: dict[str, Any]
    body: bytes
    answer: bytes
    made: Sequence[str]
    tries: int
    mended: bytes | None
    mended_by: str | None
    mended_at: datetime | None


@dataclass(frozen=True, slots=True)
class GapRow:
    """A local code, how often it came, and what it means if somebody said so."""

    sender: str
    system: str
    code: str
    display: str
    place: str
    seen: int
    last_seen: datetime
    answer: list[dict[str, Any]] | None


async def hours(db: Db) -> dict[str, Hour]:
    """The last hour of each sender."""
    minutes: dict[str, list[int]] = {}
    for sender, ago, received in await (await db.execute(_MINUTES)).fetchall():
        if 0 <= ago < 60:
            minutes.setdefault(sender, [0] * 60)[59 - ago] += int(received)
    last = dict(await (await db.execute(_LAST)).fetchall())
    found = {sender: Hour(last=at) for sender, at in last.items()}
    for sender, received, landed, dead, refused, repeated, mean, slowest, at in await (
        await db.execute(_HOUR)
    ).fetchall():
        found[sender] = Hour(
            int(received), int(landed), int(dead), int(refused), int(repeated), int(mean or 0), int(slowest),
            tuple(minutes.get(sender, [0] * 60)), last.get(sender, at),
        )  # fmt: skip
    return found


async def waiting(db: Db) -> tuple[int, datetime | None, int, datetime | None]:
    """Letters that wait with the oldest, and dead ones with the oldest."""
    row = await (await db.execute(_WAITING)).fetchone()
    return row[0], row[1], row[2], row[3]


async def alerts(db: Db) -> list[tuple[int, datetime, str, str, str, int | None]]:
    """What nobody has looked at yet."""
    return [tuple(row) for row in await (await db.execute(_ALERTS)).fetchall()]


async def see(db: Db, id_: int, by: str) -> None:
    """Somebody looked at an alert."""
    await db.execute("UPDATE exchange_alert SET seen = now(), seen_by = %s WHERE id = %s AND seen IS NULL", (by, id_))


async def listed(db: Db, *, before: int, sender: str, state: str, kind: str, key: str, count: int) -> list[Listed]:
    """Letters, the newest first."""
    named = {"before": before, "sender": sender, "state": state, "kind": kind, "key": key, "count": count}
    return [Listed(*row) for row in await (await db.execute(_LISTED, named)).fetchall()]


async def one(db: Db, number: int) -> Full | None:
    """A letter; None when there is none."""
    row = await (await db.execute(_ONE, (number,))).fetchone()
    if row is None:
        return None
    values = list(row)
    values[13], values[14] = bytes(values[13]), bytes(values[14])
    values[17] = None if values[17] is None else bytes(values[17])
    return Full(*values)


async def gaps(db: Db, *, open_: bool) -> list[GapRow]:
    """Local codes that nobody translated yet, the commonest first; or those that somebody did."""
    return [GapRow(*row) for row in await (await db.execute(_GAPS, (open_,))).fetchall()]


async def answer_gap(db: Db, sender: str, system: str, code: str, answer: list[dict[str, Any]] | None) -> list[int]:
    """Say what a local code means (None: take it back); the numbers of the letters that have it."""
    await db.execute(
        "UPDATE exchange_gap SET answer = %s::jsonb, answered = now() WHERE sender = %s AND system = %s AND code = %s",
        (None if answer is None else text(answer), sender, system, code),
    )
    rows = await db.execute(
        "SELECT number FROM exchange_gap_letter WHERE sender = %s AND system = %s AND code = %s ORDER BY number",
        (sender, system, code),
    )
    return [number for (number,) in await rows.fetchall()]
