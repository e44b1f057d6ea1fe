"""A message as it was written: every byte of it can be had again, and parts are only split when they are asked for.

HL7 v2.8 chapter 2, sections 2.5 to 2.7: https://www.hl7.eu/HL7v2x/v28/std28/ch02.html
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from jiankang.capabilities.exchange.hl7v2.wire.charsets import decode
from jiankang.capabilities.exchange.hl7v2.wire.escapes import unescape

MAX_SEGMENTS = 200_000


class Malformed(Exception):  # noqa: N818 - read as a sentence
    """Not an HL7 v2 message. `code` is of table HL70357, `place` the segment and field."""

    def __init__(self, text: str, *, code: str = "100", place: str = "MSH") -> None:
        super().__init__(text)
        self.code = code
        self.place = place


class Delimiters(NamedTuple):
    """MSH-1 and MSH-2: what fields, components, repetitions and sub-components are told apart by."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    sub: str = "&"
    charset: str = "utf-8"
    """What the bytes of an escape sequence such as \\XD6D0\\ are text of."""


class Value:
    """One repetition of a field, with its components and their sub-components. False when nothing is in it."""

    __slots__ = ("_components", "delimiters", "text")

    def __init__(self, text: str, delimiters: Delimiters) -> None:
        self.text = text
        self.delimiters = delimiters
        self._components: list[str] | None = None

    def __bool__(self) -> bool:
        return bool(self.text)

    def __repr__(self) -> str:
        return f"Value({self.text!r})"

    @property
    def components(self) -> list[str]:
        """The components as they are written."""
        if self._components is None:
            self._components = self.text.split(self.delimiters.component)
        return self._components

    def raw(self, number: int) -> str:
        """A component as it is written, counted from 1; empty when it is not there."""
        components = self._components or self.components
        return components[number - 1] if number <= len(components) else ""

    def c(self, number: int = 1, sub: int = 1) -> str:
        """The text of a component's sub-component, both counted from 1, escapes resolved; empty when not there."""
        text = self.raw(number)
        if self.delimiters.sub and self.delimiters.sub in text:
            subs = text.split(self.delimiters.sub)
            text = subs[sub - 1] if sub <= len(subs) else ""
        elif sub > 1:
            return ""
        return unescape(text, self.delimiters) if self.delimiters.escape in text else text

    def part(self, number: int) -> Value:
        """A component as a value of its own: its sub-components become components (2.5.3.3)."""
        return Value(self.raw(number), _lowered(self.delimiters))

    @property
    def all(self) -> str:
        """The whole text, escapes resolved."""
        return unescape(self.text, self.delimiters) if self.delimiters.escape in self.text else self.text

    @property
    def is_null(self) -> bool:
        """Whether the sender says that there is none: `""` (2.5.3)."""
        return self.text == '""'


@lru_cache(maxsize=64)
def _lowered(delimiters: Delimiters) -> Delimiters:
    return delimiters._replace(component=delimiters.sub, sub="\x00")


class Segment:
    """One segment. `number` is its place among those of its name in the message, from 1."""

    __slots__ = ("_fields", "delimiters", "line", "name", "number")

    def __init__(self, line: str, delimiters: Delimiters, number: int = 1) -> None:
        self.line = line
        self.delimiters = delimiters
        self.name = line[:3]
        self.number = number
        self._fields: list[str] | None = None

    def __repr__(self) -> str:
        return f"Segment({self.line!r})"

    @property
    def fields(self) -> list[str]:
        """The fields as they are written; 0 is the segment's name, and MSH-1 the field separator itself."""
        if self._fields is None:
            self._fields = self.line.split(self.delimiters.field)
            if self.name in _HEADERS:
                self._fields.insert(1, self.delimiters.field)
        return self._fields

    def raw(self, number: int) -> str:
        """A field as it is written; empty when it is not there."""
        fields = self._fields or self.fields
        return fields[number] if number < len(fields) else ""

    def __getitem__(self, number: int) -> Value:
        """The first repetition of a field."""
        text = self.raw(number)
        if self.delimiters.repetition in text and not self._is_encoding(number):
            text = text.split(self.delimiters.repetition, 1)[0]
        return Value(text, self.delimiters)

    def all(self, number: int) -> list[Value]:
        """All repetitions of a field that hold something."""
        text = self.raw(number)
        if not text:
            return []
        if self.delimiters.repetition not in text or self._is_encoding(number):
            return [Value(text, self.delimiters)]
        return [Value(one, self.delimiters) for one in text.split(self.delimiters.repetition) if one]

    def repetitions(self, number: int) -> list[Value]:
        """All repetitions of a field in their places, with those that hold nothing."""
        text = self.raw(number)
        parts = [text] if self._is_encoding(number) else text.split(self.delimiters.repetition)
        return [Value(one, self.delimiters) for one in parts]

    def _is_encoding(self, number: int) -> bool:
        return number <= 2 and self.name in _HEADERS

    @property
    def serialised(self) -> str:
        """The segment put together from its fields."""
        fields = self.fields
        if self.name in _HEADERS:
            fields = [fields[0], *fields[2:]]
        return self.delimiters.field.join(fields)


_HEADERS = frozenset({"MSH", "FHS", "BHS"})
_BEFORE = "\ufeff\r\n \x0b"
"""What some put before MSH: a byte order mark, line ends, a frame's first byte."""


class Message:
    """A message: its segments in order."""

    __slots__ = ("before", "charset", "delimiters", "doubts", "lines", "raw", "segments", "separators")

    def __init__(self, raw: bytes, zone_charset: str = "") -> None:
        """Read the frame of a message. Raises Malformed; bytes that are no text of the charset are kept as they are.

        `zone_charset` is the character set of messages that name none (MSH-18).
        """
        self.raw = raw
        text, self.charset, self.doubts = decode(raw, zone_charset)
        start = len(text) - len(text.lstrip(_BEFORE))
        self.before, text = text[:start], text[start:]
        if text[:3] != "MSH":
            raise Malformed("a message begins with the segment MSH", code="100")
        self.delimiters = _delimiters(text, self.charset)
        self.lines, self.separators = _split(text)
        if len(self.lines) > MAX_SEGMENTS:
            raise Malformed(f"the message has {len(self.lines)} segments; at most {MAX_SEGMENTS} are taken", code="207")
        numbers: dict[str, int] = {}
        self.segments: list[Segment] = []
        for line in self.lines:
            if line:
                name = line[:3]
                numbers[name] = number = numbers.get(name, 0) + 1
                self.segments.append(Segment(line, self.delimiters, number))

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments)

    @property
    def header(self) -> Segment:
        """MSH."""
        return self.segments[0]

    def first(self, name: str) -> Segment | None:
        """The first segment of this name."""
        return next((one for one in self.segments if one.name == name), None)

    def named(self, name: str) -> list[Segment]:
        """All segments of this name."""
        return [one for one in self.segments if one.name == name]

    @property
    def trigger(self) -> tuple[str, str]:
        """MSH-9: message code and trigger event, as in ("ADT", "A01")."""
        kind = self.header[9]
        return kind.c(1), kind.c(2)

    @property
    def control(self) -> str:
        """MSH-10, the message control id."""
        return self.header[10].c()

    @property
    def version(self) -> str:
        """MSH-12, the version of the norm."""
        return self.header[12].c() or "2.3"

    @property
    def text(self) -> str:
        """The whole text, as it was decoded."""
        return self.before + "".join(f"{line}{end}" for line, end in zip(self.lines, self.separators, strict=True))

    def serialised(self) -> bytes:
        """The message put together again from its parts: the bytes that it was made of."""
        parts: list[str] = []
        segments = iter(self.segments)
        for line, separator in zip(self.lines, self.separators, strict=True):
            parts += (next(segments).serialised if line else "", separator)
        return (self.before + "".join(parts)).encode(self.charset, "surrogateescape")


def _delimiters(text: str, charset: str) -> Delimiters:
    if len(text) < 8:
        raise Malformed("MSH-1 and MSH-2 name the delimiters: they are missing", code="101", place="MSH-2")
    field = text[3]
    end = text.find(field, 4)
    encoding = text[4:end] if end > 0 else ""
    given = field + encoding[:4]
    if len(encoding) < 1 or len(set(given)) != len(given) or any(one.isalnum() or one in "\r\n" for one in given):
        raise Malformed(f"the delimiters {given!r} cannot be told apart", code="102", place="MSH-2")
    defaults = ("^", "~", "\\", "&")
    component, repetition, escape, sub = (
        encoding[place] if place < len(encoding) else _free(defaults[place], given) for place in range(4)
    )
    return Delimiters(field, component, repetition, escape, sub, charset)


def _free(wanted: str, taken: str) -> str:
    """The customary delimiter where none is named, or one that no text has when it means something else."""
    return wanted if wanted not in taken else "\x00"


def _split(text: str) -> tuple[list[str], list[str]]:
    """Segments and what ends each: carriage return by the norm, line feed or both by custom."""
    if "\n" not in text:
        lines = text.split("\r")
        return lines, ["\r"] * (len(lines) - 1) + [""]
    lines, ends = [], []
    for line in text.splitlines(keepends=True) if not _odd_breaks(text) else _by_hand(text):
        body = line.rstrip("\r\n")
        lines.append(body)
        ends.append(line[len(body) :])
    return lines, ends


_ODD = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"


def _odd_breaks(text: str) -> bool:
    return any(one in text for one in _ODD)


def _by_hand(text: str) -> list[str]:
    """Lines by CR, LF and CRLF alone: what else Unicode calls a line break belongs to the text."""
    import re

    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)


def messages(raw: bytes) -> Iterator[bytes]:
    """The messages of a batch or a file (FHS, BHS, BTS, FTS; 2.10.3), or of several in a row."""
    import re

    body = raw.removeprefix(b"\xef\xbb\xbf")
    starts = [found.start() for found in re.finditer(rb"(?:(?<=^)|(?<=[\r\n]))MSH(?=[^A-Za-z0-9\r\n])", body)]
    for start, end in zip(starts, [*starts[1:], len(body)], strict=False):
        part = body[start:end]
        trailer = re.search(rb"[\r\n](?:BTS|FTS|BHS|FHS)(?=[^A-Za-z0-9]|$)", part)
        yield part if trailer is None else part[: trailer.start() + 1]
