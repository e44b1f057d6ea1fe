"""Two registrations as rows of a table: what each says, where they differ, and what that says for or against one person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jiankang.foundation.identity.levels import MISSING
from jiankang.foundation.identity.pages.asking import here, in_words, reasons_in_words, server_of
from jiankang.foundation.identity.pages.differing import (
    ALIKE,
    DIFFERS,
    ONE_SIDED,
    SAME,
    Compared,
    compare,
    compare_all,
    worst,
)
from jiankang.foundation.identity.pages.reading import BESIDES, COMPARED, SEXES, read
from jiankang.ui import N_, gettext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from jiankang.foundation.identity.queue import Shown, Side
    from jiankang.foundation.identity.score import Part

SIGNS = {SAME: "=", ALIKE: "\u2248", DIFFERS: "\u2260", ONE_SIDED: "\u25cb"}
STATES = {
    SAME: N_("Written the same"), ALIKE: N_("The same, written differently"), DIFFERS: N_("Different"),
    ONE_SIDED: N_("Only one of both says so"),
}  # fmt: skip
_FULL_BAR_BITS = 20.0
_HALF = 50.0
_OURS = frozenset({"sex", "died", "state", "noticed"})
"""What is told in the reader's language, not in that of a source."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Bits as a bar that grows from the middle: to the right for one person, to the left against. Units of a viewBox of 100."""

    x: float
    width: float
    kind: str


@dataclass(frozen=True, slots=True)
class Row:
    """A field of both registrations; `bits` is None for what is not scored, `notes` stand behind the values."""

    field: str
    label: str
    values: tuple[Compared, ...]
    state: str
    words: str
    bits: float | None = None
    notes: tuple[str, str] = ("", "")

    @property
    def sign(self) -> str:
        """The state as a sign."""
        return SIGNS[self.state]

    @property
    def bar(self) -> Bar:
        """The bits as a bar."""
        return bar(self.bits or 0.0)

    @property
    def ours(self) -> bool:
        """Whether the values are in the reader's language."""
        return self.field in _OURS


def bar(bits: float) -> Bar:
    """A bar for `bits`, full at 20."""
    width = round(min(1.0, abs(bits) / _FULL_BAR_BITS) * _HALF, 1)
    return Bar(_HALF if bits >= 0 else _HALF - width, width, "for" if bits >= 0 else "against")


def rows_of(request: Request, shown: Shown) -> tuple[list[Row], list[str]]:
    """The rows about which at least one registration says something, and the names of scored fields on which both are silent."""

    def say(text: str) -> str:
        return gettext(request, text)

    left, right = read(shown.left.resource, say), read(shown.right.resource, say)
    parts = {part.field: part for part in shown.parts}
    rows, silent = [], []
    for name in COMPARED:
        part = parts[name]
        one, note = _inferred(request, shown.left, name, left[name])
        other, note_ = _inferred(request, shown.right, name, right[name])
        if one or other or part.level != MISSING:
            rows.append(_scored(request, part, one, other, (note, note_)))
        else:
            silent.append(_label(request, part))
    for name, label in BESIDES.items():
        if left[name] or right[name]:
            values = tuple(compare_all(left[name], right[name]))
            state = worst(values)
            rows.append(Row(name, say(label), values, state, say(STATES[state])))
    if noticed := _noticed(request, shown.left, shown.right):
        rows.append(noticed)
    return rows, silent


def _label(request: Request, part: Part) -> str:
    words = in_words(request, part.field_zh, part.field_en)
    return words[:1].upper() + words[1:]


def _scored(
    request: Request, part: Part, left: Sequence[str], right: Sequence[str], notes: tuple[str, str]
) -> Row:  # fmt: skip
    words, values = in_words(request, part.zh, part.en), tuple(compare_all(left, right))
    state = worst(values) if values else SAME
    if part.level == MISSING:
        if left and right and part.field != "documents":
            words = gettext(request, N_("Not used for matching"))
        values, state = tuple(_apart(left, right)), ONE_SIDED
    elif state != SAME or part.bits < 0:
        state = ALIKE if part.bits > 0 else DIFFERS
    return Row(part.field, _label(request, part), values, state, words, part.bits, notes)


def _apart(left: Sequence[str], right: Sequence[str]) -> list[Compared]:
    """Values without a comparison."""
    return [*(compare(one, "") for one in left), *(compare("", other) for other in right)]


def _inferred(request: Request, side: Side, name: str, told: Sequence[str]) -> tuple[Sequence[str], str]:
    """What a registration says of a field, from its other fields where not in this one; and a note behind it."""
    found = {
        "mother": side.record.mother,
        "order": side.record.order,
        "sex": side.record.sex,
        "birth": side.record.born,
    }
    if not told and (value := found.get(name)):
        return [_spelled(request, name, value)], gettext(request, N_("told by another field"))
    return told, _age(request, side) if name == "birth" else ""


def _spelled(request: Request, name: str, value: str) -> str:
    if name == "sex":
        return gettext(request, SEXES[{"M": "male", "F": "female"}[value]])
    if name == "birth":
        return "-".join(part for part in (value[:4], value[4:6], value[6:]) if part)
    return value.upper()


def _age(request: Request, side: Side) -> str:
    """The age in years of somebody who lives, of a birth date known to the day."""
    born, today = side.record.born, here(server_of(request).record.clock())
    if len(born) != len("YYYYMMDD") or side.resource.get("deceasedDateTime") or side.resource.get("deceasedBoolean"):
        return ""
    years = today.year - int(born[:4]) - (f"{today:%m%d}" < born[4:])
    return gettext(request, N_("%(years)s years old")) % {"years": years} if years >= 0 else ""


def _noticed(request: Request, left: Side, right: Side) -> Row | None:
    """What the normaliser had to say of each."""
    one, other = (reasons_in_words(request, side.record.findings) for side in (left, right))
    if not one and not other:
        return None
    return Row("noticed", gettext(request, N_("Noticed")), tuple(_apart(one, other)), ONE_SIDED, "")
