"""A table as it stands in a file, and what may be wrong with the file."""

from __future__ import annotations

from dataclasses import dataclass

from jiankang.kernel.errors import Invalid

MOST_BYTES = 64 * 1024 * 1024
MOST_ROWS = 100_000
MOST_COLUMNS = 500
MOST_CELL = 32_767


class WrongFile(Invalid):
    """This file cannot be read as a table."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows of text with their numbers in the file, from 1; empty rows are left out."""

    rows: tuple[tuple[int, tuple[str, ...]], ...]
    kind: str
    """`csv`, `xlsx`, `xls` or `ods`."""
    charset: str = ""
    delimiter: str = ""
    name: str = ""


def checked(number: int, cells: list[str]) -> tuple[int, tuple[str, ...]] | None:
    """A row within bounds, without empty cells at its end; None for an empty one. Raises WrongFile."""
    while cells and not cells[-1]:
        cells.pop()
    if len(cells) > MOST_COLUMNS:
        raise WrongFile(f"第 {number} 行超过 {MOST_COLUMNS} 列 / row {number} has more than {MOST_COLUMNS} columns")
    if any(len(cell) > MOST_CELL for cell in cells):
        raise WrongFile(f"第 {number} 行有过长的单元格 / row {number} has a cell of more than {MOST_CELL:,} characters")
    return (number, tuple(cells)) if cells else None


def too_many() -> WrongFile:
    """What is said of a table with too many rows."""
    return WrongFile(f"超过 {MOST_ROWS:,} 行，请分成几个文件 / more than {MOST_ROWS:,} rows: split the file")
