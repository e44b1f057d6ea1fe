"""The tables of this folder as lists to draw from: an item stands in a pool as often as its weight says."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
FOLDER = Path(__file__).parents[1] / "tables" / "population"


def table(name: str) -> list[list[str]]:
    """The rows of a table of ours: cells between tabs, lines with # left out."""
    lines = (FOLDER / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


def records(name: str) -> list[dict[str, str]]:
    """The rows of a table with named columns."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8") as source:
        return list(csv.DictReader(source))


def pool(weighted: Iterable[tuple[T, float]], size: int = 4096) -> list[T]:
    """`size` items, so that `pool[int(random() * size)]` draws by weight; every item with a weight stands in it."""
    pairs = [(item, weight) for item, weight in weighted if weight > 0]
    total = sum(weight for _, weight in pairs)
    size = max(size, len(pairs))
    ends = [round(end / total * (size - len(pairs))) for end in accumulate(weight for _, weight in pairs)]
    drawn: list[T] = []
    start = 0
    for (item, _), end in zip(pairs, ends, strict=True):
        drawn += [item] * (1 + end - start)
        start = end
    return drawn


def falling(items: Sequence[T]) -> list[tuple[T, float]]:
    """Items by falling frequency with weights of Zipf's kind, flat at the top: 1 / (rank + 20) ^ 0.75."""
    return [(item, (rank + 20) ** -0.75) for rank, item in enumerate(items)]


@cache
def readings() -> dict[str, str]:
    """Each character's syllable without tone."""
    return {one: syllable for syllable, characters in table("syllables") for one in characters}


@cache
def traditional() -> dict[int, str]:
    """Characters with another traditional form, as str.translate takes them."""
    return {ord(simple): other for simple, other in table("traditional")}


@cache
def homophones() -> dict[str, str]:
    """The other characters of the same syllable, what an input method offers beside the right one."""
    return {one: characters.replace(one, "") for _, characters in table("syllables") for one in characters}


@cache
def neighbours() -> dict[str, str]:
    """Characters whose syllable southern speakers take for this one's: zh/z, ch/c, sh/s, n/l, h/f, -ng/-n."""
    alike: dict[str, str] = {}
    for syllable, characters in table("syllables"):
        alike[_blurred(syllable)] = alike.get(_blurred(syllable), "") + characters
    return {
        one: "".join(other for other in alike[_blurred(syllable)] if other not in characters)
        for syllable, characters in table("syllables")
        for one in characters
    }


def _blurred(syllable: str) -> str:
    for written, heard in (("zh", "z"), ("ch", "c"), ("sh", "s"), ("n", "l"), ("hu", "f")):
        if syllable.startswith(written):
            syllable = heard + syllable[len(written) :]
            break
    return syllable[:-1] if syllable.endswith("ng") else syllable


@cache
def lookalikes() -> dict[str, str]:
    """Characters that a reader takes for this one."""
    return {one: cells[0].replace(one, "") for cells in table("lookalikes") for one in cells[0]}
