"""What the score may decide: three answers, and what always goes to a steward.

The score alone links twins, strangers of one name and birthday, and people who lend their card. A pair is linked without
a person's eyes only if its score is high, no veto holds, and two kinds of evidence that err apart support it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from jiankang.foundation.identity.levels import FIELDS, NAMES
from jiankang.foundation.identity.score import Score, probability

if TYPE_CHECKING:
    from jiankang.foundation.identity.compare import Levels
    from jiankang.foundation.identity.model import Record
    from jiankang.foundation.identity.weights import Weights


class Verdict(Enum):
    """What becomes of a pair: linked, shown to a steward, or nothing."""

    CERTAIN = "certain"
    POSSIBLE = "possible"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdict on a pair with its score in bits, its probability, and the codes of `reasons.REASONS` that decided."""

    verdict: Verdict
    bits: float
    probability: float
    levels: Levels
    reasons: tuple[str, ...]


_NUMBERS = {name: number for number, name in enumerate(NAMES)}
_CITIZEN, _DOCUMENTS, _NAME, _BIRTH, _SEX, _PHONE, _ADDRESS, _MOTHER, _ORDER = (
    _NUMBERS[name] for name in ("citizen", "documents", "name", "birth", "sex", "phone", "address", "mother", "order")
)


def _set(field: int, *names: str) -> frozenset[int]:
    return frozenset(FIELDS[field].level(name) for name in names)


_CITIZEN_SAME = _set(_CITIZEN, "same")
_CITIZEN_WRONG = _set(_CITIZEN, "same-invalid")
_CITIZENS_DIFFER = _set(_CITIZEN, "both-valid")
_DOCUMENT_SAME = _set(_DOCUMENTS, "same")
_DOCUMENTS_DIFFER = _set(_DOCUMENTS, "near", "differs")
_NAME_AGREES = _set(_NAME, "same", "same-sound", "other-name")
_NAME_LIKELY = _NAME_AGREES | _set(_NAME, "part", "near", "same-given")
_ONE_WORD = _set(_NAME, "alike", "word")
_NAME_DIFFERS = _set(_NAME, "same-surname", "differs")
_SIBLING_NAME = _set(_NAME, "near", "alike", "word", "same-surname")
_NAME_MISSING = _set(_NAME, "missing")
_NAME_SAME = _set(_NAME, "same")
_SAME_SOUND = _set(_NAME, "same-sound")
_BIRTH_SAME = _set(_BIRTH, "same", "same-estimate")
_BIRTH_EXACT = _set(_BIRTH, "same")
_BIRTH_FAR = _set(_BIRTH, "same-year", "differs")
_BIRTH_OTHER = _set(_BIRTH, "differs")
_SEX_SAME = _set(_SEX, "same")
_SEX_DIFFERS = _set(_SEX, "differs")
_PHONE_SAME = _set(_PHONE, "same")
_PHONE_LIKELY = _set(_PHONE, "same", "near")
_LIVES_THERE = _set(_ADDRESS, "house", "place")
_NEARBY = _set(_ADDRESS, "house", "place", "other-house", "near")
_MOTHER_SAME = _set(_MOTHER, "same")
_ORDER_DIFFERS = _set(_ORDER, "differs")


def vetoes(left: Record, right: Record, levels: Levels) -> tuple[str, ...]:
    """Why a pair must not be linked without a steward, whatever its score."""
    found = []
    same_document = levels[_CITIZEN] in _CITIZEN_SAME or levels[_DOCUMENTS] in _DOCUMENT_SAME
    if levels[_CITIZEN] in _CITIZENS_DIFFER:
        found.append("veto.two-citizens")
    if not same_document and levels[_DOCUMENTS] in _DOCUMENTS_DIFFER and _share_a_kind_of_one(left, right):
        found.append("veto.two-documents")
    if same_document and (
        levels[_NAME] in _NAME_DIFFERS or (levels[_NAME] in _ONE_WORD and levels[_BIRTH] not in _BIRTH_SAME)
    ):
        found.append("veto.other-name")
    if same_document and levels[_NAME] not in _NAME_AGREES and levels[_BIRTH] in _BIRTH_FAR:
        found.append("veto.birth-conflict")
    if _may_be_twins(left, right, levels):
        found.append("veto.twins")
    if levels[_ORDER] in _ORDER_DIFFERS and levels[_BIRTH] in _BIRTH_SAME:
        found.append("veto.order")
    if (left.newborn or right.newborn) and not _same_newborn(left, right, levels):
        found.append("veto.newborn")
    if left.unknown or right.unknown:
        found.append("veto.unknown")
    if levels[_SEX] in _SEX_DIFFERS:
        found.append("veto.sex")
    return tuple(found)


def _share_a_kind_of_one(left: Record, right: Record) -> bool:
    """Both have a document of a kind that a person has one of; cards are given out again and again."""
    return any(kind != "EHC" and kind in right.kinds for kind in left.kinds)


def _share_a_document_of_one(left: Record, right: Record) -> bool:
    return any(not document.startswith("EHC") and document in right.documents for document in left.documents)


def _same_newborn(left: Record, right: Record, levels: Levels) -> bool:
    """A child called after its parent, known by its own birth certificate or number: no twin has these."""
    return levels[_BIRTH] in _BIRTH_EXACT and (
        levels[_CITIZEN] in _CITIZEN_SAME or _share_a_document_of_one(left, right)
    )


def _may_be_twins(left: Record, right: Record, levels: Levels) -> bool:
    """Born the same day, of one surname, together in one place or by one telephone, and called differently."""
    if levels[_CITIZEN] in _CITIZEN_SAME or levels[_BIRTH] not in _BIRTH_SAME or _share_a_document_of_one(left, right):
        return False
    if levels[_NAME] in _SAME_SOUND:
        at_home = (levels[_PHONE] in _PHONE_SAME or levels[_ADDRESS] in _LIVES_THERE) and levels[_SEX] in _SEX_SAME
        if (at_home and left.name == right.name) or left.hanzi == right.hanzi or not (left.hanzi and right.hanzi):
            return False  # nobody calls two children by one sound: somebody wrote another character
    elif levels[_NAME] not in _SIBLING_NAME:
        return False
    if left.surname != right.surname:
        return False
    return levels[_PHONE] in _PHONE_LIKELY or levels[_ADDRESS] in _NEARBY or levels[_MOTHER] in _MOTHER_SAME


def supported(levels: Levels) -> bool:
    """Whether evidence of two kinds agrees.

    A document with name or birth; name, birth and where to find the person, or the same number with the same mistake; or,
    where the birth date is less than the same, the same characters of the name with telephone and sex.
    """
    if levels[_CITIZEN] in _CITIZEN_SAME or levels[_DOCUMENTS] in _DOCUMENT_SAME:
        if levels[_NAME] in _NAME_MISSING:
            return levels[_BIRTH] in _BIRTH_EXACT  # a newborn: its name is its parent's
        return levels[_NAME] in _NAME_LIKELY or (levels[_NAME] in _ONE_WORD and levels[_BIRTH] in _BIRTH_SAME)
    if levels[_NAME] not in _NAME_AGREES:
        return False
    if levels[_BIRTH] not in _BIRTH_EXACT:
        same = levels[_NAME] in _NAME_SAME and levels[_PHONE] in _PHONE_SAME and levels[_SEX] in _SEX_SAME
        return same and levels[_BIRTH] not in _BIRTH_OTHER
    return (
        levels[_PHONE] in _PHONE_LIKELY
        or levels[_ADDRESS] in _LIVES_THERE
        or levels[_MOTHER] in _MOTHER_SAME
        or levels[_CITIZEN] in _CITIZEN_WRONG
    )


def apart(levels: Levels) -> bool:
    """Whether two people are certain: two valid numbers, or two places among twins, and names that differ."""
    if levels[_NAME] not in _SIBLING_NAME | _NAME_DIFFERS:
        return False
    return levels[_CITIZEN] in _CITIZENS_DIFFER or (levels[_ORDER] in _ORDER_DIFFERS and levels[_BIRTH] in _BIRTH_SAME)


def judge(left: Record, right: Record, score: Score, weights: Weights, *, limited: bool = False) -> Answer:
    """The answer for a pair; `limited` says that a key of the search had more candidates than were compared."""
    bits, levels = score
    reasons = list(vetoes(left, right, levels))
    same_document = levels[_CITIZEN] in _CITIZEN_SAME or levels[_DOCUMENTS] in _DOCUMENT_SAME
    if apart(levels) and not same_document:
        verdict = Verdict.NONE
    elif bits >= weights.certain:
        if not supported(levels):
            reasons.append("veto.no-support")
        if limited:
            reasons.append("veto.limit")
        verdict = Verdict.POSSIBLE if reasons else Verdict.CERTAIN
    elif bits >= weights.possible or same_document:
        verdict = Verdict.POSSIBLE
    else:
        verdict = Verdict.NONE
    return Answer(verdict, bits, probability(bits), levels, tuple(reasons))
