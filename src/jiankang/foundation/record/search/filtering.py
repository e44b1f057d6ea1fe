"""`_filter`: a sentence of conditions joined by and, or, not (http://hl7.org/fhir/R4/search_filter.html)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jiankang.fhir.search import parse_reference, parse_token
from jiankang.foundation.record import indexing
from jiankang.foundation.record.search.criteria import (
    Chain,
    Criterion,
    Every,
    Missing,
    Not,
    Some,
    Span,
    Updated,
    either,
)
from jiankang.foundation.record.search.values import text_criterion, uri_beginning
from jiankang.kernel.errors import Invalid

if TYPE_CHECKING:
    from jiankang.fhir.search import Parameter
    from jiankang.foundation.record.search.query import Reader

_LONGEST = 4_000
_DEEPEST = 32
_PIECE = re.compile(r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<mark>[()\[\].])|(?P<word>[^\s()\[\]"]+))', re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][\w\-]*(?::[A-Za-z]+)?")
_OPERATORS = frozenset(
    ["eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr", "po", "ss", "sb", "in", "ni", "re"]
)
_MEANING = {"ss": "above", "sb": "below", "in": "in", "ni": "not-in"}
_NUMERIC = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb"})


@dataclass(slots=True)
class _Piece:
    kind: str
    text: str
    place: int


class _Filter:
    """One filter under reading: recursive descent over its pieces; `and` binds more tightly than `or`."""

    def __init__(self, reader: Reader, text: str) -> None:
        self.reader = reader
        self.text = text
        self.pieces = self._pieces(text)
        self.next = 0

    def _pieces(self, text: str) -> list[_Piece]:
        found, place = [], 0
        stripped = text.rstrip()
        while place < len(stripped):
            match = _PIECE.match(stripped, place)
            if match is None:
                raise self._wrong("a closing quote is missing", place)
            kind = match.lastgroup or ""
            found.append(_Piece(kind, match[kind], match.start(kind)))
            place = match.end()
        return found

    def _wrong(self, what: str, place: int | None = None) -> Invalid:
        if place is None:
            place = self.pieces[self.next].place if self.next < len(self.pieces) else len(self.text)
        return Invalid(f"_filter: {what} at character {place + 1}", expression=["_filter"])

    def _peek(self) -> _Piece | None:
        return self.pieces[self.next] if self.next < len(self.pieces) else None

    def _take(self, what: str) -> _Piece:
        piece = self._peek()
        if piece is None:
            raise self._wrong(f"{what} is expected")
        self.next += 1
        return piece

    def _is(self, text: str) -> bool:
        piece = self._peek()
        return piece is not None and piece.kind != "string" and piece.text == text

    def _expect(self, text: str) -> None:
        if not self._is(text):
            raise self._wrong(f"'{text}' is expected")
        self.next += 1

    def whole(self, type_name: str) -> Criterion:
        found = self._or(type_name, 0)
        if self._peek() is not None:
            raise self._wrong("'and', 'or' or the end is expected")
        return found

    def _or(self, type_name: str, depth: int) -> Criterion:
        parts = [self._and(type_name, depth)]
        while self._is("or"):
            self.next += 1
            parts.append(self._and(type_name, depth))
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _and(self, type_name: str, depth: int) -> Criterion:
        parts = [self._one(type_name, depth)]
        while self._is("and"):
            self.next += 1
            parts.append(self._one(type_name, depth))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _one(self, type_name: str, depth: int) -> Criterion:
        if depth > _DEEPEST:
            raise self._wrong("this is nested too deeply")
        if self._is("not"):
            self.next += 1
            self._expect("(")
            inner = self._or(type_name, depth + 1)
            self._expect(")")
            return Not(inner)
        if self._is("("):
            self.next += 1
            inner = self._or(type_name, depth + 1)
            self._expect(")")
            return inner
        return self._comparison(type_name, depth)

    def _comparison(self, type_name: str, depth: int) -> Criterion:
        """`path operator value`; a path through references leads to the type where the comparison is made."""
        word = self._take("the name of a search parameter")
        if word.kind != "word":
            raise self._wrong("the name of a search parameter is expected", word.place)
        names = word.text.split(".")
        if not all(_NAME.fullmatch(name) for name in names if name):
            raise self._wrong(f"'{word.text[:40]}' is not a name", word.place)
        return self._path(type_name, names, depth)

    def _path(self, type_name: str, names: list[str], depth: int) -> Criterion:
        head, rest = names[0], names[1:]
        inside: int | None = None
        if not rest and self._is("["):
            inside = self.next + 1
            self._skip()
            self._expect(".")
            rest = self._take("a name").text.split(".")
        if not rest:
            return self._operation(type_name, head)
        return self._through(type_name, head, rest, inside, depth)

    def _skip(self) -> None:
        """Past `[...]`; what is inside is read again for each type that it may be about."""
        level = 0
        while True:
            piece = self._take("']'")
            level += {"[": 1, "]": -1}.get(piece.text, 0) if piece.kind == "mark" else 0
            if level == 0:
                return

    def _through(self, type_name: str, head: str, rest: list[str], inside: int | None, depth: int) -> Criterion:
        code, _, wanted = head.partition(":")
        parameter = self.reader.parameter(type_name, code)
        if parameter.type != "reference":
            raise self._wrong(f"{type_name}.{code} is not a reference")
        constants = tuple(
            indexing.reference_constant(type_name, one)
            for one in (parameter.alias_of.codes if parameter.alias_of else (code,))
        )
        start, end = self.next, self.next
        found: list[Criterion] = []
        problem: Invalid | None = None
        for target in self.reader.targets(parameter, wanted, head):
            self.next = start
            try:
                inner = self._path(target, rest, depth + 1)
                end = self.next
                if inside is not None:
                    self.next = inside
                    inner = Every((self._or(target, depth + 1), inner))
            except Invalid as one:
                problem = one
                continue
            found.append(Chain(constants, self.reader.definitions.type_code(target), inner))
        if not found:
            raise problem or self._wrong(f"'{head}' leads nowhere")
        if len(found) > 12:
            raise self._wrong(f"'{head}' may lead to {len(found)} types: name one, as {head}:Patient")
        self.next = end
        return either(found)

    def _operation(self, type_name: str, code: str) -> Criterion:
        operator = self._take("an operator")
        if operator.text not in _OPERATORS or operator.kind != "word":
            raise self._wrong(f"'{operator.text[:20]}' is not one of {' '.join(sorted(_OPERATORS))}", operator.place)
        value = self._take("a value")
        if value.kind == "mark":
            raise self._wrong("a value is expected", value.place)
        text = value.text
        quoted = value.kind == "string"
        if quoted:
            try:
                text = json.loads(text, strict=False)
            except ValueError:
                raise self._wrong("this string is not well-formed", value.place) from None
        parameter = self.reader.parameter(type_name, code.partition(":")[0])
        if operator.text in _MEANING and parameter.type == "token":
            return self.reader.values.criterion(type_name, parameter, _MEANING[operator.text], text.replace(",", "\\,"))
        return self._criterion(type_name, parameter, operator.text, text, quoted)

    def _criterion(self, type_name: str, parameter: Parameter, operator: str, text: str, quoted: bool) -> Criterion:
        if operator == "pr":
            if text not in {"true", "false"}:
                raise Invalid("_filter: 'pr' is followed by true or false", expression=["_filter"])
            return self._present(type_name, parameter, text == "true")
        if operator == "ne" and parameter.type not in {"date", "number", "quantity"}:
            same = self._criterion(type_name, parameter, "eq", text, quoted)
            return Every((self._present(type_name, parameter, True), Not(same)))
        codes = parameter.alias_of.codes if parameter.alias_of else (parameter.code,)
        kind = parameter.type
        if parameter.code in {"_id", "_list", "_text", "_content"}:
            return self.reader.values.criterion(type_name, parameter, "", _escaped(text))
        if kind == "string" and operator in _STRING:
            return either(
                [text_criterion(indexing.param_key(type_name, one), _STRING[operator], text) for one in codes]
            )
        if kind == "uri" and operator in {"eq", "sw"}:
            if operator == "sw":
                return either([uri_beginning(type_name, one, text) for one in codes])
            return self.reader.values.criterion(type_name, parameter, "", _escaped(text))
        if kind == "token" and operator == "eq":
            parse_token(text)
            return self.reader.values.criterion(type_name, parameter, "", text.replace(",", "\\,"))
        if kind == "token" and operator in {"co", "sw"}:
            return self.reader.values.criterion(type_name, parameter, "text", _escaped(text))
        if kind == "reference" and operator in {"eq", "re"}:
            parse_reference(text)
            return self.reader.values.criterion(type_name, parameter, "", text.replace(",", "\\,"))
        if kind == "date" and operator == "po":
            return self._overlapping(type_name, parameter, codes, text)
        if kind in {"date", "number", "quantity"} and operator in _NUMERIC:
            return self.reader.values.criterion(type_name, parameter, "", f"{operator}{text}")
        raise Invalid(f"_filter: '{operator}' cannot be used with {parameter.code}, a {kind}", expression=["_filter"])

    def _present(self, type_name: str, parameter: Parameter, wanted: bool) -> Criterion:
        if parameter.code.startswith("_"):
            return self.reader.values.criterion(type_name, parameter, "missing", "false" if wanted else "true")
        return Missing(parameter.number, not wanted)

    def _overlapping(self, type_name: str, parameter: Parameter, codes: tuple[str, ...], text: str) -> Criterion:
        _, lo, hi = self.reader.values.interval(text)
        if parameter.code == "_lastUpdated":
            found = self.reader.values.criterion(type_name, parameter, "", text)
            return Updated("ap", found.lo, found.hi) if isinstance(found, Updated) else found
        return either([Span(indexing.param_key(type_name, one), "ap", lo, hi) for one in codes])


_STRING = {
    "eq": "equals", "co": "contains", "sw": "starts", "ew": "ends", "gt": "gt", "lt": "lt", "ge": "ge", "le": "le",
    "sa": "gt", "eb": "lt", "ap": "contains",
}  # fmt: skip


def _escaped(text: str) -> str:
    for mark in "\\,|$":
        text = text.replace(mark, f"\\{mark}")
    return text


def filter_criterion(reader: Reader, type_name: str, text: str) -> Criterion:
    """What a `_filter` asks of resources of a type. Raises Invalid with the place of what is wrong."""
    if len(text) > _LONGEST:
        raise Invalid(f"_filter is longer than {_LONGEST} characters", expression=["_filter"], code="too-long")
    return _Filter(reader, text).whole(type_name)
