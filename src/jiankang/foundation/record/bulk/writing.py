"""Writing the record as NDJSON: https://hl7.org/fhir/uv/bulkdata/export.html#response---output-file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jiankang.fhir.definitions import load
from jiankang.fhir.search import date_range
from jiankang.foundation.access import LOCAL_OPERATOR, Actor
from jiankang.foundation.record.codec import join_text
from jiankang.foundation.record.store import Record
from jiankang.kernel.errors import Invalid

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 1_000

_CHUNK = """
SELECT r.rid, r.id, r.version, r.updated, r.body FROM resource AS r
WHERE r.type = %s AND NOT r.deleted AND (r.updated, r.rid) > (%s, %s) AND r.updated <= %s AND {allowed}
ORDER BY r.updated, r.rid LIMIT %s
"""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """How far an export of one type has come: everything up to here was written."""

    updated: datetime = EPOCH
    rid: int = -(2**63)


async def chunks(
    record: Record, actor: Actor, type_name: str, start: Place, until: datetime
) -> AsyncIterator[tuple[list[bytes], Place]]:
    """The resources of a type as lines, some at a time, each with the place to go on from.

    What changed after `until` is left out, and only what the actor may see is there.
    """
    allowed, bound = actor.restriction.sql("r")
    query = _CHUNK.format(allowed=allowed)
    place = start
    while True:
        async with record.pool.connection() as db:
            cursor = db.cursor(binary=True)
            values = (load().type_code(type_name), place.updated, place.rid, until, *bound, CHUNK)
            await cursor.execute(query, values)
            rows = await cursor.fetchall()
        if not rows:
            return
        lines = []
        for _, id_, version, updated, body in rows:
            text = join_text(type_name, id_, version, updated, await record.payload(body))
            lines.append(one_line(text))
        place = Place(rows[-1][3], rows[-1][0])
        yield lines, place


def one_line(text: bytes) -> bytes:
    """A resource on a line of its own: line breaks between members become spaces (within strings JSON has none)."""
    return text.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"


def moment(text: str) -> datetime:
    """The instant that a date or dateTime begins at."""
    return EPOCH + timedelta(microseconds=date_range(text)[0])


def cli_export(
    database_url: str,
    out: Path,
    *,
    types: Sequence[str] | None = None,
    since: str | None = None,
    progress: Callable[[str], None],
) -> int:
    """Write the record into `out`, one NDJSON file for each type; the exit code."""
    names = load().resource_names
    unknown = [name for name in types or () if name not in names]
    if unknown:
        raise Invalid(f"{', '.join(unknown)}: no resource type of FHIR R4")
    out.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_export(database_url, out, types or names, since, progress))


async def _export(
    database_url: str, out: Path, types: Sequence[str], since: str | None, progress: Callable[[str], None]
) -> int:
    total = 0
    async with Record.open(database_url, connections=2) as record:
        until = record.clock()
        start = Place() if since is None else Place(moment(since))
        for name in types:
            count = await _one_type(record, out, name, start, until)
            if count:
                progress(f"   {name}: {count}")
            total += count
    progress(f"-- {total} resources in {out}")
    return 0


async def _one_type(record: Record, out: Path, name: str, start: Place, until: datetime) -> int:
    """Write a file under another name first, so that a file with its own name is whole."""
    count = 0
    part = out / f"{name}.ndjson.part"
    with part.open("wb") as sink:
        async for lines, _ in chunks(record, LOCAL_OPERATOR, name, start, until):
            sink.writelines(lines)
            count += len(lines)
    if count:
        part.rename(out / f"{name}.ndjson")
    else:
        part.unlink()
    return count
