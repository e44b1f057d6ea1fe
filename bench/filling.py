"""A database filled with clones: index definitions put aside, rows copied by two processes, indexes built again."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
from psycopg import sql

import multiplier
from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.codec import SAMPLES
from jiankang.foundation.record.dictionaries import LARGEST, learn
from jiankang.foundation.record.store import Change, Record, Transaction, prepare
from multiplier import Family
from stencil import Stencil, stencil

BATCH = 4_000
_SAMPLE_PEOPLE = range(50_000, 50_080)
"""People whose records train the dictionary; none of them is a template."""


@dataclass(frozen=True)
class Share:
    """What one process writes: the clones from `first` on, each `step`-th, below `end`."""

    database_url: str
    first: int
    step: int
    end: int


def fill(database_url: str, families: list[Family], clones: int, say: Callable[[str], None]) -> int:
    """Write so many clones of each family; how many resources it became."""
    global _stencils  # noqa: PLW0603 - inherited by the processes that write
    _stencils = asyncio.run(_begin(database_url, families))
    started = time.perf_counter()
    kept = put_indexes_aside(database_url)
    shares = [Share(database_url, first, 2, clones) for first in range(2)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        written = sum(pool.imap_unordered(_write_share, shares))
    copied = time.perf_counter() - started
    say(f"   {written} resources copied in {copied:.0f} s ({written / copied:,.0f}/s), building indexes")
    for definition in kept:
        build(database_url, definition)
    with psycopg.connect(database_url, autocommit=True) as db:
        db.execute("VACUUM (FREEZE, ANALYZE)")
    seconds = time.perf_counter() - started
    say(f"   {written} resources and all indexes in {seconds:.0f} s ({written / seconds:,.0f}/s)")
    return written


async def _begin(database_url: str, families: list[Family]) -> list[Stencil]:
    """Write what all clones share: the dictionary, the facilities, their staff, the codes; the families' stencils."""
    from region.lives import life, resources
    from region.naming import Naming
    from region.people import person
    from region.writing import region_resources

    async with Record.open(database_url, connections=1) as record:
        if not record.codec.newest:
            naming = Naming(kept=True)
            people = (resources(life(person(number, 21), 21, naming)) for number in _SAMPLE_PEOPLE)
            payloads = [prepare(one).payload for some in people for one in some][:SAMPLES]
            async with record.side.connection() as db:
                await learn(record, db, payloads, LARGEST)
        shared = [prepare(one) for one in region_resources()]
        changes = [Change("PUT", one.type, one.id, one) for one in shared]
        await record.run(LOCAL_OPERATOR, lambda tx: tx.apply(changes))
        return [await stencil(record, one) for one in families]


def put_indexes_aside(database_url: str) -> list[str]:
    """Drop all indexes of the big tables; the statements that make them again."""
    found = []
    with psycopg.connect(database_url, autocommit=True) as db:
        rows = db.execute("""
            SELECT i.indexrelid::regclass::text, i.indrelid::regclass::text, pg_get_indexdef(i.indexrelid), c.conname,
                pg_get_constraintdef(c.oid)
            FROM pg_index AS i LEFT JOIN pg_constraint AS c ON c.conindid = i.indexrelid
            WHERE i.indrelid = ANY(ARRAY['resource', 'idx', 'str', 'span', 'quantity', 'change']::regclass[])
            ORDER BY c.conname IS NULL, 1""").fetchall()
        for index, table, definition, constraint, constraint_text in rows:
            if constraint:
                db.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
                found.append(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {constraint_text}")
            else:
                db.execute(f"DROP INDEX {index}")
                found.append(definition)
    return found


def build(database_url: str, definition: str) -> None:
    """Make an index again, with enough memory to sort."""
    with psycopg.connect(database_url, autocommit=True) as db:
        db.execute("SET maintenance_work_mem = '1GB'")
        db.execute("SET max_parallel_maintenance_workers = 2")
        db.execute(definition)


_stencils: list[Stencil] = []


def _write_share(share: Share) -> int:
    gc.disable()  # all that is made here dies by its reference count
    return asyncio.run(_write(share))


async def _write(share: Share) -> int:
    written = 0
    async with Record.open(share.database_url, connections=1) as record:
        for batch in _batches(share):
            await write(record, batch)
            written += sum(len(one) for one, _, _ in batch)
    return written


Clone = tuple[Stencil, int, int]
"""A family's stencil, the clone's number, and the number of the person that its Patient is."""


async def write(record: Record, clones: list[Clone]) -> None:
    """Write clones in one transaction: the Patients as any other, the rest from their stencils."""
    patients = [multiplier.patient(one.family, clone, number) for one, clone, number in clones]
    changes = [Change("PUT", one.type, one.id, one) for one in patients]
    now = record.clock()
    tables: dict[str, list[bytes]] = {}
    for one, clone, _ in clones:
        for table, rows in one.rows(clone, now, record.codec).items():
            tables.setdefault(table, []).append(rows)

    async def work(tx: Transaction) -> None:
        await tx.apply(changes, new={one.id for one in patients})
        for table, rows in tables.items():
            await tx._copy(table, rows)  # noqa: SLF001 - the store's own way in

    await record.run(LOCAL_OPERATOR, work)


def _batches(share: Share) -> Iterator[list[Clone]]:
    batch: list[Clone] = []
    size = 0
    for clone in range(share.first, share.end, share.step):
        for position, one in enumerate(_stencils):
            batch.append((one, clone + 1, number_of(clone, position, len(_stencils))))
            size += len(one)
            if size >= BATCH:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def number_of(clone: int, position: int, templates: int) -> int:
    """Which person the Patient of a clone is."""
    return (clone + 1) * templates + position


def table_sizes(database_url: str) -> dict[str, tuple[int, int]]:
    """Bytes of each table, and of its indexes."""
    with psycopg.connect(database_url) as db:
        names = ("resource", "idx", "str", "span", "quantity", "change", "vocabulary")
        query = sql.SQL("SELECT pg_table_size({0}::regclass), pg_indexes_size({0}::regclass)")
        return {name: db.execute(query.format(sql.Literal(name))).fetchone() for name in names}
