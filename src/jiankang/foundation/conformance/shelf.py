"""Every StructureDefinition of the record, at hand in one process: what validation takes profiles from.

http://hl7.org/fhir/R4/profiling.html
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import zstandard

from jiankang.fhir.definitions import load
from jiankang.fhir.validation.profiles.packages import newest
from jiankang.foundation.record.codec import join_text
from jiankang.foundation.terminology import stamp
from jiankang.kernel.database import translated
from jiankang.kernel.jsontext import decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jiankang.foundation.record.store import Coming, Record, Transaction

Json = dict[str, Any]
TYPE = "StructureDefinition"
DECODED = 200

_NAMES = "SELECT rid, version FROM resource WHERE type = %s AND NOT deleted"
_BODIES = "SELECT rid, id, version, updated, body FROM resource WHERE rid = ANY(%s::bigint[]) AND NOT deleted"


@dataclass(frozen=True, slots=True)
class Held:
    """One StructureDefinition: what it is chosen by, and its text, compressed."""

    rid: int
    version: int
    url: str
    business_version: str
    type: str
    kind: str
    derivation: str
    title: str
    packed: bytes


class Shelf:
    """`Packages` of validation over the StructureDefinitions of a record, as far as `refresh` has read them."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self._held: dict[int, Held] = {}
        self._by_url: dict[str, dict[str, Held]] = {}
        self._decoded: OrderedDict[int, tuple[Held, Json]] = OrderedDict()

    async def refresh(self) -> bool:
        """Read what was written, or deleted, since last time; whether there was anything."""
        with translated():
            async with self.record.side.connection() as db:
                cursor = db.cursor(binary=True)
                await cursor.execute(_NAMES, (load().type_code(TYPE),))
                found = dict(await cursor.fetchall())
                wanted = [rid for rid, version in found.items() if not self._has(rid, version)]
                rows: list[Any] = []
                if wanted:
                    await cursor.execute(_BODIES, (wanted,))
                    rows = await cursor.fetchall()
        if not rows and len(found) == len(self._held):
            return False
        held = {rid: one for rid, one in self._held.items() if rid in found}
        for rid, id_, version, updated, body in rows:
            text = join_text(TYPE, id_, version, updated, await self.record.payload(bytes(body)))
            held[rid] = _read(rid, version, text)
        by_url: dict[str, dict[str, Held]] = {}
        for rid in sorted(held):
            by_url.setdefault(held[rid].url, {})[held[rid].business_version] = held[rid]
        self._held, self._by_url, self._decoded = held, by_url, OrderedDict()  # readers in threads keep what they have
        return True

    def _has(self, rid: int, version: int) -> bool:
        held = self._held.get(rid)
        return held is not None and held.version == version

    def structure(self, url: str, version: str | None = None) -> Json | None:
        """The StructureDefinition of a canonical URL, the newest where no version is named; None when there is none."""
        versions = self._by_url.get(url)
        chosen = None if versions is None else newest(versions, version)
        if versions is None or chosen is None:
            return None
        held, decoded = versions[chosen], self._decoded
        found = decoded.get(held.rid)
        if found is None or found[0] is not held:
            found = (held, decode(zstandard.decompress(held.packed)))
            decoded[held.rid] = found
            if len(decoded) > DECODED:
                decoded.popitem(last=False)
        return found[1]

    def profiles(self) -> list[Held]:
        """All profiles of resources, by title."""
        found = [one for one in self._held.values() if one.kind == "resource" and one.derivation == "constraint"]
        return sorted(found, key=lambda one: (one.title, one.url, one.business_version))


def _read(rid: int, version: int, text: bytes) -> Held:
    value = decode(text)

    def said(name: str) -> str:
        found = value.get(name)
        return found if isinstance(found, str) else ""

    title = said("title") or said("name") or said("url")
    return Held(
        rid, version, said("url"), said("version"), said("type"), said("kind"), said("derivation"), title,
        zstandard.compress(text),
    )  # fmt: skip


_SHELVES: WeakKeyDictionary[Record, Shelf] = WeakKeyDictionary()


def shelf_of(record: Record) -> Shelf:
    """The shelf of a process over a record; from then on every write of a StructureDefinition is told of."""
    found = _SHELVES.get(record)
    if found is None:
        found = _SHELVES[record] = Shelf(record)
        record.guards[TYPE] = _guard
    return found


async def _guard(tx: Transaction, writes: Sequence[Coming]) -> None:
    tx.definitional = True
    for write in writes:
        await stamp(tx.db, f"{write.change.type}/{write.id}")
