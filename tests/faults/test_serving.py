"""What a server does when the things around it fail, and when those who use it are slow, rude or gone."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from jiankang.kernel.postgres import running_embedded


@pytest.fixture(scope="module")
def server(served):
    folder = Path("/tmp") / f"jiankang-faults-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    running = served.Served(
        folder / "data", {"header_seconds": "1", "body_seconds": "1", "workers": "2", "connections": "3"}
    )
    running.start()
    running.ask("PUT", "/Patient/p1", {"resourceType": "Patient", "id": "p1"})
    yield running
    if running.process.poll() is None:
        running.stop()
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def locked(server):
    """Every query on resources waits meanwhile."""
    with psycopg.connect(running_embedded(server.data).dsn) as db:
        db.execute("LOCK TABLE resource IN ACCESS EXCLUSIVE MODE")
        yield db


def waiting_queries(db):
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%resource%%'"
    with psycopg.connect(db.info.dsn, autocommit=True) as other:
        return other.execute(query).fetchone()[0]


def answers(server):
    return server.ask("GET", "/Patient/p1")[0] == 200


def raw(server, data, seconds=3.0):
    """What comes back for these bytes, until the server closes or `seconds` are over; and after how long."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as line:
        with contextlib.suppress(OSError):
            line.sendall(data)
        got = b""
        with contextlib.suppress(OSError):
            while part := line.recv(65536):
                got += part
    return got, time.monotonic() - started


def test_a_lost_database_is_told_at_once_and_heals_by_itself(server, served):
    started = time.monotonic()
    served.kill(*served.postgres_below(server.data))
    told = set()
    while time.monotonic() < started + 15:
        asked = time.monotonic()
        status, headers, body = server.ask("GET", "/Patient/p1")
        assert time.monotonic() - asked < 10
        told.add(status)
        if status == 200 and len(told) > 1:
            break
        if status != 200:
            assert (status, body["resourceType"], "retry-after" in headers) == (503, "OperationOutcome", True)
        time.sleep(0.02)
    assert told == {503, 200}
    for _ in range(20):
        assert server.ask("POST", "/Patient", {"resourceType": "Patient"})[0] in {201, 503}
    served.within(5, lambda: all(answers(server) for _ in range(10)))


def test_a_killed_worker_is_replaced_and_the_others_go_on(server, served):
    before = set(server.workers)
    killed = min(before)
    served.kill(killed)
    refused = 0
    for _ in range(50):
        try:
            assert server.ask("GET", "/Patient/p1")[0] == 200
        except OSError:
            refused += 1
    assert refused < 10
    served.within(15, lambda: len(set(server.workers) - {killed}) == len(before))
    served.within(15, lambda: all(answers(server) for _ in range(10)))


def test_a_query_ends_when_its_asker_hangs_up(server, served):
    with locked(server) as db:
        line = socket.create_connection(("127.0.0.1", server.port))
        line.sendall(b"GET /fhir/Patient?active=true HTTP/1.1\r\nHost: x\r\n\r\n")
        served.within(3, lambda: waiting_queries(db) == 1)
        line.close()
        served.within(3, lambda: waiting_queries(db) == 0)
    assert answers(server)


def test_slow_headers_are_cut_off(server):
    got, seconds = raw(server, b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    assert got == b""
    assert 0.5 < seconds < 10


def test_many_slow_senders_keep_nobody_else_waiting(server):
    lines = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    for line in lines:
        line.sendall(
            b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\nContent-Length: 900\r\n\r\n{"
        )
    started = time.monotonic()
    assert all(answers(server) for _ in range(10))
    assert time.monotonic() - started < 5
    lines[0].settimeout(5)
    assert lines[0].recv(100).startswith(b"HTTP/1.1 503")
    for line in lines:
        line.close()


def test_bytes_that_are_no_request_are_refused_and_forgotten(server):
    dice = random.Random(3)
    good = (
        b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\nContent-Length: 26\r\nConnection: close\r\n\r\n"
        b'{"resourceType":"Patient"}'
    )
    tries = [
        b"\x00" * 100, b"\xff" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /fhir/\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /fhir/%ff%fe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"GET http://[::1/fhir HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /fhir/Patient?%ff=%c0%80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /fhir/metadata HTTP/1.1\r\nHost: \xff\r\nConnection: close\r\n\r\n", b"GET /fhir/" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1_000_000 + b"\r\nConnection: close\r\n\r\n",
        b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nzz\r\n",
        b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /fhir HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
    ]  # fmt: skip
    for _ in range(int(os.environ.get("JIANKANG_CRASH_ROUNDS", "2")) * 10):
        text = bytearray(good)
        for _ in range(dice.randint(1, 3)):
            text[dice.randrange(len(text))] = dice.randrange(256)
        tries.append(bytes(text))
    with ThreadPoolExecutor(16) as many:
        found = list(many.map(lambda one: raw(server, one), tries))
    for one, (got, seconds) in zip(tries, found, strict=True):
        assert seconds < 10 or got.startswith(b"HTTP/1.1 2"), one[:200]
        assert not got or got.startswith(b"HTTP/1.1 "), one[:200]
        assert b" 500 " not in got[:20], (one[:200], got)
    assert len(server.workers) == 2
    assert all(answers(server) for _ in range(6))


def test_a_slow_reader_blocks_nobody(server):
    line = socket.create_connection(("127.0.0.1", server.port))
    line.sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\n\r\n" * 60)
    time.sleep(0.3)
    started = time.monotonic()
    assert all(answers(server) for _ in range(10))
    assert time.monotonic() - started < 10
    line.close()


def test_a_request_in_hand_is_finished_before_the_end(server):
    """SIGTERM; also the last of this file's tests on the shared server."""
    answered = []
    with locked(server) as db:
        asking = threading.Thread(target=lambda: answered.append(server.ask("GET", "/Patient/p1/_history")[0]))
        asking.start()
        deadline = time.monotonic() + 3
        while waiting_queries(db) == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert not answered
        assert server.process.poll() is None
    asking.join(10)
    assert answered == [200]
    assert server.ended(10) == 0
    assert running_embedded(server.data) is None


def run(*arguments, **environment):
    command = [sys.executable, "-m", "jiankang.cli", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=os.environ | environment
    )


def test_a_port_that_is_taken_is_told_plainly(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run("serve", "--port", port, "--data", tmp_path)
    assert done.returncode == 3
    assert f"port {port}" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_data_folder_that_cannot_be_is_told_plainly(tmp_path):
    file = tmp_path / "file"
    file.touch()
    done = run("serve", "--port", 0, "--data", file / "data")
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    assert str(file) in done.stderr


def test_a_database_that_is_not_there_is_told_plainly():
    done = run("serve", "--port", 0, "--database-url", "postgresql://nobody@127.0.0.1:1/none")
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    assert "database cannot be reached" in done.stderr


def test_a_setting_that_is_none_is_told_plainly():
    done = run("db", "status", JIANKANG_PROT="1")
    assert (done.returncode, "JIANKANG_PROT" in done.stderr) == (2, True)
