"""The mappings that come with the platform, and which of some mappings a table was written for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

from jiankang.capabilities.exchange.tables.parsing import read_mapping

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.tables.mapping import Mapped

_FEWEST = 2
HEAD_ROWS = 10
"""The headings are in one of the first rows; titles may stand above them."""


@lru_cache(maxsize=1)
def shipped() -> Mapping[str, Mapped]:
    """The mappings that come with the platform, by name."""
    folder = files(__package__) / "mappings"
    texts = sorted((one.name, one.read_text("utf-8")) for one in folder.iterdir() if one.name.endswith(".yaml"))
    return MappingProxyType({found.name: found for _, text in texts for found in [read_mapping(text)]})


def suited(mappings: Iterable[Mapped], rows: Sequence[Sequence[str]]) -> Mapped | None:
    """The mapping that knows most headings of a table and misses no required one; None when there is none."""
    best: tuple[tuple[int, int], Mapped] | None = None
    for mapping in mappings:
        place = head_row(mapping, rows)
        if place is None or mapping.missing(rows[place]):
            continue
        fit = (sum(map(bool, mapping.match(rows[place]))), -len(mapping.columns))
        if best is None or fit > best[0]:
            best = fit, mapping
    return best[1] if best else None


def head_row(mapping: Mapped, rows: Sequence[Sequence[str]]) -> int | None:
    """Which of the first rows holds the headings; None when none does."""
    counts = [sum(map(bool, mapping.match(row))) for row in rows[:HEAD_ROWS]]
    most = max(counts, default=0)
    return counts.index(most) if most >= min(_FEWEST, len(mapping.columns)) else None
