"""What becomes of a registration among those already there: which person it is linked to, and what a steward is asked.

Pure: the index brings candidates and the members of their persons, and writes down what is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from jiankang.foundation.identity.rules import Answer, Verdict, judge, vetoes
from jiankang.foundation.identity.score import Score, scorer

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from jiankang.foundation.identity.model import Record
    from jiankang.foundation.identity.weights import Weights

MOST_QUESTIONS = 5
"""A steward is asked about at most so many persons for one registration: the likeliest."""

_APART = frozenset({"veto.two-citizens", "veto.order"})
"""What no two registrations of one person may have against each other."""


_APART_TOO = _APART | {"veto.two-documents", "veto.sex", "veto.twins"}
"""What keeps two persons from being joined by a registration that certainly fits both."""


class Known(NamedTuple):
    """A registration that is in the index: its key, the person it is linked to, and its comparable record."""

    rid: int
    person: str
    record: Record


class Question(NamedTuple):
    """What a steward is asked: is the registration one of the person of `other`? With the codes of why it is a question."""

    other: int
    person: str
    answer: Answer
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """A registration belongs to `person` ("" when it is a person of its own) because of `by`, a registration of theirs.

    `joined` are further persons that are certainly the same; `questions` go to a steward.
    """

    person: str = ""
    by: int = 0
    answer: Answer | None = None
    joined: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()


Judged = list[tuple[Known, Answer]]


def judged(record: Record, candidates: Sequence[Known], weights: Weights, *, limited: bool = False) -> Judged:
    """The candidates that may be the same person, each with its answer; none for a record with nothing to match on."""
    if not candidates or not record.matchable:
        return []
    scores = scorer(weights)(record, [one.record for one in candidates])
    answers = (
        (one, judge(record, one.record, Score(*score), weights, limited=limited))
        for one, score in zip(candidates, scores, strict=True)
    )
    return [found for found in answers if found[1].verdict is not Verdict.NONE]


def certain_persons(found: Judged) -> frozenset[str]:
    """The persons whose members have to be looked at before anything is linked."""
    return frozenset(one.person for one, answer in found if answer.verdict is Verdict.CERTAIN)


def decide(
    record: Record,
    found: Judged,
    members: Mapping[str, Sequence[Known]],
    weights: Weights,
    never: Collection[int] = (),
) -> Decision:
    """Decide about one registration by what `judged` found.

    `members` holds all registrations of `certain_persons`. `never` are registrations that a steward said are somebody
    else: neither they nor their persons come into question.
    """
    best = _best(found, members, never)
    certain = [person for person, (_, answer) in best.items() if answer.verdict is Verdict.CERTAIN]
    why = {person: said for person in certain if (said := against(record, members.get(person, ()), weights))}
    agreed = [person for person in certain if person not in why]
    if len(agreed) > 1 and not _compatible([members.get(person, ()) for person in agreed], weights):
        why |= dict.fromkeys(agreed, ("veto.several",))
        agreed = []
    questions = tuple(
        Question(one.rid, person, answer, (*answer.reasons, *why.get(person, ())))
        for person, (one, answer) in best.items()
        if person not in agreed
    )[:MOST_QUESTIONS]
    if not agreed:
        return Decision(questions=questions)
    by, answer = best[agreed[0]]
    return Decision(agreed[0], by.rid, answer, tuple(agreed[1:]), questions)


def _best(
    found: Judged, members: Mapping[str, Sequence[Known]], never: Collection[int]
) -> dict[str, tuple[Known, Answer]]:
    """The best answer of each person that comes into question, the likeliest person first."""
    barred = {one.person for one, _ in found if one.rid in never}
    barred |= {person for person, ones in members.items() if any(one.rid in never for one in ones)}
    best: dict[str, tuple[Known, Answer]] = {}
    for one, answer in sorted(found, key=lambda each: (*_rank(each[1]), each[0].rid)):
        if one.person not in barred:
            best.setdefault(one.person, (one, answer))
    return best


def _rank(answer: Answer) -> tuple[bool, float]:
    return answer.verdict is not Verdict.CERTAIN, -answer.bits


def against(record: Record, others: Sequence[Known], weights: Weights) -> tuple[str, ...]:
    """Why a registration cannot be one person with all of these; nothing when it can."""
    found: dict[str, None] = {}
    scores = scorer(weights)(record, [one.record for one in others])
    for one, (_, levels) in zip(others, scores, strict=True):
        found |= dict.fromkeys(code for code in vetoes(record, one.record, levels) if code in _APART)
    return tuple(found)


def _compatible(groups: Sequence[Sequence[Known]], weights: Weights) -> bool:
    """Whether no member of one group has anything against a member of another."""
    for number, group in enumerate(groups):
        for one in group:
            for other in groups[number + 1 :]:
                for (_, levels), right in zip(
                    scorer(weights)(one.record, [each.record for each in other]), other, strict=True
                ):
                    if not _APART_TOO.isdisjoint(vetoes(one.record, right.record, levels)):
                        return False
    return True
