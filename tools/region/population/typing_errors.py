"""Error model A, slips of hand, ear and eye: one character at a time goes wrong, everything else stays right.

Its assumption: whoever writes has the right fact before them. Each function changes a row and says whether it could.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from region.population.lists import homophones, lookalikes, neighbours
from region.population.row import (
    ADDRESS,
    BIRTH,
    CARD,
    CERTIFICATE,
    CITIZEN,
    FAULTS,
    LATIN,
    NAME,
    PASSPORT,
    PERMIT,
    PHONE,
)

if TYPE_CHECKING:
    from region.population.person import Person

Chance = Callable[[], float]
Row = list[str]
_KEYS = {
    "a": "sqz", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk", "k": "jl",
    "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "wa", "r": "et", "s": "ad", "t": "ry", "u": "yi", "v": "cb",
    "w": "qe", "x": "zc", "y": "tu", "z": "xa",
}  # fmt: skip
_PAD = {
    "0": "8",
    "1": "24",
    "2": "135",
    "3": "26",
    "4": "157",
    "5": "2468",
    "6": "359",
    "7": "48",
    "8": "5790",
    "9": "68",
    "X": "C",
}
_SHAPES = {"0": "O", "1": "I", "2": "Z", "5": "S", "8": "B", "O": "0", "I": "1", "Z": "2", "S": "5", "B": "8"}


def _put(row: Row, column: int, place: int, text: str, length: int = 1) -> bool:
    old = row[column]
    row[column] = old[:place] + text + old[place + length :]
    return row[column] != old


def _instead(row: Row, column: int, others: dict[str, str], chance: Chance, first: int = 0) -> bool:
    """Puts another character of a table for one that the table has."""
    text = row[column]
    places = [place for place in range(first, len(text)) if others.get(text[place])]
    if not places:
        return False
    place = places[int(chance() * len(places))]
    choice = others[text[place]]
    return _put(row, column, place, choice[int(chance() ** 2 * len(choice))])


def homophone(row: Row, _: Person, chance: Chance) -> bool:
    """The input method offered another character of the same sound: 婷 for 亭. Given names suffer more than surnames."""
    return _instead(row, NAME, homophones(), chance, 1 if len(row[NAME]) > 1 and chance() < 0.85 else 0)


def neighbour(row: Row, _: Person, chance: Chance) -> bool:
    """Heard in a southern accent: 黄 for 王, 林 for 凌."""
    return _instead(row, NAME, neighbours(), chance)


def lookalike(row: Row, _: Person, chance: Chance) -> bool:
    """Read wrongly from paper, by people or by a scanner: 末 for 未."""
    return _instead(row, NAME, lookalikes(), chance)


def address_homophone(row: Row, _: Person, chance: Chance) -> bool:
    """The same in an address."""
    return _instead(row, ADDRESS, homophones(), chance, 3)


def _letters(row: Row, chance: Chance) -> bool:
    column = LATIN if row[LATIN] else NAME
    text = row[column]
    if len(text) < 4 or not text.isascii():
        return False
    place = 1 + int(chance() * (len(text) - 2))
    draw, one = chance(), text[place]
    if not one.isalpha():
        return False
    if draw < 0.4:
        others = _KEYS[one.lower()]
        other = others[int(chance() * len(others))]
        return _put(row, column, place, other.upper() if one.isupper() else other)
    if draw < 0.7:
        return text[place + 1].isalpha() and _put(row, column, place, text[place + 1] + one, 2)
    return _put(row, column, place, "" if draw < 0.85 else one + one)


def latin_letters(row: Row, _: Person, chance: Chance) -> bool:
    """A letter beside the right one, two exchanged, one left out or doubled."""
    return _letters(row, chance)


def _digit(row: Row, column: int, chance: Chance, first: int = 0) -> bool:
    text = row[column]
    places = [place for place in range(first, len(text)) if text[place] in _PAD]
    if not places:
        return False
    place = places[int(chance() * len(places))]
    others = _PAD[text[place]] if chance() < 0.6 else "0123456789"
    return _put(row, column, place, others[int(chance() * len(others))])


def _exchanged(row: Row, column: int, chance: Chance, first: int = 0) -> bool:
    text = row[column]
    if len(text) < first + 4:
        return False
    place = first + int(chance() * (len(text) - first - 1))
    pair = text[place : place + 2]
    return pair.isalnum() and _put(row, column, place, pair[1] + pair[0], 2)


def citizen_digit(row: Row, _: Person, chance: Chance) -> bool:
    """A digit of the citizen's number is another: the check character never forgives it."""
    return "citizen_id" not in row[FAULTS] and _digit(row, CITIZEN, chance)


def citizen_exchanged(row: Row, _: Person, chance: Chance) -> bool:
    """Two neighbours exchanged: the check character finds every one of them."""
    return "citizen_id" not in row[FAULTS] and _exchanged(row, CITIZEN, chance)


def citizen_shape(row: Row, _: Person, chance: Chance) -> bool:
    """The letter O for a 0, I for a 1."""
    return "citizen_id" not in row[FAULTS] and _instead(row, CITIZEN, _SHAPES, chance)


def other_document(row: Row, _: Person, chance: Chance) -> bool:
    """A slip in whatever other document there is."""
    column = next((one for one in (PASSPORT, PERMIT, CERTIFICATE, CARD) if row[one]), None)
    if column is None:
        return False
    draw = chance()
    if draw < 0.5:
        return _digit(row, column, chance)
    return _exchanged(row, column, chance) if draw < 0.8 else _instead(row, column, _SHAPES, chance)


def phone_digit(row: Row, _: Person, chance: Chance) -> bool:
    """A digit of the telephone number is another."""
    return _digit(row, PHONE, chance, 1)


def phone_exchanged(row: Row, _: Person, chance: Chance) -> bool:
    """Two digits of the telephone number exchanged."""
    return _exchanged(row, PHONE, chance, 1)


def birth_digit(row: Row, _: Person, chance: Chance) -> bool:
    """A digit of the birth date is another, now and then an impossible one."""
    return _digit(row, BIRTH, chance, 2)


def birth_exchanged(row: Row, _: Person, chance: Chance) -> bool:
    """Two digits of the birth date exchanged: 1987 for 1978."""
    return _exchanged(row, BIRTH, chance, 2)


def house_digit(row: Row, _: Person, chance: Chance) -> bool:
    """A digit of the house number is another."""
    return _digit(row, ADDRESS, chance)


FAULTS_A = (
    ("name.homophone", homophone, 22), ("name.accent", neighbour, 7), ("name.lookalike", lookalike, 7),
    ("name.letters", latin_letters, 6), ("birth_date.digit", birth_digit, 8), ("birth_date.exchanged", birth_exchanged, 5),
    ("citizen_id.digit", citizen_digit, 12), ("citizen_id.exchanged", citizen_exchanged, 7), ("citizen_id.shape", citizen_shape, 3),
    ("document.typed", other_document, 5), ("phone.digit", phone_digit, 9), ("phone.exchanged", phone_exchanged, 5),
    ("address.homophone", address_homophone, 4), ("address.digit", house_digit, 4),
)  # fmt: skip
"""Code, change, weight."""
