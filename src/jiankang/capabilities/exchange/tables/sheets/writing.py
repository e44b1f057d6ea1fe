"""Tables as files that people open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
_HARMLESS = re.compile(r"[+-]?[\d\s.,/:%-]*\d[\d\s.,/:%-]*|[+-]+")
_MEDIA_TYPES = {"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "csv": "text/csv"}


def media_type(kind: str, charset: str = "utf-8") -> str:
    """The media type of a file that `write_sheet` makes."""
    return f"text/csv; charset={charset.removesuffix('-sig')}" if kind == "csv" else _MEDIA_TYPES["xlsx"]


def neutral(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: https://owasp.org/www-community/attacks/CSV_Injection.

    Reading a file takes the mark away again.
    """
    return f"'{cell}" if cell.startswith(_DANGEROUS) and not _HARMLESS.fullmatch(cell) else cell


def write_sheet(
    rows: Iterable[Sequence[str]],
    kind: str = "csv",
    *,
    charset: str = "utf-8-sig",
    delimiter: str = ",",
    name: str = "",
) -> bytes:
    """The rows as CSV or, for every other kind, as an Excel workbook of texts."""
    return _csv(rows, charset, delimiter) if kind == "csv" else _workbook(rows, name)


def _csv(rows: Iterable[Sequence[str]], charset: str, delimiter: str) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter).writerows([neutral(cell) for cell in row] for row in rows)
    return buffer.getvalue().encode(charset, "replace")


def _workbook(rows: Iterable[Sequence[str]], name: str) -> bytes:
    import xlsxwriter

    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True, "constant_memory": False}) as book:
        called = re.sub(r"[\[\]:*?/\\']", "", name)[:31] or "Sheet1"
        sheet = book.add_worksheet(called)
        head = book.add_format({"bold": True})
        text = book.add_format({"num_format": "@"})
        for place, row in enumerate(rows):
            for column, cell in enumerate(row):
                sheet.write_string(place, column, cell[:32_767], head if place == 0 else text)
        sheet.freeze_panes(1, 0)
    return buffer.getvalue()
