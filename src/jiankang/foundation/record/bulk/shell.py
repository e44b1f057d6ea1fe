"""`jiankang import FILE|DIR…`: the import of the server, from the shell, on several processes; begun again, it goes on.

The same files (by path, size and time of change) are one job: who asks for them again after a kill goes on where it
was left, and who asks after it ended begins anew, which makes no new version of what has not changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.bulk import jobs
from jiankang.foundation.record.bulk.importing import Import
from jiankang.foundation.record.bulk.parts import Part, load_parts, refusals
from jiankang.foundation.record.bulk.preparing import Helper
from jiankang.foundation.record.bulk.sources import local_sources
from jiankang.foundation.record.bulk.working import Compose, server_for
from jiankang.foundation.record.loading import FIRST, files
from jiankang.foundation.record.store import Record
from jiankang.kernel.errors import Conflict, Problem, Unavailable

if TYPE_CHECKING:
    from jiankang.foundation.record.bulk.jobs import Job
    from jiankang.kernel.settings import Settings

Progress = Callable[[str], None]

_TOLD_SECONDS = 2.0
_BUNDLE_BYTES = 1 << 31
_spawn = multiprocessing.get_context("spawn")


def cli_import(
    database_url: str, paths: Sequence[Path], settings: Settings, progress: Progress, compose: Compose | None = None
) -> int:
    """Import all files; 0 when everything was taken, 1 when lines were refused, 2 when there is nothing to import.

    Raises Conflict while another process imports the same files, Unavailable when the work was put off.
    """
    try:
        found = files(paths)
    except FileNotFoundError as missing:
        progress(f"there is no {missing}")
        return 2
    if not found:
        progress("no .json or .ndjson file there")
        return 2
    limits = replace(settings, max_bundle_entries=1_000_000, max_bundle_bytes=_BUNDLE_BYTES)
    return asyncio.run(_import(database_url, found, limits, progress, compose))


def _digest(found: Sequence[Path]) -> str:
    text = "\n".join(f"{path.resolve()}\t{path.stat().st_size}\t{path.stat().st_mtime_ns}" for path in found)
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


async def _import(
    database_url: str, found: Sequence[Path], settings: Settings, progress: Progress, compose: Compose | None
) -> int:
    started = time.monotonic()
    async with Record.open(database_url, connections=2) as record:
        job, worker = await _taken(record, found, progress)
        parts = await load_parts(record, job.id)
        before = sum(part.stored + part.unchanged for part in parts)
        sizes = [part.size for part in parts]
        work = asyncio.create_task(asyncio.to_thread(_spread, database_url, settings, job, worker, sizes, compose))
        try:
            while not (await asyncio.wait([work], timeout=_TOLD_SECONDS))[0]:
                await jobs.beat(record, job.id, worker)
                _tell(await load_parts(record, job.id), before, started, progress)
            await work
        except BaseException:
            await jobs.put_back(record, job, worker, 0)  # our processes stop at their next step
            with contextlib.suppress(Problem):
                await work
            raise
        await jobs.finish(record, job, worker)
        parts = await load_parts(record, job.id)
        _tell(parts, before, started, progress)
        return await _refused(record, job, parts, progress)


async def _taken(record: Record, found: Sequence[Path], progress: Progress) -> tuple[Job, str]:
    digest = _digest(found)
    known = await jobs.find_digest(record, digest)
    if known is None:
        job_id = await jobs.submit(
            record, LOCAL_OPERATOR, "import", "jiankang import", {"inputs": [path.name for path in found]},
            place="shell", digest=digest, parts=local_sources(found),
        )  # fmt: skip
    else:
        job_id = known.id
        progress("-- going on with an import that was broken off")
    worker = jobs.worker_name()
    job = await jobs.take(record, worker, place="shell", job_id=job_id)
    if job is None:
        raise Conflict("another process is importing these files")
    return job, worker


def _tell(parts: Sequence[Part], before: int, started: float, progress: Progress) -> None:
    done = sum(part.stored + part.unchanged for part in parts)
    same, refused = sum(part.unchanged for part in parts), sum(part.refused for part in parts)
    rate = (done - before) / max(0.001, time.monotonic() - started)
    files_done = sum(part.done for part in parts)
    progress(
        f"   {files_done} of {len(parts)} files, {done} resources ({same} unchanged), {rate:.0f}/s, {refused} refused"
    )


async def _refused(record: Record, job: Job, parts: Sequence[Part], progress: Progress) -> int:
    """Write what was refused of each file beside it; the exit code."""
    refused = [part for part in parts if part.refused]
    for part in refused:
        path = Path(part.source.removeprefix("local:"))
        lines = b"".join([chunk async for chunk in refusals(record, job.id, part.number)])
        beside = path.with_name(f"{path.name}.refused")
        try:
            await asyncio.to_thread(beside.write_bytes, lines)
        except OSError:
            beside = Path(f"{path.name}.refused")
            await asyncio.to_thread(beside.write_bytes, lines)
        progress(f"   {part.refused} refused of {path.name}: {beside} says why")
    return 1 if refused else 0


# -- several processes --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Task:
    database_url: str
    settings: Settings
    job_id: str
    worker: str
    number: int
    compose: Compose | None


def _spread(
    database_url: str, settings: Settings, job: Job, worker: str, sizes: Sequence[int], compose: Compose | None
) -> None:
    """Do all inputs: those that others refer to, then the rest, the largest first so that none is waited for long."""
    names = job.asked["inputs"]
    tasks = [_Task(database_url, settings, job.id, worker, number, compose) for number in range(len(names))]
    early = [task for task in tasks if any(word in names[task.number].lower() for word in FIRST)]
    rest = sorted(tasks[len(early) :], key=lambda task: -sizes[task.number])
    workers = min(settings.workers, len(tasks))
    if workers == 1:
        for task in (*early, *rest):
            _raise(_one(task, alone=settings.workers > 1))
        return
    with _spawn.Pool(workers, _ignore_interrupt) as pool:
        for group in (early, rest):
            for problem in pool.imap_unordered(_one, group):
                _raise(problem)


def _raise(problem: str) -> None:
    if problem:
        raise Unavailable(problem)


def _ignore_interrupt() -> None:
    """Ctrl-C is the parent's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _one(task: _Task, *, alone: bool = False) -> str:
    try:
        asyncio.run(_part(task, alone=alone))
    except jobs.Lost:
        return "another process has taken this import over"
    except Problem as problem:
        return str(problem)
    return ""


async def _part(task: _Task, *, alone: bool) -> None:
    opening = functools.partial(server_for, task.database_url, task.settings, task.compose)
    async with opening() as server:
        job = await jobs.find(server.record, LOCAL_OPERATOR, task.job_id)
        with Helper(opening) if alone else contextlib.nullcontext() as helper:
            await Import(server, job, task.worker, helper=helper).run([task.number])
