"""The door for HL7 v2 messages: each is kept, then acknowledged, then lands in the background.

Acknowledgements follow HL7 v2.8 chapter 2, section 2.9: https://www.hl7.eu/HL7v2x/v28/std28/ch02.html
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jiankang.capabilities.exchange.hl7v2 import queries
from jiankang.capabilities.exchange.hl7v2.checking import check
from jiankang.capabilities.exchange.hl7v2.mapping import supported
from jiankang.capabilities.exchange.hl7v2.wire import Malformed, Message
from jiankang.capabilities.exchange.hl7v2.wire.acknowledging import acknowledge
from jiankang.capabilities.exchange.model import Complaint, Letter, Sender
from jiankang.capabilities.exchange.naming import identify
from jiankang.kernel.errors import Conflict, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jiankang.capabilities.exchange.hl7v2.mllp import Peer
    from jiankang.capabilities.exchange.intake import Intake, Known

MEDIA_TYPE = "x-application/hl7-v2+er7"
NOBODY = "?"
"""The sender of what cannot be told from whom it is."""
_REFUSALS_A_MINUTE = 120


class Refused(Exception):  # noqa: N818 - read as a sentence
    """A message that is not taken; `complaints` say why."""

    def __init__(self, text: str, code: str, place: str = "MSH") -> None:
        super().__init__(text)
        self.complaints = (Complaint(text, place, code, fatal=True),)


class Door:
    """Takes messages and answers them; one for all connections of a process."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self._minute = 0.0
        self._refusals = 0

    async def __call__(self, raw: bytes, peer: Peer | None = None) -> bytes | None:
        """The answer to a message; None where its sender wants none (MSH-15, MSH-16)."""
        message, sender = None, NOBODY
        try:
            message = _message(raw)
            known = await self._known(message, peer)
            sender = known.sender.id
            if known.sender.charset:
                message = Message(raw, known.sender.charset)
            return await self._taken(message, raw, known)
        except Refused as refusal:
            await self._note(raw, message, sender, refusal.complaints)
            return self._answer(message, raw, "AR", refusal.complaints)
        except Problem as problem:
            text = str(problem) if problem.status < 500 else f"it could not be kept, send it again later: {problem}"
            return self._answer(message, raw, "AR", [Complaint(text, "", "207", fatal=True)])

    async def _taken(self, message: Message, raw: bytes, known: Known) -> bytes | None:
        trigger = message.trigger
        if trigger[0] in queries.KINDS:
            return await queries.answer(self.intake.server, message, known.sender, self._now, self._control)
        _is_supported(trigger)
        if not message.control:
            raise Refused("MSH-10 (message control id) is missing: it tells messages apart", "101", "MSH-10")
        complaints = check(message)
        fatal = any(one.fatal for one in complaints)
        answer = self._answer(message, raw, "AE" if fatal else "AA", complaints)
        kept = await self.intake.keep(
            known.sender.id,
            letter(raw, message, self._now()),
            answer=answer or b"",
            state="dead" if fatal else "waiting",
            complaints=complaints,
        )
        if kept.conflict:
            text = f"the control id {message.control} was used for a message with other content: give this one its own"
            return self._answer(message, raw, "AR", [Complaint(text, "MSH-10", "205", fatal=True)])
        return (kept.answer or None) if kept.again else answer

    async def _known(self, message: Message, peer: Peer | None) -> Known:
        """The sender of a message. Raises Refused when it may not send."""
        application, facility = message.header[3].c(), message.header[4].c()
        known = await self.intake.senders.named(application, facility)
        if known is None and self.intake.server.settings.unknown_senders == "accept":
            known = await self._introduced(application, facility)
        if known is None:
            said = f"{application or '(empty)'} of {facility or '(empty)'} is not registered: ask the region to add it"
            raise Refused(said, "207", "MSH-3")
        if known.state == "stopped":
            raise Refused(f"{known.sender.name} was stopped: ask the region why", "207", "MSH-3")
        if known.certificate and (peer is None or peer.fingerprint != known.certificate):
            raise Refused(f"this is not the certificate of {known.sender.name}", "207", "MSH-3")
        return known

    async def _introduced(self, application: str, facility: str) -> Known:
        """Register a system that nobody did, because the region takes whoever comes."""
        id_ = identify("Sender", application, facility)[:12]
        sender = Sender(id_, " ".join(part for part in (application, facility) if part) or id_)
        try:
            return await self.intake.senders.add(sender, names=[f"{application}|{facility}"], state="connected")
        except Conflict:  # another connection was quicker
            self.intake.senders.forget()
            found = await self.intake.senders.named(application, facility)
            if found is None:
                raise
            return found

    async def _note(self, raw: bytes, message: Message | None, sender: str, complaints: Sequence[Complaint]) -> None:
        """Keep what was refused for people to look at; of a flood only some, so that it fills no disk."""
        now = time.monotonic()
        if now - self._minute > 60:
            self._minute, self._refusals = now, 0
        self._refusals += 1
        if self._refusals > _REFUSALS_A_MINUTE:
            return
        kept = letter(raw, message, self._now())
        await self.intake.keep(sender, kept, state="refused", complaints=complaints)

    def _answer(self, message: Message | None, raw: bytes, code: str, complaints: Sequence[Complaint]) -> bytes | None:
        """The acknowledgement in the mode that the sender asks for; None where none is wanted."""
        source = raw if message is None else message
        if message is None or not (message.header.raw(15) or message.header.raw(16)):
            return acknowledge(source, code, complaints, self._now(), self._control())
        good = code == "AA"
        if _wanted(message.header.raw(15), good=good):
            return acknowledge(source, f"C{code[1]}", complaints, self._now(), self._control())
        if _wanted(message.header.raw(16), good=good):
            return acknowledge(source, code, complaints, self._now(), self._control())
        return None

    def too_large(self) -> bytes:
        """The answer to a message that is not read because of its size."""
        most = self.intake.server.settings.max_message_bytes
        told = [Complaint(f"the message has more than {most} bytes", "", "104", fatal=True)]
        return acknowledge(b"", "AR", told, self._now(), self._control())

    def _now(self) -> datetime:
        return self.intake.record.clock()

    def _control(self) -> str:
        return self.intake.record.new_id().replace("-", "")[:20]


def _message(raw: bytes) -> Message:
    try:
        message = Message(raw)
    except Malformed as problem:
        raise Refused(str(problem), problem.code, problem.place) from None
    if len(message.named("MSH")) > 1:
        raise Refused("two messages in one frame: send each in a frame of its own", "207")
    return message


def _is_supported(trigger: tuple[str, str]) -> None:
    known = supported()
    if f"{trigger[0]}^{trigger[1]}" in known:
        return
    if any(one.startswith(f"{trigger[0]}^") for one in known):
        raise Refused(f"the event {trigger[1] or '(empty)'} of {trigger[0]} is not taken here", "201", "MSH-9.2")
    raise Refused(f"messages of the kind {trigger[0] or '(empty)'} are not taken here", "200", "MSH-9.1")


def _wanted(when: str, *, good: bool) -> bool:
    """Whether an acknowledgement is wanted: table HL70155."""
    return when == "AL" or (when == "ER" and not good) or (when == "SU" and good)


def letter(raw: bytes, message: Message | None, received: datetime) -> Letter:
    """A message as a letter."""
    key, kind = "", ""
    if message is not None:
        key, kind = message.control, "^".join(part for part in message.trigger if part)
    return Letter("hl7v2", raw, received, key, kind, MEDIA_TYPE)
