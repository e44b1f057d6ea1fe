"""Text from the wild made plain: NFKC, no hidden marks, one space, simplified characters."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from importlib import resources

MAX_NAME = 100
"""Longer names are nobody's: the longest in passports are below 80 letters."""

_DATA = resources.files("jiankang.foundation.identity") / "data"
_SPACES = re.compile(r"\s+")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\u3007\U00020000-\U000323af]")
_NOT_HAN = re.compile("[^\u3400-\u4dbf\u4e00-\u9fff\u3007\U00020000-\U000323af]+")
HIDDEN = {"Cc", "Cf", "Co", "Cs", "Cn"}
"""Categories of what nobody sees: control and direction marks, private use, halves of pairs."""
_SYMBOLS = {"So", "Sk", "Sm", "Sc", "Me"}


def table(name: str) -> list[list[str]]:
    """The lines of a table of this room, split at tabs."""
    text = (_DATA / name).read_text("utf-8")
    return [line.split("\t") for line in text.split("\n") if line and not line.startswith("#")]


@cache
def _to_simplified() -> dict[int, str]:
    return {ord(one): simple for simple, ones in table("simplified.tsv") for one in ones}


_LATER_ASSIGNED = {
    0xE816: 0x20087, 0xE817: 0x20089, 0xE818: 0x200CC, 0xE81E: 0x9FB4, 0xE826: 0x9FB5, 0xE82B: 0x9FB6, 0xE82C: 0x9FB7,
    0xE831: 0x215D7, 0xE832: 0x9FB8, 0xE83B: 0x2298F, 0xE843: 0x9FB9, 0xE854: 0x9FBA, 0xE855: 0x241FE, 0xE864: 0x9FBB,
}  # fmt: skip


@cache
def _private_characters() -> dict[int, str]:
    """Rare characters that old systems keep at private code points (GBK FE50 to FEA0), as Unicode has them now: 䶮.

    GB 18030-2005 gave most of them their place, GB 18030-2022 the others.
    """
    trails = [trail for trail in range(0x50, 0xA1) if trail != 0x7F]
    known = {0xE815 + place: bytes((0xFE, trail)).decode("gb18030") for place, trail in enumerate(trails)}
    return known | {private: chr(assigned) for private, assigned in _LATER_ASSIGNED.items()}


def clean(text: str) -> tuple[str, tuple[str, ...]]:
    """`text` in NFKC without hidden marks and symbols, spaces made one; and what was found in it."""
    if text.isascii() and text.isprintable():
        return _SPACES.sub(" ", text).strip(), ()
    return _clean(text)


@lru_cache(maxsize=65_536)
def _clean(text: str) -> tuple[str, tuple[str, ...]]:
    plain = unicodedata.normalize("NFKC", text.translate(_private_characters()))
    if plain.isalnum():
        return plain, ()
    if plain.isprintable() and not _odd(plain):
        return _SPACES.sub(" ", plain).strip(), ()
    found: list[str] = []
    kept: list[str] = []
    for one in plain:
        category = unicodedata.category(one)
        if one.isspace():
            kept.append(" ")
        elif category in HIDDEN:
            found.append("text.hidden-marks")
        elif category in _SYMBOLS and ord(one) > 127:
            found.append("text.symbols")
        else:
            kept.append(one)
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", "".join(kept))).strip(), tuple(dict.fromkeys(found))


def _odd(text: str) -> bool:
    return any(ord(one) > 127 and unicodedata.category(one) in _SYMBOLS for one in text)


def simplified(text: str) -> str:
    """Traditional characters as simplified ones."""
    return text if text.isascii() else text.translate(_to_simplified())


def has_han(text: str) -> bool:
    """Whether Chinese characters occur."""
    return not text.isascii() and _HAN.search(text) is not None


def only_han(text: str) -> str:
    """The Chinese characters of `text`, together."""
    return _NOT_HAN.sub("", text)
