"""Cases of notifiable diseases become report cards, each once; over the real record."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from jiankang.capabilities.exchange.tables.diseases import export_diseases, write_export
from jiankang.capabilities.exchange.tables.diseases.cards import COLUMNS, Case, card
from jiankang.capabilities.exchange.tables.diseases.matching import diseases, of_code, of_condition, of_words
from jiankang.capabilities.exchange.tables.sheets import read_sheet
from jiankang.foundation.access import LOCAL_OPERATOR, Actor, TypeIn
from jiankang.kernel.errors import Invalid

TODAY = date(2026, 11, 23)


def test_the_list_is_that_of_2026_with_42_diseases() -> None:
    whole = [one for one in diseases() if not one.parent]
    assert [sum(one.class_ == kind for one in whole) for kind in "甲乙丙"] == [2, 29, 11]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("A00.1", "霍乱"), ("A90", "登革热"), ("A97.2", "登革热"), ("A92.0", "基孔肯雅热"), ("A92.3", None), ("J10.101", "流行性感冒"),
        ("J12.9", None), ("B16.9", "乙肝"), ("B18.1", "乙肝"), ("B19.9", "肝炎（未分型）"), ("B17.8", "病毒性肝炎"), ("A15.0", "肺结核"),
        ("A16.2", "肺结核"), ("J09", "人感染新亚型流感"), ("A22.1", "肺炭疽"), ("A22.7", "炭疽"), ("A03.9", "细菌性痢疾"), ("A06.0", "阿米巴性痢疾"),
        ("A52.8", "隐性梅毒"), ("A52.1", "三期梅毒"), ("B50.9", "恶性疟"), ("B54", "疟疾（未分型）"), ("I10", None), ("Z21", "HIV"),
    ],
)  # fmt: skip
def test_a_code_is_the_disease_whose_range_is_narrowest(code: str, name: str | None) -> None:
    found = of_code(code)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [("登革热", "登革热"), ("疑似霍乱", "霍乱"), ("麻疹?", "麻疹"), ("荨麻疹", None), ("副流感", None), ("", None)],
)
def test_a_diagnosis_without_a_code_is_known_by_its_whole_name(text: str, name: str | None) -> None:
    found = of_words(text)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    "condition",
    [
        {"code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "A15.0"}], "text": "陈旧性肺结核"}},
        {"code": {"text": "登革热"}, "verificationStatus": {"coding": [{"code": "refuted"}]}},
        {"code": {"coding": [{"system": "urn:local", "code": "A90"}], "text": "感冒"}},
        {"code": {}},
    ],
)
def test_past_and_refuted_diagnoses_and_codes_of_other_systems_are_no_cases(condition: dict[str, Any]) -> None:
    assert of_condition(condition) is None


def cell(row: list[str], column: str) -> str:
    return row[COLUMNS.index(column)]


def test_a_card_says_what_the_record_knows() -> None:
    patient = {
        "resourceType": "Patient", "id": "p", "name": [{"text": "符小妹"}], "gender": "female", "birthDate": "2020-05-01",
        "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": "46902320200501002X"}],
        "contact": [{"name": {"text": "王阿妹"}}], "telecom": [{"system": "phone", "value": "13907550001"}],
        "address": [{"text": "澄迈县老城镇", "extension": [{"url": "urn:x:division", "valueCoding": {"code": "469023101"}}]}],
    }  # fmt: skip
    condition = {
        "id": "c", "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "A97.0"}], "text": "登革热"},
        "onsetDateTime": "2026-11-18", "recordedDate": "2026-11-20T17:30:00Z",
        "verificationStatus": {"coding": [{"code": "provisional"}]},
    }  # fmt: skip
    row = card(Case(condition, of_code("A97.0"), patient, facility="老城镇卫生院", doctor="李医生"), TODAY, "469023")
    said = {
        "患者姓名": "符小妹", "家长姓名": "王阿妹", "证件类型": "01", "性别": "2", "实足年龄": "6", "年龄单位": "岁", "病人属于": "1",
        "病例分类1": "3", "病例分类2": "", "诊断时间": "2026-11-21 01:30", "应报时间": "2026-11-22 01:30", "疾病代码": "2400",
        "报卡类别": "1", "报告单位": "老城镇卫生院", "发病日期": "2026-11-18", "填卡日期": "2026-11-23",
    }  # fmt: skip
    assert {column: cell(row, column) for column in said} == said


@pytest.mark.parametrize(
    ("division", "belongs"), [("469023", "1"), ("469024", "3"), ("460105", "3"), ("440106", "4"), ("", "")]
)
def test_where_a_patient_belongs_follows_from_the_division(division: str, belongs: str) -> None:
    address = [{"extension": [{"url": "division", "valueCoding": {"code": division}}]}]
    row = card(Case({"id": "c"}, of_code("A90"), {"id": "p", "address": address}), TODAY, "469023")
    assert cell(row, "病人属于") == belongs


@pytest.mark.parametrize(
    ("born", "age", "unit"),
    [("2026-11-19", "1", "天"), ("2026-09-21", "1", "月"), ("2025-11-20", "1", "岁"), ("1950", "", "")],
)
def test_children_are_counted_in_months_and_days(born: str, age: str, unit: str) -> None:
    row = card(
        Case({"id": "c", "recordedDate": "2026-11-20"}, of_code("A90"), {"id": "p", "birthDate": born}), TODAY, ""
    )
    assert (cell(row, "实足年龄"), cell(row, "年龄单位")) == (age, unit)


@pytest.fixture
def export(open_platform: Any) -> Any:
    """Exports the cases of these days."""

    def exported(actor: Actor = LOCAL_OPERATOR, **how: Any) -> Any:
        return open_platform.run(
            export_diseases(open_platform.app.server, actor, since=date(2020, 1, 1), county="469023", **how)
        )

    return exported


def test_cases_of_uploaded_visits_are_exported_once_and_again_when_they_change(
    open_platform: Any, story: Any, visit: Any, export: Any, tmp_path: Path
) -> None:
    rows = [visit("T1", 诊断="登革热", **{"ICD-10": "A90"}), visit("T2", "符小妹", 诊断="高血压", **{"ICD-10": "I10"})]
    story.take(story.upload(rows))
    first = export()
    assert (len(first.rows), first.known) == (1, 0)
    assert (cell(first.rows[0], "患者姓名"), cell(first.rows[0], "疾病名称")) == ("王小明", "登革热")
    for name in ("cards.csv", "cards.xlsx"):
        open_platform.run(write_export(open_platform.app.server, first, tmp_path / name))
        [heads, row] = [cells for _, cells in read_sheet((tmp_path / name).read_bytes()).rows]
        assert dict(zip(heads, row, strict=False))["诊断时间"] == "2026-11-20 08:30"
    assert (export().rows, export().known) == ([], 1)
    assert len(export(again=True).rows) == 1
    story.take(story.upload([visit("T1", 诊断="基孔肯雅热", **{"ICD-10": "A92.0"})]))
    [changed] = export().rows
    assert [cell(changed, column) for column in ("报卡类别", "疾病名称", "订正前病名")] == ["2", "基孔肯雅热", "登革热"]


def test_who_may_not_see_patients_exports_nothing(story: Any, visit: Any, export: Any) -> None:
    story.take(story.upload([visit("T9", 诊断="霍乱", **{"ICD-10": "A00"})]))
    assert export(Actor("clerk", TypeIn(frozenset({"Condition"})))).rows == []


def test_a_county_is_a_code_of_six_digits(open_platform: Any) -> None:
    with pytest.raises(Invalid):
        open_platform.run(export_diseases(open_platform.app.server, LOCAL_OPERATOR, since=TODAY, county="澄迈"))
