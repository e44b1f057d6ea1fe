"""Segments as text: HL7 v2.8 chapter 2, with the customary delimiters, in UTF-8."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

Field = str | Sequence[object] | None
"""A field: text; a list of components, each text or a list of sub-components; or `Repeated`."""

_ESCAPES = str.maketrans(
    {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\", "\r": "\\X0D\\", "\n": "\\.br\\"}
)


def escaped(text: str) -> str:
    """Text with the delimiters in it escaped (2.7.1)."""
    return text.translate(_ESCAPES)


class Repeated(list[Field]):
    """The repetitions of a field."""


def segment(name: str, **fields: Field) -> str:
    """A segment whose fields are named by their numbers: `f3` is the third."""
    by_number = {int(key[1:]): _field(value) for key, value in fields.items() if value}
    return "|".join([name, *(by_number.get(number, "") for number in range(1, max(by_number, default=0) + 1))])


def _field(value: Field) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, Repeated):
        return "~".join(filter(None, (_field(one) for one in value)))
    return "^".join(_component(one) for one in value).rstrip("^")


def _component(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, Iterable):
        return "&".join("" if one is None else escaped(str(one)) for one in value).rstrip("&")
    return escaped(str(value))


def moment(at: datetime) -> str:
    """A moment as DTM, with its offset."""
    return at.strftime("%Y%m%d%H%M%S") + (at.strftime("%z") or "+0000")


def dtm(text: str | None) -> str:
    """A FHIR date, dateTime or instant as DTM, no more exact than it is (2.A.22)."""
    if not text:
        return ""
    day, _, rest = text.partition("T")
    stamp = day.replace("-", "")
    if not rest:
        return stamp
    clock, offset = rest, ""
    for mark in ("Z", "+", "-"):
        if mark in rest:
            clock, _, after = rest.partition(mark)
            offset = "+0000" if mark == "Z" else mark + after.replace(":", "")
            break
    whole, _, part = clock.partition(".")
    return stamp + whole.replace(":", "") + (f".{part[:4]}" if part else "") + offset


class Writer:
    """A message that is being written, from its header on."""

    def __init__(self, header: str) -> None:
        self.segments = [header]

    def add(self, name: str, **fields: Field) -> Writer:
        """Add a segment."""
        self.segments.append(segment(name, **fields))
        return self

    def extend(self, segments: Iterable[str]) -> Writer:
        """Add segments."""
        self.segments.extend(segments)
        return self

    @property
    def bytes(self) -> bytes:
        """The message."""
        return "".join(f"{one}\r" for one in self.segments).encode()


def header(
    kind: Sequence[str], *, control: str, at: datetime, receiver: tuple[str, str], sender: tuple[str, str],
    version: str = "2.5.1", processing: str = "P", profile: str = "",
) -> str:  # fmt: skip
    """MSH. `kind` is code, event and structure: ("ADT", "A08", "ADT_A01")."""
    fields = [
        "MSH", "^~\\&", *(escaped(one) for one in (*sender, *receiver)), moment(at), "", "^".join(kind),
        escaped(control), processing, version, "", "", "", "", "", "UNICODE UTF-8", "", "", escaped(profile),
    ]  # fmt: skip
    return "|".join(fields).rstrip("|")
