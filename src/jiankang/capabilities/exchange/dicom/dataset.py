"""Reads DICOM JSON: https://dicom.nema.org/medical/dicom/current/output/chtml/part18/chapter_F.html.

Whatever does not have the form that the norm gives it is passed over: this reads what others sent, and never raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jiankang.capabilities.exchange.dicom.tags import TAGS

_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")
_MOST_UID = 64
_HAN = re.compile(r"[\u3400-\u9fff\u3000-\u303f\uff01-\uff5e]")
_LATIN = frozenset({"", "ISO_IR 100", "ISO_IR 6", "ISO 2022 IR 100", "ISO 2022 IR 6"})


@dataclass(frozen=True, slots=True)
class PersonName:
    """A name in its three writings; each is family^given^middle^prefix^suffix.

    https://dicom.nema.org/medical/dicom/current/output/chtml/part05/sect_6.2.html#sect_6.2.1.2
    """

    alphabetic: str = ""
    ideographic: str = ""
    phonetic: str = ""

    @property
    def shown(self) -> str:
        """The name as people write it: Chinese without spaces, family name first."""
        if self.ideographic:
            return written(self.ideographic)
        return written(self.alphabetic or self.phonetic)


def written(group: str) -> str:
    """One writing of a name as text."""
    family, given, middle, *_ = [part.strip() for part in group.split("^")] + ["", "", ""]
    return ("" if _HAN.search(group) else " ").join(part for part in (family, given, middle) if part)


def is_uid(text: str) -> bool:
    """Whether this is a unique identifier: at most 64 digits and dots.

    https://dicom.nema.org/medical/dicom/current/output/chtml/part05/chapter_9.html
    """
    return len(text) <= _MOST_UID and _UID.fullmatch(text) is not None


class Dataset:
    """One DICOM JSON object, asked by keyword."""

    def __init__(self, elements: Any, charset: str | None = None) -> None:
        self.elements: Mapping[str, Any] = elements if isinstance(elements, dict) else {}
        self._charset = self._declared() if charset is None else charset

    def _declared(self) -> str:
        values = self._values(TAGS["SpecificCharacterSet"])
        return values[0].strip() if len(values) == 1 and isinstance(values[0], str) else "\\" if values else ""

    def _values(self, tag: str) -> list[Any]:
        element = self.elements.get(tag)
        values = element.get("Value") if isinstance(element, dict) else None
        return [one for one in values if one is not None] if isinstance(values, list) else []

    def texts(self, keyword: str) -> list[str]:
        """All values as text, without padding; empty ones are left out."""
        found = [
            self.mended(str(one)).strip(" \0")
            for one in self._values(TAGS[keyword])
            if isinstance(one, str | int | float)
        ]
        return [one for one in found if one]

    def text(self, keyword: str) -> str:
        """The first value as text; empty where there is none."""
        found = self.texts(keyword)
        return found[0] if found else ""

    def whole(self, keyword: str) -> int | None:
        """The first value as a whole number that is not negative."""
        found = self.text(keyword)
        return int(found) if found.isascii() and found.isdigit() and len(found) < 10 else None

    def uid(self, keyword: str) -> str:
        """A unique identifier; empty where it is none."""
        found = self.text(keyword)
        return found if is_uid(found) else ""

    def names(self, keyword: str) -> list[PersonName]:
        """All names of persons."""
        found = [one for one in self._values(TAGS[keyword]) if isinstance(one, dict)]
        return [name for one in found if (name := self._name(one)) != PersonName()]

    def _name(self, value: Mapping[str, Any]) -> PersonName:
        groups = [value.get(part) for part in ("Alphabetic", "Ideographic", "Phonetic")]
        alphabetic, ideographic, phonetic = (
            self.mended(one).strip(" ^") if isinstance(one, str) else "" for one in groups
        )
        if not ideographic and _HAN.search(alphabetic):
            return PersonName("", alphabetic, phonetic)
        return PersonName(alphabetic, ideographic, phonetic)

    def items(self, keyword: str) -> Iterator[Dataset]:
        """The items of a sequence."""
        for one in self._values(TAGS[keyword]):
            if isinstance(one, dict):
                yield Dataset(one, self._charset)

    def mended(self, text: str) -> str:
        """The text; what says that it is Latin but is GB 18030, as many devices in China send, is read as that."""
        return text if self._charset not in _LATIN else as_chinese(text)

    @property
    def is_mislabelled(self) -> bool:
        """Whether texts are in GB 18030 although the object says that they are Latin."""
        return self._charset in _LATIN and any(as_chinese(one) != one for one in _texts(self.elements))


def as_chinese(text: str) -> str:
    """Text whose GB 18030 bytes were taken for Latin-1, read aright; any other text as it is."""
    if not any("\x80" <= one <= "\xff" for one in text) or any(one > "\xff" for one in text):
        return text
    try:
        read = text.encode("latin-1").decode("gb2312")
    except UnicodeDecodeError:
        return text
    return read if all(one < "\x80" or _HAN.match(one) for one in read) else text


def _texts(elements: Mapping[str, Any]) -> Iterator[str]:
    for element in elements.values():
        values = element.get("Value") if isinstance(element, dict) else None
        for value in values if isinstance(values, list) else []:
            if isinstance(value, str):
                yield value
            elif isinstance(value, dict):
                yield from (one for one in value.values() if isinstance(one, str))
