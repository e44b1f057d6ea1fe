"""A message as a Reading: what it says, what is wrong with it, and what became of each of its fields."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from jiankang.capabilities.exchange.hl7v2.mapping import moments
from jiankang.capabilities.exchange.hl7v2.mapping.context import Context
from jiankang.capabilities.exchange.hl7v2.mapping.rows import sections
from jiankang.capabilities.exchange.hl7v2.mapping.structures import structures
from jiankang.capabilities.exchange.hl7v2.mapping.walking import HANDLERS, walk
from jiankang.capabilities.exchange.hl7v2.wire import Malformed, Message
from jiankang.capabilities.exchange.hl7v2.wire.charsets import DAMAGED
from jiankang.capabilities.exchange.model import (
    DROPPED,
    KEPT,
    MAPPED,
    Complaint,
    Fate,
    Letter,
    Reading,
    Sender,
    Unreadable,
)

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.hl7v2.mapping.rows import Section
    from jiankang.capabilities.exchange.hl7v2.wire import Segment


@cache
def supported() -> frozenset[str]:
    """The messages that are taken: code and event, as `ADT^A01`."""
    return frozenset(event for one in structures() for event in one.events)


class Hl7v2:
    """HL7 v2, by its tables for FHIR (https://build.fhir.org/ig/HL7/v2-to-fhir/)."""

    name = "hl7v2"

    def read(self, letter: Letter, sender: Sender) -> Reading:
        """What a message says. Raises Unreadable."""
        message = _message(letter, sender)
        context = _begin(message, letter, sender)
        walk(context, message)
        reading = context.reading()
        reading.recorded = moments.instant(message.header[7].c(), sender.zone) or ""
        reading.complaints += [Complaint(doubt, "MSH-18") for doubt in message.doubts]
        if not reading.tellings and not any(one.fatal for one in reading.complaints):
            reading.complaints.append(Complaint("nothing in it could be used", "MSH-9", "207", fatal=True))
        return reading

    def fates(self, letter: Letter, sender: Sender) -> list[Fate]:
        """What becomes of every field that has a value, in the order of the message."""
        message = _message(letter, sender)
        context = _begin(message, letter, sender)
        try:
            walk(context, message)
        except Exception:  # noqa: BLE001 - the fates can be told of a message that cannot be read to its end
            context.complaints.clear()
        kind = message.trigger[0]
        return [fate for segment in message for fate in _fates(segment, kind)]


def _message(letter: Letter, sender: Sender) -> Message:
    try:
        message = Message(letter.body, sender.charset)
        if DAMAGED in message.doubts:  # what is no text cannot stand in the record; the original keeps it
            doubts = message.doubts
            message = Message(message.text.encode("utf-8", "replace"))
            message.doubts = doubts
        return message
    except Malformed as problem:
        raise Unreadable([Complaint(str(problem), problem.place, problem.code, fatal=True)]) from None


def _begin(message: Message, letter: Letter, sender: Sender) -> Context:
    kind, event = message.trigger
    evn = message.first("EVN")
    zone = sender.zone
    recorded = (evn[2].c() if evn is not None else "") or message.header[7].c()
    at = (
        moments.stamp(recorded, zone) or moments.stamp(message.header[7].c(), zone) or moments.sortable(letter.received)
    )
    context = Context(sender, at, event or (evn[1].c() if evn is not None else ""))
    happened = (evn[6].c() if evn is not None else "") or recorded
    since = moments.date_time(happened, zone)
    context.current = {"kind": kind, "house": sender.facility or message.header[4].c() or sender.id}
    if since:
        context.current["since"] = since
    return context


# -- fates ----------------------------------------------------------------------------------------------------------

_HEADER = {
    1: (DROPPED, "a delimiter"), 2: (DROPPED, "the delimiters"), 3: (MAPPED, "Provenance.agent.who"),
    4: (MAPPED, "Provenance.agent.who"), 5: (DROPPED, "the receiver: we are it"), 6: (DROPPED, "the receiver: we are it"),
    7: (MAPPED, "Provenance.occurredDateTime"), 8: (KEPT, "security: access is decided by policy"),
    9: (MAPPED, "Provenance.activity"), 10: (MAPPED, "Provenance.entity.what.identifier"),
    11: (KEPT, "processing id"), 12: (DROPPED, "the version of the norm, by which it is read"),
    15: (DROPPED, "which acknowledgement is wanted"), 16: (DROPPED, "which acknowledgement is wanted"),
    18: (DROPPED, "the character set, by which it is read"),
}  # fmt: skip


def _fates(segment: Segment, kind: str) -> list[Fate]:
    found: list[Fate] = []
    mine = _sections_of(segment.name, kind)
    for number in range(1, len(segment.fields)):
        text = segment.raw(number)
        if not text:
            continue
        place = f"{segment.name}-{number}" if segment.number == 1 else f"{segment.name}[{segment.number}]-{number}"
        fate, where = _HEADER.get(number, (KEPT, _NO_HOME)) if segment.name == "MSH" else _fate(segment, number, mine)
        found.append(Fate(place, text, fate, where))
    return found


_NO_HOME = "R4 has no element for it: it is kept in the original"


def _fate(segment: Segment, number: int, mine: list[Section]) -> tuple[str, str]:
    """The best that is done with a field: mapped before kept before dropped."""
    if not mine or segment.name not in HANDLERS:
        why = "EVN orders what is known" if segment.name == "EVN" else f"the segment {segment.name} has no map"
        for section in mine:
            for row in section.rows:
                if row.number == number:
                    return row.fate, row.reason
        return KEPT, f"{why}: it is kept in the original"
    wheres, reasons = [], []
    for section in mine:
        for row in section.rows:
            if row.number != number:
                continue
            if row.fate:
                reasons.append((row.fate, row.reason))
            elif row.condition is None or row.condition(segment):
                path = row.path.replace("[0]", "").rstrip("+")
                wheres.append(f"{section.target}.{_EFFECTS.get(path, path)}")
    if wheres:
        return MAPPED, ", ".join(dict.fromkeys(wheres))
    return reasons[0] if reasons else (KEPT, _NO_HOME)


_EFFECTS = {
    "*account": "account (Account.identifier)", "*mother": "(RelatedPerson.identifier)", "*value": "value[x]",
    "*timing": "timing", "*who": "(who has the role)", "*route": "dosageInstruction", "*source": "primarySource",
    "*duration": "minutesDuration", "*place": "name",
}  # fmt: skip


def _sections_of(name: str, kind: str) -> list[Section]:
    found = [section for (segment, _), section in sections().items() if segment == name]
    if name == "OBR" and kind not in {"ORU", "OUL"}:
        found = [one for one in found if one.target == "ServiceRequest"]
    if name == "RXA":
        wanted = "MedicationAdministration" if kind == "RAS" else "Immunization"
        found = [one for one in found if one.target == wanted]
    return found
