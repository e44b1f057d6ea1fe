"""Two values side by side: where they differ, character by character, and which of several belong beside each other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from jiankang.foundation.identity.normalise.text import clean, simplified

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SAME, ALIKE, DIFFERS, ONE_SIDED = "same", "alike", "differs", "one-sided"
"""Written the same; the same once made comparable; different; only on one side."""
ORDER = (SAME, ALIKE, ONE_SIDED, DIFFERS)
_LONGEST = 200
"""Longer texts are marked as a whole: nobody reads differences in them."""
_LEAST_ALIKE = 0.5
_MOST_PAIRED = 6
_NUMBER = re.compile(r"[0-9Xx-]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of characters, and whether the other side has something else there."""

    text: str
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Compared:
    """Two values side by side, "" where one is not there."""

    state: str
    left: tuple[Piece, ...]
    right: tuple[Piece, ...]

    @property
    def marks(self) -> tuple[str, str]:
        """What is marked on each side, for those who do not see marks."""
        one, other = (" … ".join(piece.text for piece in side if piece.marked) for side in (self.left, self.right))
        return one, other


def plain(text: str) -> str:
    """What is left of a text when it does not matter how it was typed: width, case, spaces, dashes, 繁 or 简."""
    return "".join(one for one in simplified(clean(text)[0]).casefold() if one.isalnum())


def compare(left: str, right: str) -> Compared:
    """Two values, with the characters marked in which they differ."""
    if left == right:
        return Compared(SAME, _whole(left), _whole(right))
    if not left or not right:
        return Compared(ONE_SIDED, _whole(left), _whole(right))
    state = ALIKE if (same := plain(left)) and same == plain(right) else DIFFERS
    if max(len(left), len(right)) > _LONGEST:
        return Compared(state, _whole(left, marked=True), _whole(right, marked=True))
    if len(left) == len(right) and _NUMBER.fullmatch(left) and _NUMBER.fullmatch(right):
        return Compared(state, _by_place(left, right.casefold()), _by_place(right, left.casefold()))
    matcher = SequenceMatcher(None, _folded(left), _folded(right), autojunk=False)
    if state == DIFFERS and matcher.ratio() < _LEAST_ALIKE:
        return Compared(state, _whole(left, marked=True), _whole(right, marked=True))
    codes = matcher.get_opcodes()
    return Compared(
        state,
        _pieces(left, ((kind != "equal", a, b) for kind, a, b, _, _ in codes)),
        _pieces(right, ((kind != "equal", a, b) for kind, _, _, a, b in codes)),
    )


def compare_all(left: Sequence[str], right: Sequence[str]) -> list[Compared]:
    """Several values of each side: the same beside the same, then what is most alike, then the rest."""
    ones, others = list(dict.fromkeys(left)), list(dict.fromkeys(right))
    if len(ones) == 1 and len(others) == 1:
        return [compare(ones[0], others[0])]
    pairs = [
        *_taken(ones, others, ((one, other) for one in ones for other in others if one == other)),
        *_taken(ones, others, ((one, other) for one in ones for other in others if _comparable(one, other))),
        *_taken(ones, others, _likely(ones[:_MOST_PAIRED], others[:_MOST_PAIRED])),
    ]
    found = [compare(one, other) for one, other in pairs]
    return [*found, *(compare(one, "") for one in ones), *(compare("", other) for other in others)]


def worst(found: Iterable[Compared]) -> str:
    """The state that a reader is to hear of: of several values one in common is enough."""
    states = {each.state for each in found}
    for state in (SAME, ALIKE, DIFFERS):
        if state in states:
            return state
    return ONE_SIDED


def _whole(text: str, *, marked: bool = False) -> tuple[Piece, ...]:
    return (Piece(text, marked),) if text else ()


def _folded(text: str) -> str:
    """Without case, and as long as before."""
    return "".join(small if len(small := one.casefold()) == 1 else one for one in text)


def _by_place(text: str, other: str) -> tuple[Piece, ...]:
    """Numbers and dates: which digits are others, each in its place."""
    return _pieces(
        text,
        (
            (one.casefold() != another, place, place + 1)
            for place, (one, another) in enumerate(zip(text, other, strict=True))
        ),
    )


def _pieces(text: str, parts: Iterable[tuple[bool, int, int]]) -> tuple[Piece, ...]:
    """Runs of `text`; spaces and signs are never marked: they say nothing."""
    found: list[Piece] = []
    for marked, start, end in parts:
        marks = marked and plain(text[start:end]) != ""
        if found and found[-1].marked == marks:
            found[-1] = Piece(found[-1].text + text[start:end], marks)
        elif end > start:
            found.append(Piece(text[start:end], marks))
    return tuple(found)


def _comparable(one: str, other: str) -> bool:
    return plain(one) == plain(other) != ""


def _likely(ones: Sequence[str], others: Sequence[str]) -> list[tuple[str, str]]:
    ranked = [
        (SequenceMatcher(None, one[:60], other[:60], autojunk=False).ratio(), one, other)
        for one in ones
        for other in others
    ]
    ranked.sort(key=lambda each: -each[0])
    return [(one, other) for ratio, one, other in ranked if ratio >= _LEAST_ALIKE]


def _taken(ones: list[str], others: list[str], pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of `pairs` whose sides are both still to be placed; they are taken out of `ones` and `others`."""
    taken = []
    for one, other in list(pairs):
        if one in ones and other in others:
            ones.remove(one)
            others.remove(other)
            taken.append((one, other))
    return taken
