"""A SearchParameter that is posted is indexed, found by, changed and retired, and never answers with a part of the truth."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import pytest

from jiankang.fhir.search import Registry
from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record import reindexing
from jiankang.foundation.record.reindexing.passes import Pace, Passes
from jiankang.foundation.record.store import Change, Record, prepare
from jiankang.kernel.errors import Conflict, Invalid, Unprocessable

_spec = importlib.util.spec_from_file_location(
    "search_rig_again", Path(__file__).resolve().parents[1] / "search" / "rig.py"
)
rig_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(rig_module)

PACE = Pace(batch=7, quiet_seconds=0, settle_seconds=0, sweep_seconds=0)
NATION = "http://jiankang.test/StructureDefinition/nation"


def parameter(id_="nation", **changes):
    return {
        "resourceType": "SearchParameter",
        "id": id_,
        "url": f"http://jiankang.test/SearchParameter/{id_}",
        "name": "Nation",
        "status": "active",
        "description": "民族",
        "code": id_,
        "base": ["Patient"],
        "type": "token",
        "expression": f"Patient.extension.where(url = '{NATION}').value",
        **changes,
    }


def patient(n, **more):
    nation = {"url": NATION, "valueCoding": {"system": "urn:nation", "code": f"{n % 3:02d}", "display": "黎族"}}
    return {
        "resourceType": "Patient",
        "id": f"p{n:03d}",
        "gender": ["male", "female"][n % 2],
        "birthDate": f"19{50 + n % 50}-01-01",
        "name": [{"family": f"Family{n}"}],
        "extension": [nation],
        **more,
    }


@pytest.fixture
async def rig(database_url, monkeypatch):
    async with Record.open(database_url) as record:
        made = rig_module.Rig(record)
        yield made


@pytest.fixture
async def catalogue(rig):
    """The rig's registry is the process's own, as in a server; a pass goes on only when the test says so."""
    made = reindexing.Catalogue(rig.record, rig.registry, Passes(rig.record, rig.registry, PACE))
    async with made.running(indexing=False):
        yield made


async def finish(catalogue):
    """Every pass that is due, to its end."""
    await catalogue.refresh()
    steps = 0
    while any(one.state != "done" for one in await told(catalogue)):
        await catalogue.passes.step()
        steps += 1
        assert steps < 500
    await catalogue.refresh()
    return steps


async def told(catalogue):
    async with catalogue.record.side.connection() as db:
        return await reindexing.progress(db)


async def test_what_is_stored_is_found_once_all_of_it_is_indexed_and_not_before(rig, catalogue):
    await rig.put(*(patient(n) for n in range(30)))
    await rig.put(parameter())
    await catalogue.refresh()
    with pytest.raises(Invalid, match="0 % done"):
        await rig.find("Patient", "nation=urn:nation|01")
    await catalogue.passes.step()
    await catalogue.passes.step()
    (one,) = await told(catalogue)
    assert (one.state, one.done, one.total, one.percent) == ("reading", 14, 30, 46)
    await catalogue.refresh()
    with pytest.raises(Invalid, match="46 % done"):
        await rig.find("Patient", "nation=urn:nation|01")
    await finish(catalogue)
    expected = {f"p{n:03d}" for n in range(30) if n % 3 == 1}
    assert await rig.found("Patient", "nation=urn:nation|01") == expected
    assert await rig.found("Patient", "nation=01") == expected
    assert await rig.found("Patient", "nation:text=黎") == {f"p{n:03d}" for n in range(30)}
    assert await rig.found("Patient", "nation:missing=true") == set()
    assert len(await rig.found("Patient", "nation:not=01")) == 20
    (one,) = await told(catalogue)
    assert (one.state, one.done, one.total, one.rewritten, one.percent) == ("done", 30, 30, 30, 100)


async def test_lenient_handling_leaves_it_out_with_a_warning_until_it_is_ready(rig, catalogue):
    await rig.put(patient(1), patient(2), parameter())
    await catalogue.refresh()
    result = await rig.search("Patient", "nation=01&gender=male", handling="lenient")
    assert [one.id for one in result.matches] == ["p002"]
    assert "yet" in result.warnings[0].text
    assert "nation" not in result.links["self"]


async def test_chains_reverse_chains_sorts_and_includes_wait_for_it_too(rig, catalogue):
    await rig.put(
        patient(1),
        parameter(),
        parameter("seen-by", type="reference", target=["Practitioner"], expression="Patient.generalPractitioner"),
    )
    await catalogue.refresh()
    for type_name, query in [
        ("Observation", "patient.nation=01"),
        ("Practitioner", "_has:Patient:seen-by:gender=male"),
        ("Patient", "seen-by.name=x"),
        ("Patient", "_sort=nation"),
        ("Patient", "_include=Patient:seen-by"),
        ("Patient", '_filter=nation eq "01"'),
    ]:
        with pytest.raises(Invalid, match="yet"):
            await rig.find(type_name, query)
    await finish(catalogue)
    assert await rig.found("Patient", "_sort=nation") == {"p001"}


async def test_new_writes_are_indexed_at_once_and_updates_and_deletes_keep_in_step(rig, catalogue):
    await rig.put(parameter())
    await finish(catalogue)
    await rig.put(*(patient(n) for n in range(6)))
    assert await rig.found("Patient", "nation=01") == {"p001", "p004"}
    await rig.put({**patient(1), "extension": [{"url": NATION, "valueCoding": {"code": "09"}}]})
    await rig.delete("Patient", "p004")
    assert await rig.found("Patient", "nation=01") == set()
    assert await rig.found("Patient", "nation=|09") == {"p001"}


KINDS = [
    (parameter("shout", type="string", expression="Patient.name.family.select($this + '!')"), "shout=family3!", {"p003"}),
    (parameter("family-only", type="string", expression="Patient.name.family"), "family-only:exact=Family3", {"p003"}),
    (parameter("born", type="date", expression="Patient.birthDate"), "born=lt1952", {"p000", "p001"}),
    (parameter("size", type="number", expression="Patient.multipleBirth.ofType(integer)"), "size=gt2", {"p003", "p004"}),
    (parameter("doctor", type="reference", target=["Practitioner"], expression="Patient.generalPractitioner"),
     "doctor=Practitioner/d2", {"p002"}),
    (parameter("kind", type="uri", expression="Patient.extension.url"), f"kind={NATION}", {f"p{n:03d}" for n in range(5)}),
    (parameter("weight", type="quantity", expression="Patient.extension.where(url = 'urn:weight').value.ofType(Quantity)"),
     "weight=2000|http://unitsofmeasure.org|g", {"p002"}),
    (parameter("nation-born", type="composite", expression="Patient", component=[
        {"definition": "http://hl7.org/fhir/SearchParameter/individual-gender", "expression": "gender"},
        {"definition": "http://hl7.org/fhir/SearchParameter/individual-birthdate", "expression": "birthDate"}]),
     "nation-born=male$gt1951", {"p002", "p004"}),
]  # fmt: skip


async def test_every_type_of_parameter_can_be_defined(rig, catalogue):
    unit = {"unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
    await rig.put(
        *(
            patient(
                n,
                multipleBirthInteger=n,
                generalPractitioner=[{"reference": f"Practitioner/d{n}"}],
                extension=[
                    {"url": NATION, "valueString": "x"},
                    {"url": "urn:weight", "valueQuantity": {"value": n, **unit}},
                ],
            )
            for n in range(5)
        )
    )
    await rig.put(*(one for one, _, _ in KINDS))
    await finish(catalogue)
    wrong = []
    for one, query, expected in KINDS:
        found = await rig.found("Patient", query)
        if found != expected:
            wrong.append((one["code"], query, found))
    assert not wrong


REFUSED = [
    (parameter(expression="Patient.name.where("), Unprocessable, "character|line|position|column"),
    (parameter(expression="Patient.nickname"), Unprocessable, "leads to nothing"),
    (parameter(expression="Observation.code"), Unprocessable, "does not begin at Patient"),
    (parameter(expression="Patient.gender", type="date"), Unprocessable, "no date"),
    (parameter(code="gender"), Unprocessable, "already"),
    (parameter(code="_mine"), Unprocessable, "letters"),
    (parameter(code="a.b"), Unprocessable, "letters"),
    (parameter(type="special"), Unprocessable, "cannot be defined"),
    (parameter(type="composite", expression="Patient"), Unprocessable, "two"),
    ({key: value for key, value in parameter().items() if key != "expression"}, Unprocessable, "expression is needed"),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "error", "says"), REFUSED)
async def test_one_that_cannot_be_searched_by_is_refused_and_not_stored(rig, catalogue, resource, error, says):
    with pytest.raises(error, match=says):
        await rig.put(resource)
    assert await rig.found("SearchParameter") == set()
    assert await told(catalogue) == []


async def test_a_draft_and_an_official_definition_are_only_stored(rig, catalogue):
    official = parameter(
        "official",
        code="gender",
        url="http://hl7.org/fhir/SearchParameter/individual-gender",
        expression="Patient.gender",
    )
    await rig.put(parameter(status="draft", expression="Patient.name.where("), official)
    assert await told(catalogue) == []
    assert await rig.found("SearchParameter") == {"nation", "official"}


async def test_two_parameters_of_one_code_or_one_url_are_a_conflict(rig, catalogue):
    await rig.put(parameter())
    with pytest.raises(Conflict, match="already"):
        await rig.put(parameter("other", code="nation"))
    with pytest.raises(Conflict, match="SearchParameter/nation"):
        await rig.put(parameter("other", url=parameter()["url"]))
    await rig.delete("SearchParameter", "nation")
    await rig.put(parameter("other", url=parameter()["url"]))
    await finish(catalogue)
    assert await rig.found("Patient", "other=x") == set()


@pytest.mark.parametrize("way", ["retire", "delete"])
async def test_one_that_is_retired_or_deleted_cannot_be_searched_by_and_its_rows_go(rig, catalogue, way):
    await rig.put(*(patient(n) for n in range(10)))
    plain = await rows_of(rig)
    await rig.put(parameter(), parameter("family-only", type="string", expression="Patient.name.family"))
    await finish(catalogue)
    assert await rows_of(rig) != plain
    for one in ("nation", "family-only"):
        await (
            rig.delete("SearchParameter", one)
            if way == "delete"
            else rig.put(parameter(one, status="retired", type="string", expression="Patient.name.family"))
        )
    await catalogue.refresh()
    with pytest.raises(Invalid, match="not a search parameter"):
        await rig.find("Patient", "nation=01")
    await finish(catalogue)
    assert await rows_of(rig) == plain


async def rows_of(rig):
    found = []
    async with rig.record.pool.connection() as db:
        for table in ("idx", "str", "span", "quantity"):
            where = "rid IN (SELECT rid FROM resource WHERE type = (SELECT type FROM resource WHERE id = 'p001'))"
            rows = await (await db.execute(f"SELECT * FROM {table} WHERE {where}")).fetchall()
            found.append(sorted(map(repr, rows)))
        found.append(
            await (
                await db.execute(
                    "SELECT id, present, words, (SELECT array_agg(k ORDER BY k) FROM unnest(keys) k) FROM resource WHERE id LIKE 'p___' ORDER BY id"
                )
            ).fetchall()
        )
    return found


async def test_a_changed_expression_is_indexed_anew_and_an_unimportant_change_is_not(rig, catalogue):
    await rig.put(*(patient(n) for n in range(4)), parameter())
    await finish(catalogue)
    await rig.put(parameter(description="something else"))
    await catalogue.refresh()
    assert await rig.found("Patient", "nation=01") == {"p001"}
    await rig.put(parameter(expression="Patient.gender"))
    await catalogue.refresh()
    with pytest.raises(Invalid, match="yet"):
        await rig.find("Patient", "nation=male")
    await finish(catalogue)
    assert await rig.found("Patient", "nation=male") == {"p000", "p002"}
    assert await rig.found("Patient", "nation=01") == set()


async def test_bits_stay_the_same_in_every_process_and_after_a_restart(rig, catalogue, database_url):
    await rig.put(parameter("a"), parameter("b"))
    await rig.delete("SearchParameter", "a")
    await rig.put(parameter("c"), patient(1))
    await finish(catalogue)
    numbers = {code: rig.registry.parameters("Patient")[code].number for code in ("b", "c")}
    async with Record.open(database_url) as again:
        registry = Registry()
        async with reindexing.Catalogue(again, registry).running(indexing=False):
            assert {code: registry.parameters("Patient")[code].number for code in ("b", "c")} == numbers
            assert "a" not in registry.parameters("Patient")
            assert registry.extract(patient(1)).present == rig.registry.extract(patient(1)).present
        assert "b" not in registry.parameters("Patient")


async def test_another_process_learns_of_it_without_being_asked(rig, catalogue, database_url):
    async with Record.open(database_url) as again:
        registry = Registry()
        async with reindexing.Catalogue(again, registry).running(indexing=False):
            await rig.put(parameter())
            for _ in range(100):
                if "nation" in registry.parameters("Patient"):
                    break
                await asyncio.sleep(0.02)
            assert "nation" in registry.parameters("Patient")


async def test_what_a_process_writes_that_has_not_heard_of_it_is_indexed_before_and_after_the_end(rig, catalogue):
    await rig.put(*(patient(n) for n in range(8)), parameter())
    await catalogue.refresh()
    stale = Registry()

    def unaware(n):
        """As written by a process that knows the official parameters only."""
        made = prepare(patient(n))
        made.rows = __import__("jiankang.foundation.record.indexing", fromlist=["x"]).index_rows(
            "Patient", stale.extract({k: v for k, v in patient(n).items() if k != "id"})
        )
        return Change("PUT", "Patient", f"p{n:03d}", made)

    await catalogue.passes.step()
    await rig.record.run(LOCAL_OPERATOR, lambda tx: tx.apply([unaware(1), unaware(40)]))
    await finish(catalogue)
    assert await rig.found("Patient", "nation=01") == {"p001", "p004", "p007", "p040"}
    await rig.record.run(LOCAL_OPERATOR, lambda tx: tx.apply([unaware(43), unaware(4)]))
    for _ in range(6):
        await catalogue.passes.step()
    assert await rig.found("Patient", "nation=01") == {"p001", "p004", "p007", "p040", "p043"}


async def test_resources_changed_during_the_pass_are_met_and_their_versions_stay(rig, catalogue):
    await rig.put(*(patient(n) for n in range(20)), parameter())
    await catalogue.refresh()
    await catalogue.passes.step()
    await rig.put({**patient(1), "extension": [{"url": NATION, "valueCoding": {"code": "77"}}]})
    await rig.delete("Patient", "p019")
    await finish(catalogue)
    assert await rig.found("Patient", "nation=77") == {"p001"}
    assert "p019" not in await rig.found("Patient", "nation:missing=false")
    found = await rig.search("Patient", "_id=p001,p002")
    assert sorted((one.id, one.version) for one in found.matches) == [("p001", 2), ("p002", 1)]
    async with rig.record.pool.connection() as db:
        row = await (await db.execute("SELECT count(*) FROM change")).fetchone()
    assert row[0] == 23, "indexing is no change of the record"


async def test_a_pass_goes_on_where_a_killed_process_left_it(rig, catalogue, database_url):
    await rig.put(*(patient(n) for n in range(30)), parameter())
    await catalogue.refresh()
    await catalogue.passes.step()
    await catalogue.passes.step()
    dying = asyncio.create_task(catalogue.passes.step())
    await asyncio.sleep(0.006)
    async with rig.record.side.connection() as db:
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
        )
    await asyncio.gather(dying, return_exceptions=True)
    (one,) = await told(catalogue)
    assert one.done in {14, 21}
    async with Record.open(database_url) as again:
        registry = Registry()
        other = reindexing.Catalogue(again, registry, Passes(again, registry, PACE))
        async with other.running(indexing=False):
            assert await finish(other) <= 6
    await catalogue.refresh()
    assert len(await rig.found("Patient", "nation=01")) == 10


async def test_two_processes_share_the_work_and_count_nothing_twice(rig, catalogue, database_url):
    await rig.put(*(patient(n) for n in range(60)), parameter())
    await catalogue.refresh()
    async with Record.open(database_url) as again:
        registry = Registry()
        other = reindexing.Catalogue(again, registry, Passes(again, registry, PACE))
        async with other.running(indexing=False):
            for _ in range(40):
                await asyncio.gather(catalogue.passes.step(), other.passes.step())
    (one,) = await told(catalogue)
    assert (one.state, one.done, one.total, one.rewritten) == ("done", 60, 60, 60)


async def test_a_process_cut_off_from_the_table_does_not_answer_by_what_it_knew(rig, catalogue, monkeypatch):
    await rig.put(patient(1), parameter())
    await finish(catalogue)
    assert await rig.found("Patient", "nation=01") == {"p001"}
    monkeypatch.setattr(catalogue, "_fresh_until", 0.0)
    with pytest.raises(Invalid, match="just now"):
        await rig.find("Patient", "nation=01")
    assert await rig.found("Patient", "gender=female") == {"p001"}


async def test_a_pass_over_what_is_right_already_changes_nothing(rig, catalogue):
    await rig.put(*(patient(n) for n in range(10)))
    await rig.put(*(one for one, _, _ in KINDS[:3]))
    await finish(catalogue)
    before = await rows_of(rig)
    async with rig.record.side.connection() as db, db.transaction():
        await reindexing.ask(db, ["Patient"])
    await finish(catalogue)
    (one,) = await told(catalogue)
    assert (one.done, one.rewritten) == (10, 0)
    assert await rows_of(rig) == before
