"""Writes the index rows of stored resources anew, touching only what differs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jiankang.foundation.record import copying
from jiankang.foundation.record.indexing import LANES, Rows, index_rows
from jiankang.foundation.record.store import Change, Prepared, _facts, _Write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg import AsyncConnection

    from jiankang.fhir.search import Registry
    from jiankang.foundation.record.store import Stored, Transaction

_VALUES = {
    "str": "SELECT rid, hash, norm, raw FROM str WHERE rid = ANY(%s::bigint[])",
    "span": "SELECT rid, hash, lo, hi FROM span WHERE rid = ANY(%s::bigint[])",
    "quantity": "SELECT rid, hash, lo, hi, unit, canon_unit, canon_lo, canon_hi FROM quantity WHERE rid = ANY(%s::bigint[])",
}
_UNINDEX = tuple(
    f"DELETE FROM idx USING unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS o(key, at, rid) "
    f"WHERE idx.h{lane} = o.key AND idx.at = o.at AND idx.rid = o.rid"
    for lane in range(LANES)
)
_UPDATE = "UPDATE resource SET at = %s, present = %s, keys = %s::bigint[], words = %s::integer[] WHERE rid = %s"


@dataclass(slots=True)
class _Fresh:
    """A stored resource with the rows that it should have."""

    stored: Stored
    prepared: Prepared
    keys: list[int]


async def rewrite(
    tx: Transaction, registry: Registry, live: Sequence[Stored], seen: Mapping[int, tuple[bytes, list[int]]]
) -> int:
    """Give these locked resources the index rows that the registry says; how many had others.

    `seen` has the bits and words of those where they are known. No version is made: the resource is what it was.
    """
    made = await asyncio.to_thread(lambda: [_fresh(registry, one) for one in live])
    await tx.record.learn(_write(one) for one in made)
    changed = await _values(tx.db, made)
    moved = [one for one in made if set(one.stored.keys) != set(one.keys) or one.stored.at != one.prepared.rows.at]
    await _keys(tx.db, moved)
    changed.update(one.stored.rid for one in moved)
    for one in made:
        rows = one.prepared.rows
        before = seen.get(one.stored.rid)
        if before is None or bytes(before[0]) != rows.present or list(before[1]) != rows.words:
            changed.add(one.stored.rid)
    updates = [_update(one) for one in made if one.stored.rid in changed]
    if updates:
        await tx.db.cursor().executemany(_UPDATE, updates)
    return len(updates)


def _fresh(registry: Registry, stored: Stored) -> _Fresh:
    """The rows as they are made when the resource is written: from what its sender wrote."""
    resource = dict(stored.resource)
    del resource["id"]
    meta = {name: value for name, value in resource.pop("meta").items() if name not in {"versionId", "lastUpdated"}}
    if meta:
        resource["meta"] = meta
    rows = index_rows(stored.type, registry.extract(resource))
    prepared = Prepared(stored.type, stored.id, resource, stored.payload, rows)
    return _Fresh(stored, prepared, _facts(rows, stored.type, stored.rid))


def _write(one: _Fresh) -> _Write:
    stored = one.stored
    change = Change("PUT", stored.type, stored.id, one.prepared)
    return _Write(change, stored.rid, stored.id, stored.version, stored.updated, stored, stored.home, 0, 0)


def _update(one: _Fresh) -> tuple[object, ...]:
    rows = one.prepared.rows
    return (rows.at, rows.present, one.keys, rows.words, one.stored.rid)


async def _values(db: AsyncConnection[Any], made: Sequence[_Fresh]) -> set[int]:
    """Bring strings, dates and quantities in step; the rids of resources where some differed."""
    differing: set[int] = set()
    rids = [one.stored.rid for one in made]
    for table, query in _VALUES.items():
        cursor = db.cursor(binary=True)
        await cursor.execute(query, (rids,))
        before: dict[int, list[tuple[Any, ...]]] = {}
        for rid, *row in await cursor.fetchall():
            before.setdefault(rid, []).append(tuple(row))
        other = [one for one in made if sorted(before.get(one.stored.rid, ()), key=repr) != _wanted(one, table)]
        if not other:
            continue
        await db.execute(f"DELETE FROM {table} WHERE rid = ANY(%s::bigint[])", ([one.stored.rid for one in other],))
        await _copy(db, table, [line for one in other for line in _lines(one, table)])
        differing.update(one.stored.rid for one in other)
    return differing


def _rows_of(rows: Rows, table: str) -> Sequence[tuple[Any, ...]]:
    found: dict[str, Sequence[tuple[Any, ...]]] = {"str": rows.strings, "span": rows.spans, "quantity": rows.quantities}
    return found[table]


def _wanted(one: _Fresh, table: str) -> list[tuple[Any, ...]]:
    return sorted(_rows_of(one.prepared.rows, table), key=repr)


def _lines(one: _Fresh, table: str) -> list[bytes]:
    maker: Any = {"str": copying.string_rows, "span": copying.span_rows, "quantity": copying.quantity_rows}[table]
    lines: list[bytes] = maker(_rows_of(one.prepared.rows, table), one.stored.rid, one.stored.home)
    return lines


async def _keys(db: AsyncConnection[Any], moved: Sequence[_Fresh]) -> None:
    """Replace the rows of `idx`."""
    gone: dict[int, tuple[list[int], list[int], list[int]]] = {}
    for one in moved:
        for key in one.stored.keys:
            keys, ats, owners = gone.setdefault(key & 7, ([], [], []))
            keys.append(key)
            ats.append(one.stored.at)
            owners.append(one.stored.rid)
    for lane, columns in gone.items():
        await db.execute(_UNINDEX[lane], columns)
    lines = [
        line
        for one in moved
        for line in copying.idx_rows(one.prepared.rows.keys, one.prepared.rows.at, one.stored.rid, one.stored.home)
    ]
    await _copy(db, "idx", lines)


async def _copy(db: AsyncConnection[Any], table: str, lines: Sequence[bytes]) -> None:
    if not lines:
        return
    async with db.cursor().copy(f"COPY {table} ({copying.COLUMNS[table]}) FROM STDIN (FORMAT BINARY)") as copy:
        await copy.write(b"".join((copying.HEADER, *lines, copying.TRAILER)))
