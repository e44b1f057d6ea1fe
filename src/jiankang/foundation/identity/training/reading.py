"""Where registrations come from: files of flat rows, or the index of a record's database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import psycopg

from jiankang.foundation.identity.training.tables import Packed
from jiankang.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from jiankang.foundation.identity.normalise import Normaliser

_AT_ONCE = 10_000
_READERS = {".parquet": "read_parquet(?)", ".csv": "read_csv(?, all_varchar = true, header = true)"}
_ALL = "COPY (SELECT rid, record FROM identity_record ORDER BY rid) TO STDOUT (FORMAT BINARY)"


def file_records(paths: Sequence[Path], normaliser: Normaliser) -> Iterator[Packed]:
    """The records of CSV (also .gz and .zst) and Parquet files whose columns are those of `normalise.rows`.

    Raises Invalid for files of another kind, and for what cannot be read.
    """
    number = 0
    for path in paths:
        for row in _rows(path):
            yield Packed(number, msgspec.msgpack.encode(normaliser.row(row)))
            number += 1


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    reader = next((name for ending, name in _READERS.items() if ending in path.suffixes), "")
    if not reader:
        raise Invalid(f"{path.name}: registrations come as .csv or .parquet")
    try:
        with duckdb.connect() as db:
            found = db.execute(f"SELECT COLUMNS(*)::VARCHAR FROM {reader}", [str(path)])
            names = [one[0] for one in found.description or ()]
            while rows := found.fetchmany(_AT_ONCE):
                for row in rows:
                    yield {name: value for name, value in zip(names, row, strict=True) if value}
    except duckdb.Error as wrong:
        raise Invalid(f"{path.name}: {wrong}") from wrong


def index_records(url: str) -> Iterator[Packed]:
    """The records of the index in the database at `url`, as they were made when they were registered."""
    with psycopg.connect(url) as db, db.cursor() as cursor, cursor.copy(_ALL) as copy:
        copy.set_types(["int8", "bytea"])
        for rid, content in copy.rows():
            yield Packed(rid, bytes(content))
