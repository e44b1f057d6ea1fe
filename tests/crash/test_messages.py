"""kill -9 of those who take HL7 v2 messages: what was acknowledged lands once, what was not is sent again and lands once."""

from __future__ import annotations

import os
import random
import shutil
import socket
import threading
import time
from pathlib import Path

import psycopg
import pytest

from jiankang.capabilities.exchange.hl7v2.mllp.framing import Frames, framed
from jiankang.capabilities.exchange.naming import patient
from jiankang.kernel.postgres import running_embedded

ROUNDS = int(os.environ.get("JIANKANG_CRASH_ROUNDS", "2"))
SYSTEM = "urn:jiankang:house:CM:A"


@pytest.fixture(scope="module")
def mllp_port(served):
    return served.free_port()


@pytest.fixture(scope="module")
def server(served, mllp_port):
    folder = Path("/tmp") / f"jiankang-crash-messages-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    options = {"exchange_workers": "1", "mllp_port": str(mllp_port), "unknown_senders": "accept", "workers": "1"}
    running = served.Served(folder / "data", options).start()
    yield running
    running.stop()
    shutil.rmtree(folder, ignore_errors=True)


class Sender(threading.Thread):
    """A hospital's interface engine: sends one message after another, each again until it is acknowledged."""

    def __init__(self, port: int, name: str) -> None:
        super().__init__()
        self.port, self.title = port, name
        self.acknowledged: list[str] = []
        self.repeats = 0
        self.stopping = False

    def run(self) -> None:
        number = 0
        self.line: socket.socket | None = None
        while not self.stopping:
            mrn = f"{self.title}-{number}"
            head = f"MSH|^~\\&|{self.title}|CM|JK|HN|20261123080000+0800||ADT^A28^ADT_A05|{mrn}|P|2.5.1"
            message = f"{head}\rPID|1||{mrn}^^^A^MR||王^{number}||19900101|M\r".encode()
            if b"MSA|AA" in self.ask(message):
                self.acknowledged.append(mrn)
                number += 1
            else:  # hung up, or the database is away and it says so: it is asked again
                self.repeats += 1
                self.hang_up()
                time.sleep(0.1)
        self.hang_up()

    def ask(self, message: bytes) -> bytes:
        """The answer; empty when there is none."""
        try:
            if self.line is None:
                self.line = socket.create_connection(("127.0.0.1", self.port), timeout=5)
            self.line.sendall(framed(message))
            frames = Frames(100_000)
            while data := self.line.recv(65536):
                if answers := frames.feed(data):
                    return answers[0]
        except OSError:
            pass
        return b""

    def hang_up(self) -> None:
        if self.line is not None:
            self.line.close()
            self.line = None


def victims(served, server) -> dict[str, list[int]]:
    """Whom to kill: one of the processes of ours, all of them, or PostgreSQL."""
    return {
        "one": [random.choice(server.workers)],
        "all": server.workers,
        "postgresql": served.postgres_below(server.data),
    }


def test_what_is_acknowledged_lands_once_whoever_is_killed(served, server, mllp_port):
    senders = [Sender(mllp_port, f"S{n}") for n in range(4)]
    for one in senders:
        one.start()
    for number in range(ROUNDS):
        for whom in ("one", "all", "postgresql"):
            time.sleep(1.0 + 0.5 * (number % 3))
            served.kill(*victims(served, server)[whom])
            time.sleep(2.5)
    time.sleep(2)
    for one in senders:
        one.stopping = True
    for one in senders:
        one.join()
    acknowledged = {mrn for one in senders for mrn in one.acknowledged}
    assert len(acknowledged) > 50
    assert sum(one.repeats for one in senders) > 0
    url = served.within(60, lambda: running_embedded(server.data)).dsn

    def landed() -> bool:
        with psycopg.connect(url) as db:
            (waiting,) = db.execute("SELECT count(*) FROM exchange_letter WHERE state = 'waiting'").fetchone()
            return not waiting

    served.within(90, landed)
    with psycopg.connect(url) as db:
        letters = db.execute("SELECT key, count(*), min(state) FROM exchange_letter GROUP BY key").fetchall()
        versions = dict(
            db.execute("SELECT id, version FROM resource WHERE type = %s", (type_code("Patient"),)).fetchall()
        )
        (papers,) = db.execute("SELECT count(*) FROM resource WHERE type = %s", (type_code("Provenance"),)).fetchone()
    assert all((count, state) == (1, "landed") for _, count, state in letters)
    kept = {key for key, _, _ in letters}
    assert acknowledged <= kept
    assert {patient(SYSTEM, mrn) for mrn in kept} == set(versions)
    assert set(versions.values()) == {1}
    assert papers == len(kept)


def type_code(name: str) -> int:
    from jiankang.fhir.definitions import load

    return load().type_code(name)
