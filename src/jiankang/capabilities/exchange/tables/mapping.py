"""What a table's columns mean: which heading is which column, how its cells are read, what resources a row becomes.

A mapping is data (`mappings/*.yaml`, or a sender's own); `parsing` reads it, `filling` applies it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Json = dict[str, Any]

REASON_HEAD = "退回原因"
NUMBER_HEAD = "退回号"
"""The columns of a file to be corrected: why a row was refused, and the number of its letter."""
OUR_HEADS = frozenset({REASON_HEAD, NUMBER_HEAD})
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|【[^【】]*】")
_NOISE = re.compile(r"[\s*:_\-]+")


@dataclass(frozen=True, slots=True)
class Column:
    """One column, by whichever of its headings it comes."""

    name: str
    heads: tuple[str, ...]
    kind: str = "text"
    required: bool = False
    table: Mapping[str, Any] = field(default_factory=dict)
    """Cell → what it means, for the kinds `code` and `concept`."""
    system: str = ""
    """Coding system of local codes; `^what` is one of the sender's own."""
    unit: str = ""
    unit_from: str = ""
    """The column that holds the unit of each cell."""
    drop: str = ""
    """Why nothing is made of it; empty: something is, or it is kept in the original."""
    nothing: frozenset[str] = frozenset()
    """Cells that say nothing: 无, 否认."""
    lenient: bool = False
    """A cell that cannot be read is kept in the original; the row is not refused for it."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a template that a cell fills: the first of these (column, part) that has a value."""

    choices: tuple[tuple[str, str], ...]
    essential: bool = False
    """Without it the structure around it says nothing, and is left out."""


@dataclass(frozen=True, slots=True)
class Link:
    """A place that refers to another resource of the row."""

    target: str


@dataclass(frozen=True, slots=True)
class Own:
    """A system of numbers that the sender's house gives."""

    what: str


@dataclass(frozen=True, slots=True)
class Naming:
    """One way to tell a resource apart: a namespace, and cells or fixed words within it."""

    system: Own | str
    parts: tuple[Slot | str, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A resource that a row becomes."""

    name: str
    type: str
    namings: tuple[Naming, ...]
    says: Mapping[str, Any]
    """Elements: JSON with Slot, Link and Own in it."""
    when: tuple[str, ...] = ()
    """It is there when one of these columns has a value; empty: always."""


@dataclass(frozen=True)
class Mapped:
    """A mapping, ready to be used."""

    name: str
    version: int
    title_zh: str
    title_en: str
    columns: Mapping[str, Column]
    templates: Mapping[str, Template]
    key: tuple[str, ...] = ()
    known: str = ""
    """The column that says when a row was known to the sender; empty: when it arrived."""
    agree: tuple[tuple[tuple[str, str], tuple[str, str]], ...] = ()
    """Pairs of (column, part) that must say the same where both have a value."""
    text: str = ""

    @cached_property
    def by_head(self) -> Mapping[str, str]:
        """Heading as it is compared → column."""
        return {bare(head): one.name for one in self.columns.values() for head in one.heads}

    @cached_property
    def places(self) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """Column → the places that it fills: name of the template, element."""
        found: dict[str, list[tuple[str, str]]] = {name: [] for name in self.columns}
        for template in self.templates.values():
            for part in (part for naming in template.namings for part in naming.parts):
                _note(part, (template.name, f"{template.type}.id"), found)
            _walk(template.says, (template.name, template.type), found)
            for name in template.when:
                if not any(one[0] == template.name for one in found[name]):
                    found[name].append((template.name, template.type))
        for column in self.columns.values():
            if column.unit_from:
                found[column.unit_from] += found[column.name]
        return {name: tuple(dict.fromkeys(places)) for name, places in found.items()}

    def match(self, heads: Sequence[str]) -> list[str]:
        """The column of each heading; empty where nothing is known of one, or an earlier one is the same column."""
        taken: set[str] = set()
        found: list[str] = []
        for head in heads:
            name = self.by_head.get(bare(head)) or self.by_head.get(bare(_BRACKETS.sub("", flat(head)))) or ""
            found.append("" if name in taken else name)
            taken.add(name)
        return found

    def missing(self, heads: Sequence[str]) -> list[str]:
        """Required columns that no heading stands for, each by its first heading."""
        there = set(self.match(heads))
        return [one.heads[0] for one in self.columns.values() if one.required and one.name not in there]


def flat(text: str) -> str:
    """A text with full-width signs and letters as ordinary ones."""
    return unicodedata.normalize("NFKC", text).strip()


def bare(head: str) -> str:
    """A heading as it is compared: without spaces, stars, colons, in small letters."""
    return _NOISE.sub("", flat(head)).casefold()


Place = tuple[str, str]


def _walk(node: Any, place: Place, found: dict[str, list[Place]]) -> None:
    if isinstance(node, Mapping):
        for name, inner in node.items():
            _walk(inner, (place[0], f"{place[1]}.{name}"), found)
    elif isinstance(node, list | tuple):
        for inner in node:
            _walk(inner, place, found)
    else:
        _note(node, place, found)


def _note(node: Any, place: Place, found: dict[str, list[Place]]) -> None:
    if isinstance(node, Slot):
        for name, _ in node.choices:
            found[name].append(place)
