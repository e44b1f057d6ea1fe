"""What messages become: the samples of each structure, all public samples, and the official tables."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jiankang.capabilities.exchange.hl7v2 import Hl7v2, supported
from jiankang.capabilities.exchange.hl7v2.mapping import moments
from jiankang.capabilities.exchange.hl7v2.mapping.rows import parse
from jiankang.capabilities.exchange.hl7v2.mapping.structures import coverage, structures
from jiankang.capabilities.exchange.merging import Known, merge
from jiankang.capabilities.exchange.model import KEPT, MAPPED, Letter, Sender, Unreadable
from jiankang.fhir.structure import check
from jiankang.kernel.jsontext import encode

ROOT = Path(__file__).resolve().parents[4]
HOME = ROOT / "src/jiankang/capabilities/exchange/hl7v2"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
SAMPLES = sorted(HOME.glob("*/samples/*.hl7"))
HEAD = "MSH|^~\\&|HIS|CM|JK|HN|20261123080000+0800||ADT^A08|7|P|2.5\rEVN|A08|20261123080000+0800\r"


def tool(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


EXPECTED = tool("v2_expected")
SENDER = EXPECTED.SENDER


def read(raw: bytes | str, sender: Sender = SENDER) -> Any:
    return Hl7v2().read(Letter("hl7v2", raw if isinstance(raw, bytes) else raw.encode(), NOW), sender)


def told(reading: Any, type_name: str) -> dict[str, Any]:
    """What is said of the first resource of a type, with what is assumed of it."""
    first = next(one for one in reading.tellings if one.type == type_name)
    mine = sorted(
        (one for one in reading.tellings if (one.type, one.id) == (first.type, first.id)), key=lambda one: one.at
    )
    return {name: value for one in mine for name, value in one.says.items()}


def merged(messages: list[bytes]) -> dict[tuple[str, str], Any]:
    """The resources that messages make, one after another."""
    found: dict[tuple[str, str], tuple[Any, Known]] = {}
    for number, raw in enumerate(messages):
        key = raw.split(b"|")[9].decode() or str(number)
        for one in read(raw).tellings:
            resource, known = found.get((one.type, one.id), (None, Known()))
            found[one.type, one.id] = merge(resource, known, one, key), known
    return {name: resource for name, (resource, _) in found.items()}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_a_sample_becomes_what_was_reviewed(path: Path) -> None:
    expected = (path.parent.parent / "expected" / f"{path.stem}.json").read_text(encoding="utf-8")
    assert EXPECTED.lines(EXPECTED.become(path.read_bytes())) == expected


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_what_a_sample_becomes_is_well_formed_and_every_field_is_accounted_for(path: Path) -> None:
    for resource in EXPECTED.become(path.read_bytes()):
        assert check(resource) == []
    letter = Letter("hl7v2", path.read_bytes(), NOW)
    assert not [one for one in read(path.read_bytes()).complaints if one.fatal]
    assert all(fate.where for fate in Hl7v2().fates(letter, SENDER))


def test_every_structure_has_a_sample_of_an_event_it_names() -> None:
    for structure in structures():
        folder = HOME / structure.name.lower()
        heads = [path.read_bytes().split(b"|")[8].decode().split("^") for path in (folder / "samples").glob("*.hl7")]
        assert heads, structure.name
        assert {f"{kind}^{event}" for kind, event, *_ in heads} <= set(structure.events)


def test_all_public_samples_become_well_formed_resources(shared: Path) -> None:
    for path in sorted((shared / "data" / "hl7v2").glob("*.hl7")):
        letter = Letter("hl7v2", path.read_bytes(), NOW)
        reading = Hl7v2().read(letter, Sender("s", "S"))
        assert reading.tellings, path.name
        found: dict[tuple[str, str], tuple[Any, Known]] = {}
        for one in sorted(reading.tellings, key=lambda one: one.at):
            resource, known = found.get((one.type, one.id), (None, Known()))
            found[one.type, one.id] = merge(resource, known, one, "x"), known
        for resource, _ in found.values():
            assert check(resource) == [], (path.name, resource["resourceType"])
        fates = Hl7v2().fates(letter, Sender("s", "S"))
        assert sum(fate.fate == MAPPED for fate in fates) > 5, path.name


def test_at_least_95_of_100_official_rows_are_covered_in_every_structure() -> None:
    for one in coverage():
        assert one.share >= 0.95, (one.structure.name, one.missing)


def test_our_facts_of_the_official_tables_are_theirs(shared: Path) -> None:
    assert (shared / "reference" / "v2-to-fhir").is_dir()
    tables = tool("v2_tables")
    assert (HOME / "mapping" / "official.tsv").read_text(encoding="utf-8") == tables.official()
    assert (HOME / "mapping" / "vocabularies.tsv").read_text(encoding="utf-8") == tables.vocabularies()


def test_the_types_of_messages_that_a_region_needs_are_taken() -> None:
    wanted = [f"ADT^A{n:02d}" for n in (*range(1, 14), 28, 31, 34, 40, 44, 47, 60)]
    wanted += ["ORM^O01", "OMG^O19", "OML^O21", "OMP^O09", "ORU^R01", "ORU^R30", "ORU^R40", "OUL^R22", "VXU^V04"]
    wanted += [f"MDM^T{n:02d}" for n in range(1, 12)] + [f"SIU^S{n}" for n in (*range(12, 25), 26)]
    wanted += ["RDE^O11", "RDS^O13", "RAS^O17", "DFT^P03", "PPR^PC1", "BAR^P01", "MFN^M02", "MFN^M05"]
    wanted += [f"REF^I{n}" for n in range(12, 16)]
    assert set(wanted) <= supported()


# -- particular cases -----------------------------------------------------------------------------------------------


def test_the_number_of_the_source_names_the_patient_and_not_the_citizens_number() -> None:
    one = read(f"{HEAD}PID|1||460027199001012344^^^NID^NI~M1^^^CMRMYY^MR||符^海燕")
    two = read(f"{HEAD}PID|1||M1^^^CMRMYY^MR||符^海燕")
    assert one.patient == two.patient != ""
    systems = [number["system"] for number in told(one, "Patient")["identifier"]]
    assert systems == ["urn:oid:2.16.156.10011.1.3", "urn:jiankang:facility:CMRMYY"]


def test_a_citizens_number_is_known_by_its_form_without_an_authority() -> None:
    patient = told(read(f"{HEAD}PID|1||M1^^^A^MR~460027199001012344^^^^NI||王"), "Patient")
    assert patient["identifier"][1]["system"] == "urn:oid:2.16.156.10011.1.3"


def test_a_chinese_name_is_whole_in_its_text_and_its_forms_are_told_apart() -> None:
    han, latin, whole = told(read(f"{HEAD}PID|1||1||符^海燕^^^^^L^I~Fu^Haiyan^^^^^L^A~欧阳修"), "Patient")["name"]
    assert (han["text"], han["family"], han["given"]) == ("符海燕", "符", ["海燕"])
    assert han["extension"][0]["valueCode"] == "IDE"
    assert (latin["text"], latin["extension"][0]["valueCode"]) == ("Haiyan Fu", "ABC")
    assert whole["text"] == "欧阳修"


def test_a_message_without_a_patient_number_cannot_be_used_and_says_where() -> None:
    reading = read(f"{HEAD}PID|1||||王^明")
    assert [(one.place, one.code, one.fatal) for one in reading.complaints] == [("PID-3", "101", True)]


@pytest.mark.parametrize("raw", [b"", b"hello", b"MSH|^~\\&|A"])
def test_what_says_nothing_is_unreadable_or_complained_of(raw: bytes) -> None:
    try:
        assert any(one.fatal for one in read(raw).complaints)
    except Unreadable as problem:
        assert problem.complaints  # noqa: PT017


def test_impossible_dates_are_left_out_and_complained_of() -> None:
    reading = read(f"{HEAD}PID|1||1||王^明||19881399|M")
    assert "birthDate" not in told(reading, "Patient")
    assert reading.complaints[0].place == "PID-7"


def test_the_null_value_says_that_there_is_none() -> None:
    says = told(read(f'{HEAD}PID|1||1||王^明||""|M|||""'), "Patient")
    assert says["birthDate"] is None
    assert says["address"] is None


VALUES = [
    ("NM", "6.80", "mmol/L", {"valueQuantity": {"value": "6.80", "unit": "mmol/L"}}), ("NM", "<5", "", {"valueQuantity": {"comparator": "<"}}),
    ("NM", "阴性", "", {"valueString": "阴性"}), ("SN", ">=^10", "g/L", {"valueQuantity": {"comparator": ">="}}),
    ("SN", "^1^:^160", "", {"valueRatio": {}}), ("SN", "^3^-^5", "g/L", {"valueRange": {}}), ("ST", "阳性", "", {"valueString": "阳性"}),
    ("CWE", "A^A型^L", "", {"valueCodeableConcept": {}}), ("DT", "20260101", "", {"valueDateTime": None}), ("TM", "0830", "", {"valueTime": None}),
    ("DR", "20260101^20260201", "", {"valuePeriod": {}}), ("FT", "一\\.br\\二", "", {"valueString": "一\n二"}), ("XX", "?", "", {"valueString": "?"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "unit", "expected"), VALUES)
def test_results_keep_their_kind_their_digits_and_their_unit(kind: str, text: str, unit: str, expected: Any) -> None:
    observation = told(read(f"{HEAD}PID|1||1||王\rPV1|1|O\rOBX|1|{kind}|X^Y^LN||{text}|{unit}||||||F"), "Observation")
    ((name, value),) = expected.items()
    found = observation[name]
    if isinstance(value, str):
        assert found == value
    for key, one in (value or {}).items() if isinstance(value, dict) else ():
        assert str(found[key]) == one


def test_an_embedded_document_becomes_one_that_the_result_is_derived_from() -> None:
    reading = read(f"{HEAD}PID|1||1||王\rPV1|1|O\rOBX|1|ED|X^Y^LN||^AP^PDF^Base64^JVBERi0=||||||F")
    document = told(reading, "DocumentReference")
    assert document["content"][0]["attachment"] == {"contentType": "application/pdf", "data": "JVBERi0="}
    assert told(reading, "Observation")["derivedFrom"][0]["reference"].startswith("DocumentReference/")


def test_local_codes_are_told_of_until_somebody_translates_them() -> None:
    raw = f"{HEAD}PID|1||1||王\rPV1|1|O\rOBX|1|NM|GLU^血糖^99CM||5.1|||||F"
    (gap,) = read(raw).gaps
    assert (gap.system, gap.code, gap.display) == ("urn:jiankang:sender:sample:99CM", "GLU", "血糖")
    loinc = {"system": "http://loinc.org", "code": "15074-8"}
    reading = read(raw, Sender("sample", "S", codes={(gap.system, gap.code): (loinc,)}))
    assert reading.gaps == []
    assert loinc in told(reading, "Observation")["code"]["coding"]


def test_an_update_says_of_the_state_of_a_visit_only_what_nobody_knows() -> None:
    admit, leave, update = (
        f"MSH|^~\\&|H|C|||2026110{day}||ADT^{event}|{day}|P|2.5\rEVN|{event}|2026110{day}\rPID|1||1||王\rPV1|1|I|||||||||||||||||V1".encode()
        for day, event in ((1, "A01"), (2, "A03"), (3, "A08"))
    )
    for order in itertools.permutations([admit, leave, update]):
        visit = next(resource for (kind, _), resource in merged(list(order)).items() if kind == "Encounter")
        assert visit["status"] == "finished"
    visit = next(resource for (kind, _), resource in merged([update]).items() if kind == "Encounter")
    assert visit["status"] == "in-progress"


STORY = [
    HOME / "adt_a01/samples/first.hl7", HOME / "adt_a02/samples/first.hl7", HOME / "oru_r01/samples/first.hl7",
    HOME / "oru_r01/samples/final.hl7", HOME / "oru_r01/samples/corrected.hl7", HOME / "adt_a03/samples/first.hl7",
    HOME / "adt_a39/samples/first.hl7", HOME / "orm_o01/samples/first.hl7",
]  # fmt: skip


@given(st.permutations(STORY), st.lists(st.sampled_from(STORY), max_size=4))
def test_a_stay_told_in_any_order_and_twice_is_one_state(order: list[Path], again: list[Path]) -> None:
    expected = merged([path.read_bytes() for path in STORY])
    assert merged([path.read_bytes() for path in [*order, *again]]) == expected
    report = next(one for (kind, _), one in expected.items() if kind == "DiagnosticReport")
    assert report["status"] == "corrected"
    glucose = next(
        one for (kind, _), one in expected.items() if kind == "Observation" and "14771-0" in str(one["code"])
    )
    assert str(glucose["valueQuantity"]["value"]) == "5.8"


MOMENTS = [
    ("2026", "2026"), ("202611", "2026-11"), ("20261123", "2026-11-23"), ("202611230830", "2026-11-23T08:30:00+08:00"),
    ("20261123083015.123-0500", "2026-11-23T08:30:15.123-05:00"), ("20260000", "2026"), ("20261332", None), ("x", None),
    ("20261123250000", None), ("00000000", None), ("20260229", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MOMENTS)
def test_moments_are_as_exact_as_they_were_sent(text: str, expected: str | None) -> None:
    assert moments.date_time(text, "+08:00") == expected


def test_moments_of_different_zones_sort_by_what_came_first() -> None:
    assert moments.stamp("20261123080000+0800", "Z") < moments.stamp("20261123010000+0000", "Z")
    assert moments.stamp("20261123080000", "+08:00") == "20261123000000.000000"


@given(st.text(max_size=30))
def test_any_text_is_a_moment_or_none(text: str) -> None:
    moments.date_time(text, "+08:00")
    moments.stamp(text, "+08:00")
    moments.day(text)


@pytest.mark.slow
@given(st.sampled_from(SAMPLES), st.randoms(use_true_random=False))
def test_damaged_messages_are_read_or_refused_and_never_break_the_reader(path: Path, random: Any) -> None:
    raw = bytearray(path.read_bytes())
    for _ in range(random.randint(1, 8)):
        place = random.randrange(20, len(raw))
        raw[place] = random.choice(b'|^~\\&\r"0AZ \xff')
    try:
        reading = read(bytes(raw))
    except Unreadable:
        return
    for one in reading.tellings:
        encode(one.says)


def test_a_map_that_cannot_be_read_names_the_line() -> None:
    with pytest.raises(ValueError, match=r"x\.map:2"):
        parse("[PID > Patient]\n3 identifier+ nonsense\n", "x.map")
    with pytest.raises(ValueError, match=r"x\.map:1"):
        parse("3 identifier+ cx\n", "x.map")
    with pytest.raises(ValueError, match="say why"):
        parse("[PID > Patient]\n3 kept\n", "x.map")


def test_what_has_no_map_is_kept_in_the_original_and_says_so() -> None:
    letter = Letter("hl7v2", f"{HEAD}PID|1||1||王\rZXX|1|秘密".encode(), NOW)
    fates = {fate.place: fate for fate in Hl7v2().fates(letter, SENDER)}
    assert (fates["ZXX-2"].fate, fates["PID-5"].fate) == (KEPT, MAPPED)
    assert "original" in fates["ZXX-2"].where
