"""The one store: every write to the record goes through `Record.run`, every read by id through `Record.read`.

Versions, deletion and conditions follow http://hl7.org/fhir/R4/http.html; what is committed is on disk before the
caller hears of it, and is appended to the log of changes in the same transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from psycopg.errors import DeadlockDetected, SerializationFailure, UniqueViolation
from psycopg_pool import PoolTimeout

from jiankang.fhir.definitions import load
from jiankang.fhir.search import extract
from jiankang.fhir.structure import check
from jiankang.foundation.access import EVERYTHING, Actor, Audit, AuditEvent, NoAudit, compartment_key
from jiankang.foundation.record import copying
from jiankang.foundation.record.codec import Codec, UnknownDictionary, join_text, split_text, with_meta
from jiankang.foundation.record.indexing import LANES, Rows, by_lane, index_rows, resource_key
from jiankang.foundation.record.reads import Reads
from jiankang.kernel.clock import Clock, system_clock
from jiankang.kernel.database import open_pool, translated
from jiankang.kernel.errors import (
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    Issue,
    NotFound,
    PreconditionFailed,
    Unavailable,
    Unprocessable,
)
from jiankang.kernel.ids import NewId, new_uuid7
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

T = TypeVar("T")

METHODS = ("POST", "PUT", "PATCH", "DELETE")
_METHOD_CODE = {name: code for code, name in enumerate(METHODS)}
_TRIES = 12
_VOCABULARY_CACHE = 400_000
_BULK = 2
_MILLISECOND = timedelta(milliseconds=1)
_WAKE_SECONDS = 0.02
CHANNEL = "jiankang_change"


@dataclass(slots=True)
class Prepared:
    """A resource that is well-formed and may be written: its value, its text to store and its index rows.

    `findings` is what is to be said of it although it is written.
    """

    type: str
    id: str | None
    resource: dict[str, Any]
    payload: bytes
    rows: Rows
    findings: Sequence[Issue] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One write to be done. `prepared` is None for DELETE.

    `if_match` is the version, or one of the versions, that must be current; an empty set: whichever, but there must be one.
    """

    method: str
    type: str
    id: str | None = None
    prepared: Prepared | None = None
    if_match: int | frozenset[int] | None = None


@dataclass(slots=True)
class Stored:
    """One version of a resource as the record keeps it."""

    type: str
    id: str
    version: int
    updated: datetime
    deleted: bool
    method: str
    payload: bytes
    rid: int = 0
    created: bool = False
    changed: bool = True
    keys: Sequence[int] = ()
    at: int = 0
    home: int = 0
    findings: Sequence[Issue] = ()
    _resource: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def json(self) -> bytes:
        """The full FHIR JSON text."""
        return join_text(self.type, self.id, self.version, self.updated, self.payload)

    @property
    def resource(self) -> dict[str, Any]:
        """The resource as a value; do not change it."""
        if self._resource is None:
            self._resource = decode(self.json)
        return self._resource

    @property
    def etag(self) -> str:
        """The weak entity tag of this version."""
        return f'W/"{self.version}"'


def prepare(raw: bytes | str | dict[str, Any], *, type_name: str | None = None, id_: str | None = None) -> Prepared:
    """A resource ready to be written, from its JSON text or value.

    Raises Invalid for what is not JSON or not a resource, Unprocessable with every structural problem at once.
    """
    if isinstance(raw, dict):
        resource: Any = raw
        text = encode(raw)
    else:
        text = raw.encode() if isinstance(raw, str) else raw
        resource = decode(text)
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        raise Invalid("the body is not a FHIR resource: a JSON object with `resourceType` is expected")
    found = resource["resourceType"]
    if type_name is not None and found != type_name:
        raise Invalid(f"the body is a {found}, but {type_name} was expected here", expression=["resourceType"])
    issues = check(resource)
    if issues:
        raise Unprocessable(issues=issues)
    rows, named = _rows(resource), resource.get("id")
    return Prepared(found, id_ if id_ is not None else named, resource, split_text(text), rows)


def _rows(resource: dict[str, Any]) -> Rows:
    named = resource.pop("id", None)
    rows = index_rows(resource["resourceType"], extract(resource))
    if named is not None:
        resource["id"] = named
    return rows


def changed_meta(prepared: Prepared, members: Mapping[str, list[Any]]) -> None:
    """Give members of `meta` other values (an empty list takes one away); the rest of the text stays as it arrived."""
    meta = {**prepared.resource.get("meta", {}), **members}
    prepared.resource["meta"] = {name: value for name, value in meta.items() if value != []}
    prepared.payload = with_meta(prepared.payload, prepared.resource["meta"])
    prepared.rows = _rows(prepared.resource)


@dataclass(frozen=True, slots=True)
class Coming:
    """A write that is about to be done, with the resource's id and rid, and the version that it replaces."""

    change: Change
    id: str
    rid: int
    old: Stored | None


@dataclass(slots=True)
class _Write:
    """A change with everything decided: what the row becomes."""

    change: Change
    rid: int
    id: str
    version: int
    updated: datetime
    old: Stored | None
    home: int
    type_code: int
    method: int


_CURRENT = """
SELECT rid, version, updated, deleted, method, type, id, keys, at, home, body
FROM resource WHERE rid = ANY(%s::bigint[]) ORDER BY rid
"""
# Whoever waited for a lock may have a lower transaction number than the one waited for. The feed goes by these numbers:
# such a transaction starts again and gets a higher one, so that the versions of a resource are in the feed's order.
_LOCK = _CURRENT.replace("body\n", "body, age(xmin) < 0\n") + " FOR UPDATE"

_ARCHIVE = """
INSERT INTO history (rid, home, updated, version, type, deleted, method, id, body)
SELECT rid, home, updated, version, type, deleted, method, id, body FROM resource WHERE rid = ANY(%s::bigint[])
"""

_UNINDEX = tuple(
    f"DELETE FROM idx USING unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS o(key, at, rid) "
    f"WHERE idx.h{lane} = o.key AND idx.at = o.at AND idx.rid = o.rid"
    for lane in range(LANES)
)

_UPDATE = """
UPDATE resource SET home = %s, at = %s, updated = %s, version = %s, deleted = %s, method = %s, present = %s,
    keys = %s::bigint[], words = %s::integer[], body = %s
WHERE rid = %s
"""


def _create_statement(*, strings: bool, spans: bool, quantities: bool) -> str:
    """One statement that writes a new resource with all its rows."""
    parts = [
        """WITH r AS (INSERT INTO resource (rid, home, at, updated, version, type, deleted, method, id, present, keys,
            words, body) VALUES (%(rid)s, %(home)s, %(at)s, %(updated)s, 1, %(type)s, false, %(method)s, %(id)s,
            %(present)s, %(keys)s::bigint[], %(words)s::integer[], %(body)s)),
        c AS (INSERT INTO change (rid, updated, version, type, method)
            VALUES (%(rid)s, %(updated)s, 1, %(type)s, %(method)s))"""
    ]
    if strings:
        parts.append(
            """, s AS (INSERT INTO str (hash, rid, home, norm, raw) SELECT h, %(rid)s, %(home)s, n, w
            FROM unnest(%(s1)s::bigint[], %(s2)s::text[], %(s3)s::text[]) AS u(h, n, w))"""
        )
    if spans:
        parts.append(
            """, p AS (INSERT INTO span (hash, lo, hi, rid, home) SELECT h, l, u, %(rid)s, %(home)s
            FROM unnest(%(p1)s::bigint[], %(p2)s::bigint[], %(p3)s::bigint[]) AS u(h, l, u))"""
        )
    if quantities:
        parts.append(
            """, q AS (INSERT INTO quantity (hash, lo, hi, unit, canon_unit, canon_lo, canon_hi, rid, home)
            SELECT h, l, u, n, c, cl, ch, %(rid)s, %(home)s FROM unnest(%(q1)s::bigint[], %(q2)s::float8[],
            %(q3)s::float8[], %(q4)s::bigint[], %(q5)s::bigint[], %(q6)s::float8[], %(q7)s::float8[])
            AS u(h, l, u, n, c, cl, ch))"""
        )
    parts.append(
        " INSERT INTO idx (rid, home, at, h0, h1, h2, h3, h4, h5, h6, h7) SELECT %(rid)s, %(home)s, %(at)s, l.* FROM unnest("
        + ", ".join(f"%(h{lane})s::bigint[]" for lane in range(LANES))
        + ") AS l"
    )
    return "".join(parts)


_CREATE = {
    (s, p, q): _create_statement(strings=s, spans=p, quantities=q)
    for s in (False, True)
    for p in (False, True)
    for q in (False, True)
}


class Transaction:
    """One database transaction on behalf of one actor. Made by `Record.run`."""

    def __init__(self, record: Record, db: AsyncConnection[Any], actor: Actor) -> None:
        self.record = record
        self.db = db
        self.actor = actor
        self.definitional = False
        self._locked: dict[int, Stored | None] = {}

    async def claim(self, hashes: Iterable[int]) -> None:
        """Wait until no other transaction is deciding about these identities, and keep others waiting till the end."""
        ordered = sorted(set(hashes))
        if ordered:
            await self.db.execute(
                "INSERT INTO claim (hash) SELECT h FROM unnest(%s::bigint[]) AS h ORDER BY h "
                "ON CONFLICT (hash) DO UPDATE SET claimed = now()",
                (ordered,),
            )

    async def lock(self, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Stored | None]:
        """The current versions of these resources, kept from changing until the transaction ends; None: never existed."""
        wanted = {resource_key(type_name, id_): (type_name, id_) for type_name, id_ in names}
        await self._lock(wanted)
        return {name: self._locked[rid] for rid, name in wanted.items()}

    async def _lock(self, wanted: dict[int, tuple[str, str]]) -> None:
        missing = sorted(rid for rid in wanted if rid not in self._locked)
        if not missing:
            return
        cursor = self.db.cursor(binary=True)
        if self.record.distributed:  # rows of many shards cannot be locked in one statement: their claims can
            await self.claim(missing)
            await cursor.execute(_CURRENT, (missing,))
        else:
            await cursor.execute(_LOCK, (missing,))
        for rid in missing:
            self._locked[rid] = None
        names = load().resource_names
        for row in await cursor.fetchall():
            rid, version, updated, deleted, method, type_code, id_, keys, at, home, body, *overtaken = row
            if overtaken and overtaken[0]:
                raise SerializationFailure("another transaction that began later was here first")
            name = (names[type_code], id_)
            if name != wanted[rid]:
                raise Conflict(f"the id {wanted[rid][1]} cannot be used for {wanted[rid][0]}: choose another one")
            payload = await self.record.payload(body)
            self._locked[rid] = Stored(
                *name, version, updated, deleted, METHODS[method], payload, rid, keys=keys, at=at, home=home
            )

    async def get(self, type_name: str, id_: str) -> Stored | None:
        """The current version as this transaction sees it; None when unknown or not for the actor to know."""
        cursor = self.db.cursor(binary=True)
        await cursor.execute(_CURRENT, ([resource_key(type_name, id_)],))
        row = await cursor.fetchone()
        if row is None or row[6] != id_ or load().resource_names[row[5]] != type_name:
            return None
        rid, version, updated, deleted, method, _, _, keys, at, home, body = row
        if not self.actor.restriction.permits(type_name, keys):
            return None
        payload = await self.record.payload(body)
        return Stored(
            type_name, id_, version, updated, deleted, METHODS[method], payload, rid, keys=keys, at=at, home=home
        )

    async def apply(self, changes: Sequence[Change], *, new: Collection[str | None] = ()) -> list[Stored]:
        """Write all changes; the results in the same order. Ids in `new` were just made and are known to be free.

        A result's `created` says whether the resource did not exist (or was deleted) before, `changed` whether a new
        version was made (deleting what is deleted or unknown makes none). Raises PreconditionFailed where `if_match`
        is not the current version, NotFound for what the actor may not know of, Forbidden for what they may not write.
        """
        named = [(change, change.id or self.record.new_id()) for change in changes]
        rids = [resource_key(change.type, id_) for change, id_ in named]
        if len(set(rids)) != len(rids):
            twice = next(f"{c.type}/{i}" for (c, i), rid in zip(named, rids, strict=True) if rids.count(rid) > 1)
            raise Conflict(f"{twice} would be changed twice in one transaction", code="duplicate")
        await self._lock(
            {rid: (c.type, i) for rid, (c, i) in zip(rids, named, strict=True) if c.id is not None and c.id not in new}
        )
        now = self.record.clock()
        results: list[Stored] = []
        writes: list[_Write] = []
        for (change, id_), rid in zip(named, rids, strict=True):
            old = self._locked.get(rid)
            if (
                change.method == "DELETE"
                and old is not None
                and not self.actor.restriction.permits(change.type, old.keys)
            ):
                old = None  # nobody learns from a deletion what they may not know of
            self._permit(change, rid, old)
            if change.method == "DELETE" and (old is None or old.deleted):
                results.append(old or Stored(change.type, id_, 0, now, True, "DELETE", b"", rid))
                results[-1].changed = False
                continue
            write = self._decide(change, rid, id_, old, now)
            writes.append(write)
            results.append(self._result(write))
        await self._ask_guards(writes)
        await self._write(writes)
        for write, result in zip(writes, (r for r in results if r.changed), strict=True):
            if write.change.prepared is not None:
                prepared = write.change.prepared  # a guard may have changed it
                result.findings, result.payload, result.keys = prepared.findings, prepared.payload, _keys_of(write)
            self._locked[write.rid] = result
        if writes:
            events = [(w.change.type, w.id) for w in writes]
            await self.record.audit(self.db, AuditEvent(self.actor.id, "write", events))
        return results

    async def _ask_guards(self, writes: Sequence[_Write]) -> None:
        """Have the rooms that follow a type know of everything that is about to be written of it, in the order of types."""
        guards = self.record.guards
        guarded: dict[str, list[Coming]] = {}
        for write in writes:
            if write.change.type in guards:
                old = None if write.old is None or write.old.deleted else write.old
                guarded.setdefault(write.change.type, []).append(Coming(write.change, write.id, write.rid, old))
        for type_name in sorted(guarded):
            await guards[type_name](self, guarded[type_name])

    def _permit(self, change: Change, rid: int, old: Stored | None) -> None:
        actor = self.actor
        if actor.restriction is EVERYTHING and actor.write_restriction is None:
            return
        if old is not None and not actor.restriction.permits(change.type, old.keys):
            raise NotFound(f"{change.type}/{change.id} is not known")
        if old is not None and not actor.writes.permits(change.type, old.keys):
            raise Forbidden(f"you may not change {change.type}/{change.id}")
        if change.prepared is not None and not actor.writes.permits(
            change.type, _facts(change.prepared.rows, change.type, rid)
        ):
            raise Forbidden(f"you may not write this {change.type}")

    def _decide(self, change: Change, rid: int, id_: str, old: Stored | None, now: datetime) -> _Write:
        if change.if_match is not None and (old is None or old.deleted or not _meets(old.version, change.if_match)):
            current = "deleted or unknown" if old is None or old.deleted else f"version {old.version}"
            raise PreconditionFailed(
                f"{change.type}/{id_} is at {current}, not {_named(change.if_match)}: read it again and repeat your change"
            )
        updated = now if old is None else max(now, old.updated + _MILLISECOND)
        version = 1 if old is None else old.version + 1
        if change.prepared is None:
            home = rid if old is None else old.home
        else:
            home = _home(change.prepared.rows, rid)
        method = _METHOD_CODE[change.method]
        return _Write(change, rid, id_, version, updated, old, home, load().type_code(change.type), method)

    def _result(self, write: _Write) -> Stored:
        prepared = write.change.prepared
        created = prepared is not None and (write.old is None or write.old.deleted)
        payload = b"" if prepared is None else prepared.payload
        keys = write.old.keys if prepared is None and write.old else _keys_of(write)
        at = 0 if prepared is None else prepared.rows.at
        return Stored(
            write.change.type, write.id, write.version, write.updated, prepared is None, write.change.method, payload,
            write.rid, created, True, keys, at, write.home, () if prepared is None else prepared.findings,
        )  # fmt: skip

    async def _write(self, writes: Sequence[_Write]) -> None:
        if not writes:
            return
        await self.record.learn(writes)
        new = [write for write in writes if write.old is None]
        changed = [write for write in writes if write.old is not None]
        moved = [write for write in changed if write.old and write.old.home != write.home and write.change.prepared]
        if changed:
            await self._supersede(changed, moved)
        if len(new) == 1 and not changed:
            await self.db.execute(*self.record.create_statement(new[0]))
            return
        await self._copy("resource", [self.record.resource_row(write) for write in (*new, *moved)])
        await self._copy_index(new, changed)

    async def _supersede(self, changed: Sequence[_Write], moved: Sequence[_Write]) -> None:
        """Keep the old versions in history, take their index rows away and put the new versions in their place.

        A resource that `moved` to another patient's compartment is taken out: it is written anew beside its kin.
        """
        rids = [write.rid for write in changed]
        gone: dict[int, tuple[list[int], list[int], list[int]]] = {}
        for write in changed:
            old = write.old
            if old is None or old.deleted or _same_keys(write):
                continue
            for key in old.keys:
                keys, ats, owners = gone.setdefault(key & 7, ([], [], []))
                keys.append(key)
                ats.append(old.at)
                owners.append(write.rid)
        rows = [self._update_values(write) for write in changed if write not in moved]
        async with self.db.pipeline():
            await self.db.execute(_ARCHIVE, (rids,))
            for lane, columns in gone.items():
                await self.db.execute(_UNINDEX[lane], columns)
            for table in ("str", "span", "quantity"):
                await self.db.execute(f"DELETE FROM {table} WHERE rid = ANY(%s::bigint[])", (rids,))
            if moved:
                await self.db.execute("DELETE FROM resource WHERE rid = ANY(%s::bigint[])", ([w.rid for w in moved],))
            for row in rows:
                await self.db.execute(_UPDATE, row)

    def _update_values(self, write: _Write) -> tuple[object, ...]:
        prepared = write.change.prepared
        if prepared is None:
            old = write.old
            keys = list(old.keys) if old else []
            return (write.home, 0, write.updated, write.version, True, write.method, b"", keys, [], b"", write.rid)
        rows = prepared.rows
        body = self.record.codec.compress(prepared.payload)
        return (
            write.home, rows.at, write.updated, write.version, False, write.method, rows.present,
            _facts(rows, write.change.type, write.rid), rows.words, body, write.rid,
        )  # fmt: skip

    async def _copy_index(self, new: Sequence[_Write], changed: Sequence[_Write]) -> None:
        tables: dict[str, list[bytes]] = {"idx": [], "str": [], "span": [], "quantity": [], "change": []}
        for write in (*new, *changed):
            micro = copying.microseconds(write.updated)
            tables["change"].append(copying.change_row(write.rid, micro, write.version, write.type_code, write.method))
            prepared = write.change.prepared
            if prepared is None:
                continue
            rows = prepared.rows
            if not _same_keys(write):
                tables["idx"].extend(copying.idx_rows(rows.keys, rows.at, write.rid, write.home))
            tables["str"].extend(copying.string_rows(rows.strings, write.rid, write.home))
            tables["span"].extend(copying.span_rows(rows.spans, write.rid, write.home))
            tables["quantity"].extend(copying.quantity_rows(rows.quantities, write.rid, write.home))
        for table, lines in tables.items():
            await self._copy(table, lines)

    async def _copy(self, table: str, lines: Sequence[bytes]) -> None:
        if not lines:
            return
        cursor = self.db.cursor()
        async with cursor.copy(f"COPY {table} ({copying.COLUMNS[table]}) FROM STDIN (FORMAT BINARY)") as copy:
            await copy.write(b"".join((copying.HEADER, *lines, copying.TRAILER)))


def _meets(version: int, asked: int | frozenset[int]) -> bool:
    return version == asked if isinstance(asked, int) else not asked or version in asked


def _named(asked: int | frozenset[int]) -> str:
    known = [asked] if isinstance(asked, int) else sorted(asked)
    return f"version {' or '.join(map(str, known))}" if known else "any version"


def _same_keys(write: _Write) -> bool:
    """Whether the old version's rows of `idx` serve the new one."""
    old, prepared = write.old, write.change.prepared
    if old is None or prepared is None or old.deleted:
        return False
    return old.at == prepared.rows.at and old.home == write.home and set(old.keys) == set(_keys_of(write))


def _home(rows: Rows, rid: int) -> int:
    return rid if rows.patient is None else rows.patient


def _facts(rows: Rows, type_name: str, rid: int) -> list[int]:
    """All keys of a row: those of `idx`, its compartments and labels, and its own compartment."""
    return [*rows.keys, *rows.facts, compartment_key(type_name, rid)] if type_name in _OWN else rows.keys + rows.facts


_OWN = frozenset({"Patient", "Practitioner", "RelatedPerson", "Encounter", "Device"})


def _keys_of(write: _Write) -> list[int]:
    prepared = write.change.prepared
    return [] if prepared is None else _facts(prepared.rows, write.change.type, write.rid)


async def _is_distributed(side: AsyncConnectionPool[Any]) -> bool:
    """Whether the record lies on the nodes of a Citus cluster."""
    async with side.connection() as db:
        row = await (await db.execute("SELECT to_regclass('pg_dist_partition')")).fetchone()
        if row is None or row[0] is None:
            return False
        found = await db.execute("SELECT FROM pg_dist_partition WHERE logicalrelid = 'resource'::regclass")
        return await found.fetchone() is not None


Guard = Callable[[Transaction, Sequence[Coming]], Awaitable[None]]
"""Asked in the transaction before resources of a type are written, of all at once: raises to refuse, writes what follows.

One that changes by what the rooms judge sets `Transaction.definitional`. One that has an attribute `pipelined` that is
true copies nothing (COPY) for a single new resource: then its statements and the store's go out together.
"""


class Record:
    """The region's record: one PostgreSQL database behind one store."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Any],
        side: AsyncConnectionPool[Any],
        *,
        clock: Clock = system_clock,
        new_id: NewId = new_uuid7,
        audit: Audit | None = None,
    ) -> None:
        self.pool = pool
        self.side = side
        self.clock = clock
        self.new_id = new_id
        self.audit: Audit = audit or NoAudit()
        self.codec = Codec()
        self.reads = Reads(pool)
        self.guards: dict[str, Guard] = {}
        self.definitional = (
            0  # transactions of this process that a guard had to do with: what rooms remember may be old
        )
        self.distributed = False
        self._vocabulary: set[int] = set()
        self._waking: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls, database_url: str, *, connections: int = 8, direct_url: str = "", prepare: bool = True, **options: Any
    ) -> AsyncIterator[Record]:
        """The record in the (migrated) database at `database_url`, with up to `connections` connections for requests.

        When a pooler answers there, `direct_url` is the database itself: for what needs a session of its own.
        """
        async with (
            open_pool(database_url, 1, connections, prepare=prepare) as pool,
            open_pool(direct_url or database_url, 0, 2) as side,
        ):
            record = cls(pool, side, **options)
            await record.load_dictionaries()
            record.distributed = await _is_distributed(side)
            try:
                yield record
            finally:
                if record._waking is not None:
                    await record._waking

    # -- bodies ---------------------------------------------------------------------------------------------------

    async def load_dictionaries(self) -> None:
        """Know every dictionary that bodies are compressed with."""
        async with self.side.connection() as db:
            for id_, data in await (await db.execute("SELECT id, bytes FROM dictionary ORDER BY made")).fetchall():
                self.codec.add(id_, bytes(data))

    async def payload(self, body: bytes) -> bytes:
        """The payload of a stored body, fetching its dictionary when another process made it."""
        if not body:
            return b""
        try:
            return self.codec.decompress(body)
        except UnknownDictionary:
            await self.load_dictionaries()
        return self.codec.decompress(body)

    def resource_row(self, write: _Write) -> bytes:
        """The COPY row of a new resource."""
        prepared = write.change.prepared
        if prepared is None:
            raise Conflict("a deletion has no body")
        rows = prepared.rows
        return copying.resource_row(
            write.rid, write.home, rows.at, copying.microseconds(write.updated), write.version, write.type_code,
            write.method, write.id, rows.present, _facts(rows, write.change.type, write.rid), rows.words,
            self.codec.compress(prepared.payload),
        )  # fmt: skip

    def create_statement(self, write: _Write) -> tuple[str, dict[str, object]]:
        """The one statement that writes a new resource, with its values."""
        prepared = write.change.prepared
        if prepared is None:
            raise Conflict("a deletion has no body")
        rows = prepared.rows
        values: dict[str, object] = {
            "rid": write.rid, "home": write.home, "at": rows.at, "updated": write.updated, "type": write.type_code,
            "method": write.method, "id": write.id, "present": rows.present,
            "keys": _facts(rows, write.change.type, write.rid), "words": rows.words,
            "body": self.codec.compress(prepared.payload),
        }  # fmt: skip
        lanes = by_lane(rows.keys)
        for lane in range(LANES):
            values[f"h{lane}"] = lanes.get(lane, [])
        for letter, columns in (("s", rows.strings), ("p", rows.spans), ("q", rows.quantities)):
            for number, column in enumerate(zip(*columns, strict=True), 1):
                values[f"{letter}{number}"] = list(column)
        return _CREATE[bool(rows.strings), bool(rows.spans), bool(rows.quantities)], values

    async def learn(self, writes: Iterable[_Write]) -> None:
        """Make sure the codes used are in the vocabulary; committed on its own, so that writers never wait for it."""
        known = self._vocabulary
        fresh = {
            entry[0]: entry
            for write in writes
            if write.change.prepared
            for entry in write.change.prepared.rows.vocabulary
            if entry[0] not in known
        }
        if not fresh:
            return
        columns = [list(column) for column in zip(*(fresh[key] for key in sorted(fresh)), strict=True)]
        async with self.side.connection() as db:
            await db.execute(
                "INSERT INTO vocabulary (entry, hash, key, system, code, text, norm) SELECT * FROM unnest(%s::bigint[], "
                "%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING",
                columns,
            )
        if len(known) > _VOCABULARY_CACHE:
            known.clear()
        known.update(fresh)

    def wake(self) -> None:
        """Tell the readers of the feed that something was committed: soon, and once for many writes.

        A NOTIFY inside each transaction would make all commits wait for one another.
        """
        if self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._notify())

    async def _notify(self) -> None:
        await asyncio.sleep(_WAKE_SECONDS)
        with contextlib.suppress(Unavailable, PoolTimeout), translated():
            async with self.side.connection() as db:
                await db.execute(f"NOTIFY {CHANNEL}")

    # -- writing --------------------------------------------------------------------------------------------------

    async def run(self, actor: Actor, work: Callable[[Transaction], Awaitable[T]], *, pipelined: bool = False) -> T:
        """Do `work` in one transaction, again from its start where another writer came in between.

        With `pipelined` statements wait for one another only where one is asked for its rows; none may be a COPY.
        """
        for attempt in range(_TRIES):
            try:
                with translated():
                    async with self.pool.connection() as db:
                        tx = Transaction(self, db, actor)
                        try:
                            async with db.pipeline() if pipelined else contextlib.nullcontext(), db.transaction():
                                result = await work(tx)
                        finally:  # also undone: somebody may have gone by it meanwhile
                            self.definitional += tx.definitional
                self.wake()
                return result
            except (DeadlockDetected, SerializationFailure, UniqueViolation):
                await asyncio.sleep(random.uniform(0, 0.005 * 2 ** min(attempt, 6)))  # noqa: S311 - spreads retries
        raise Unavailable("too many others are changing the same resources just now: try again")

    async def create(self, actor: Actor, prepared: Prepared) -> Stored:
        """Write a new resource under an id of our own: the short way for the commonest write."""

        async def work(tx: Transaction) -> Stored:
            return (await tx.apply([Change("POST", prepared.type, None, prepared)]))[0]

        guard = self.guards.get(prepared.type)
        if guard is not None or not isinstance(self.audit, NoAudit):
            pipelined = guard is not None and getattr(guard, "pipelined", False) and isinstance(self.audit, NoAudit)
            return await self.run(actor, work, pipelined=pipelined)
        with translated():
            async with self.pool.connection() as db:
                stored = await work(Transaction(self, db, actor))
        self.wake()
        return stored

    # -- reading --------------------------------------------------------------------------------------------------

    async def read(self, actor: Actor, type_name: str, id_: str) -> Stored:
        """The current version. Raises NotFound when it never existed or may not be known of, Gone when deleted."""
        stored = await self.current(actor, type_name, id_)
        if stored is None:
            raise NotFound(f"{type_name}/{id_} is not known")
        if stored.deleted:
            raise Gone(f"{type_name}/{id_} was deleted on {stored.updated:%Y-%m-%d}; its history can still be read")
        return stored

    async def current(self, actor: Actor, type_name: str, id_: str) -> Stored | None:
        """The current version, deleted or not; None when it never existed or the actor may not know of it."""
        rid = resource_key(type_name, id_)
        everything = actor.restriction is EVERYTHING
        row = await self.reads.row(rid, with_keys=not everything)
        if row is None:
            return None
        _, version, updated, deleted, method, body, found, type_code, at, home, keys = row
        if found != id_ or load().resource_names[type_code] != type_name:
            return None
        if not (everything or actor.restriction.permits(type_name, keys)):
            return None
        await self.shown(actor, "read", [(type_name, id_)])
        payload = await self.payload(body)
        return Stored(
            type_name, id_, version, updated, deleted, METHODS[method], payload, rid, keys=keys or (), at=at, home=home
        )

    async def shown(
        self, actor: Actor, action: str, targets: Sequence[tuple[str, str]], db: AsyncConnection[Any] | None = None
    ) -> None:
        """Have it written down what the actor is shown, before they are; in the transaction of `db` when there is one."""
        if isinstance(self.audit, NoAudit):
            return
        event = AuditEvent(actor.id, action, targets)
        if db is not None:
            await self.audit(db, event)
            return
        with translated():
            async with self.pool.connection() as own, own.transaction():
                await self.audit(own, event)

    @asynccontextmanager
    async def reading(self, tx: Transaction | None) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection to read through: that of the transaction `tx`, which sees what it wrote, or one of its own."""
        if tx is not None:
            yield tx.db
            return
        with translated():
            async with self.pool.connection() as db:
                yield db

    async def vread(
        self, actor: Actor, type_name: str, id_: str, version: int, tx: Transaction | None = None
    ) -> Stored:
        """One version. Raises NotFound for what never existed, Gone for a version that is a deletion."""
        current = await (self.current(actor, type_name, id_) if tx is None else tx.get(type_name, id_))
        if current is None or version > current.version or version < 1:
            raise NotFound(f"{type_name}/{id_} has no version {version}")
        stored = current
        if version != current.version:
            async with self.reading(tx) as db:
                cursor = db.cursor(binary=True)
                await cursor.execute(
                    "SELECT updated, deleted, method, body FROM history WHERE rid = %s AND version = %s",
                    (current.rid, version),
                )
                row = await cursor.fetchone()
            if row is None:
                raise NotFound(f"{type_name}/{id_} has no version {version}")
            updated, deleted, method, body = row
            payload = await self.payload(body)
            stored = Stored(type_name, id_, version, updated, deleted, METHODS[method], payload, current.rid)
        if stored.deleted:
            raise Gone(f"version {version} of {type_name}/{id_} is its deletion")
        return stored


__all__ = ["METHODS", "Change", "Coming", "Prepared", "Record", "Stored", "Transaction", "prepare"]
