"""What a row becomes: its cells are read, and put into the templates of its mapping. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from jiankang.capabilities.exchange.model import Complaint, Gap, Reading, Sender, Telling
from jiankang.capabilities.exchange.naming import identify, reference
from jiankang.capabilities.exchange.tables import values
from jiankang.capabilities.exchange.tables.mapping import Column, Link, Mapped, Naming, Own, Slot, Template, bare
from jiankang.capabilities.exchange.tables.values import Value

Json = dict[str, Any]
_UPPER = frozenset({"Patient", "Organization", "Practitioner", "Encounter"})
"""Types whose numbers are compared in capital letters, as `naming` does."""

_READERS: Mapping[str, Callable[[str], Value]] = {
    "text": values.text, "date": values.day, "yes-no": values.truth, "number": values.number, "integer": values.whole,
    "pressure": values.pressure, "citizen": values.citizen, "phone": values.digits,
}  # fmt: skip


class _Nothing:
    """What a place says whose cell is empty."""


_NOTHING = _Nothing()


@dataclass(slots=True)
class Row:
    """A row being read."""

    mapping: Mapped
    sender: Sender
    heads: Mapping[str, str]
    """Column → its heading in the file."""
    cells: Mapping[str, str]
    """Column → text, of those that have one."""
    values: dict[str, Value] = field(default_factory=dict)
    complaints: list[Complaint] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    """Columns whose cells could not be read, and which no row is refused for."""
    ids: dict[str, tuple[str, str]] = field(default_factory=dict)

    def complain(self, column: str, text: str, *, fatal: bool = True) -> None:
        """Note that something is wrong with a cell."""
        place = self.heads.get(column) or (self.mapping.columns[column].heads[0] if column else "")
        self.complaints.append(Complaint(text, place, fatal=fatal))


def fill(row: Row, received: datetime) -> Reading:
    """What a row says."""
    _read_cells(row)
    _check(row)
    at, recorded = _known(row, received)
    if any(one.fatal for one in row.complaints):
        return Reading(complaints=row.complaints, gaps=row.gaps)
    for template in row.mapping.templates.values():
        _name(row, template)
    tellings = []
    for template in row.mapping.templates.values():
        if template.name in row.ids:
            says = _filled(row, template.says)
            if says is not _NOTHING:
                tellings.append(Telling(*row.ids[template.name], says, at))
    patients = [id_ for type_name, id_ in row.ids.values() if type_name == "Patient"]
    return Reading(tellings, [], row.complaints, row.gaps, patients[0] if patients else "", recorded)


def _read_cells(row: Row) -> None:
    for name, cell in row.cells.items():
        column = row.mapping.columns[name]
        if column.drop or bare(cell) in column.nothing:
            continue
        try:
            row.values[name] = _read(row, column, cell)
        except ValueError as problem:
            if column.lenient:
                row.unread.add(name)
            row.complain(name, str(problem), fatal=not column.lenient)


def _read(row: Row, column: Column, cell: str) -> Value:
    if column.kind == "datetime":
        return values.moment(cell, row.sender.zone)
    if column.kind in {"quantity", "result"}:
        unit = row.cells.get(column.unit_from, "") or column.unit
        return values.quantity(cell, unit) if column.kind == "quantity" else values.result(cell, unit)
    if column.kind == "code":
        key = bare(cell)
        if key not in column.table:
            known = "、".join(list(column.table)[:8])
            raise ValueError(
                f"不认识“{values.short(cell)}”，可用的有 {known} / “{values.short(cell)}” is not known; known are {known}"
            )
        return Value(column.table[key])
    if column.kind == "concept":
        return Value(_concept(row, column, cell))
    return _READERS[column.kind](cell)


def _concept(row: Row, column: Column, cell: str) -> Json:
    """A CodeableConcept: what the table or the sender's translations say, and the words of the cell."""
    system = own_codes(row.sender, column.system[1:]) if column.system.startswith("^") else column.system
    translated = list(row.sender.codes.get((system, cell), ())) if system else []
    known = column.table.get(bare(cell))
    codings = (known if isinstance(known, list) else [known] if known is not None else []) + translated
    if not codings and column.table and system:
        row.gaps.append(Gap(system, cell, "", row.heads.get(column.name, "")))
    return {**({"coding": codings} if codings else {}), "text": cell}


def own(sender: Sender, what: str) -> str:
    """The system of numbers that the sender's house gives: the same for all systems of the house, whatever they speak."""
    house = "_".join((sender.facility or sender.id).split())
    return sender.authorities.get(what) or f"urn:jiankang:house:{house}:{what}"


def own_codes(sender: Sender, what: str) -> str:
    """The system of codes that only this sender means."""
    return sender.systems.get(what) or f"urn:jiankang:sender:{sender.id}:{what}"


def _check(row: Row) -> None:
    for column in row.mapping.columns.values():
        if column.required and not row.cells.get(column.name):
            row.complain(column.name, "必填 / this must be filled in")
    for (one, its_part), (other, other_part) in row.mapping.agree:
        first, second = _part(row, one, its_part), _part(row, other, other_part)
        if first not in (None, second) and second is not None:
            said = f"与“{row.heads.get(other, other)}”不一致 / does not agree with it ({first} ≠ {second})"
            row.complain(one, said)


def _part(row: Row, name: str, part: str) -> Any:
    value = row.values.get(name)
    if value is None:
        return None
    return value.parts.get(part) if part else value.whole


def _known(row: Row, received: datetime) -> tuple[str, str]:
    """When the sender knew it, as a stamp, and as an instant where the hour is known too.

    Of rows that say the same moment, the one that arrived last is the newest.
    """
    arrived = received.astimezone(UTC)
    written = _part(row, row.mapping.known, "") if row.mapping.known else None
    if not isinstance(written, str):
        return f"{arrived:%Y%m%d%H%M%S.%f}", ""
    full = written if "T" in written else f"{written}T00:00:00{row.sender.zone}"
    when = datetime.fromisoformat(full).astimezone(UTC)
    if when > arrived + timedelta(days=1):
        row.complain(row.mapping.known, "日期在将来 / this is in the future")
    return f"{when:%Y%m%d%H%M%S}.{arrived:%Y%m%d%H%M%S%f}", written if "T" in written else ""


def _name(row: Row, template: Template) -> None:
    """Give a resource its id; it is not there without one."""
    if template.when and not any(row.values[name].whole is not False for name in template.when if name in row.values):
        return
    for naming in template.namings:
        parts = _parts(row, naming)
        if parts is not None:
            system = own(row.sender, naming.system.what) if isinstance(naming.system, Own) else naming.system
            if template.type in _UPPER:
                parts = [one.strip().upper() for one in parts]
            row.ids[template.name] = template.type, identify(template.type, system, *parts)
            return
    wanted = [
        row.mapping.columns[name].heads[0]
        for naming in template.namings
        for part in naming.parts
        if isinstance(part, Slot)
        for name, _ in part.choices
    ]
    if template.type == "Patient" or template.when:
        said = "、".join(dict.fromkeys(wanted))
        row.complaints.append(
            Complaint(f"缺少编号 / needs one of: {said} ({template.type})", wanted[0] if wanted else "", fatal=True)
        )


def _parts(row: Row, naming: Naming) -> list[str] | None:
    found = []
    for part in naming.parts:
        said = _slot(row, part) if isinstance(part, Slot) else part
        if said is _NOTHING:
            return None
        found.append(said["text"] if isinstance(said, dict) and "text" in said else str(said))
    return found


def _slot(row: Row, slot: Slot) -> Any:
    for name, part in slot.choices:
        said = _part(row, name, part)
        if said is not None and said != "":
            return said
    return _NOTHING


def _filled(row: Row, node: Any) -> Any:
    """A template with its cells; what holds none of those it waits for is left out."""
    if isinstance(node, Slot):
        return _slot(row, node)
    if isinstance(node, Link):
        return reference(*row.ids[node.target]) if node.target in row.ids else _NOTHING
    if isinstance(node, Own):
        return own(row.sender, node.what)
    if isinstance(node, Mapping):
        return _structure(row, node)
    if isinstance(node, list):
        items = [one for one in (_filled(row, each) for each in node) if one is not _NOTHING]
        return items or _NOTHING
    return node


def _structure(row: Row, node: Mapping[str, Any]) -> Any:
    made: Json = {}
    waits = came = False
    for name, template in node.items():
        said = _filled(row, template)
        fixed = not _has_places(template)
        waits = waits or not fixed
        if said is _NOTHING:
            if isinstance(template, Slot) and template.essential:
                return _NOTHING
            continue
        came = came or not fixed
        made[_choice(name, said)] = said
    return made if came or not waits else _NOTHING


def _has_places(node: Any) -> bool:
    if isinstance(node, Mapping):
        return any(_has_places(one) for one in node.values())
    if isinstance(node, list):
        return any(_has_places(one) for one in node)
    return isinstance(node, Slot | Link)


def _choice(name: str, said: Any) -> str:
    """The name of an element of several types, by what it is: `value[x]` → valueQuantity."""
    if not name.endswith("[x]"):
        return name
    stem = name.removesuffix("[x]")
    if isinstance(said, bool):
        return f"{stem}Boolean"
    if isinstance(said, int):
        return f"{stem}Integer"
    if isinstance(said, dict):
        return f"{stem}CodeableConcept" if "text" in said or "coding" in said else f"{stem}Quantity"
    return f"{stem}String"
