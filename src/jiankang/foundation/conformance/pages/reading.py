"""What somebody pasted, read as JSON or XML, or the place where it cannot be read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from jiankang.fhir.xml import from_xml
from jiankang.foundation.conformance.pages.lines import Printed, print_json, print_xml
from jiankang.kernel.errors import Problem
from jiankang.kernel.jsontext import decode

MAX_BYTES = 2 * 1024 * 1024
_PLACE = re.compile(r" \(line (\d+)(?:, column (\d+))?\)")
_LONGEST = 400
_AROUND = 3


@dataclass(frozen=True, slots=True)
class Pasted:
    """A value that could be read, its form, and it in lines."""

    value: Any
    form: str
    printed: Printed

    @property
    def type_name(self) -> str:
        """The resource type it says it is, "" where it says none."""
        found = self.value.get("resourceType") if isinstance(self.value, dict) else None
        return found if isinstance(found, str) else ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a text cannot be read: line and column (0 where nobody knows), and the lines around with their numbers."""

    text: str
    line: int
    column: int
    around: tuple[tuple[int, str], ...]

    def cut(self, text: str) -> tuple[str, str, str]:
        """A line before, at and after the column."""
        at = max(0, min(self.column, len(text) + 1) - 1)
        return text[:at], text[at : at + 1], text[at + 1 :]


def is_xml(text: str) -> bool:
    """Whether a text means to be XML."""
    return text.lstrip("\ufeff \t\r\n").startswith("<")


def read_pasted(text: str) -> Pasted | Unreadable:
    """The value that a text says; where it says none, why not. Takes as long as the text is: for a thread."""
    text = text.removeprefix("\ufeff")
    if is_xml(text):
        text = text.lstrip()  # an XML declaration may have nothing before it
    raw = text.encode("utf-8", "surrogatepass")
    try:
        if is_xml(text):
            return Pasted(from_xml(raw), "xml", print_xml(raw))
        value = decode(raw)
        return Pasted(value, "json", print_json(value))
    except Problem as problem:
        return _unreadable(raw, problem)


def _unreadable(raw: bytes, problem: Problem) -> Unreadable:
    said = problem.issues[0].text
    place = _PLACE.search(said)
    if place is None:
        return Unreadable(said, 0, 0, ())
    line, column = int(place[1]), int(place[2] or 0)
    lines = raw.split(b"\n")
    here = lines[line - 1] if 0 < line <= len(lines) else b""
    column = len(here[: max(0, column - 1)].decode("utf-8", "replace")) + 1 if column else 0  # was counted in bytes
    around = [(number, lines[number - 1].decode("utf-8", "replace").rstrip("\r")) for number in _near(line, len(lines))]
    shown, column = _shortened(around, line, column)
    return Unreadable(said.replace(place[0], ""), line, column, tuple(shown))


def _near(line: int, count: int) -> range:
    return range(max(1, line - _AROUND), min(count, line + _AROUND) + 1)


def _shortened(around: list[tuple[int, str]], line: int, column: int) -> tuple[list[tuple[int, str]], int]:
    """The same lines, long ones cut, so that the place of the mistake stays in sight."""
    start = max(0, column - _LONGEST // 2) if column > _LONGEST // 2 else 0
    shown = []
    for number, text in around:
        first = start if number == line else 0
        part = text[first : first + _LONGEST]
        shown.append((number, ("…" if first else "") + part + ("…" if len(text) > first + _LONGEST else "")))
    return shown, column - start + (1 if start else 0)
