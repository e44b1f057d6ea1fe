"""The order of a hierarchy: a walk down the tree of first parents, and every ancestor of each concept.

A concept may have several parents (SNOMED CT); the walk follows the first one, `ancestors` all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jiankang.kernel.errors import Unprocessable

MAX_ANCESTORS = 20_000_000


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Places in tree order. All lists are by the concept's number as it came in.

    `place` is where it goes, `last` the place of the last one below it in the tree, `parents` and `ancestors` places.
    `polyhierarchy` says that somebody has two parents, so that the tree alone does not tell all.
    """

    order: list[int]
    place: list[int]
    last: list[int]
    parents: list[tuple[int, ...]]
    ancestors: list[tuple[int, ...]]
    polyhierarchy: bool


def arrange(codes: Sequence[str], parents: Mapping[int, Sequence[str]]) -> Hierarchy:
    """The hierarchy of `codes`, whose parents are given by number; unknown parents are left out.

    Raises Unprocessable when somebody is their own ancestor.
    """
    count = len(codes)
    if not parents:
        whole = list(range(count))
        return Hierarchy(whole, whole, whole, [()] * count, [()] * count, False)
    numbers = {code: number for number, code in enumerate(codes)}
    above: list[tuple[int, ...]] = [()] * count
    below: dict[int, list[int]] = {}
    roots: list[int] = []
    poly = False
    for number in range(count):
        found = tuple(dict.fromkeys(numbers[code] for code in parents.get(number, ()) if code in numbers))
        above[number] = found
        if found:
            below.setdefault(found[0], []).append(number)
            poly = poly or len(found) > 1
        else:
            roots.append(number)
    order, last = _walk(count, roots, below, codes)
    place = [0] * count
    for where, number in enumerate(order):
        place[number] = where
    ancestors = _ancestors(order, above, codes)
    return Hierarchy(
        order,
        place,
        last,
        [tuple(place[parent] for parent in each) for each in above],
        [tuple(sorted(place[ancestor] for ancestor in each)) for each in ancestors],
        poly,
    )


def _walk(
    count: int, roots: list[int], below: dict[int, list[int]], codes: Sequence[str]
) -> tuple[list[int], list[int]]:
    """The numbers in tree order, and by number the place of the last one below it."""
    order: list[int] = []
    last = [0] * count
    stack = [(number, False) for number in reversed(roots)]
    while stack:
        number, done = stack.pop()
        if done:
            last[number] = len(order) - 1
            continue
        order.append(number)
        children = below.get(number)
        if children is None:
            last[number] = len(order) - 1
        else:
            stack.append((number, True))
            stack.extend((child, False) for child in reversed(children))
    if len(order) < count:
        seen = set(order)
        raise _cycle(codes[next(number for number in range(count) if number not in seen)])
    return order, last


def _ancestors(
    order: list[int], above: list[tuple[int, ...]], codes: Sequence[str]
) -> list[set[int] | tuple[int, ...]]:
    """All ancestors of each, by number: those of the parents and the parents."""
    found: list[set[int] | tuple[int, ...] | None] = [None] * len(above)
    total = 0
    for start in order:
        stack = [start]
        entered: set[int] = set()
        while stack:
            number = stack[-1]
            if found[number] is not None:
                stack.pop()
                continue
            waiting = [parent for parent in above[number] if found[parent] is None]
            if waiting:
                if number in entered:
                    raise _cycle(codes[number])
                entered.add(number)
                stack.extend(waiting)
                continue
            mine: set[int] = set()
            for parent in above[number]:
                mine.add(parent)
                mine.update(found[parent] or ())
            total += len(mine)
            if total > MAX_ANCESTORS:
                raise Unprocessable(f"the hierarchy has more than {MAX_ANCESTORS} pairs of ancestor and descendant")
            found[number] = mine or ()
            stack.pop()
    return [each if each is not None else () for each in found]


def _cycle(code: str) -> Unprocessable:
    return Unprocessable(f"the hierarchy goes round in a circle at the code {code[:100]!r}")
