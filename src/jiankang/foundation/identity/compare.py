"""Comparing records: the levels of `levels.FIELDS`, written out as one Python function and as SQL."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from rapidfuzz.distance import JaroWinkler, Levenshtein

from jiankang.foundation.identity.levels import FIELDS, Field
from jiankang.foundation.identity.model import Record

if TYPE_CHECKING:
    from jiankang.foundation.identity.conditions import Dialect

Levels = tuple[int, ...]
"""One level for each of `levels.FIELDS`."""

Compare = Callable[[Record, Sequence[Record]], list[Levels]]

_OFTEN = 3
_RIGHT = re.compile(r"\br\.([a-z_]+)")
_LEFT = re.compile(r"\bl_([a-z_]+?)(_more|_size|_all)?\b")


@cache
def comparison() -> Compare:
    """A function from a record and its candidates to the levels of each pair."""
    lines = ["def compare(left, candidates):", *left_columns(), "    found = []", "    for r in candidates:"]
    for number, field in enumerate(FIELDS):
        lines += ["        " + line for line in choice(field, f"f{number}", str)]
    members = ", ".join(f"f{number}" for number in range(len(FIELDS)))
    lines += [f"        found.append(({members}))", "    return found"]
    return made("\n".join(lines), "compare")  # type: ignore[return-value]


def compare(left: Record, right: Record) -> Levels:
    """The level of each field for two records."""
    return comparison()(left, (right,))[0]


def left_columns() -> list[str]:
    """Assignments of the left record's columns, of their lengths and of the rest of its lists, as far as they are used."""
    text = " ".join(level.condition.python() for field in FIELDS for level in field.levels)
    used = sorted(set(_LEFT.findall(text)))
    lines = [f"    l_{column} = left.{column}" for column in sorted({column for column, _ in used})]
    for column, what in used:
        if what == "_size":
            lines.append(f"    l_{column}_size = len(l_{column})")
        elif what == "_all":
            lines.append(f"    l_{column}_all = frozenset(l_{column})")
        elif what == "_more":
            lines.append(f"    l_{column}_more = frozenset(l_{column}[1:]) if len(l_{column}) > 1 else None")
    return lines


def choice(field: Field, name: str, value: Callable[[int], str]) -> list[str]:
    """Lines that give `name` the value of the level that holds."""
    lines = []
    for number, level in enumerate(field.levels):
        last = number == len(field.levels) - 1
        lines.append("else:" if last else f"{'if' if number == 0 else 'elif'} {level.condition.python()}:")
        lines.append(f"    {name} = {value(number)}")
    return _fetched_once(lines)


def _fetched_once(lines: list[str]) -> list[str]:
    """The same lines with columns of the right record that occur often fetched into a name first."""
    used = Counter(_RIGHT.findall(" ".join(lines)))
    often = sorted(column for column, times in used.items() if times >= _OFTEN)
    replaced = [_RIGHT.sub(lambda found: f"r_{found[1]}" if found[1] in often else found[0], line) for line in lines]
    return [f"r_{column} = r.{column}" for column in often] + replaced


def made(source: str, name: str) -> Callable[..., object]:
    """The function `name` of a source text that was made from `levels.FIELDS` and nothing else."""
    room: dict[str, object] = {"levenshtein": Levenshtein.distance, "jaro_winkler": JaroWinkler.similarity}
    exec(compile(source, f"<{name} of levels>", "exec"), room)  # noqa: S102 - the source is this room's own data
    return room[name]  # type: ignore[return-value]


def level_sql(field: Field, dialect: Dialect) -> str:
    """The level of a field as a SQL expression over the relations l and r."""
    whens = " ".join(
        f"WHEN {level.condition.sql(dialect)} THEN {number}" for number, level in enumerate(field.levels[:-1])
    )
    return f"CASE {whens} ELSE {len(field.levels) - 1} END"
