"""Finds the cases that are to be reported, and writes them as a table; each case once, and again when it changed."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from jiankang.capabilities.exchange.tables.diseases import matching, records
from jiankang.capabilities.exchange.tables.diseases.cards import COLUMNS, Case, card
from jiankang.capabilities.exchange.tables.sheets import write_sheet
from jiankang.foundation.record import search as searching
from jiankang.kernel.errors import Invalid

if TYPE_CHECKING:
    from pathlib import Path

    from jiankang.capabilities.exchange.tables.diseases.matching import Disease
    from jiankang.foundation.access import Actor
    from jiankang.foundation.record import Stored
    from jiankang.foundation.record.wire.server import Server

Json = dict[str, Any]
PAGE = 500
_UNMARKED = {"填卡日期", "报卡类别", "订正前病名"}
"""Columns that change without the case having changed."""


@dataclass(slots=True)
class Export:
    """The cards of an export."""

    rows: list[list[str]] = field(default_factory=list)
    looked_at: int = 0
    """Conditions that were looked at."""
    known: int = 0
    """Cases that were reported before and have not changed."""
    marks: list[tuple[str, bytes, str]] = field(default_factory=list)
    """What to remember once the table is written: id, digest and disease of each case."""


async def export_diseases(
    server: Server, actor: Actor, *, since: date, until: date | None = None, county: str = "", again: bool = False
) -> Export:
    """The cards of cases that the record came to know from `since` to `until` (days, both included).

    `county` is the six-digit code of the reporting county (GB/T 2260), which says where a patient belongs. Cases that
    were reported before and have not changed are left out, unless `again`. `remember` what was written. Raises Invalid.
    """
    if county and not (county.isascii() and county.isdigit() and len(county) == 6):
        raise Invalid("a county is a code of six digits (GB/T 2260)")
    export = Export()
    seen: set[tuple[str, str, str]] = set()
    around = _Around(server, actor)
    today = server.record.clock().date()
    async for found in _conditions(server, actor, since, until):
        cases = [(one, disease) for one in found if (disease := matching.of_condition(one.resource)) is not None]
        export.looked_at += len(found)
        async with server.record.pool.connection() as db:
            before = await records.told(db, [one.id for one, _ in cases])
        for one, disease in cases:
            case = await around.case(one, disease, before.get(one.id, (b"", ""))[1])
            if case is None:
                continue
            row = card(case, today, county)
            course = (str(case.patient["id"]), disease.id, row[COLUMNS.index("诊断时间")][:10])
            digest = _digest(row)
            if course in seen:
                continue
            seen.add(course)
            if not again and before.get(one.id, (b"", ""))[0] == digest:
                export.known += 1
                continue
            export.rows.append(row)
            export.marks.append((one.id, digest, disease.name))
    await server.record.shown(actor, "export", around.targets)
    return export


async def remember(server: Server, export: Export) -> None:
    """Note that the cases of an export were handed over."""
    async with server.record.pool.connection() as db:
        await records.tell(db, export.marks)


async def write_export(server: Server, export: Export, path: Path) -> None:
    """Write the cards as .xlsx, or as .csv in UTF-8; then remember that they were handed over."""
    kind = "csv" if path.suffix.lower() == ".csv" else "xlsx"
    fresh = path.with_name(f".{path.name}.part")
    fresh.write_bytes(write_sheet([COLUMNS, *export.rows], kind, name="传染病报告卡"))
    fresh.replace(path)
    await remember(server, export)


def _digest(row: Sequence[str]) -> bytes:
    said = "\x1f".join(cell for column, cell in zip(COLUMNS, row, strict=True) if column not in _UNMARKED)
    return hashlib.blake2b(said.encode(), digest_size=20).digest()


async def _conditions(server: Server, actor: Actor, since: date, until: date | None) -> AsyncIterator[list[Stored]]:
    """Conditions that changed in these days, the earliest diagnoses first."""
    params = [("_lastUpdated", f"ge{since.isoformat()}"), ("_count", str(PAGE))]
    if until is not None:
        params.append(("_lastUpdated", f"le{until.isoformat()}"))
    while params:
        async with server.record.reading(None) as db:
            result = await searching.search(
                db, actor, "Condition", params, registry=server.registry, base_url="", secret=server.secret,
                payload=server.record.payload, clock=server.record.clock,
            )  # fmt: skip
        yield result.matches
        following = result.links.get("next", "")
        params = parse_qsl(urlsplit(following).query) if following else []


class _Around:
    """What the record knows around cases, as far as the actor may see it; everything is read once."""

    def __init__(self, server: Server, actor: Actor) -> None:
        self.server = server
        self.actor = actor
        self._read: dict[tuple[str, str], Json] = {}

    @property
    def targets(self) -> list[tuple[str, str]]:
        """All that was read and is there."""
        return [name for name, one in self._read.items() if one]

    async def case(self, condition: Stored, disease: Disease, before: str) -> Case | None:
        """A case; None when its patient is not to be seen."""
        said = condition.resource
        patient = await self._of(said.get("subject"))
        if not patient or patient.get("resourceType") != "Patient":
            return None
        self._read[("Condition", condition.id)] = said
        encounter = await self._of(said.get("encounter"))
        facility = await self._of(encounter.get("serviceProvider"))
        seen_by = [one.get("individual") for one in encounter.get("participant", [])]
        doctors = [await self._of(one) for one in (said.get("recorder"), said.get("asserter"), *seen_by)]
        name = next((text for one in doctors if (text := _called(one))), "")
        return Case(said, disease, patient, encounter, _called(facility), name, before)

    async def _of(self, reference: Any) -> Json:
        """The resource that is referred to; what is only named stands as a name."""
        if not isinstance(reference, dict):
            return {}
        type_name, _, id_ = str(reference.get("reference", "")).partition("/")
        if not id_ or "/" in id_:
            return {"name": reference["display"]} if reference.get("display") else {}
        if (type_name, id_) not in self._read:
            found = await self.server.record.current(self.actor, type_name, id_)
            self._read[type_name, id_] = {} if found is None or found.deleted else found.resource
        return self._read[type_name, id_] or ({"name": reference["display"]} if reference.get("display") else {})


def _called(one: Json) -> str:
    name = one.get("name", "")
    if isinstance(name, str):
        return name
    first = name[0] if name else {}
    return str(first.get("text") or f"{first.get('family', '')}{''.join(first.get('given', []))}")
