"""The actor of an interaction, and what is written down about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from jiankang.foundation.access.restrictions import EVERYTHING, Restriction


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an id for the audit trail, what they may see and what they may change."""

    id: str
    restriction: Restriction = EVERYTHING
    write_restriction: Restriction | None = None

    @property
    def writes(self) -> Restriction:
        """What the actor may change: no more than they may see unless said otherwise."""
        return self.restriction if self.write_restriction is None else self.write_restriction


LOCAL_OPERATOR = Actor("local-operator")


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One interaction on one or more resources, for the audit trail (http://hl7.org/fhir/R4/auditevent.html)."""

    actor: str
    action: str
    targets: Sequence[tuple[str, str]]


class Audit(Protocol):
    """Writes an event down in the transaction that does what it tells of; raising undoes both."""

    async def __call__(self, db: Any, event: AuditEvent) -> None:
        """Write `event` down through `db`."""
        ...


class NoAudit:
    """Keeps no trail; until the audit room is built."""

    async def __call__(self, db: Any, event: AuditEvent) -> None:
        """Do nothing."""
