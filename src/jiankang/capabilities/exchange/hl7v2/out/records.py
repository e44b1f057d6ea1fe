"""Receivers, and the messages that are still to be sent to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jiankang.kernel.jsontext import encode

Db = Any
_RECEIVERS = """
SELECT id, name, application, facility, host, port, trusted, kinds, authorities FROM exchange_receiver WHERE NOT stopped
"""
_ADD = """
INSERT INTO exchange_receiver (id, name, application, facility, host, port, trusted, kinds, authorities)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s::text[], %s::jsonb) ON CONFLICT DO NOTHING RETURNING id
"""
_QUEUE = """
INSERT INTO exchange_outgoing (receiver, kind, about, body)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[])
"""
_LEASE = """
UPDATE exchange_outgoing SET due = now() + make_interval(secs => %s), tries = tries + 1 WHERE number = (
    SELECT number FROM exchange_outgoing WHERE receiver = %s AND state = 'waiting' ORDER BY number LIMIT 1
) AND due <= now() AND state = 'waiting' RETURNING number, kind, body, tries
"""
_ANSWERED = """
UPDATE exchange_outgoing SET state = %s, answer = %s, problem = %s, sent = now() WHERE number = %s
"""
_LATER = "UPDATE exchange_outgoing SET due = now() + make_interval(secs => %s), problem = %s WHERE number = %s"


@dataclass(frozen=True, slots=True)
class Receiver:
    """A system that is told: how messages name it, where it listens, which kinds it wants (ADT, ORU, SIU)."""

    id: str
    name: str
    application: str
    facility: str
    host: str
    port: int
    trusted: str = ""
    """File with the authorities that its certificate is checked by; empty: without TLS."""
    kinds: Sequence[str] = ("ADT", "ORU", "SIU")
    authorities: Mapping[str, str] | None = None
    """Assigning authority as it knows it → system. What it numbered itself, it is not told of."""


async def receivers(db: Db) -> list[Receiver]:
    """All that are told."""
    return [Receiver(*row) for row in await (await db.execute(_RECEIVERS)).fetchall()]


async def add(db: Db, one: Receiver) -> bool:
    """Tell somebody from now on; False when the id is taken."""
    values = (
        one.id, one.name, one.application, one.facility, one.host, one.port, one.trusted, list(one.kinds),
        encode(dict(one.authorities or {})).decode(),
    )  # fmt: skip
    return await (await db.execute(_ADD, values)).fetchone() is not None


async def queue(db: Db, rows: Sequence[tuple[str, str, str, bytes]]) -> None:
    """Messages to be sent: receiver, kind, what it is about, bytes."""
    if rows:
        await db.execute(_QUEUE, tuple(list(column) for column in zip(*rows, strict=True)))


async def lease(db: Db, receiver: str, seconds: float) -> tuple[int, str, bytes, int] | None:
    """The next message for a receiver, so long nobody else's; None when there is none that is due."""
    row = await (await db.execute(_LEASE, (seconds, receiver))).fetchone()
    return None if row is None else (row[0], row[1], bytes(row[2]), row[3])


async def answered(db: Db, number: int, state: str, answer: bytes, problem: str) -> None:
    """What the receiver said."""
    await db.execute(_ANSWERED, (state, answer, problem, number))


async def later(db: Db, number: int, seconds: float, problem: str) -> None:
    """Nobody answered: once more after so long."""
    await db.execute(_LATER, (seconds, problem, number))
