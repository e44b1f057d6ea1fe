"""What comes with the platform: HL7's terminology (THO and R4 core) and our own systems, packed by tools/terminology.py.

A code system is written into the tables when it is first asked for; value sets are read from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from jiankang.kernel.jsontext import decode

TABLE = Path(__file__).parent / "compiled" / "builtin.msgpack"


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A resource: version, title, number of concepts, packed JSON."""

    version: str
    title: str
    concepts: int
    body: bytes

    @property
    def resource(self) -> dict[str, Any]:
        """The resource itself."""
        found: dict[str, Any] = decode(zstandard.ZstdDecompressor().decompress(self.body))
        return found


class Builtin(msgspec.Struct, frozen=True):
    """Code systems and value sets by URL, each in all versions that come along, and other names of systems."""

    systems: dict[str, list[Entry]] = msgspec.field(name="CodeSystem")
    value_sets: dict[str, list[Entry]] = msgspec.field(name="ValueSet")
    names: dict[str, str] = msgspec.field(name="names")


def chosen(entries: Sequence[Entry], version: str | None) -> Entry | None:
    """The entry of a version, the best one when none is named."""
    return next((each for each in entries if version is None or each.version == version), None)


@cache
def builtin() -> Builtin:
    """The packed table, read once for each process; empty when it was not made (`make setup` makes it)."""
    if not TABLE.exists():
        return Builtin({}, {}, {})
    return msgspec.msgpack.decode(TABLE.read_bytes(), type=Builtin)
