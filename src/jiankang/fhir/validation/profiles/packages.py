"""Where definitions come from: packages by canonical URL, the norm's own beneath them.

http://hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from jiankang.fhir.definitions import load

Json = dict[str, Any]


class Packages(Protocol):
    """Who has StructureDefinitions besides the norm: installed packages, the record, a test's dict."""

    def structure(self, url: str, version: str | None = None) -> Json | None:
        """The StructureDefinition of a canonical URL, the newest where no version is named; None when there is none."""


class Definitions:
    """StructureDefinitions held in memory, the last of the same URL and version counting."""

    def __init__(self, definitions: Iterable[Json] = ()) -> None:
        self._versions: dict[str, dict[str, Json]] = {}
        for each in definitions:
            self.add(each)

    def add(self, definition: Json) -> None:
        """Take one in."""
        self._versions.setdefault(definition["url"], {})[definition.get("version", "")] = definition

    def structure(self, url: str, version: str | None = None) -> Json | None:
        """The definition; a version may be named in part ("1.0" finds 1.0.2)."""
        versions = self._versions.get(url)
        chosen = newest(versions or (), version)
        return None if versions is None or chosen is None else versions[chosen]


class NormPackage:
    """The definitions of R4 itself."""

    def structure(self, url: str, version: str | None = None) -> Json | None:
        """The definition, if it is the norm's and of its version."""
        if version is not None and not "4.0.1".startswith(version):
            return None
        return load().structure(url)


def newest(versions: Iterable[str], version: str | None = None) -> str | None:
    """The newest of some versions, of those that fit where one is named ("1.0" fits 1.0.2); None when none does."""
    fitting = [each for each in versions if version is None or each == version or each.startswith(version + ".")]
    return max(fitting, key=version_order) if fitting else None


def version_order(version: str) -> tuple[Any, ...]:
    """What versions are sorted by: numbers as numbers, 1.0.0-ballot before 1.0.0 (https://semver.org/#spec-item-11)."""
    core, _, before = version.partition("+")[0].partition("-")
    return _parts(core, words=-1), not before, _parts(before, words=1)


def _parts(text: str, *, words: int) -> tuple[tuple[int, int, str], ...]:
    numbers = ((part.isdecimal() and len(part) < 20, part) for part in text.split("."))
    return tuple((0, int(part), "") if number else (words, 0, part) for number, part in numbers)
