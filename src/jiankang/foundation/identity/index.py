"""The index of registrations in PostgreSQL: who might be somebody, who belongs to a person, and what is written down.

Every function takes the connection of the transaction that it is part of.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from jiankang.foundation.identity.blocking import KINDS, Key, keys
from jiankang.foundation.identity.deciding import Known
from jiankang.foundation.identity.model import Record
from jiankang.kernel.ids import key64

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from psycopg import AsyncConnection

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Record).decode

_LINKING = frozenset("CDN")
"""Keys that two registrations share if they are linked without a steward: a document, or name and birth date."""
_MOST_LOCKS = 2_000

_FIND = """
WITH found AS MATERIALIZED (
    SELECT w.n, k.rid FROM unnest(%s::bigint[], %s::integer[]) WITH ORDINALITY AS w(key, most, n)
    CROSS JOIN LATERAL (SELECT i.rid FROM identity_key AS i WHERE i.key = w.key ORDER BY i.rid LIMIT w.most + 1) AS k)
SELECT r.rid, r.person, r.record, f.n
FROM (SELECT rid, array_agg(n::integer) AS n FROM found GROUP BY rid) AS f JOIN identity_record AS r ON r.rid = f.rid
"""
_LOCK = "SELECT count(pg_advisory_xact_lock(h)) FROM unnest(%s::bigint[]) AS u(h)"
_LOCK_ALL = f"SELECT pg_advisory_xact_lock({key64('identity:all')})"
_LOCK_SOME = f"""
WITH a AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared({key64("identity:all")}))
SELECT count(pg_advisory_xact_lock(h)) FROM a, unnest(%s::bigint[]) AS u(h)
"""
_MEMBERS = "SELECT rid, person, record FROM identity_record WHERE person = ANY(%s::uuid[]) ORDER BY rid"
_KNOWN = "SELECT rid, person, record FROM identity_record WHERE rid = ANY(%s::bigint[])"

_WRITE = """
WITH r AS (
    INSERT INTO identity_record (rid, person, id, matchable, record)
    SELECT * FROM unnest(%(rids)s::bigint[], %(persons)s::uuid[], %(ids)s::text[], %(matchable)s::boolean[], %(records)s::bytea[])
    ON CONFLICT (rid) DO UPDATE SET person = excluded.person, matchable = excluded.matchable, record = excluded.record),
k AS (
    INSERT INTO identity_key (key, rid) SELECT * FROM unnest(%(keys)s::bigint[], %(owners)s::bigint[])
    ON CONFLICT DO NOTHING)
INSERT INTO identity_change (operation, kind, rid, before, after, actor, model, bits, evidence, reasons)
SELECT o, k, c, b, a, %(actor)s, %(model)s, w, e, CASE WHEN r = '' THEN '{}' ELSE string_to_array(r, ' ') END
FROM unnest(%(operations)s::uuid[], %(kinds)s::text[], %(changed)s::bigint[], %(befores)s::uuid[], %(afters)s::uuid[],
    %(bits)s::real[], %(evidence)s::bigint[], %(reasons)s::text[]) AS u(o, k, c, b, a, w, e, r)
"""

_WRITE_ONE = """
WITH r AS (
    INSERT INTO identity_record (rid, person, id, matchable, record)
    VALUES (%(rid)s, %(person)s, %(id)s, %(matchable)s, %(record)s)
    ON CONFLICT (rid) DO UPDATE SET person = excluded.person, matchable = excluded.matchable, record = excluded.record),
k AS (
    INSERT INTO identity_key (key, rid) SELECT k, %(rid)s FROM unnest(%(keys)s::bigint[]) AS u(k) ON CONFLICT DO NOTHING)
INSERT INTO identity_change (operation, kind, rid, before, after, actor, model, bits, evidence, reasons)
VALUES (%(operation)s, %(kind)s, %(rid)s, %(before)s, %(person)s, %(actor)s, %(model)s, %(bits)s, %(evidence)s,
    string_to_array(%(reasons)s, ' '))
"""

_ASK = """
INSERT INTO identity_task (low, high, kind, reasons, bits, model)
SELECT least(u.a, u.b), greatest(u.a, u.b), k, string_to_array(r, ' '), w, %(model)s
FROM unnest(%(left)s::bigint[], %(right)s::bigint[], %(kinds)s::text[], %(reasons)s::text[], %(bits)s::real[])
    AS u(a, b, k, r, w)
JOIN identity_record AS mine ON mine.rid = u.a JOIN identity_record AS other ON other.rid = u.b
WHERE NOT EXISTS (
    SELECT FROM identity_record AS l JOIN identity_task AS t ON t.low = l.rid JOIN identity_record AS h ON h.rid = t.high
    WHERE t.answer IS NULL AND t.kind = k AND l.person = mine.person AND h.person = other.person
        AND (t.low, t.high) <> (least(u.a, u.b), greatest(u.a, u.b)))
AND NOT EXISTS (
    SELECT FROM identity_record AS h JOIN identity_task AS t ON t.high = h.rid JOIN identity_record AS l ON l.rid = t.low
    WHERE t.answer IS NULL AND t.kind = k AND h.person = mine.person AND l.person = other.person
        AND (t.low, t.high) <> (least(u.a, u.b), greatest(u.a, u.b)))
ON CONFLICT (low, high) DO UPDATE SET kind = excluded.kind, reasons = excluded.reasons, bits = excluded.bits,
    made = CASE WHEN identity_task.answer IS NULL THEN identity_task.made ELSE clock_timestamp() END,
    answer = NULL, answered = NULL, actor = NULL, operation = NULL
WHERE identity_task.answer IS NULL OR identity_task.answer = 'gone'
    OR (identity_task.kind = 'pair' AND excluded.kind = 'doubt')
"""


def pack(record: Record) -> bytes:
    """A record as the index keeps it."""
    return _pack(record)


def unpack(content: bytes) -> Record:
    """The record of `pack`; columns that are newer than it have their defaults."""
    return _unpack(content)


class Found(NamedTuple):
    """Candidates for one record, and whether one of its keys had more than were read."""

    candidates: Sequence[Known]
    limited: bool


class Link(NamedTuple):
    """A line of the log: a registration goes from one person ("" before its first) to another ("" after its last)."""

    operation: str
    kind: str
    rid: int
    before: str
    after: str
    bits: float | None = None
    evidence: int | None = None
    reasons: tuple[str, ...] = ()


class Ask(NamedTuple):
    """A question to stewards about two registrations."""

    left: int
    right: int
    kind: str
    reasons: tuple[str, ...]
    bits: float


class Row(NamedTuple):
    """A registration to be written."""

    rid: int
    person: str
    id: str
    record: Record


async def hold(db: AsyncConnection[Any], wanted: Iterable[Key]) -> None:
    """Keep others from registering the same documents, names and birth dates until the transaction ends."""
    locks = sorted({key.value for key in wanted if key.kind in _LINKING})
    if not locks:
        return
    if len(locks) > _MOST_LOCKS:
        await db.execute(_LOCK_ALL)
    else:
        await db.execute(_LOCK_SOME, (locks,))


async def hold_persons(db: AsyncConnection[Any], persons: Iterable[str]) -> None:
    """Keep others from linking to these persons, or away from them, until the transaction ends."""
    locks = sorted({UUID(person).int >> 64 ^ UUID(person).int & (2**64 - 1) for person in persons})
    if locks:
        await db.execute(_LOCK, ([lock - 2**63 for lock in locks],))


async def find(db: AsyncConnection[Any], wanted: Sequence[Sequence[Key]]) -> list[Found]:
    """The candidates for each of several records, given by their keys."""
    places: dict[Key, int] = {}
    for ones in wanted:
        for key in ones:
            places.setdefault(key, len(places) + 1)
    if not places:
        return [Found((), False) for _ in wanted]
    limits = [KINDS[key.kind].limit for key in places]
    cursor = db.cursor(binary=True)
    await cursor.execute(_FIND, ([key.value for key in places], limits))
    brought: dict[int, list[Known]] = defaultdict(list)
    for rid, person, content, numbers in await cursor.fetchall():
        one = Known(rid, str(person), _unpack(content))
        for number in numbers:
            brought[number].append(one)
    return [_found(ones, places, brought, limits) for ones in wanted]


def _found(
    ones: Sequence[Key], places: Mapping[Key, int], brought: Mapping[int, list[Known]], limits: Sequence[int]
) -> Found:
    candidates: dict[int, Known] = {}
    limited = False
    for key in ones:
        number = places[key]
        here = brought.get(number, ())
        limited = limited or len(here) > limits[number - 1]
        candidates.update((one.rid, one) for one in here)
    return Found(list(candidates.values()), limited)


async def members(db: AsyncConnection[Any], persons: Collection[str]) -> dict[str, list[Known]]:
    """All registrations of these persons; a person who has none is there with none."""
    found: dict[str, list[Known]] = {person: [] for person in persons}
    if persons:
        cursor = db.cursor(binary=True)
        await cursor.execute(_MEMBERS, (list(persons),))
        for rid, person, content in await cursor.fetchall():
            found[str(person)].append(Known(rid, str(person), _unpack(content)))
    return found


async def known(db: AsyncConnection[Any], rids: Collection[int]) -> dict[int, Known]:
    """What the index knows of these registrations."""
    if not rids:
        return {}
    cursor = db.cursor(binary=True)
    await cursor.execute(_KNOWN, (sorted(rids),))
    return {rid: Known(rid, str(person), _unpack(content)) for rid, person, content in await cursor.fetchall()}


async def write(
    db: AsyncConnection[Any], rows: Sequence[Row], links: Sequence[Link], *, actor: str, model: str
) -> None:
    """Write registrations with their keys, and the log of how they are linked."""
    if not rows and not links:
        return
    if len(rows) == 1 and len(links) == 1 and rows[0].rid == links[0].rid:
        await _write_one(db, rows[0], links[0], actor, model)
        return
    pairs = [(key.value, row.rid) for row in rows for key in keys(row.record)]
    await db.execute(
        _WRITE,
        {
            "rids": [row.rid for row in rows], "persons": [row.person for row in rows], "ids": [row.id for row in rows],
            "matchable": [row.record.matchable for row in rows], "records": [_pack(row.record) for row in rows],
            "keys": [key for key, _ in pairs], "owners": [rid for _, rid in pairs],
            "operations": [link.operation for link in links], "kinds": [link.kind for link in links],
            "changed": [link.rid for link in links], "befores": [link.before or None for link in links],
            "afters": [link.after or None for link in links], "bits": [link.bits for link in links],
            "evidence": [link.evidence for link in links], "reasons": [" ".join(link.reasons) for link in links],
            "actor": actor, "model": model,
        },
    )  # fmt: skip


async def _write_one(db: AsyncConnection[Any], row: Row, link: Link, actor: str, model: str) -> None:
    await db.execute(
        _WRITE_ONE,
        {
            "rid": row.rid, "person": row.person, "id": row.id, "matchable": row.record.matchable, "record": _pack(row.record),
            "keys": [key.value for key in keys(row.record)], "operation": link.operation, "kind": link.kind,
            "before": link.before or None, "actor": actor, "model": model, "bits": link.bits, "evidence": link.evidence,
            "reasons": " ".join(link.reasons),
        },
    )  # fmt: skip


async def forget_keys(db: AsyncConnection[Any], gone: Iterable[tuple[int, int]]) -> None:
    """Take keys away, given with the registrations that had them."""
    pairs = list(gone)
    if pairs:
        await db.execute(
            "DELETE FROM identity_key USING unnest(%s::bigint[], %s::bigint[]) AS u(key, rid) "
            "WHERE identity_key.key = u.key AND identity_key.rid = u.rid",
            ([key for key, _ in pairs], [rid for _, rid in pairs]),
        )


async def forget(db: AsyncConnection[Any], gone: Sequence[Known], operation: str) -> None:
    """Take registrations out of the index: nothing is asked about them any more, and they are always one with nobody.

    That they are never one person with somebody still holds if they come back.
    """
    rids = [one.rid for one in gone]
    if not rids:
        return
    await forget_keys(db, ((key.value, one.rid) for one in gone for key in keys(one.record)))
    await db.execute("DELETE FROM identity_record WHERE rid = ANY(%s::bigint[])", (rids,))
    await db.execute(
        "UPDATE identity_rule SET ended = %s WHERE ended IS NULL AND kind = 'always' "
        "AND (low = ANY(%s::bigint[]) OR high = ANY(%s::bigint[]))",
        (operation, rids, rids),
    )
    await db.execute(
        "UPDATE identity_task SET answer = 'gone', answered = clock_timestamp() "
        "WHERE answer IS NULL AND (low = ANY(%s::bigint[]) OR high = ANY(%s::bigint[]))",
        (rids, rids),
    )


async def ask(db: AsyncConnection[Any], asked: Sequence[Ask], model: str) -> None:
    """Put questions into the stewards' queue: one for two persons, and none that was answered."""
    if asked:
        await db.execute(
            _ASK,
            {
                "left": [one.left for one in asked], "right": [one.right for one in asked],
                "kinds": [one.kind for one in asked], "reasons": [" ".join(one.reasons) for one in asked],
                "bits": [one.bits for one in asked], "model": model,
            },
        )  # fmt: skip


async def rules(db: AsyncConnection[Any], rids: Collection[int]) -> dict[int, dict[str, set[int]]]:
    """What stewards said for good: for each registration, whom it is always and never one person with."""
    found: dict[int, dict[str, set[int]]] = defaultdict(lambda: {"always": set(), "never": set()})
    if rids:
        some = list(rids)
        rows = await db.execute(
            "SELECT low, high, kind FROM identity_rule WHERE ended IS NULL AND low = ANY(%s::bigint[]) "
            "UNION SELECT low, high, kind FROM identity_rule WHERE ended IS NULL AND high = ANY(%s::bigint[])",
            (some, some),
        )
        for low, high, kind in await rows.fetchall():
            found[low][kind].add(high)
            found[high][kind].add(low)
    return found
