"""How far each input of an import has come, moved in the transaction that writes what it counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jiankang.fhir.outcome import outcome
from jiankang.foundation.record.bulk.jobs import Lost
from jiankang.kernel.database import translated
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from psycopg import AsyncConnection

    from jiankang.foundation.record.store import Record
    from jiankang.kernel.errors import Problem

MOST_REFUSALS = 100_000
"""Refusals of one input that are kept to be read; more are only counted."""

_LINE = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line"
_COLUMNS = "number, source, type, place, line, entry, size, stored, unchanged, refused, done"


@dataclass(slots=True)
class Part:
    """One input: `place` bytes and `line` lines of it are done, and `entry` entries of the Bundle that begins there."""

    number: int
    source: str
    type: str | None
    place: int = 0
    line: int = 0
    entry: int = 0
    size: int = 0
    stored: int = 0
    unchanged: int = 0
    refused: int = 0
    done: bool = False


@dataclass(slots=True)
class Step:
    """What one transaction did to an input: where it stands afterwards and what became of what."""

    place: int
    line: int
    entry: int = 0
    stored: int = 0
    unchanged: int = 0
    refusals: list[tuple[int, int, bytes]] = field(default_factory=list)
    done: bool = False


def refusal(problem: Problem, line: int, entry: int = 0) -> tuple[int, int, bytes]:
    """What is wrong with a line (or an entry of the Bundle on it), as a line of its own."""
    value = outcome(problem)
    for issue in value["issue"]:
        issue["extension"] = [{"url": _LINE, "valueInteger": line}, *issue.get("extension", ())]
        place = f"line {line}" if not entry else f"line {line}, entry {entry}"
        issue["diagnostics"] = "; ".join(filter(None, (place, issue.get("diagnostics"))))
    return line, entry, encode(value) + b"\n"


async def load_parts(record: Record, job_id: str) -> list[Part]:
    """All inputs of a job, in order."""
    with translated():
        async with record.side.connection() as db:
            rows = await (
                await db.execute(f"SELECT {_COLUMNS} FROM job_part WHERE job = %s ORDER BY number", (job_id,))
            ).fetchall()
    return [Part(*row) for row in rows]


async def advance(db: AsyncConnection[Any], job_id: str, worker: str, part: Part, step: Step) -> None:
    """Move an input on, in the caller's transaction. Raises Lost when it is not this worker's any more."""
    done = await db.execute(
        "UPDATE job_part SET place = %s, line = %s, entry = %s, stored = stored + %s, unchanged = unchanged + %s, "
        "refused = refused + %s, done = %s WHERE job = %s AND number = %s AND worker = %s",
        (step.place, step.line, step.entry, step.stored, step.unchanged, len(step.refusals), step.done, job_id,
         part.number, worker),
    )  # fmt: skip
    if done.rowcount != 1:
        raise Lost
    kept = step.refusals[: max(0, MOST_REFUSALS - part.refused)]
    if kept:
        columns = [
            list(column) for column in zip(*((line, entry, text.decode()) for line, entry, text in kept), strict=True)
        ]
        await db.execute(
            "INSERT INTO job_error (job, part, line, entry, outcome) SELECT %s, %s, u.* "
            "FROM unnest(%s::bigint[], %s::int[], %s::text[]) AS u ON CONFLICT DO NOTHING",
            (job_id, part.number, *columns),
        )


def count(part: Part, step: Step) -> None:
    """Keep our own copy in step with the database, once it is committed."""
    part.place, part.line, part.entry, part.done = step.place, step.line, step.entry, step.done
    part.stored += step.stored
    part.unchanged += step.unchanged
    part.refused += len(step.refusals)


async def refusals(record: Record, job_id: str, number: int) -> AsyncIterator[bytes]:
    """What was refused of one input, some lines at a time."""
    line, entry = -1, -1
    while True:
        with translated():
            async with record.side.connection() as db:
                rows = await (
                    await db.execute(
                        "SELECT line, entry, outcome FROM job_error WHERE job = %s AND part = %s "
                        "AND (line, entry) > (%s, %s) ORDER BY line, entry LIMIT 1000",
                        (job_id, number, line, entry),
                    )
                ).fetchall()
        if not rows:
            return
        line, entry = rows[-1][:2]
        yield b"".join(text.encode() for _, _, text in rows)
