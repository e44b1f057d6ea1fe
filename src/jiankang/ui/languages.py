"""The languages of pages: which one a reader gets, and the sentences in it.

Sentences are written in English in templates; a folder of a room holds `languages/zh.po` beside its `templates`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from starlette.requests import HTTPConnection

COOKIE = "language"
_ASKED = re.compile(r"\s*([A-Za-z]{1,8}|\*)((?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?\s*")


@dataclass(frozen=True)
class Language:
    """A language that pages are written in: its tag for `lang`, its own name, and how codes are asked for in it."""

    code: str
    tag: str
    name: str

    @cached_property
    def locale(self) -> Locale:
        """Its rules for numbers and plurals."""
        return Locale.parse(self.code)


CHINESE = Language("zh", "zh-Hans", "中文")
ENGLISH = Language("en", "en", "English")
LANGUAGES = {each.code: each for each in (CHINESE, ENGLISH)}


def read_catalogue(path: Path) -> Any:
    """The sentences of one `.po` file, as Babel knows them."""
    with path.open("rb") as file:
        return read_po(file, locale=path.stem)


class Catalogue:
    """Sentences of all rooms in one language."""

    def __init__(self, language: Language, files: Iterable[Path]) -> None:
        self.language = language
        self._said = NullTranslations()
        for path in files:
            compiled = BytesIO()
            write_mo(compiled, read_catalogue(path))
            compiled.seek(0)
            more = Translations(compiled)
            self._said = self._said.merge(more) if isinstance(self._said, Translations) else more

    def gettext(self, text: str) -> str:
        """`text` in this language; itself where nobody translated it."""
        return str(self._said.ugettext(text)) if text else ""

    def ngettext(self, one: str, many: str, number: int) -> str:
        """The form for `number` things."""
        return str(self._said.ungettext(one, many, number))

    def number(self, value: float) -> str:
        """A number as it is written in this language."""
        return str(format_decimal(value, locale=self.language.locale))


def catalogues(folders: Sequence[Path]) -> dict[str, Catalogue]:
    """The catalogue of each language, out of the `languages` of all `folders`. English is what is in the templates."""
    return {
        code: Catalogue(language, sorted(path for each in folders for path in (each / "languages").glob(f"{code}.po")))
        for code, language in LANGUAGES.items()
    }


def language_of(connection: HTTPConnection) -> Language:
    """The reader's language: what they chose, else what their browser asks for, else Chinese."""
    chosen = LANGUAGES.get(connection.cookies.get(COOKIE, ""))
    return chosen or _asked_for(connection.headers.get("accept-language", ""))


def _asked_for(header: str) -> Language:
    """The first of our languages by weight (RFC 9110 §12.5.4)."""
    found: list[tuple[float, int, Language]] = []
    for place, part in enumerate(header.split(",")[:30]):
        match = _ASKED.fullmatch(part)
        language = LANGUAGES.get(match[1].lower()) if match else None
        weight = float(match[3] or 1) if match else 0.0
        if language is not None and weight > 0:
            found.append((-weight, place, language))
    return min(found, key=lambda each: each[:2])[2] if found else CHINESE
