"""What a system on probation has to show before it is connected: looked up in the letters that it sent so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.hl7v2.wire import Malformed, Message
from jiankang.capabilities.exchange.hl7v2.wire.charsets import codec_of

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.intake import Known

MOST_LOOKED_AT = 200
LEAST_GOOD = 20
_LETTERS = """
SELECT format, body, state, complaints, repeats FROM exchange_letter WHERE sender = %s ORDER BY number DESC LIMIT %s
"""
_GAPS = "SELECT count(*) FILTER (WHERE answer IS NULL), count(*) FROM exchange_gap WHERE sender = %s"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a system has to show: what, whether it did, and how far it is."""

    name: str
    """`arrived`, `usable`, `clean`, `charset`, `authority`, `codes`."""
    done: bool
    count: int
    of: int


async def checklist(db: Any, known: Known) -> list[Step]:
    """What the last letters of a sender show."""
    rows = await (await db.execute(_LETTERS, (known.sender.id, MOST_LOOKED_AT))).fetchall()
    good = [row for row in rows if row[2] in {"tested", "landed"}]
    clean = [row for row in good if not row[3]]
    messages = [found for row in rows if row[0] == "hl7v2" and (found := _message(bytes(row[1]))) is not None]
    doubts = sum(bool(one.doubts) or not _named(one) for one in messages)
    known_numbers = sum(_has_known_authority(one, known) for one in messages)
    open_, codes = (await (await db.execute(_GAPS, (known.sender.id,))).fetchone()) or (0, 0)
    last = rows[:LEAST_GOOD]
    usable = sum(row[2] in {"tested", "landed"} for row in last)
    return [
        Step("arrived", bool(rows), len(rows), 1),
        Step("usable", len(last) >= LEAST_GOOD and usable == len(last), usable, LEAST_GOOD),
        Step("clean", len(clean) >= LEAST_GOOD, min(len(clean), LEAST_GOOD), LEAST_GOOD),
        Step("charset", bool(rows) and doubts == 0, len(messages) - doubts, len(messages)),
        Step("authority", bool(rows) and known_numbers == len(messages), known_numbers, len(messages)),
        Step("codes", bool(rows) and open_ == 0, codes - open_, codes),
    ]


def _message(raw: bytes) -> Message | None:
    try:
        return Message(raw)
    except Malformed:
        return None


def _named(message: Message) -> bool:
    """Whether the message says its character set, or needs none."""
    name = message.header[18].c()
    return bool(name and codec_of(name)) or message.raw.isascii()


def _has_known_authority(message: Message, known: Known) -> bool:
    """Whether the agreement says what the authority of the patient's first number means."""
    pid = message.first("PID")
    if pid is None or not pid[3]:
        return True
    authority = pid[3].part(4)
    names = {authority.c(1), authority.c(2)} - {""}
    return bool(names & set(known.sender.authorities)) or bool(authority.c(2))
