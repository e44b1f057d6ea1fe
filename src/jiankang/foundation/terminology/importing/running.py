"""Runs an import: reads the file for its hierarchy, then writes the concepts in batches, each kept for good.

An import that was cut off goes on where it was. A system is seen by nobody until its last concept is there; then it
takes the place of one with the same URL and version in one moment.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jiankang.foundation.terminology.builtin import builtin
from jiankang.foundation.terminology.importing.claml import ClaML
from jiankang.foundation.terminology.importing.loinc import Loinc
from jiankang.foundation.terminology.importing.resources import CodeSystemFile
from jiankang.foundation.terminology.importing.rf2 import Rf2
from jiankang.foundation.terminology.importing.sources import Folder, Named, Source, open_text
from jiankang.foundation.terminology.importing.tables import Table
from jiankang.foundation.terminology.writing import (
    Rows,
    drop_system,
    hierarchy_of,
    new_system,
    stamp,
    write_closure,
    write_concepts,
)
from jiankang.kernel.database import open_pool, translated
from jiankang.kernel.errors import Conflict, Invalid, NotFound
from jiankang.kernel.ids import key64
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from jiankang.foundation.terminology.hierarchy import Hierarchy
    from jiankang.foundation.terminology.model import Draft

BATCH = 20_000
_LISTED = "SELECT url, version, origin, concepts, ready, done FROM code_system ORDER BY url, version"
_KEPT = 150_000
FORMATS: dict[str, Callable[[Path, Named], Source]] = {
    "codesystem": CodeSystemFile, "claml": ClaML, "loinc": Loinc, "rf2": Rf2, "table": Table,
}  # fmt: skip
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: `concepts` in the system, of which `written` now, in `seconds`."""

    url: str
    version: str
    concepts: int
    written: int
    seconds: float


def format_of(path: Path) -> str:
    """The format of a file or folder by its name and beginning. Raises NotFound, or Invalid when it is none of ours."""
    if not path.exists():
        raise NotFound(f"{path} does not exist")
    if path.is_dir() or path.suffix == ".zip":
        with Folder(path) as folder:
            names = folder.names()
        if any("sct2_Concept_Snapshot_" in name for name in names):
            return "rf2"
        if any(name.lower().endswith("loinc.csv") for name in names):
            return "loinc"
        if path.is_dir() or len(names) != 1:
            raise Invalid(f"{path.name} holds neither an RF2 snapshot nor a LOINC release")
    with open_text(path) as file:
        try:
            start = file.read(4_000)
        except UnicodeDecodeError:
            raise Invalid(f"{path.name} is not a text in UTF-8") from None
    if start.lstrip().startswith("{"):
        return "codesystem"
    if start.lstrip().startswith("<"):
        return "claml"
    return "loinc" if "LOINC_NUM" in start.partition("\n")[0] else "table"


def _identity(path: Path, kind: str) -> str:
    """What an import has to find again to go on: the same file, unchanged."""
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    states = [(each.name, each.stat().st_size, each.stat().st_mtime_ns) for each in files]
    return f"{kind}:{path.name}:{key64(repr(states)) & (1 << 63) - 1:x}"


async def import_path(
    database_url: str, path: Path, named: Named | None = None, *, kind: str | None = None, say: Say = lambda _: None
) -> Imported:
    """Import one code system. Raises Invalid for what cannot be read, Conflict while another process imports the same."""
    named = named or Named()
    began = time.monotonic()
    kind = kind or format_of(path)
    with _seldom_collecting():
        source = FORMATS[kind](path, named)
    url, version = source.header["url"], source.header.get("version", "")
    say(f"-- {path.name}: {kind}, {url}{f' version {version}' if version else ''}; reading the hierarchy")
    kept: list[Draft] = []
    with _seldom_collecting():
        hierarchy = hierarchy_of(_keeping(source.drafts(), kept))
    count = len(hierarchy.order)
    with translated():
        async with open_pool(database_url, 1, 1) as pool, pool.connection() as db:
            row = await (
                await db.execute("SELECT pg_try_advisory_lock(%s)", (key64(f"import:{url}|{version}"),))
            ).fetchone()
            if row is None or not row[0]:
                raise Conflict(f"{url} {version} is being imported by another process")
            await db.execute("SET synchronous_commit = off")
            await db.execute("SET statement_timeout = 0")
            await db.execute("SET gin_pending_list_limit = '32MB'")
            system, done = await _begin(db, source, hierarchy, _identity(path, kind))
            if done:
                say(f"-- going on after {done:,} of {count:,} concepts")
            with _seldom_collecting():
                await _write(db, system, kept or source.drafts(), hierarchy, done, say)
            say("   putting the indexes in order")
            for index in ("concept_words", "concept_facts"):
                await db.execute("SELECT gin_clean_pending_list(%s::regclass)", (index,))
            await db.execute("VACUUM (ANALYZE, INDEX_CLEANUP off) concept")
            await _finish(db, system, source.header, hierarchy)
    seconds = time.monotonic() - began
    return Imported(url, version, count, count - done, seconds)


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """What is read stays: looking for garbage in it again and again would cost a third of the time."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _keeping(drafts: Iterable[Draft], kept: list[Draft]) -> Iterator[Draft]:
    """The same drafts; `kept` has them all afterwards, or none when they are too many to be kept."""
    for count, draft in enumerate(drafts, 1):
        if count <= _KEPT:
            kept.append(draft)
        elif kept:
            kept.clear()
        yield draft


async def _begin(db: AsyncConnection[Any], source: Source, hierarchy: Hierarchy, identity: str) -> tuple[int, int]:
    """The system's number and how many of its concepts are there from an earlier run."""
    header = source.header
    url, version = header["url"], header.get("version", "")
    rows = await (
        await db.execute(
            "SELECT id, done, source, concepts FROM code_system WHERE url = %s AND version = %s AND NOT ready",
            (url, version),
        )
    ).fetchall()
    count = len(hierarchy.order)
    for system, done, before, concepts in rows:
        if before == identity and concepts == count:
            return system, done
        async with db.transaction():
            await drop_system(db, system)
    system = await new_system(
        db, header, "import", ready=False, polyhierarchy=hierarchy.polyhierarchy, count=count, source=identity
    )
    return system, 0


async def _write(
    db: AsyncConnection[Any], system: int, source: Iterable[Draft], hierarchy: Hierarchy, done: int, say: Say
) -> None:  # fmt: skip
    rows = Rows(system, hierarchy)
    count = len(hierarchy.order)
    drafts: Iterator[tuple[int, Draft]] = itertools.islice(enumerate(source), done, None)
    began, started = time.monotonic(), done
    while done < count:
        async with db.transaction():
            written = await write_concepts(db, rows, itertools.islice(drafts, BATCH))
            if not written:
                raise Conflict("the file became shorter while it was read: begin again")
            done += written
            await db.execute("UPDATE code_system SET done = %s WHERE id = %s", (done, system))
        rate = (done - started) / max(time.monotonic() - began, 1e-3)
        say(f"   {done:,} of {count:,} concepts, {rate:,.0f} a second")


async def _finish(db: AsyncConnection[Any], system: int, header: dict[str, Any], hierarchy: Hierarchy) -> None:
    url, version = header["url"], header.get("version", "")
    async with db.transaction():
        await db.execute("SET LOCAL synchronous_commit = on")
        rows = await (
            await db.execute("SELECT id FROM code_system WHERE url = %s AND version = %s AND ready", (url, version))
        ).fetchall()
        for (old,) in rows:
            await drop_system(db, old)
        await write_closure(db, system, hierarchy)
        await db.execute(
            "UPDATE code_system SET ready = true, changed = now(), header = %s WHERE id = %s",
            (encode({**header, "count": len(hierarchy.order)}).decode(), system),
        )
        await stamp(db, url)


def cli_import(database_url: str, paths: list[Path], named: Named, kind: str | None, say: Say) -> int:
    """Import each path, telling of progress; the exit code."""
    for path in paths:
        result = asyncio.run(import_path(database_url, path, named, kind=kind, say=say))
        rate = result.written / max(result.seconds, 1e-3)
        say(
            f"-- {result.url}{f' version {result.version}' if result.version else ''}: {result.concepts:,} concepts, "
            f"{result.written:,} written in {result.seconds:.1f} s ({rate:,.0f} a second)"
        )
    return 0


def cli_list(database_url: str, say: Say) -> int:
    """Tell of each system in the tables and how many more come with the platform; the exit code."""

    async def told() -> list[tuple[Any, ...]]:
        with translated():
            async with open_pool(database_url, 1, 1) as pool, pool.connection() as db:
                cursor = await db.execute(_LISTED)
                found: list[tuple[Any, ...]] = await cursor.fetchall()
                return found

    rows = asyncio.run(told())
    for url, version, origin, concepts, ready, done in rows:
        state = origin if ready else f"{origin}, cut off after {done:,}"
        say(f"{concepts:>9,}  {url}{f'|{version}' if version else ''}  ({state})")
    there = {row[0] for row in rows}
    say(f"and {len(builtin().systems.keys() - there):,} that come with the platform and were not asked for yet")
    return 0
