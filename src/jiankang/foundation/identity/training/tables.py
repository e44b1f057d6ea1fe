"""Registrations as DuckDB tables: `record`, comparable records, and `key`, the keys that bring pairs of them together."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import msgspec
import pyarrow as pa

from jiankang.foundation.identity.blocking import keys
from jiankang.foundation.identity.levels import LISTS
from jiankang.foundation.identity.model import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from jiankang.foundation.identity.weights import Weights

CHUNK = 20_000
"""Records made into columns at once."""

FLAGS = ("newborn", "unknown")
_LEFT_OUT = frozenset({"written", "findings"})
COLUMNS = tuple(name for name in Record.__struct_fields__ if name not in _LEFT_OUT)
"""The columns of the table `record` besides `id`: all that levels and vetoes look at."""

_PLACES = tuple(Record.__struct_fields__.index(name) for name in COLUMNS)
_KEYS = pa.schema([("kind", pa.string()), ("key", pa.int64()), ("id", pa.int64())])


class Packed(NamedTuple):
    """A record as the index keeps it (msgpack) and its number; the lower number is the older registration."""

    id: int
    content: bytes


def connect(folder: Path, *, memory: str = "2GB", threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB of its own below `folder`, that keeps to `memory` and writes what does not fit into a file there."""
    db = duckdb.connect(str(folder / "identity.duckdb"))
    db.execute("SET memory_limit = ?", [memory])
    db.execute("SET threads = ?", [threads or os.cpu_count() or 1])
    db.execute("SET temp_directory = ?", [str(folder / "spill")])
    db.execute("SET preserve_insertion_order = false")
    db.execute("SET enable_progress_bar = false")
    return db


def load(db: duckdb.DuckDBPyConnection, records: Iterable[Packed], *, workers: int = 1) -> int:
    """Fill the tables `record` and `key`; how many records there are."""
    columns = ", ".join(f'"{name}" {_sql_type(name)}' for name in COLUMNS)
    db.execute(f"CREATE OR REPLACE TABLE record (id BIGINT, {columns})")
    db.execute("CREATE OR REPLACE TABLE key (kind VARCHAR, key BIGINT, id BIGINT)")
    count = 0
    for rows, found in _made(_chunks(records), workers):
        for name, table in (("record", rows), ("key", found)):
            db.register("arrived", table)
            db.execute(f"INSERT INTO {name} SELECT * FROM arrived")
            db.unregister("arrived")
        count += rows.num_rows
    return count


def _sql_type(name: str) -> str:
    if name in FLAGS:
        return "BOOLEAN"
    return "VARCHAR[]" if name in LISTS else "VARCHAR"


def _arrow_type(name: str) -> pa.DataType:
    if name in FLAGS:
        return pa.bool_()
    return pa.list_(pa.string()) if name in LISTS else pa.string()


def _chunks(records: Iterable[Packed]) -> Iterator[list[Packed]]:
    coming = iter(records)
    while chunk := list(islice(coming, CHUNK)):
        yield chunk


def _made(chunks: Iterator[list[Packed]], workers: int) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The columns of each chunk; with several workers, a few chunks are on their way at a time."""
    if workers < 2:
        yield from map(columns_of, chunks)
        return
    with ProcessPoolExecutor(workers) as pool:
        waiting = [pool.submit(columns_of, chunk) for chunk in islice(chunks, workers + 1)]
        while waiting:
            done = waiting.pop(0)
            waiting += [pool.submit(columns_of, chunk) for chunk in islice(chunks, 1)]
            yield done.result()


def columns_of(chunk: list[Packed]) -> tuple[pa.Table, pa.Table]:
    """A chunk as columns of `record` and of `key`."""
    read = msgspec.msgpack.Decoder(Record).decode
    records = [read(one.content) for one in chunk]
    values: list[Any] = list(zip(*map(msgspec.structs.astuple, records), strict=True))
    arrays = [pa.array(values[place], _arrow_type(name)) for place, name in zip(_PLACES, COLUMNS, strict=True)]
    rows = pa.table([pa.array([one.id for one in chunk], pa.int64()), *arrays], ["id", *COLUMNS])
    found = [
        (key.kind, key.value, one.id)
        for one, record in zip(chunk, records, strict=True)
        if record.matchable
        for key in keys(record)
    ]
    kinds, numbers, ids = zip(*found, strict=True) if found else ((), (), ())
    return rows, pa.table([list(kinds), list(numbers), list(ids)], schema=_KEYS)


def put_frequencies(db: duckdb.DuckDBPyConnection, weights: Weights) -> None:
    """Fill the tables `frequency_COLUMN` that `score_sql` joins."""
    for column, known in weights.frequencies.items():
        shares = pa.table(
            {"value": pa.array(known.bits.keys(), pa.string()), "bits": pa.array(known.bits.values(), pa.float64())}
        )
        db.register("arrived", shares)
        db.execute(f"CREATE OR REPLACE TABLE frequency_{column} AS SELECT value, bits FROM arrived")
        db.unregister("arrived")
