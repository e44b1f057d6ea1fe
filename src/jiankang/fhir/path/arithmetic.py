"""Numbers, quantities and moments: add, subtract, multiply, divide, bounded (http://hl7.org/fhirpath/N1/#math)."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any

from jiankang.fhir.path.errors import PathRunError
from jiankang.fhir.path.moments import Moment, plus
from jiankang.fhir.path.units import calendar_unit, product, quotient, same_unit
from jiankang.fhir.path.values import Quantity, system_name

MATH = Context(prec=34, Emax=400, Emin=-400, traps=[InvalidOperation, DivisionByZero, Overflow])
INTEGER_MAX = 2**31 - 1
MAX_TEXT = 1_000_000
FAILURES = (InvalidOperation, DivisionByZero, Overflow)


def number(value: Any) -> bool:
    """Whether `value` is an Integer or a Decimal."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def bounded(value: int) -> int | None:
    """An Integer, None where it overflows."""
    return value if -INTEGER_MAX - 1 <= value <= INTEGER_MAX else None


def short(text: str) -> str:
    """The text. Raises PathRunError where it grows out of proportion."""
    if len(text) > MAX_TEXT:
        raise PathRunError(f"A text would have {len(text)} characters; at most {MAX_TEXT} are made.", code="too-costly")
    return text


def _mismatch(operator: str, left: Any, right: Any) -> PathRunError:
    return PathRunError(f"'{operator}' cannot be used between {system_name(left)} and {system_name(right)}.")


def _quantity(value: Any) -> Quantity:
    return value if isinstance(value, Quantity) else Quantity(Decimal(value), "1")


def _math(operation: str, left: Any, right: Any) -> Any:
    """`operation` of the decimal context; None where there is no result."""
    if isinstance(left, int) and isinstance(right, int) and operation != "divide":
        whole = {"add": left.__add__, "subtract": left.__sub__, "multiply": left.__mul__}[operation](right)
        return bounded(whole)
    try:
        return getattr(MATH, operation)(Decimal(left), Decimal(right))
    except FAILURES:
        return None


def add(left: Any, right: Any, sign: int = 1) -> Any:
    """left + right, or left - right where `sign` is -1."""
    operator = "+" if sign == 1 else "-"
    if isinstance(left, str) and isinstance(right, str) and sign == 1:
        return short(left + right)
    if number(left) and number(right):
        return _math("add" if sign == 1 else "subtract", left, right)
    if isinstance(left, Moment) and isinstance(right, Quantity):
        return _moved(left, right, sign, operator)
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        pair = same_unit(left, right)
        if pair is None:
            return None
        total = _math("add" if sign == 1 else "subtract", pair[0], pair[1])
        return None if total is None else Quantity(total, pair[2], left.calendar and right.calendar)
    raise _mismatch(operator, left, right)


def _moved(moment: Moment, amount: Quantity, sign: int, operator: str) -> Moment | None:
    unit = calendar_unit(amount)
    if unit is None:
        raise PathRunError(f"'{operator}' moves dates by calendar units, not by '{amount.unit}'.")
    if abs(amount.value) > 10**12:
        return None
    return plus(moment, int(amount.value * 1_000_000) * sign, unit)


def multiply(left: Any, right: Any) -> Any:
    """left * right."""
    if number(left) and number(right):
        return _math("multiply", left, right)
    if isinstance(left, Quantity | int | Decimal) and isinstance(right, Quantity | int | Decimal):
        one, other = _quantity(left), _quantity(right)
        value = _math("multiply", one.value, other.value)
        return None if value is None else product(value, one, other)
    raise _mismatch("*", left, right)


def divide(left: Any, right: Any) -> Any:
    """left / right; None for division by zero."""
    if number(left) and number(right):
        return _math("divide", left, right)
    if isinstance(left, Quantity | int | Decimal) and isinstance(right, Quantity | int | Decimal):
        one, other = _quantity(left), _quantity(right)
        value = _math("divide", one.value, other.value)
        return None if value is None else quotient(value, one, other)
    raise _mismatch("/", left, right)


def whole_divide(left: Any, right: Any) -> Any:
    """left div right: the quotient cut off at zero; None for division by zero."""
    if not (number(left) and number(right)):
        raise _mismatch("div", left, right)
    try:
        return bounded(int(MATH.divide_int(Decimal(left), Decimal(right))))
    except FAILURES:
        return None


def remainder(left: Any, right: Any) -> Any:
    """left mod right; None for division by zero."""
    if not (number(left) and number(right)):
        raise _mismatch("mod", left, right)
    try:
        rest = MATH.remainder(Decimal(left), Decimal(right))
    except FAILURES:
        return None
    return int(rest) if isinstance(left, int) and isinstance(right, int) else rest


def negate(value: Any) -> Any:
    """-value. Raises PathRunError for what has no sign."""
    if isinstance(value, Quantity):
        return value._replace(value=-value.value)
    if not number(value):
        raise PathRunError(f"'-' cannot be used before a {system_name(value)}.")
    return -value


def places(value: Decimal) -> int:
    """How many digits `value` has after the point."""
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def rounded(value: Decimal, digits: int) -> Decimal:
    """`value` with so many digits after the point, halves away from zero."""
    return value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP, context=Context(prec=460))


def cut(value: Decimal, digits: int) -> Decimal:
    """`value` with so many digits after the point, the rest cut off."""
    return value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_DOWN, context=Context(prec=460))


def power(base: Any, exponent: Any) -> Any:
    """`base` to the power of `exponent`, an Integer where both are; None where there is none."""
    try:
        result = MATH.power(Decimal(base), Decimal(exponent))
    except FAILURES:
        return None
    if isinstance(base, int) and isinstance(exponent, int) and exponent >= 0 and abs(result) <= INTEGER_MAX:
        return int(result)
    return result
