"""A letter of the format `table`: one row with its headings, read by its mapping; whatever it holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jiankang.capabilities.exchange.model import Letter, Sender, Unreadable
from jiankang.capabilities.exchange.tables import TableFormat
from jiankang.capabilities.exchange.tables.format import context_of, read_row, write_row
from jiankang.capabilities.exchange.tables.shelf import shipped

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
SENDER = Sender("wsy", "老城镇卫生院")


def letter(body: bytes, **context: Any) -> Letter:
    return Letter("table", body, NOW, "k", context=context or {"mapping": "laboratory-results"})


def result(**more: str) -> bytes:
    cells = {
        "报告号": "R1",
        "姓名": "王大海",
        "病历号": "1",
        "项目名称": "白细胞",
        "结果": "3.1",
        "报告时间": "2026-11-20 10:05",
        **more,
    }
    return write_row(list(cells), list(cells.values()))


@given(st.lists(st.text(max_size=10), min_size=1, max_size=8))
def test_a_row_is_read_as_it_was_written(cells: list[str]) -> None:
    heads = [f"列{n}" for n in range(len(cells))]
    if any(cells) or len(cells) > 1:
        assert read_row(write_row(heads, cells)) == (heads, [cell.strip() for cell in cells])


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.sampled_from(sorted(shipped())))
def test_no_body_whatever_breaks_the_format(body: bytes, mapping: str) -> None:
    for of in (TableFormat().read, TableFormat().fates):
        try:
            of(letter(body, mapping=mapping), SENDER)
        except Unreadable as problem:
            assert problem.complaints  # noqa: PT017 - whether it raises is not the question


@given(st.sampled_from(sorted(shipped())), st.data())
def test_no_cells_whatever_break_a_shipped_mapping(name: str, data: Any) -> None:
    columns = shipped()[name].columns.values()
    some = st.text(max_size=12) | st.sampled_from(["1", "男", "2026-11-20", "36.5", "120/80", "是", "4.6e+17", "无"])
    body = write_row([one.heads[0] for one in columns], [data.draw(some) for _ in columns])
    reading = TableFormat().read(letter(body, mapping=name), SENDER)
    assert reading.tellings or any(one.fatal for one in reading.complaints)


@pytest.mark.parametrize(
    "context",
    [
        {"mapping": "none"},
        {"mapping": 7},
        {"text": "name: x"},
        {"text": "["},
        {"mapping": "births", "text": None, "x": 1},
    ],
)
def test_a_letter_without_a_mapping_that_can_be_used_is_unreadable(context: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        TableFormat().read(letter(b"a,b\n", **context), SENDER)


def test_a_letter_carries_the_text_of_a_mapping_that_is_not_shipped() -> None:
    own = shipped()["births"].text + "# ours\n"
    from jiankang.capabilities.exchange.tables import read_mapping

    assert context_of(shipped()["births"]) == {"mapping": "births", "version": 1}
    assert context_of(read_mapping(own), row=3) == {"mapping": "births", "version": 1, "text": own, "row": 3}


def test_a_local_name_that_nothing_translates_is_a_gap_until_somebody_translates_it() -> None:
    sent = letter(result(项目名称="尿渗透压"))
    [gap] = TableFormat().read(sent, SENDER).gaps
    assert (gap.code, gap.place) == ("尿渗透压", "项目名称")
    coding = {"system": "http://loinc.org", "code": "2695-9"}
    known = Sender("wsy", "老城镇卫生院", codes={(gap.system, gap.code): (coding,)})
    reading = TableFormat().read(sent, known)
    assert reading.gaps == []
    [observation] = [one for one in reading.tellings if one.type == "Observation"]
    assert observation.says["code"] == {"coding": [coding], "text": "尿渗透压"}


@pytest.mark.parametrize(
    ("said", "element"),
    [
        ({"结果": "3.1", "单位": "10^9/L"}, "valueQuantity"),
        ({"结果": "阴性"}, "valueString"),
        ({"结果": "<0.5"}, "valueQuantity"),
    ],
)
def test_a_result_is_a_quantity_or_words(said: dict[str, str], element: str) -> None:
    reading = TableFormat().read(letter(result(**said)), SENDER)
    [observation] = [one for one in reading.tellings if one.type == "Observation"]
    assert [name for name in observation.says if name.startswith("value")] == [element]


def test_what_an_empty_cell_said_before_is_not_taken_away() -> None:
    reading = TableFormat().read(letter(result(标本="", 提示="")), SENDER)
    assert all(value is not None for one in reading.tellings for value in one.says.values())


def test_knowledge_is_as_old_as_the_row_says_and_of_equal_rows_the_last_to_arrive_is_newer() -> None:
    one = TableFormat().read(letter(result()), SENDER)
    assert (one.tellings[0].at[:15], one.recorded) == ("20261120020500.", "2026-11-20T10:05:00+08:00")
    later = TableFormat().read(
        Letter("table", result(), NOW.replace(minute=1), context={"mapping": "laboratory-results"}), SENDER
    )
    assert later.tellings[0].at > one.tellings[0].at
    future = TableFormat().read(letter(result(报告时间="2027-01-01")), SENDER)
    assert future.complaints[0].text.endswith("this is in the future")
