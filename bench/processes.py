"""The programs that are measured, each in processes of its own: started, asked, weighed and ended."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import conninfo

from jiankang.kernel.migrations import migrate
from jiankang.kernel.postgres import start_embedded
from jiankang.main import MIGRATIONS

BENCH = Path(__file__).resolve().parent
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
_ENV = {name: value for name, value in os.environ.items() if not name.startswith("JIANKANG_")}


@dataclass(frozen=True)
class Program:
    """A server that is ready: the port it listens on and its first process."""

    port: int
    pid: int
    started: float


@contextlib.contextmanager
def postgres(folder: Path | None = None, *, shared_buffers: str = "256MB", fsync: bool = True) -> Iterator[str]:
    """An embedded server, in a folder that is thrown away unless one is given; the address of its first database."""
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jiankang-bench-")))
            folder.chmod(0o755)
        server = start_embedded(folder / "data", shared_buffers=shared_buffers, fsync=fsync)
        try:
            yield server.dsn
        finally:
            server.stop(seconds=600)


def new_database(server_url: str, name: str, *, migrated: bool = True) -> str:
    """A fresh database; its address."""
    with psycopg.connect(server_url, autocommit=True) as db:
        db.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        db.execute(f'CREATE DATABASE "{name}"')
    url = conninfo.make_conninfo(server_url, dbname=name)
    if migrated:
        migrate(url, MIGRATIONS)
    return url


def copied(url: str, name: str) -> str:
    """A copy of a database; its address."""
    original = conninfo.conninfo_to_dict(url)["dbname"]
    server_url = conninfo.make_conninfo(url, dbname="postgres")
    with psycopg.connect(server_url, autocommit=True) as db:
        db.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        db.execute(f'CREATE DATABASE "{name}" TEMPLATE "{original}"')
    return conninfo.make_conninfo(server_url, dbname=name)


@contextlib.contextmanager
def started(command: list[str], seconds: float = 60) -> Iterator[Program]:
    """A program that prints its address when it is ready; ended with SIGTERM."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, env=_ENV)
        try:
            port = None
            while port is None:
                ready, _, _ = select.select([process.stdout], [], [], seconds)
                line = process.stdout.readline() if ready and process.stdout else ""
                if not line:
                    said.seek(0)
                    raise SystemExit(f"{' '.join(command)} did not start: {said.read()[-2000:]}")
                port = _ADDRESS.search(line)
            yield Program(int(port[1]), process.pid, begun)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()


def ours(
    database_url: str | None = None, data: Path | None = None, workers: int = 2
) -> contextlib.AbstractContextManager:
    """`jiankang serve`."""
    where = ["--database-url", database_url] if database_url else ["--data", str(data)]
    return started([sys.executable, "-m", "jiankang.cli", "serve", "--port", "0", "--workers", str(workers), *where])


def floor(
    database_url: str | None = None, data: Path | None = None, workers: int = 2
) -> contextlib.AbstractContextManager:
    """The bare program that does the same work."""
    where = ["--database-url", database_url] if database_url else ["--data", str(data)]
    return started([sys.executable, str(BENCH / "floors" / "server.py"), "--workers", str(workers), *where])


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            parents.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += parents.get(one, [])
    return found


def memory_mb(pid: int) -> dict[str, float]:
    """Proportional set size (MB, shared pages divided among their users) of python and of postgres below `pid`."""
    totals = {"python": 0.0, "postgres": 0.0}
    for one in family(pid):
        with contextlib.suppress(OSError):
            kind = "postgres" if "postgres" in Path(f"/proc/{one}/comm").read_text() else "python"
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
            totals[kind] += int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1]) / 1024
    return totals
