"""`jiankang load`: FHIR files into the record, on all cores, with progress and every error named.

Takes transaction and batch Bundles, collections, single resources (.json) and NDJSON, plain or compressed (.gz .bz2
.zst). What is wrong with one line or Bundle never stops the rest.
"""

from __future__ import annotations

import asyncio
import bz2
import gzip
import io
import multiprocessing
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import zstandard

from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.dictionaries import improve
from jiankang.foundation.record.judging import NOT_VALID, is_flagged, judged, prepared
from jiankang.foundation.record.store import Change, Prepared, Record
from jiankang.kernel.errors import Problem
from jiankang.kernel.settings import Settings

if TYPE_CHECKING:
    from jiankang.foundation.record.wire.server import Server

Progress = Callable[[str], None]
Compose = Callable[["Server"], None]

BATCH_LINES = 400
_TEND_SECONDS = 0.4
_ENDINGS = (".json", ".ndjson")
_PACKED = {".gz", ".bz2", ".zst"}
FIRST = ("hospital", "organization", "location", "practitioner")
_REFUSED = re.compile(rb'"status":"[45]')
_spawn = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Piece:
    """Work for one process: a Bundle or resource file, or some lines of an NDJSON file, starting at line `first`."""

    path: str
    first: int = 0
    lines: tuple[bytes, ...] = ()


@dataclass(slots=True)
class Tally:
    """How a load went."""

    resources: int = 0
    failed: int = 0
    flagged: int = 0
    errors: list[str] = field(default_factory=list)
    later: list[Piece] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count what another piece did."""
        self.resources += other.resources
        self.failed += other.failed
        self.flagged += other.flagged
        self.errors += other.errors
        self.later += other.later


def kind_of(path: Path) -> str | None:
    """`.json` or `.ndjson` when the file is one of ours, packed or not."""
    suffixes = [suffix for suffix in path.suffixes if suffix not in _PACKED]
    return suffixes[-1] if suffixes and suffixes[-1] in _ENDINGS else None


def open_plain(path: Path) -> io.BufferedIOBase:
    """The file's content, unpacked on the way."""
    match path.suffix:
        case ".gz":
            return gzip.open(path, "rb")
        case ".bz2":
            return bz2.open(path, "rb")
        case ".zst":
            return io.BufferedReader(zstandard.open(path, "rb"))
        case _:
            return path.open("rb")


def files(paths: Iterable[Path]) -> list[Path]:
    """All files to load: those that others refer to first."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(one for one in path.rglob("*") if one.is_file() and kind_of(one))
        elif path.is_file():
            found.append(path)
        else:
            raise FileNotFoundError(path)
    return sorted(found, key=lambda path: not any(word in path.name.lower() for word in FIRST))


def pieces(paths: Sequence[Path]) -> Iterator[Piece]:
    """The work, cut so that no process waits long for another."""
    for path in paths:
        if kind_of(path) != ".ndjson":
            yield Piece(str(path))
            continue
        with open_plain(path) as lines:
            batch: list[bytes] = []
            first = number = 0
            for number, line in enumerate(lines, 1):
                if line.strip():
                    batch.append(line)
                if len(batch) >= BATCH_LINES:
                    yield Piece(str(path), first, tuple(batch))
                    batch, first = [], number
            if batch:
                yield Piece(str(path), first, tuple(batch))
        del number


def load_paths(
    database_url: str,
    paths: Sequence[Path],
    *,
    workers: int = 2,
    progress: Progress,
    compose: Compose | None = None,
    settings: Settings | None = None,
) -> int:
    """Load all files; 0 when everything was taken, 1 when something was refused, 2 when there is nothing to load.

    `compose` (a function of a module: it goes to other processes by its name) brings the other rooms together.
    """
    try:
        found = files(paths)
    except FileNotFoundError as missing:
        progress(f"there is no {missing}")
        return 2
    if not found:
        progress("no .json or .ndjson file there")
        return 2
    started = time.monotonic()
    early = [path for path in found if any(word in path.name.lower() for word in FIRST)]
    rest = found[len(early) :]
    total = Tally()
    with _spawn.Pool(workers, _open_worker, (database_url, compose, settings or Settings())) as pool:
        for group in (early, rest):
            _do(pool, pieces(group), total, progress, started)
        while total.later:
            again, total.later = total.later, []
            progress(f"   trying {len(again)} Bundles again whose references may be known by now")
            before = total.resources
            _do(pool, iter(again), total, progress, started)
            if total.resources == before:
                break
    for piece in total.later:
        total.failed += 1
        total.errors.append(f"{Path(piece.path).name}: refers to what is not known")
    asyncio.run(_settle(database_url, progress))
    seconds = time.monotonic() - started
    progress(
        f"-- {total.resources} resources in {seconds:.1f} s ({total.resources / seconds:.0f}/s), {total.failed} refused"
    )
    if total.flagged:
        progress(
            f"   {total.flagged} of them are not valid: GET /fhir/Type?_tag={NOT_VALID['system']}|{NOT_VALID['code']}"
        )
    for error in total.errors[:20]:
        progress(f"   {error}")
    return 1 if total.failed else 0


def _do(pool: Any, work: Iterator[Piece], total: Tally, progress: Progress, started: float) -> None:
    shown = time.monotonic()
    for tally in pool.imap_unordered(_load_piece, work):
        total.add(tally)
        if time.monotonic() - shown > 2:
            shown = time.monotonic()
            rate = total.resources / (shown - started)
            progress(f"   {total.resources} resources, {rate:.0f}/s, {total.failed} refused")


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()


class _Bundle(msgspec.Struct):
    resourceType: str = ""  # noqa: N815 - FHIR's name
    type: str = ""
    entry: list[_Entry] = []


async def _settle(database_url: str, progress: Progress) -> None:
    """Let PostgreSQL look at what was loaded: statistics, and which pages an index-only scan may trust."""
    progress("-- looking over the index tables")
    async with Record.open(database_url, connections=1) as record, record.side.connection() as db:
        await db.execute("SET statement_timeout = 0")
        for table in ("resource", "idx", "str", "span", "quantity", "vocabulary", "change"):
            await db.execute(f"VACUUM (ANALYZE) {table}")


# -- in the worker processes --------------------------------------------------------------------------------------


def _number(one: tuple[int, Problem]) -> int:
    return one[0]


def _first_error(problem: Problem) -> str:
    return next((issue.text for issue in problem.issues if issue.severity == "error"), str(problem))


class _Worker:
    """A process that loads: its own event loop, its own connections."""

    def __init__(self, database_url: str, compose: Compose | None, settings: Settings) -> None:
        from jiankang.foundation.record.bulk.working import server_for

        self.loop = asyncio.new_event_loop()
        limits = replace(settings, max_bundle_entries=1_000_000, max_bundle_bytes=1 << 31)
        self._opened = server_for(database_url, limits, compose)
        self.server = self.loop.run_until_complete(self._opened.__aenter__())
        self.record = self.server.record
        self._tended = time.monotonic()

    def load(self, piece: Piece) -> Tally:
        """Load one piece."""
        return self.loop.run_until_complete(self._tending(piece))

    async def _tending(self, piece: Piece) -> Tally:
        tally = await self._load(piece)
        if time.monotonic() - self._tended > _TEND_SECONDS:
            await improve(self.record)
            self._tended = time.monotonic()
        return tally

    async def _load(self, piece: Piece) -> Tally:
        if piece.lines:
            return await self._lines(piece)
        with open_plain(Path(piece.path)) as source:
            raw = source.read()
        try:
            parsed = msgspec.json.decode(raw, type=_Bundle)
        except msgspec.DecodeError as error:
            return Tally(failed=1, errors=[f"{Path(piece.path).name}: {error}"])
        if parsed.resourceType != "Bundle":
            return await self._lines(Piece(piece.path, 0, (raw,)))
        if parsed.type in {"transaction", "batch"}:
            return await self._bundle(piece, raw, len(parsed.entry))
        return await self._lines(Piece(piece.path, 0, tuple(bytes(entry.resource) for entry in parsed.entry)))

    async def _bundle(self, piece: Piece, raw: bytes, count: int) -> Tally:
        from jiankang.foundation.record.interactions.bundles import process
        from jiankang.foundation.record.wire.http import JSON, Request

        headers = {"content-type": JSON, "prefer": "return=minimal"}
        request = Request(self.server, LOCAL_OPERATOR, "POST", (), [], headers, raw, "")
        try:
            answer = await process(request)
        except Problem as problem:
            if any(issue.code == "not-found" for issue in problem.issues):
                return Tally(later=[piece])
            return Tally(
                failed=count, errors=[f"{Path(piece.path).name}: {issue.text}" for issue in problem.issues[:5]]
            )
        refused = len(_REFUSED.findall(answer.body))
        told = [f"{Path(piece.path).name}: {refused} entries refused"] if refused else []
        return Tally(count - refused, refused, answer.body.count(b'"outcome":') - refused, told)

    async def _lines(self, piece: Piece) -> Tally:
        tally = Tally()
        ready: dict[tuple[str, str | None], Prepared] = {}
        for number, one in await self._judged(piece, tally):
            key = (one.type, one.id or f"new {number}")
            if key in ready:  # a later line about the same resource is its next version
                await self._put(piece, ready, tally)
                ready = {}
            ready[key] = one
        await self._put(piece, ready, tally)
        return tally

    async def _judged(self, piece: Piece, tally: Tally) -> list[tuple[int, Prepared]]:
        """The lines that may be written, with their numbers."""
        found: list[tuple[int, Prepared]] = []
        judge = self.server.judge
        wrong: list[tuple[int, Problem]] = []
        for number, line in enumerate(piece.lines, piece.first + 1):
            try:
                found.append((number, prepared(judge, line)))
            except Problem as problem:
                wrong.append((number, problem))
        refused = await judged(judge, [one for _, one in found])
        wrong += [(found[place][0], problem) for place, problem in refused.items()]
        tally.failed += len(wrong)
        name = Path(piece.path).name
        tally.errors += [
            f"{name} line {number}: {_first_error(problem)}" for number, problem in sorted(wrong, key=_number)
        ]
        return [one for place, one in enumerate(found) if place not in refused]

    async def _put(self, piece: Piece, ready: dict[tuple[str, str | None], Prepared], tally: Tally) -> None:
        changes = [Change("PUT" if one.id else "POST", one.type, one.id, one) for one in ready.values()]
        if not changes:
            return
        try:
            await self.record.run(LOCAL_OPERATOR, lambda tx: tx.apply(changes))
            tally.resources += len(changes)
            tally.flagged += sum(is_flagged(one) for one in ready.values())
        except Problem as problem:
            tally.failed += len(changes)
            tally.errors.append(f"{Path(piece.path).name}: {problem}")


_worker: _Worker | None = None


def _open_worker(database_url: str, compose: Compose | None, settings: Settings) -> None:
    global _worker  # noqa: PLW0603 - one for each process of the pool
    _worker = _Worker(database_url, compose, settings)


def _load_piece(piece: Piece) -> Tally:
    if _worker is None:
        raise RuntimeError("the worker was not opened")
    return _worker.load(piece)
