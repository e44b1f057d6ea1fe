"""Findings beside the lines they are about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jiankang.foundation.conformance.pages.lines import Printed
    from jiankang.kernel.errors import Issue

SEVERITIES = ("fatal", "error", "warning", "information")
WHOLE_LINES = 600
"""Texts of more lines are shown around their problems only."""
_AROUND = 4
_LEAST_GAP = 3
_LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Told:
    """A finding with the line it is about, and the id by which the page links to it."""

    issue: Issue
    line: int
    anchor: str

    @property
    def place(self) -> str:
        """The element, as a FHIRPath location."""
        return self.issue.expression[0] if self.issue.expression else ""

    @property
    def text(self) -> str:
        """The sentence, without the place that is said beside it."""
        return self.issue.text.removeprefix(f"{self.place}: ")


@dataclass(frozen=True, slots=True)
class Row:
    """A line with what is said of it; or `skipped` lines that nothing is said of."""

    number: int
    text: str
    told: tuple[Told, ...] = ()
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """A judged resource."""

    told: tuple[Told, ...]
    rows: tuple[Row, ...]
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.counts.get("error") or self.counts.get("fatal"))


def shown(printed: Printed, findings: Sequence[Issue]) -> Shown:
    """Findings in order of weight and line, and the lines with theirs; of long texts only what is near a finding."""
    placed = [
        (_weight(issue), printed.line_of(issue.expression[0] if issue.expression else ""), issue) for issue in findings
    ]
    placed.sort(key=lambda each: each[:2])
    told = tuple(Told(issue, line, f"finding-{number}") for number, (_, line, issue) in enumerate(placed, 1))
    by_line: dict[int, list[Told]] = {}
    for each in told:
        by_line.setdefault(each.line, []).append(each)
    return Shown(told, tuple(_rows(printed.lines, by_line)), Counter(issue.severity for issue in findings))


def _weight(issue: Issue) -> int:
    return SEVERITIES.index(issue.severity) if issue.severity in SEVERITIES else len(SEVERITIES)


def _rows(lines: Sequence[str], by_line: dict[int, list[Told]]) -> list[Row]:
    kept = _kept(len(lines), by_line)
    rows: list[Row] = []
    before = 0
    for number in [*kept, len(lines) + 1]:
        if number > before + 1:
            rows.append(Row(before + 1, "", skipped=number - before - 1))
        if number <= len(lines):
            text = lines[number - 1]
            cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
            rows.append(Row(number, cut, tuple(by_line.get(number, ()))))
        before = number
    return rows


def _kept(count: int, by_line: dict[int, list[Told]]) -> list[int]:
    """The numbers of the lines to be shown, in order."""
    if count <= WHOLE_LINES:
        return list(range(1, count + 1))
    wanted = {
        near for line in [1, count, *by_line] for near in range(line - _AROUND, line + _AROUND + 1) if 0 < near <= count
    }
    kept: list[int] = []
    for number in sorted(wanted):
        if kept and 1 < number - kept[-1] <= _LEAST_GAP:
            kept.extend(range(kept[-1] + 1, number))
        kept.append(number)
    return kept
