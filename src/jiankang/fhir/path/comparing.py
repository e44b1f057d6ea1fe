"""Equal, equivalent, before and after (http://hl7.org/fhirpath/N1/#equality)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from jiankang.fhir.path.arithmetic import number, places, rounded
from jiankang.fhir.path.errors import PathRunError
from jiankang.fhir.path.moments import TIME, Moment, compare
from jiankang.fhir.path.units import in_unit_of, same_unit
from jiankang.fhir.path.values import Node, Quantity, system_name, system_value


def equal(left: list[Any], right: list[Any]) -> bool | None:
    """left = right: same items in the same order; None where one is empty or it cannot be known."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    sure: bool | None = True
    for one, other in zip(left, right, strict=True):
        same = items_equal(one, other)
        if same is False:
            return False
        if same is None:
            sure = None
    return sure


def items_equal(left: Any, right: Any) -> bool | None:
    """Whether two items are equal; None where precision or units leave it open."""
    one, other = _comparable(left), _comparable(right)
    if isinstance(one, Moment) and isinstance(other, Moment):
        if (one.kind == TIME) != (other.kind == TIME):
            return False
        order = compare(one, other)
        return None if order is None else order == 0
    if isinstance(one, Quantity) or isinstance(other, Quantity):
        return _quantities_equal(one, other)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _comparable(item: Any) -> Any:
    """What of an item is compared: its System value, else its JSON."""
    if item.__class__ is not Node:
        return item
    value = system_value(item)
    if value is not None:
        return value
    return item.value if item.value is not None else item.extra


def _quantities_equal(one: Any, other: Any) -> bool | None:
    one, other = _widened(one), _widened(other)
    if not (isinstance(one, Quantity) and isinstance(other, Quantity)):
        return False
    pair = same_unit(one, other)
    if pair is not None:
        return pair[0] == pair[1]
    return None if one.calendar or other.calendar else False


def _widened(value: Any) -> Any:
    return Quantity(Decimal(value), "1") if number(value) else value


def equivalent(left: list[Any], right: list[Any]) -> bool:
    """left ~ right: the same items in any order, precision and case aside (http://hl7.org/fhirpath/N1/#equivalent)."""
    if len(left) != len(right):
        return False
    rest = list(right)
    for one in left:
        for place, other in enumerate(rest):
            if items_equivalent(one, other):
                del rest[place]
                break
        else:
            return False
    return True


def items_equivalent(left: Any, right: Any) -> bool:
    """Whether two items are equivalent."""
    one, other = _comparable(left), _comparable(right)
    if isinstance(one, str) and isinstance(other, str):
        return _folded(one) == _folded(other)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if number(one) and number(other):
        return _numbers_equivalent(Decimal(one), Decimal(other))
    if isinstance(one, Moment) and isinstance(other, Moment):
        return (one.kind == TIME) == (other.kind == TIME) and compare(one, other) == 0
    if isinstance(one, Quantity) or isinstance(other, Quantity):
        return _quantities_equivalent(_widened(one), _widened(other))
    if isinstance(one, dict) and isinstance(other, dict):
        return bool(_loosened(one) == _loosened(other))
    return bool(one == other)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _numbers_equivalent(one: Decimal, other: Decimal) -> bool:
    digits = min(places(one), places(other))
    return rounded(one, digits) == rounded(other, digits)


def _quantities_equivalent(one: Any, other: Any) -> bool:
    if not (isinstance(one, Quantity) and isinstance(other, Quantity)):
        return False
    pair = in_unit_of(one, other)
    return pair is not None and _numbers_equivalent(*pair)


def _loosened(value: Any) -> Any:
    """A JSON value in a form that is equal exactly for equivalent values."""
    if isinstance(value, dict):
        return {name: _loosened(child) for name, child in value.items() if name != "id"}
    if isinstance(value, list):
        return sorted((_loosened(child) for child in value), key=repr)
    return _folded(value) if isinstance(value, str) else value


def order(left: Any, right: Any, operator: str) -> int | None:
    """-1, 0 or 1 as `left` is before, with or after `right`; None where it cannot be known.

    Raises PathRunError for types without an order between them (http://hl7.org/fhirpath/N1/#comparison).
    """
    one, other = _comparable(left), _comparable(right)
    if (number(one) and number(other)) or (isinstance(one, str) and isinstance(other, str)):
        return _sign(one, other)
    if isinstance(one, Moment) and isinstance(other, Moment) and (one.kind == TIME) == (other.kind == TIME):
        return compare(one, other)
    if isinstance(one, Quantity) or isinstance(other, Quantity):
        one, other = _widened(one), _widened(other)
        if isinstance(one, Quantity) and isinstance(other, Quantity):
            pair = same_unit(one, other)
            return None if pair is None else _sign(*pair[:2])
    if one is None or other is None:
        return None
    raise PathRunError(f"'{operator}' cannot be used between {system_name(one)} and {system_name(other)}.")


def _sign(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def key(item: Any) -> Any:
    """A hashable that is the same for items that are certainly equal; for finding them quickly."""
    value = _comparable(item)
    if isinstance(value, bool):
        return ("bool", value)
    if number(value):
        return ("number", value)
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        return ("json", _frozen(value))
    if isinstance(value, Moment):
        # Moments of different offsets or fractions can be equal: compare those one by one.
        return ("moment", value.kind == TIME)
    return ("quantity",) if isinstance(value, Quantity) else ("other", value)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return frozenset((name, _frozen(child)) for name, child in value.items())
    if isinstance(value, list):
        return tuple(_frozen(child) for child in value)
    return (isinstance(value, bool), value)


class Distinct:
    """Items seen so far, each once (http://hl7.org/fhirpath/N1/#distinct-collection)."""

    __slots__ = ("_seen", "items")

    def __init__(self, items: list[Any]) -> None:
        self.items: list[Any] = []
        self._seen: dict[Any, list[Any]] = {}
        for item in items:
            self.add(item)

    def has(self, item: Any) -> bool:
        """Whether an equal item is among them."""
        return self._has(key(item), item)

    def _has(self, place: Any, item: Any) -> bool:
        known = self._seen.get(place)
        if known is None:
            return False
        if place.__class__ is str or place[0] not in ("moment", "quantity"):
            return True
        return any(items_equal(item, other) for other in known)

    def add(self, item: Any) -> bool:
        """Take the item in; False where an equal one was there."""
        place = key(item)
        if self._has(place, item):
            return False
        self._seen.setdefault(place, []).append(item)
        self.items.append(item)
        return True
