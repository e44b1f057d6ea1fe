"""How far the archive was followed, and which studies are to be told of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.dicom.archive import Archived

Db = Any
"""A connection of the record's pool."""

_BEGIN = "INSERT INTO exchange_dicom_place (archive) VALUES (%s) ON CONFLICT DO NOTHING"
_PLACE = "SELECT begins, seq, log FROM exchange_dicom_place WHERE archive = %s"
_MOVE = """
UPDATE exchange_dicom_place SET begins = %s, seq = %s, moved = now() WHERE archive = %s AND begins = %s AND seq = %s
RETURNING true
"""
_MOVE_LOG = "UPDATE exchange_dicom_place SET log = %s WHERE archive = %s AND log = %s RETURNING true"
_CHANGED = """
INSERT INTO exchange_dicom_study AS s (uid, archived, due)
SELECT u, a, now() + make_interval(secs => CASE WHEN st THEN 0 ELSE %s END)
FROM unnest(%s::text[], %s::text[], %s::boolean[]) AS x(u, a, st) ORDER BY u
ON CONFLICT (uid) DO UPDATE SET archived = excluded.archived, tries = 0,
    since = CASE WHEN s.due IS NULL THEN now() ELSE s.since END,
    due = CASE WHEN s.due IS NULL THEN excluded.due
        ELSE least(excluded.due, s.since + make_interval(secs => %s)) END
"""
_SENT = """
INSERT INTO exchange_dicom_study (uid, sender) VALUES (%s, %s)
ON CONFLICT (uid) DO UPDATE SET sender = excluded.sender WHERE exchange_dicom_study.sender = ''
"""
_CLAIM = """
UPDATE exchange_dicom_study AS s SET due = now() + make_interval(secs => %s), tries = tries + 1
FROM (SELECT uid FROM exchange_dicom_study WHERE due <= now() ORDER BY due LIMIT %s FOR UPDATE SKIP LOCKED) AS d
WHERE s.uid = d.uid RETURNING s.uid, s.archived, s.sender, s.tries, s.due
"""
_TOLD = """
UPDATE exchange_dicom_study SET due = CASE WHEN due = %s THEN NULL ELSE due END, tries = 0, told = %s WHERE uid = %s
"""
_GONE = "UPDATE exchange_dicom_study SET due = NULL, archived = '' WHERE uid = %s AND due = %s"
_LATER = "UPDATE exchange_dicom_study SET due = now() + make_interval(secs => %s) WHERE uid = %s AND due = %s"
_SENDER = "SELECT sender FROM exchange_dicom_study WHERE uid = %s"
_ALERT = """
INSERT INTO exchange_alert (sender, kind, text)
SELECT %s, 'refused', %s WHERE NOT EXISTS (SELECT FROM exchange_alert
    WHERE sender = %s AND text = %s AND seen IS NULL AND at > now() - interval '1 hour')
"""


@dataclass(frozen=True, slots=True)
class Place:
    """How far the archive was followed: in its list of changes, and in its log (bytes)."""

    begins: str
    seq: int
    log: int


@dataclass(frozen=True, slots=True)
class Due:
    """A study that is to be told of by whoever claimed it, until another may."""

    uid: str
    archived: str
    sender: str
    tries: int
    until: datetime


async def begin(db: Db, archive: str) -> None:
    """Follow the archive from its first change, unless it is followed already."""
    await db.execute(_BEGIN, (archive,))


async def place(db: Db, archive: str) -> Place:
    """The place."""
    await begin(db, archive)
    row = await (await db.execute(_PLACE, (archive,))).fetchone()
    return Place(*row)


async def move(db: Db, archive: str, before: Place, begins: str, seq: int) -> bool:
    """Go on from here the next time; False where somebody else went on from `before` already."""
    row = await (await db.execute(_MOVE, (begins, seq, archive, before.begins, before.seq))).fetchone()
    return row is not None


async def move_log(db: Db, archive: str, before: int, log: int) -> bool:
    """Read the log from here the next time; False where somebody else read on from `before` already."""
    row = await (await db.execute(_MOVE_LOG, (log, archive, before))).fetchone()
    return row is not None


async def changed(db: Db, studies: Sequence[Archived], stable: Collection[str], quiet: float, most: float) -> None:
    """Have studies told of: when nothing came for `quiet` seconds, at the latest `most` seconds after the first change."""
    by_uid = {one.uid: one for one in studies}  # the archive has two studies of one number where two patients have it
    chosen = list(by_uid.values())
    if chosen:
        uids, ids = [one.uid for one in chosen], [one.id for one in chosen]
        await db.execute(_CHANGED, (quiet, uids, ids, [one.id in stable for one in chosen], most))


async def sent(db: Db, uid: str, sender: str) -> None:
    """Take note who sends a study; who sent its first instance stays its sender."""
    await db.execute(_SENT, (uid, sender))


async def sender_of(db: Db, uid: str) -> str:
    """Who sent a study; empty where nobody took note."""
    row = await (await db.execute(_SENDER, (uid,))).fetchone()
    return "" if row is None else str(row[0])


async def claim(db: Db, most: int, seconds: float) -> list[Due]:
    """Studies that are to be told of now. Nobody else tells of them for so long, whatever becomes of us."""
    rows = await (await db.execute(_CLAIM, (seconds, most))).fetchall()
    return [Due(*row) for row in rows]


async def told(db: Db, study: Due, number: int) -> None:
    """A study was told of, in this letter; one that changed meanwhile stays due."""
    await db.execute(_TOLD, (study.until, number, study.uid))


async def gone(db: Db, study: Due) -> None:
    """A study is not in the archive any more."""
    await db.execute(_GONE, (study.uid, study.until))


async def later(db: Db, study: Due, seconds: float) -> None:
    """Try a study again."""
    await db.execute(_LATER, (seconds, study.uid, study.until))


async def alert(db: Db, sender: str, text: str) -> None:
    """Say on the console that something was refused, once an hour for the same thing."""
    await db.execute(_ALERT, (sender, text, sender, text))
