"""The primary dies; the replica takes its place and lacks nothing that anybody was told is stored."""

from __future__ import annotations

import json
import signal
import threading
import time

import pytest


@pytest.fixture
def writing(region):
    """Four clients that create patients through the door; the ids they were told, and how to stop them."""
    stop, told = threading.Event(), []

    def write(number: int) -> None:
        while not stop.is_set():
            body = {"resourceType": "Patient", "name": [{"family": f"Writer{number}"}]}
            status, headers, _ = region.ask("POST", "/fhir/Patient", body)
            assert status in {201, 503}, status
            if status == 201:
                told.append(headers["location"].split("/Patient/")[1].split("/")[0])

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for one in writers:
        one.start()
    yield told
    stop.set()
    for one in writers:
        one.join()


def test_a_write_is_not_acknowledged_before_the_replica_has_it(region):
    told: list[int] = []
    body = {"resourceType": "Patient", "name": [{"family": "Patience"}]}
    asking = threading.Thread(target=lambda: told.append(region.ask("POST", "/fhir/Patient", body)[0]))
    region.signal("replica", signal.SIGSTOP)
    try:
        asking.start()
        asking.join(1)
        assert told == []
    finally:
        region.signal("replica", signal.SIGCONT)
    asking.join(20)
    assert told == [201]


def test_a_promoted_replica_has_all_that_was_acknowledged_and_the_servers_go_on_with_it(region, writing):
    while len(writing) < 60:
        time.sleep(0.02)
    region.kill_all_of("primary")
    before = list(writing)
    status, _, body = region.ask("GET", "/fhir/Patient?_count=1")
    assert status == 503
    assert json.loads(body)["issue"][0]["code"] == "transient"
    region.run("/usr/lib/postgresql/15/bin/pg_ctl", "-D", region.home / "replica", "-w", "-s", "promote")
    region.pooler("replica")
    found = set(region.sql("replica", "SELECT id FROM resource").split())
    assert [id_ for id_ in before if id_ not in found] == []
    # The direct address is the primary's: it changes where the settings are, and the servers start again.
    for name in ("server1", "server2"):
        assert region.stop(name) == 0
        region.server(name, direct="replica")
        region.until_up(name)
    deadline = time.monotonic() + 30
    while len(writing) < len(before) + 20:
        assert time.monotonic() < deadline, region.log("server1")
        time.sleep(0.05)
    for id_ in before[-5:]:
        assert region.ask("GET", f"/fhir/Patient/{id_}")[0] == 200


def test_when_no_server_is_up_the_door_says_so_as_an_outcome(region):
    for name in ("server1", "server2"):
        if name in region.running:
            region.stop(name)
    status, headers, body = region.ask("GET", "/fhir/metadata")
    assert status == 503
    assert headers["retry-after"] == "2"
    assert json.loads(body)["issue"][0]["code"] == "transient"
