"""The judge of the record: full validation of what is written, by the norm, installed packages and loaded codes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load
from jiankang.fhir.validation import Validator
from jiankang.foundation.conformance.answers import Answers
from jiankang.foundation.record.judging import POLICIES, Judgement, Question
from jiankang.kernel.errors import Invalid

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from jiankang.fhir.validation.profiles import ProfileBook
    from jiankang.foundation.conformance.shelf import Shelf
    from jiankang.foundation.record.store import Record
    from jiankang.foundation.terminology import Terminology

LOOK_SECONDS = 1.0
"""How long another process may go by profiles and codes that were changed meanwhile."""


def read_policy(text: str) -> dict[str, str]:
    """The policies of a setting such as `flag, Patient=refuse`: by type, "" for all others. Raises Invalid."""
    found = {"": "flag"}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, policy = part.rpartition("=")
        if policy not in POLICIES or (name and not load().is_resource(name)):
            raise Invalid(
                f"JIANKANG_VALIDATION: {part!r} is not understood; write {', '.join(POLICIES)}, "
                "or Type=policy for one resource type, separated by commas"
            )
        found[name] = policy
    return found


class ConformanceJudge:
    """The judge of a process: over the shelf of profiles and the terminology room, kept in step with both.

    Judging asks nobody and may be done in any thread; learning and refreshing read the database.
    """

    def __init__(self, policies: Mapping[str, str], record: Record, shelf: Shelf, room: Terminology) -> None:
        self.policies = dict(policies)
        self.record = record
        self.shelf = shelf
        self.room = room
        answers = Answers()
        self._tools = (Validator(shelf, answers), answers)
        self._stamp = -1
        self._looked = -LOOK_SECONDS
        self._changes = -1
        self._lock = asyncio.Lock()

    @property
    def profiles(self) -> ProfileBook:
        """The profiles in force, compiled as they are asked for."""
        return self._tools[0].profiles

    def policy(self, type_name: str) -> str:
        """What becomes of a resource of this type that is not valid."""
        return self.policies.get(type_name) or self.policies[""]

    def judge(
        self,
        resource: dict[str, Any],
        *,
        profiles: Sequence[str] = (),
        best_practice: bool = False,
        shaped: bool = False,
    ) -> Judgement:
        """What is to be said of a resource by what is known now."""
        validator, answers = self._tools
        answers.begin()
        found = validator.validate(resource, profiles=profiles, best_practice=best_practice, shaped=shaped)
        return Judgement(tuple(found), answers.asked())

    async def learn(self, questions: Collection[Question], db: AsyncConnection[Any] | None = None) -> None:
        """Have the terminology room answer, through `db` when one is given."""
        async with self.room.asking(db) as codes:
            await self._tools[1].learn(codes, questions)

    async def refresh(self) -> None:
        """Forget compiled profiles and answers when profiles or codes changed; looks once a second, and after own changes."""
        if self._is_fresh():
            return
        async with self._lock:
            if self._is_fresh():
                return
            looked, changes = time.monotonic(), self.record.definitional
            async with self.room.asking() as codes:  # profiles are counted there, too
                stamp = codes.memory.stamp
            if stamp != self._stamp or changes != self._changes:
                answers, other = Answers(), await self.shelf.refresh()
                self._tools = (Validator(self.shelf, answers) if other else self._tools[0].asking(answers), answers)
                self._stamp = stamp
            self._looked, self._changes = looked, changes

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._looked < LOOK_SECONDS and self._changes == self.record.definitional
