"""Reads the text of a mapping (YAML, https://yaml.org/spec/1.2.2/) and refuses a wrong one with line and reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NoReturn

import yaml

from jiankang.capabilities.exchange.tables.mapping import Column, Link, Mapped, Naming, Own, Slot, Template, bare
from jiankang.capabilities.exchange.tables.values import KINDS, PARTS
from jiankang.fhir.definitions import load
from jiankang.kernel.errors import Invalid, Issue

MOST_BYTES = 200_000
MOST_DEPTH = 24
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TITLE = re.compile(r"[a-z][a-z0-9-]{0,59}")
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})")
_SLOT = re.compile(r"\$[a-z][a-z0-9_.]*(\s*\|\s*\$?[a-z][a-z0-9_.]*)*!?")
_TOP = {"name", "version", "title", "key", "known", "agree", "columns", "resources", "tables"}
_OF_COLUMN = {"heads", "as", "required", "table", "system", "unit", "unit_from", "drop", "lenient", "nothing"}
_OF_RESOURCE = {"type", "id", "when", "says"}

Node = Any


class WrongMapping(Invalid):
    """This mapping cannot be used."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(issues=[Issue("invalid", f"line {line}: {reason}", (f"line {line}",))])
        self.line = line
        self.reason = reason


def _wrong(node: Node, reason: str) -> NoReturn:
    raise WrongMapping(node.start_mark.line + 1, reason)


@lru_cache(maxsize=256)
def read_mapping(text: str) -> Mapped:
    """The mapping that this text says. Raises WrongMapping with the line and the reason."""
    top = _fields(_composed(text), _TOP, {"name", "columns", "resources"})
    tables = {name: _table(node) for name, node in _pairs(top["tables"])} if "tables" in top else {}
    columns = {name: _column(name, node, tables) for name, node in _pairs(top["columns"])}
    _heads_once(top["columns"], columns)
    names = _Names(columns, frozenset(name for name, _ in _pairs(top["resources"])))
    templates = {name: _template(name, node, names) for name, node in _pairs(top["resources"])}
    title = dict(_pairs(top["title"])) if "title" in top else {}
    name = _text(top["name"])
    if not _TITLE.fullmatch(name):
        _wrong(top["name"], "a name is small letters, digits and hyphens")
    for node in title.values():
        _text(node)
    return Mapped(
        name, _positive(top["version"]) if "version" in top else 1,
        title["zh"].value if "zh" in title else name, title["en"].value if "en" in title else name,
        columns, templates, tuple(names.column(node) for node in _items(top.get("key"))),
        names.column(top["known"]) if "known" in top else "",
        tuple(_pair(node, names) for node in _items(top.get("agree"))), text,
    )  # fmt: skip


def _composed(text: str) -> Node:
    if len(text) > MOST_BYTES:
        raise WrongMapping(1, f"a mapping has at most {MOST_BYTES:,} characters")
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MOST_DEPTH:
                raise WrongMapping(event.start_mark.line + 1, "it is nested too deeply")
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise WrongMapping(event.start_mark.line + 1, "anchors and aliases (& and *) are not used here")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise WrongMapping(mark.line + 1 if mark else 1, str(error.problem or error.context)) from None
    except yaml.YAMLError as error:
        raise WrongMapping(1, " ".join(str(error).split())[:200]) from None
    if node is None:
        raise WrongMapping(1, "it is empty")
    return node


def _pairs(node: Node) -> Iterator[tuple[str, Node]]:
    if not isinstance(node, yaml.MappingNode):
        _wrong(node, "names with values are expected here")
    seen: set[str] = set()
    for key, value in node.value:
        name = _text(key)
        if name in seen:
            _wrong(key, f"{name} is there twice")
        seen.add(name)
        yield name, value


def _fields(node: Node, allowed: set[str], required: set[str]) -> dict[str, Node]:
    if not isinstance(node, yaml.MappingNode):
        _wrong(node, "names with values are expected here")
    for key, _ in node.value:
        if _text(key) not in allowed:
            _wrong(key, f"{key.value} is not known here; known are {', '.join(sorted(allowed))}")
    found = dict(_pairs(node))
    for name in sorted(required - set(found)):
        _wrong(node, f"{name} is missing")
    return found


def _items(node: Node | None) -> list[Node]:
    if node is None:
        return []
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    return [node]


def _text(node: Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        _wrong(node, "a text is expected here")
    return str(node.value)


def _positive(node: Node) -> int:
    written = _text(node)
    if not written.isascii() or not written.isdigit() or not 0 < int(written) < 10**6:
        _wrong(node, "a version is a whole number from 1")
    return int(written)


def _truth(node: Node) -> bool:
    written = _text(node)
    if written not in {"true", "false"}:
        _wrong(node, "write true or false")
    return written == "true"


def _table(node: Node) -> dict[str, Any]:
    return {bare(cell): _plain(value) for cell, value in _pairs(node)}


def _plain(node: Node) -> Any:
    """JSON without places for cells."""
    return _tree(node, _scalar)


def _tree(node: Node, leaf: Callable[[Node], Any]) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {name: _tree(value, leaf) for name, value in _pairs(node)}
    if isinstance(node, yaml.SequenceNode):
        return [_tree(one, leaf) for one in node.value]
    return leaf(node)


def _scalar(node: Node) -> Any:
    written = str(node.value)
    if node.style is None and written in {"true", "false"}:
        return written == "true"
    if node.style is None and _NUMBER.fullmatch(written):
        return int(written)
    return written


def _column(name: str, node: Node, tables: Mapping[str, Any]) -> Column:
    if not _NAME.fullmatch(name):
        _wrong(node, f"the name of a column is small letters, digits and underscores, not {name}")
    said = _fields(node, _OF_COLUMN, {"heads"})
    kind = _text(said["as"]) if "as" in said else "text"
    if kind not in KINDS:
        _wrong(said["as"], f"{kind} is no kind of cell; kinds are {', '.join(sorted(KINDS))}")
    heads = tuple(_text(one) for one in _items(said["heads"]))
    if not heads or not all(bare(head) for head in heads):
        _wrong(said["heads"], "a column needs at least one heading")
    table: Mapping[str, Any] = {}
    if "table" in said:
        called = _text(said["table"])
        if called not in tables:
            _wrong(said["table"], f"there is no table {called}")
        table = tables[called]
    if kind == "code" and not table:
        _wrong(node, "a column of codes needs a table")
    words = {one: _text(said[one]) for one in ("system", "unit", "unit_from", "drop") if one in said}
    flags = {one: _truth(said[one]) for one in ("required", "lenient") if one in said}
    nothing = frozenset(bare(_text(one)) for one in _items(said.get("nothing")))
    return Column(name, heads, kind, table=table, nothing=nothing, **words, **flags)  # type: ignore[arg-type]


def _heads_once(node: Node, columns: Mapping[str, Column]) -> None:
    seen: dict[str, str] = {}
    nodes = dict(_pairs(node))
    for column in columns.values():
        for head in column.heads:
            other = seen.setdefault(bare(head), column.name)
            if other != column.name:
                _wrong(nodes[column.name], f"the heading {head} is that of {other} already")
        if column.unit_from and column.unit_from not in columns:
            _wrong(nodes[column.name], f"there is no column {column.unit_from}")


class _Names:
    """What a template may speak of."""

    def __init__(self, columns: Mapping[str, Column], resources: frozenset[str]) -> None:
        self.columns = columns
        self.resources = resources

    def column(self, node: Node) -> str:
        name = _text(node).removeprefix("$")
        if name not in self.columns:
            _wrong(node, f"there is no column {name}")
        return name

    def choice(self, node: Node, written: str) -> tuple[str, str]:
        name, _, part = written.strip().removeprefix("$").partition(".")
        if name not in self.columns:
            _wrong(node, f"there is no column {name}")
        if part and part not in PARTS.get(self.columns[name].kind, ()):
            _wrong(node, f"{name} has no part {part}")
        return name, part

    def leaf(self, node: Node) -> Any:
        written = str(node.value)
        if written.startswith("$"):
            return self.slot(node, written)
        if written.startswith("@"):
            if written[1:] not in self.resources:
                _wrong(node, f"there is no resource {written[1:]}")
            return Link(written[1:])
        if written.startswith("^"):
            return Own(written[1:])
        return _scalar(node)

    def slot(self, node: Node, written: str) -> Slot:
        if not _SLOT.fullmatch(written):
            _wrong(node, f"{written} is no place for a cell: write $column, $column.part or $column|$other")
        choices = tuple(self.choice(node, one) for one in written.rstrip("!").split("|"))
        return Slot(choices, written.endswith("!"))


def _pair(node: Node, names: _Names) -> tuple[tuple[str, str], tuple[str, str]]:
    items = _items(node)
    if len(items) != 2:
        _wrong(node, "two columns that must say the same are expected here")
    first, second = (names.choice(one, _text(one)) for one in items)
    return first, second


def _template(name: str, node: Node, names: _Names) -> Template:
    said = _fields(node, _OF_RESOURCE, {"type", "id", "says"})
    type_name = _text(said["type"])
    if not load().is_resource(type_name):
        _wrong(said["type"], f"FHIR R4 has no resource {type_name}")
    elements = {one for child in load().types[type_name].children for one in (*child.json_names, f"{child.name}[x]")}
    for element, value in _pairs(said["says"]):
        if element.removeprefix("_") not in elements:
            _wrong(value, f"{type_name} has no element {element}")
    namings = tuple(_naming(one, names) for one in _items(said["id"]))
    when = tuple(names.column(one) for one in _items(said.get("when")))
    return Template(name, type_name, namings, _tree(said["says"], names.leaf), when)


def _naming(node: Node, names: _Names) -> Naming:
    words = _text(node).split()
    if not words or words[0].startswith("$") or not any(one.startswith("$") for one in words):
        _wrong(node, "an id is a namespace (^what or a URI) and columns, as in: ^number $record_no")
    space: Own | str = Own(words[0][1:]) if words[0].startswith("^") else words[0]
    return Naming(space, tuple(names.slot(node, one) if one.startswith("$") else one for one in words[1:]))
