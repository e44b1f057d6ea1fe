"""A CodeSystem as JSON of any size: its concepts are read one after the other, never all at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from jiankang.foundation.terminology.importing.sources import Named, open_text
from jiankang.foundation.terminology.writing import drafts_of, header_of
from jiankang.kernel.errors import Invalid

if TYPE_CHECKING:
    from jiankang.foundation.terminology.model import Draft

_CHUNK = 1 << 20
_LARGEST = 1 << 28


class _Reader:
    """Reads JSON values off a stream, keeping no more of it than one value."""

    def __init__(self, file: IO[str], name: str) -> None:
        self._file, self._name = file, name
        self._text, self._at, self._ended = "", 0, False
        self._decoder = json.JSONDecoder(parse_float=Decimal)

    def _more(self) -> bool:
        if self._ended:
            return False
        try:
            chunk = self._file.read(max(_CHUNK, len(self._text) - self._at))
        except UnicodeDecodeError as error:
            raise Invalid(f"{self._name} is not UTF-8: {error}") from None
        self._ended = not chunk
        self._text, self._at = self._text[self._at :] + chunk, 0
        return bool(chunk)

    def peek(self) -> str:
        """The next character that is no white space; "" at the end."""
        while True:
            while self._at < len(self._text):
                letter = self._text[self._at]
                if not letter.isspace():
                    return letter
                self._at += 1
            if not self._more():
                return ""

    def expect(self, letters: str) -> str:
        """Take one of these characters."""
        found = self.peek()
        if not found or found not in letters:
            raise Invalid(
                f"{self._name} is not the JSON of a CodeSystem: {found[:1] or 'its end'} stands where {letters} should"
            )
        self._at += 1
        return found

    def value(self) -> Any:
        """Take the next value."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except (json.JSONDecodeError, RecursionError) as error:
                if isinstance(error, RecursionError) or len(self._text) - self._at > _LARGEST or not self._more():
                    raise Invalid(f"{self._name} is not valid JSON: {error}") from None
                continue
            if end == len(self._text) and self._more():
                continue  # a number may go on
            self._at = end
            return value


class CodeSystemFile:
    """A CodeSystem resource in a file."""

    def __init__(self, path: Path, named: Named) -> None:
        self.path = path
        header: dict[str, Any] = {name: value for name, value in self._members() if name != "concept"}
        if header.get("resourceType") != "CodeSystem":
            raise Invalid(f"{path.name} is not a CodeSystem")
        said = header_of(header)
        said.pop("id", None)
        self.header = {**said, **named.header(said.pop("url", None), said.pop("version", None), **said)}

    def drafts(self) -> Iterator[Draft]:
        """All concepts in the order of the file, from outer to inner."""
        for name, value in self._members():
            if name == "concept":
                yield from drafts_of([value])

    def _members(self) -> Iterator[tuple[str, Any]]:
        """The members of the resource; `concept` once for each of its items."""
        with open_text(self.path) as file:
            reader = _Reader(file, self.path.name)
            reader.expect("{")
            if reader.peek() == "}":
                return
            while True:
                name = reader.value()
                reader.expect(":")
                if name == "concept" and reader.peek() == "[":
                    reader.expect("[")
                    while reader.peek() != "]":
                        item = reader.value()
                        if not isinstance(item, dict):
                            raise Invalid(f"{self.path.name} has a concept that is no object")
                        yield "concept", item
                        if reader.peek() != "]":
                            reader.expect(",")
                    reader.expect("]")
                else:
                    yield str(name), reader.value()
                if reader.expect(",}") == "}":
                    return
