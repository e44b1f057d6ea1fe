"""The store: versions, conditions, deletion and races, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

import pytest

from jiankang.foundation.access import LOCAL_OPERATOR, Actor, InCompartment
from jiankang.foundation.record.dictionaries import learn
from jiankang.foundation.record.store import Change, Record, prepare
from jiankang.foundation.record.versions import Window, history
from jiankang.kernel.errors import Conflict, Forbidden, Gone, NotFound, PreconditionFailed, Unprocessable

ME = LOCAL_OPERATOR


@pytest.fixture
async def record(database_url):
    async with Record.open(database_url) as opened:
        yield opened


def patient(id_: str = "p1", family: str = "王") -> bytes:
    return json.dumps(
        {
            "resourceType": "Patient",
            "id": id_,
            "name": [{"family": family, "given": ["芳"]}],
            "birthDate": "1980-02-03",
        },
        ensure_ascii=False,
    ).encode()


def weight(value: str = "70.50", subject: str = "Patient/p1", id_: str | None = None) -> bytes:
    named = f'"id":"{id_}",' if id_ else ""
    return (
        '{"resourceType":"Observation",' + named + '"status":"final","code":{"coding":[{"system":"http://loinc.org",'
        f'"code":"29463-7"}}]}},"subject":{{"reference":"{subject}"}},"effectiveDateTime":"2026-01-02",'
        f'"valueQuantity":{{"value":{value},"system":"http://unitsofmeasure.org","code":"kg"}}}}'
    ).encode()


async def put(record: Record, raw: bytes, *, if_match: int | None = None, actor: Actor = ME):
    ready = prepare(raw)
    change = Change("PUT", ready.type, ready.id, ready, if_match)
    return (await record.run(actor, lambda tx: tx.apply([change])))[0]


async def delete(record: Record, type_name: str, id_: str):
    return (await record.run(ME, lambda tx: tx.apply([Change("DELETE", type_name, id_)])))[0]


async def counts(record: Record, rid: int) -> dict[str, int]:
    async with record.pool.connection() as db:
        found = {}
        for table in ("idx", "str", "span", "quantity"):
            row = await (await db.execute(f"SELECT count(*) FROM {table} WHERE rid = %s", (rid,))).fetchone()
            found[table] = row[0]
        return found


async def test_a_created_resource_reads_back_with_its_exact_decimals(record):
    stored = await record.create(ME, prepare(weight("70.50")))
    read = await record.read(ME, "Observation", stored.id)
    assert read.version == 1
    assert b'"value":70.50' in read.json
    assert read.resource["valueQuantity"]["value"] == Decimal("70.50")
    assert read.resource["meta"]["versionId"] == "1"


async def test_every_update_makes_a_version_and_keeps_the_old_one(record):
    await put(record, patient())
    second = await put(record, patient(family="李"))
    assert second.version == 2
    assert (await record.vread(ME, "Patient", "p1", 1)).resource["name"][0]["family"] == "王"
    assert (await record.read(ME, "Patient", "p1")).resource["name"][0]["family"] == "李"
    versions = await history(record, ME, Window(), "Patient", "p1")
    assert [entry.version for entry in versions.entries] == [2, 1]


async def test_an_update_leaves_no_index_row_of_the_old_version(record):
    fresh = await put(record, weight(id_="o1"))
    before = await counts(record, fresh.rid)
    await put(record, weight("71", subject="Patient/p2", id_="o1"))
    await put(record, weight("70.50", id_="o1"))
    assert await counts(record, fresh.rid) == before


async def test_deleting_takes_it_out_of_every_index_and_answers_gone(record):
    stored = await put(record, weight(id_="o2"))
    assert (await delete(record, "Observation", "o2")).version == 2
    assert set((await counts(record, stored.rid)).values()) == {0}
    with pytest.raises(Gone):
        await record.read(ME, "Observation", "o2")
    assert (await record.vread(ME, "Observation", "o2", 1)).version == 1
    assert not (await delete(record, "Observation", "o2")).changed
    again = await put(record, weight(id_="o2"))
    assert (again.version, again.created) == (3, True)
    assert (await counts(record, stored.rid))["idx"] > 0


async def test_what_never_existed_is_not_found(record):
    with pytest.raises(NotFound):
        await record.read(ME, "Patient", "nobody")
    with pytest.raises(NotFound):
        await record.vread(ME, "Patient", "nobody", 1)


async def test_of_many_updates_of_one_version_exactly_one_wins(record):
    await put(record, patient())

    async def attempt(n: int) -> bool:
        try:
            await put(record, patient(family=f"名{n}"), if_match=1)
        except PreconditionFailed:
            return False
        return True

    assert sum(await asyncio.gather(*(attempt(n) for n in range(24)))) == 1
    assert (await record.read(ME, "Patient", "p1")).version == 2


async def test_racing_creates_under_one_id_become_versions_of_one_resource(record):
    await asyncio.gather(*(put(record, patient(family=f"名{n}")) for n in range(16)))
    assert (await record.read(ME, "Patient", "p1")).version == 16
    assert (await history(record, ME, Window(), "Patient", "p1")).total == 16


async def test_a_transaction_that_fails_leaves_nothing(record):
    ready = [prepare(patient("a1")), prepare(patient("a2"))]
    changes = [Change("PUT", "Patient", one.id, one) for one in ready]
    changes.append(Change("PUT", "Patient", "a3", prepare(patient("a3")), if_match=7))
    with pytest.raises(PreconditionFailed):
        await record.run(ME, lambda tx: tx.apply(changes))
    with pytest.raises(NotFound):
        await record.read(ME, "Patient", "a1")


async def test_one_resource_cannot_be_changed_twice_in_one_transaction(record):
    ready = prepare(patient())
    with pytest.raises(Conflict):
        await record.run(ME, lambda tx: tx.apply([Change("PUT", "Patient", "p1", ready)] * 2))


async def test_structure_problems_are_reported_all_at_once():
    with pytest.raises(Unprocessable) as caught:
        prepare(b'{"resourceType":"Patient","birthDate":"yesterday","nam":[{"family":"x"}],"gender":["male"]}')
    places = {place for issue in caught.value.issues for place in issue.expression}
    assert {"Patient.birthDate", "Patient.nam", "Patient.gender"} <= places


async def test_a_restricted_actor_neither_sees_nor_writes_beyond_their_compartment(record):
    await put(record, patient("mine"))
    await put(record, patient("other"))
    await put(record, weight(subject="Patient/other", id_="secret"))
    nurse = Actor("nurse", InCompartment("Patient", ["mine"]))
    assert (await record.read(nurse, "Patient", "mine")).id == "mine"
    with pytest.raises(NotFound):
        await record.read(nurse, "Observation", "secret")
    with pytest.raises(NotFound):
        await put(record, weight(subject="Patient/mine", id_="secret"), actor=nurse)
    with pytest.raises(Forbidden):
        await put(record, weight(subject="Patient/other", id_="new"), actor=nurse)
    seen = await history(record, nurse, Window())
    assert {entry.id for entry in seen.entries} == {"mine"}


async def test_a_resource_moved_to_another_patient_is_found_only_there(record):
    await put(record, weight(subject="Patient/a", id_="moving"))
    moved = await put(record, weight(subject="Patient/b", id_="moving"))
    assert moved.version == 2
    a, b = (Actor("x", InCompartment("Patient", [one])) for one in "ab")
    assert (await record.read(b, "Observation", "moving")).version == 2
    with pytest.raises(NotFound):
        await record.read(a, "Observation", "moving")


async def test_bodies_stay_readable_when_a_dictionary_is_trained(record, database_url):
    first = await put(record, weight(id_="before"))
    samples = [prepare(weight(f"{n}.{n:02d}", id_=f"s{n}")).payload for n in range(10, 400)]
    async with record.side.connection() as db:
        await learn(record, db, samples, 390)
    second = await put(record, weight("12.34", id_="after"))
    async with Record.open(database_url) as other:
        for stored in (first, second):
            assert (await other.read(ME, "Observation", stored.id)).json == stored.json
