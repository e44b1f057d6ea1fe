"""`$export`: https://hl7.org/fhir/uv/bulkdata/export.html."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import time

import psycopg
import pytest
import zstandard

from jiankang.foundation.record.bulk import exporting, jobs, links
from jiankang.foundation.record.bulk.exporting import Export
from jiankang.foundation.record.bulk.files import job_folder
from jiankang.foundation.record.bulk.working import clear_away, work_once

EVERYONE = {"Patient/p1", "Patient/p2", "Patient/p3"}
CLINICAL = {"Observation/b1", "Observation/b2", "Observation/b3", "Observation/b4", "Condition/c1"}
GROUPS = {"Group/g0", "Group/g1"}


async def test_a_system_export_holds_everything(world):
    assert await world.export() == EVERYONE | CLINICAL | GROUPS | {"Organization/o1"}


async def test_a_patient_export_holds_what_is_in_patients_compartments(world):
    assert await world.export("/Patient/$export") == EVERYONE | CLINICAL | GROUPS


async def test_a_group_export_holds_its_active_members_and_those_of_groups_within(world):
    mine = {"Patient/p1", "Patient/p2", "Observation/b1", "Observation/b2", "Observation/b3", "Condition/c1"}
    assert await world.export("/Group/g1/$export") == mine | GROUPS


async def test_what_is_in_several_patients_compartments_comes_once(world, monkeypatch):
    who = [{"actor": {"reference": f"Patient/{one}"}, "status": "accepted"} for one in ("p2", "p1", "p3")]
    visit = {"resourceType": "Appointment", "id": "a1", "status": "booked", "participant": who}
    await world.put(visit)
    monkeypatch.setattr(exporting, "_PATIENTS", 1)
    assert "Appointment/a1" in await world.export("/Group/g1/$export")
    assert "Appointment/a1" in await world.export("/Patient/$export")


async def test_a_resource_with_many_versions_comes_once_as_it_is_now(world):
    for value in range(3):
        await world.put({**WORLD_B1, "note": [{"text": f"version {value}"}]})
    await world.delete("Observation", "b2")
    listed = (await world.manifest("/$export?_type=Observation"))["output"]
    found = await world.download(listed)
    assert sorted(one["id"] for one in found) == ["b1", "b3", "b4"]
    assert [one["note"][0]["text"] for one in found if one["id"] == "b1"] == ["version 2"]


async def test_one_patients_export_holds_their_compartment(world):
    found = {"Patient/p1", "Observation/b1", "Observation/b2", "Condition/c1", "Group/g1"}
    assert await world.export("/Patient/p1/$export") == found


@pytest.mark.parametrize("path", ["/$export", "/Patient/$export", "/Patient/p1/$export"])
async def test_an_export_shows_no_more_than_the_actor_may_see(world, path):
    assert await world.export(path, actor="one") == {"Patient/p1", "Observation/b1", "Observation/b2"}


async def test_a_groups_members_are_shown_only_as_far_as_the_actor_may_see_them(world):
    groups = GROUPS | {"Observation/b1", "Observation/b2", "Observation/b3"}
    assert await world.export("/Group/g1/$export", actor="groups") == groups
    mine = {"Patient/p1", "Observation/b1", "Observation/b2", "Condition/c1", "Group/g1"}
    assert await world.export("/Group/g1/$export", actor="mine") == mine


async def test_a_group_or_patient_that_the_actor_may_not_know_of_is_unknown(world):
    assert (await world.ask("/Group/g1/$export", actor="one")).status_code == 404
    assert (await world.ask("/Patient/p2/$export", actor="one")).status_code == 404
    body = {
        "resourceType": "Parameters",
        "parameter": [{"name": "patient", "valueReference": {"reference": "Patient/p2"}}],
    }
    for actor, path in (("one", "/Patient/$export"), ("groups", "/Group/g1/$export")):
        answer = await world.ask(path, method="POST", json=body, actor=actor)
        assert answer.status_code == 400, answer.text


async def test_history_of_what_became_hidden_is_not_exported_to_an_earlier_moment(world):
    address = await world.begin("/$export", actor="one")
    moved = {"resourceType": "Observation", "id": "b1", "status": "final", "code": {"text": "x"}}
    job = await taken(world)
    export = exporting_of(world, job)
    await export._plan()
    await world.put({**moved, "subject": {"reference": "Patient/p2"}})
    await jobs.put_back(world.record, job, job.worker, -1)
    assert await work_once(world.server)
    listed = (await world.status(address, "one")).json()["output"]
    assert {one["id"] for one in await world.download(listed, "one")} == {"p1", "b2"}


async def test_patients_named_in_the_body_narrow_the_export(world):
    parameters = [
        {"name": "patient", "valueReference": {"reference": "Patient/p2"}},
        {"name": "_type", "valueString": "Observation,Patient"},
    ]
    body = {"resourceType": "Parameters", "parameter": parameters}
    assert await world.export("/Patient/$export", method="POST", json=body) == {"Patient/p2", "Observation/b3"}


async def test_another_actor_sees_neither_job_nor_files(world):
    address = await world.begin("/$export", actor="one")
    assert await work_once(world.server)
    url = (await world.status(address, "one")).json()["output"][0]["url"]
    assert (await world.status(address, "all")).status_code == 404
    assert (await world.client.delete(address, headers={"x-actor": "all"})).status_code == 404
    assert (await world.client.get(url, headers={"x-actor": "all"})).status_code == 404
    assert (await world.client.get(url, headers={"x-actor": "one"})).status_code == 200


async def test_a_link_that_was_changed_or_is_too_old_is_refused(world, monkeypatch):
    url = (await world.manifest())["output"][0]["url"]
    address, _, query = url.partition("?")
    assert (await world.client.get(address)).status_code == 403
    assert (await world.client.get(f"{address}?{query[:-1]}{'A' if query[-1] != 'A' else 'B'}")).status_code == 403
    until = query.split("&")[0]
    later = query.replace(until, f"until={int(until.removeprefix('until=')) + 9}")
    assert (await world.client.get(f"{address}?{later}")).status_code == 403
    other = address.rsplit("/", 1)[0] + "/..%2F..%2Fsigning.key"
    assert (await world.client.get(f"{other}?{query}")).status_code in {403, 404}
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + links.LINK_SECONDS + 5)
    assert (await world.client.get(url)).status_code == 403


async def test_the_export_is_what_was_there_when_it_began(world):
    address = await world.begin()
    job = await taken(world)
    export = exporting_of(world, job)
    await export._plan()
    await world.put({**WORLD_B1, "status": "amended"}, {**WORLD_B1, "id": "b9"})
    await world.put({**WORLD_B1, "status": "corrected"})
    await world.delete("Observation", "b3")
    await jobs.put_back(world.record, job, job.worker, -1)
    assert await work_once(world.server)
    manifest = (await world.status(address)).json()
    found = {one["id"]: one for one in await world.download(manifest["output"])}
    assert {"b1", "b3"} <= set(found)
    assert "b9" not in found
    assert (found["b1"]["status"], found["b1"]["meta"]["versionId"]) == ("final", "1")
    later = await world.manifest(f"/$export?_since={manifest['transactionTime']}")
    assert {one["id"] for one in await world.download(later["output"])} == {"b1", "b9"}
    (gone,) = await world.download(later["deleted"])
    assert gone["entry"] == [{"request": {"method": "DELETE", "url": "Observation/b3"}}]


async def test_an_uncommitted_write_holds_the_export_until_it_is_decided(world, database_url):
    import asyncio

    async def late(tx):
        from jiankang.foundation.record.store import Change, prepare

        await tx.apply([Change("PUT", "Patient", "late", prepare({"resourceType": "Patient", "id": "late"}))])
        await asyncio.sleep(0.4)

    from jiankang.foundation.access import LOCAL_OPERATOR

    writing = asyncio.create_task(world.record.run(LOCAL_OPERATOR, late))
    await asyncio.sleep(0.1)
    assert "Patient/late" in await world.export("/$export?_type=Patient")
    await writing


async def test_since_until_type_and_elements_narrow_what_is_exported(world):
    (stored,) = await world.put({**WORLD_B1, "id": "b9"})
    moment = stored.resource["meta"]["lastUpdated"]
    assert await world.export(f"/$export?_until={moment}&_type=Observation") == CLINICAL - {"Condition/c1"}
    (again,) = await world.put({**WORLD_B1, "id": "b10"})
    assert again.updated > stored.updated
    assert await world.export(f"/$export?_since={moment}") == {"Observation/b10"}
    manifest = await world.manifest("/$export?_type=Patient&_elements=Patient.name")
    one = (await world.download(manifest["output"]))[0]
    assert set(one) == {"resourceType", "id", "meta", "name"}
    assert one["meta"]["tag"][0]["code"] == "SUBSETTED"


async def test_type_filters_choose_among_their_type_only(world):
    path = "/$export?_type=Observation,Patient&_typeFilter=Observation%3Fstatus%3Dpreliminary"
    assert await world.export(path) == EVERYONE | {"Observation/b2"}
    either = f"{path}&_typeFilter=Observation%3Fpatient%3DPatient/p2,Patient%3Ffamily%3D%E5%BC%A0"
    assert await world.export(either) == {"Patient/p3", "Observation/b2", "Observation/b3"}
    chained = "/Group/g1/$export?_type=Observation&_typeFilter=Observation%3Fpatient.family%3D%E6%9D%8E"
    assert await world.export(chained) == {"Observation/b3"}


@pytest.mark.parametrize(
    "query",
    [
        "_type=Nonsense", "_typeFilter=Observation", "_typeFilter=Observation%3Fnonsense%3D1", "_since=yesterday",
        "_typeFilter=Observation%3F_count%3D1", "_outputFormat=text/csv", "nonsense=1", "_elements=!",
        "_type=Patient&_typeFilter=Observation%3Fstatus%3Dfinal", "_since=2020-01-01&_since=2021-01-01", "patient=Patient/p1",
    ],
)  # fmt: skip
async def test_what_is_not_understood_is_refused_before_anything_begins(world, query):
    answer = await world.ask(f"/$export?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert not await work_once(world.server)


async def test_an_export_that_does_not_ask_to_be_answered_later_is_refused(world):
    answer = await world.client.get("/$export")
    assert answer.status_code == 400
    assert "respond-async" in answer.text
    assert (await world.ask("/Observation/$export")).status_code == 404
    assert (await world.ask("/Patient/$export?_type=Organization")).status_code == 400


async def test_leniently_what_is_not_known_is_left_out_and_said(world):
    manifest = await world.manifest(
        "/$export?_type=Patient&nonsense=1", headers={"prefer": "respond-async, handling=lenient"}
    )
    (said,) = await world.download(manifest["error"])
    assert said["issue"][0]["severity"] == "warning"
    assert "nonsense" in said["issue"][0]["details"]["text"]


async def test_the_status_tells_the_progress_and_cancelling_removes_the_files(world):
    address = await world.begin()
    waiting = await world.status(address)
    assert (waiting.status_code, waiting.headers["x-progress"]) == (202, "waiting")
    assert int(waiting.headers["retry-after"]) > 0
    assert await work_once(world.server)
    done = await world.status(address)
    assert done.headers["expires"]
    manifest = done.json()
    assert manifest["request"].endswith("/$export")
    assert manifest["requiresAccessToken"] is False
    folder = job_folder(world.settings, address.rsplit("/", 1)[1])
    assert any(folder.iterdir())
    assert (await world.client.delete(address)).status_code == 202
    assert not folder.exists()
    assert (await world.status(address)).status_code == 404
    assert (await world.client.get(manifest["output"][0]["url"])).status_code == 404


async def test_a_cancelled_job_is_not_written_to_any_more(world):
    address = await world.begin()
    job = await taken(world)
    export = exporting_of(world, job)
    await export._plan()
    assert (await world.client.delete(address)).status_code == 202
    with pytest.raises(jobs.Lost):
        await export.run()


async def test_a_worker_that_was_replaced_counts_nothing_more(world):
    await world.begin()
    slow = await taken(world)
    export = exporting_of(world, slow)
    await export._plan()
    async with world.record.side.connection() as db:
        await db.execute("UPDATE job SET heartbeat = now() - interval '1 hour'")
    fresh = await taken(world)
    assert fresh.id == slow.id
    with pytest.raises(jobs.Lost):
        await export.run()
    await exporting_of(world, fresh).run()


async def test_a_worker_that_died_halfway_is_replaced_and_nothing_comes_twice(world, monkeypatch):
    monkeypatch.setattr(exporting, "CHUNK", 1)
    address = await world.begin()
    gone = dead_process()
    first = await taken(world)
    export = exporting_of(world, first)
    await export._plan()
    steps = 0

    async def dying(db, versions, cursor, write=export._write):
        nonlocal steps
        steps += 1
        if steps == 4:
            await export.files.add([exporting.Piece("output", "Patient", [b"never counted\n"])])
            raise KeyboardInterrupt
        await write(db, versions, cursor)

    monkeypatch.setattr(export, "_write", dying)
    export.job = await jobs.find(world.record, first.actor, first.id)
    with pytest.raises(KeyboardInterrupt):
        await export.run()
    assert not await work_once(world.server)  # the worker is alive as far as anybody knows
    async with world.record.side.connection() as db:
        name = first.worker.replace(f"/{os.getpid()}/", f"/{gone}/")
        await db.execute("UPDATE job SET worker = %s", (name,))
    assert await work_once(world.server)
    manifest = (await world.status(address)).json()
    names = [f"{one['resourceType']}/{one['id']}" for one in await world.download(manifest["output"])]
    assert sorted(names) == sorted(EVERYONE | CLINICAL | GROUPS | {"Organization/o1"})
    with pytest.raises(jobs.Lost):  # and the one that was replaced writes nothing more
        await export.run()


def dead_process():
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


async def test_a_silent_worker_elsewhere_is_replaced_after_a_while(world):
    address = await world.begin()
    await taken(world)
    async with world.record.side.connection() as db:
        await db.execute("UPDATE job SET worker = 'elsewhere/1/x', heartbeat = now() - interval '10 s'")
    assert not await work_once(world.server)
    async with world.record.side.connection() as db:
        await db.execute("UPDATE job SET heartbeat = now() - interval '21 s'")
    assert await work_once(world.server)
    assert (await world.status(address)).status_code == 200


async def test_a_job_that_never_gets_further_is_given_up(world):
    address = await world.begin()
    for _ in range(jobs.MOST_ATTEMPTS):
        job = await taken(world)
        await jobs.put_back(world.record, job, job.worker, -1)
    assert not await work_once(world.server)
    answer = await world.status(address)
    assert answer.status_code == 422
    assert "given up" in answer.text


async def test_files_come_packed_and_in_ranges(world):
    url = (await world.manifest("/$export?_type=Observation"))["output"][0]["url"]
    plain = await world.client.get(url, headers={"accept-encoding": "identity"})
    assert plain.headers["content-type"] == "application/fhir+ndjson"
    for coding, unpack in (
        ("gzip", gzip.decompress),
        ("zstd", lambda raw: zstandard.ZstdDecompressor().decompressobj().decompress(raw)),
    ):
        async with world.client.stream("GET", url, headers={"accept-encoding": coding}) as answer:
            raw = b"".join([part async for part in answer.aiter_raw()])
        assert answer.headers["content-encoding"] == coding
        assert unpack(raw) == plain.content
    part = await world.client.get(url, headers={"accept-encoding": "identity", "range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, plain.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(plain.content)}"
    tail = await world.client.get(url, headers={"accept-encoding": "identity", "range": "bytes=-5"})
    assert tail.content == plain.content[-5:]
    assert (await world.client.get(url, headers={"range": "bytes=9999999-"})).status_code == 416
    head = await world.client.head(url, headers={"accept-encoding": "identity"})
    assert (head.content, int(head.headers["content-length"])) == (b"", len(plain.content))


async def test_one_actor_cannot_fill_the_queue(world, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_OPEN", 1)
    await world.begin(actor="one")
    assert (await world.ask(actor="one")).status_code == 429
    assert (await world.ask(actor="all")).status_code == 202


async def test_what_was_kept_long_enough_is_cleared_away(world, database_url):
    address = await world.begin()
    assert await work_once(world.server)
    folder = job_folder(world.settings, address.rsplit("/", 1)[1])
    await clear_away(world.server)
    assert folder.exists()
    with psycopg.connect(database_url, autocommit=True) as db:
        db.execute("UPDATE job SET expires = now() - interval '1 s'")
    left = folder.with_name("left")
    left.mkdir()
    os.utime(left, (1, 1))
    await clear_away(world.server)
    assert not folder.exists()
    assert not left.exists()
    assert (await world.status(address)).status_code == 404


async def test_the_capability_statement_says_who_exports_what(world):
    statement = (await world.client.get("/metadata")).json()["rest"][0]
    assert {"export", "import"} <= {one["name"] for one in statement["operation"]}
    have = {
        one["type"]: operation["definition"]
        for one in statement["resource"]
        for operation in one["operation"]
        if operation["name"] == "export"
    }
    assert {name: url.rsplit("/", 1)[1] for name, url in have.items()} == {
        "Patient": "patient-export",
        "Group": "group-export",
    }


WORLD_B1 = {
    "resourceType": "Observation",
    "id": "b1",
    "status": "final",
    "code": {"text": "x"},
    "subject": {"reference": "Patient/p1"},
}


async def taken(world):
    job = await jobs.take(world.record, jobs.worker_name())
    assert job is not None
    return job


def exporting_of(world, job):
    return Export(world.record, world.server.registry, job, job.worker, job_folder(world.settings, job.id))


def test_json_is_one_line():
    from jiankang.foundation.record.bulk.writing import one_line

    assert json.loads(one_line(b'{"a":\r\n1}')) == {"a": 1}
    assert one_line(b'{"a":\r\n1}').count(b"\n") == 1
