"""What is looked at before a message is acknowledged: quick, and enough to tell a sender at once what is missing.

Everything else shows when the message lands; what is wrong then is mended at the console. Errors are of table HL70357.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jiankang.capabilities.exchange.hl7v2.mapping import moments
from jiankang.capabilities.exchange.model import Complaint

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.hl7v2.wire import Message, Segment

REQUIRED_SEGMENTS = {
    "ADT": ("PID",), "ORU": ("PID", "OBR"), "ORM": ("PID", "ORC"), "OMG": ("ORC",), "OML": ("ORC",), "OMP": ("ORC",),
    "OUL": ("OBR",), "MDM": ("PID", "TXA"), "SIU": ("SCH",), "VXU": ("PID", "RXA"), "RDE": ("PID", "ORC"),
    "RDS": ("PID", "RXD"), "RAS": ("PID", "RXA"), "DFT": ("PID", "FT1"), "PPR": ("PID", "PRB"), "REF": ("PID",),
    "BAR": ("PID",), "MFN": ("MFI", "MFE"),
}  # fmt: skip
"""Segments without which a message says nothing that could be kept (a laboratory may order without ORC in OML)."""

_EITHER = {"OML": ("ORC", "OBR"), "OMG": ("ORC", "OBR"), "MFN": ("MFE",)}

REQUIRED_FIELDS = {
    "PID": (3,), "OBX": (3,), "OBR": (4,), "MRG": (1,), "TXA": (2,), "RXA": (5,), "AL1": (3,), "FT1": (4,), "MFI": (1,),
    "MFE": (1,),
}  # fmt: skip
"""Fields without which a segment says nothing that could be kept."""

_INSTEAD = {("PID", 3): (2, 4, 18), ("OBR", 4): (2, 3), ("AL1", 3): (4,)}
"""Fields that do as well: PID-2 was the internal number up to 2.3 of the norm."""

_MOMENTS = {"PID": (7, 29), "PV1": (44, 45), "EVN": (2,), "OBR": (7, 22), "OBX": (14,)}


def check(message: Message) -> list[Complaint]:
    """What is wrong with a message at first sight."""
    kind = message.trigger[0]
    return [*_missing_segments(message, kind), *_missing_fields(message), *_no_moments(message)]


def _missing_segments(message: Message, kind: str) -> Iterator[Complaint]:
    names = {segment.name for segment in message}
    instead = _EITHER.get(kind)
    if instead is not None and not names.isdisjoint(instead):
        return
    for name in REQUIRED_SEGMENTS.get(kind, ()):
        if name not in names:
            yield Complaint(f"the segment {name} is missing", name, "100", fatal=True)


def _missing_fields(message: Message) -> Iterator[Complaint]:
    for segment in message:
        for number in REQUIRED_FIELDS.get(segment.name, ()):
            if not segment.raw(number) and not any(segment.raw(n) for n in _INSTEAD.get((segment.name, number), ())):
                yield Complaint(f"{segment.name}-{number} is missing", _place(segment, number), "101", fatal=True)


def _no_moments(message: Message) -> Iterator[Complaint]:
    for segment in message:
        for number in _MOMENTS.get(segment.name, ()):
            text = segment.raw(number)
            if text and text != '""' and moments.day(segment[number].c()) is None:
                said = f"{segment.name}-{number} is no date or time of the form YYYYMMDDHHMMSS"
                yield Complaint(said, _place(segment, number), "102")


def _place(segment: Segment, number: int) -> str:
    return f"{segment.name}[{segment.number}]-{number}" if segment.number > 1 else f"{segment.name}-{number}"
