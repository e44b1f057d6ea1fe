"""Escape sequences in text: HL7 v2.8, section 2.7, https://www.hl7.eu/HL7v2x/v28/std28/ch02.html#section-2.7."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.hl7v2.wire.message import Delimiters

_FORMATS = {".br": "\n", ".ce": "\n", ".fi": "", ".nf": "", "H": "", "N": ""}
_SPACES = re.compile(r"\.(sp|in|ti|sk)\s*([+-]?\d{0,3})")
_HEX = re.compile(r"X([0-9A-Fa-f]+)")
_ESCAPES = {"|": "F", "^": "S", "~": "R", "\\": "E", "&": "T"}


@lru_cache(maxsize=64)
def _pattern(escape: str) -> re.Pattern[str]:
    mark = re.escape(escape)
    return re.compile(f"{mark}([^{mark}\r\n]{{1,512}}?){mark}")


def unescape(text: str, delimiters: Delimiters) -> str:
    """The text that a field means. A sequence that is not known stays as it is written."""
    if delimiters.escape == "\x00":
        return text
    letters = {
        "F": delimiters.field, "S": delimiters.component, "R": delimiters.repetition, "E": delimiters.escape,
        "T": delimiters.sub, "P": "#",
    }  # fmt: skip

    def meant(found: re.Match[str]) -> str:
        sequence = found[1]
        known = letters.get(sequence)
        return _meant(sequence, found[0], delimiters.charset) if known is None else known

    return _pattern(delimiters.escape).sub(meant, text)


def _meant(sequence: str, written: str, charset: str) -> str:
    if sequence in _FORMATS:
        return _FORMATS[sequence]
    if (space := _SPACES.fullmatch(sequence)) is not None:
        count = min(abs(int(space[2] or "1")) if space[2] not in {"+", "-"} else 1, 200)
        return ("\n" if space[1] == "sp" else " ") * count
    if (code := _HEX.fullmatch(sequence)) is not None and len(code[1]) % 2 == 0:
        return _printable(bytes.fromhex(code[1]).decode(charset, "replace"))
    return written  # \C..\, \M..\ name character sets, \Z..\ what sender and receiver agreed on


def _printable(text: str) -> str:
    """Without NUL and other control characters, which no JSON or XML of a record may hold."""
    return "".join(one for one in text if one >= " " or one in "\t\n\r")


def escape(text: str, delimiters: Delimiters) -> str:
    """Text as it is written in a field: delimiters and line ends escaped (2.7.1)."""
    marks = {delimiters.escape: "E", delimiters.field: "F", delimiters.component: "S", delimiters.repetition: "R"}
    marks[delimiters.sub] = "T"
    mark = delimiters.escape
    table = {ord(one): f"{mark}{letter}{mark}" for one, letter in marks.items() if one != "\x00"}
    table |= {13: f"{mark}X0D{mark}", 10: f"{mark}.br{mark}"}
    return text.translate(table)
