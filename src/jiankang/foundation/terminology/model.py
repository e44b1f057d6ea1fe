"""What this room speaks of: code systems, their concepts, and codes as they are asked about."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jiankang.kernel.errors import NotFound, Unprocessable
from jiankang.kernel.jsontext import decode

_LONGEST_NAMES = 600  # of up to four bytes each, in an index row of at most 2,700
INACTIVE, ABSTRACT, POLY = 1, 2, 4
_PARTS = re.compile(r"\d+|[^\d.\-_+]+")


class UnknownSystem(NotFound):
    """No code system is known by this URL, or not in this version."""


class UnknownValueSet(NotFound):
    """No value set is known by this URL, or not in this version."""


class Cyclic(Unprocessable):
    """A value set includes itself."""


@dataclass(frozen=True, slots=True)
class Coding:
    """A code as somebody sent it (http://hl7.org/fhir/R4/datatypes.html#Coding)."""

    system: str
    code: str
    version: str | None = None
    display: str | None = None


@dataclass(frozen=True)
class System:
    """One version of a code system. `header` is the CodeSystem without its concepts."""

    id: int
    url: str
    version: str
    polyhierarchy: bool
    count: int
    header: dict[str, Any]
    origin: str = "record"

    @property
    def canonical(self) -> str:
        """`url|version`."""
        return f"{self.url}|{self.version}" if self.version else self.url

    @property
    def case_sensitive(self) -> bool:
        """Whether codes that differ in case only are different; R4 leaves it open, then they are."""
        return self.header.get("caseSensitive") is not False

    @property
    def content(self) -> str:
        """How much of the system is here: complete, fragment, example, not-present, supplement."""
        return str(self.header.get("content", "complete"))

    @property
    def language(self) -> str | None:
        """The language of displays."""
        return self.header.get("language")


@dataclass(frozen=True)
class Concept:
    """A concept of a system. `n` is its place in tree order, `last` that of the last one below it."""

    system: int
    n: int
    last: int
    flags: int
    code: str
    display: str
    parents: tuple[int, ...]
    ancestors: tuple[int, ...]
    text: str | None

    @property
    def inactive(self) -> bool:
        """Whether it is not to be used any more."""
        return bool(self.flags & INACTIVE)

    @property
    def abstract(self) -> bool:
        """Whether it only groups others and may not be chosen."""
        return bool(self.flags & ABSTRACT)

    @cached_property
    def more(self) -> dict[str, Any]:
        """`definition`, `designation` and `property` as in the CodeSystem."""
        found: dict[str, Any] = decode(self.text) if self.text else {}
        return found

    @property
    def designations(self) -> list[dict[str, Any]]:
        """Other names, as in CodeSystem.concept.designation."""
        found: list[dict[str, Any]] = self.more.get("designation", [])
        return found

    @property
    def properties(self) -> list[dict[str, Any]]:
        """As in CodeSystem.concept.property."""
        found: list[dict[str, Any]] = self.more.get("property", [])
        return found

    def property_texts(self, name: str) -> list[str]:
        """The values of a property, as texts (the code of a Coding)."""
        return [value_text(each) for each in self.properties if each.get("code") == name]


@dataclass(frozen=True, slots=True)
class Draft:
    """A concept on its way in: parents are codes."""

    code: str
    display: str = ""
    definition: str | None = None
    designations: list[dict[str, Any]] = field(default_factory=list)
    properties: list[dict[str, Any]] = field(default_factory=list)
    parents: tuple[str, ...] = ()


def value_text(item: dict[str, Any]) -> str:
    """The value[x] of a concept property as a text."""
    for name, value in item.items():
        if name.startswith("value"):
            if value is True or value is False:
                return "true" if value else "false"
            return str(value.get("code", "")) if isinstance(value, dict) else str(value)
    return ""


def version_order(version: str) -> tuple[tuple[int, int, str], ...]:
    """A key that puts versions in order: 2.9 before 2.10, 2011 before 2023-04."""
    return tuple((1, int(part[:18]), "") if part.isdigit() else (0, 0, part) for part in _PARTS.findall(version))


def split_canonical(canonical: str) -> tuple[str, str | None]:
    """`url|version` in its two parts."""
    url, _, version = canonical.partition("|")
    return url, version or None


def check_lengths(what: str, *texts: str) -> None:
    """Raises Unprocessable where names together are longer than an index can hold."""
    if sum(map(len, texts)) > _LONGEST_NAMES:
        raise Unprocessable(f"{what} is longer than {_LONGEST_NAMES} characters: {texts[0][:60]!r}…", code="too-long")


def same_text(one: str, other: str) -> bool:
    """Whether two displays differ in case and white space only."""
    return one == other or " ".join(one.casefold().split()) == " ".join(other.casefold().split())


def speaks(language: str | None, wanted: str) -> bool:
    """Whether a text in `language` serves who wants `wanted` (RFC 4647 §3.3.1): zh serves zh-CN and the other way."""
    if not language:
        return False
    one, other = language.lower(), wanted.lower()
    return one == other or one.startswith(f"{other}-") or other.startswith(f"{one}-")
