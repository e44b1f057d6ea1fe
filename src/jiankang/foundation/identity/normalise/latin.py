"""Names in Latin letters as a passport's machine-readable zone writes them, in lower case.

ICAO Doc 9303 part 3, section 6 A (Latin) and B (Cyrillic). Letters that look Latin but are Greek or Cyrillic inside a
Latin word are taken for what they look like, and that is said.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LATIN = {
    "ä": "ae", "æ": "ae", "å": "aa", "ð": "d", "đ": "d", "ħ": "h", "ı": "i", "ĳ": "ij", "ĸ": "q", "ł": "l", "ŀ": "l",
    "ŋ": "n", "ö": "oe", "ø": "oe", "œ": "oe", "ß": "ss", "þ": "th", "ŧ": "t", "ü": "ue", "ə": "e", "ĵ": "j",
}  # fmt: skip
"""Only what is not the letter without its mark."""

_CYRILLIC = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "i",
    "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
    "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "ie", "ы": "y", "ь": "", "э": "e", "ю": "iu",
    "я": "ia", "і": "i", "ї": "i", "є": "ie", "ґ": "g", "ў": "u", "ѓ": "g", "ќ": "k", "ђ": "d", "ј": "j", "љ": "lj",
    "њ": "nj", "ћ": "c", "џ": "dz", "ѕ": "dz",
    # Kazakh and Mongolian letters, which the norm does not list
    "ә": "a", "ғ": "g", "қ": "q", "ң": "n", "ө": "o", "ұ": "u", "ү": "u", "һ": "h",
}  # fmt: skip

_FOREIGN_LOOKS = "аеорсухівкмнтјѕαβεικνορτυχ"
_LATIN_LOOKS = "aeopcyxibkmhtjsabeikvoptux"
_TO_LATIN = str.maketrans(_FOREIGN_LOOKS, _LATIN_LOOKS)
_TO_CYRILLIC = str.maketrans("aeopcyxibkmht", "аеорсухівкмнт")
_TRANSLITERATION = str.maketrans(_LATIN | _CYRILLIC)
_NOT_LETTERS = re.compile(r"[^a-z]+")
_OMITTED = re.compile(r"['’ʼ`´.]")  # noqa: RUF100
_MRZ = re.compile(r"^[A-Z<]{5,}$")
TITLES = frozenset(
    "mr mrs ms miss mister madam dr prof professor sir dame jr sr herr frau monsieur mme mlle gospodin".split()  # noqa: SIM905 - a list of words reads best as words
)


@lru_cache(maxsize=65_536)
def words(text: str) -> tuple[tuple[str, ...], bool]:
    """The words of a Latin or Cyrillic name in the order written, without titles; and whether look-alikes were mended."""
    lower, mended = _look_alikes(text.lower())
    plain = _OMITTED.sub("", lower).translate(_TRANSLITERATION)
    if not plain.isascii():
        plain = "".join(one for one in unicodedata.normalize("NFD", plain) if one.isascii() or not one.isalpha())
        plain = "".join(one for one in plain if not unicodedata.combining(one))
    found = [word for word in _NOT_LETTERS.split(plain) if word]
    return tuple(word for word in found if word not in TITLES), mended


def _look_alikes(text: str) -> tuple[str, bool]:
    if text.isascii():
        return text, False
    parts = text.split(" ")
    mended = [_one_script(part) for part in parts]
    return " ".join(mended), mended != parts


def _one_script(word: str) -> str:
    """A word that mixes scripts, in the one that its unmistakable letters have."""
    foreign = [one for one in word if 0x370 <= ord(one) < 0x530]
    if not foreign or not any(one.isalpha() and ord(one) < 0x250 for one in word):
        return word
    return word.translate(_TO_LATIN if all(one in _FOREIGN_LOOKS for one in foreign) else _TO_CYRILLIC)


def readable(text: str) -> bool:
    """Whether all letters are Latin, Cyrillic or Greek look-alikes: other scripts are compared as written only."""
    return text.isascii() or all(ord(one) < 0x530 or 0x1E00 <= ord(one) < 0x1F00 for one in text if one.isalpha())


def from_machine_zone(text: str) -> tuple[str, str] | None:
    """Surname and given names of the name field of a machine-readable zone: IVANOV<<ALEKSEI<PETROVICH."""
    if "<" not in text or not _MRZ.match(text):
        return None
    surname, _, given = text.strip("<").partition("<<")
    return surname.replace("<", " ").strip(), given.replace("<", " ").strip()
