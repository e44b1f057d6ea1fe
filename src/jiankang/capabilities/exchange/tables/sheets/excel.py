"""Workbooks are read by a process of their own, which may use only so much memory and time.

A workbook is a zip of XML, or a file system in a file: small ones can ask for any amount of memory. What a library does
with a forged one is bounded by the kernel here, whatever the library does.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

from jiankang.capabilities.exchange.tables.sheets.model import (
    MOST_CELL,
    MOST_COLUMNS,
    MOST_ROWS,
    Sheet,
    WrongFile,
    checked,
    too_many,
)

_CHILD = Path(__file__).with_name("excel_process.py")
SECONDS = 60
_MOST_UNPACKED = 400 * 1024 * 1024
_MOST_PARTS = 2_000
_SAID = {
    "password": "文件有密码，请取消密码后再上传 / it is protected by a password: take that away first",
    "columns": f"超过 {MOST_COLUMNS} 列 / more than {MOST_COLUMNS} columns",
    "cell": f"有过长的单元格 / a cell has more than {MOST_CELL:,} characters",
    "broken": "文件已损坏，请在表格软件中重新另存 / it is broken: save it again in a spreadsheet",
    "large": "文件展开后过大 / it is too large once unpacked",
}


def read_workbook(body: bytes) -> Sheet:
    """The first table of a workbook (xlsx, xls, ods) that is not empty. Raises WrongFile."""
    if body.startswith(b"PK"):
        _look_into(body)
    command = [sys.executable, "-I", str(_CHILD), str(MOST_ROWS), str(MOST_COLUMNS), str(MOST_CELL)]
    try:
        done = subprocess.run(command, input=body, capture_output=True, timeout=SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise WrongFile(_SAID["large"]) from None
    if done.returncode != 0:
        raise WrongFile(_SAID["large"])
    said = json.loads(done.stdout)
    if said.get("wrong") == "rows":
        raise too_many()
    if "wrong" in said:
        raise WrongFile(_SAID[said["wrong"]])
    rows = (checked(number, cells) for number, cells in said["rows"])
    return Sheet(tuple(row for row in rows if row is not None), said["kind"], name=said["name"])


def _look_into(body: bytes) -> None:
    """Refuse what says itself that it is too large."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise WrongFile(_SAID["broken"]) from None
    if len(parts) > _MOST_PARTS or sum(one.file_size for one in parts) > _MOST_UNPACKED:
        raise WrongFile(_SAID["large"])
