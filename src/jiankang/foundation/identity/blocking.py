"""Where to look for a person: keys of 64 bits for B-trees, and how many candidates a key may bring.

A record has a handful of keys, each of one kind. Two records are compared if they share one. A key that brings more
candidates than its kind's limit is read only so far; that is said, and nothing found by such a search is linked by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jiankang.foundation.identity.normalise import pinyin
from jiankang.kernel.ids import key64

if TYPE_CHECKING:
    from jiankang.foundation.identity.model import Record

MOST = 8
"""Keys of one record."""


class Kind(NamedTuple):
    """A kind of key: its letter, what it is made of, and how many candidates are read."""

    letter: str
    of: str
    limit: int


KINDS = {
    kind.letter: kind
    for kind in (
        Kind("C", "citizen's number", 20),
        Kind("D", "another document", 20),
        Kind("N", "name and birth date", 50),
        Kind("P", "telephone and birth date", 20),
        Kind("T", "telephone and name", 20),
        Kind("M", "mother and birth date", 20),
        Kind("G", "name and place", 20),
        Kind("H", "birth date and place", 20),
        Kind("I", "surname, initials of the given name and birth date", 50),
        Kind("L", "beginning of a word of a name in letters, and birth date", 50),
        Kind("A", "of a name in letters: place and house, or place and the beginning of a word", 20),
    )
}


class Key(NamedTuple):
    """A key: the letter of its kind and 64 bits."""

    kind: str
    value: int


def keys(record: Record) -> tuple[Key, ...]:
    """The keys of a record, the most telling first; none if there is nothing to match on."""
    texts = dict.fromkeys(_texts(record))
    return tuple(Key(text[0], key64(text)) for text in list(texts)[:MOST])


def _texts(record: Record) -> list[str]:
    found = []
    born, phone, surname = record.born, record.phone, record.surname
    if record.citizen:
        found.append(f"C\x1f{record.citizen}")
    found += [f"D\x1f{document}" for document in record.documents[:2]]
    name = record.sound or record.hanzi
    whole = len(born) == 8
    if whole and name:
        found.append(f"N\x1f{born}\x1f{name}")
        if record.citizen and record.citizen[6:14] != born:
            found.append(f"N\x1f{record.citizen[6:14]}\x1f{name}")
    if whole and record.mother:
        found.append(f"M\x1f{born}\x1f{record.mother}")
    if name and phone:
        found.append(f"T\x1f{phone}\x1f{name}")
    if whole:
        found += [f"P\x1f{born}\x1f{each}" for each in record.phones[:2]]
    if record.words and not record.hanzi and not _is_chinese(record):
        return found + _in_letters(record, whole=whole)
    if name and record.place:
        found.append(f"G\x1f{name}\x1f{record.place}")
    if whole and record.place:
        found.append(f"H\x1f{born}\x1f{record.place}")
    if whole and surname:
        found.append(f"I\x1f{born}\x1f{surname}\x1f{_initials(record)}")
    if whole:
        found += [f"N\x1f{born}\x1f{other}" for other in record.names[1:3]]
    return found


def _in_letters(record: Record, *, whole: bool) -> list[str]:
    """Keys of names in letters, in which any word may be spelled another way, and of which none is sure to be the surname."""
    longest = sorted(record.words, key=len, reverse=True)[:2]
    found = [f"L\x1f{record.born}\x1f{word[:3]}" for word in longest] if whole else []
    if record.place:
        found += [f"A\x1f{record.place[:5]}\x1f{word[:4]}" for word in longest]
        if record.house:
            found.append(f"A\x1f{record.place}\x1f{record.house}")
    if whole:
        found += [f"N\x1f{record.born}\x1f{other}" for other in record.names[1:3]]
    return found


def _is_chinese(record: Record) -> bool:
    """Whether a name in letters is a Chinese one, and so comes in characters elsewhere."""
    return record.surname in pinyin.surname_sounds() and all(map(pinyin.split, record.words))


def _initials(record: Record) -> str:
    """The first letters of the given name's syllables: few typing errors change them."""
    return "".join([part[0] for part in pinyin.split(record.given)]) or record.given[:1]
