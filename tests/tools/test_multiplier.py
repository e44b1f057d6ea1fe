"""Clones are what a real load of the same resources makes: every row of every table."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.loading import load_paths
from jiankang.foundation.record.store import Change, Record
from jiankang.kernel.jsontext import encode

ROOT = Path(__file__).resolve().parent.parent.parent
TABLES = ("resource", "idx", "str", "span", "quantity", "vocabulary", "change", "history")
NOT_THE_SAME = {"updated", "seq", "xid", "body", "made"}


@pytest.fixture(scope="module", autouse=True)
def _bench():
    sys.path.insert(0, str(ROOT / "bench"))
    yield
    sys.path.remove(str(ROOT / "bench"))


def rows(url: str, table: str) -> list[Any]:
    """All rows of a table in an order of their own, without what differs from load to load."""
    with psycopg.connect(url) as db:
        cursor = db.execute(f"SELECT * FROM {table}")
        names = [column.name for column in cursor.description]
        kept = [number for number, name in enumerate(names) if name not in NOT_THE_SAME]
        return sorted(repr([row[number] for number in kept]) for row in cursor)


def payloads(url: str) -> dict[str, bytes]:
    async def read() -> dict[str, bytes]:
        async with Record.open(url, connections=1) as record, record.side.connection() as db:
            found = await (await db.execute("SELECT id, body FROM resource")).fetchall()
            return {id_: await record.payload(bytes(body)) for id_, body in found}

    return asyncio.run(read())


def renamed(number: int, clone: int, patient: int, out: Path) -> None:
    """A clone's resources as NDJSON, made by renaming the template's JSON text."""
    multiplier = importlib.import_module("multiplier")
    lives, naming, people, registering = (
        importlib.import_module(f"region.{name}") for name in ("lives", "naming", "people", "registering")
    )
    seed = multiplier.SEED
    found = lives.resources(lives.life(people.person(number, seed), seed, naming.Naming(kept=True)))
    registered = registering.registered(people.person(patient, seed), found[0]["managingOrganization"]["reference"])
    found[0] = {"resourceType": "Patient", "id": found[0]["id"], **registered}
    text = b"\n".join(encode(one) for one in found).decode()
    for one in found:
        text = text.replace(one["id"], multiplier.clone_id(one["id"], clone))
    for line in text.split("\n"):
        assert f"{clone:08x}" in json.loads(line)["id"]
    (out / f"{number}-{clone}.ndjson").write_text(text + "\n", encoding="utf-8")


async def write_clones(url: str, wanted: list[tuple[int, int, int]], *, stencils: bool) -> int:
    multiplier, filling, stencil = (importlib.import_module(name) for name in ("multiplier", "filling", "stencil"))
    async with Record.open(url, connections=1) as record:
        families = {number: multiplier.family(number) for number, _, _ in wanted}
        if stencils:
            cut = {number: await stencil.stencil(record, one) for number, one in families.items()}
            await filling.write(record, [(cut[number], clone, patient) for number, clone, patient in wanted])
        else:
            for number, clone, patient in wanted:
                made = multiplier.clones(families[number], clone, patient)
                changes = [Change("PUT", one.type, one.id, one) for one in made]
                await record.run(LOCAL_OPERATOR, lambda tx, changes=changes: tx.apply(changes))
        return sum(len(families[number]) for number, _, _ in wanted)


@pytest.mark.parametrize("stencils", [False, True])
def test_clones_have_the_very_rows_that_a_load_of_the_same_resources_makes(
    database_url: str, another_database_url: str, tmp_path: Path, stencils: bool
):
    wanted = [(number, clone, number * 7 + clone) for number in (1, 2, 3, 5, 8) for clone in (1, 0xABCDEF)]
    for one in wanted:
        renamed(*one, tmp_path)
    assert load_paths(database_url, [tmp_path], workers=1, progress=lambda _: None) == 0
    written = asyncio.run(write_clones(another_database_url, wanted, stencils=stencils))
    assert written > 200
    for table in TABLES:
        assert rows(another_database_url, table) == rows(database_url, table), table
    assert payloads(another_database_url) == payloads(database_url)
    with psycopg.connect(another_database_url) as db:
        for table in ("resource", "change"):
            old = db.execute(f"SELECT count(*) FROM {table} WHERE updated < now() - interval '1 hour'").fetchone()
            assert old == (0,), "a clone is as old as its stencil"


def test_a_key_that_depends_on_an_id_by_more_than_xor_is_noticed():
    multiplier = importlib.import_module("multiplier")
    with pytest.raises(ValueError, match="more than XOR"):
        multiplier._keys([5], [8], [16], [32])


def test_filling_builds_every_index_again(another_database_url: str):
    filling = importlib.import_module("filling")
    query = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
    with psycopg.connect(another_database_url) as db:
        before = db.execute(query).fetchall()
    kept = filling.put_indexes_aside(another_database_url)
    with psycopg.connect(another_database_url) as db:
        assert len(db.execute(query).fetchall()) == len(before) - len(kept)
    for definition in kept:
        filling.build(another_database_url, definition)
    with psycopg.connect(another_database_url) as db:
        assert db.execute(query).fetchall() == before


@pytest.fixture
def another_database_url(server_url: str, template: str):
    with psycopg.connect(server_url, autocommit=True) as db:
        db.execute(f'CREATE DATABASE jk_another TEMPLATE "{template}"')
    yield psycopg.conninfo.make_conninfo(server_url, dbname="jk_another")
    with psycopg.connect(server_url, autocommit=True) as db:
        db.execute("DROP DATABASE jk_another WITH (FORCE)")
