"""Cuts FHIRPath text into tokens (http://hl7.org/fhirpath/N1/#lexical-elements)."""

from __future__ import annotations

import re
from typing import NamedTuple

from jiankang.fhir.path.errors import PathSyntaxError

MAX_LENGTH = 16_384

_TOKEN = re.compile(
    r"""
    (?P<space>(?:\s|//[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)++)
  | (?P<time>@T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)
  | (?P<datetime>@\d{4}(?:-\d\d(?:-\d\d)?)?T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)?)
  | (?P<date>@\d{4}(?:-\d\d(?:-\d\d)?)?)
  | (?P<number>\d+(?:\.\d+)?)
  | (?P<string>'(?:[^'\\]|\\.)*+')
  | (?P<quoted>`(?:[^`\\]|\\.)*+`)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<special>\$(?:this|index|total)\b)
  | (?P<variable>%(?:[A-Za-z_][A-Za-z0-9_]*|`(?:[^`\\]|\\.)*+`|'(?:[^'\\]|\\.)*+'))
  | (?P<sign>!=|!~|<=|>=|[=~<>+\-*/&|.,()\[\]{}])
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {
    "'": "'", '"': '"', "`": "`", "\\": "\\", "/": "/", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
}  # fmt: skip


class Token(NamedTuple):
    """A piece of the text: what it is, its value (escapes undone), and where it starts."""

    kind: str
    text: str
    position: int


def tokens(text: str) -> list[Token]:
    """The tokens of `text`, an "end" token last. Raises PathSyntaxError with the position of what is not understood."""
    if len(text) > MAX_LENGTH:
        raise PathSyntaxError(f"The FHIRPath expression has {len(text)} characters; at most {MAX_LENGTH} are taken.")
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise refusal(text, position, f"'{text[position : position + 10]}' is not understood")
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(Token(kind, _value(text, kind, match), position))
        position = match.end()
    found.append(Token("end", "", position))
    return found


def refusal(text: str, position: int, why: str) -> PathSyntaxError:
    """A syntax error that says line, column, and what is wrong."""
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    return PathSyntaxError(f"FHIRPath, line {line}, column {column}: {why}.")


def _value(text: str, kind: str, match: re.Match[str]) -> str:
    raw = match[0]
    if kind in ("string", "quoted"):
        return unescape(raw[1:-1], text, match.start())
    if kind == "variable":
        return unescape(raw[2:-1], text, match.start()) if raw[1] in "`'" else raw[1:]
    return raw


def unescape(inner: str, text: str = "", position: int = 0) -> str:
    """The string with its escapes undone (http://hl7.org/fhirpath/N1/#string)."""
    if "\\" not in inner:
        return inner

    def replaced(match: re.Match[str]) -> str:
        escaped = match[1]
        if len(escaped) == 5:
            return chr(int(escaped[1:], 16))
        if escaped == "u":
            raise refusal(text, position, "\\u needs four hexadecimal digits")
        # HL7's own invariants escape characters that need none (\. in a pattern): the backslash goes.
        return _ESCAPES.get(escaped, escaped)

    return _ESCAPE.sub(replaced, inner)
