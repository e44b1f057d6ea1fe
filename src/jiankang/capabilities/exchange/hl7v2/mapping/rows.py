"""Maps as data: what each field of a segment becomes, one line each. How they are written is told in README.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.hl7v2.mapping import converters
from jiankang.capabilities.exchange.hl7v2.mapping.context import Context, at_place

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.hl7v2.wire import Segment

Json = dict[str, Any]
FOLDER = Path(__file__).parent / "segments"
KEPT, DROPPED = "kept", "dropped"
_SECTION = re.compile(r"\[(\w{3}) > ([\w.+-]+)\](?:\s+(.*))?$")
_ROW = re.compile(r"(\d+)\s+(\S+)\s*(.*)$")
_CALL = re.compile(r"(\w+)(?:\((.*)\))?$")
_PART = re.compile(r"(\w+)(\[0\])?(\+)?$")

Condition = Callable[["Segment"], bool]
Setter = Callable[[Json, Any], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a field, where it goes, how it is converted, under which condition; or why it goes nowhere."""

    number: int
    path: str
    fate: str = ""
    """`kept` or `dropped`; empty: mapped."""
    reason: str = ""
    convert: Callable[..., Any] | None = None
    arguments: tuple[str, ...] = ()
    condition: Condition | None = None
    constant: Any = None
    put: Setter | None = None
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A segment and what it is turned into: the rows of one or more official tables."""

    segment: str
    target: str
    tables: tuple[str, ...]
    rows: tuple[Row, ...]
    by_field: Mapping[int, tuple[Row, ...]] = field(default_factory=dict)

    def apply(self, context: Context, segment: Segment, into: Json) -> Json:
        """What the segment says, put into an object."""
        fields = segment.fields
        context.target, context.segment = into, segment
        for number, rows in self.by_field.items():
            if number == 0:
                for row in rows:
                    if row.condition is None or row.condition(segment):
                        _put(row, into, row.constant)
                continue
            if number >= len(fields) or not fields[number]:
                continue
            at_place(context, segment, number)
            for row in rows:
                if row.condition is None or row.condition(segment):
                    _convert(row, context, segment, into)
        return into


def _convert(row: Row, context: Context, segment: Segment, into: Json) -> None:
    if row.constant is not None:
        _put(row, into, row.constant)
        return
    if row.convert is None:
        return
    if segment.raw(row.number) == '""':
        if "." not in row.path:
            into[row.path.rstrip("+")] = None  # the sender says that there is none
        return
    values = segment.all(row.number) if row.repeats else (segment[row.number],)
    for value in values:
        if value.text and not value.is_null:
            found = row.convert(context, value, *row.arguments)
            if found is not None and row.put is not None:
                row.put(into, found)


def _put(row: Row, into: Json, value: Any) -> None:
    if row.put is not None:
        row.put(into, value)


@cache
def sections() -> Mapping[tuple[str, str], Section]:
    """All sections, by segment and target."""
    found: dict[tuple[str, str], Section] = {}
    for path in sorted(FOLDER.glob("*.map")):
        for section in parse(path.read_text(encoding="utf-8"), path.name):
            found[section.segment, section.target] = section
    return found


def parse(text: str, name: str = "") -> list[Section]:
    """The sections of a map's text. Raises ValueError with the line that cannot be read."""
    found: list[tuple[str, str, tuple[str, ...], list[Row]]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.split(" # ")[0].strip()
        if not line or line.startswith("#"):
            continue
        try:
            if (head := _SECTION.match(line)) is not None:
                found.append((head[1], head[2], tuple((head[3] or "").split()), []))
            else:
                found[-1][3].append(_row(line))
        except (ValueError, IndexError, KeyError) as problem:
            raise ValueError(f"{name}:{number}: {problem}: {line}") from None
    return [_section(*one) for one in found]


def _section(segment: str, target: str, tables: tuple[str, ...], rows: list[Row]) -> Section:
    by_field: dict[int, list[Row]] = {}
    for row in rows:
        if not row.fate:
            by_field.setdefault(row.number, []).append(row)
    return Section(segment, target, tables, tuple(rows), {n: tuple(ones) for n, ones in by_field.items()})


def _row(line: str) -> Row:
    found = _ROW.match(line)
    if found is None:
        raise ValueError("a row begins with the number of a field")
    number, path, rest = int(found[1]), found[2], found[3].strip()
    if path in {KEPT, DROPPED}:
        if not rest:
            raise ValueError("say why")
        return Row(number, "", path, rest)
    rest, _, condition = rest.partition(" if ") if " if " in rest else (rest, "", "")
    if rest.startswith("if "):
        rest, condition = "", rest[3:]
    test = _condition(condition.strip()) if condition else None
    if rest.startswith("="):
        return Row(number, path, condition=test, constant=_constant(rest[1:].strip()), put=_setter(path))
    call = _CALL.match(rest.strip())
    if call is None:
        raise ValueError("say how it is converted")
    function = converters.named(call[1])
    arguments = tuple(one.strip() for one in call[2].split(",")) if call[2] else ()
    repeats = path.endswith("+") or path.startswith("*")
    put = None if path.startswith("*") else _setter(path)
    return Row(number, path, convert=function, arguments=arguments, condition=test, put=put, repeats=repeats)


def _constant(text: str) -> Any:
    import json

    return json.loads(text) if text[:1] in '"{[' or text in {"true", "false"} else text


def _setter(path: str) -> Setter:
    """Puts a value at a path: `a.b`, `a[0].b` (the only item of a list), `a+` (one more item)."""
    parts = []
    for text in path.split("."):
        part = _PART.match(text)
        if part is None:
            raise ValueError(f"{path} is no path")
        parts.append((part[1], bool(part[2]), bool(part[3])))
    name, in_list, more = parts[-1]
    above = parts[:-1]

    def put(into: Json, value: Any) -> None:
        for step, listed, _ in above:
            inner: Any = into.get(step)
            if inner is None:
                inner = into[step] = [{}] if listed else {}
            into = inner[0] if listed else inner
        if more:
            found = into.get(name)
            if found is None:
                into[name] = [value]
            elif value not in found:
                found.append(value)
        elif in_list:
            into[name] = [value]
        elif isinstance(value, dict) and isinstance(into.get(name), dict):
            into[name] = {**into[name], **value}
        else:
            into[name] = value

    return put


# -- conditions -----------------------------------------------------------------------------------------------------


def _condition(text: str) -> Condition:
    """`25 valued`, `25 empty`, `2 = ED`, `2 not P`, `2 in ST,FT`, `7 longer 8`; several with ` and `."""
    tests = [_test(one.split()) for one in text.split(" and ")]
    if len(tests) == 1:
        return tests[0]
    return lambda segment: all(test(segment) for test in tests)


def _test(words: Sequence[str]) -> Condition:
    field_, operator = words[0], words[1]
    number, _, component = field_.partition(".")
    at, part = int(number), int(component or 1)
    wanted = words[2].split(",") if len(words) > 2 else []
    match operator:
        case "valued":
            return lambda segment: bool(segment.raw(at) if not component else segment[at].c(part))
        case "empty":
            return lambda segment: not (segment.raw(at) if not component else segment[at].c(part))
        case "=" | "in":
            return lambda segment: segment[at].c(part) in wanted
        case "not":
            return lambda segment: segment[at].c(part) not in wanted
        case "longer":
            return lambda segment: len(segment[at].c(part)) > int(wanted[0])
    raise ValueError(f"{operator} is no condition")
