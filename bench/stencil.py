"""A family's rows as the store would copy them, cut where clones differ: a clone is the pieces put together again.

The rows are taken from the store itself while it writes two clones of the family; what is cut out is known by value
(numbers, keys, ids, the time of the change, bodies). That the pieces of the first clone make every byte of the second
proves the cuts; a store that changes its tables needs no change here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from struct import Struct
from typing import Any

import multiplier
from jiankang.foundation.access import LOCAL_OPERATOR, compartment_key
from jiankang.foundation.record import copying
from jiankang.foundation.record.codec import Codec
from jiankang.foundation.record.indexing import resource_key
from jiankang.foundation.record.store import Change, Prepared, Record, Transaction
from multiplier import Family

_FIRST, _SECOND = 0x7E57AB1E, 0x81A854E1
_EIGHT = re.compile(rb"(?=\x00\x00\x00\x08(.{8}))", re.DOTALL)
_BODY = b"--the body goes here--"
_BODY_FIELD = re.compile(re.escape(len(_BODY).to_bytes(4, "big") + _BODY))
_long = Struct(">q").pack


class _Marking(Codec):
    """Puts a mark where a body would be."""

    def compress(self, payload: bytes) -> bytes:
        return _BODY


class _Taking(Transaction):
    """Keeps the rows instead of copying them."""

    def __init__(self, record: Record, taken: dict[str, bytes]) -> None:
        super().__init__(record, None, LOCAL_OPERATOR)  # type: ignore[arg-type]
        self.taken = taken

    async def _copy(self, table: str, lines: Any) -> None:
        if lines:
            self.taken[table] = b"".join(lines)


@dataclass(frozen=True, slots=True)
class Stencil:
    """How to make the rows of a clone of `family`, but for its Patient.

    `tables` holds for each table the pieces, every second one to be filled in, and what picks the fillings from the
    list of the clone's id prefix, its time, its bodies and its keys (each a base XOR the number of a slot).
    """

    family: Family
    keys: list[tuple[int, int]]
    tables: dict[str, tuple[list[bytes], Any]]
    pack: Any

    def __len__(self) -> int:
        return len(self.family)

    def rows(self, clone: int, updated: datetime, codec: Codec) -> dict[str, bytes]:
        """The rows of each table in binary COPY format."""
        bodies = [codec.compress(payload) for payload in _payloads(self.family, clone)]
        return self.filled(clone, updated, bodies)

    def filled(self, clone: int, updated: datetime, bodies: list[bytes]) -> dict[str, bytes]:
        """The rows with these stored bodies."""
        prefix = f"{clone:0{multiplier.PREFIX}x}"
        rids = [resource_key(name, prefix + id_[multiplier.PREFIX :]) for name, id_ in self.family.names]
        packed = self.pack(*[base ^ rids[slot] for base, slot in self.keys])
        values = [prefix.encode(), _long(copying.microseconds(updated))]
        values += [len(body).to_bytes(4, "big") + body for body in bodies]
        values += [packed[at : at + 8] for at in range(0, len(packed), 8)]
        made = {}
        for table, (pieces, fillings) in self.tables.items():
            filled = pieces.copy()
            filled[1::2] = fillings(values)
            made[table] = b"".join(filled)
        return made


def _payloads(family: Family, clone: int) -> list[bytes]:
    joint = f"{clone:0{multiplier.PREFIX}x}".encode()
    return [joint.join(template.parts) for template in family.templates]


async def stencil(record: Record, family: Family) -> Stencil:
    """The stencil of a family; its codes are in the vocabulary from now on. Raises ValueError when cuts are missing."""
    moments = [datetime.fromisoformat("2026-01-02T03:04:05.678901+00:00") + timedelta(days=days) for days in (0, 77)]
    first, second = [
        await _taken(record, list(multiplier.clones(family, clone, 0))[1:], moment)
        for clone, moment in zip((_FIRST, _SECOND), moments, strict=True)
    ]
    keys = _known(family)
    made = _cut(family, first, keys, moments[0])
    bodies = [_BODY] * len(family.templates)
    if made.filled(_FIRST, moments[0], bodies) != first or made.filled(_SECOND, moments[1], bodies) != second:
        raise ValueError("the store's rows depend on ids in a way that is not known here")
    return made


async def _taken(record: Record, some: list[Prepared], moment: datetime) -> dict[str, bytes]:
    taken: dict[str, bytes] = {}
    keep = record.codec, record.clock
    record.codec, record.clock = _Marking(), lambda: moment
    try:
        changes = [Change("PUT", one.type, one.id, one) for one in some]
        await _Taking(record, taken).apply(changes, new={one.id for one in some})
    finally:
        record.codec, record.clock = keep
    return taken


def _known(family: Family) -> dict[bytes, tuple[int, int]]:
    """Each eight-byte value of the first clone that depends on ids: its base and its slot."""
    ids = [multiplier.clone_id(id_, _FIRST) for _, id_ in family.names]
    rids = [resource_key(name, id_) for (name, _), id_ in zip(family.names, ids, strict=True)]
    known = {_long(rid): (0, slot) for slot, rid in enumerate(rids)}
    for slot, (name, _) in enumerate(family.names):  # a resource's own compartment
        known[_long(compartment_key(name, rids[slot]))] = (compartment_key(name, 0), slot)
    for template in family.templates:
        for keys in (template.keys, template.facts):
            for position, slot in keys.slots:
                known[_long(keys.base[position] ^ rids[slot])] = (keys.base[position], slot)
    return known


def _cut(family: Family, rows: dict[str, bytes], known: dict[bytes, tuple[int, int]], moment: datetime) -> Stencil:
    order = list(known)
    number = {value: at for at, value in enumerate(order)}
    prefix = f"{_FIRST:0{multiplier.PREFIX}x}".encode()
    updated = _long(copying.microseconds(moment))
    bodies = len(family.templates)
    tables = {}
    for table, blob in rows.items():
        cuts: list[tuple[int, int, int]] = [(at.start(), at.end(), 0) for at in re.finditer(prefix, blob)]
        cuts += [(at.start(), at.end(), 2 + n) for n, at in enumerate(_BODY_FIELD.finditer(blob))]
        for at in _EIGHT.finditer(blob):
            value = at[1]
            if value == updated or value in number:
                start = at.start() + 4
                cuts.append((start, start + 8, 1 if value == updated else 2 + bodies + number[value]))
        cuts.sort()
        pieces, fillings, done = [], [], 0
        for start, end, filling in cuts:
            pieces += [blob[done:start], b""]
            fillings.append(filling)
            done = end
        pieces.append(blob[done:])
        tables[table] = pieces, itemgetter(*fillings) if len(fillings) > 1 else _single(fillings)
    keys = [known[value] for value in order]
    return Stencil(family, keys, tables, Struct(f">{len(keys)}q").pack)


def _single(fillings: list[int]) -> Any:
    return lambda values: [values[at] for at in fillings]
