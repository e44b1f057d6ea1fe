"""All registrations compared again: the batch judges as registration does, and asks what registration missed."""

from __future__ import annotations

import asyncio
import csv
import inspect
import json
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from jiankang.cli import main
from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.identity import linking, rules, shell
from jiankang.foundation.identity.deciding import judged
from jiankang.foundation.identity.index import Known
from jiankang.foundation.identity.model import Record
from jiankang.foundation.identity.normalise import Normaliser
from jiankang.foundation.identity.room import identity_of
from jiankang.foundation.identity.score import score_pair
from jiankang.foundation.identity.signing import model_file, read_model, weights_in_force, write_model
from jiankang.foundation.identity.training import pairing, tables
from jiankang.foundation.identity.training.batch import match
from jiankang.foundation.identity.training.clustering import cluster, components, registered
from jiankang.foundation.identity.weights import first_weights
from jiankang.foundation.record.indexing import resource_key
from jiankang.foundation.record.store import Change, prepare
from jiankang.foundation.record.store import Record as TheRecord
from jiankang.kernel.errors import Invalid

ROOT = Path(__file__).resolve().parents[3]
KEY = b"a key of an installation, 32 bytes"
WANG = "46905019850612001X"


def population(seed: int, count: int, mix: str) -> list[Any]:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import region.population as made
    finally:
        sys.path.remove(str(ROOT / "tools"))
    return list(made.registrations(seed=seed, count=count, mix=getattr(made, mix)))


class Matched:
    """A population that is hard to tell apart, matched in one batch."""

    def __init__(self, folder: Path) -> None:
        normaliser = Normaliser("20261123")
        rows = population(9, 1_000, "HARD")
        self.records = [normaliser.row(row._asdict()) for row in rows]
        self.persons = [row.person_id for row in rows]
        self.weights = first_weights()
        self.db = tables.connect(folder, memory="1GB", threads=1)
        packed = (tables.Packed(number, msgspec.msgpack.encode(one)) for number, one in enumerate(self.records))
        tables.load(self.db, packed)
        match(self.db, self.weights, say=lambda _: None)
        self.judged = self.db.execute("SELECT id_l, id_r, bits, verdict, reasons FROM judged").fetchall()
        self.limited = {one for (one,) in self.db.execute("SELECT id FROM limited").fetchall()}
        self.pairs = self.db.execute("SELECT a, b FROM pair").fetchall()
        self.count = cluster(self.db, self.weights)
        self.found = dict(self.db.execute("SELECT id, person FROM person").fetchall())


@pytest.fixture(scope="module")
def matched(tmp_path_factory):
    one = Matched(tmp_path_factory.mktemp("matched"))
    yield one
    one.db.close()


def test_every_pair_is_judged_as_registration_judges_it(matched):
    said = {(a, b): (bits, verdict, tuple(reasons)) for a, b, bits, verdict, reasons in matched.judged}
    verdicts = set()
    for a, b in matched.pairs:
        limited = bool({a, b} & matched.limited)
        answers = judged(matched.records[a], [Known(b, "", matched.records[b])], matched.weights, limited=limited)
        if not answers:
            assert (a, b) not in said
            continue
        [(_, answer)] = answers
        bits, *rest = said[a, b]
        assert rest == [answer.verdict.value, answer.reasons]
        assert bits == pytest.approx(answer.bits, abs=1e-6)
        verdicts.add((answer.verdict.value, answer.reasons))
    assert len(verdicts) > 15


def test_the_batch_parts_pairs_by_every_column_that_rules_look_at():
    columns = "|".join(Record.__struct_fields__)
    looked_at = set(re.findall(rf"\b(?:left|right|one|other)\.({columns})\b", inspect.getsource(rules)))
    parted_by = set(re.findall(r"\bl\.([a-z_]+)", " ".join(pairing._SEEN_BY_RULES.values())))
    assert looked_at == parted_by


def test_who_has_nothing_to_match_on_is_not_compared(matched):
    mute = {number for number, one in enumerate(matched.records) if not one.matchable}
    assert mute
    assert not mute & {one for pair in matched.pairs for one in pair}


def test_persons_are_those_that_registration_one_after_the_other_makes(matched):
    earlier: dict[int, list[int]] = {}
    for a, b, _, verdict, _ in matched.judged:
        if verdict == "certain":
            earlier.setdefault(b, []).append(a)
    known = dict(enumerate(matched.records))
    expected = registered(range(len(known)), known, earlier, matched.weights)
    assert partition(matched.found) == partition(expected)
    assert matched.count == len(set(matched.found.values()))


def partition(persons: dict[int, int]) -> set[frozenset[int]]:
    groups: dict[int, set[int]] = {}
    for one, person in persons.items():
        groups.setdefault(person, set()).add(one)
    return {frozenset(ones) for ones in groups.values()}


def test_people_who_are_hard_to_tell_apart_are_not_made_one(matched):
    mixed = [ones for ones in partition(matched.found) if len({matched.persons[one] for one in ones}) > 1]
    assert len(mixed) <= 0.005 * matched.count
    assert matched.count < 0.75 * len(matched.records)


def test_a_key_that_many_share_is_read_only_so_far_and_nobody_found_by_it_is_certain(tmp_path):
    normaliser = Normaliser("20261123")
    row = {"name": "王建国", "birth_date": "1985-06-12", "phone": "13976512345"}
    records = [normaliser.row(row) for _ in range(60)]
    with tables.connect(tmp_path, memory="1GB", threads=1) as db:
        tables.load(db, [tables.Packed(n, msgspec.msgpack.encode(one)) for n, one in enumerate(records)])
        match(db, first_weights(), say=lambda _: None)
        assert db.execute("SELECT count(*) FROM pair").fetchall() == [(51 * 50 // 2 + 9 * 51,)]
        verdicts = db.execute("SELECT DISTINCT verdict, reasons FROM judged").fetchall()
    assert verdicts == [("possible", ["veto.limit"])]


def test_what_is_connected_has_its_lowest_member():
    assert components([(5, 6), (2, 9), (6, 9), (11, 10)]) == {5: 2, 6: 2, 2: 2, 9: 2, 11: 10, 10: 10}


# -- over the index ---------------------------------------------------------------------------------------------------


def patient(id_: str, name: str, *, phone: str = "13976512345", number: str = "") -> dict[str, Any]:
    one: dict[str, Any] = {
        "resourceType": "Patient", "id": id_, "name": [{"text": name}], "birthDate": "1985-06-12", "gender": "male",
        "telecom": [{"system": "phone", "value": phone}],
    }  # fmt: skip
    if number:
        one["identifier"] = [{"system": "urn:oid:2.16.156.10011.1.3", "value": number}]
    return one


@pytest.fixture
def index(database_url: str):
    """An index whose former model linked nobody: each Patient is a person, and nothing was asked."""

    async def fill() -> None:
        async with TheRecord.open(database_url, connections=1) as record:
            room = identity_of(record)
            room.weights = replace(first_weights(), certain=1e6, possible=1e5)
            for one in (patient("a", "王建国"), patient("b", "王建国"), patient("c", "李小红", phone="13976599999")):
                await record.run(
                    LOCAL_OPERATOR, lambda tx, one=one: tx.apply([Change("PUT", "Patient", one["id"], prepare(one))])
                )

    asyncio.run(fill())
    return database_url


def tasks(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as db:
        return db.execute("SELECT low, high, kind, reasons, answer FROM identity_task ORDER BY id").fetchall()


def matched_again(url: str, folder: Path) -> str:
    said: list[str] = []
    assert shell.cli_match(url, folder, lambda: KEY, workers=1, say=said.append) == 0
    return said[-1]


def test_the_batch_asks_what_a_former_model_missed_and_links_nothing(index, tmp_path):
    assert tasks(index) == []
    assert "1 questions more" in matched_again(index, tmp_path)
    low, high = sorted((resource_key("Patient", "a"), resource_key("Patient", "b")))
    assert tasks(index) == [(low, high, "pair", ["link.missed"], None)]
    with psycopg.connect(index) as db:
        assert db.execute("SELECT count(DISTINCT person) FROM identity_record").fetchall() == [(3,)]


def test_the_next_night_asks_nothing_twice(index, tmp_path):
    matched_again(index, tmp_path)
    before = tasks(index)
    assert "0 questions more" in matched_again(index, tmp_path)
    assert tasks(index) == before


def test_whom_a_steward_said_to_be_two_people_is_not_asked_about(index, tmp_path):
    async def part() -> None:
        async with TheRecord.open(index, connections=1) as record:
            identity_of(record)
            left, right = resource_key("Patient", "a"), resource_key("Patient", "b")
            await record.run(LOCAL_OPERATOR, lambda tx: linking.never(tx, left, right))

    asyncio.run(part())
    assert "0 questions more" in matched_again(index, tmp_path)
    assert [one for one in tasks(index) if one[4] is None] == []


def test_the_report_counts(index, tmp_path):
    matched_again(index, tmp_path)
    said: list[str] = []
    now = datetime(2999, 1, 1, tzinfo=UTC)
    assert shell.cli_report(index, as_json=True, now=now, say=said.append) == 0
    found = json.loads(said[0])
    assert {name: found[name] for name in ("registrations", "persons", "asked", "open")} == {
        "registrations": 3, "persons": 3, "asked": 1, "open": 1,
    }  # fmt: skip
    assert found["oldestDays"] > 300_000
    said.clear()
    shell.cli_report(index, as_json=False, now=now, say=said.append)
    assert "33.33%  questions for each registration 核查率" in said[5]


# -- models in files --------------------------------------------------------------------------------------------------


def test_a_model_that_was_changed_or_signed_elsewhere_is_refused(tmp_path):
    content = (ROOT / "src/jiankang/foundation/identity/data/weights.json").read_bytes()
    path = model_file(tmp_path)
    write_model(path, content, KEY)
    assert weights_in_force(tmp_path, lambda: KEY).version == first_weights().version
    with pytest.raises(Invalid, match="signature is wrong"):
        read_model(path, b"another key")
    path.write_bytes(path.read_bytes().replace(b'"certain": 10.0', b'"certain": -9.0'))
    with pytest.raises(Invalid, match="signature is wrong"):
        read_model(path, KEY)


def test_without_a_model_of_its_own_a_region_has_the_shipped_one(tmp_path):
    assert weights_in_force(tmp_path, lambda: KEY) is first_weights()


def test_training_from_the_shell_puts_a_signed_model_in_force(tmp_path, capsys):
    rows = population(5, 900, "NATURAL")
    with (tmp_path / "some.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0]._fields)
        writer.writerows(rows)
    data = tmp_path / "data"
    assert main(["identity", "train", str(tmp_path / "some.csv"), "--data", str(data), "--workers", "1"]) == 0
    weights = weights_in_force(data, (data / "signing.key").read_bytes)
    assert weights.version != first_weights().version
    assert f"on {len(rows)} registrations of some.csv" in weights.made
    assert "is in force" in capsys.readouterr().err
    one, other = (Normaliser("20261123").row({"name": "王建国", "citizen_id": WANG}) for _ in range(2))
    assert score_pair(one, other, weights).bits > weights.certain


@pytest.mark.parametrize("name", ["registrations.xlsx", "broken.parquet"])
def test_a_file_that_cannot_be_read_is_wrong_use(tmp_path, name, capsys):
    (tmp_path / name).write_bytes(b"nothing")
    assert main(["identity", "train", str(tmp_path / name), "--data", str(tmp_path)]) == 2
    assert name in capsys.readouterr().err
