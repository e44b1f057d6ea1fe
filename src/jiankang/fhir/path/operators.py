"""What compiled expressions call for operators (http://hl7.org/fhirpath/N1/#operations)."""

from __future__ import annotations

from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

from jiankang.fhir.path import arithmetic
from jiankang.fhir.path.comparing import equal, equivalent, order
from jiankang.fhir.path.errors import PathRunError
from jiankang.fhir.path.values import Node, single, system_value

if TYPE_CHECKING:
    from jiankang.fhir.path.run import Run

Items = list[Any]

_ARITHMETIC = {
    "+": arithmetic.add,
    "-": lambda left, right: arithmetic.add(left, right, -1),
    "*": arithmetic.multiply,
    "/": arithmetic.divide,
    "div": arithmetic.whole_divide,
    "mod": arithmetic.remainder,
}
_ORDERS = {
    "<": lambda sign: sign < 0,
    "<=": lambda sign: sign <= 0,
    ">": lambda sign: sign > 0,
    ">=": lambda sign: sign >= 0,
}


def computed(operator: str, left: Items, right: Items) -> Items:
    """Arithmetic on two single values; empty where one is."""
    one = _operand(left, operator)
    other = _operand(right, operator)
    if one is None or other is None:
        return []
    result = _ARITHMETIC[operator](one, other)
    return [] if result is None else [result]


def _operand(items: Items, operator: str) -> Any:
    item = single(items, f"'{operator}'")
    value = system_value(item)
    if value is None and item is not None and item.__class__ is Node and isinstance(item.value, dict):
        raise PathRunError(f"'{operator}' cannot be used on a {item.type}.")
    return value


def compared(operator: str, left: Items, right: Items) -> Items:
    """Before or after; empty where one is or it cannot be known."""
    if not left or not right:
        return []
    what = f"'{operator}'"
    sign = order(single(left, what), single(right, what), operator)
    return [] if sign is None else [_ORDERS[operator](sign)]


def equated(operator: str, left: Items, right: Items) -> Items:
    """=, !=, ~ and !~."""
    if operator in ("~", "!~"):
        return [equivalent(left, right) is (operator == "~")]
    same = equal(left, right)
    return [] if same is None else [same is (operator == "=")]


def joined(left: Items, right: Items) -> Items:
    """The operator &: two strings as one, nothing counting as ''."""
    texts = []
    for side in (left, right):
        value = system_value(single(side, "'&'"))
        if value is not None and not isinstance(value, str):
            raise PathRunError("'&' takes Strings.")
        texts.append(value or "")
    return [arithmetic.short(texts[0] + texts[1])]


def negative(items: Items) -> Items:
    """The sign turned."""
    value = system_value(single(items, "'-'"))
    return [] if value is None else [arithmetic.negate(value)]


def positive(items: Items) -> Items:
    """The number as it is."""
    value = system_value(single(items, "'+'"))
    if value is not None:
        arithmetic.negate(value)
    return items


def sorted_by(run: Run, items: Items, rows: list[list[Items]], descending: tuple[bool, ...]) -> Items:
    """The items in the order of their keys; those without a key first."""
    run.spend(len(items) * max(1, len(items).bit_length()))

    def before(one: tuple[list[Items], Any], other: tuple[list[Items], Any]) -> int:
        for left, right, turned in zip(one[0], other[0], descending, strict=True):
            if not left or not right:
                sign = bool(left) - bool(right)
            else:
                sign = order(single(left, "sort()"), single(right, "sort()"), "sort()") or 0
                sign = -sign if turned else sign
            if sign:
                return sign
        return 0

    ranked = sorted(zip(rows, items, strict=True), key=cmp_to_key(before))
    return [item for _, item in ranked]


def criterion(items: Items) -> bool | None:
    """The condition of iif(). Raises PathRunError for what is no Boolean."""
    value = system_value(single(items, "iif()"))
    if value is not None and not isinstance(value, bool):
        raise PathRunError("iif() takes a Boolean as its condition.")
    return value
