"""Writes DICOM files: https://dicom.nema.org/medical/dicom/current/output/chtml/part10/chapter_7.html. Explicit VR, little-endian."""

from __future__ import annotations

import struct
from collections.abc import Iterable

EXPLICIT = "1.2.840.10008.1.2.1"
Element = tuple[int, str, str | int | bytes]
"""Tag, value representation, value."""
_LONG = frozenset({"OB", "OW", "UN", "SQ"})


def file(kind: str, instance: str, elements: Iterable[Element], encoding: str) -> bytes:
    """A file with one object of a SOP class; text is written in `encoding`."""
    head = b"".join(
        _element(one, "ascii")
        for one in (
            (0x00020001, "OB", b"\x00\x01"), (0x00020002, "UI", kind), (0x00020003, "UI", instance),
            (0x00020010, "UI", EXPLICIT), (0x00020012, "UI", "2.25.217302614551172038145287361547"),
        )
    )  # fmt: skip
    body = b"".join(_element(one, encoding) for one in sorted(elements))
    return b"\0" * 128 + b"DICM" + _element((0x00020000, "UL", len(head)), "ascii") + head + body


def _element(element: Element, encoding: str) -> bytes:
    tag, vr, value = element
    raw = _raw(vr, value, encoding)
    raw += (b"\0" if vr in {"UI", "OB"} else b" ") * (len(raw) % 2)
    name = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    return name + (struct.pack("<HI", 0, len(raw)) if vr in _LONG else struct.pack("<H", len(raw))) + raw


def _raw(vr: str, value: str | int | bytes, encoding: str) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, int):
        return struct.pack("<I" if vr == "UL" else "<H", value)
    return value.encode(encoding, "replace")
