"""The model value: how much each level says for or against two records being one person.

A Fellegi-Sunter model: m is how often a level occurs in pairs of one person, u in pairs of two; a level's weight is
log2(m/u) bits. The file is JSON, written by training; a model that lacks a level is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from math import log2
from typing import Any

import msgspec

from jiankang.foundation.identity.levels import FIELDS, FREQUENCIES, MISSING
from jiankang.kernel.errors import Invalid

SHIPPED = "c494f52d99c07c27475c762b8eba7ea7e6be0ba635178271feb9a01022a0cdbd"
"""SHA-256 of `data/weights.json`."""
LEAST = 1e-9
"""A share below this is not believed: no evidence is worth more than 30 bits."""


@dataclass(frozen=True, slots=True)
class Frequencies:
    """How often values of a column occur, as log2 of their share; values not listed have the share `floor`."""

    bits: Mapping[str, float] = field(default_factory=dict)
    floor: float = log2(1e-6)


@dataclass(frozen=True, slots=True)
class Weights:
    """A model ready for scoring: `bits[field][level]` is log2(m/u); `chances[field][level]` is log2(m).

    `prior` is log2 of the odds that two records taken at random are one person. Scores are bits, prior included:
    `certain` and `possible` are the scores from which a pair is linked or shown to a steward.
    """

    version: str
    made: str
    prior: float
    certain: float
    possible: float
    bits: tuple[tuple[float, ...], ...]
    chances: tuple[tuple[float, ...], ...]
    frequencies: Mapping[str, Frequencies]


def read_weights(content: bytes, verify: Callable[[bytes], None] | None = None) -> Weights:
    """The model in a file's content; `verify` raises when its signature is wrong. Raises Invalid if a level is untrained."""
    if verify is not None:
        verify(content)
    try:
        document = msgspec.json.decode(content, type=dict[str, Any])
        return _weights(document)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise Invalid(f"This is no model of identity: {wrong}") from wrong


def _weights(document: Mapping[str, Any]) -> Weights:
    bits, chances = [], []
    for one in FIELDS:
        given = document["fields"][one.name]
        pairs = [_level(one.name, level.name, given) for level in one.levels]
        bits.append(tuple(0.0 if m is None else log2(m / u) for m, u in pairs))
        chances.append(tuple(0.0 if m is None else log2(m) for m, u in pairs))
    odds = float(document["prior"])
    certain, possible = float(document["thresholds"]["certain"]), float(document["thresholds"]["possible"])
    if not (0 < odds < 1 and certain > possible):
        raise Invalid("A model needs a prior between 0 and 1 and a threshold for certain above that for possible.")
    return Weights(
        str(document["version"]), str(document["made"]), log2(odds / (1 - odds)), certain, possible, tuple(bits), tuple(chances),
        {column: _frequencies(document.get("frequencies", {}).get(column, {})) for column in FREQUENCIES},
    )  # fmt: skip


def _level(field_name: str, name: str, given: Mapping[str, Any]) -> tuple[Any, Any]:
    if name == MISSING:
        return None, None
    level = given.get(name) or {}
    m, u = level.get("m"), level.get("u")
    if not (isinstance(m, float | int) and isinstance(u, float | int) and 0 < m <= 1 and 0 < u <= 1):
        raise Invalid(f"The model is not trained for the level {name} of {field_name}.")
    return max(float(m), LEAST), max(float(u), LEAST)


def _frequencies(given: Mapping[str, Any]) -> Frequencies:
    floor = max(float(given.get("floor", 1e-6)), LEAST)
    return Frequencies(
        {value: log2(max(float(share), floor)) for value, share in given.get("shares", {}).items()}, log2(floor)
    )


@cache
def first_weights() -> Weights:
    """The model that a new region starts with: `data/weights.json` says how it was made. Raises Invalid if it was changed."""
    return read_weights(_shipped(), verify=unchanged(SHIPPED))


def shipped_document() -> dict[str, Any]:
    """The same as it stands in its file."""
    return msgspec.json.decode(_shipped(), type=dict[str, Any])


def _shipped() -> bytes:
    return (resources.files("jiankang.foundation.identity") / "data" / "weights.json").read_bytes()


def unchanged(digest: str) -> Callable[[bytes], None]:
    """What raises Invalid for content of another SHA-256."""

    def verify(content: bytes) -> None:
        if hashlib.sha256(content).hexdigest() != digest:
            raise Invalid("This model of identity is not the one that was shipped: its SHA-256 is another.")

    return verify
