"""Files as they come: charsets, delimiters, workbooks, and those that are meant to do harm."""

from __future__ import annotations

import io
import time
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from jiankang.capabilities.exchange.tables.sheets import WrongFile, excel, neutral, read_sheet, write_sheet

ROWS = [["姓名", "身份证号", "备注"], ["王小明", "469023198803050012", '说"好", 然后\n走了'], ["李四", "", "-5"]]
SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>%s</sheetData></worksheet>'
)


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_charset_and_delimiter_are_found_out(charset: str, delimiter: str) -> None:
    sheet = read_sheet(write_sheet(ROWS, "csv", charset=charset, delimiter=delimiter))
    assert [list(row) for _, row in sheet.rows] == ROWS
    assert sheet.delimiter == delimiter


def test_a_workbook_gives_dates_numbers_and_texts_as_people_see_them() -> None:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        book.add_worksheet("空")
        sheet = book.add_worksheet("数据")
        day, moment = book.add_format({"num_format": "yyyy/m/d"}), book.add_format({"num_format": "yyyy/m/d h:mm"})
        sheet.write_row(1, 0, ["姓名", "日期", "时间", "数", "小数", "是"])
        sheet.write(3, 0, " 王小明 ")
        sheet.write_datetime(3, 1, datetime(2026, 11, 20), day)  # noqa: DTZ001 - cells have no zone
        sheet.write_datetime(3, 2, datetime(2026, 11, 20, 8, 30), moment)  # noqa: DTZ001
        sheet.write_row(3, 3, [12, 36.6, True])
    found = read_sheet(buffer.getvalue())
    assert found.name == "数据"
    assert found.rows[1] == (4, ("王小明", "2026-11-20", "2026-11-20 08:30:00", "12", "36.6", "TRUE"))


@pytest.mark.parametrize(
    "cell", ["=cmd|'/c calc'!A1", "@SUM(A1)", "+1+cmd|x", "-2+3+cmd|' /C calc'!A0", "\t=1", '=HYPERLINK("http://x")']
)
def test_a_formula_is_neutralised_in_csv_and_comes_back_as_it_was(cell: str) -> None:
    body = write_sheet([["a", "b"], [cell, "x"]])
    assert body.decode("utf-8-sig").splitlines()[1].lstrip('"').startswith("'")
    assert read_sheet(body).rows[1][1][0].strip() == cell.strip()


@pytest.mark.parametrize("cell", ["-5", "+86 139-0755-0001", "-3.2", "+", "阴性", ""])
def test_numbers_and_words_are_left_as_they_are(cell: str) -> None:
    assert neutral(cell) == cell


def test_formulas_are_texts_in_a_workbook() -> None:
    with zipfile.ZipFile(io.BytesIO(write_sheet([["=1+1"]], "xlsx"))) as book:
        assert b"<f>" not in book.read("xl/worksheets/sheet1.xml")


def forged(sheet: bytes) -> bytes:
    """A workbook with this as its sheet."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(write_sheet([["a"]], "xlsx"))) as good, zipfile.ZipFile(buffer, "w", 8) as book:
        for name in good.namelist():
            book.writestr(name, sheet if name == "xl/worksheets/sheet1.xml" else good.read(name))
    return buffer.getvalue()


def entities() -> bytes:
    lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    sheet = SHEET % '<row><c t="str"><v>&l9;</v></c></row>'
    return f'<!DOCTYPE x [<!ENTITY l0 "lol">{lol}]>{sheet}'.encode()


FORGED = {
    "corners of a table of 17 billion cells": (
        SHEET % '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    ).encode(),
    "100,000 columns": (SHEET % f"<row>{'<c><v>1</v></c>' * 100_000}</row>").encode(),
    "no XML": b"<junk",
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_workbook_is_refused_soon(name: str) -> None:
    body = forged(FORGED[name])
    begin = time.monotonic()
    with pytest.raises(WrongFile, match=" / "):
        read_sheet(body)
    assert time.monotonic() - begin < 10


def test_a_workbook_that_says_itself_how_large_it_is_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel, "_MOST_UNPACKED", 10 * 2**20)
    monkeypatch.setattr(excel, "_CHILD", Path("/nowhere"))
    with pytest.raises(WrongFile, match="too large once unpacked"):
        read_sheet(forged(b"\0" * (11 * 2**20)))


def test_entities_of_a_workbook_are_not_multiplied() -> None:
    try:
        sheet = read_sheet(forged(entities()))
    except WrongFile:
        return
    assert sum(len(cell) for _, row in sheet.rows for cell in row) < 1000


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\r\n\r\n", b"PK\x03\x04junk", b"\xd0\xcf\x11\xe0" + b"x" * 5000, b'a,b\n"x' + b"y" * 200_000, b"\xff\x80\x81,",
        b"<html><table>", b"%PDF-1.7", b"a," * 600, b"a\x00b,c", b"x" * 70_000 + b",1",
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_with_a_sentence(body: bytes) -> None:
    with pytest.raises(WrongFile, match=" / "):
        read_sheet(body)


def test_more_rows_than_the_bound_are_refused() -> None:
    with pytest.raises(WrongFile, match="more than 100,000 rows"):
        read_sheet(b"a,b\n" * 100_002)


def test_an_old_workbook_is_read() -> None:
    found = read_sheet((Path(__file__).parent / "samples" / "register.xls").read_bytes())
    assert (found.kind, found.name) == ("xls", "门诊登记")
    assert found.rows[2] == (3, ("X1", "100", "王小明", "男", "2026-11-20 08:30:00", "感冒"))


@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=8), min_size=2, max_size=4),
        min_size=1,
        max_size=6,
    )
)
def test_what_is_written_as_csv_is_read_as_it_was(rows: list[list[str]]) -> None:
    wanted = [[cell.strip() for cell in row] for row in rows]
    stripped = [row[: max((n + 1 for n, cell in enumerate(row) if cell), default=0)] for row in wanted]
    body = write_sheet(rows, "csv")
    if not any(stripped):
        return
    sheet = read_sheet(body)
    if sheet.delimiter == ",":
        found = [list(row) for _, row in sheet.rows]
        assert found == [
            [cell[1:] if cell.startswith("'") and cell[1:2] in "=+-@" and cell[1:2] else cell for cell in row]
            for row in stripped
            if row
        ]
