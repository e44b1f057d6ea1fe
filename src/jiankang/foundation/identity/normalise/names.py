"""A name as written made comparable: characters, sound, words.

Columns that are compared by distance are ASCII; what kind of name it is decides how they are made:

| written | surname · given | name | sound |
| --- | --- | --- | --- |
| 曾小明 | zeng · xiaoming | zeng xiaoming | ming xiao zeng |
| ZENG XIAOMING, Xiaoming Zeng | zeng · xiaoming | zeng xiaoming | ming xiao zeng |
| Иванов Алексей, ALEKSEI IVANOV | aleksei ivanov (sorted, no surname unless said) | aleksei ivanov | aleksei ivanov |
| 买买提·艾力 | · maimaitiaili | maimaitiaili | ai li mai mai ti |
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from jiankang.foundation.identity.normalise import latin, pinyin, placeholders
from jiankang.foundation.identity.normalise.text import MAX_NAME, clean, has_han, only_han, simplified

if TYPE_CHECKING:
    from jiankang.foundation.identity.model import WrittenName

_BRACKETS = re.compile(r"[(\[{<〈《【][^)\]}>〉》】]*[)\]}>〉》】]?")
_LATIN_PART = re.compile(r"[A-Za-z][A-Za-z '\-.]+")
_MARKS = re.compile(r"[()\[\]{}〈〉《》【】\s]+")
_HAN_TITLES = re.compile(
    r"(?:先生|女士|小姐|太太|同志|老师|医生|大夫|教授|主任|护士|师傅|阿姨|大爷|大妈|奶奶|爷爷|老人|患者|病人|小朋友|同学)$"
)
_SINGLE = 1


class Name(msgspec.Struct, frozen=True):
    """A name's comparable columns (see `model.Record`), and what its text says about a newborn."""

    written: str = ""
    hanzi: str = ""
    surname: str = ""
    given: str = ""
    name: str = ""
    sound: str = ""
    sounds: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    newborn: placeholders.Newborn | None = None
    unknown: bool = False
    findings: tuple[str, ...] = ()


NOBODY = Name()


def read_name(one: WrittenName) -> Name:
    """The comparable columns of a name; never raises, says in `findings` why a name is nobody's."""
    return _read(one.text, one.family, one.given)


@lru_cache(maxsize=131_072)
def _read(text: str, family: str, given: str) -> Name:
    whole = text or (f"{family}{given}" if has_han(family) else f"{family} {given}")
    if len(whole) > MAX_NAME:
        return Name(written=clean(whole[:MAX_NAME])[0], findings=("name.too-long",))
    plain, findings = clean(whole)
    if not plain:
        return Name(findings=(*findings, "name.empty"))
    baby = placeholders.newborn(_MARKS.sub("", plain) if has_han(plain) else plain)
    if baby is not None:
        return Name(written=plain, newborn=baby, findings=(*findings, "name.newborn"))
    if has_han(plain):
        return _han(plain, clean(family)[0], findings)
    zone = latin.from_machine_zone(plain)
    if zone is not None:
        return _latin(plain, f"{zone[0]} {zone[1]}", zone[0], findings)
    return _latin(plain, _BRACKETS.sub(" ", plain), clean(family)[0], findings)


def _han(plain: str, family: str, findings: tuple[str, ...]) -> Name:
    outside = _BRACKETS.sub("", plain)
    hanzi = simplified(only_han(outside))
    aliases = tuple(part for part in _LATIN_PART.findall(plain) if len(part.strip()) > 2)
    if any(one.isdigit() for one in plain):
        findings = (*findings, "name.digits")
    if placeholders.is_unknown(hanzi):
        return Name(written=plain, unknown=True, findings=(*findings, "name.unknown"))
    if placeholders.is_withheld(plain):
        return Name(written=plain, findings=(*findings, "name.withheld"))
    untitled = _HAN_TITLES.sub("", hanzi)
    if untitled != hanzi:
        findings = (*findings, "name.title")
    if len(untitled) <= _SINGLE:
        return Name(written=plain, findings=(*findings, "name.too-short"))
    return _spoken(plain, untitled, simplified(only_han(family)), aliases, findings)


def _spoken(plain: str, hanzi: str, family: str, aliases: tuple[str, ...], findings: tuple[str, ...]) -> Name:
    surname, readings = pinyin.surname_of(hanzi)
    if family and family != surname and len(family) < len(hanzi) and hanzi.startswith(family):
        surname, readings = family, pinyin.surnames().get(family) or ("".join(pinyin.syllables(family)),)
    rest = pinyin.syllables(hanzi[len(surname) :])
    given = "".join(rest)
    parts = pinyin.split(given) or rest
    first = readings[0] if readings else ""
    sounds = [_sound(reading, parts) for reading in readings or ("",)]
    if parts != rest:
        sounds.append(_sound(first, rest))
    for alias in aliases:
        other = _latin(alias, alias, "", ())
        if other.sound:
            sounds.append(other.sound)
    name = f"{first} {given}" if first and given else first or given
    return Name(plain, hanzi, first, given, name, sounds[0], tuple(dict.fromkeys(sounds)), (), None, False, findings)


def _sound(surname: str, given: tuple[str, ...]) -> str:
    return " ".join(sorted([*(pinyin.split(surname) or (surname,)), *given] if surname else given))


def _latin(plain: str, text: str, family: str, findings: tuple[str, ...]) -> Name:
    if not latin.readable(text):
        return Name(written=plain, findings=(*findings, "name.script"))
    words, mended = latin.words(text)
    if mended:
        findings = (*findings, "name.look-alikes")
    if any(one.isdigit() for one in text):
        findings = (*findings, "name.digits")
    if placeholders.are_unknown(words):
        return Name(written=plain, unknown=True, findings=(*findings, "name.unknown"))
    if placeholders.is_withheld(plain):
        return Name(written=plain, findings=(*findings, "name.withheld"))
    if sum(map(len, words)) <= _SINGLE:
        return Name(written=plain, findings=(*findings, "name.too-short"))
    known = latin.words(family)[0] if family else ()
    return _chinese_in_letters(plain, words, known, findings) or _foreign(plain, words, known, findings)


def _chinese_in_letters(
    plain: str, words: tuple[str, ...], family: tuple[str, ...], findings: tuple[str, ...]
) -> Name | None:
    """The name if every word is pinyin and there is one that is a Chinese surname."""
    cut = [pinyin.split(word) for word in words]
    if not all(cut) or len(words) < 2:
        return None
    surname = family[0] if len(family) == 1 else _surname_among(words)
    if not surname:
        return None
    sound = " ".join(sorted(part for parts in cut for part in parts))
    spoken = "".join(pinyin.split(surname))
    given = "".join(_given_among(words, surname, in_order=bool(family)))
    return Name(
        plain, "", spoken, given, f"{spoken} {given}", sound, (sound,), tuple(sorted(words)), None, False, findings
    )


def _given_among(words: tuple[str, ...], surname: str, *, in_order: bool) -> list[str]:
    others = list(words)
    if surname in others:
        others.remove(surname)
    spelled = ["".join(pinyin.split(word)) for word in others]
    return spelled if in_order else sorted(spelled)


def _surname_among(words: tuple[str, ...]) -> str:
    """The word that most people have as their surname, whatever the order."""
    ranks = pinyin.surname_sounds()
    ranked = [(rank, word) for word in words if (rank := ranks.get("".join(pinyin.split(word)))) is not None]
    return min(ranked)[1] if ranked else ""


def _foreign(plain: str, words: tuple[str, ...], family: tuple[str, ...], findings: tuple[str, ...]) -> Name:
    ordered = tuple(sorted(words))
    sound = " ".join(ordered)
    surname = " ".join(sorted(family))
    given = " ".join(word for word in ordered if word not in family) if family else ""
    return Name(plain, "", surname, given, sound, sound, (sound,), ordered, None, False, findings)
