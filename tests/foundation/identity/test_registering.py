"""Every Patient that is written finds its person, in the transaction that writes it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest

from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.identity import linking
from jiankang.foundation.identity.catching_up import catch_up
from jiankang.foundation.identity.room import identity_of
from jiankang.foundation.record.indexing import resource_key
from jiankang.foundation.record.store import Change, Record, prepare
from jiankang.kernel.errors import Conflict

CITIZEN = "urn:oid:2.16.156.10011.1.3"
WANG = "46002319850612001X"


def number(first: str) -> str:
    """A citizen's number of 17 digits and its check character (GB 11643, ISO 7064 MOD 11-2)."""
    total = sum(
        int(digit) * weight
        for digit, weight in zip(first, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), strict=True)
    )
    return first + "10X98765432"[total % 11]


def person(
    name: str = "王建国",
    born: str = "1985-06-12",
    *,
    order: int = 1,
    id_: str | None = None,
    phone: str = "",
    **more: Any,
) -> dict[str, Any]:
    """A Patient; `order` numbers the people born that day, 0 leaves the citizen's number out."""
    one: dict[str, Any] = {"resourceType": "Patient", "name": [{"text": name}], "birthDate": born, **more}
    if order:
        one["identifier"] = [{"system": CITIZEN, "value": number(f"469050{born.replace('-', '')}{order:03}")}]
    if phone:
        one["telecom"] = [{"system": "phone", "value": phone}]
    if id_:
        one["id"] = id_
    return one


async def persons(record: Record) -> dict[str, str]:
    """Which person each Patient is linked to."""
    async with record.pool.connection() as db:
        return dict(await (await db.execute("SELECT id, person::text FROM identity_record")).fetchall())


async def tasks(record: Record) -> list[tuple[str, list[str]]]:
    async with record.pool.connection() as db:
        return await (
            await db.execute("SELECT kind, reasons FROM identity_task WHERE answer IS NULL ORDER BY id")
        ).fetchall()


async def put(record: Record, *resources: dict[str, Any]) -> None:
    changes = [Change("PUT", one["resourceType"], one["id"], prepare(one)) for one in resources]
    await record.run(LOCAL_OPERATOR, lambda tx: tx.apply(changes))


@pytest.fixture
def run(database_url: str):
    """Runs a story over a record of its own."""

    def go(story: Any) -> Any:
        async def work() -> Any:
            async with Record.open(database_url) as record:
                identity_of(record)
                return await story(record)

        return asyncio.run(work())

    return go


def test_the_same_number_and_name_are_one_person_and_others_are_not(run):
    async def story(record: Record) -> None:
        await put(record, person(id_="a"))
        await put(record, person(id_="b", name="王建國"))
        await put(record, person(id_="c", order=3, name="李梅"))
        found = await persons(record)
        assert found["a"] == found["b"] != found["c"]
        assert await tasks(record) == []

    run(story)


def test_registrations_of_one_transaction_find_one_another(run):
    async def story(record: Record) -> None:
        await put(
            record, *(person(id_=f"p{n}", order=n % 3 + 1, name=("王建国", "李梅", "符小明")[n % 3]) for n in range(9))
        )
        found = await persons(record)
        assert len(set(found.values())) == 3
        assert found["p0"] == found["p3"] == found["p6"]

    run(story)


def test_what_may_be_one_person_is_asked_and_not_linked(run):
    async def story(record: Record) -> None:
        await put(record, person(id_="a"))
        await put(record, person(id_="b", name="陈秀英"))
        found = await persons(record)
        assert found["a"] != found["b"]
        assert [(kind, "veto.other-name" in reasons) for kind, reasons in await tasks(record)] == [("pair", True)]

    run(story)


def test_sixteen_sources_that_register_somebody_at_the_same_moment_make_one_person(database_url):
    async def story() -> None:
        async with AsyncExitStack() as stack:
            records = [await stack.enter_async_context(Record.open(database_url)) for _ in range(4)]
            for record in records:
                identity_of(record)
            for day in range(1, 6):
                ones = [person(id_=f"d{day}-{n}", born=f"1985-06-{day:02}") for n in range(16)]
                await asyncio.gather(*(put(records[n % 4], one) for n, one in enumerate(ones)))
                found = await persons(records[0])
                assert len({who for id_, who in found.items() if id_.startswith(f"d{day}-")}) == 1

    asyncio.run(story())


def test_a_registration_is_linked_when_it_learns_what_it_lacked(run):
    async def story(record: Record) -> None:
        await put(record, person(id_="a"), person(id_="b", order=0))
        before = await persons(record)
        assert before["a"] != before["b"]
        await put(record, person(id_="b"))
        after = await persons(record)
        assert after["a"] == after["b"] == before["a"]

    run(story)


def test_whoever_is_being_treated_is_not_linked_to_somebody_else_silently(run):
    async def story(record: Record) -> None:
        visit = {"resourceType": "Encounter", "id": "v", "status": "in-progress", "class": {"code": "IMP"},
                 "subject": {"reference": "Patient/b"}}  # fmt: skip
        await put(record, person(id_="a"), person(id_="b", order=0))
        await put(record, visit)
        before = await persons(record)
        await put(record, person(id_="b"))
        assert await persons(record) == before
        assert any("visit.open" in reasons for _, reasons in await tasks(record))
        await put(record, {**visit, "status": "finished"})
        await put(record, person(id_="b", phone="13800138001"))
        after = await persons(record)
        assert after["a"] == after["b"]

    run(story)


def test_a_registration_that_comes_to_differ_stays_linked_and_a_steward_is_asked(run):
    async def story(record: Record) -> None:
        await put(record, person(id_="a"))
        await put(record, person(id_="b"))
        await put(record, person(id_="b", order=5, name="李梅"))
        found = await persons(record)
        assert found["a"] == found["b"]
        assert [kind for kind, _ in await tasks(record)] == ["doubt"]

    run(story)


def test_one_registration_that_fits_two_persons_joins_them(run):
    async def story(record: Record) -> None:
        await put(record, person(id_="a", order=0, phone="15400001234"))
        await put(record, person(id_="b", phone="15400009999"))
        before = await persons(record)
        assert before["a"] != before["b"]
        await put(record, person(id_="c", phone="15400001234"))
        after = await persons(record)
        assert len(set(after.values())) == 1
        async with record.pool.connection() as db:
            rows = await (await db.execute("SELECT kind, count(*) FROM identity_change GROUP BY kind")).fetchall()
        assert dict(rows) == {"register": 3, "join": 1}

    run(story)


def test_a_deleted_registration_is_found_no_more_and_one_written_again_is(run):
    async def story(record: Record) -> None:
        await put(record, person(id_="a"), person(id_="b"))
        await record.run(LOCAL_OPERATOR, lambda tx: tx.apply([Change("DELETE", "Patient", "a")]))
        assert set(await persons(record)) == {"b"}
        async with record.pool.connection() as db:
            rows = await (
                await db.execute("SELECT count(*) FROM identity_key WHERE rid = %s", (resource_key("Patient", "a"),))
            ).fetchone()
        assert rows == (0,)
        await put(record, person(id_="a"))
        found = await persons(record)
        assert found["a"] == found["b"]

    run(story)


def test_what_a_source_says_it_replaced_goes_with_what_took_its_place(run):
    async def story(record: Record) -> None:
        await put(record, person(id_="new", name="陈大文", order=2))
        link = [{"type": "replaced-by", "other": {"reference": "Patient/new"}}]
        await put(record, person(id_="old", name="无名氏", order=0, active=False, link=link))
        found = await persons(record)
        assert found["old"] == found["new"]

    run(story)


def test_ids_of_persons_cannot_be_registered(run):
    async def story(record: Record) -> None:
        with pytest.raises(Conflict, match="made from the registrations"):
            await put(record, person(id_="person-0193b3c2-0000-7000-8000-000000000000"))

    run(story)


def test_nothing_of_the_index_is_left_when_the_write_is_refused(run):
    async def story(record: Record) -> None:
        async def work(tx: Any) -> None:
            await tx.apply([Change("PUT", "Patient", "a", prepare(person(id_="a")))])
            raise Conflict("changed my mind")

        with pytest.raises(Conflict):
            await record.run(LOCAL_OPERATOR, work)
        assert await persons(record) == {}

    run(story)


@pytest.mark.parametrize(
    "patient",
    [
        {},
        {"name": [{"text": "王"}]},
        {"name": [{"text": "😀😀"}], "birthDate": "2999-01-01"},
        {"name": [{"text": "x" * 500}], "birthDate": "1985-06-12"},
        {"name": [{"text": "\u202e\u0000国建王".replace("\u0000", "")}], "birthDate": "1900-01-01"},
        {"identifier": [{"system": CITIZEN, "value": "111111111111111111"}]},
    ],
    ids=["nothing", "one letter", "emoji", "too long", "marks", "impossible id"],
)
def test_who_cannot_be_matched_is_registered_and_shown(run, database_url, patient):
    async def story(record: Record) -> None:
        ready = prepare({"resourceType": "Patient", "id": "a", **patient})
        await record.run(LOCAL_OPERATOR, lambda tx: tx.apply([Change("PUT", "Patient", "a", ready)]))
        await put(record, {"resourceType": "Patient", "id": "b", **patient})
        assert any(issue.severity == "warning" for issue in ready.findings)
        found = await persons(record)
        assert found["a"] != found["b"]

    run(story)
    with psycopg.connect(database_url) as db:
        assert db.execute("SELECT count(*) FROM identity_record WHERE NOT matchable").fetchone() == (2,)


def test_a_registration_that_comes_back_is_still_never_one_with_whom_a_steward_said(run):
    async def story(record: Record) -> None:
        await put(record, person(id_="a"), person(id_="b"))
        rids = resource_key("Patient", "a"), resource_key("Patient", "b")
        await record.run(LOCAL_OPERATOR, lambda tx: linking.never(tx, *rids))
        await record.run(LOCAL_OPERATOR, lambda tx: tx.apply([Change("DELETE", "Patient", "a")]))
        await put(record, person(id_="a"))
        found = await persons(record)
        assert found["a"] != found["b"]

    run(story)


def test_persons_that_a_steward_parted_are_not_joined_by_a_third(run):
    async def story(record: Record) -> None:
        await put(record, person(id_="a", order=0, phone="15400001234"))
        await put(record, person(id_="b", phone="15400009999"))
        rids = resource_key("Patient", "a"), resource_key("Patient", "b")
        await record.run(LOCAL_OPERATOR, lambda tx: linking.never(tx, *rids))
        await put(record, person(id_="c", phone="15400001234"))
        found = await persons(record)
        assert found["a"] != found["b"]

    run(story)


def test_a_registration_that_comes_back_is_free_of_whom_it_was_always_one_with(run):
    async def story(record: Record) -> None:
        await put(record, person(id_="a"), person(id_="b", name="李梅", order=3))
        rids = resource_key("Patient", "a"), resource_key("Patient", "b")
        await record.run(LOCAL_OPERATOR, lambda tx: linking.always(tx, *rids))
        await record.run(LOCAL_OPERATOR, lambda tx: tx.apply([Change("DELETE", "Patient", "a")]))
        await put(record, person(id_="a"))
        found = await persons(record)
        assert found["a"] != found["b"]
        await record.run(LOCAL_OPERATOR, lambda tx: linking.always(tx, *rids))

    run(story)


def test_two_registrations_of_one_transaction_may_ask_about_one_another(run):
    async def story(record: Record) -> None:
        await put(record, person(id_="a"), person(id_="b", name="李梅", order=2))
        await put(record, person(id_="a", phone="15400001234"), person(id_="b", phone="15400001234", name="陈秀英"))
        assert len({kind for kind, _ in await tasks(record)}) == 1

    run(story)


def test_patients_that_were_there_before_the_index_are_brought_in(database_url):
    async def story() -> None:
        async with Record.open(database_url) as record:
            await put(
                record, *(person(id_=f"p{n}", order=n % 100 + 1, name=f"王{'一二三四五'[n % 5]}") for n in range(450))
            )
            assert await persons(record) == {}
            assert await catch_up(record) == 450
            found = await persons(record)
            assert len(found) == 450
            assert found["p0"] == found["p100"] != found["p1"]
            assert await catch_up(record) == 0
            assert await catch_up(record, everything=True) == 450
            assert await persons(record) == found

    asyncio.run(story())
