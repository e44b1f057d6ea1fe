"""Acknowledgements: MSH, MSA and, for each thing that is wrong, ERR. HL7 v2.8 sections 2.9, 2.13.1, 2.13.4.

https://www.hl7.eu/HL7v2x/v28/std28/ch02.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.capabilities.exchange.hl7v2.wire.escapes import escape
from jiankang.capabilities.exchange.hl7v2.wire.message import Delimiters, Message
from jiankang.capabilities.exchange.hl7v2.wire.places import PLACE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jiankang.capabilities.exchange.model import Complaint

ERRORS = {
    "0": "Message accepted", "100": "Segment sequence error", "101": "Required field missing", "102": "Data type error",
    "103": "Table value not found", "104": "Value too long", "200": "Unsupported message type",
    "201": "Unsupported event code", "202": "Unsupported processing id", "203": "Unsupported version id",
    "204": "Unknown key identifier", "205": "Duplicate key identifier", "206": "Application record locked",
    "207": "Application internal error",
}  # fmt: skip
"""Table HL70357."""
_MOST = 20
_STANDARD = Delimiters()
_FRAMING = dict.fromkeys((0x0B, 0x1C, 0x0A, 0x0D), " ")


def acknowledge(
    message: Message | bytes, code: str, complaints: Sequence[Complaint], at: datetime, control: str
) -> bytes:
    """The acknowledgement of a message, in its version, delimiters and character set; of bytes that are none, a bare one.

    `code` is AA, AE, AR, CA, CE or CR (table HL70008); `control` is the acknowledgement's own MSH-10.
    """
    if isinstance(message, bytes):
        return _bare(code, complaints, at, control)
    marks, head = message.delimiters, message.header
    event = escape(message.trigger[1], marks)
    version = message.version
    kind = marks.component.join(
        ["ACK", event, "ACK"] if event and version >= "2.4" else ["ACK", event] if event else ["ACK"]
    )
    encoding = "".join(one for one in (marks.component, marks.repetition, marks.escape, marks.sub) if one != "\x00")
    fields = [
        "MSH", encoding, head.raw(5), head.raw(6), head.raw(3), head.raw(4), at.strftime("%Y%m%d%H%M%S%z"), "", kind,
        control, head.raw(11) or "P", head.raw(12) or "2.3",
    ]  # fmt: skip
    if head.raw(18):
        fields += ["", "", "", "", "", head.raw(18)]
    said = "" if version >= "2.7" or not complaints else escape(complaints[0].text, marks)
    acknowledged = marks.field.join(["MSA", code, head.raw(10), said]).rstrip(marks.field)
    segments = [marks.field.join(fields), acknowledged, *_errors(complaints, marks, version)]
    return _written(segments, message.charset)


def _bare(code: str, complaints: Sequence[Complaint], at: datetime, control: str) -> bytes:
    head = f"MSH|^~\\&|||||{at.strftime('%Y%m%d%H%M%S%z')}||ACK|{control}|P|2.5.1||||||UNICODE UTF-8"
    said = f"|{escape(complaints[0].text, _STANDARD)}" if complaints else ""
    segments = [head, f"MSA|{code}|{said}", *_errors(complaints, _STANDARD, "2.5.1")]
    return _written(segments, "utf-8")


def _written(segments: Sequence[str], charset: str) -> bytes:
    """The bytes; a letter that the sender's character set lacks is `?`, and nothing in them ends a frame."""
    text = "".join(f"{one.translate(_FRAMING)}\r" for one in segments)
    try:
        return text.encode(charset, "surrogateescape")
    except UnicodeEncodeError:
        return text.encode(charset, "replace")


def _errors(complaints: Sequence[Complaint], marks: Delimiters, version: str) -> list[str]:
    """ERR of each complaint: since 2.5 a segment each, before that repetitions of its only field."""
    told = complaints[:_MOST]
    if not told:
        return []
    if version < "2.5":
        return [marks.field.join(["ERR", marks.repetition.join(_early(one, marks) for one in told)])]
    return [_late(one, marks) for one in told]


def location(place: str, marks: Delimiters = _STANDARD) -> str:
    """A place such as `PID-3.1` as ERL: segment, its number, field, repetition, component, sub-component (2.A.28)."""
    found = PLACE.match(place)
    if found is None:
        return ""
    segment, number, field, repetition, component, sub = found.groups()
    parts = [segment, number or "1", field or "", (repetition or "1") if field else "", component or "", sub or ""]
    return marks.component.join(parts).rstrip(marks.component)


def _early(one: Complaint, marks: Delimiters) -> str:
    """ERR-1 up to 2.4 (ELD): segment, sequence, field, code."""
    place = location(one.place, marks).split(marks.component)[:3]
    code = one.code or "207"
    error = marks.sub.join([code, escape(ERRORS.get(code, ""), marks), "HL70357"])
    return marks.component.join([*([*place, "", "", ""])[:3], error])


def _late(one: Complaint, marks: Delimiters) -> str:
    """ERR-2 location, ERR-3 code, ERR-4 severity, ERR-8 what to tell people."""
    code = one.code or "207"
    error = marks.component.join([code, escape(ERRORS.get(code, ""), marks), "HL70357"])
    severity = "E" if one.fatal else "W"
    return marks.field.join(
        ["ERR", "", location(one.place, marks), error, severity, "", "", "", escape(one.text, marks)]
    )
