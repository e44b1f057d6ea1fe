"""The profiles of a record, at hand in a process."""

from __future__ import annotations

import threading

from jiankang.fhir.validation.profiles.packages import newest
from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.conformance import Shelf, shelf_of
from jiankang.foundation.record.store import Change, Record, prepare

URL = "urn:test:shelf:named"


def profile(id_="named", version="1.0.0", **more):
    return {
        "resourceType": "StructureDefinition", "id": id_, "url": URL, "version": version, "name": "Named",
        "status": "active", "kind": "resource", "abstract": False, "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "min": 1}]}, **more,
    }  # fmt: skip


async def write(record, *profiles):
    changes = [Change("PUT", one["resourceType"], one["id"], prepare(one)) for one in profiles]
    await record.run(LOCAL_OPERATOR, lambda tx: tx.apply(changes))


async def test_what_one_process_writes_another_has_on_its_shelf_after_refresh(database_url):
    async with Record.open(database_url) as writing, Record.open(database_url) as reading:
        shelf_of(writing)
        shelf = Shelf(reading)
        assert not await shelf.refresh()
        await write(writing, profile())
        assert shelf.structure(URL) is None
        assert await shelf.refresh()
        assert not await shelf.refresh()
        assert shelf.structure(URL)["name"] == "Named"
        await write(writing, profile(name="Renamed"))
        assert await shelf.refresh()
        assert shelf.structure(URL)["name"] == "Renamed"
        await writing.run(LOCAL_OPERATOR, lambda tx: tx.apply([Change("DELETE", "StructureDefinition", "named")]))
        assert await shelf.refresh()
        assert (shelf.structure(URL), shelf.profiles()) == (None, [])


async def test_versions_are_found_exactly_in_part_and_newest_first(database_url):
    async with Record.open(database_url) as record:
        shelf = shelf_of(record)
        await write(
            record, *(profile(f"p{n}", v) for n, v in enumerate(["1.2.0", "1.10.0", "2.0.0-ballot", "1.10.1-rc.1"]))
        )
        await shelf.refresh()
        found = {asked: shelf.structure(URL, asked) for asked in (None, "1.2.0", "1", "1.10", "3")}
        assert {asked: one and one["version"] for asked, one in found.items()} == {
            None: "2.0.0-ballot", "1.2.0": "1.2.0", "1": "1.10.1-rc.1", "1.10": "1.10.1-rc.1", "3": None,
        }  # fmt: skip


async def test_a_definition_that_cannot_be_used_breaks_nothing(database_url):
    odd = ["1.²", "9" * 5000, "..", "-", "+", "١.٢", "1.0.0 beta", "v1"]
    async with Record.open(database_url) as record:
        shelf = shelf_of(record)
        await write(record, *(profile(f"odd{n}", version) for n, version in enumerate(odd)), profile())
        await write(record, profile("empty", "0.1", type="urn:no-such-type", baseDefinition="urn:nowhere"))
        await shelf.refresh()
        assert shelf.structure(URL) is not None
        assert shelf.structure(URL, "1.0.0")["id"] == "named"
        assert len(shelf.profiles()) == len(odd) + 2


def test_a_release_is_newer_than_what_came_before_it():
    assert newest(["1.0.0-ballot", "1.0.0", "1.0.0-ballot2"]) == "1.0.0"
    assert newest(["1.9.0", "1.10.0"]) == "1.10.0"
    assert newest(["", "0.1"]) == "0.1"
    assert newest([]) is None


async def test_threads_read_while_it_is_refreshed(database_url):
    async with Record.open(database_url) as record:
        shelf = shelf_of(record)
        await write(record, *(profile(f"p{n}", f"1.{n}") for n in range(250)))
        await shelf.refresh()
        wrong, done = [], threading.Event()

        def look():
            while not done.is_set():
                for n in range(250):
                    found = shelf.structure(URL, f"1.{n}")
                    if found is None or found["version"] != f"1.{n}":
                        wrong.append(n)

        threads = [threading.Thread(target=look) for _ in range(3)]
        for thread in threads:
            thread.start()
        for step in range(5):
            await write(record, profile("p7", "1.7", name=f"Step{step}"))
            assert await shelf.refresh()
        done.set()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert shelf.structure(URL, "1.7")["name"] == "Step4"
