"""What the terminology room says of codes, kept in one process so that validation need not wait for it.

Validation is pure and asks in passing: what is not known yet becomes a question, is answered for all resources of a batch
together, and the resources that asked are looked at once more.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import TYPE_CHECKING

from jiankang.fhir.validation import Verdict
from jiankang.foundation.terminology import Coding, UnknownSystem, UnknownValueSet
from jiankang.foundation.terminology.asking import validate_in_system, validate_in_value_set
from jiankang.foundation.terminology.composing import Members, Versions
from jiankang.foundation.terminology.model import split_canonical
from jiankang.kernel.errors import Problem

if TYPE_CHECKING:
    from jiankang.foundation.record.judging import Question
    from jiankang.foundation.terminology import Codes

MOST = 200_000
_CANNOT_TELL = Verdict(ok=False, known=False)
_NOT_YET = Verdict(ok=False, known=False, pending=True)


class Answers:
    """`Terminology` of validation: answers from memory, and notes in `asked` what it could not answer."""

    def __init__(self) -> None:
        self.known: dict[Question, Verdict] = {}
        self.absent: set[str | None] = set()  # systems whose codes are not here: nothing needs to be asked about them
        self._here = threading.local()

    def begin(self) -> None:
        """From here on notes of this thread count."""
        self._here.asked = set()

    def asked(self) -> frozenset[Question]:
        """What this thread could not be answered since `begin`."""
        return frozenset(self._here.asked)

    def validate_code(
        self, system: str | None, code: str, value_set: str | None = None, display: str | None = None
    ) -> Verdict:
        """What is known of a code."""
        if value_set is None and system in self.absent:
            return _CANNOT_TELL
        question = (system, code, value_set, display)
        found = self.known.get(question)
        if found is None:
            self._here.asked.add(question)
            return _NOT_YET
        return found

    async def learn(self, codes: Codes, questions: Collection[Question]) -> None:
        """Have questions answered by the terminology room."""
        if len(self.known) + len(questions) > MOST:
            self.known = {}
        for question in questions:
            if question in self.known or (question[2] is None and question[0] in self.absent):
                continue
            try:
                self.known[question] = await self._answer(codes, question)
            except (UnknownValueSet, Problem):  # what the room cannot work out is no fault of the resource's
                self.known[question] = _CANNOT_TELL

    async def _answer(self, codes: Codes, question: Question) -> Verdict:
        system, code, value_set, display = question
        if value_set is not None:
            return await _in_value_set(codes, system, code, value_set)
        try:
            known = await codes.system(system or "")
        except UnknownSystem:
            known = None
        if known is None or known.content == "not-present":
            self.absent.add(system or "")
            return _CANNOT_TELL
        found = await validate_in_system(codes, Coding(system or "", code, None, display))
        if found.concept is None:
            return Verdict(ok=False, known=known.content not in {"fragment", "example"})
        return Verdict(ok=True, display=None if found.result else found.display)


async def _in_value_set(codes: Codes, system: str | None, code: str, value_set: str) -> Verdict:
    held = await codes.value_set(*split_canonical(value_set))
    if system is None:
        return Verdict((await validate_in_value_set(codes, held, Coding("", code), infer=True)).result)
    members = Members(codes, Versions())
    if await members.holds(held, system, code, None):
        return Verdict(ok=True)
    return Verdict(ok=False, known=not members.unknown)
