"""What this part keeps besides letters: mappings of senders, files that were uploaded, what rows said last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jiankang.kernel.jsontext import encode

Db = Any
_UPLOAD = """SELECT id, sender, title, mapping, preview, state, rows, done, unchanged, mended, uploaded, uploaded_by, problem
FROM exchange_table_upload"""
_LEASE_SECONDS = 180
_CLAIM = f"""
UPDATE exchange_table_upload SET due = now() + interval '{_LEASE_SECONDS} seconds' WHERE id = (
    SELECT id FROM exchange_table_upload WHERE state = 'confirmed' AND due <= now() ORDER BY uploaded
    LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id
"""
_ADVANCE = f"""
UPDATE exchange_table_upload SET done = %s, unchanged = %s, mended = %s::bigint[],
    due = now() + interval '{_LEASE_SECONDS} seconds' WHERE id = %s
"""
_SAID = """
INSERT INTO exchange_table_row (sender, mapping, key, digest, number)
SELECT DISTINCT ON (k) %s, %s, k, d, l FROM unnest(%s::bytea[], %s::bytea[], %s::bigint[])
    WITH ORDINALITY AS u(k, d, l, n) ORDER BY k, n DESC
ON CONFLICT (sender, mapping, key) DO UPDATE SET digest = excluded.digest, number = excluded.number
"""
_SAID_LAST = """
SELECT r.key, r.digest, r.number, l.state FROM exchange_table_row AS r LEFT JOIN exchange_letter AS l USING (number)
WHERE r.sender = %s AND r.mapping = %s AND r.key = ANY(%s::bytea[])
"""
_OF_UPLOAD = "format = 'table' AND sender = %s AND (context ? 'upload' AND context->>'upload' = %s OR number = ANY(%s::bigint[]))"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that somebody uploaded: what it is, and how far its rows have come."""

    id: str
    sender: str
    title: str
    mapping: str
    """The text of the mapping that was chosen; empty: none yet."""
    preview: Mapping[str, Any]
    state: str
    """`looked`, `confirmed` (its rows are being kept), `kept`, `withdrawn`."""
    rows: int
    done: int
    unchanged: int
    mended: Sequence[int]
    """Numbers of letters of earlier files that rows of this one corrected."""
    uploaded: datetime
    uploaded_by: str
    problem: str


@dataclass(frozen=True, slots=True)
class Said:
    """What a row said last: its digest, its letter, what became of that."""

    digest: bytes
    number: int
    state: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was not taken: its place in the file, its letter, what is wrong with it."""

    number: int
    row: int
    body: bytes
    complaints: Sequence[Mapping[str, Any]]


def _json(value: Any) -> str:
    return encode(value).decode()


async def add_upload(db: Db, upload: Upload, body: bytes) -> None:
    """Keep a file."""
    await db.execute(
        "INSERT INTO exchange_table_upload (id, sender, title, body, mapping, preview, rows, uploaded, uploaded_by) "
        "VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s)",
        (
            upload.id, upload.sender, upload.title, body, upload.mapping, _json(dict(upload.preview)), upload.rows,
            upload.uploaded, upload.uploaded_by,
        ),
    )  # fmt: skip


async def change_mapping(db: Db, id_: str, mapping: str, preview: Mapping[str, Any], rows: int) -> bool:
    """Look at a file by another mapping; False when it was confirmed meanwhile."""
    row = await db.execute(
        "UPDATE exchange_table_upload SET mapping = %s, preview = %s::jsonb, rows = %s "
        "WHERE id = %s AND state = 'looked' RETURNING id",
        (mapping, _json(dict(preview)), rows, id_),
    )
    return await row.fetchone() is not None


async def upload(db: Db, id_: str) -> Upload | None:
    """A file."""
    row = await (await db.execute(f"{_UPLOAD} WHERE id = %s", (id_,))).fetchone()
    return None if row is None else Upload(*row)


async def uploaded_before(db: Db, sender: str, digest: str) -> datetime | None:
    """When the same bytes were taken before."""
    row = await db.execute(
        "SELECT max(uploaded) FROM exchange_table_upload WHERE sender = %s AND state IN ('confirmed', 'kept') "
        "AND preview->>'digest' = %s",
        (sender, digest),
    )
    found: datetime | None = (await row.fetchone())[0]
    return found


async def latest(db: Db, count: int) -> list[Upload]:
    """The latest files."""
    rows = await (await db.execute(f"{_UPLOAD} ORDER BY uploaded DESC, id DESC LIMIT %s", (count,))).fetchall()
    return [Upload(*row) for row in rows]


async def body(db: Db, id_: str) -> bytes:
    """The bytes of a file."""
    row = await (await db.execute("SELECT body FROM exchange_table_upload WHERE id = %s", (id_,))).fetchone()
    return bytes(row[0])


async def move(db: Db, id_: str, before: str, state: str, problem: str = "") -> bool:
    """Bring a file from one state to the next; False when it is not in that state."""
    row = await db.execute(
        "UPDATE exchange_table_upload SET state = %s, problem = %s, due = now() WHERE id = %s AND state = %s RETURNING id",
        (state, problem, id_, before),
    )
    return await row.fetchone() is not None


async def claim(db: Db) -> str | None:
    """A confirmed file whose rows nobody is keeping just now; it is the caller's for some minutes."""
    row = await (await db.execute(_CLAIM)).fetchone()
    return None if row is None else str(row[0])


async def forget(db: Db) -> None:
    """Forget files that nobody confirmed for a week."""
    await db.execute(
        "DELETE FROM exchange_table_upload WHERE state IN ('looked', 'withdrawn') AND uploaded < now() - interval '7 days'"
    )


async def advance(db: Db, id_: str, done: int, unchanged: int, mended: Sequence[int]) -> None:
    """Note how far the rows of a file have come; it stays the caller's for some minutes more."""
    await db.execute(_ADVANCE, (done, unchanged, list(mended), id_))


async def said_last(db: Db, sender: str, mapping: str, keys: Sequence[bytes]) -> dict[bytes, Said]:
    """What rows said last, by their keys."""
    rows = await db.execute(_SAID_LAST, (sender, mapping, list(keys)))
    return {
        bytes(key): Said(bytes(digest), number, state or "") for key, digest, number, state in await rows.fetchall()
    }


async def say(db: Db, sender: str, mapping: str, said: Sequence[tuple[bytes, bytes, int]]) -> None:
    """Note what rows say now: key, digest, number of the letter."""
    if said:
        await db.execute(_SAID, (sender, mapping, *(list(column) for column in zip(*said, strict=True))))


async def counts(db: Db, one: Upload) -> dict[str, int]:
    """How many letters of a file are in which state."""
    rows = await db.execute(
        f"SELECT state, count(*) FROM exchange_letter WHERE {_OF_UPLOAD} GROUP BY state",
        (one.sender, one.id, list(one.mended)),
    )
    return dict(await rows.fetchall())


async def refused(db: Db, one: Upload, count: int, after: int = 0) -> list[Refused]:
    """Rows of a file that were not taken, by their numbers."""
    rows = await db.execute(
        "SELECT number, coalesce((context->>'row')::int, 0), coalesce(mended, body), complaints FROM exchange_letter "
        f"WHERE {_OF_UPLOAD} AND state = 'dead' AND number > %s ORDER BY number LIMIT %s",
        (one.sender, one.id, list(one.mended), after, count),
    )
    return [Refused(number, row, bytes(body_), complaints) for number, row, body_, complaints in await rows.fetchall()]


async def is_dead(db: Db, sender: str, number: int) -> bool:
    """Whether this is the letter of a row of this sender that was refused."""
    row = await db.execute(
        "SELECT state FROM exchange_letter WHERE number = %s AND sender = %s AND format = 'table'", (number, sender)
    )
    found = await row.fetchone()
    return found is not None and found[0] == "dead"


async def mappings(db: Db, sender: str) -> list[tuple[str, int, str]]:
    """The newest version of each mapping of a sender: name, version, text."""
    rows = await db.execute(
        "SELECT DISTINCT ON (name) name, version, text FROM exchange_table_mapping WHERE sender = %s "
        "ORDER BY name, version DESC",
        (sender,),
    )
    return [(name, version, text) for name, version, text in await rows.fetchall()]


async def add_mapping(db: Db, sender: str, name: str, version: int, text: str, by: str) -> bool:
    """Keep a version of a mapping; False when another text has this version already."""
    await db.execute(
        "INSERT INTO exchange_table_mapping (sender, name, version, text, made_by) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT DO NOTHING",
        (sender, name, version, text, by),
    )
    row = await db.execute(
        "SELECT text FROM exchange_table_mapping WHERE sender = %s AND name = %s AND version = %s",
        (sender, name, version),
    )
    return bool((await row.fetchone())[0] == text)
