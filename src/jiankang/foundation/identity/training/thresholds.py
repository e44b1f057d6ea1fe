"""From which score a pair is certain, and from which it is worth a steward's look; and whether levels weigh as they must.

Both are chosen from the scores of all pairs that share a key, taking each score for what it claims: a pair of b bits is
of one person with probability 1 / (1 + 2^-b).
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil, floor, log2
from typing import TYPE_CHECKING

from jiankang.foundation.identity.levels import FIELDS
from jiankang.foundation.identity.score import probability
from jiankang.kernel.errors import Unprocessable

if TYPE_CHECKING:
    import duckdb

    from jiankang.foundation.identity.weights import Weights

DOUBT = 1e-3
"""A pair that is certain is wrong at most so often, taken by itself."""
WRONG = 1e-4
"""Of all pairs that are certain at most so many are wrong."""
MISSED = 2e-4
"""Of all pairs of one person at most so many are below `possible`: what keys do not bring is lost besides."""

_STEPS = 10
_HISTOGRAM = f"SELECT floor(bits * {_STEPS})::BIGINT AS step, count(*) FROM scored GROUP BY ALL ORDER BY step"

CHAINS: dict[str, tuple[tuple[str, ...], ...]] = {
    "citizen": (("same", "near", "differs", "both-valid"), ("same", "same-invalid", "differs")),
    "documents": (("same", "near", "differs"),),
    "name": (
        ("same", "near", "same-surname", "differs"), ("same-sound", "near"), ("other-name", "differs"), ("part", "differs"),
        ("near", "alike", "differs"), ("same-given", "differs"), ("word", "differs"),
    ),
    "birth": (("same", "near", "same-year", "differs"), ("same", "exchanged", "differs"), ("same-estimate", "differs"), ("part", "differs")),
    "sex": (("same", "differs"),),
    "phone": (("same", "near", "differs"),),
    "address": (("house", "place", "other-house", "town", "county", "differs"), ("place", "near", "county")),
    "mother": (("same", "near", "differs"),),
    "order": (("same", "differs"),),
}  # fmt: skip
"""Levels that must weigh ever less."""


def choose(db: duckdb.DuckDBPyConnection) -> tuple[float, float]:
    """The scores `certain` and `possible` by the table `scored`, in bits."""
    histogram = [(step / _STEPS, int(n)) for step, n in db.execute(_HISTOGRAM).fetchall()]
    total = sum(n * probability(bits) for bits, n in histogram)
    possible, missed = 0.0, 0.0
    for bits, n in histogram:
        missed += n * probability(bits)
        if missed > MISSED * total:
            possible = bits
            break
    certain = ceil(log2(1 / DOUBT - 1) * _STEPS) / _STEPS
    above, wrong = 0, 0.0
    for bits, n in reversed(histogram):
        above, wrong = above + n, wrong + n * (1 - probability(bits))
        if bits >= certain and wrong > WRONG * above:
            certain = bits + 1 / _STEPS
            break
    return certain, min(possible, floor(certain) - 1.0)


def contradictions(weights: Weights) -> list[str]:
    """Levels that weigh more than closer ones, in words. Raises Unprocessable if agreeing weighs less than differing."""
    found = []
    for number, field in enumerate(FIELDS):
        bits = {level.name: weights.bits[number][place] for place, level in enumerate(field.levels)}
        for chain in CHAINS[field.name]:
            if bits[chain[0]] <= bits[chain[-1]]:
                raise Unprocessable(
                    f"{field.name}: {chain[0]} ({bits[chain[0]]:.1f} bits) says less than {chain[-1]} "
                    f"({bits[chain[-1]]:.1f} bits): learning went astray, and nothing is written"
                )
            found += [
                f"{field.name}: {far} weighs {bits[far]:.1f} bits, more than {near} with {bits[near]:.1f}"
                for near, far in pairwise(chain)
                if bits[far] > bits[near]
            ]
    return list(dict.fromkeys(found))
