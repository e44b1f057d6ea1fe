"""What people write into cells, and what it says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jiankang.capabilities.exchange.tables import values


@pytest.mark.parametrize(
    "cell",
    [
        "1988年3月5日",
        "1988-03-05",
        "1988/3/5",
        "1988.3.5",
        "19880305",
        "1988年03月05号",
        "１９８８年３月５日",
        "32207",
        " 1988-3-5 ",
    ],
)
def test_a_day_is_written_in_many_ways(cell: str) -> None:
    assert values.day(cell).whole == "1988-03-05"


@pytest.mark.parametrize(
    "cell", ["1988-13-01", "1988-02-30", "88-3-5", "今天", "", "3月5日", "0988-03-05", "999999", "1988-03"]
)
def test_what_is_no_day_is_refused(cell: str) -> None:
    with pytest.raises(ValueError, match=" / "):
        values.day(cell)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("2026/11/20 8:30", "2026-11-20T08:30:00+08:00"), ("2026年11月20日 下午3时05分", "2026-11-20T15:05:00+08:00"),
        ("20261120083015", "2026-11-20T08:30:15+08:00"), ("2026-11-20T08:30:00Z", "2026-11-20T08:30:00+00:00"),
        ("2026-11-20 08:30:00.123456", "2026-11-20T08:30:00+08:00"), ("2026-11-20", "2026-11-20"),
        ("46346.5", "2026-11-20T12:00:00+08:00"), ("2026-11-20 00:00:00+00", None), ("2026-11-20 12:00:00+07:00", "2026-11-20T12:00:00+07:00"),
    ],
)  # fmt: skip
def test_a_moment_is_written_in_many_ways(cell: str, said: str | None) -> None:
    if said is None:
        with pytest.raises(ValueError, match=" / "):
            values.moment(cell, "+08:00")
    else:
        assert values.moment(cell, "+08:00").whole == said


@pytest.mark.parametrize(
    ("cell", "value", "code", "more"),
    [
        ("36.5℃", "36.5", "Cel", {}), ("120mmHg", "120", "mm[Hg]", {}), ("<0.1 mmol/L", "0.1", "mmol/L", {"comparator": "<"}),
        ("4.5×10^9/L", "4.5", "10*9/L", {}), ("4.5 10^9/L", "4.5", "10*9/L", {}), ("1,200 μmol/L", "1200", "umol/L", {}),
        ("≥5", "5", "kg", {"comparator": ">="}), ("－3.2", "-3.2", "kg", {}),
    ],
)  # fmt: skip
def test_a_quantity_has_its_own_unit_or_the_columns(cell: str, value: str, code: str, more: dict[str, str]) -> None:
    found = values.quantity(cell, "kg").whole
    assert (found["value"], found.get("code")) == (Decimal(value), code)
    assert {name: found[name] for name in more} == more


@pytest.mark.parametrize("cell", ["阴性", "+++", "1:80", "5.6 6.1", "1,20", "120 mmHg (左)", "3-5", "0~2/HP", "A型"])
def test_a_result_that_is_no_quantity_stays_words(cell: str) -> None:
    assert values.result(cell, "").whole == cell


def test_a_pressure_has_two_parts() -> None:
    parts = values.pressure("120/80mmHg").parts
    assert [parts[one]["value"] for one in ("systolic", "diastolic")] == [120, 80]
    for wrong in ("80/120", "120", "120/80kPa", "高"):
        with pytest.raises(ValueError, match=" / "):
            values.pressure(wrong)


def citizen(front: str) -> str:
    return front + values._check_character(front)


def test_a_citizens_number_says_birth_and_sex() -> None:
    said = values.citizen(citizen("46902319880305001").lower())
    assert said.parts == {"born": "1988-03-05", "sex": "male"}
    assert values.citizen("469023880305001").whole == citizen("46902319880305001")


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("4.69023198803051e+17", "cut this number"), (citizen("46902319881305001"), "date of birth"), ("12345", "wrong length"),
        (citizen("46902319880305001")[:-1] + ("1" if citizen("46902319880305001")[-1] != "1" else "2"), "check character"),
    ],
)  # fmt: skip
def test_a_wrong_citizens_number_is_refused_with_the_reason(cell: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        values.citizen(cell)


@pytest.mark.parametrize(
    ("cell", "said"), [("是", True), ("√", True), ("有", True), ("否", False), ("无", False), ("N", False)]
)
def test_yes_and_no_are_written_in_many_ways(cell: str, said: bool) -> None:
    assert values.truth(cell).whole is said


READERS: list[Any] = [
    values.text, values.day, lambda cell: values.moment(cell, "+08:00"), values.truth, values.number, values.whole,
    lambda cell: values.quantity(cell, ""), lambda cell: values.result(cell, "kg"), values.pressure, values.citizen, values.digits,
]  # fmt: skip


@given(st.text(max_size=60) | st.from_regex(r"[0-9年月日/:.\-+eE×^ ]{1,30}", fullmatch=True), st.sampled_from(READERS))
def test_no_cell_whatever_breaks_a_reader(cell: str, reader: Any) -> None:
    try:
        reader(cell)
    except ValueError as problem:
        assert " / " in str(problem)  # noqa: PT017 - whether it raises is not the question
