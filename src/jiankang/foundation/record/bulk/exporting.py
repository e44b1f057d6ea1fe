"""`$export`: the record as it was at one moment, walked in an order that never changes, so that it can be taken up again.

A whole record or all patients are walked along the log of changes, type by type: a change belongs to the export when
no later one of the same resource was made up to that moment. Chosen patients are walked one after another.
https://hl7.org/fhir/uv/bulkdata/export.html
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load
from jiankang.fhir.outcome import told
from jiankang.foundation.access import AuditEvent, compartment_key, resource_key
from jiankang.foundation.record.bulk.asking import EPOCH, Ask, level_types, moment, read_filter
from jiankang.foundation.record.bulk.files import Files, Piece
from jiankang.foundation.record.bulk.jobs import Job, note
from jiankang.foundation.record.bulk.writing import one_line
from jiankang.foundation.record.indexing import by_lane
from jiankang.foundation.record.interactions.everything import compartment_keys
from jiankang.foundation.record.search.meaning import no_terminology
from jiankang.foundation.record.search.running import Runner
from jiankang.foundation.record.search.sql import Bound, test
from jiankang.foundation.record.store import METHODS, Stored
from jiankang.foundation.record.wire.bundles import Shape
from jiankang.kernel.clock import instant
from jiankang.kernel.database import translated
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from psycopg import AsyncConnection

    from jiankang.fhir.search import Registry
    from jiankang.foundation.record.store import Record

CHUNK = 1_000
SETTLE_SECONDS = 0.5
"""How long a writer may need between looking at the clock and its first row."""

_PATIENTS = 25
_LONGEST_TRANSACTION = 150
_DELETE = METHODS.index("DELETE")

_LOG = """
SELECT seq, rid, version, method, updated FROM change
WHERE type = %(type)s::smallint AND seq > %(after)s AND updated <= %(until)s AND updated > %(since)s
ORDER BY seq LIMIT %(limit)s
"""
_ROWS = """
SELECT r.rid, r.type, r.id, r.version, r.updated, r.deleted, r.method, r.keys, r.body, {matched} AS matched
FROM resource AS r WHERE r.rid = ANY({rids}) {allowed}
"""
_PAST = """
SELECT DISTINCT ON (rid) rid, version, updated, deleted, method, body FROM history
WHERE rid = ANY(%s::bigint[]) AND updated <= %s ORDER BY rid, version DESC
"""
_MEMBERS = "SELECT rid FROM ({found}) AS m WHERE rid > %(after)s ORDER BY rid LIMIT %(limit)s"


@dataclass(slots=True)
class _Version:
    """A resource's version as it was at the moment of the export."""

    stored: Stored
    matched: bool


class Export:
    """One export on its way, in one worker."""

    def __init__(self, record: Record, registry: Registry, job: Job, worker: str, folder: Path) -> None:
        self.record = record
        self.registry = registry
        self.job = job
        self.worker = worker
        self.ask = Ask.restored(job.asked)
        self.files = Files(folder, worker, list(job.progress.get("files", [])))
        self.cursor: dict[str, Any] = dict(job.progress.get("cursor", {}))
        self.shape = Shape(elements=self.ask.elements)
        self._filters: dict[str, list[Any]] | None = None

    async def run(self) -> None:
        """Do what is left of it. Raises Lost when the job is not this worker's any more."""
        plan = self.job.plan or await self._plan()
        self.until = datetime.fromisoformat(plan["until"])
        self.since = moment(self.ask.since, "_since") if self.ask.since else None
        self.types: list[str] = plan["types"]
        if self.ask.patients is None:
            await self._walk_log()
        else:
            await self._walk_patients(self.ask.patients)

    # -- the plan

    async def _plan(self) -> dict[str, Any]:
        """Choose the moment and wait until nothing can be committed any more that was made before it."""
        until = self.record.clock()
        await self._settle()
        if self.ask.until:
            until = min(until, moment(self.ask.until, "_until") - timedelta(microseconds=1))
        types = self.ask.types or level_types(self.ask.level)
        plan = {"until": until.isoformat(), "types": list(types)}
        lines = [
            encode(told(f"{name} is not known and was ignored", severity="warning")) + b"\n"
            for name in self.ask.ignored
        ]
        files = await self.files.add([Piece("error", "OperationOutcome", lines)])
        with translated():
            async with self.record.pool.connection() as db:
                await note(db, self.job.id, self.worker, plan=plan, progress={"files": files, "cursor": {}})
        self.files.listed = files
        return plan

    async def _settle(self) -> None:
        await asyncio.sleep(SETTLE_SECONDS)
        deadline = time.monotonic() + _LONGEST_TRANSACTION
        async with self.record.side.connection() as db:
            with translated():
                begun = await _number(db, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
                while time.monotonic() < deadline:
                    if await _number(db, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint") >= begun:
                        return
                    await asyncio.sleep(0.05)

    # -- along the log of changes

    async def _walk_log(self) -> None:
        start = self.cursor.get("type", 0)
        for number in range(start, len(self.types)):
            after = self.cursor.get("seq", 0) if number == start else 0
            while True:
                async with self.record.pool.connection() as db:
                    changes = await self._changes(db, self.types[number], after)
                    if not changes:
                        break
                    versions = await self._versions(db, {row[1] for row in changes}, self.types[number])
                    after = changes[-1][0]
                    wanted = [(row, versions.get(row[1])) for row in changes]
                    here = [one for row, one in wanted if one is not None and one.stored.version == row[2]]
                    await self._write(db, here, {"type": number, "seq": after})

    async def _changes(self, db: AsyncConnection[Any], type_name: str, after: int) -> list[tuple[Any, ...]]:
        values = {
            "type": load().type_code(type_name), "after": after, "until": self.until,
            "since": self.since or EPOCH, "limit": CHUNK,
        }  # fmt: skip
        cursor = db.cursor(binary=True)
        with translated():
            await cursor.execute(_LOG, values)
            return await cursor.fetchall()

    # -- patient by patient

    async def _walk_patients(self, patients: Sequence[str]) -> None:
        """Each resource comes with the first of its patients, so that it comes once."""
        rids = [resource_key("Patient", one) for one in patients]
        owners = {compartment_key("Patient", rid): number for number, rid in enumerate(rids)}
        codes = {load().type_code(name) for name in self.types}
        start = self.cursor.get("patient", 0)
        for first in range(start, len(patients), _PATIENTS):
            after = self.cursor.get("rid", -(2**63)) if first == start else -(2**63)
            ours = range(first, first + _PATIENTS)
            while True:
                async with self.record.pool.connection() as db:
                    members = await self._members(db, patients[first : first + _PATIENTS], after)
                    if not members:
                        break
                    versions = await self._versions(db, set(members), None)
                    here = [
                        one
                        for rid in members
                        if (one := versions.get(rid)) is not None
                        and load().type_code(one.stored.type) in codes
                        and min((owners[key] for key in one.stored.keys if key in owners), default=-1) in ours
                        and (self.since is None or one.stored.updated > self.since)
                    ]
                    after = members[-1]
                    await self._write(db, here, {"patient": first, "rid": after})

    async def _members(self, db: AsyncConnection[Any], patients: Iterable[str], after: int) -> list[int]:
        keys = sorted({key for one in patients for key in compartment_keys(self.registry, "Patient", one)})
        lanes = by_lane(keys)
        parts = [f"SELECT rid FROM idx WHERE h{lane} = ANY(%(h{lane})s::bigint[])" for lane in lanes]
        parts.append("SELECT unnest(%(owners)s::bigint[]) AS rid")
        values: dict[str, Any] = {f"h{lane}": members for lane, members in lanes.items()}
        values |= {"owners": [resource_key("Patient", one) for one in patients], "after": after, "limit": CHUNK}
        cursor = db.cursor(binary=True)
        with translated():
            await cursor.execute(_MEMBERS.format(found=" UNION ".join(parts)), values)
            return [row[0] for row in await cursor.fetchall()]

    # -- resources as they were

    async def _versions(self, db: AsyncConnection[Any], rids: set[int], type_name: str | None) -> dict[int, _Version]:
        """The versions at the moment of the export, of those that the actor may see."""
        rows = await self._rows(db, rids, type_name)
        changed = [row[0] for row in rows if row[4] > self.until]
        past = {}
        if changed:
            cursor = db.cursor(binary=True)
            with translated():
                await cursor.execute(_PAST, (changed, self.until))
                past = {row[0]: row[1:] for row in await cursor.fetchall()}
        found = {}
        names = load().resource_names
        for rid, code, id_, version, updated, deleted, method, keys, body, matched in rows:
            if updated > self.until:
                if rid not in past:
                    continue
                version, updated, deleted, method, body = past[rid]
            payload = b"" if deleted else await self.record.payload(body)
            stored = Stored(names[code], id_, version, updated, deleted, METHODS[method], payload, rid, keys=keys)
            found[rid] = _Version(stored, matched)
        return found

    async def _rows(self, db: AsyncConnection[Any], rids: set[int], type_name: str | None) -> list[tuple[Any, ...]]:
        bound = Bound(self.job.actor.restriction)
        allowed = bound.allowed("r")
        if self.ask.level != "system" and self.ask.patients is None:
            allowed += f" AND (r.home <> r.rid OR r.type = {bound.small(load().type_code('Patient'))})"
        query = _ROWS.format(
            matched=await self._matched(db, bound, type_name), rids=bound.bigs(sorted(rids)), allowed=allowed
        )
        cursor = db.cursor(binary=True)
        with translated():
            await cursor.execute(query, bound.values)
            return await cursor.fetchall()

    async def _matched(self, db: AsyncConnection[Any], bound: Bound, type_name: str | None) -> str:
        """Whether a row fulfils one of its type's filters, as SQL."""
        if not self.ask.filters:
            return "TRUE"
        if self._filters is None:
            self._filters = await self._read_filters(db)
        cases = []
        for name, groups in self._filters.items():
            if type_name not in {None, name}:
                continue
            either = " OR ".join(
                "(" + " AND ".join(["TRUE", *(test(bound, one, "r") for one in group)]) + ")" for group in groups
            )
            cases.append(f"WHEN {bound.small(load().type_code(name))} THEN {either}")
        return f"(CASE r.type {' '.join(cases)} ELSE TRUE END)" if cases else "TRUE"

    async def _read_filters(self, db: AsyncConnection[Any]) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        runner = Runner(db, self.job.actor.restriction, self.registry.meaning or no_terminology)
        for name, query in self.ask.filters:
            criteria = read_filter(name, query, self.registry, self.until).criteria
            found.setdefault(name, []).append(await runner.resolved(criteria))
        return found

    # -- writing down

    async def _write(self, db: AsyncConnection[Any], versions: Sequence[_Version], cursor: dict[str, Any]) -> None:
        """Put the versions into the files and count them, with the place to go on from, in one transaction."""
        output: dict[str, list[bytes]] = {}
        deleted: list[bytes] = []
        targets = []
        for one in versions:
            stored = one.stored
            if stored.deleted:
                if self.since is not None:
                    deleted.append(_deletion(stored))
            elif one.matched:
                output.setdefault(stored.type, []).append(one_line(self.shape.of(stored)))
                targets.append((stored.type, stored.id))
        pieces = [Piece("output", name, lines) for name, lines in output.items()]
        files = await self.files.add([*pieces, Piece("deleted", "Bundle", deleted)])
        with translated():
            async with db.transaction():
                if targets:
                    await self.record.audit(db, AuditEvent(self.job.actor.id, "export", targets))
                await note(db, self.job.id, self.worker, progress={"files": files, "cursor": cursor})
        self.files.listed = files
        self.cursor = cursor


def _deletion(stored: Stored) -> bytes:
    """A deleted resource, as the IG has it: a transaction of one DELETE."""
    entry = {"request": {"method": "DELETE", "url": f"{stored.type}/{stored.id}"}}
    meta = {"lastUpdated": instant(stored.updated)}
    return encode({"resourceType": "Bundle", "meta": meta, "type": "transaction", "entry": [entry]}) + b"\n"


async def _number(db: AsyncConnection[Any], query: str) -> int:
    row = await (await db.execute(query.encode())).fetchone()
    return 0 if row is None else int(row[0])
