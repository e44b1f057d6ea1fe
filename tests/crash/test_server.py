"""kill -9 of a whole server under load: what it answered 201 or 200 to is there afterwards, and no Bundle is halved."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

ROUNDS = max(1, int(os.environ.get("JIANKANG_CRASH_ROUNDS", "2")) // 2)


@pytest.fixture(scope="module")
def server(served):
    folder = Path("/tmp") / f"jiankang-crash-server-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    running = served.Served(folder / "data").start()
    yield running
    running.stop()
    shutil.rmtree(folder, ignore_errors=True)


class Load:
    """Clients that write for ever; they remember what they were told was kept."""

    def __init__(self, server, clients=6):
        self.server, self.singles, self.bundles = server, set(), {}
        self.stopping = False
        self.failures = 0
        self.threads = [threading.Thread(target=self.work, args=(number,)) for number in range(clients)]
        for thread in self.threads:
            thread.start()

    def work(self, client):
        while not self.stopping:
            try:
                line = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=5)
                while not self.stopping:
                    self.bundle(line, client) if client % 2 else self.single(line)
            except (OSError, http.client.HTTPException):
                self.failures += 1
                time.sleep(0.05)
            finally:
                line.close()

    def ask(self, line, path, value):
        line.request("POST", f"/fhir{path}", json.dumps(value).encode(), {"Content-Type": "application/fhir+json"})
        answer = line.getresponse()
        return answer.status, answer.read()

    def single(self, line):
        status, text = self.ask(line, "/Basic", {"resourceType": "Basic", "code": {"text": "x"}})
        if status == 201:
            self.singles.add(json.loads(text)["id"])

    def bundle(self, line, client):
        mark = f"{client}-{time.monotonic_ns()}"
        one = {
            "resource": {"resourceType": "Basic", "code": {"coding": [{"system": "urn:b", "code": mark}]}},
            "request": {"method": "POST", "url": "Basic"},
        }
        self.bundles[mark] = False
        status, _ = self.ask(line, "", {"resourceType": "Bundle", "type": "transaction", "entry": [one] * 5})
        self.bundles[mark] = status == 200

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(10)


def count(server, query):
    return server.ask("GET", f"/Basic?{query}&_summary=count")[2]["total"]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_killing_everything_loses_nothing_and_halves_nothing(server, number):
    load = Load(server)
    time.sleep(1 + 0.3 * (number % 4))
    server.kill_all()
    load.stop()
    started = time.monotonic()
    server.start()
    assert time.monotonic() - started < 90  # it comes back, however busy the machine
    assert len(load.singles) > 30
    for id_ in load.singles:
        assert server.ask("GET", f"/Basic/{id_}")[0] == 200
    acknowledged = [mark for mark, told in load.bundles.items() if told]
    assert len(acknowledged) > 10
    for mark, told in load.bundles.items():
        assert count(server, f"code=urn:b|{mark}") in ({5} if told else {0, 5})


def test_a_killed_parent_leaves_a_port_and_data_that_can_be_taken_up_at_once(server, served):
    load = Load(server, clients=3)
    time.sleep(0.5)
    workers = server.workers
    served.kill(server.process.pid)
    server.ended()
    server.start()
    load.stop()
    assert not set(workers) & set(server.workers)
    for id_ in load.singles:
        assert server.ask("GET", f"/Basic/{id_}")[0] == 200


def test_a_killed_worker_under_load_is_replaced_and_loses_nothing(server, served):
    load = Load(server)
    time.sleep(0.5)
    before = server.workers
    served.kill(before[0])
    served.within(15, lambda: len(server.workers) == 2 and before[0] not in server.workers)
    told = len(load.singles)
    time.sleep(0.5)
    load.stop()
    assert len(load.singles) > told
    for id_ in load.singles:
        assert server.ask("GET", f"/Basic/{id_}")[0] == 200
