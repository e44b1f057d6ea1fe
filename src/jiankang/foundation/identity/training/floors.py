"""What is held of levels that registers hardly show: the least that is believed of m and u, and why.

Learning cannot tell "never" from "not among these". What is learned and is below its floor, or was not met at all, is
taken to be the floor; a level that was not met and has no floor makes training fail.
"""

from __future__ import annotations

from typing import NamedTuple


class Floor(NamedTuple):
    """The least m and u of a level (0: it must be learned), and why."""

    m: float
    u: float
    why: str


_NUMBER = "who shares a valid number with somebody else was mistaken for them at a desk: a slip in some thousand registrations"
_LATIN = "names in Latin letters are few in the register, and spelled more freely elsewhere"
_PARENTS = "few registers have mothers, and those agree; step-mothers and misspellings are known from elsewhere"

FLOORS: dict[str, dict[str, Floor]] = {
    "citizen": {
        "same": Floor(0, 1e-8, _NUMBER),
        "same-invalid": Floor(1e-3, 1e-7, "a program that writes one wrong number for many (111…) is caught by the normaliser, not always"),
        "near": Floor(1e-3, 1e-6, "numbers of one village, birthday and sex differ in three digits"),
        "both-valid": Floor(1e-4, 0, "a relative's card, or two cards of one person"),
        "differs": Floor(1e-4, 1e-3, "a number mistyped beyond recognition"),
    },
    "documents": {
        "same": Floor(0, 1e-7, "health cards are given out again, and families hand in one passport"),
        "near": Floor(1e-3, 1e-6, "numbers of passports issued together are neighbours"),
        "differs": Floor(1e-3, 0, "renewed passports and cards"),
    },
    "name": {
        "same": Floor(1e-3, 1e-6, "registers of visitors have no characters"),
        "same-sound": Floor(1e-3, 1e-6, "typed by ear"),
        "other-name": Floor(1e-3, 1e-6, "former names and married names are few in the register"),
        "part": Floor(2e-3, 2e-5, _LATIN),
        "near": Floor(1e-3, 1e-6, _LATIN),
        "alike": Floor(1e-3, 1e-4, _LATIN),
        "same-given": Floor(1e-3, 1e-5, "surnames by marriage"),
        "word": Floor(1e-3, 1e-5, _LATIN),
        "same-surname": Floor(1e-3, 1e-4, "a name changed, or another's taken down"),
        "differs": Floor(1e-3, 0, "another's name taken down"),
    },
    "birth": {
        "same-estimate": Floor(1e-3, 1e-6, "first of January: an estimate"),
        "part": Floor(1e-3, 1e-4, "dates of which only the year is known are rare in the register"),
        "exchanged": Floor(1e-3, 1e-6, "a slip of some forms"),
        "near": Floor(1e-3, 1e-5, "a slip"),
        "same-year": Floor(1e-3, 1e-3, "lunar birthdays"),
        "differs": Floor(1e-3, 0, "another's birth date taken down"),
    },
    "sex": {"differs": Floor(1e-3, 0, "a slip")},
    "phone": {
        "same": Floor(0, 1e-7, "relatives use one telephone"),
        "near": Floor(1e-3, 1e-7, "a slip"),
    },
    "address": {
        "house": Floor(0, 1e-6, "neighbours and relatives"),
        "place": Floor(0, 1e-5, "a house number is left out"),
        "other-house": Floor(1e-3, 1e-5, "moved within the village"),
        "near": Floor(1e-3, 1e-5, "a name of a village misspelled"),
        "town": Floor(1e-3, 1e-4, "moved within the town"),
        "county": Floor(1e-3, 1e-4, "moved within the county"),
        "differs": Floor(1e-3, 0, "moved"),
    },
    "mother": {
        "same": Floor(0, 1e-6, "brothers and sisters"),
        "near": Floor(1e-2, 1e-4, _PARENTS),
        "differs": Floor(1e-2, 0, _PARENTS),
    },
    "order": {
        "same": Floor(0.5, 0.1, "few registrations have a place among twins"),
        "differs": Floor(2e-2, 0.1, "few registrations have a place among twins"),
    },
}  # fmt: skip

NOTHING = Floor(0, 0, "")


def floor(field: str, level: str) -> Floor:
    """The floor of a level; zeros for a level that must be learned."""
    return FLOORS.get(field, {}).get(level, NOTHING)
