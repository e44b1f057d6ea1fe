"""The floor under `jiankang load`: the same lines decoded and copied into a table of bodies by two processes."""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import psycopg

BATCH = 400
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def batches(folder: Path) -> Iterator[list[bytes]]:
    for path in sorted(folder.glob("*.ndjson")):
        with path.open("rb") as lines:
            while batch := list(itertools.islice(lines, BATCH)):
                yield batch


def keep(work: tuple[str, list[bytes]]) -> int:
    url, lines = work
    global _db  # noqa: PLW0603 - one connection for each process
    if _db is None:
        _db = psycopg.connect(url, autocommit=True)
    with _db.cursor().copy("COPY doc FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(["text", "bytea"])
        for line in lines:
            copy.write_row((_decode(line)["id"], line))
    return len(lines)


_db: psycopg.Connection | None = None


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--database-url", required=True)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("folder", type=Path)
    given = options.parse_args()
    with psycopg.connect(given.database_url, autocommit=True) as db:
        db.execute('CREATE TABLE IF NOT EXISTS doc (id text COLLATE "C" PRIMARY KEY, body bytea NOT NULL)')
        db.execute("ALTER TABLE doc ALTER COLUMN body SET STORAGE EXTERNAL")
    started = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(given.workers) as pool:
        work = ((given.database_url, batch) for batch in batches(given.folder))
        count = sum(pool.imap_unordered(keep, work))
    with psycopg.connect(given.database_url, autocommit=True) as db:
        db.execute("VACUUM ANALYZE doc")
    seconds = time.perf_counter() - started
    print(f"{count} resources in {seconds:.2f} s ({count / seconds:.0f}/s)")


if __name__ == "__main__":
    main()
