"""The files of deploy/ make an installation that works: door, servers, pooler, databases."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import json
import threading
import time

import pytest
import zstandard

from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.feed import follow
from jiankang.foundation.record.store import Change, Record, prepare
from jiankang.kernel.database import session_differs


def patient(family: str) -> dict:
    return {"resourceType": "Patient", "name": [{"family": family, "given": ["Mei"]}], "birthDate": "1980-02-03"}


def visit(family: str) -> dict:
    """A transaction of a patient and an observation of theirs."""
    observation = {
        "resourceType": "Observation", "status": "final", "subject": {"reference": "urn:uuid:" + "0" * 7 + "1-0000-4000-8000-000000000000"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]}, "valueQuantity": {"value": 160.50, "unit": "cm"},
    }  # fmt: skip
    entries = [
        {"fullUrl": observation["subject"]["reference"], "resource": patient(family), "request": {"method": "POST", "url": "Patient"}},
        {"resource": observation, "request": {"method": "POST", "url": "Observation"}},
    ]  # fmt: skip
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def test_a_visit_is_written_found_and_read_as_a_whole_through_door_and_pooler(region):
    status, _, body = region.ask("POST", "/fhir", visit("Door"))
    assert status == 200, body
    location = json.loads(body)["entry"][0]["response"]["location"]
    id_ = location.split("Patient/")[1].split("/")[0]
    status, _, body = region.ask("GET", "/fhir/Patient?family=door&birthdate=lt1990")
    found = json.loads(body)
    assert [entry["resource"]["id"] for entry in found["entry"]] == [id_]
    assert found["link"][0]["url"].startswith("https://health.example/fhir/")
    status, _, body = region.ask("GET", "/fhir/Observation?subject:Patient.family=door&_include=Observation:subject")
    assert {entry["resource"]["resourceType"] for entry in json.loads(body)["entry"]} == {"Observation", "Patient"}
    status, headers, body = region.ask("GET", f"/fhir/Patient/{id_}/$everything")
    assert status == 200
    assert len(json.loads(body)["entry"]) == 2
    status, headers, body = region.ask("HEAD", f"/fhir/Patient/{id_}")
    assert (status, body) == (200, b"")
    assert headers["etag"] == 'W/"1"'
    assert int(headers["content-length"]) > 100
    assert region.ask("GET", f"/fhir/Patient/{id_}", If_None_Match='W/"1"')[0] == 304


def test_packed_bodies_pass_as_they_are_both_ways(region):
    text = json.dumps(patient("Packed") | {"text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">' + "x" * 5000 + "</div>"}}).encode()  # fmt: skip
    for coding, pack, unpack in (
        ("gzip", gzip.compress, gzip.decompress),
        ("zstd", zstandard.compress, lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
    ):
        status, headers, body = region.ask("POST", "/fhir/Patient", raw=pack(text), Content_Encoding=coding)
        assert status == 201, body
        status, headers, body = region.ask(
            "GET", headers["location"].split("health.example")[1], Accept_Encoding=coding
        )
        assert headers["content-encoding"] == coding
        assert b"xxxx" in unpack(body)


def test_a_body_of_many_megabytes_passes_and_one_over_the_limit_is_refused_with_an_outcome(region):
    big = patient("Big") | {"photo": [{"contentType": "image/png", "data": "QUJD" * 2_000_000}]}
    assert region.ask("POST", "/fhir/Patient", big)[0] == 201
    status, _, body = region.ask("POST", "/fhir/Patient", raw=b"{}", Content_Length=str(200 << 20))
    assert status == 413
    assert json.loads(body)["issue"][0]["code"] == "too-long"


def test_nobody_comes_in_without_a_certificate(region):
    status, _, body = region.ask("GET", "/fhir/metadata", known=False)
    assert status == 400
    assert b"No required SSL certificate" in body


def test_sessions_behind_the_pooler_have_the_settings_that_queries_count_on(region):
    assert session_differs(region.url("pgbouncer")) == []
    assert session_differs(region.url("primary")) == []


async def test_a_reader_of_the_feed_is_woken_past_the_pooler(region):
    seen = asyncio.Event()

    async def handle(db, entries) -> None:
        if any(entry.id == "woken" for entry in entries):
            seen.set()

    opened = Record.open(region.url("pgbouncer"), direct_url=region.url("primary"), prepare=False)
    async with opened as record:
        following = asyncio.create_task(follow(record, "test", handle))
        await asyncio.sleep(0.3)
        basic = prepare(json.dumps({"resourceType": "Basic", "id": "woken", "code": {"text": "x"}}).encode())
        await record.run(LOCAL_OPERATOR, lambda tx: tx.apply([Change("PUT", "Basic", "woken", basic)]))
        await asyncio.wait_for(seen.wait(), 10)
        following.cancel()


@contextlib.contextmanager
def idle_connection(port: int):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", "/fhir/metadata")
        assert connection.getresponse().read()
        yield connection


def told_to_leave(connection: http.client.HTTPConnection) -> bool:
    """Whether a server that was told to stop answers within half a second with the last answer of the connection."""
    time.sleep(0.2)
    connection.request("GET", "/fhir/metadata")
    answer = connection.getresponse()
    return answer.status == 200 and bool(answer.read()) and answer.headers["connection"] == "close"


def test_servers_are_restarted_one_after_the_other_and_nobody_notices(region):
    stop, told = threading.Event(), []

    def ask_again_and_again() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            made = region.ask("POST", "/fhir/Patient", patient(f"Roll{number}"))[0]
            told.append((made, region.ask("GET", "/fhir/Patient?_count=1")[0]))

    asking = threading.Thread(target=ask_again_and_again)
    asking.start()
    try:
        for name in ("server1", "server2"):
            with idle_connection(region.ports[name]) as connection:
                region.running[name].terminate()
                assert told_to_leave(connection), "a request on a connection that was idle is still answered"
            assert region.stop(name) == 0
            region.server(name)
            region.until_up(name)
    finally:
        stop.set()
        asking.join()
    assert len(told) > 5
    assert set(told) == {(201, 200)}


@pytest.mark.parametrize("path", ["/", "/fhir/metadata"])
def test_the_port_for_health_checks_shows_nothing_else(region, path):
    connection = http.client.HTTPConnection("127.0.0.1", region.ports["health"], timeout=5)
    connection.request("GET", path)
    assert connection.getresponse().status == 404
    connection.close()
