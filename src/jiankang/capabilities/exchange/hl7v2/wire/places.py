"""Places in a message as people write them: `PID-3(2).4.1` is the first sub-component of a repetition's fourth component."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.hl7v2.wire.message import Message, Segment, Value

PLACE = re.compile(
    r"([A-Z][A-Z0-9]{2})(?:\[(\d{1,6})\])?(?:-(\d{1,6})(?:\((\d{1,6})\))?(?:\.(\d{1,6})(?:\.(\d{1,6}))?)?)?"
)
"""Segment, its number among those of its name, field, repetition, component, sub-component; all counted from 1."""


def locate(message: Message, place: str) -> str | None:
    """What stands at a place such as `OBX[3]-5(2).1`: as written down to a component, escapes resolved from there on.

    None when there is no such segment or repetition, or when `place` is none; a field that is empty is "".
    """
    found = PLACE.fullmatch(place)
    if found is None:
        return None
    name, number, field, repetition, component, sub = found.groups()
    segment = _segment(message, name, int(number or 1))
    if segment is None or field is None:
        return segment.line if segment is not None else None
    if repetition is None and component is None:
        return segment.raw(int(field))
    value = _repetition(segment, int(field), int(repetition or 1))
    if value is None or component is None:
        return value.text if value is not None else None
    if int(component) < 1 or sub == "0":
        return None
    return value.c(int(component), int(sub)) if sub else value.part(int(component)).all


def _segment(message: Message, name: str, number: int) -> Segment | None:
    return next((one for one in message.segments if one.name == name and one.number == number), None)


def _repetition(segment: Segment, field: int, number: int) -> Value | None:
    """A repetition by its number, empty ones counted."""
    values = segment.repetitions(field)
    return values[number - 1] if 1 <= number <= len(values) else None
