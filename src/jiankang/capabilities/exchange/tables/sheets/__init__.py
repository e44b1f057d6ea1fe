"""Files of tables: CSV in whatever charset and with whatever delimiter, Excel and OpenDocument; read and written in bounds."""

from __future__ import annotations

from jiankang.capabilities.exchange.tables.sheets.csvs import read_csv
from jiankang.capabilities.exchange.tables.sheets.excel import read_workbook
from jiankang.capabilities.exchange.tables.sheets.model import MOST_BYTES, MOST_COLUMNS, MOST_ROWS, Sheet, WrongFile
from jiankang.capabilities.exchange.tables.sheets.writing import media_type, neutral, write_sheet

_ZIP, _COMPOUND = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


def read_sheet(body: bytes, charset: str = "") -> Sheet:
    """The first table of a file that is not empty; takes up to a minute: not for the event loop.

    `charset` is what to try first for CSV. Raises WrongFile with a sentence that says what to do.
    """
    if len(body) > MOST_BYTES:
        raise WrongFile(
            f"文件超过 {MOST_BYTES // 2**20} MB，请分成几个 / more than {MOST_BYTES // 2**20} MB: split the file"
        )
    if body[:4] in {_ZIP, _COMPOUND}:
        sheet = read_workbook(body)
    elif body.lstrip()[:200].lower().startswith((b"<html", b"<table", b"<!doctype", b"<?xml", b"%pdf")):
        raise WrongFile(
            "这不是表格文件，请在表格软件中另存为 xlsx / this is no table: open it in a spreadsheet, save it as xlsx"
        )
    else:
        sheet = read_csv(body, charset)
    if not sheet.rows:
        raise WrongFile("文件是空的 / the file is empty")
    return sheet


__all__ = [
    "MOST_BYTES", "MOST_COLUMNS", "MOST_ROWS", "Sheet", "WrongFile", "media_type", "neutral", "read_sheet", "write_sheet",
]  # fmt: skip
