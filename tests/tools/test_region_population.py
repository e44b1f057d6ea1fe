"""The population that identity is measured on: the same each time, right in its shares, and nobody real."""

from __future__ import annotations

import csv
import importlib
import io
import itertools
import re
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest
import zstandard

from jiankang.fhir.structure import check
from jiankang.kernel.jsontext import decode

ROOT = Path(__file__).resolve().parent.parent.parent
SEED, NATURAL, HARD = 7, 12_000, 8_500


@pytest.fixture(scope="module", autouse=True)
def _tools():
    sys.path.insert(0, str(ROOT / "tools"))
    yield
    sys.path.remove(str(ROOT / "tools"))


def room(name: str = "") -> Any:
    return importlib.import_module(f"region.population{name}")


@pytest.fixture(scope="module")
def natural() -> tuple[list[Any], list[Any]]:
    return list(room().persons(SEED, NATURAL)), list(room().registrations(SEED, NATURAL))


@pytest.fixture(scope="module")
def hard() -> tuple[list[Any], list[Any]]:
    mix = room().HARD
    return list(room().persons(SEED, HARD, mix)), list(room().registrations(SEED, HARD, mix))


def is_citizen_number(text: str) -> bool:
    """GB 11643-1999, written a second time: shape, a day that exists, the sum of all 18 by powers of two."""
    if not re.fullmatch(r"[0-9]{17}[0-9X]", text):
        return False
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    values = [10 if one == "X" else int(one) for one in text]
    return sum(value * 2 ** (17 - place) for place, value in enumerate(values)) % 11 == 1


def share(rows: list[Any], holds: Any) -> float:
    return sum(map(bool, map(holds, rows))) / len(rows)


def made(tmp_path: Path, name: str, *more: str) -> bytes:
    out = tmp_path / name
    assert room(".command").main(["--persons", "900", "--out", str(out), *more]) == 0
    return out.read_bytes()


def test_the_same_seed_makes_the_same_bytes_and_another_one_others(tmp_path: Path):
    first = made(tmp_path, "a.csv", "--seed", "7")
    assert first.count(b"\n") > 1800
    assert made(tmp_path, "b.csv", "--seed", "7") == first
    assert made(tmp_path, "c.csv", "--seed", "8") != first


def test_two_processes_make_what_one_makes_chunk_after_chunk(tmp_path: Path):
    once = replace(room().NATURAL, registered=(1.0,))
    room(".output").write(tmp_path / "a.csv", "csv", SEED, 25_020, once, workers=2)
    header, *rows = csv.reader(io.StringIO((tmp_path / "a.csv").read_text(encoding="utf-8")))
    assert header == list(room().COLUMNS)
    first = [list(row) for row in room().registrations(SEED, 500, once)]
    assert [row for row in rows if int(row[0][1:]) < 500] == first
    second = room(".stream").chunk_rows(SEED, 1, once, 20)
    assert rows[-len(second) :] == second
    assert {row[0] for row in rows} == {f"P{number:08d}" for number in range(25_020)}


def test_a_person_and_their_registrations_are_the_same_however_many_are_made(natural):
    people, rows = natural
    few = list(room().persons(SEED, 700))
    assert [tuple(getattr(one, slot) for slot in one.__slots__) for one in few] == [
        tuple(getattr(one, slot) for slot in one.__slots__) for one in people[:700]
    ]
    ids = {one.person_id for one in few}
    assert list(room().registrations(SEED, 700)) == [row for row in rows if row.person_id in ids]


def test_a_population_of_ten_million_begins_at_once():
    assert next(iter(room().persons(1, 10_000_000))).person_id
    with pytest.raises(ValueError, match="at most"):
        room(".peopling").peopled(1, room(".chunk").MOST // room(".chunk").SIZE, room().NATURAL)


def test_every_citizens_number_that_claims_to_be_valid_is_and_the_others_are_not(natural, hard):
    invalid_after = room(".stream").INVALID_NUMBERS
    seen = Counter()
    for row in natural[1] + hard[1]:
        codes = set(row.faults.split(";"))
        if not row.citizen_id or "document.column" in codes or len(row.citizen_id) == 15:
            continue
        wrong = bool(codes & invalid_after)
        assert is_citizen_number(row.citizen_id) is not wrong, (row.citizen_id, row.faults)
        seen[wrong] += 1
    assert seen[True] > 300
    assert seen[False] > 30_000


def test_a_valid_number_agrees_with_birth_date_and_sex_and_nobody_shares_it(natural, hard):
    for people in (natural[0], hard[0]):
        numbers = [one.citizen for one in people if one.citizen]
        assert len(set(numbers)) == len(numbers)
        iso = room(".days").ISO
        for one in people:
            if one.citizen:
                assert is_citizen_number(one.citizen)
                assert one.citizen[6:14] == iso[one.born].replace("-", "")
                assert int(one.citizen[16]) % 2 == (one.sex == "M")
            if one.citizen_15:
                assert one.citizen_15 == one.citizen[:6] + one.citizen[8:17]


def test_numbers_stay_apart_across_chunks_and_code_sets():
    mix = replace(room().HARD, foreigners=0.5, compatriots=0.3)
    seen: Counter[str] = Counter()
    for index in (0, 1, 49, 50, 248, 249, 497):
        for one in room(".peopling").peopled(SEED, index, mix, 2_500):
            seen.update(
                text for text in {one.citizen, one.passport, one.passport_before, one.permit, one.permit_before} if text
            )
    assert len(seen) > 15_000
    assert max(seen.values()) == 1


def test_division_codes_of_citizens_numbers_belong_to_no_place(natural, hard, shared: Path):
    real = set(
        re.findall(
            r"^(\d{6}),", (shared / "reference/hainan/hainan_divisions.csv").read_text(encoding="utf-8"), re.MULTILINE
        )
    )
    assert "469023" in real
    prefixes = {one.citizen[:6] for people in (natural[0], hard[0]) for one in people if one.citizen}
    assert len(prefixes) > 100
    assert not prefixes & real
    for prefix in prefixes:
        assert prefix[4] in ("56789" if prefix.startswith(("4690", "4600")) else "6"), prefix


def test_telephones_and_other_documents_lie_in_ranges_that_nobody_has(hard):
    people, rows = hard
    unused = ("154", "160", "161", "163", "168", "169", "0898-9")
    for one in people:
        for phone in filter(None, (one.phone, one.phone_before, one.home_phone)):
            assert phone.startswith(unused) or re.match(r"^\+[0-9]{1,3} 0", phone), phone
        for passport in filter(None, (one.passport, one.passport_before)):
            assert re.fullmatch(r"ZZ\d{7}", passport)
        for permit in filter(None, (one.permit, one.permit_before)):
            if len(permit) == 18:
                assert is_citizen_number(permit)
                assert int(permit[14:17]) >= 900
                assert re.match(r"8[123]0000|946\d{3}", permit)
            else:
                assert re.fullmatch(r"[HM]9\d{7}|9\d{7}|[A-Z]{3}465\d{9}", permit)
    kinds = {"H", "M", "9", "8"} | {one.country[0] for one in people}
    assert {row.permit[0] for row in rows if row.permit} <= kinds


def test_shares_of_the_natural_mix_are_those_that_the_readme_gives(natural):
    people, rows = natural
    plain = [row for row in rows if row.faults not in {"newborn", "unknown"}]
    assert share(plain, lambda row: row.faults) == pytest.approx(0.055, abs=0.006)
    assert share([row for row in plain if row.faults], lambda row: ";" in row.faults) == pytest.approx(0.15, abs=0.035)
    assert len(rows) / len(people) == pytest.approx(2.57, abs=0.1)
    kinds = Counter(one.kind for one in people)
    assert kinds["resident"] / len(people) == pytest.approx(0.80, abs=0.03)
    assert kinds["worker"] / len(people) == pytest.approx(0.10, abs=0.02)
    assert kinds["bird"] / len(people) == pytest.approx(0.045, abs=0.015)
    assert share(people, lambda one: one.twin_of >= 0) == pytest.approx(0.006, abs=0.003)
    minorities = share([one for one in people if one.kind == "resident"], lambda one: one.people in {"li", "miao"})
    assert minorities == pytest.approx(0.157, abs=0.02)


@pytest.mark.parametrize(
    ("kind", "missing"), [("hospital", 0.05), ("centre", 0.12), ("clinic", 0.30), ("archive", 0.03)]
)
def test_each_kind_of_source_leaves_out_documents_as_often_as_it_does(natural, kind: str, missing: float):
    rows = [row for row in natural[1] if row.source_kind == kind and not row.faults and row.nationality == "CHN"]
    grown = [row for row in rows if row.birth_date < "2009-01-01"]
    assert len(grown) > 2_000
    assert share(grown, lambda row: not row.citizen_id) == pytest.approx(missing, abs=0.025)


def test_frequent_surnames_of_the_island_are_frequent_and_the_li_have_theirs(natural):
    residents = [one for one in natural[0] if one.kind == "resident"]
    most = [name for name, _ in Counter(one.name[0] for one in residents).most_common(8)]
    assert set(most[:2]) == {"王", "陈"}
    assert "符" in most
    li = Counter(one.name[0] for one in residents if one.people == "li")
    assert li.most_common(1)[0][0] == "符"
    miao = Counter(one.name[0] for one in residents if one.people == "miao")
    assert {"邓", "盘"} <= set(miao)


def test_full_names_meet_about_as_often_as_among_real_people(natural):
    names = Counter(one.name for one in natural[0] if one.citizen)
    total = sum(names.values())
    assert 0.5e-5 < sum(count * (count - 1) for count in names.values()) / total / (total - 1) < 3e-5


def test_an_error_free_registration_says_what_is_true(natural):
    people = {one.person_id: one for one in natural[0]}
    iso = room(".days").ISO
    simple = {ord(other): chr(plain) for plain, other in room(".lists").traditional().items()}
    for row in natural[1]:
        one = people[row.person_id]
        if row.faults:
            continue
        assert row.birth_date == iso[one.born]
        assert row.sex == {"M": "male", "F": "female"}[one.sex]
        assert row.citizen_id in {"", one.citizen, one.citizen_15, one.permit}
        assert row.registered_at[:10] >= row.birth_date
        assert row.ehealth_card in {"", one.card, one.card_before}
        if one.kind == "resident":
            assert row.name.translate(simple) in {one.name, one.name_before}


def test_twins_share_birth_and_mother_and_differ_in_number_and_mostly_in_name(hard):
    people = {one.number: one for one in hard[0]}
    pairs = [(people[one.twin_of], one) for one in hard[0] if one.twin_of >= 0]
    assert len(pairs) > 300
    for one, other in pairs:
        assert one.born == other.born
        assert one.citizen != other.citizen
        assert one.mother == other.mother
    assert share(pairs, lambda pair: pair[0].sex == pair[1].sex) == pytest.approx(0.68, abs=0.08)
    assert share(pairs, lambda pair: set(pair[0].name[1:]) & set(pair[1].name[1:])) > 0.5
    assert share(pairs, lambda pair: pair[0].name == pair[1].name) < 0.01
    assert any(sorted(one.name) == sorted(other.name) and one.name != other.name for one, other in pairs)


def test_brothers_and_sisters_have_names_of_their_own_and_no_mother_bears_twice_within_300_days(hard):
    born, called = defaultdict(set), defaultdict(list)
    for one in hard[0]:
        if one.birth_certificate and one.kind == "resident":
            born[one.household].add(one.born)
            called[one.household].append(one.name)
    several = [sorted(days) for days in born.values() if len(days) > 1]
    assert len(several) > 100
    assert min(late - early for days in several for early, late in itertools.pairwise(days)) >= 300
    assert all(len(set(names)) == len(names) for names in called.values())


def test_strangers_share_name_sex_and_birthday_and_nothing_else(hard):
    people = {one.number: one for one in hard[0]}
    pairs = [(people[one.stranger_of], one) for one in hard[0] if one.stranger_of >= 0]
    assert len(pairs) > 300
    for one, other in pairs:
        assert (one.name, one.sex, one.born) == (other.name, other.sex, other.born)
        assert one.citizen != other.citizen
        assert one.household != other.household
        assert not one.phone or one.phone != other.phone


def test_newborns_are_called_after_their_mother_and_have_no_number(hard):
    people = {one.person_id: one for one in hard[0]}
    rows = [row for row in hard[1] if row.faults == "newborn"]
    assert len(rows) > 300
    for row in rows:
        mother = people[row.person_id].mother
        assert row.name.startswith(mother)
        assert re.fullmatch(r"(之(长|次)?(子|女|婴)(大|小)?|男婴|女婴)", row.name.removeprefix(mother)), row.name
        assert row.citizen_id == ""
    assert any(row.birth_order == "2" for row in rows)


def test_unknown_persons_have_no_name_number_or_telephone(hard):
    rows = [row for row in hard[1] if row.faults == "unknown"]
    assert len(rows) > 50
    assert all(not (row.citizen_id or row.phone or row.address or row.passport) for row in rows)
    assert {"无名氏", "不详"} <= {row.name for row in rows}


def test_guests_are_written_in_their_own_ways(hard):
    people, rows = hard
    by_id = {one.person_id: one for one in people}
    written = defaultdict(set)
    for row in rows:
        if not row.faults:
            written[by_id[row.person_id].kind].add(row)
    abroad = written["foreigner"]
    assert {row.nationality for row in abroad} >= {"RUS", "KOR", "SGP", "MYS", "KAZ", "IDN", "THA"}
    assert any(row.name.isupper() for row in abroad)
    assert any("," in row.name for row in abroad)
    assert any(re.fullmatch(r"[A-Z]{3}\d{12}", row.permit) for row in abroad)
    assert any(re.fullmatch(r"9\d{16}[\dX]", row.permit or row.citizen_id) for row in abroad)
    assert any(row.former_name for row in abroad)
    traditional = room(".lists").traditional().values()
    home = written["compatriot"]
    assert any(set(row.name) & set(traditional) for row in home)
    assert {row.nationality for row in home} == {"HKG", "MAC", "TWN"}
    assert any(row.citizen_id.startswith(("81", "82", "83")) for row in home)
    renewed = [one for one in people if one.passport_before]
    shown = {row.passport for row in abroad}
    assert any({one.passport, one.passport_before} <= shown for one in renewed)


def test_names_with_a_dot_are_written_with_many_dots():
    mix = replace(room().NATURAL, registered=(0, 0, 0, 0, 1.0))
    dotted = [one for one in room().persons(1, 8_000, mix) if one.people == "dotted"]
    rows = map(room().Registration._make, room(".stream").written(dotted, Random(1).random, mix))
    marks = {mark for row in rows if not row.faults for mark in re.findall(r"[^\w]", row.name)}
    assert "·" in marks
    assert marks & {"•", ".", "-"}


def test_changed_telephones_and_shared_ones_are_both_there(natural):
    people, rows = natural
    by_id = {one.person_id: one for one in people}
    phones = defaultdict(set)
    for row in rows:
        if not row.faults and row.phone:
            phones[row.phone].add(row.person_id)
    families = [ids for ids in phones.values() if len(ids) > 1]
    assert len(families) > 300
    assert share(families, lambda ids: len({by_id[one].household for one in ids}) == 1) > 0.95
    changed = [one for one in people if one.phone_before]
    assert len(changed) / len(people) > 0.1
    assert any({one.phone, one.phone_before} <= phones.keys() for one in changed)


def test_every_kind_of_error_of_both_models_happens_and_either_model_can_be_had_alone(hard):
    typing = {code for code, *_ in room(".typing_errors").FAULTS_A}
    process = {code for code, *_ in room(".process_errors").FAULTS_B}
    guests = room().registrations(SEED, 3_000, replace(room().HARD, compatriots=0.6, faults=0.5))
    rows = itertools.chain(hard[1], guests)
    happened = Counter(itertools.chain.from_iterable(row.faults.split(";") for row in rows if row.faults))
    assert happened.keys() == typing | process | {"newborn", "unknown"}
    for part, codes in ((1.0, typing), (0.0, process)):
        rows = room().registrations(SEED, 2_000, replace(room().HARD, typing=part))
        assert {code for row in rows for code in row.faults.split(";") if row.faults} - {"newborn", "unknown"} <= codes


def test_each_fault_changes_the_row_exactly_when_it_says_so(hard):
    people, rows = hard
    by_id = {one.person_id: one for one in people}
    chance = Random(5).random
    changed = Counter()
    for row in rows[::10]:
        for code, change, _ in (*room(".typing_errors").FAULTS_A, *room(".process_errors").FAULTS_B):
            copy = list(row)
            could = change(copy, by_id[row.person_id], chance)
            changed[code] += could and copy != list(row)
            assert could or copy == list(row), code
    assert all(changed.values())


def test_patients_are_right_by_fhirs_structure_and_keep_what_was_written(hard):
    patient = room(".patients").patient
    for row in hard[1][:3_000]:
        resource = patient(row, truth=True)
        assert check(resource) == [], (row, check(resource))
        assert [one["text"] for one in resource["name"][:1]] == [row.name][: len(resource["name"])]
        assert resource["meta"]["tag"][0]["code"] == row.person_id
        values = {one["value"] for one in resource["identifier"]}
        documents = (row.citizen_id, row.passport, row.permit, row.birth_certificate, row.ehealth_card)
        assert values == {row.local_id, *filter(None, documents)}


def test_packed_csv_and_ndjson_hold_the_same_rows_and_the_truth_knows_their_persons(tmp_path: Path):
    truth = tmp_path / "truth.csv"
    packed = made(tmp_path, "a.csv.zst", "--truth", str(truth))
    text = zstandard.ZstdDecompressor().stream_reader(packed).read().decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    lines = made(tmp_path, "a.ndjson").splitlines()
    assert [{key: value for key, value in row.items() if value} for row in rows] == [decode(line) for line in lines]
    people = list(csv.DictReader(io.StringIO(truth.read_text(encoding="utf-8"))))
    assert len(people) == 900
    assert {row["person_id"] for row in rows} == {one["person_id"] for one in people}


@pytest.mark.parametrize(
    "wrong",
    [["--out", "x.parquet"], ["--out", "x.csv", "--persons", "-1"], ["--out", "x.csv", "--persons", "13000000"]],
)
def test_the_command_says_what_it_cannot_make(wrong: list[str], capsys, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        room(".command").main(wrong)
    assert "--persons must be" in capsys.readouterr().err or "parquet" in wrong[1]
    assert list(tmp_path.iterdir()) == []


def test_every_character_of_our_names_has_a_reading_and_the_names_of_two_readings_have_the_surnames(natural):
    names = room(".names")
    known = room(".lists").readings()
    assert all(
        character in known for one in natural[0] if one.citizen and one.people != "dotted" for character in one.name
    )
    read = {"曾明": "ZENG MING", "单明": "SHAN MING", "区明": "OU MING", "欧阳明": "OUYANG MING", "解明": "XIE MING"}
    assert {name: names.pinyin(name) for name in read} == read
    assert [names.wade(one) for one in "陈志雄谢"] == ["Chen", "Chih", "Hsiung", "Hsieh"]


def test_a_day_on_which_too_many_were_born_leaves_some_without_a_number():
    chunk = room(".chunk").Chunk(SEED, 0, room().NATURAL)
    people = [chunk.add("resident", 1, "M", 9_000, "王一", room(".person").Person, None, 0) for _ in range(40)]
    numbers = [one.citizen for one in people if one.citizen]
    assert 0 < len(numbers) < 40
    assert len(set(numbers)) == len(numbers)
    assert all(map(is_citizen_number, numbers))
