"""Training as a whole: tables of registrations in, the content of a model file out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from jiankang.foundation.identity.training.estimating import estimate
from jiankang.foundation.identity.training.pairing import find_pairs, score_pairs
from jiankang.foundation.identity.training.thresholds import choose, contradictions
from jiankang.foundation.identity.weights import read_weights

if TYPE_CHECKING:
    import duckdb

    from jiankang.foundation.identity.training.estimating import Estimate
    from jiankang.foundation.identity.training.splinking import Say

_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is looked at: random pairs for u, pairs of each rule for m; the same seed draws the same pairs.

    `prior` stands for what is learned where the model is to work among more people than it learned from.
    """

    random_pairs: float = 3e6
    learning_pairs: float = 5e5
    seed: int = 11
    prior: float | None = None


def train(db: duckdb.DuckDBPyConnection, *, made: str, say: Say, effort: Effort = Effort()) -> bytes:
    """Learn a model from the tables `record` and `key`; `made` says from what. Raises Unprocessable if nothing can be learned.

    Leaves the table `pair` of all pairs that share a key, and `scored` with what the model says of them.
    """
    found = estimate(db, random_pairs=effort.random_pairs, learning_pairs=effort.learning_pairs, seed=effort.seed, say=say)  # fmt: skip
    if effort.prior is not None:
        found = replace(found, prior=effort.prior)
    provisional = read_weights(document(found, made=made, certain=1.0, possible=0.0))
    for words in contradictions(provisional):
        say(f"beware: {words}")
    pairs = find_pairs(db)
    score_pairs(db, provisional)
    certain, possible = choose(db)
    say(f"{pairs} pairs share a key; certain from {certain:.1f} bits, possible from {possible:.1f}")
    return document(found, made=made, certain=certain, possible=possible)


def document(found: Estimate, *, made: str, certain: float, possible: float) -> bytes:
    """The content of a model file; its version is made of what it says."""
    said: dict[str, Any] = {
        "made": made,
        "prior": _short(found.prior),
        "thresholds": {"certain": certain, "possible": possible},
        "fields": {
            field: {level: {"m": _short(m), "u": _short(found.u[field][level])} for level, m in levels.items()}
            for field, levels in found.m.items()
        },
        "floored": list(found.floored),
        "borrowed": list(found.borrowed),
        "frequencies": {
            column: {"floor": _short(found.floors[column]), "shares": {name: _short(share) for name, share in ones.items()}}
            for column, ones in found.frequencies.items()
        },
    }  # fmt: skip
    version = f"splink-{hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:12]}"
    return msgspec.json.format(msgspec.json.encode({"version": version, **said}), indent=1) + b"\n"


def _short(value: float) -> float:
    """As many digits as were learned."""
    return float(f"{value:.{_DIGITS}g}")
