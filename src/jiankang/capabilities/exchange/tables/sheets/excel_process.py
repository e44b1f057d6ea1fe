"""The process that reads one workbook: bytes in by standard input, JSON out by standard output. Leans on nothing of ours."""

from __future__ import annotations

import datetime as dt
import io
import json
import sys
from typing import Any

MEMORY = 1536 * 1024 * 1024
CPU_SECONDS = 50


def limit() -> None:
    """Let the kernel end this process when it takes more than its share."""
    try:
        import resource
    except ImportError:  # Windows has none: the time limit of the parent is what holds there
        return
    for name, value in (("RLIMIT_AS", MEMORY), ("RLIMIT_CPU", CPU_SECONDS), ("RLIMIT_CORE", 0)):
        resource.setrlimit(getattr(resource, name), (value, value))


def text(cell: Any) -> str:
    """A cell as people would write it."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat() if cell.time() == dt.time() else cell.isoformat(" ", "seconds")
    return str(cell).strip()


def rows_of(sheet: Any, most_rows: int, most_columns: int, most_cell: int) -> tuple[list[Any], str]:
    """Rows that are not empty with their numbers; what is wrong with them."""
    found: list[Any] = []
    if sheet.total_width > most_columns * 20:
        return [], "columns"
    for number, row in enumerate(sheet.iter_rows(), 1):
        cells = [text(cell) for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            continue
        if len(cells) > most_columns:
            return [], "columns"
        if any(len(cell) > most_cell for cell in cells):
            return [], "cell"
        if len(found) >= most_rows:
            return [], "rows"
        found.append([number, cells])
    return found, ""


def read(body: bytes, bounds: list[int]) -> dict[str, Any]:
    """The first sheet that is not empty."""
    import python_calamine as calamine

    kind = "xls" if not body.startswith(b"PK") else "ods" if b"mimetypeapplication/vnd.oasis" in body[:200] else "xlsx"
    try:
        book = calamine.load_workbook(io.BytesIO(body))
        for name in book.sheet_names:
            rows, wrong = rows_of(book.get_sheet_by_name(name), *bounds)
            if wrong:
                return {"wrong": wrong}
            if rows:
                return {"rows": rows, "kind": kind, "name": name}
    except calamine.PasswordError:
        return {"wrong": "password"}
    except Exception:  # noqa: BLE001 - whatever it is, the file is what is wrong
        return {"wrong": "broken"}
    return {"rows": [], "kind": kind, "name": ""}


def main() -> None:
    """Read, write, end."""
    body = sys.stdin.buffer.read()
    limit()
    answer = read(body, [int(one) for one in sys.argv[1:4]])
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
