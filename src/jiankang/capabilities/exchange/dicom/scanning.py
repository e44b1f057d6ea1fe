"""Walks through a DICOM file: whether its lengths fit together, and which study, series and instance it is.

Reads no values but these few, holds none, never recurses deeper than `DEEPEST`, and takes at most `MOST_ELEMENTS` steps.
https://dicom.nema.org/medical/dicom/current/output/chtml/part05/chapter_7.html,
https://dicom.nema.org/medical/dicom/current/output/chtml/part10/chapter_7.html
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from jiankang.capabilities.exchange.dicom.dataset import is_uid
from jiankang.capabilities.exchange.model import Complaint, Unreadable

DEEPEST = 32
MOST_ELEMENTS = 2_000_000
MOST_INFLATED = 256 << 20
_UNDEFINED = 0xFFFFFFFF
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SHORT = frozenset(
    (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
     b"ST", b"TM", b"UI", b"UL", b"US")
)  # fmt: skip
_IMPLICIT, _BIG, _DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SYNTAX, _PIXELS = 0x00020010, 0x7FE00010
_WANTED = {0x00080016: "kind", 0x00080018: "instance", 0x0020000D: "study", 0x0020000E: "series"}
_NAMES = {
    "kind": "SOPClassUID", "instance": "SOPInstanceUID", "study": "StudyInstanceUID", "series": "SeriesInstanceUID",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scanned:
    """Which object a file is."""

    study: str
    series: str
    instance: str
    kind: str
    """SOP Class UID."""


def scan(file: BinaryIO, size: int) -> Scanned:
    """Which object a file of `size` bytes is. Raises Unreadable with what is wrong with it."""
    file.seek(0)
    if size < 132 or file.read(132)[128:] != b"DICM":
        raise _wrong("this is no DICOM file: it has no DICM after 128 bytes")
    meta = _Walk(file, size, explicit=True, order="<")
    syntax = meta.file_meta()
    if syntax == _DEFLATED:
        plain = _inflated(file.read())
        file, size = BytesIO(plain), len(plain)
    walk = _Walk(file, size, explicit=syntax != _IMPLICIT, order=">" if syntax == _BIG else "<")
    walk.dataset(size, 0)
    for name, keyword in _NAMES.items():
        if not is_uid(walk.found.get(name, "")):
            raise _wrong("it is missing, or no unique identifier", keyword)
    return Scanned(**walk.found)


def _wrong(text: str, place: str = "") -> Unreadable:
    return Unreadable([Complaint(text, place, fatal=True)])


def _inflated(body: bytes) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = inflater.decompress(body, MOST_INFLATED)
    except zlib.error:
        raise _wrong("its deflated part cannot be inflated") from None
    if inflater.unconsumed_tail:
        raise _wrong(f"inflated it is larger than {MOST_INFLATED >> 20} MB")
    return plain


class _Walk:
    def __init__(self, file: BinaryIO, size: int, *, explicit: bool, order: str) -> None:
        self.file, self.size, self.explicit, self.order = file, size, explicit, order
        self.found: dict[str, str] = {}
        self.steps = 0

    def file_meta(self) -> str:
        """The transfer syntax; stands at the data set afterwards."""
        syntax = ""
        while (tag := self._peek()) is not None and tag >> 16 == 2:
            _, _, length = self._element(self.size)
            value = self._value(min(length, 64)) if tag == _SYNTAX else ""
            self._skip(length - (min(length, 64) if tag == _SYNTAX else 0), self.size, tag)
            syntax = value or syntax
        if not is_uid(syntax):
            raise _wrong("its transfer syntax is missing", "TransferSyntaxUID")
        return syntax

    def dataset(self, end: int, depth: int) -> None:
        """Walk through elements until `end`, or the end of an item of unknown length."""
        while self.file.tell() < end:
            tag, vr, length = self._element(end)
            if tag in (_ITEM_END, _SEQUENCE_END):
                return
            if depth == 0 and tag in _WANTED and length != _UNDEFINED:
                self.found[_WANTED[tag]] = self._value(min(length, 66))
                self._skip(length - min(length, 66), end, tag)
            elif length == _UNDEFINED and (tag == _PIXELS or vr in (b"OB", b"OW")):
                self._fragments(end)
            elif vr == b"UN" and length == _UNDEFINED:
                self._unknown(end, depth + 1)
            elif vr == b"SQ" or length == _UNDEFINED:
                inner = end if length == _UNDEFINED else self._end(length, end, tag)
                self._items(inner, depth + 1, closed=length != _UNDEFINED)
            else:
                self._skip(length, end, tag)

    def _items(self, end: int, depth: int, *, closed: bool) -> None:
        if depth > DEEPEST:
            raise _wrong(f"its sequences are nested more than {DEEPEST} deep")
        while self.file.tell() < end:
            tag, length = self._item(end)
            if tag == _SEQUENCE_END:
                return
            if tag != _ITEM:
                raise _wrong("a sequence holds something else than items", _name(tag))
            self.dataset(end if length == _UNDEFINED else self._end(length, end, tag), depth)
        if not closed:
            raise _wrong("a sequence does not end")

    def _unknown(self, end: int, depth: int) -> None:
        """A sequence that somebody passed on without knowing it is written implicitly (PS3.5, 6.2.2)."""
        explicit, order, self.explicit, self.order = self.explicit, self.order, False, "<"
        self._items(end, depth, closed=False)
        self.explicit, self.order = explicit, order

    def _fragments(self, end: int) -> None:
        while True:
            tag, length = self._item(end)
            if tag == _SEQUENCE_END:
                return
            if tag != _ITEM or length == _UNDEFINED:
                raise _wrong("its compressed pixels are no fragments", _name(tag))
            self._skip(length, end, tag)

    # -- single elements ------------------------------------------------------------------------------------------

    def _bytes(self, count: int, end: int) -> bytes:
        self.steps += 1
        if self.steps > MOST_ELEMENTS:
            raise _wrong(f"it has more than {MOST_ELEMENTS} elements")
        if self.file.tell() + count > end:
            raise _wrong("it ends in the middle of an element")
        return self.file.read(count)

    def _peek(self) -> int | None:
        here, head = self.file.tell(), self.file.read(4)
        self.file.seek(here)
        return None if len(head) < 4 else self._tag(head)

    def _tag(self, head: bytes) -> int:
        group, element = struct.unpack(f"{self.order}HH", head[:4])
        return int(group) << 16 | int(element)

    def _item(self, end: int) -> tuple[int, int]:
        head = self._bytes(8, end)
        return self._tag(head), struct.unpack(f"{self.order}I", head[4:])[0]

    def _element(self, end: int) -> tuple[int, bytes, int]:
        """Tag, value representation (empty where it is not said) and length."""
        head = self._bytes(8, end)
        tag = self._tag(head)
        if not self.explicit or tag >> 16 == 0xFFFE:
            return tag, b"", struct.unpack(f"{self.order}I", head[4:])[0]
        vr = head[4:6]
        if vr in _LONG:
            return tag, vr, struct.unpack(f"{self.order}I", self._bytes(4, end))[0]
        if vr not in _SHORT:
            raise _wrong("what stands there is no element", _name(tag))
        return tag, vr, struct.unpack(f"{self.order}H", head[6:])[0]

    def _value(self, length: int) -> str:
        return self._bytes(length, self.size).decode("ascii", "replace").strip(" \0")

    def _end(self, length: int, end: int, tag: int) -> int:
        last = self.file.tell() + length
        if last > end:
            raise _wrong(f"its length of {length} bytes leads beyond what it is in", _name(tag))
        return last

    def _skip(self, length: int, end: int, tag: int) -> None:
        self.file.seek(self._end(length, end, tag))


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
