"""Functions on numbers, dates and quantities, and conversions (http://hl7.org/fhirpath/N1/#conversion)."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import TYPE_CHECKING, Any

from jiankang.fhir.path.arithmetic import FAILURES, MATH, bounded, cut, number, places, power, rounded
from jiankang.fhir.path.errors import PathRunError
from jiankang.fhir.path.functions import integer
from jiankang.fhir.path.moments import (
    DATE,
    DATE_TIME,
    TIME,
    Moment,
    as_date,
    as_date_time,
    boundary,
    date_or_none,
    date_time_or_none,
    time_or_none,
)
from jiankang.fhir.path.syntax import CALENDAR_UNITS
from jiankang.fhir.path.units import canonical, same_unit
from jiankang.fhir.path.values import Quantity, single, system_value

if TYPE_CHECKING:
    from jiankang.fhir.path.run import Run

Items = list[Any]
_INTEGER = re.compile(r"[+-]?\d{1,40}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?", re.ASCII)
_QUANTITY = re.compile(r"([+-]?\d{1,40}(?:\.\d{1,40})?)\s*(?:'([^']+)'|([a-zA-Z]+))?", re.ASCII)
_TRUE_TEXTS = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE_TEXTS = frozenset({"false", "f", "no", "n", "0", "0.0"})
_MAX_PLACES = 31


def to_boolean(value: Any) -> Any:
    """A Boolean from true/false texts, 1 and 0."""
    if isinstance(value, bool):
        return value
    if number(value):
        return bool(value) if value in (0, 1) else None
    if isinstance(value, str):
        low = value.lower()
        return True if low in _TRUE_TEXTS else False if low in _FALSE_TEXTS else None
    return None


def to_integer(value: Any) -> Any:
    """An Integer from Booleans and texts."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return bounded(int(value))
    return None


def to_decimal(value: Any) -> Any:
    """A Decimal from Booleans, Integers and texts."""
    if isinstance(value, bool | int | Decimal):
        return Decimal(value)
    return Decimal(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else None


def to_date(value: Any) -> Any:
    """A Date from DateTimes and texts."""
    if isinstance(value, Moment):
        return None if value.kind == TIME else as_date(value)
    if isinstance(value, str):
        found = date_time_or_none(value)
        return None if found is None else as_date(found)
    return None


def to_date_time(value: Any) -> Any:
    """A DateTime from Dates and texts."""
    if isinstance(value, Moment):
        return None if value.kind == TIME else as_date_time(value)
    return date_time_or_none(value) if isinstance(value, str) else None


def to_time(value: Any) -> Any:
    """A Time from texts."""
    if isinstance(value, Moment):
        return value if value.kind == TIME else None
    return time_or_none(value) if isinstance(value, str) else None


def to_quantity(value: Any) -> Any:
    """A Quantity from numbers, Booleans, and texts like "4 days" and "5 'mg'"."""
    if isinstance(value, Quantity):
        return value
    if isinstance(value, bool | int | Decimal):
        return Quantity(Decimal(value), "1")
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    amount, code, word = match.groups()
    if word is not None:
        return Quantity(Decimal(amount), CALENDAR_UNITS[word], calendar=True) if word in CALENDAR_UNITS else None
    return Quantity(Decimal(amount), code or "1")


def to_string(value: Any) -> Any:
    """Any System value as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value) if isinstance(value, int | Moment | Quantity) else None


_CONVERSIONS = {
    "Boolean": to_boolean,
    "Integer": to_integer,
    "Decimal": to_decimal,
    "Date": to_date,
    "DateTime": to_date_time,
    "Time": to_time,
    "Quantity": to_quantity,
    "String": to_string,
}


def _converting(name: str) -> Any:
    convert = _CONVERSIONS[name]

    def function(_run: Run, items: Items, unit: Items | None = None) -> Items:
        item = single(items, f"to{name}()")
        value = None if item is None else convert(system_value(item))
        if value is not None and unit:
            value = _in_unit(value, system_value(single(unit, f"to{name}()")))
        return [] if value is None else [value]

    return function


def _in_unit(value: Quantity, code: str) -> Quantity | None:
    """The quantity in another unit."""
    target = CALENDAR_UNITS.get(code)
    wanted = Quantity(Decimal(1), target or code, target is not None)
    if same_unit(value, wanted) is None:
        return None
    one, base = canonical(value), canonical(wanted)
    if one is None or base is None or base[0] == 0:
        return value if value.unit == wanted.unit else None
    return Quantity(MATH.divide(one[0], base[0]).normalize(MATH), wanted.unit, wanted.calendar)


def _convertible(name: str) -> Any:
    convert = _CONVERSIONS[name]

    def function(_run: Run, items: Items, unit: Items | None = None) -> Items:
        item = single(items, f"convertsTo{name}()")
        if item is None:
            return []
        value = convert(system_value(item))
        if value is not None and unit:
            value = _in_unit(value, system_value(single(unit, f"convertsTo{name}()")))
        return [value is not None]

    return function


# ---- mathematics (http://hl7.org/fhirpath/N1/#math)


def _numeric(items: Items, what: str, *, quantities: bool = False) -> Any:
    """The single number of a collection."""
    value = system_value(single(items, what))
    if value is None or number(value) or (quantities and isinstance(value, Quantity)):
        return value
    raise PathRunError(f"{what} takes a number.")


def _on_number(name: str, work: Any, *, quantities: bool = False) -> Any:
    def function(_run: Run, items: Items) -> Items:
        value = _numeric(items, name, quantities=quantities)
        if value is None:
            return []
        try:
            result = work(value)
        except FAILURES:
            return []
        return [] if result is None else [result]

    return function


def _abs(value: Any) -> Any:
    return value._replace(value=abs(value.value)) if isinstance(value, Quantity) else abs(value)


def _whole(rounding: str) -> Any:
    return lambda value: bounded(int(Decimal(value).to_integral_value(rounding=rounding)))


def _truncate(value: Any) -> int | None:
    return bounded(int(value))


def _sqrt(value: Any) -> Any:
    return None if value < 0 else MATH.sqrt(Decimal(value))


def _ln(value: Any) -> Any:
    return None if value <= 0 else MATH.ln(Decimal(value))


def log(_run: Run, items: Items, base: Items) -> Items:
    """The logarithm to a base."""
    value, other = _numeric(items, "log()"), _numeric(base, "log()")
    if value is None or other is None or value <= 0 or other <= 0 or other == 1:
        return []
    result = MATH.divide(MATH.ln(Decimal(value)), MATH.ln(Decimal(other)))
    return [Context(prec=28).plus(result)]


def to_the_power(_run: Run, items: Items, exponent: Items) -> Items:
    """The number to a power."""
    value, other = _numeric(items, "power()"), _numeric(exponent, "power()")
    result = None if value is None or other is None else power(value, other)
    return [] if result is None else [result]


def round_(_run: Run, items: Items, precision: Items | None = None) -> Items:
    """The number rounded, halves away from zero."""
    value = _numeric(items, "round()")
    digits = 0 if precision is None else integer(precision, "round()")
    if value is None or digits is None:
        return []
    if not 0 <= digits <= _MAX_PLACES:
        raise PathRunError(f"round() takes 0 to {_MAX_PLACES} digits.")
    return [rounded(Decimal(value), digits)]


# ---- precision (http://hl7.org/fhirpath/#lowboundaryprecision-integer-decimal--date--datetime--time--quantity)


def _boundary(*, high: bool) -> Any:
    name = "highBoundary()" if high else "lowBoundary()"

    def function(_run: Run, items: Items, precision: Items | None = None) -> Items:
        value = system_value(single(items, name))
        digits = None if precision is None else integer(precision, name)
        if isinstance(value, Moment):
            found: Any = boundary(value, digits, high=high)
        elif isinstance(value, Quantity):
            edge = _number_boundary(value.value, digits, high=high)
            found = None if edge is None else value._replace(value=edge)
        else:
            found = _number_boundary(Decimal(value), digits, high=high) if number(value) else None
        return [] if found is None else [found]

    return function


def _number_boundary(value: Decimal, digits: int | None, *, high: bool) -> Decimal | None:
    """The edge of all numbers that are written as `value`, with so many digits after the point."""
    wanted = 8 if digits is None else digits
    if not 0 <= wanted <= _MAX_PLACES:
        return None
    half = Decimal(5).scaleb(-places(value) - 1)
    edge = value + half if high else value - half
    if places(edge) <= wanted:
        return cut(edge, wanted)
    unit = Decimal(1).scaleb(-wanted)
    if abs(edge) * 2 < unit:
        return cut(edge, wanted)  # a number that vanishes at this precision stays zero
    rounding = ROUND_CEILING if high else ROUND_FLOOR
    return edge.quantize(unit, rounding=rounding, context=Context(prec=460))


def precision(_run: Run, items: Items) -> Items:
    """How many digits a number, date or time is written with."""
    value = system_value(single(items, "precision()"))
    if isinstance(value, Moment):
        return [value.digits]
    if isinstance(value, Decimal):
        return [places(value)]
    return [0] if number(value) else []


def comparable(_run: Run, items: Items, other: Items) -> Items:
    """Whether two quantities have units of one kind."""
    one, two = system_value(single(items, "comparable()")), system_value(single(other, "comparable()"))
    if not (isinstance(one, Quantity) and isinstance(two, Quantity)):
        return []
    return [same_unit(one, two) is not None]


FUNCTIONS: dict[str, tuple[int, int, Any]] = {
    **{f"to{name}": (0, 1 if name == "Quantity" else 0, _converting(name)) for name in _CONVERSIONS},
    **{f"convertsTo{name}": (0, 1 if name == "Quantity" else 0, _convertible(name)) for name in _CONVERSIONS},
    "abs": (0, 0, _on_number("abs()", _abs, quantities=True)),
    "ceiling": (0, 0, _on_number("ceiling()", _whole(ROUND_CEILING))),
    "floor": (0, 0, _on_number("floor()", _whole(ROUND_FLOOR))),
    "truncate": (0, 0, _on_number("truncate()", _truncate)),
    "exp": (0, 0, _on_number("exp()", lambda value: MATH.exp(Decimal(value)))),
    "ln": (0, 0, _on_number("ln()", _ln)),
    "sqrt": (0, 0, _on_number("sqrt()", _sqrt)),
    "log": (1, 1, log),
    "power": (1, 1, to_the_power),
    "round": (0, 1, round_),
    "lowBoundary": (0, 1, _boundary(high=False)),
    "highBoundary": (0, 1, _boundary(high=True)),
    "precision": (0, 0, precision),
    "comparable": (1, 1, comparable),
}
__all__ = ["DATE", "DATE_TIME", "FUNCTIONS", "date_or_none"]
