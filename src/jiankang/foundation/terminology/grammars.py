"""Code systems that are a grammar instead of a list: units (UCUM), languages (BCP 47), media types (BCP 13)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jiankang.fhir.search.ucum import canonical
from jiankang.foundation.terminology.model import Concept

_LANGUAGE = re.compile(
    r"(?:[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*(?:-[A-WYZa-wyz0-9](?:-[A-Za-z0-9]{2,8})+)*(?:-x(?:-[A-Za-z0-9]{1,8})+)?"
    r"|x(?:-[A-Za-z0-9]{1,8})+"
)
_MEDIA = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}(?:\s*;.*)?")


@dataclass(frozen=True)
class Grammar:
    """A system whose codes are all texts of a form."""

    id: int
    url: str
    name: str
    accepts: Callable[[str], bool]
    version: str = ""
    polyhierarchy: bool = False
    count: int = 0
    case_sensitive: bool = True
    content: str = "complete"
    language: str | None = None
    header: dict[str, Any] = field(default_factory=dict)

    @property
    def canonical(self) -> str:
        """The URL: a grammar has no versions here."""
        return self.url

    def concept(self, code: str) -> Concept | None:
        """The concept that a code of this form is; None when it is not of the form."""
        if not code or len(code) > 200 or not self.accepts(code):
            return None
        return Concept(self.id, 0, 0, 0, code, code, (), (), None)


def _is_unit(code: str) -> bool:
    return canonical(code) is not None


GRAMMARS = {
    each.url: each
    for each in (
        Grammar(-1, "http://unitsofmeasure.org", "UCUM", _is_unit),
        Grammar(-2, "urn:ietf:bcp:47", "Language tags", lambda code: _LANGUAGE.fullmatch(code) is not None),
        Grammar(-3, "urn:ietf:bcp:13", "Media types", lambda code: _MEDIA.fullmatch(code) is not None),
    )
}
