"""Mappings are data; wrong ones are refused with the line and the reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jiankang.capabilities.exchange.tables.mapping import Slot
from jiankang.capabilities.exchange.tables.parsing import WrongMapping, read_mapping
from jiankang.capabilities.exchange.tables.shelf import shipped, suited

GOOD = """name: small
version: 2
title: {zh: 小表, en: Small}
key: [no]
columns:
  no: {heads: [编号], required: true}
  sex: {heads: [性别], as: code, table: sexes}
  pressure: {heads: [血压], as: pressure}
tables:
  sexes: {男: male, "1": male}
resources:
  patient:
    type: Patient
    id: ^patient $no
    says:
      identifier: [{system: ^patient, value: $no!}]
      gender: $sex
"""


def test_a_mapping_says_columns_and_resources() -> None:
    found = read_mapping(GOOD)
    assert (found.name, found.version, found.title_zh, found.key) == ("small", 2, "小表", ("no",))
    assert found.templates["patient"].says["gender"] == Slot((("sex", ""),))
    assert found.places["no"] == (("patient", "Patient.id"), ("patient", "Patient.identifier.value"))


@pytest.mark.parametrize(
    ("change", "line", "reason"),
    [
        (("required: true", "required: yes"), 6, "write true or false"), (("$sex", "$sx"), 17, "there is no column sx"),
        (("type: Patient", "type: Patent"), 13, "FHIR R4 has no resource Patent"), (("gender:", "gendr:"), 17, "Patient has no element gendr"),
        (("table: sexes", "table: sex"), 7, "there is no table sex"), (("as: pressure", "as: presure"), 8, "presure is no kind of cell"),
        (("heads: [血压]", "heads: [性 别*]"), 8, "is that of sex already"), (("value: $no!", "value: $no.born"), 16, "no has no part born"),
        (("gender: $sex", 'gender: "@doctor"'), 17, "there is no resource doctor"), (("^patient $no\n", "$no\n"), 14, "an id is a namespace"),
        (("key: [no]", "key: [no, name]"), 4, "there is no column name"), (("version: 2", "version: zwei"), 2, "a version is a whole number"),
        (("columns:", "colums:"), 5, "colums is not known here"), (("name: small\n", ""), 1, "name is missing"),
        (("  sexes: {", "  sexes: {{"), 11, "expected"), (("{男: male", "{男: &a male"), 10, "anchors and aliases"),
        (("  sexes:", "\tsexes:"), 10, "cannot start any token"), (("as: code, table: sexes", "as: code"), 7, "needs a table"),
        (("sex: {heads", "no: {heads"), 7, "no is there twice"), ((GOOD, ""), 1, "it is empty"), ((GOOD, "[" * 5000), 1, "nested too deeply"),
    ],
)  # fmt: skip
def test_a_wrong_mapping_is_refused_with_line_and_reason(change: tuple[str, str], line: int, reason: str) -> None:
    with pytest.raises(WrongMapping) as told:
        read_mapping(GOOD.replace(*change, 1))
    assert told.value.line == line
    assert reason in told.value.reason


@given(st.text(max_size=200) | st.sampled_from(range(len(GOOD))).map(lambda cut: GOOD[:cut] + GOOD[cut + 3 :]))
def test_no_text_whatever_breaks_the_reader(text: str) -> None:
    try:
        read_mapping(text)
    except WrongMapping as problem:
        assert problem.line > 0  # noqa: PT017 - whether it raises is not the question


def test_seven_mappings_are_shipped_and_each_knows_its_own_headings() -> None:
    assert set(shipped()) == {
        "outpatient-visits", "laboratory-results", "immunizations", "hypertension-follow-ups", "diabetes-follow-ups", "births",
        "residents",
    }  # fmt: skip
    for mapping in shipped().values():
        heads = [column.heads[0] for column in mapping.columns.values()]
        assert suited(shipped().values(), [["某某卫生院登记表"], heads]) is mapping


def test_headings_are_compared_without_spaces_stars_and_units() -> None:
    mapping = shipped()["outpatient-visits"]
    assert mapping.match(["* 门诊号 ", "体温（℃）", "血　压:", "体温", "ＩＣＤ-１０", "其他"]) == [
        "visit_no", "temperature", "pressure", "", "icd", "",
    ]  # fmt: skip
