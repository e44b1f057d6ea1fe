"""The mappings that are shipped: a full row of each lands, valid, and no cell is lost without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jiankang.capabilities.exchange import naming
from jiankang.capabilities.exchange.dicom.coding import house
from jiankang.capabilities.exchange.dicom.persons import NUMBER, VISIT
from jiankang.capabilities.exchange.model import DROPPED, KEPT, MAPPED, Sender
from jiankang.capabilities.exchange.tables import TableFormat, looking
from jiankang.capabilities.exchange.tables.sheets import read_sheet
from jiankang.capabilities.exchange.tables.shelf import shipped

SAMPLES = Path(__file__).parent / "samples"
MADE = {
    "outpatient-visits": {"Patient": 1, "Practitioner": 1, "Encounter": 1, "Condition": 1, "Observation": 2},
    "laboratory-results": {"Patient": 1, "Practitioner": 1, "Specimen": 1, "Observation": 1, "DiagnosticReport": 1},
    "immunizations": {"Patient": 1, "Practitioner": 1, "Immunization": 1},
    "hypertension-follow-ups": {
        "Patient": 1, "Practitioner": 1, "Encounter": 1, "Condition": 1, "Observation": 5, "MedicationStatement": 1,
        "Appointment": 1,
    },
    "diabetes-follow-ups": {
        "Patient": 1, "Practitioner": 1, "Encounter": 1, "Condition": 1, "Observation": 7, "MedicationStatement": 1,
        "Appointment": 1,
    },
    "births": {"Patient": 1, "RelatedPerson": 2, "Observation": 3},
    "residents": {"Patient": 1, "Practitioner": 1, "Observation": 1, "AllergyIntolerance": 1, "Condition": 1},
}  # fmt: skip
"""Mapping → how many resources of each type a full row becomes."""
UNTOLD = {
    "outpatient-visits": {"初诊"}, "births": {"接生人员"}, "residents": {"民族", "糖尿病"},
}  # fmt: skip
"""Columns that stay in the original alone: nothing in the record says what they say, or what they deny."""


def counted(types: list[str]) -> dict[str, int]:
    return {name: types.count(name) for name in dict.fromkeys(types)}


@pytest.mark.parametrize("name", MADE)
def test_a_full_row_lands_and_all_it_becomes_is_valid(story: Any, ask: Any, name: str) -> None:
    id_ = story.send((SAMPLES / f"{name}.csv").read_bytes(), title=f"{name}.csv")
    upload = story.run(story.uploads.get(id_))
    assert (upload.preview["name"], upload.preview["wrong"]) == (name, [])
    assert story.take(id_).landed == 1

    async def made() -> list[str]:
        async with story.uploads.record.pool.connection() as db:
            query = "SELECT made, complaints FROM exchange_letter WHERE context->>'upload' = %s"
            row = await (await db.execute(query, (id_,))).fetchone()
        assert row[1] == []
        return row[0]

    references = story.run(made())
    assert counted([one.split("/")[0] for one in references]) == MADE[name]
    for one in references:
        said = ask("GET", f"/{one}/$validate", status=200).value["issue"]
        assert [each for each in said if each["severity"] in {"error", "fatal"}] == [], one


@pytest.mark.parametrize("name", MADE)
def test_every_cell_is_mapped_kept_or_dropped_with_a_reason(name: str) -> None:
    sheet = read_sheet((SAMPLES / f"{name}.csv").read_bytes())
    mapping = shipped()[name]
    rows = looking.rows_of(sheet, mapping)
    assert rows is not None
    from datetime import UTC, datetime

    cells = rows.rows[0][1]
    letter = looking.letter(mapping, rows.heads, cells, datetime(2026, 11, 23, tzinfo=UTC), "1")
    fates = {one.place: one for one in TableFormat().fates(letter, Sender("wsy", "卫生院"))}
    assert set(fates) == {head for head, cell in zip(rows.heads, cells, strict=True) if cell}
    assert all(one.fate in {MAPPED, KEPT, DROPPED} and one.where for one in fates.values())
    kept = {place for place, one in fates.items() if one.fate == KEPT}
    assert kept == UNTOLD.get(name, set()) | {"自编号"}


def test_a_patient_and_a_visit_are_those_that_other_formats_of_the_house_tell_of() -> None:
    from datetime import UTC, datetime

    mapping = shipped()["outpatient-visits"]
    cells = ["v1", "b2", "王小明", "2026-11-20"]
    letter = looking.letter(
        mapping, ["门诊号", "病历号", "姓名", "就诊日期"], cells, datetime(2026, 11, 23, tzinfo=UTC), "1"
    )
    told = TableFormat().read(letter, Sender("xls", "登记表", facility="hkrmyy")).tellings
    ids = {one.type: one.id for one in told}
    assert ids["Patient"] == naming.patient(house(Sender("his", "HIS", facility="hkrmyy"), NUMBER), "b2")
    assert ids["Encounter"] == naming.encounter(house(Sender("his", "HIS", facility="hkrmyy"), VISIT), "v1")
