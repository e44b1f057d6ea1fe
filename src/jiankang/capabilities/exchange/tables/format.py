"""The format `table`: a letter is one row, with its headings above it, as CSV in UTF-8.

So it can be read, mended and landed again by itself, and an error is that of one row.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.model import DROPPED, KEPT, MAPPED, Complaint, Fate, Unreadable
from jiankang.capabilities.exchange.tables.filling import Row, fill
from jiankang.capabilities.exchange.tables.mapping import OUR_HEADS, Mapped
from jiankang.capabilities.exchange.tables.parsing import WrongMapping, read_mapping
from jiankang.capabilities.exchange.tables.shelf import shipped

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.model import Letter, Reading, Sender

NAME = "table"
MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
KNOWN_PLACE = "Provenance.occurredDateTime"
"""Where the column goes that says when a row was known."""
MOST_CELL = 32_767
"""Characters in a cell: as many as Excel takes."""
MOST_COLUMNS = 500


def write_row(heads: Sequence[str], cells: Sequence[str]) -> bytes:
    """The body of a letter: headings and cells (RFC 4180). Columns that have no heading are called by their number."""
    count = max(len(heads), len(cells))
    named = [(heads[place] if place < len(heads) else "") or f"#{place + 1}" for place in range(count)]
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([named, [cells[place] if place < len(cells) else "" for place in range(count)]])
    return buffer.getvalue().encode()


def read_row(body: bytes) -> tuple[list[str], list[str]]:
    """Headings and cells of a letter. Raises Unreadable."""
    try:
        rows = [row for row in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise Unreadable([Complaint(f"不是 CSV / it is no CSV in UTF-8 ({problem})", fatal=True)]) from None
    if len(rows) != 2 or len(rows[0]) != len(rows[1]) or len(rows[0]) > MOST_COLUMNS:
        raise Unreadable(
            [Complaint("应为标题行和一行数据 / headings and one row of as many cells are expected", fatal=True)]
        )
    return rows[0], [cell.strip() for cell in rows[1]]


def mapping_of(letter: Letter) -> Mapped:
    """The mapping that a letter's row is read with: its own text, else the one of its name that is shipped."""
    text = letter.context.get("text")
    if isinstance(text, str):
        try:
            return read_mapping(text)
        except WrongMapping as problem:
            raise Unreadable([Complaint(f"mapping: {problem}", fatal=True)]) from None
    name = str(letter.context.get("mapping", ""))
    if name not in shipped():
        raise Unreadable([Complaint(f"没有这个映射 / there is no mapping {name or '(none named)'}", fatal=True)])
    return shipped()[name]


def context_of(mapping: Mapped, **more: Any) -> dict[str, Any]:
    """What a letter carries of its mapping: name and version; the text, unless it is shipped in just this form."""
    known = shipped().get(mapping.name)
    own = {} if known is not None and known.text == mapping.text else {"text": mapping.text}
    return {"mapping": mapping.name, "version": mapping.version, **own, **more}


class TableFormat:
    """Rows of tables."""

    name = NAME

    def read(self, letter: Letter, sender: Sender) -> Reading:
        """What a row says. Raises Unreadable."""
        row, _, _ = _row(letter, sender)
        return fill(row, letter.received)

    def fates(self, letter: Letter, sender: Sender) -> list[Fate]:
        """What becomes of each cell."""
        row, heads, cells = _row(letter, sender)
        fill(row, letter.received)
        columns = row.mapping.match(heads)
        return [
            _fate(row, head, column, cell)
            for head, column, cell in zip(heads, columns, cells, strict=True)
            if cell and head not in OUR_HEADS
        ]


def _row(letter: Letter, sender: Sender) -> tuple[Row, list[str], list[str]]:
    mapping = mapping_of(letter)
    heads, cells = read_row(letter.body)
    columns = mapping.match(heads)
    named = {column: head for column, head in zip(columns, heads, strict=True) if column}
    said = {column: cell for column, cell in zip(columns, cells, strict=True) if column and cell}
    return Row(mapping, sender, named, said), heads, cells


def _fate(row: Row, head: str, column: str, cell: str) -> Fate:
    if not column:
        return Fate(head, cell, KEPT, "Binary")
    known = row.mapping.columns[column]
    if known.drop:
        return Fate(head, cell, DROPPED, known.drop)
    told = list(dict.fromkeys(place for template, place in row.mapping.places[column] if template in row.ids))
    if column == row.mapping.known and column in row.values:
        told.append(KNOWN_PLACE)
    if column in row.unread or not told:
        return Fate(head, cell, KEPT, "Binary")
    return Fate(head, cell, MAPPED, ", ".join(told))
