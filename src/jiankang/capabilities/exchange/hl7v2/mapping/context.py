"""What is known while a message is read: who sent it, what was told so far, what the next segment belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.model import Complaint, Gap, Joined, Reading, Sender, Telling
from jiankang.capabilities.exchange.naming import identify, reference

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.hl7v2.wire import Segment

Json = dict[str, Any]
NEVER = "0"
"""The moment before all others: what is assumed gives way to whatever is told."""


@dataclass(slots=True)
class Context:
    """One message being read."""

    sender: Sender
    at: str
    """When the sender knew what it says: `Telling.at`."""
    event: str = ""
    told: dict[tuple[str, str], Json] = field(default_factory=dict)
    complaints: list[Complaint] = field(default_factory=list)
    gaps: dict[tuple[str, str], Gap] = field(default_factory=dict)
    joined: list[Joined] = field(default_factory=list)
    place: str = ""
    """The field that is being read: `PID-5`."""
    current: dict[str, str] = field(default_factory=dict)
    """Ids of what following segments belong to: patient, visit, order, report, observation, specimen, …"""
    moments: dict[tuple[str, str], str] = field(default_factory=dict)
    """Resources that were known at another moment than the message: those of results."""
    noted: tuple[str, str] | None = None
    """What an NTE would be about."""
    counted: dict[str, int] = field(default_factory=dict)
    target: Json = field(default_factory=dict)
    """The object that the rows of a section are being put into."""
    defaults: dict[tuple[str, str], Json] = field(default_factory=dict)
    """What holds of a resource as long as nobody says otherwise."""
    segment: Segment | None = None

    def tell(self, type_name: str, id_: str, says: Json) -> Json:
        """Say something of a resource; what was said of it before in the message stays."""
        known = self.told.get((type_name, id_))
        if known is None:
            self.told[type_name, id_] = says
            return says
        for name, value in says.items():
            if isinstance(value, list) and isinstance(known.get(name), list):
                known[name] += [one for one in value if one not in known[name]]
            elif isinstance(value, dict) and isinstance(known.get(name), dict):
                known[name] = {**known[name], **value}
            else:
                known[name] = value
        return known

    def assume(self, type_name: str, id_: str, says: Json) -> None:
        """Say what holds of a resource as long as nobody says otherwise, in whatever letter."""
        known = self.defaults.setdefault((type_name, id_), {})
        for name, value in says.items():
            known.setdefault(name, value)

    def said(self, type_name: str, id_: str) -> Json:
        """What the message says of a resource, to be added to."""
        return self.tell(type_name, id_, {})

    def refer(self, role: str, type_name: str) -> Json | None:
        """A reference to what the message is about in this role; None when there is none."""
        id_ = self.current.get(role)
        return None if not id_ else reference(type_name, id_)

    def complain(self, text: str, code: str = "102", place: str = "", *, fatal: bool = False) -> None:
        """Note that something is wrong with the field that is being read."""
        self.complaints.append(Complaint(text, place or self.place, code, fatal=fatal))

    def lacks(self, system: str, code: str, display: str) -> None:
        """Note a local code that nothing translates."""
        if code:
            self.gaps.setdefault((system, code), Gap(system, code, display, self.place))

    def own(self, what: str) -> str:
        """A namespace of the sender's own."""
        return f"urn:jiankang:sender:{self.sender.id}:{what}"

    def name(self, type_name: str, *parts: str) -> str:
        """The id of a resource that is told apart by these parts within what the patient's source knows."""
        return identify(type_name, *parts)

    def count(self, what: str) -> int:
        """How many of them there are, this one included."""
        self.counted[what] = number = self.counted.get(what, 0) + 1
        return number

    def reading(self) -> Reading:
        """All that was told."""
        tellings = [
            Telling(type_name, id_, says, self.moments.get((type_name, id_), self.at))
            for (type_name, id_), says in self.told.items()
            if says
        ]
        tellings += [Telling(*name, says, NEVER) for name, says in self.defaults.items()]
        return Reading(
            tellings, self.joined, self.complaints, list(self.gaps.values()), self.current.get("patient", "")
        )


def at_place(context: Context, segment: Segment, number: int) -> None:
    """Remember which field is read, for what is said about it."""
    context.place = f"{segment.name}-{number}" if segment.number == 1 else f"{segment.name}[{segment.number}]-{number}"
