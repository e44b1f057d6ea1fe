"""What deploy/backup.sh keeps, deploy/restore.sh brings back: all of it, and a moment of choice."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.feed import deliver, lag
from jiankang.foundation.record.store import Change, Record, prepare
from jiankang.kernel.migrations import status
from jiankang.kernel.postgres import start_embedded
from jiankang.kernel.settings import Settings
from jiankang.main import MIGRATIONS
from jiankang.serving import database

TABLES = ("resource", "history", "change", "idx", "str", "span", "quantity", "vocabulary", "dictionary", "feed_reader")
COUNTS = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in TABLES)


def counts(url: str) -> dict[str, int]:
    with psycopg.connect(url) as db:
        return dict(db.execute(COUNTS).fetchall())


def basic(id_: str, text: str = "x") -> Change:
    raw = json.dumps({"resourceType": "Basic", "id": id_, "code": {"text": text}}).encode()
    return Change("PUT", "Basic", id_, prepare(raw))


class Reader:
    def __init__(self) -> None:
        self.seen: list[str] = []

    async def __call__(self, db, entries) -> None:
        self.seen += [f"{entry.id}/{entry.version}" for entry in entries]


@pytest.fixture
def empty_server(region):
    """A server made a moment ago, of another version of PostgreSQL: the embedded one, with an empty database."""
    data = Path(tempfile.mkdtemp(prefix="jkr-young-", dir="/tmp"))
    data.chmod(0o755)
    server = start_embedded(data, shared_buffers="64MB", fsync=False)
    try:
        yield server.dsn
    finally:
        server.stop()
        shutil.rmtree(data, ignore_errors=True)


def restore(region, *arguments: object, fails: bool = False) -> subprocess.CompletedProcess[str]:
    command = ["sh", region.etc / "restore.sh", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=region.environment)
    assert fails or done.returncode == 0, done.stderr
    return done


async def test_a_dump_is_restored_into_a_younger_server_and_the_feed_skips_nothing(region, empty_server):
    young = empty_server
    burn = "DO $$ BEGIN FOR n IN 1..2000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
    region.sql("primary", burn)  # a server that has been busy for a while
    async with Record.open(region.url("primary")) as record:
        for number in range(60):  # each takes a transaction number; the young server has none of these yet
            await record.run(LOCAL_OPERATOR, lambda tx, n=number: tx.apply([basic(f"old{n % 40}", str(n))]))
        half, done = Reader(), Reader()
        await deliver(record, "half", half, limit=10)
        while await deliver(record, "done", done):
            pass
        lagging = await lag(record)
        assert lagging["half"] >= 50
    newest = int(region.sql("primary", "SELECT max(xid::text::bigint) FROM change"))
    dumped = region.run("sh", region.etc / "backup.sh", "dump", **_as_owner(region)).strip()
    assert dumped.endswith(".dump")
    restore(region, "dump", dumped, young)
    before = counts(region.url("primary"))
    assert counts(young) == before
    with psycopg.connect(young) as db:
        assert db.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()[0] < newest, (
            "not younger: shows nothing"
        )
    with database(Settings(database_url=young)):  # what `jiankang serve` does first
        pass
    assert all(migration.applied for migration in status(young, MIGRATIONS))
    async with Record.open(young) as record:
        await record.run(LOCAL_OPERATOR, lambda tx: tx.apply([basic("new")]))
        again, later = Reader(), Reader()
        while await deliver(record, "half", again):
            pass
        while await deliver(record, "done", later):
            pass
        assert later.seen == ["new/1"]
        assert again.seen[-1] == "new/1"
        assert set(done.seen) - set(half.seen) <= set(again.seen)
        old = [one for one in again.seen if one.startswith("old3/")]
        assert old == sorted(old)
    with database(Settings(database_url=young)):
        pass
    async with Record.open(young) as record:
        assert await deliver(record, "half", again) == 0, "a second start moves nothing"


def _as_owner(region, name: str = "primary") -> dict[str, str]:
    return {"PGHOST": "127.0.0.1", "PGPORT": str(region.ports[name]), "PGUSER": "jiankang", "PGDATABASE": "jiankang"}


def _as_replicator(region, name: str) -> dict[str, str]:
    return _as_owner(region, name) | {"PGUSER": "replicator"}


@pytest.mark.parametrize("source", ["primary", "replica"])
async def test_a_base_backup_and_the_kept_log_go_back_to_a_moment(region, source):
    base = region.run("sh", region.etc / "backup.sh", "base", **_as_replicator(region, source)).strip().splitlines()[-1]
    async with Record.open(region.url("primary")) as record:
        await record.run(LOCAL_OPERATOR, lambda tx: tx.apply([basic(f"before-the-mistake-{source}")]))
        await asyncio.sleep(0.05)
        moment = region.sql("primary", "SELECT clock_timestamp()")
        await asyncio.sleep(0.05)
        await record.run(LOCAL_OPERATOR, lambda tx: tx.apply([basic(f"the-mistake-{source}")]))
    last = region.sql("primary", "SELECT pg_walfile_name(pg_switch_wal())")
    wal = region.home / "backup" / "wal"
    deadline = time.monotonic() + 15
    while not (wal / last).exists():
        assert time.monotonic() < deadline, region.log("primary")
        await asyncio.sleep(0.05)
    data = region.home / f"restored-{source}"
    region.run("sh", region.etc / "restore.sh", "base", base, data, moment)
    run = region.home / "restored-run"
    run.mkdir(exist_ok=True)
    os.chown(run, (region.home / "primary").stat().st_uid, -1)
    options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={run}", "-c", "fsync=off"]
    options += ["-c", "archive_mode=off", "-c", "synchronous_standby_names=", "-c", f"config_file={region.etc}/postgresql/primary.conf"]  # fmt: skip
    options += ["-c", f"hba_file={region.etc}/postgresql/pg_hba.conf", "-c", f"ident_file={region.etc}/postgresql/pg_ident.conf"]  # fmt: skip
    region.start("restored", ["/usr/lib/postgresql/15/bin/postgres", "-D", data, *options, "-c", "shared_buffers=64MB"])
    try:
        ask = ["/usr/lib/postgresql/15/bin/psql", "-X", "-A", "-t", "-h", run, "-U", "postgres", "-d", "jiankang", "-c"]
        while True:
            assert time.monotonic() < deadline + 15, region.log("restored")
            try:
                recovering = region.run(*ask, "SELECT pg_is_in_recovery()").strip()
            except AssertionError:
                recovering = "t"
            if recovering == "f":
                break
            await asyncio.sleep(0.1)
        found = region.run(*ask, "SELECT id FROM resource WHERE id LIKE '%mistake-" + source + "'").split()
        assert found == [f"before-the-mistake-{source}"]
    finally:
        region.kill_all_of("restored")


def test_old_backups_are_forgotten_and_a_restore_touches_nothing_that_is_there(region):
    older = region.home / "backup" / "dump" / "20200101T000000Z.dump"
    older.write_bytes(b"")
    newest = region.run("sh", region.etc / "backup.sh", "dump", BACKUP_KEEP="1", **_as_owner(region)).strip()
    assert [str(path) for path in older.parent.iterdir()] == [newest]
    done = restore(region, "base", region.home / "backup", region.home / "primary", fails=True)
    assert done.returncode == 3
    assert "move it away first" in done.stderr
