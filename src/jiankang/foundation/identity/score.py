"""Scoring: from levels to bits, probability and words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from math import exp2
from typing import TYPE_CHECKING, NamedTuple

from jiankang.foundation.identity.compare import Levels, choice, left_columns, level_sql, made
from jiankang.foundation.identity.levels import FIELDS, FREQUENCIES
from jiankang.foundation.identity.model import Record

if TYPE_CHECKING:
    from jiankang.foundation.identity.conditions import Dialect
    from jiankang.foundation.identity.weights import Weights


class Score(NamedTuple):
    """How alike two records are: bits (the prior included) and the level of each field."""

    bits: float
    levels: Levels

    @property
    def probability(self) -> float:
        """That both are one person, if the model is right."""
        return probability(self.bits)


class Part(NamedTuple):
    """What one field says: its level, its weight in bits, and words."""

    field: str
    level: str
    bits: float
    field_zh: str
    field_en: str
    zh: str
    en: str


Scorer = Callable[[Record, Sequence[Record]], list[tuple[float, Levels]]]


def probability(bits: float) -> float:
    """The probability of odds of 2 to the power of `bits`."""
    return 1.0 / (1.0 + exp2(-max(-1000.0, min(1000.0, bits))))


def scorer(weights: Weights) -> Scorer:
    """A function from a record and its candidates to (bits, levels) of each pair; made once for a model."""
    return _scorer(_Same(weights))


class _Same:
    """A model by identity: models are large and never equal by chance."""

    __slots__ = ("weights",)

    def __init__(self, weights: Weights) -> None:
        self.weights = weights

    def __hash__(self) -> int:
        return id(self.weights)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.weights is self.weights


@lru_cache(maxsize=8)
def _scorer(same: _Same) -> Scorer:
    weights = same.weights
    lines = ["def build(known):", "    def scores(left, candidates):", *("    " + line for line in left_columns())]
    for column in FREQUENCIES:
        floor = weights.frequencies[column].floor
        lines.append(f"        t_{column} = known[{column!r}].get(l_{column}, {floor!r})")
    lines += ["        found = []", "        for r in candidates:"]
    for number, field in enumerate(FIELDS):
        lines += [
            "            " + line for line in choice(field, f"f{number}, w{number}", partial(_value, weights, number))
        ]
    total = " + ".join(f"w{number}" for number in range(len(FIELDS)))
    members = ", ".join(f"f{number}" for number in range(len(FIELDS)))
    lines += [
        f"            found.append(({weights.prior!r} + {total}, ({members})))",
        "        return found",
        "    return scores",
    ]
    build = made("\n".join(lines), "build")
    return build({column: weights.frequencies[column].bits for column in FREQUENCIES})  # type: ignore[return-value]


def _value(weights: Weights, field: int, level: int) -> str:
    frequency = FIELDS[field].levels[level].frequency
    if frequency:
        return f"{level}, {weights.chances[field][level]!r} - t_{frequency}"
    return f"{level}, {weights.bits[field][level]!r}"


def score_pair(left: Record, right: Record, weights: Weights) -> Score:
    """The score of two records."""
    return Score(*scorer(weights)(left, (right,))[0])


def explain(left: Record, levels: Levels, weights: Weights) -> list[Part]:
    """What each field says for or against; the sum of the parts and the prior is the score."""
    parts = []
    for number, (field, level) in enumerate(zip(FIELDS, levels, strict=True)):
        one = field.levels[level]
        bits = weights.bits[number][level]
        if one.frequency:
            known = weights.frequencies[one.frequency]
            bits = weights.chances[number][level] - known.bits.get(getattr(left, one.frequency), known.floor)
        parts.append(Part(field.name, one.name, bits, field.zh, field.en, one.zh, one.en))
    return parts


def score_sql(weights: Weights, pairs: str, dialect: Dialect = "duckdb") -> str:
    """A SELECT of every pair's keys, levels (`level_FIELD`) and `bits`.

    `pairs` is a FROM clause that names the two records l and r, each with a column `id`. The shares of names are joined
    from tables `frequency_COLUMN(value, bits)`, to be filled with `Weights.frequencies`.
    """
    levels = ", ".join(f"{level_sql(field, dialect)} AS level_{field.name}" for field in FIELDS)
    known = ", ".join(
        f"coalesce(f_{c}.bits, {_number(weights.frequencies[c].floor)}) AS known_{c}" for c in FREQUENCIES
    )
    joins = " ".join(f"LEFT JOIN frequency_{c} AS f_{c} ON f_{c}.value = l.{c}" for c in FREQUENCIES)
    terms = " + ".join([_number(weights.prior), *(_weight_sql(weights, number) for number in range(len(FIELDS)))])
    inner = f"SELECT l.id AS id_l, r.id AS id_r, {levels}, {known} FROM {pairs} {joins}"
    names = ", ".join(f"level_{field.name}" for field in FIELDS)
    return f"SELECT id_l, id_r, {names}, {terms} AS bits FROM ({inner}) AS compared"


def _weight_sql(weights: Weights, number: int) -> str:
    field = FIELDS[number]
    whens = []
    for level, one in enumerate(field.levels):
        value = _number(weights.bits[number][level])
        if one.frequency:
            value = f"{_number(weights.chances[number][level])} - known_{one.frequency}"
        whens.append(f"WHEN {level} THEN {value}")
    return f"CASE level_{field.name} {' '.join(whens)} END"


def _number(value: float) -> str:
    """A double in SQL: without an exponent a literal would be a decimal of few digits."""
    return f"{value:.17e}"
