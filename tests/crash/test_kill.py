"""kill -9 of the writers and of PostgreSQL loses nothing that was acknowledged."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from jiankang.kernel.migrations import migrate
from jiankang.kernel.postgres import start_embedded

HERE = Path(__file__).resolve().parent
MIGRATIONS = HERE.parent.parent / "src" / "jiankang" / "foundation" / "record" / "migrations"
ROUNDS = int(os.environ.get("JIANKANG_CRASH_ROUNDS", "2"))


@pytest.fixture
def data(tmp_path: Path):
    folder = Path("/tmp") / f"jiankang-crash-{os.getpid()}"
    yield folder
    start_embedded(folder).stop()
    shutil.rmtree(folder, ignore_errors=True)


def family(pid: int) -> list[int]:
    """The process and its children, the way Linux lists them."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in children)]


def kill_all(pid: int) -> None:
    for process in family(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def write_for(url: str, prefix: str, seconds: float) -> tuple[subprocess.Popen, Path]:
    seen = Path(f"/tmp/jiankang-crash-{os.getpid()}-{prefix}.txt")
    with seen.open("wb") as sink:
        writer = subprocess.Popen(
            [sys.executable, str(HERE / "writer.py"), url, prefix], stdout=sink, stderr=subprocess.PIPE
        )
    deadline = time.monotonic() + 30
    while seen.stat().st_size == 0 and time.monotonic() < deadline:
        assert writer.poll() is None, writer.stderr.read().decode()
        time.sleep(0.05)
    time.sleep(seconds)
    return writer, seen


def acknowledged(seen: Path) -> set[str]:
    text = seen.read_text()
    seen.unlink()
    return set(text[: text.rfind("\n") + 1].split())


def kept(url: str) -> set[str]:
    with psycopg.connect(url) as db:
        return {row[0] for row in db.execute("SELECT id FROM resource WHERE NOT deleted")}


def lost_by_a_kill(data: Path, prefix: str, seconds: float, *options: str) -> tuple[int, int]:
    """How many ids were acknowledged before PostgreSQL was killed, and how many of them are not there afterwards."""
    server = start_embedded(data)
    migrate(server.dsn, MIGRATIONS)
    if options:
        with psycopg.connect(server.dsn, autocommit=True) as db:
            for option in options:
                db.execute(f"ALTER {option}")
            db.execute("SELECT pg_reload_conf()")
    writer, seen = write_for(server.dsn, prefix, seconds)
    kill_all(server.pid)
    writer.kill()
    writer.communicate()
    told = acknowledged(seen)
    return len(told), len(told - kept(start_embedded(data).dsn))


@pytest.mark.parametrize("number", range(ROUNDS))
def test_killing_postgresql_loses_nothing_acknowledged(data: Path, number: int):
    told, lost = lost_by_a_kill(data, f"db{number}", 0.5 + 0.3 * (number % 5))
    assert told > 50
    assert lost == 0


def test_the_same_kill_does_lose_writes_when_commits_do_not_wait_for_the_disk(data: Path):
    """The test above can fail: it does as soon as the server promises before it has written."""
    promising = "DATABASE postgres SET synchronous_commit = off"  # stronger than the server's command line
    lazy = ("SYSTEM SET wal_writer_delay = '10s'", "SYSTEM SET wal_writer_flush_after = '1GB'")
    told, lost = lost_by_a_kill(data, "off", 0.7, promising, *lazy)
    assert told > 50
    assert lost > 0


def test_killing_the_writers_loses_nothing_acknowledged_and_halves_no_bundle(data: Path):
    server = start_embedded(data)
    migrate(server.dsn, MIGRATIONS)
    writer, seen = write_for(server.dsn, "w", 0.7)
    writer.kill()
    writer.communicate()
    told = acknowledged(seen)
    assert len(told) > 50
    time.sleep(0.2)
    found = kept(server.dsn)
    assert told <= found
    for id_ in found:
        lane = id_.split("-")
        if len(lane) == 3 and int(lane[2]) % 5 == 4:
            assert {f"{id_}-{n}" for n in range(3)} <= found
    with psycopg.connect(server.dsn) as db:
        orphans = db.execute(
            "SELECT count(*) FROM idx WHERE NOT EXISTS (SELECT FROM resource r WHERE r.rid = idx.rid)"
        ).fetchone()[0]
        logged = db.execute("SELECT count(*) FROM change").fetchone()[0]
        rows = db.execute("SELECT count(*) FROM resource").fetchone()[0]
    assert (orphans, logged) == (0, rows)


def test_the_server_that_lost_its_launcher_is_taken_over(data: Path):
    script = f"import os, signal; from pathlib import Path; from jiankang.kernel.postgres import start_embedded; print(start_embedded(Path({str(data)!r})).pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert start_embedded(data).pid == int(done.stdout)
