"""What a file would become, before anything is written: which columns are understood, what its first rows turn into. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.model import DROPPED, KEPT, MAPPED, Letter, Reading, Sender, Unreadable
from jiankang.capabilities.exchange.tables.format import (
    KNOWN_PLACE,
    MEDIA_TYPE,
    NAME,
    TableFormat,
    context_of,
    write_row,
)
from jiankang.capabilities.exchange.tables.mapping import NUMBER_HEAD, OUR_HEADS, Mapped
from jiankang.capabilities.exchange.tables.shelf import HEAD_ROWS, head_row, suited

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.tables.sheets import Sheet

MOST_CHECKED = 2_000
"""Rows that are read before anything is confirmed; all are when they land."""
MOST_TOLD = 100
SAMPLES = 3
_FORMAT = TableFormat()


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a sheet below its headings, without our own columns."""

    heads: tuple[str, ...]
    rows: Sequence[tuple[int, tuple[str, ...]]]
    numbers: Mapping[int, int]
    """Row → the number of the letter that it corrects."""


def rows_of(sheet: Sheet, mapping: Mapped) -> Rows | None:
    """The rows of a sheet; None when none of the first ones holds headings that the mapping knows."""
    place = head_row(mapping, [cells for _, cells in sheet.rows[:HEAD_ROWS]])
    if place is None:
        return None
    heads = sheet.rows[place][1]
    width = max([len(heads), *(len(cells) for _, cells in sheet.rows[place + 1 :])])
    ours = {index for index, head in enumerate(heads) if head in OUR_HEADS}
    wanted = [index for index in range(width) if index not in ours]
    number = heads.index(NUMBER_HEAD) if NUMBER_HEAD in heads else None
    rows, numbers = [], {}
    for row, cells in sheet.rows[place + 1 :]:
        rows.append((row, tuple(cells[index] if index < len(cells) else "" for index in wanted)))
        written = cells[number] if number is not None and number < len(cells) else ""
        if written.isascii() and written.isdigit() and len(written) < 18:
            numbers[row] = int(written)
    return Rows(tuple(heads[index] if index < len(heads) else "" for index in wanted), rows, numbers)


def letter(
    mapping: Mapped, heads: Sequence[str], cells: Sequence[str], received: datetime, key: str, **more: Any
) -> Letter:
    """The letter of a row."""
    context = context_of(mapping, **more)
    return Letter(NAME, write_row(heads, cells), received, key, mapping.name, MEDIA_TYPE, context=context)


def choose(sheet: Sheet, mappings: Iterable[Mapped], name: str = "") -> Mapped | None:
    """The mapping of this name, else the one that suits the table best."""
    known = list(mappings)
    if name:
        return next((one for one in known if one.name == name), None)
    return suited(known, [cells for _, cells in sheet.rows[:HEAD_ROWS]])


def look(sheet: Sheet, mapping: Mapped | None, sender: Sender, received: datetime) -> dict[str, Any]:
    """The preview, as JSON: the file, its columns with what becomes of each, first rows, what is wrong in which row."""
    file: dict[str, Any] = {
        "kind": sheet.kind, "charset": sheet.charset, "delimiter": sheet.delimiter, "sheet": sheet.name, "name": "",
        "version": 0, "heads": [], "columns": [], "missing": [], "total": 0, "checked": 0, "wrong": [], "wrong_rows": 0,
        "samples": [], "corrects": 0, "first": [], "before": "",
    }  # fmt: skip
    rows = rows_of(sheet, mapping) if mapping is not None else None
    if mapping is None or rows is None:
        shown = [list(cells[:12]) for _, cells in sheet.rows[:SAMPLES]]
        return {**file, "name": mapping.name if mapping else "", "first": shown}
    wrong: list[list[Any]] = []
    samples: list[dict[str, Any]] = []
    wrong_rows = 0
    for number, letter_, reading in _read(rows, mapping, sender, received):
        fatal = [one for one in reading.complaints if one.fatal]
        wrong_rows += bool(fatal)
        if len(samples) < SAMPLES:
            samples.append(_sample(number, letter_, reading, sender))
        wrong += [[number, one.place, one.text, one.fatal] for one in reading.complaints if len(wrong) < MOST_TOLD]
    return file | {
        "name": mapping.name, "version": mapping.version, "heads": list(rows.heads),
        "columns": _columns(rows.heads, mapping), "missing": mapping.missing(rows.heads), "total": len(rows.rows),
        "checked": min(len(rows.rows), MOST_CHECKED), "wrong": wrong[:MOST_TOLD], "wrong_rows": wrong_rows,
        "samples": samples, "corrects": len(rows.numbers),
    }  # fmt: skip


def _read(rows: Rows, mapping: Mapped, sender: Sender, received: datetime) -> Iterator[tuple[int, Letter, Reading]]:
    for number, cells in rows.rows[:MOST_CHECKED]:
        one = letter(mapping, rows.heads, cells, received, str(number))
        try:
            yield number, one, _FORMAT.read(one, sender)
        except Unreadable as problem:
            yield number, one, Reading(complaints=list(problem.complaints))


def _sample(number: int, one: Letter, reading: Reading, sender: Sender) -> dict[str, Any]:
    """A row beside what it becomes."""
    try:
        fates = _FORMAT.fates(one, sender)
    except Unreadable:
        fates = []
    cells = [[each.place, each.value, each.fate, each.where] for each in fates]
    makes = [[each.type, list(_lines(each.says))] for each in reading.tellings]
    return {"row": number, "cells": cells, "makes": makes, "wrong": any(each.fatal for each in reading.complaints)}


_QUIET = frozenset({"category", "status", "class", "verificationStatus", "clinicalStatus", "primarySource"})
"""Elements that are the same in every row of a mapping."""


def _lines(node: Any, path: str = "") -> Iterator[list[str]]:
    """A resource as pairs of element and value, as people read them."""
    if isinstance(node, Mapping):
        if "coding" in node or ("unit" in node and "value" in node):
            yield [path, _in_short(node)]
            return
        for name, inner in node.items():
            if name not in {"system", "reference", "type"} and not (not path and name in _QUIET):
                yield from _lines(inner, f"{path}.{name}" if path else name)
    elif isinstance(node, list):
        for inner in node:
            yield from _lines(inner, path)
    elif node is not None:
        yield [path, str(node)]


def _in_short(node: Mapping[str, Any]) -> str:
    """A quantity or a concept in one line."""
    if "unit" in node:
        return f"{node.get('comparator', '')}{node['value']} {node['unit']}"
    codes = ", ".join(str(one.get("code", "")) for one in node["coding"])
    return f"{node['text']} ({codes})" if node.get("text") else codes


def _columns(heads: Sequence[str], mapping: Mapped) -> list[list[str]]:
    """Each heading with its fate and where its cells go, or why nowhere."""
    return [[head, *_fate(mapping, name)] for head, name in zip(heads, mapping.match(heads), strict=True)]


def columns_of(mapping: Mapped) -> list[tuple[str, str]]:
    """Fate of each column of a mapping, and where its cells go or why nowhere."""
    return [_fate(mapping, name) for name in mapping.columns]


def _fate(mapping: Mapped, name: str) -> tuple[str, str]:
    column = mapping.columns.get(name)
    if column is None:
        return KEPT, ""
    if column.drop:
        return DROPPED, column.drop
    places = dict.fromkeys(place for _, place in mapping.places[name])
    if name == mapping.known:
        places = {**places, KNOWN_PLACE: None}
    if places:
        return MAPPED, ", ".join(places)
    return KEPT, ""
