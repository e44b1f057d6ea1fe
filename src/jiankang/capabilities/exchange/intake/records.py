"""What the room keeps besides the record: letters, senders, alerts, gaps, traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jiankang.kernel.jsontext import encode

Db = Any
"""A connection of the record's pool."""

_KEEP = """
INSERT INTO exchange_letter
    (sender, format, key, kind, digest, media_type, context, received, body, answer, state, complaints)
SELECT s, f, k, n, d, m, c::jsonb, r, b, a, st, co::jsonb FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[],
    %s::bytea[], %s::text[], %s::text[], %s::timestamptz[], %s::bytea[], %s::bytea[], %s::text[], %s::text[])
    AS u(s, f, k, n, d, m, c, r, b, a, st, co)
ON CONFLICT (sender, format, key) WHERE state <> 'refused' DO NOTHING
RETURNING number, sender, format, key, digest
"""

_THERE = """
UPDATE exchange_letter AS l SET repeats = repeats + 1
FROM unnest(%s::text[], %s::text[], %s::text[]) AS u(s, f, k)
WHERE l.sender = u.s AND l.format = u.f AND l.key = u.k AND l.state <> 'refused'
RETURNING l.number, l.sender, l.format, l.key, l.digest, l.answer
"""

_TRAFFIC = """
INSERT INTO exchange_traffic AS t (sender, minute, received, repeated, landed, dead, refused, landed_ms, slowest_ms)
SELECT s, date_trunc('minute', now()), rc, rp, ld, dd, rf, ms, sl FROM unnest(%s::text[], %s::bigint[], %s::bigint[],
    %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[]) AS u(s, rc, rp, ld, dd, rf, ms, sl) ORDER BY s
ON CONFLICT (sender, minute) DO UPDATE SET received = t.received + excluded.received,
    repeated = t.repeated + excluded.repeated, landed = t.landed + excluded.landed, dead = t.dead + excluded.dead,
    refused = t.refused + excluded.refused, landed_ms = t.landed_ms + excluded.landed_ms,
    slowest_ms = greatest(t.slowest_ms, excluded.slowest_ms), last_at = now()
"""

_CLAIM = """
SELECT number, sender, format, key, kind, media_type, context, received, coalesce(mended, body), tries, state,
    CASE WHEN mended IS NOT NULL THEN body END
FROM exchange_letter WHERE {which} ORDER BY number LIMIT %s FOR UPDATE SKIP LOCKED
"""
_WAITING = _CLAIM.format(which="state = 'waiting' AND due <= now()")
_ONE = _CLAIM.format(which="number = %s AND state IN ('waiting', 'dead', 'landed')")

_KNOWN = "SELECT rid, version, stamps FROM exchange_known WHERE rid = ANY(%s::bigint[]) ORDER BY rid FOR UPDATE"
_CLAIM_KNOWN = """
INSERT INTO exchange_known (rid, version, stamps) SELECT r, 0, '{}' FROM unnest(%s::bigint[]) AS r ORDER BY r
ON CONFLICT DO NOTHING
"""
_TELL_KNOWN = """
UPDATE exchange_known AS k SET version = u.v, stamps = u.s::jsonb
FROM unnest(%s::bigint[], %s::integer[], %s::text[]) AS u(r, v, s) WHERE k.rid = u.r
"""

_LANDED = """
UPDATE exchange_letter AS l SET state = u.st, made = string_to_array(u.m, ' '), patient = u.p, complaints = u.c::jsonb,
    landed = now(), tries = tries + 1
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[]) AS u(n, st, m, p, c) WHERE l.number = u.n
"""

_DEAD = """
UPDATE exchange_letter SET state = 'dead', complaints = %s::jsonb, tries = tries + 1, landed = NULL WHERE number = %s
"""
_LATER = """
UPDATE exchange_letter SET due = now() + make_interval(secs => %s), tries = tries + 1
WHERE number = ANY(%s::bigint[]) AND state = 'waiting'
"""

_ALERT = """
INSERT INTO exchange_alert (sender, kind, text, number)
SELECT %s, %s, %s, %s WHERE NOT EXISTS (SELECT FROM exchange_alert
    WHERE sender = %s AND kind = %s AND text = %s AND seen IS NULL AND at > now() - interval '1 hour')
"""
_DEAD_SINCE = """
SELECT count(*) FROM (SELECT state FROM exchange_letter WHERE sender = %s AND state IN ('landed', 'dead')
ORDER BY number DESC LIMIT %s) AS l WHERE state = 'dead'
"""

_GAPS = """
INSERT INTO exchange_gap AS g (sender, system, code, display, place, seen)
SELECT s, y, c, d, p, n FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
    AS u(s, y, c, d, p, n) ORDER BY s, y, c
ON CONFLICT (sender, system, code) DO UPDATE SET seen = g.seen + excluded.seen, last_seen = now(),
    display = CASE WHEN g.display = '' THEN excluded.display ELSE g.display END
"""
_GAP_LETTERS = """
INSERT INTO exchange_gap_letter (sender, system, code, number)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[]) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class ToKeep:
    """A row of the inbox that is about to be written."""

    sender: str
    format: str
    key: str
    kind: str
    digest: bytes
    media_type: str
    context: Mapping[str, Any]
    received: datetime
    body: bytes
    answer: bytes
    state: str
    complaints: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """A letter as it lies in the inbox."""

    number: int
    sender: str
    format: str
    key: str
    kind: str
    media_type: str
    context: Mapping[str, Any]
    received: datetime
    body: bytes
    tries: int
    state: str
    original: bytes | None = None
    """What arrived, where somebody mended it."""


@dataclass(slots=True)
class Traffic:
    """What one sender's letters did since it was last written down."""

    received: int = 0
    repeated: int = 0
    landed: int = 0
    dead: int = 0
    refused: int = 0
    landed_ms: int = 0
    slowest_ms: int = 0


def text(value: Any) -> str:
    """A value as JSON text for a column."""
    return encode(value).decode()


async def keep(db: Db, letters: Sequence[ToKeep]) -> dict[tuple[str, str, str], tuple[int, bytes]]:
    """Write letters; number and digest of those that are new, by sender, format and key."""
    columns = (
        [one.sender for one in letters], [one.format for one in letters], [one.key for one in letters],
        [one.kind for one in letters], [one.digest for one in letters], [one.media_type for one in letters],
        [text(dict(one.context)) for one in letters], [one.received for one in letters],
        [one.body for one in letters], [one.answer for one in letters], [one.state for one in letters],
        [text(list(one.complaints)) for one in letters],
    )  # fmt: skip
    rows = await (await db.execute(_KEEP, columns)).fetchall()
    return {(sender, format_, key): (number, bytes(digest)) for number, sender, format_, key, digest in rows}


async def there(db: Db, keys: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], tuple[int, bytes, bytes]]:
    """Number, digest and answer of letters that are kept already; each is counted as repeated."""
    found = await db.execute(_THERE, tuple(list(column) for column in zip(*keys, strict=True)))
    return {
        (s, f, k): (number, bytes(digest), bytes(answer)) for number, s, f, k, digest, answer in await found.fetchall()
    }


async def count(db: Db, traffic: Mapping[str, Traffic]) -> None:
    """Add to the traffic of this minute."""
    if not traffic:
        return
    ones = list(traffic.values())
    await db.execute(
        _TRAFFIC,
        (
            list(traffic), [one.received for one in ones], [one.repeated for one in ones], [one.landed for one in ones],
            [one.dead for one in ones], [one.refused for one in ones], [one.landed_ms for one in ones],
            [one.slowest_ms for one in ones],
        ),
    )  # fmt: skip


async def claim(db: Db, limit: int) -> list[Row]:
    """Letters that wait, held until the transaction ends; others pass them over."""
    return _rows(await (await db.cursor(binary=True).execute(_WAITING, (limit,))).fetchall())


async def claim_one(db: Db, number: int) -> Row | None:
    """One letter, whatever became of it before; None when another holds it or it was refused."""
    rows = _rows(await (await db.cursor(binary=True).execute(_ONE, (number, 1))).fetchall())
    return rows[0] if rows else None


def _rows(rows: Sequence[Sequence[Any]]) -> list[Row]:
    return [Row(*row) for row in rows]


async def known(db: Db, rids: Sequence[int]) -> dict[int, tuple[int, dict[str, str]]]:
    """What is known of resources, held until the transaction ends: the version that letters made, the stamps."""
    found: dict[int, tuple[int, dict[str, str]]] = {}
    missing = sorted(rids)
    while missing:
        rows = await (await db.execute(_KNOWN, (missing,))).fetchall()
        found |= {rid: (version, stamps) for rid, version, stamps in rows}
        missing = [rid for rid in missing if rid not in found]
        if missing:
            await db.execute(_CLAIM_KNOWN, (missing,))
    return found


async def tell_known(db: Db, rows: Sequence[tuple[int, int, Mapping[str, str]]]) -> None:
    """Write down what is known now: (rid, version, stamps)."""
    if rows:
        await db.execute(
            _TELL_KNOWN, ([row[0] for row in rows], [row[1] for row in rows], [text(dict(row[2])) for row in rows])
        )


async def landed(db: Db, rows: Sequence[tuple[int, str, Sequence[str], str, Sequence[Mapping[str, Any]]]]) -> None:
    """Letters that were read and written: (number, state, what was made of them, patient, complaints)."""
    await db.execute(
        _LANDED,
        (
            [row[0] for row in rows], [row[1] for row in rows], [" ".join(row[2]) for row in rows],
            [row[3] for row in rows], [text(list(row[4])) for row in rows],
        ),
    )  # fmt: skip


async def dead(db: Db, number: int, complaints: Sequence[Mapping[str, Any]]) -> None:
    """Put a letter aside with what is wrong with it."""
    await db.execute(_DEAD, (text(list(complaints)), number))


async def mend(db: Db, number: int, body: bytes, by: str) -> bool:
    """Put a mended text beside what arrived, to be landed instead of it; False when it is not dead."""
    row = await db.execute(
        "UPDATE exchange_letter SET mended = %s, mended_by = %s, mended_at = now() WHERE number = %s AND state = 'dead' "
        "RETURNING number",
        (body, by, number),
    )
    return await row.fetchone() is not None


async def wait_again(db: Db, numbers: Sequence[int]) -> int:
    """Have letters landed again, dead or landed; how many there are."""
    rows = await db.execute(
        "UPDATE exchange_letter SET state = 'waiting', due = now(), tries = 0 "
        "WHERE number = ANY(%s::bigint[]) AND state IN ('dead', 'landed', 'tested') RETURNING number",
        (list(numbers),),
    )
    return len(await rows.fetchall())


async def drop(db: Db, number: int, by: str) -> bool:
    """Put a dead letter away for good; it stays to be looked at."""
    row = await db.execute(
        "UPDATE exchange_letter SET state = 'dropped', mended_by = %s, mended_at = now() "
        "WHERE number = %s AND state = 'dead' RETURNING number",
        (by, number),
    )
    return await row.fetchone() is not None


async def state_of(db: Db, number: int) -> tuple[str, list[str], list[dict[str, Any]]] | None:
    """State of a letter, what was made of it, its complaints."""
    row = await (
        await db.execute("SELECT state, made, complaints FROM exchange_letter WHERE number = %s", (number,))
    ).fetchone()
    return None if row is None else (row[0], row[1], row[2])


async def later(db: Db, numbers: Sequence[int], seconds: float) -> None:
    """Leave letters for a while."""
    await db.execute(_LATER, (seconds, list(numbers)))


async def alert(db: Db, sender: str, kind: str, what: str, number: int | None) -> None:
    """Say something on the console, once an hour for the same thing."""
    await db.execute(_ALERT, (sender, kind, what, number, sender, kind, what))


async def dead_lately(db: Db, sender: str, among: int) -> int:
    """How many of a sender's last letters are dead."""
    row = await (await db.execute(_DEAD_SINCE, (sender, among))).fetchone()
    return int(row[0])


async def gaps(db: Db, found: Mapping[tuple[str, str, str], tuple[str, str, Sequence[int]]]) -> None:
    """Count codes that nothing translates: (sender, system, code) → display, place, numbers of the letters."""
    if not found:
        return
    keys = sorted(found)
    await db.execute(
        _GAPS,
        (
            [key[0] for key in keys], [key[1] for key in keys], [key[2] for key in keys],
            [found[key][0] for key in keys], [found[key][1] for key in keys], [len(found[key][2]) for key in keys],
        ),
    )  # fmt: skip
    rows = [(*key, number) for key in keys for number in sorted(set(found[key][2]))]
    await db.execute(_GAP_LETTERS, tuple(list(column) for column in zip(*rows, strict=True)))
