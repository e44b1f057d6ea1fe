"""Reads the part of FHIRPath that search parameters are written in: paths with casts and simple conditions.

What is outside of it is kept as text, for `jiankang.fhir.path` (http://hl7.org/fhir/R4/searchparameter.html).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Step:
    """One element name, with what the expression asks of it."""

    name: str
    cast: str | None = None
    index: int | None = None
    condition: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class PlainPath:
    """Element names from `root` (a type, '%resource', or '' for the context) on.

    `resolves_to`: the last is a reference, and only to this type.
    `is_flag`: the expression asks whether the element exists and is not false.
    """

    root: str
    steps: tuple[Step, ...]
    resolves_to: str | None = None
    is_flag: bool = False


@dataclass(frozen=True, slots=True)
class OtherExpression:
    """FHIRPath beyond plain paths."""

    root: str
    text: str


Part = PlainPath | OtherExpression

_FLAG = re.compile(r"(?P<path>[\w.]+)\.exists\(\) and (?P=path) != false")
_NAME = re.compile(r"(%?[A-Za-z]\w*)(?:\[(\d+)\])?")
_CAST = re.compile(r"(?:as|ofType)\((?:FHIR\.)?(\w+)\)")
_RESOLVE = re.compile(r"where\(resolve\(\) is (?:FHIR\.)?(\w+)\)")
_CONDITION = re.compile(r"where\((\w+)\s*=\s*'([^'\\]*)'\)")
_PARENTHESISED = re.compile(r"\((?P<path>[^()]*?)\s+(?:as|is)\s+(?:FHIR\.)?(?P<type>\w+)\)(?P<rest>(?:\.\w+)*)")
_LEADING_TYPE = re.compile(r"[\s(]*([A-Z]\w*)\b")


def split_top(text: str, separator: str) -> list[str]:
    """`text` cut at `separator` outside of parentheses and quotes, each piece stripped."""
    pieces, depth, quoted, start = [], 0, False, 0
    for position, character in enumerate(text):
        if character == "'" and text[position - 1 : position] != "\\":
            quoted = not quoted
        elif quoted:
            continue
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == separator and depth == 0:
            pieces.append(text[start:position].strip())
            start = position + 1
    pieces.append(text[start:].strip())
    return pieces


@lru_cache(maxsize=8192)
def parts(expression: str) -> tuple[Part, ...]:
    """The alternatives of a search parameter's expression, those that are plain paths taken apart."""
    return tuple(_part(text) for text in split_top(expression, "|") if text)


def parts_for(expression: str, type_names: tuple[str, ...]) -> tuple[Part, ...]:
    """Those alternatives that can hold for a type, itself and all it specialises being `type_names`."""
    return tuple(part for part in parts(expression) if part.root in type_names or part.root in ("", "%resource"))


def _part(text: str) -> Part:
    if flag := _FLAG.fullmatch(text):
        plain = _plain(flag["path"])
        if plain is not None:
            return PlainPath(plain.root, plain.steps, None, is_flag=True)
    if (cast := _PARENTHESISED.fullmatch(text)) and " is " not in text:
        plain = _plain(f"{cast['path']}.as({cast['type']}){cast['rest']}")
    else:
        plain = _plain(text)
    if plain is not None:
        return plain
    leading = _LEADING_TYPE.match(text)
    return OtherExpression(leading[1] if leading else "", text)


def _plain(text: str) -> PlainPath | None:
    pieces = split_top(text, ".")
    root = ""
    if pieces[0][:1].isupper() or pieces[0] == "%resource":
        root = pieces.pop(0)
        if not _NAME.fullmatch(root):
            return None
    steps: list[Step] = []
    resolves_to = None
    for piece in pieces:
        if resolves_to is not None:
            return None
        if resolve := _RESOLVE.fullmatch(piece):
            resolves_to = resolve[1]
        elif not _add(steps, piece):
            return None
    return PlainPath(root, tuple(steps), resolves_to)


def _add(steps: list[Step], piece: str) -> bool:
    """Add what one piece between dots says; False when it is beyond plain paths."""
    if name := _NAME.fullmatch(piece):
        steps.append(Step(name[1], index=None if name[2] is None else int(name[2])))
        return True
    if not steps:
        return False
    last = steps[-1]
    if cast := _CAST.fullmatch(piece):
        steps[-1] = Step(last.name, cast[1], last.index, last.condition)
        return last.cast is None
    if condition := _CONDITION.fullmatch(piece):
        steps[-1] = Step(last.name, last.cast, last.index, (condition[1], condition[2]))
        return last.condition is None
    return False
