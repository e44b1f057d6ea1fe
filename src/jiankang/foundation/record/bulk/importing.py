"""`$import` and `jiankang import`: NDJSON and Bundles into the record, each exactly once, whatever ends the work early.

Lines are written some at a time, and the input's place moves in the same transaction: after a kill, the work goes on
behind the last line that was kept. A line that says what the record holds already makes no new version.
"""

from __future__ import annotations

import asyncio
import copy
import re
import time
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import zstandard

from jiankang.fhir.definitions import load
from jiankang.fhir.search import Registry, parameters
from jiankang.foundation.record.bulk.jobs import Job, beat
from jiankang.foundation.record.bulk.parts import Part, Step, advance, count, load_parts, refusal
from jiankang.foundation.record.bulk.preparing import Helper, Ready, prepare_lines
from jiankang.foundation.record.bulk.sources import located
from jiankang.foundation.record.dictionaries import improve
from jiankang.foundation.record.interactions.bundles import process
from jiankang.foundation.record.loading import kind_of, open_plain
from jiankang.foundation.record.store import Change, Prepared
from jiankang.foundation.record.wire.http import JSON, Request
from jiankang.kernel.errors import Invalid, Problem, TooCostly, TooLarge

if TYPE_CHECKING:
    import io
    from pathlib import Path

    from jiankang.foundation.access import Actor
    from jiankang.foundation.record.store import Record, Transaction
    from jiankang.foundation.record.wire.server import Server

BATCH_LINES = 400
BATCH_BYTES = 4 * 1024 * 1024
TEND_SECONDS = 2.0
_AHEAD = 2
_BUNDLE = re.compile(rb'"resourceType"\s*:\s*"Bundle"')
_DONE_TO = frozenset({"transaction", "batch"})
_HOLDS = frozenset({"collection", "searchset", "history"})

Told = Callable[[Part], None]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an input (or one entry of the Bundle on it) and where the input stands behind it.

    Its `kind` is resource, work (a Bundle that asks for something to be done) or long (more than is taken).
    """

    number: int
    raw: bytes
    end: int
    entry: int = 0
    kind: str = "resource"


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()


class _Bundle(msgspec.Struct):
    resourceType: str = ""  # noqa: N815 - FHIR's name
    type: str = ""
    entry: list[msgspec.Raw] = []


_frame = msgspec.json.Decoder(_Bundle)
_entry = msgspec.json.Decoder(_Entry)


class _Within:
    """The record, but each transaction ends with a step of the import; for interactions that open their own."""

    def __init__(self, record: Record, ending: Callable[[Transaction], Awaitable[None]]) -> None:
        self._record = record
        self._ending = ending

    def __getattr__(self, name: str) -> Any:
        return getattr(self._record, name)

    async def run(self, actor: Actor, work: Callable[[Transaction], Awaitable[Any]]) -> Any:
        async def both(tx: Transaction) -> Any:
            result = await work(tx)
            await self._ending(tx)
            return result

        return await self._record.run(actor, both)


class Import:
    """One import on its way, in one worker. `told` hears of every step; a `helper` prepares lines ahead."""

    def __init__(
        self, server: Server, job: Job, worker: str, told: Told | None = None, helper: Helper | None = None
    ) -> None:
        self.helper = helper
        self.server = server
        self.record = server.record
        self.job = job
        self.worker = worker
        self.told = told
        self._tended = 0.0

    async def run(self, numbers: Sequence[int] | None = None) -> None:
        """Do what is left of all inputs, or of these. Raises Lost when the job is not this worker's any more."""
        for part in await load_parts(self.record, self.job.id):
            if not part.done and (numbers is None or part.number in numbers):
                await self._part(part)

    async def _part(self, part: Part) -> None:
        try:
            path = await located(self.job, part.number, part.source, self.server.settings)
            if kind_of(path) == ".json":
                await self._document(part, path)
            else:
                await self._lines_of(part, path)
        except (OSError, EOFError, zlib.error, zstandard.ZstdError, Problem) as error:
            if isinstance(error, Problem) and error.status >= 500:
                raise
            problem = (
                error if isinstance(error, Problem) else Invalid(f"the input cannot be read: {type(error).__name__}")
            )
            at = Step(
                part.place, part.line, part.entry, refusals=[refusal(problem, part.line + 1, part.entry)], done=True
            )
            await self._only(part, at)

    # -- steps

    async def _only(self, part: Part, step: Step) -> None:
        """A step that writes nothing but itself."""

        async def work(tx: Transaction) -> None:
            await advance(tx.db, self.job.id, self.worker, part, step)

        await self.record.run(self.job.actor, work)
        await self._stepped(part, step)

    async def _stepped(self, part: Part, step: Step) -> None:
        count(part, step)
        if time.monotonic() - self._tended > TEND_SECONDS:
            self._tended = time.monotonic()
            await beat(self.record, self.job.id, self.worker, further=True)
            await improve(self.record)
        if self.told is not None:
            self.told(part)

    # -- NDJSON

    async def _lines_of(self, part: Part, path: Path) -> None:
        """Read on while the lines before are prepared, and those before them are written."""
        waiting: deque[tuple[list[Line], asyncio.Future[Ready | None] | None]] = deque()
        last = Line(part.line, b"", part.place)
        with open_plain(path) as source:
            _skip(source, part.place)
            for lines in _batches(source, part, self.server.settings.max_bundle_bytes):
                last = lines[-1]
                waiting.append((lines, self._ahead(part, lines)))
                if len(waiting) > _AHEAD:
                    await self._next(part, *waiting.popleft())
            while waiting:
                await self._next(part, *waiting.popleft())
        await self._only(part, Step(last.end, last.number, done=True))

    def _ahead(self, part: Part, lines: Sequence[Line]) -> asyncio.Future[Ready | None] | None:
        if self.helper is None or lines[0].kind != "resource" or not _is_standard(self.server.registry):
            return None
        return self.helper.ask([line.raw for line in lines], part.type, list(self.record.guards))

    async def _next(self, part: Part, lines: list[Line], future: asyncio.Future[Ready | None] | None) -> None:
        match lines[0].kind:
            case "long":
                await self._only(part, self._refused(lines[0], TooLarge("the line is longer than what is taken")))
            case "work":
                await self._bundle(part, lines[0])
            case "resource":
                await self._batch(part, lines, None if future is None else await future)

    def _refused(self, line: Line, problem: Problem) -> Step:
        return Step(line.end, line.number, line.entry, refusals=[refusal(problem, line.number, line.entry)])

    async def _batch(self, part: Part, lines: Sequence[Line], ready: Ready | None = None) -> None:
        """Write these lines in one transaction; when one spoils it, the halves each for themselves."""
        if not lines:
            return
        if ready is None:
            ready = await prepare_lines(self.server.judge, [line.raw for line in lines], part.type)
        last = lines[-1]
        step = Step(last.end, last.number, last.entry)
        for line, one in zip(lines, ready, strict=True):
            if isinstance(one, tuple):
                step.refusals.append(refusal(Problem(issues=one), line.number, line.entry))
        try:
            await self._write(part, step, [one for one in ready if not isinstance(one, tuple)])
        except Problem as problem:
            if problem.status >= 500:
                raise
            if len(lines) == 1:
                await self._only(part, self._refused(lines[0], problem))
                return
            half = len(lines) // 2
            await self._batch(part, lines[:half], ready[:half])
            await self._batch(part, lines[half:], ready[half:])
        else:
            await self._stepped(part, step)

    async def _write(self, part: Part, step: Step, ready: Sequence[Prepared]) -> None:
        async def work(tx: Transaction) -> None:
            step.stored = step.unchanged = 0
            for group in _apart(ready):
                changes = await _changes(tx, group)
                step.unchanged += len(group) - len(changes)
                if changes:
                    step.stored += len(await tx.apply(changes))
            await advance(tx.db, self.job.id, self.worker, part, step)

        await self.record.run(self.job.actor, work)

    # -- Bundles

    async def _document(self, part: Part, path: Path) -> None:
        """A file that is one resource or one Bundle."""
        most = max(self.server.settings.max_bundle_bytes, self.server.settings.max_resource_bytes)
        with open_plain(path) as source:
            raw = source.read(most + 1)
        if len(raw) > most:
            raise TooLarge(f"the file has more than the {most} bytes that are taken at once; NDJSON may be any size")
        line = Line(1, raw, len(raw))
        if _is_work(raw):
            await self._bundle(part, line)
        else:
            await self._held(part, line)
        if not part.done:
            await self._only(part, Step(len(raw), 1, done=True))

    async def _held(self, part: Part, line: Line) -> None:
        """A resource, or all that a collection holds."""
        frame = _framed(line.raw)
        if frame is None or frame.type not in _HOLDS:
            await self._batch(part, [line])
            return
        batch: list[Line] = []
        for number, raw in enumerate(frame.entry, 1):
            if number > part.entry:
                batch.append(Line(1, bytes(_entry.decode(raw).resource) or b"null", part.place, number))
            if len(batch) >= BATCH_LINES:
                await self._batch(part, batch)
                batch = []
        await self._batch(part, batch)

    async def _bundle(self, part: Part, line: Line) -> None:
        """A transaction wholly, or each entry of a batch for itself."""
        frame = _framed(line.raw)
        if frame is None or frame.type == "transaction":
            await self._process(part, line.raw, Step(line.end, line.number, stored=len(frame.entry) if frame else 0))
            return
        start, before = part.place, part.line
        for number, raw in enumerate(frame.entry, 1):
            if number > part.entry:
                alone = b'{"resourceType":"Bundle","type":"transaction","entry":[%s]}' % bytes(raw)
                await self._process(part, alone, Step(start, before, number, stored=1), line.number)
        await self._only(part, Step(line.end, line.number))

    async def _process(self, part: Part, raw: bytes, step: Step, line: int | None = None) -> None:
        async def ending(tx: Transaction) -> None:
            await advance(tx.db, self.job.id, self.worker, part, step)

        server = copy.copy(self.server)
        within: Any = _Within(self.record, ending)
        server.record = within
        headers = {"content-type": JSON, "prefer": "return=minimal"}
        try:
            await process(Request(server, self.job.actor, "POST", (), [], headers, raw, ""))
        except Problem as problem:
            if problem.status >= 500 and not isinstance(problem, TooCostly):
                raise
            step.stored = 0
            step.refusals.append(refusal(problem, line or step.line, step.entry))
            await self._only(part, step)
        else:
            await self._stepped(part, step)


# -- reading ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Raw:
    text: bytes
    length: int


def _is_standard(registry: Registry) -> bool:
    """Whether only official search parameters are in force, which every process knows."""
    return all(len(registry.parameters(name)) == len(parameters(name)) for name in load().resource_names)


def _skip(source: io.BufferedIOBase, place: int) -> None:
    """Go to `place`, in packed files by reading up to there."""
    left = place
    while left > 0:
        block = source.read(min(left, 1 << 20))
        if not block:
            raise Invalid("the input is shorter than it was when the import began")
        left -= len(block)


def _raw_lines(source: io.BufferedIOBase, most: int) -> Iterator[_Raw]:
    """All lines; of one that is longer than `most` bytes, only its beginning and its length."""
    while True:
        text = source.readline(most + 1)
        if not text:
            return
        length = len(text)
        if length > most and not text.endswith(b"\n"):
            while more := source.readline(1 << 20):
                length += len(more)
                if more.endswith(b"\n"):
                    break
            text = text[:100] if length > len(text) else text[:-1]
        yield _Raw(text, length)


def _batches(source: io.BufferedIOBase, part: Part, most: int) -> Iterator[list[Line]]:
    """The lines from where the input stands, those that are resources many at a time; blank ones are left out."""
    place, number = part.place, part.line
    batch: list[Line] = []
    size = 0
    for raw in _raw_lines(source, most):
        place += raw.length
        number += 1
        kind = "long" if raw.length > len(raw.text) else "work" if _is_work(raw.text) else "resource"
        line = Line(number, raw.text, place, kind=kind)
        if kind != "resource":
            if batch:
                yield batch
            yield [line]
            batch, size = [], 0
        elif raw.text.strip():
            batch.append(line)
            size += raw.length
        if len(batch) >= BATCH_LINES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _framed(raw: bytes) -> _Bundle | None:
    try:
        frame = _frame.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return frame if frame.resourceType == "Bundle" else None


def _is_work(raw: bytes) -> bool:
    """Whether this is a Bundle that asks for something to be done."""
    if _BUNDLE.search(raw) is None:
        return False
    frame = _framed(raw)
    return frame is not None and frame.type in _DONE_TO


def _apart(ready: Sequence[Prepared]) -> Iterator[list[Prepared]]:
    """Groups in which no resource comes twice: a later line about the same one is its next version."""
    group: list[Prepared] = []
    seen: set[tuple[str, str]] = set()
    for one in ready:
        key = (one.type, one.id or "")
        if one.id and key in seen:
            yield group
            group, seen = [], set()
        seen.add(key)
        group.append(one)
    if group:
        yield group


async def _changes(tx: Transaction, group: Sequence[Prepared]) -> list[Change]:
    """What has to be written: not what the record holds already, letter for letter."""
    known = await tx.lock([(one.type, one.id) for one in group if one.id])
    sees = tx.actor.restriction
    changes = []
    for one in group:
        old = known.get((one.type, one.id)) if one.id else None
        same = old is not None and not old.deleted and old.payload == one.payload
        if not (same and old is not None and sees.permits(one.type, old.keys)):
            changes.append(Change("PUT" if one.id else "POST", one.type, one.id, one))
    return changes
