"""The made-up region: right by FHIR's structure, the same each time, and nobody real."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jiankang.fhir.structure import check
from jiankang.foundation.record.loading import load_paths
from jiankang.kernel.jsontext import decode

ROOT = Path(__file__).resolve().parent.parent.parent
GENERATOR = ROOT / "tools" / "region" / "generate.py"


@pytest.fixture(scope="module", autouse=True)
def _tools():
    sys.path.insert(0, str(ROOT / "tools"))
    yield
    sys.path.remove(str(ROOT / "tools"))


def region(name: str) -> Any:
    return importlib.import_module(f"region.{name}")


def everything(people: int, seed: int) -> list[dict[str, Any]]:
    return list(region("writing").all_resources(people, seed))


def test_every_resource_is_right_by_fhirs_structure():
    found = everything(120, 5)
    problems = [(one["resourceType"], issue.text) for one in found for issue in check(one)]
    assert problems == []
    kinds = Counter(one["resourceType"] for one in found)
    assert set(kinds) == {
        "Organization", "Practitioner", "Patient", "Encounter", "Observation", "Condition", "MedicationRequest",
        "Immunization", "AllergyIntolerance", "DiagnosticReport", "DocumentReference",
    }  # fmt: skip
    assert kinds["Patient"] == 120


def test_bundles_are_right_too_and_name_only_what_is_in_them_or_identified(tmp_path: Path):
    region("writing").write_bundles(tmp_path, 10, 5)
    for path in tmp_path.glob("*.json"):
        bundle = decode(path.read_bytes())
        assert check(bundle) == []
        inside = {entry.get("fullUrl") for entry in bundle["entry"]}
        for text in references(bundle):
            assert text in inside or "?identifier=" in text or text.startswith("Organization/facility-")


def references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for one in value for text in references(one)]
    if not isinstance(value, dict):
        return []
    own = [value["reference"]] if isinstance(value.get("reference"), str) else []
    return own + [text for one in value.values() for text in references(one)]


def test_every_reference_leads_to_a_resource():
    found = everything(40, 2)
    known = {f"{one['resourceType']}/{one['id']}" for one in found}
    assert len(known) == len(found)
    assert {text for one in found for text in references(one)} <= known


def test_the_same_seed_makes_the_same_bytes_and_another_one_others(tmp_path: Path):
    def made(name: str, seed: int) -> dict[str, bytes]:
        out = tmp_path / name
        command = [sys.executable, str(GENERATOR), "--people", "6", "--seed", str(seed), "--out", str(out)]
        subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
        return {path.name: path.read_bytes() for path in out.iterdir()}

    first = made("a", 7)
    assert len(first) > 6
    assert made("b", 7) == first
    other = made("c", 8)
    assert all(other[name] != text for name, text in first.items() if name.startswith("person"))


def test_a_person_is_the_same_however_many_are_made():
    people = region("people")
    assert list(people.people(50, 3))[30:40] == list(people.people(10, 3, first=30))


def test_citizens_numbers_hold_their_rule_and_belong_to_nobody(shared: Path):
    documents = region("documents")
    for vector in decode((shared / "reference/hainan/identity_rules.json").read_bytes())["test_vectors"]:
        value = vector["value"]
        if vector["valid"]:
            assert documents.check_character(value[:17]) == value[17]
        elif vector["why"] == "check digit":
            assert documents.check_character(value[:17]) != value[17]
    divisions = (shared / "reference/hainan/hainan_divisions.csv").read_text(encoding="utf-8")
    assert not any(str(code) in divisions for code in documents.NOWHERE)


def test_no_two_people_have_one_citizens_number():
    people = [one for one in region("people").people(30_000, 1) if one.citizen]
    assert len({one.citizen for one in people}) == len(people)
    for one in people[:500]:
        assert one.citizen[6:14] == one.born_on.strftime("%Y%m%d")
        assert int(one.citizen[16]) % 2 == (one.sex == "male")
        assert one.born_on < date(2026, 6, 30)


def test_numbers_of_one_birthday_stay_apart_until_they_are_used_up():
    documents = region("documents")
    numbers = {documents.citizen_number(date(1990, 1, 1), "female", order) for order in range(documents.APART)}
    assert len(numbers) == documents.APART


def test_frequent_surnames_of_the_island_are_frequent():
    people = region("people").people(4_000, 1)
    names = Counter(one.family.text for one in people if one.village)
    most = [name for name, _ in names.most_common(4)]
    assert most[0] == "陈"
    assert "符" in [name for name, _ in names.most_common(8)]


@pytest.mark.parametrize("form", ["bundles", "ndjson"])
def test_what_is_made_can_be_loaded_and_found(database_url: str, tmp_path: Path, form: str):
    written = getattr(region("writing"), f"write_{form}")(tmp_path, 5, 1)
    said: list[str] = []
    assert load_paths(database_url, [tmp_path], workers=1, progress=said.append) == 0, said
    with psycopg.connect(database_url) as db:
        counted = db.execute("SELECT count(*) FROM resource").fetchone()
        logical = db.execute("SELECT count(*) FROM resource WHERE id LIKE 'facility-%'").fetchone()
    assert counted == (written,)
    assert logical == (len(region("facilities").facilities()),)
