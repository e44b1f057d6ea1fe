"""What the facts of a resource alone tell about a condition, without asking the database.

Every key of `idx` is among the `keys` of a resource's row, so whatever is asked by keys can be decided by them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from jiankang.foundation.record.search.criteria import Criterion, Every, Keys, Not, Some


@dataclass(frozen=True, slots=True)
class Condition:
    """A search of one type, read: a resource is meant when it fits all criteria."""

    criteria: tuple[Criterion, ...]

    def fits(self, keys: Collection[int]) -> bool | None:
        """Whether a resource with these facts is meant; None where the database has to be asked."""
        return _all(_fits(one, keys) for one in self.criteria)

    def needed(self) -> frozenset[int] | None:
        """Facts of which a resource has at least one if it is meant; None where facts do not tell."""
        known = [one for one in self.criteria if isinstance(one, Keys)]
        best = min(known, key=lambda one: (not one.unique, not one.targets, len(one.hashes)), default=None)
        return None if best is None else frozenset(best.hashes)


def _fits(criterion: Criterion, keys: Collection[int]) -> bool | None:
    match criterion:
        case Keys():
            return not set(criterion.hashes).isdisjoint(keys)
        case Every(parts):
            return _all(_fits(one, keys) for one in parts)
        case Some(parts):
            return _inverse(_all(_inverse(_fits(one, keys)) for one in parts))
        case Not(part):
            return _inverse(_fits(part, keys))
    return None


def _inverse(known: bool | None) -> bool | None:
    return None if known is None else not known


def _all(known: Iterable[bool | None]) -> bool | None:
    """Whether all hold; not known where none fails and one is not known."""
    result: bool | None = True
    for one in known:
        if one is False:
            return False
        if one is None:
            result = None
    return result
