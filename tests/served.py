"""`jiankang serve` as a process of its own, and the few things that tests do to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children(pid: int) -> list[int]:
    """All processes below `pid`, the way Linux lists them."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *children(int(child))]
    return found


def kill(*pids: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def within(seconds: float, question: Callable[[], Any]) -> Any:
    """The first true answer to `question`; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if answer := question():
                return answer
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


@dataclass
class Served:
    """A running server."""

    data: Path
    options: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: Any = None
    log: Path = Path()

    def start(self, seconds: float = 40) -> Served:
        self.port = self.port or free_port()
        environment = (
            os.environ
            | {"PYTHONUNBUFFERED": "1", "JIANKANG_EXCHANGE_WORKERS": "0"}
            | {f"JIANKANG_{k.upper()}": v for k, v in self.options.items()}
        )
        command = [sys.executable, "-m", "jiankang.cli", "serve", "--port", str(self.port), "--data", str(self.data)]
        self.log = self.data.parent / f"{self.data.name}.log"
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=sink, env=environment)
        os.set_blocking(self.process.stdout.fileno(), False)
        told = b""
        deadline = time.monotonic() + seconds
        while b"ready at" not in told:
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            assert time.monotonic() < deadline, self.log.read_text()[-2000:]
            told += self.process.stdout.read() or b""
            time.sleep(0.02)
        return self

    @property
    def workers(self) -> list[int]:
        """The server processes, without multiprocessing's own helper and without PostgreSQL."""
        return [
            pid for pid in children(self.process.pid)
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]  # fmt: skip

    def ask(
        self, method: str, path: str, body: Any = None, *, timeout: float = 20, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        """One request on a connection of its own: status, headers (lower case) and value."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            raw = None if body is None else json.dumps(body).encode()
            named = {"Content-Type": "application/fhir+json", **{k.replace("_", "-"): v for k, v in headers.items()}}
            connection.request(method, f"/fhir{path}", raw, named)
            answer = connection.getresponse()
            text = answer.read()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, json.loads(text) if text else None
        finally:
            connection.close()

    def stop(self, seconds: float = 30) -> int:
        self.process.terminate()
        return self.ended(seconds)

    def ended(self, seconds: float = 30) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait(seconds)
        self.process.stdout.close()
        return code

    def kill_all(self) -> None:
        """kill -9 of the parent, its workers and PostgreSQL, as nearly at once as can be."""
        kill(self.process.pid, *children(self.process.pid), *postgres_below(self.data))
        self.ended()


def postgres_below(data: Path) -> list[int]:
    """The postmaster whose files are in `data`, and its processes."""
    found = [int(path.read_text().split()[0]) for path in data.glob("postgresql/data/postmaster.pid")]
    return [one for pid in found for one in (pid, *children(pid))]
