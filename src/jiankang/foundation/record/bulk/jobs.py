"""Work that goes on after its request was answered: kept in the database, taken by one worker at a time.

A worker that dies loses its job to another: at once when both are on one machine, else when its heartbeat has been
still for DEAD_SECONDS. Whatever a job writes is written together with the worker's name as a condition, so that a
worker that was only slow writes nothing more once its job was taken over.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from jiankang.foundation.access import Actor, keep, restore
from jiankang.kernel.database import translated
from jiankang.kernel.errors import Conflict, NotFound, Problem
from jiankang.kernel.ids import new_uuid7

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from psycopg import AsyncConnection

    from jiankang.foundation.record.store import Record

DEAD_SECONDS = 20
"""How long a worker may be silent before its job goes to another."""

KEPT_DAYS = 7
"""How long a finished job and its files are kept."""

MOST_OPEN = 20
"""Unfinished jobs that one actor may have."""

MOST_ATTEMPTS = 5
"""How often a job is taken up again without getting any further."""


class TooMany(Problem):
    """This actor has too much under way already (429)."""

    status, code = 429, "throttled"


class Lost(Exception):  # noqa: N818 - a fact, not an error
    """The job was cancelled, or another worker has it now: write nothing more."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job as it was when it was read."""

    id: str
    kind: str
    place: str
    actor: Actor
    url: str
    asked: dict[str, Any]
    state: str
    plan: dict[str, Any] | None
    progress: dict[str, Any]
    worker: str | None
    attempts: int
    problem: list[dict[str, Any]] | None
    created: datetime
    finished: datetime | None
    expires: datetime | None

    @property
    def open(self) -> bool:
        """Whether it is still to be done."""
        return self.state in {"queued", "running"}


_COLUMNS = (
    "id, kind, place, actor, url, asked, state, plan, progress, worker, attempts, problem, created, finished, expires"
)


def _job(row: Sequence[Any]) -> Job:
    values = list(row)
    values[3] = restore(values[3])
    return Job(*values)


def worker_name() -> str:
    """Who takes a job: this process, and which of its takings it is."""
    return f"{socket.gethostname()}/{os.getpid()}/{new_uuid7()}"


def _is_dead(worker: str) -> bool:
    """Whether a worker of this machine is no more; one of another machine can only fall silent."""
    host, number, _ = worker.split("/")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


async def submit(
    record: Record, actor: Actor, kind: str, url: str, asked: dict[str, Any],
    *, place: str = "server", digest: str | None = None, id_: str | None = None, parts: Sequence[tuple[str, str | None, int]] = (),
) -> str:  # fmt: skip
    """Queue a job; its id. `parts` are the source, type and size of each input of an import.

    Raises NotSupported when what the actor may see cannot be kept, TooMany above MOST_OPEN, Conflict when a job with
    this `digest` is under way.
    """
    job_id = id_ or new_uuid7()
    kept = Jsonb(keep(actor))
    with translated():
        async with record.side.connection() as db, db.transaction():
            row = await (
                await db.execute(
                    "SELECT count(*) FROM job WHERE state IN ('queued', 'running') AND actor ->> 'id' = %s", (actor.id,)
                )
            ).fetchone()
            if row and row[0] >= MOST_OPEN:
                raise TooMany(f"{row[0]} of your jobs are under way: wait for one to end, or cancel one")
            try:
                await db.execute(
                    "INSERT INTO job (id, kind, place, actor, url, asked, digest) VALUES (%s, %s, %s, %s, %s, %s, %s)",
                    (job_id, kind, place, kept, url, Jsonb(asked), digest),
                )
            except UniqueViolation:
                raise Conflict("the same work is under way already") from None
            for number, (source, type_name, size) in enumerate(parts):
                await db.execute(
                    "INSERT INTO job_part (job, number, source, type, size) VALUES (%s, %s, %s, %s, %s)",
                    (job_id, number, source, type_name, size),
                )
    return job_id


async def find(record: Record, actor: Actor, job_id: str) -> Job:
    """A job of this actor. Raises NotFound for one that is not known, and for another's."""
    with translated():
        async with record.side.connection() as db:
            row = await (
                await db.execute(
                    f"SELECT {_COLUMNS} FROM job WHERE id = %s AND actor ->> 'id' = %s", (job_id, actor.id)
                )
            ).fetchone()
    if row is None:
        raise NotFound("there is no such job, or it is over and was cleared away")
    return _job(row)


async def find_digest(record: Record, digest: str) -> Job | None:
    """The unfinished job with this digest."""
    with translated():
        async with record.side.connection() as db:
            row = await (
                await db.execute(
                    f"SELECT {_COLUMNS} FROM job WHERE digest = %s AND state IN ('queued', 'running')", (digest,)
                )
            ).fetchone()
    return None if row is None else _job(row)


_TAKE = f"""
UPDATE job SET state = 'running', worker = %s, heartbeat = now(), attempts = attempts + 1 WHERE id = (
    SELECT id FROM job WHERE place = %s AND (%s::text IS NULL OR id = %s)
        AND (state = 'queued' AND heartbeat <= now() OR state = 'running' AND heartbeat < now() - %s * interval '1 second')
    ORDER BY created LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING {_COLUMNS}
"""


async def waiting(record: Record, *, place: str = "server") -> bool:
    """Whether there may be a job to take: one that waits, or one whose worker is silent or dead."""
    with translated():
        async with record.side.connection() as db:
            rows = await (
                await db.execute(
                    "SELECT state, worker, heartbeat <= now(), heartbeat < now() - %s * interval '1 second' FROM job "
                    "WHERE state IN ('queued', 'running') AND place = %s",
                    (DEAD_SECONDS, place),
                )
            ).fetchall()
    return any(
        ready if state == "queued" else silent or (worker is not None and _is_dead(worker))
        for state, worker, ready, silent in rows
    )


async def take(record: Record, worker: str, *, place: str = "server", job_id: str | None = None) -> Job | None:
    """The oldest job that waits, or that a dead worker left; it is this worker's now. None: there is nothing to do."""
    with translated():
        async with record.side.connection() as db:
            running = await db.execute(
                "SELECT id, worker FROM job WHERE state = 'running' AND place = %s AND worker IS NOT NULL", (place,)
            )
            for id_, holder in await running.fetchall():
                if _is_dead(holder):
                    await db.execute(
                        "UPDATE job SET state = 'queued', worker = NULL, heartbeat = now() "
                        "WHERE id = %s AND worker = %s AND state = 'running'",
                        (id_, holder),
                    )
            async with db.transaction():
                row = await (await db.execute(_TAKE, (worker, place, job_id, job_id, DEAD_SECONDS))).fetchone()
                if row is not None:
                    await db.execute("UPDATE job_part SET worker = %s WHERE job = %s", (worker, row[0]))
    if row is None:
        return None
    job = _job(row)
    if job.attempts > MOST_ATTEMPTS:
        issue = {"code": "exception", "text": f"given up after {MOST_ATTEMPTS} tries that did not get any further"}
        await finish(record, job, worker, "failed", problem=[issue])
        return None
    return job


async def beat(record: Record, job_id: str, worker: str, *, further: bool = False) -> bool:
    """Say that the worker is alive (and got `further`); False when the job is not its own any more."""
    with translated():
        async with record.side.connection() as db:
            done = await db.execute(
                "UPDATE job SET heartbeat = now(), attempts = CASE WHEN %s THEN 0 ELSE attempts END "
                "WHERE id = %s AND worker = %s AND state = 'running'",
                (further, job_id, worker),
            )
    return bool(done.rowcount == 1)


async def note(db: AsyncConnection[Any], job_id: str, worker: str, **columns: Any) -> None:
    """Write down how far the job has come, in the caller's transaction. Raises Lost when it is another's."""
    names = ", ".join(f"{name} = %s" for name in columns)
    done = await db.execute(
        f"UPDATE job SET heartbeat = now(), attempts = 0, {names} WHERE id = %s AND worker = %s AND state = 'running'",
        (*(Jsonb(value) for value in columns.values()), job_id, worker),
    )
    if done.rowcount != 1:
        raise Lost


async def finish(
    record: Record, job: Job, worker: str, state: str = "done", *, problem: list[dict[str, Any]] | None = None
) -> None:
    """End the job. Raises Lost when it is not this worker's any more."""
    with translated():
        async with record.side.connection() as db:
            done = await db.execute(
                "UPDATE job SET state = %s, problem = %s, finished = now(), worker = NULL, "
                "expires = now() + %s * interval '1 day' WHERE id = %s AND worker = %s AND state = 'running'",
                (state, None if problem is None else Jsonb(problem), KEPT_DAYS, job.id, worker),
            )
    if done.rowcount != 1:
        raise Lost


async def put_back(record: Record, job: Job, worker: str, seconds: float) -> None:
    """Leave the job to whoever comes, not before some seconds are over; whoever still works at it for us stops."""
    with translated():
        async with record.side.connection() as db, db.transaction():
            await db.execute(
                "UPDATE job SET state = 'queued', worker = NULL, heartbeat = now() + %s * interval '1 second' "
                "WHERE id = %s AND worker = %s AND state = 'running'",
                (seconds, job.id, worker),
            )
            await db.execute("UPDATE job_part SET worker = NULL WHERE job = %s AND worker = %s", (job.id, worker))


async def unknown(record: Record, ids: Sequence[str]) -> list[str]:
    """Those of the ids that are no job's."""
    with translated():
        async with record.side.connection() as db:
            rows = await (await db.execute("SELECT id FROM job WHERE id = ANY(%s)", (list(ids),))).fetchall()
    return sorted(set(ids) - {row[0] for row in rows})


async def cancel(record: Record, job: Job) -> None:
    """Stop the job for good, whoever is at it; it and its files are cleared away soon."""
    with translated():
        async with record.side.connection() as db, db.transaction():
            await db.execute(
                "UPDATE job SET state = 'cancelled', worker = NULL, finished = now(), expires = now() WHERE id = %s",
                (job.id,),
            )
            await db.execute("UPDATE job_part SET worker = NULL WHERE job = %s", (job.id,))


async def expired(record: Record, limit: int = 20) -> list[str]:
    """Ids of jobs whose time is over, with all that the database keeps of them taken away."""
    with translated():
        async with record.side.connection() as db, db.transaction():
            rows = await (
                await db.execute(
                    "DELETE FROM job WHERE id IN (SELECT id FROM job WHERE expires < now() ORDER BY expires LIMIT %s "
                    "FOR UPDATE SKIP LOCKED) RETURNING id",
                    (limit,),
                )
            ).fetchall()
            ids = [row[0] for row in rows]
            for table in ("job_part", "job_error"):
                await db.execute(f"DELETE FROM {table} WHERE job = ANY(%s)", (ids,))
    return ids
