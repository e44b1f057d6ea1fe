"""Who does the jobs: each server process looks for one now and then, and does it in a process of lower priority.

The job's own process reads what it needs from its standard input and ends when the server that began it is gone; then
another server takes the job up where it was left.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from jiankang.foundation.record.bulk import jobs
from jiankang.foundation.record.bulk.exporting import Export
from jiankang.foundation.record.bulk.files import clear, job_folder, old_folders
from jiankang.foundation.record.bulk.importing import Import
from jiankang.foundation.record.bulk.jobs import Job, Lost
from jiankang.foundation.record.bulk.preparing import Helper, Opening
from jiankang.kernel import log
from jiankang.kernel.collecting import collect_seldom
from jiankang.kernel.errors import Problem
from jiankang.kernel.settings import Settings

if TYPE_CHECKING:
    from jiankang.foundation.record.wire.server import Server

POLL_SECONDS = 1.0
BEAT_SECONDS = 5.0
NICE = 10
_CLEARING_SECONDS = 60.0
_AGAIN_SECONDS = 3.0
_LEFT_SECONDS = 86_400.0
_log = logging.getLogger("jiankang.bulk")


async def do(server: Server, job: Job, worker: str, *, alone: Opening | None = None) -> None:
    """Do a job that was taken, to its end; what cannot be done now is left for later, what never can is said so.

    `alone` in its process, it may begin another to help, which opens a server by it.
    """
    task = asyncio.create_task(_do(server, job, worker, alone=alone))
    try:
        while not (await asyncio.wait([task], timeout=BEAT_SECONDS))[0]:
            with contextlib.suppress(Problem):
                if not await jobs.beat(server.record, job.id, worker):
                    return  # it was cancelled, or is another's
        await task
    except Lost:
        return
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Lost):
            await task


async def _do(server: Server, job: Job, worker: str, *, alone: Opening | None) -> None:
    record = server.record
    try:
        if job.kind == "export":
            await Export(record, server.registry, job, worker, job_folder(server.settings, job.id)).run()
        else:
            with Helper(alone) if alone else contextlib.nullcontext() as helper:
                await Import(server, job, worker, helper=helper).run()
        await jobs.finish(record, job, worker)
    except Problem as problem:
        if problem.status >= 500:
            await jobs.put_back(record, job, worker, _AGAIN_SECONDS)
            return
        issues = [{"code": one.code, "text": one.text} for one in problem.issues]
        await jobs.finish(record, job, worker, "failed", problem=issues)
    except Lost:
        raise
    except Exception:  # noqa: BLE001 - a bug in one job must not end the worker; it is tried MOST_ATTEMPTS times
        _log.exception("job %s", job.id)
        await jobs.put_back(record, job, worker, _AGAIN_SECONDS)


# -- in the server ------------------------------------------------------------------------------------------------


class Runner:
    """Looks for jobs, as a background task of a server process: `async with Runner(server, database_url): …`.

    Each job runs in a process of its own: `module`, which calls `main`.
    """

    def __init__(self, server: Server, database_url: str, *, module: str = __spec__.name) -> None:
        self.server = server
        self.module = module
        self.database_url = database_url
        self._cleared = 0.0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            try:
                worked = await self._once()
            except Problem:
                worked = False
            except Exception:  # noqa: BLE001 - whatever it was, look again
                _log.exception("looking for jobs")
                worked = False
            if not worked:
                await asyncio.sleep(POLL_SECONDS)

    async def _once(self) -> bool:
        if time.monotonic() - self._cleared > _CLEARING_SECONDS:
            self._cleared = time.monotonic()
            await clear_away(self.server)
        if not await jobs.waiting(self.server.record):
            return False
        return await self._in_process()

    async def _in_process(self) -> bool:
        """Let a process of its own do the next job; when we are stopped, so is it. Whether it ended well."""
        given = {"database_url": self.database_url, "settings": asdict(self.server.settings), "parent": os.getpid()}
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", self.module, stdin=asyncio.subprocess.PIPE)
        try:
            await process.communicate(msgspec.json.encode(given, enc_hook=str))
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
        return process.returncode == 0


async def clear_away(server: Server) -> None:
    """Take away what was kept long enough."""
    for job_id in await jobs.expired(server.record):
        await clear(server.settings, job_id)
    old = await asyncio.to_thread(old_folders, server.settings, _LEFT_SECONDS)
    for job_id in await jobs.unknown(server.record, old) if old else ():
        await clear(server.settings, job_id)


# -- in the job's own process --------------------------------------------------------------------------------------


async def work_once(server: Server, *, place: str = "server", alone: Opening | None = None) -> bool:
    """Take the next job and do it; whether there was one."""
    worker = jobs.worker_name()
    job = await jobs.take(server.record, worker, place=place)
    if job is None:
        return False
    await do(server, job, worker, alone=alone)
    return True


Compose = Callable[["Server"], None]
"""Brings other rooms to the server of a job's process."""


def main(compose: Compose | None = None) -> int:
    """Do one job; what is needed comes as JSON on standard input."""
    given = msgspec.json.decode(sys.stdin.buffer.read())
    os.nice(NICE)
    settings = _settings(given["settings"])
    log.set_up(settings.log_level)
    return asyncio.run(_work(given["database_url"], settings, given["parent"], compose))


def _settings(values: dict[str, Any]) -> Settings:
    return Settings(**{**values, "data": Path(values["data"]), "import_dir": Path(values["import_dir"])})


@asynccontextmanager
async def server_for(database_url: str, settings: Settings, compose: Compose | None = None) -> AsyncIterator[Server]:
    """All that a process needs that does a job: the record, and the search parameters in force."""
    from jiankang.foundation.record.api import create_fhir_app
    from jiankang.foundation.record.reindexing import Catalogue
    from jiankang.foundation.record.store import Record

    async with Record.open(database_url, connections=3) as record:
        app: Any = create_fhir_app(record, settings=settings, secret=b"")
        if compose is not None:
            compose(app.server)
        async with Catalogue(record, app.server.registry).running(indexing=False):
            collect_seldom()
            yield app.server


async def _work(database_url: str, settings: Settings, parent: int, compose: Compose | None) -> int:
    async with server_for(database_url, settings, compose) as server:
        opening = functools.partial(server_for, database_url, settings, compose)
        working = asyncio.create_task(work_once(server, alone=opening))
        while not working.done():
            await asyncio.wait([working], timeout=1)
            if os.getppid() != parent:
                working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
