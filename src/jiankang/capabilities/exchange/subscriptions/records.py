"""What is kept of subscribers and of the events that they are told of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jiankang.capabilities.exchange.subscriptions.model import (
    Candidate,
    Event,
    Fit,
    Json,
    Subscriber,
    Wish,
    keep_wish,
    restore_wish,
)
from jiankang.kernel.jsontext import encode

Db = Any
"""A connection of the record's pools."""

_PUT = """
INSERT INTO subscriber (id, wish, actor, channel, types, needs, alike, since, state, ends, beat)
VALUES (%(id)s, %(wish)s::jsonb, %(actor)s::jsonb, %(channel)s, %(types)s::text[], %(needs)s::bigint[], %(alike)s,
    pg_snapshot_xmin(pg_current_snapshot()), %(state)s, %(ends)s, now() + make_interval(secs => nullif(%(beat)s::float8, 0)))
ON CONFLICT (id) DO UPDATE SET wish = excluded.wish, actor = excluded.actor, channel = excluded.channel,
    types = excluded.types, needs = excluded.needs, alike = excluded.alike, state = excluded.state, ends = excluded.ends,
    beat = excluded.beat, failures = 0, error = NULL, due = now(), holder = NULL, held = '-infinity'
"""

# A place from the future is that of a dump restored into a younger server: all that comes is later.
_CANDIDATES = """
SELECT array_agg(id ORDER BY id), (array_agg(wish))[1], (array_agg(actor))[1], needs,
    CASE WHEN since IS NULL OR since > pg_snapshot_xmax(pg_current_snapshot()) THEN '0' ELSE since::text END
FROM subscriber
WHERE types && %s::text[] AND (needs IS NULL OR needs && %s::bigint[]) AND state <> 'failing' AND (ends IS NULL OR ends > now())
GROUP BY alike, needs, 5
"""

_ADD = """
WITH fit AS (
    SELECT *, row_number() OVER (PARTITION BY s ORDER BY p) AS n
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::integer[], %s::text[], %s::timestamptz[], %s::bigint[])
        AS u(s, t, r, v, m, a, p)
    WHERE NOT EXISTS (SELECT FROM subscriber_event AS e
        WHERE e.subscriber = u.s AND e.type = u.t AND e.resource = u.r AND e.version = u.v)
), grown AS (
    UPDATE subscriber AS b SET events = b.events + c.n
    FROM (SELECT s, count(*) AS n FROM fit GROUP BY s) AS c WHERE b.id = c.s RETURNING b.id, b.events - c.n AS before
)
INSERT INTO subscriber_event (subscriber, number, type, resource, version, method, at)
SELECT fit.s, grown.before + fit.n, fit.t, fit.r, fit.v, fit.m, fit.a FROM fit JOIN grown ON grown.id = fit.s
"""

_PASSED = "UPDATE subscriber SET since = NULL WHERE since IS NOT NULL AND since <= %s::text::xid8"

_MEMBERS = "id, wish, actor, state, events, told, failures, coalesce(error, ''), secret_number"

# Who was told, and how far, may be lost with the last moments before a crash: then they are told again.
_SOON = "WITH soon AS (SELECT set_config('synchronous_commit', 'off', true))"

_WAITING = "((told < events AND state = 'active' AND channel <> 'websocket') OR state IN ('greeting', 'failing'))"
_QUIET = "(state <> 'failed' AND (ends <= now() OR (beat <= now() AND channel <> 'websocket')))"
_FREE = "held < now() AND due <= now()"

_TAKE = f"""
{_SOON}
UPDATE subscriber SET holder = %s, held = now() + make_interval(secs => %s + (wish ->> 'timeout_seconds')::int) FROM soon WHERE id = (
    SELECT id FROM subscriber WHERE {{which}} AND {_FREE} AND (failures = 0 OR %s)
    ORDER BY due LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING {_MEMBERS}, coalesce(ends <= now(), false), coalesce(beat <= now(), false)
"""
_ANY_DUE = f"""
SELECT EXISTS (SELECT FROM subscriber WHERE {_WAITING} AND {_FREE}) OR EXISTS (SELECT FROM subscriber WHERE {_QUIET} AND {_FREE})
"""

_TOLD = f"""
{_SOON}
UPDATE subscriber SET told = greatest(told, %(told)s), failures = 0, error = NULL, due = now(),
    held = CASE WHEN %(seconds)s::float8 > 0 THEN now() + make_interval(secs => %(seconds)s) ELSE '-infinity' END,
    holder = CASE WHEN %(seconds)s::float8 > 0 THEN holder END, beat = now() + make_interval(secs => nullif(%(beat)s::float8, 0))
FROM soon WHERE id = %(id)s AND holder = %(holder)s
"""

_LATER = """
UPDATE subscriber SET failures = failures + 1, error = %s, due = now() + %s, holder = NULL, held = '-infinity'
WHERE id = %s AND holder = %s
"""

_LEAVE = f"{_SOON} UPDATE subscriber SET holder = NULL, held = '-infinity' FROM soon WHERE id = %s AND holder = %s"

_EVENTS = """
SELECT number, type, resource, version, method, at FROM subscriber_event
WHERE subscriber = %s AND number BETWEEN %s AND %s ORDER BY number LIMIT %s
"""

_AGAIN = """
UPDATE subscriber SET told = least(told, greatest(%s, 1) - 1), failures = 0, error = NULL, due = now(),
    holder = NULL, held = '-infinity'
WHERE id = %s RETURNING told, events
"""

_FORGET = """
DELETE FROM subscriber_event AS e USING subscriber AS s
WHERE s.id = e.subscriber AND e.number <= s.told AND e.at < now() - %s
"""


_STANDING = """
SELECT id, channel, coalesce(nullif(wish ->> 'topic', ''), array_to_string(types, ',')), state, events, told, failures,
    coalesce(error, ''), due,
    (SELECT min(at) FROM subscriber_event AS e WHERE e.subscriber = s.id AND e.number > s.told)
FROM subscriber AS s ORDER BY state = 'active', failures DESC, id
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a subscriber stands, for who looks after the exchange."""

    id: str
    channel: str
    about: str
    state: str
    events: int
    told: int
    failures: int
    error: str
    due: datetime
    """When it is tried next."""
    oldest: datetime | None
    """Since when the oldest event waits; None: none does."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a guard has to know of a subscriber there is."""

    wish: Wish
    actor: Json
    state: str


async def kept(db: Db, id_: str) -> Kept | None:
    """The subscriber of a Subscription, kept from changing until the transaction ends."""
    row = await (
        await db.execute("SELECT wish, actor, state FROM subscriber WHERE id = %s FOR UPDATE", (id_,))
    ).fetchone()
    return None if row is None else Kept(restore_wish(row[0]), row[1], row[2])


async def put(
    db: Db,
    id_: str,
    wish: Wish,
    actor: Json,
    *,
    alike: str,
    needs: Sequence[int] | None,
    state: str,
    ends: datetime | None,
) -> None:
    """Take on a subscriber, or have one that there is served anew where it was."""
    values = {
        "id": id_, "wish": encode(keep_wish(wish)).decode(), "actor": encode(actor).decode(), "channel": wish.channel,
        "types": list(wish.types), "needs": needs, "alike": alike, "state": state, "ends": ends, "beat": wish.heartbeat_seconds,
    }  # fmt: skip
    await db.execute(_PUT, values)


async def stand(db: Db, id_: str, state: str) -> None:
    """Note how a subscriber stands."""
    await db.execute("UPDATE subscriber SET state = %s, due = now() WHERE id = %s", (state, id_))


async def drop(db: Db, ids: Sequence[str]) -> None:
    """Let subscribers go, and what they were still to be told."""
    await db.execute("DELETE FROM subscriber WHERE id = ANY(%s::text[])", (list(ids),))


async def types_heard(db: Db) -> set[str]:
    """The resource types that somebody is told of."""
    rows = await db.execute("SELECT DISTINCT t FROM subscriber, unnest(types) AS t WHERE state <> 'failing'")
    return {one for (one,) in await rows.fetchall()}


async def candidates(db: Db, types: Sequence[str], keys: Sequence[int]) -> list[Candidate]:
    """Who may have to be told of resources of these types that carry these facts; who is alike, together."""
    rows = await (await db.execute(_CANDIDATES, (list(types), list(keys)))).fetchall()
    return [
        Candidate(ids, restore_wish(wish), actor, None if needs is None else frozenset(needs), int(since))
        for ids, wish, actor, needs, since in rows
    ]


async def add(db: Db, fits: Sequence[Fit]) -> None:
    """Give events their numbers. What a subscriber was told of already is left out."""
    ordered = sorted(fits, key=lambda one: one.place)
    columns = [
        [one.subscriber for one in ordered], [one.type for one in ordered], [one.id for one in ordered],
        [one.version for one in ordered], [one.method for one in ordered], [one.at for one in ordered],
        list(range(len(ordered))),
    ]  # fmt: skip
    if ordered:
        await db.execute(_ADD, columns)


async def passed(db: Db, xid: int) -> None:
    """Note that the feed has come to a transaction: whoever subscribed before is told of all that follows."""
    await db.execute(_PASSED, (str(xid),))


async def fail(db: Db, ids: Sequence[str], error: str) -> None:
    """Note of subscribers that what they ask for cannot be found out."""
    await db.execute(
        "UPDATE subscriber SET state = 'failing', error = %s, due = now() WHERE id = ANY(%s::text[])",
        (error, list(ids)),
    )


async def any_due(db: Db) -> bool:
    """Whether there is somebody to be told of something now."""
    return bool((await (await db.execute(_ANY_DUE)).fetchone())[0])


async def take(db: Db, holder: str, seconds: float, *, failing: bool = True) -> Subscriber | None:
    """One that is due, held for so long: nobody else tells it meanwhile. Without `failing` only one that is well."""
    for which in (_WAITING, _QUIET):
        row = await (await db.execute(_TAKE.format(which=which), (holder, seconds, failing))).fetchone()
        if row is not None:
            return _subscriber(row)
    return None


async def told(db: Db, holder: str, one: Subscriber, number: int, seconds: float) -> bool:
    """Note that a subscriber was told up to a number, and hold it on for so long (0: no longer); whether it still was ours."""
    values = {
        "told": number,
        "id": one.id,
        "holder": holder,
        "seconds": seconds and seconds + one.wish.timeout_seconds,
        "beat": one.wish.heartbeat_seconds,
    }
    return bool((await db.execute(_TOLD, values)).rowcount)


async def later(db: Db, holder: str, id_: str, error: str, wait: timedelta) -> None:
    """Note that a subscriber could not be told, and when to try again."""
    await db.execute(_LATER, (error, wait, id_, holder))


async def leave(db: Db, holder: str, id_: str) -> None:
    """Hold a subscriber no longer."""
    await db.execute(_LEAVE, (id_, holder))


async def events(db: Db, id_: str, first: int, last: int, limit: int) -> list[Event]:
    """Events of a subscriber by their numbers, both included."""
    return [Event(*row) for row in await (await db.execute(_EVENTS, (id_, first, last, limit))).fetchall()]


async def subscriber_or_none(db: Db, id_: str) -> Subscriber | None:
    """What is known of a subscriber."""
    row = await (await db.execute(f"SELECT {_MEMBERS} FROM subscriber WHERE id = %s", (id_,))).fetchone()
    return None if row is None else _subscriber(row)


async def several(db: Db, ids: Sequence[str]) -> list[Subscriber]:
    """What is known of subscribers."""
    rows = await db.execute(f"SELECT {_MEMBERS} FROM subscriber WHERE id = ANY(%s::text[]) ORDER BY id", (list(ids),))
    return [_subscriber(row) for row in await rows.fetchall()]


async def tell_again(db: Db, id_: str, first: int) -> tuple[int, int] | None:
    """Have a subscriber told again from an event on; how far it was told then, and how many events there are."""
    row = await (await db.execute(_AGAIN, (first, id_))).fetchone()
    return None if row is None else (row[0], row[1])


async def show_secret(db: Db, id_: str, *, fresh: bool) -> int | None:
    """The number of the secret that may be shown now: the current one once, or a fresh one; None: it was shown."""
    row = await (
        await db.execute(
            "UPDATE subscriber SET secret_shown = true, secret_number = secret_number + %s WHERE id = %s AND "
            "(%s OR NOT secret_shown) RETURNING secret_number",
            (int(fresh), id_, fresh),
        )
    ).fetchone()
    return None if row is None else int(row[0])


async def bound_told(db: Db, id_: str, number: int) -> None:
    """Note that whoever listens on a socket was told up to a number."""
    await db.execute("UPDATE subscriber SET told = greatest(told, %s), error = NULL WHERE id = %s", (number, id_))


async def standing(db: Db) -> list[Standing]:
    """How all subscribers stand, those in trouble first."""
    return [Standing(*row) for row in await (await db.execute(_STANDING)).fetchall()]


async def forget(db: Db, age: timedelta) -> None:
    """Let go of events that were told so long ago."""
    await db.execute(_FORGET, (age,))


def _subscriber(row: Sequence[Any]) -> Subscriber:
    id_, wish, actor, state, events, told, failures, error, secret, *times = row
    return Subscriber(id_, restore_wish(wish), actor, state, events, told, failures, error, secret, *times)
