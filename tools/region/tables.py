"""Our own small tables: names, towns and villages."""

from __future__ import annotations

import csv
from bisect import bisect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")
_FOLDER = Path(__file__).parent / "tables"


class Weighted(Generic[T]):
    """Things to choose among, some more often than others."""

    def __init__(self, things: Iterable[tuple[T, float]]) -> None:
        self.things, weights = zip(*things, strict=True)
        self.bounds = list(accumulate(weights))

    def choose(self, rng: Random) -> T:
        """One of the things, by its weight."""
        return self.things[bisect(self.bounds, rng.random() * self.bounds[-1])]  # type: ignore[no-any-return]


@cache
def rows(name: str) -> Sequence[dict[str, str]]:
    """The rows of a table."""
    with (_FOLDER / f"{name}.csv").open(encoding="utf-8") as source:
        return tuple(csv.DictReader(source))


@dataclass(frozen=True, slots=True)
class Written:
    """A part of a name in Chinese characters and in pinyin."""

    text: str
    pinyin: str


@cache
def surnames(where: str) -> Weighted[Written]:
    """Surnames by their frequency in `china` or `hainan`."""
    return Weighted((Written(row["surname"], row["pinyin"]), float(row[where])) for row in rows("surnames"))


@cache
def given_characters(sex: str, era: str) -> Weighted[Written]:
    """Characters of given names of an era ("1" to "4")."""
    fitting: Callable[[dict[str, str]], bool] = lambda row: row["sex"] == sex and era in row["eras"].split(";")  # noqa: E731
    return Weighted(
        (Written(row["character"], row["pinyin"]), float(row["weight"]))
        for row in rows("given_characters")
        if fitting(row)
    )


@dataclass(frozen=True, slots=True)
class Village:
    """A village or neighbourhood with the town it belongs to, by their statistical division codes."""

    code: str
    name: str
    town_code: str
    town: str

    @property
    def place(self) -> str:
        """Its name without the word for its committee."""
        return self.name.removesuffix("委会").removesuffix("居")


@cache
def villages() -> Sequence[Village]:
    """All villages and neighbourhoods of Chengmai."""
    towns = {row["code"]: row["name_zh"] for row in rows("towns")}
    return tuple(
        Village(row["code"], row["name_zh"], row["town_code"], towns[row["town_code"]]) for row in rows("villages")
    )
