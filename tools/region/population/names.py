"""What people are called: Chinese names by surname, sex and era; names of visitors in their own letters."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import accumulate

from region.population.lists import falling, pool, readings, records, table

Chance = Callable[[], float]
_SINGLE = (0.06, 0.22, 0.14, 0.06)
"""Given names of one character, by era: most were given around 1980."""

_FROM_LIST = 0.08
_SIZE = 8192


def _surnames(column: str) -> list[str]:
    return pool([(row["surname"], float(row[column] or 0)) for row in records("surnames")], _SIZE)


SURNAMES = {column: _surnames(column) for column in ("china", "hainan", "li", "miao")}
COMPOUND = frozenset(name for name in SURNAMES["china"] if len(name) == 2)
_CHARACTERS = {sex + era: pool(falling(characters), _SIZE) for sex, era, characters in table("given")}
_NAMES = {sex + era: pool(falling(names.split()), 1024) for sex, era, names in table("given_names")}
_ERAS = {name: _SINGLE[int(name[1]) - 1] for name in _CHARACTERS}


def era_of(year: int) -> str:
    """The generation of names that a year of birth belongs to."""
    return "1" if year < 1960 else "2" if year < 1985 else "3" if year < 2005 else "4"


def given_name(chance: Chance, kind: str, generation: str = "") -> str:
    """A given name; `kind` is sex and era (M3), `generation` a character that siblings share."""
    characters = _CHARACTERS[kind]
    if generation:
        return generation + characters[int(chance() * _SIZE)]
    draw = chance()
    if draw < _FROM_LIST:
        names = _NAMES[kind]
        return names[int(chance() * len(names))]
    one = characters[int(chance() * _SIZE)]
    return one if draw < _FROM_LIST + _ERAS[kind] else one + characters[int(chance() * _SIZE)]


def twin_name(chance: Chance, given: str, kind: str, other_kind: str) -> str:
    """The other twin's name: turned round, of one sound, or with one character in common."""
    characters = _CHARACTERS[other_kind]
    if len(given) == 2:
        draw = chance()
        if draw < 0.12 and given[0] != given[1] and kind == other_kind:
            return given[1] + given[0]
        if draw < 0.70:
            return given[0] + _another(chance, characters, given[1])
        if draw < 0.85:
            return _another(chance, characters, given[0]) + given[1]
    return _another(chance, characters, given[0])


def _another(chance: Chance, characters: list[str], taken: str) -> str:
    one = characters[int(chance() * _SIZE)]
    while one == taken:
        one = characters[int(chance() * _SIZE)]
    return one


@cache
def sound(text: str) -> str:
    """Characters in pinyin without tones, first letter large: 小明 is Xiaoming."""
    return "".join(readings().get(one, "") for one in text).capitalize()


def pinyin(name: str) -> str:
    """A Chinese name as passports have it: CHEN XIAOMING."""
    cut = 2 if name[:2] in COMPOUND and len(name) > 2 else 1
    return f"{sound(name[:cut])} {sound(name[cut:])}".upper()


_WADE = (
    ("zh", "ch"),
    ("q", "ch"),
    ("x", "hs"),
    ("j", "ch"),
    ("z", "ts"),
    ("c", "ts"),
    ("b", "p"),
    ("d", "t"),
    ("g", "k"),
    ("r", "j"),
)


@cache
def wade(character: str) -> str:
    """A syllable near Wade and Giles, without apostrophes, as Taiwan's passports have it: 志 is Chih, 雄 Hsiung."""
    syllable = readings().get(character, "")
    whole = {
        "zhi": "chih",
        "chi": "chih",
        "shi": "shih",
        "ri": "jih",
        "zi": "tzu",
        "ci": "tzu",
        "si": "szu",
        "he": "ho",
        "you": "yu",
    }
    if syllable in whole:
        return whole[syllable].capitalize()
    if not syllable.startswith(("ch", "sh")):
        for written, other in _WADE:
            if syllable.startswith(written):
                syllable = other + syllable[len(written) :]
                break
    syllable = syllable.replace("ong", "ung")
    for written, other in (("ian", "ien"), ("ie", "ieh"), ("ue", "ueh"), ("yan", "yen")):
        if syllable.endswith(written):
            return (syllable[: -len(written)] + other).capitalize()
    return syllable.capitalize()


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(one.partition("=")[0], one.partition("=")[2]) for one in text.split(",")]


FOREIGN = {(country, kind): pool(falling(_pairs(names)), 256) for country, kind, names in table("foreign")}
"""Names of a country as (Latin, characters or "")."""

CANTONESE = {kind: pool(falling(_pairs(names)), 256) for kind, names in table("cantonese")}
DOTTED = {sex: pool(falling(_pairs(names.replace(" ", ","))), 256) for sex, names in table("dotted")}
_GENDERED = ("ov", "ev", "in")


def foreign_family(country: str, latin: str, written: str, female: bool) -> tuple[str, str]:
    """A family name as a woman of Russia or Kazakhstan bears it: Ivanova 伊万诺娃."""
    if female and country in {"RUS", "KAZ"} and latin.endswith(_GENDERED):
        return latin + "a", written[:-1] + "娃" if written.endswith("夫") else written
    return latin, written


def cumulative(shares: tuple[float, ...]) -> list[float]:
    """Shares as rising bounds that end at 1."""
    total = sum(shares)
    return [end / total for end in accumulate(shares)]
