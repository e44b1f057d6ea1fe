"""What arrives, what it says of resources, and what became of each of its fields. No database, no clock.

Every format (HL7 v2, CDA, DICOM, tables) turns a `Letter` into a `Reading`; `intake` does all the rest, the same for all:
keeps the letter before it is acknowledged, writes what it says into the record, tells what went wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

Json = dict[str, Any]

MAPPED, KEPT, DROPPED = "mapped", "kept", "dropped"
"""The fates of a field: in an element of a resource; in the original only (or an extension of it); nowhere, for a reason."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A connected system, as its facility's agreement with the region says."""

    id: str
    name: str
    facility: str = ""
    """Id of the Organization that answers for the system; empty: one is made of the sender's name."""
    zone: str = "+08:00"
    """Offset of times that come without one."""
    charset: str = ""
    """Character set of letters that name none; empty: found out."""
    authorities: Mapping[str, str] = field(default_factory=dict)
    """Assigning authority as the sender writes it → system of the identifiers (a URI)."""
    systems: Mapping[str, str] = field(default_factory=dict)
    """Coding system as the sender writes it → its URI."""
    codes: Mapping[tuple[str, str], tuple[Json, ...]] = field(default_factory=dict)
    """(system, local code) → Codings that say the same."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message, document or row as it arrived."""

    format: str
    """`hl7v2`, `cda`, `dicom` or `table`."""
    body: bytes
    received: datetime
    key: str = ""
    """What the sender calls it: MSH-10, ClinicalDocument.id, a row's key."""
    kind: str = ""
    """What it is, in its format's words: `ADT^A01`, `WS/T 500.32`."""
    media_type: str = "application/octet-stream"
    number: int = 0
    """Its number in the inbox; 0: not kept yet."""
    context: Mapping[str, Any] = field(default_factory=dict)
    """What the door knows besides the body: the mapping of a table, the title of an upload. Plain JSON."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What a letter says of one resource: the elements that it values.

    An element that is None is said to be absent. Nothing is said of elements that are not there. Knowledge is merged by
    `at`, element by element, so the order in which letters arrive does not matter (`merging`).
    """

    type: str
    id: str
    says: Mapping[str, Any]
    at: str
    """When the sender knew it: UTC, as `20261123155200.000000`; compared as text."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Two Patients of one source are one: `gone` goes on as `stays` (HL7 v2 ADT^A40, A34)."""

    stays: str
    gone: str
    at: str


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something that is wrong with a letter, at a place in the words of its format (`PID-3.1`, an XPath, `C17`)."""

    text: str
    place: str = ""
    code: str = ""
    """A code of the format: for HL7 v2 one of table HL70357."""
    fatal: bool = False
    """Nothing can be written until it is mended."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A local code that no table translates yet."""

    system: str
    code: str
    display: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one field that had a value."""

    place: str
    value: str
    fate: str
    """`mapped`, `kept` or `dropped`."""
    where: str
    """The element that it is in (`Patient.name.family`), or the reason."""


@dataclass(slots=True)
class Reading:
    """What a letter says."""

    tellings: list[Telling] = field(default_factory=list)
    joined: list[Joined] = field(default_factory=list)
    complaints: list[Complaint] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    patient: str = ""
    """Id of the Patient it is about; empty: nobody."""
    recorded: str = ""
    """When the sender made it, as a FHIR instant; empty: unknown."""


class Unreadable(Exception):  # noqa: N818 - read as a sentence
    """The letter says nothing that could be understood; `complaints` tell where and why."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        super().__init__("; ".join(f"{one.place}: {one.text}" if one.place else one.text for one in complaints))
        self.complaints = tuple(complaints)


class Format(Protocol):
    """A language that others send in. Pure: the same letter always reads the same."""

    name: str

    def read(self, letter: Letter, sender: Sender) -> Reading:
        """What the letter says. Raises Unreadable."""

    def fates(self, letter: Letter, sender: Sender) -> list[Fate]:
        """What becomes of every field of the letter that has a value."""
