"""Rows in PostgreSQL's binary COPY format: the fastest way into the index tables.

https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jiankang.foundation.record.indexing import Quantity

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_INT8_OID = 20
_INT4_OID = 23

_idx = Struct(">hiqiqiq").pack
_one = Struct(">iq").pack
_five = Struct(">hiqiqiqiqiq").pack
_quantity = Struct(">hiqididiqiqididiqiq").pack
_resource = Struct(">hiqiqiqiqiiihibih").pack
_change = Struct(">hiqiqiiihih").pack
_string = Struct(">hiqiqiqi").pack
_length = Struct(">i").pack
_null = _length(-1)


def microseconds(moment: datetime) -> int:
    """A timestamptz as PostgreSQL sends it: microseconds since 2000-01-01 UTC."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


@lru_cache(maxsize=1024)
def _packer(kind: str, count: int) -> Callable[..., bytes]:
    """An array of `count` numbers, each behind its length."""
    return Struct(">iiiiii" + f"i{kind}" * count).pack


def bigints(values: Sequence[int]) -> bytes:
    """A bigint[] with its length in front."""
    count = len(values)
    if not count:
        return _length(12) + Struct(">iii").pack(0, 0, _INT8_OID)
    flat = [8] * (2 * count)
    flat[1::2] = values
    return _packer("q", count)(20 + 12 * count, 1, 0, _INT8_OID, count, 1, *flat)


def integers(values: Sequence[int]) -> bytes:
    """An integer[] with its length in front."""
    count = len(values)
    if not count:
        return _length(12) + Struct(">iii").pack(0, 0, _INT4_OID)
    flat = [4] * (2 * count)
    flat[1::2] = values
    return _packer("i", count)(20 + 8 * count, 1, 0, _INT4_OID, count, 1, *flat)


def _bytes(value: bytes) -> bytes:
    return _length(len(value)) + value


def idx_rows(keys: Iterable[int], at: int, rid: int, home: int) -> list[bytes]:
    """Rows of `idx`: as many as the fullest lane has keys."""
    head = _idx(11, 8, rid, 8, home, 8, at)
    rows: list[list[bytes]] = []
    used = [0] * 8
    for key in keys:
        lane = key & 7
        number = used[lane]
        used[lane] = number + 1
        if number == len(rows):
            rows.append([head, _null, _null, _null, _null, _null, _null, _null, _null])
        rows[number][lane + 1] = _one(8, key)
    return [b"".join(row) for row in rows]


def span_rows(spans: Iterable[tuple[int, int, int]], rid: int, home: int) -> list[bytes]:
    """Rows of `span`."""
    return [_five(5, 8, key, 8, lo, 8, hi, 8, rid, 8, home) for key, lo, hi in spans]


def quantity_rows(quantities: Iterable[Quantity], rid: int, home: int) -> list[bytes]:
    """Rows of `quantity`."""
    return [
        _quantity(9, 8, key, 8, lo, 8, hi, 8, unit, 8, canon, 8, clo, 8, chi, 8, rid, 8, home)
        for key, lo, hi, unit, canon, clo, chi in quantities
    ]


def string_rows(strings: Iterable[tuple[int, str, str | None]], rid: int, home: int) -> list[bytes]:
    """Rows of `str`."""
    rows = []
    for key, folded, raw in strings:
        norm = folded.encode()
        tail = _null if raw is None else _bytes(raw.encode())
        rows.append(_string(5, 8, key, 8, rid, 8, home, len(norm)) + norm + tail)
    return rows


def resource_row(
    rid: int,
    home: int,
    at: int,
    updated: int,
    version: int,
    type_code: int,
    method: int,
    id_: str,
    present: bytes,
    keys: Sequence[int],
    words: Sequence[int],
    body: bytes,
) -> bytes:
    """A row of `resource` that is not deleted; `updated` in `microseconds`."""
    head = _resource(13, 8, rid, 8, home, 8, at, 8, updated, 4, version, 2, type_code, 1, 0, 2, method)
    return b"".join((head, _bytes(id_.encode()), _bytes(present), bigints(keys), integers(words), _bytes(body)))


def change_row(rid: int, updated: int, version: int, type_code: int, method: int) -> bytes:
    """A row of `change`; its xid and seq are given by the database."""
    return _change(5, 8, rid, 8, updated, 4, version, 2, type_code, 2, method)


COLUMNS = {
    "resource": "rid, home, at, updated, version, type, deleted, method, id, present, keys, words, body",
    "change": "rid, updated, version, type, method",
    "idx": "rid, home, at, h0, h1, h2, h3, h4, h5, h6, h7",
    "span": "hash, lo, hi, rid, home",
    "quantity": "hash, lo, hi, unit, canon_unit, canon_lo, canon_hi, rid, home",
    "str": "hash, rid, home, norm, raw",
}
