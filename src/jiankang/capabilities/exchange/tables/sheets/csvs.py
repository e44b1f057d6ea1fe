"""CSV as it is found: https://www.rfc-editor.org/rfc/rfc4180, with charset and delimiter found out."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter

from jiankang.capabilities.exchange.tables.sheets.model import MOST_ROWS, Sheet, WrongFile, checked, too_many

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DELIMITERS = (",", "\t", ";", "|", "，")
_SAMPLE = 65_536
_NEUTRALISED = re.compile(r"'[=+\-@\t\r]")


def read_csv(body: bytes, charset: str = "") -> Sheet:
    """The table. Raises WrongFile."""
    text, charset = decoded(body, charset)
    delimiter = _delimiter(text)
    rows = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=False)
    try:
        for number, cells in enumerate(reader, 1):
            row = checked(number, [_plain(cell) for cell in cells])
            if row is not None:
                rows.append(row)
            if len(rows) > MOST_ROWS:
                raise too_many()
    except csv.Error:
        line = reader.line_num
        raise WrongFile(
            f"第 {line} 行附近有未闭合的引号或过长的单元格 / near line {line}: a quotation mark is not closed, or a cell is too long"
        ) from None
    return Sheet(tuple(rows), "csv", charset, delimiter)


def _plain(cell: str) -> str:
    cell = cell.strip()
    return cell[1:] if _NEUTRALISED.match(cell) else cell


def decoded(body: bytes, charset: str = "") -> tuple[str, str]:
    """The text, and the charset it is in: by its mark, `charset`, UTF-8, GB18030, or UTF-16 without a mark."""
    marked = next((name for mark, name in _MARKS if body.startswith(mark)), "")
    wide = "" if marked else _wide(body)
    for name in (marked, wide) if marked or wide else (charset, "utf-8", "gb18030"):
        if not name:
            continue
        try:
            text = body.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
        if "\x00" not in text:
            return text, name
    raise WrongFile(
        "无法识别字符编码，请另存为 UTF-8 或 GB18030 / its characters cannot be told: save it as UTF-8 or GB18030"
    )


def _wide(body: bytes) -> str:
    """UTF-16 without a mark is known by the zero halves of its commas, digits and line ends."""
    sample = body[:_SAMPLE]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) < len(sample) // 40 + 1:
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def _delimiter(text: str) -> str:
    """What cuts the first lines into the most columns, as many in one as in the next."""
    best, chosen = (0.0, 0), ","
    for delimiter in _DELIMITERS:
        try:
            reader = csv.reader(io.StringIO(text[:_SAMPLE], newline=""), delimiter=delimiter)
            widths = Counter(len(row) for _, row in zip(range(50), reader, strict=False) if any(row))
        except csv.Error:
            continue
        total = sum(widths.values())
        width, often = max(((w, n) for w, n in widths.items() if w > 1), key=lambda one: one[1], default=(1, 0))
        score = (often / total if total else 0.0, width)
        if often and score > best:
            best, chosen = score, delimiter
    return chosen
