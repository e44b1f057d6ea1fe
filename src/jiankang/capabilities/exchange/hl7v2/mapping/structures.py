"""The structures of messages, one folder each, and how much of HL7's tables for them our maps cover."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jiankang.capabilities.exchange.hl7v2.mapping.rows import sections

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = Path(__file__).parent.parent
_OFFICIAL = Path(__file__).with_name("official.tsv")
_BY_INTAKE = frozenset({"MSH", "SFT", "MSA"})
"""Segments of the message itself: who sent it, when, with which software is told by the Provenance of all it makes."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A message structure: the events that come in it, HL7's table for it, the segments that are read."""

    name: str
    title: str
    events: tuple[str, ...]
    official: str
    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Covered:
    """How many of the fields that HL7's tables give a place in FHIR are covered by our maps, and which are not."""

    structure: Structure
    rows: int
    mapped: int
    """Rows whose field becomes an element."""
    kept: int
    """Rows whose field stays in the original, or is dropped, for a reason that our map gives."""
    missing: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Covered rows of all, from 0 to 1."""
        return (self.mapped + self.kept) / self.rows if self.rows else 1.0


@cache
def structures() -> tuple[Structure, ...]:
    """All structures, by name."""
    return tuple(_read(path) for path in sorted(_FOLDER.glob("*/map")))


def _read(path: Path) -> Structure:
    told: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, *words = line.split()
        told[name] = words
    title = (path.parent / "README.md").read_text(encoding="utf-8").splitlines()[0].partition(": ")[2]
    official = "" if told["official"] == ["-"] else told["official"][0]
    return Structure(path.parent.name.upper(), title, tuple(told["events"]), official, tuple(told["segments"]))


@cache
def _official() -> tuple[Mapping[str, tuple[str, ...]], Mapping[str, tuple[tuple[int, str], ...]]]:
    """Tables by message structure, and fields with their elements by table."""
    messages: dict[str, tuple[str, ...]] = {}
    tables: dict[str, tuple[tuple[int, str], ...]] = {}
    for line in _OFFICIAL.read_text(encoding="utf-8").splitlines():
        first, second, third = line.split("\t")
        if first == ">":
            messages[second] = (*messages.get(second, ()), third)
        else:
            tables[first] = (*tables.get(first, ()), (int(second) if second.isdigit() else 0, third))
    return messages, tables


def coverage() -> list[Covered]:
    """How much of HL7's tables is covered, by structure.

    A row of a table is covered when our map of its segment turns the field into something, keeps it in the original or
    drops it, the last two with a reason. Where HL7 has no table for a message, those of its segments count.
    """
    messages, tables = _official()
    ours = _ours()
    found = []
    for structure in structures():
        named = messages.get(structure.official) or tuple(
            table for table in tables if table[:3] in structure.segments or table[:3] in _BY_INTAKE
        )
        rows = [(table, number, element) for table in named for number, element in tables[table]]
        fates = [_fate(ours, table, number) for table, number, _ in rows]
        missing = tuple(
            f"{table}-{number} {element}"
            for (table, number, element), fate in zip(rows, fates, strict=True)
            if fate is None
        )
        found.append(Covered(structure, len(rows), fates.count("mapped"), fates.count("kept"), missing))
    return found


def _ours() -> Mapping[str, Mapping[int, str]]:
    """What our maps do with the fields of each official table."""
    found: dict[str, dict[int, str]] = {}
    for section in sections().values():
        for table in section.tables:
            fates = found.setdefault(table, {})
            for row in section.rows:
                if not row.fate:
                    fates[row.number] = "mapped"
                else:
                    fates.setdefault(row.number, "kept")
    return found


def _fate(ours: Mapping[str, Mapping[int, str]], table: str, number: int) -> str | None:
    """What becomes of a row: `mapped`, `kept`, or None where no map speaks of it.

    Row 0 is what a table sets whatever the fields say; of a table that we have it is set by code or by the map.
    """
    if table[:3] in _BY_INTAKE:
        return "mapped"
    fates = ours.get(table)
    if fates is None:
        return None
    return fates.get(number) or ("mapped" if number == 0 else None)
