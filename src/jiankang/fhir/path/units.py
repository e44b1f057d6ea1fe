"""Units of quantities: UCUM codes and the words of the calendar (http://hl7.org/fhirpath/N1/#quantity)."""

from __future__ import annotations

from decimal import Decimal

from jiankang.fhir.path.values import Quantity

_CALENDAR = ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
# Weeks and shorter are as long as UCUM's; years and months are not (http://hl7.org/fhirpath/N1/#time-valued-quantities).
_AS_UCUM = {"week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s", "millisecond": "ms"}
_FROM_UCUM = {code: word for word, code in _AS_UCUM.items()}
_MONTHS = {"year": 12, "month": 1}


def calendar_unit(amount: Quantity) -> str | None:
    """The calendar word by which a date may be moved; None for other units."""
    if amount.calendar:
        return amount.unit
    word = amount.unit.removesuffix("s")
    return word if word in _CALENDAR else _FROM_UCUM.get(amount.unit)


def canonical(amount: Quantity) -> tuple[Decimal, str] | None:
    """The amount in base units, with a name for them; None where the unit is unknown."""
    if amount.calendar and amount.unit in _MONTHS:
        return amount.value * _MONTHS[amount.unit], "calendar month"
    code = _AS_UCUM[amount.unit] if amount.calendar else amount.unit
    from jiankang.fhir.search.ucum import canonical_range

    found = canonical_range(amount.value, amount.value, code)
    return None if found is None else (Decimal(found[0]), found[2])


def same_unit(left: Quantity, right: Quantity) -> tuple[Decimal, Decimal, str] | None:
    """Both amounts in one unit, and the unit; None where they cannot be compared."""
    if left.unit == right.unit and left.calendar == right.calendar:
        return left.value, right.value, left.unit
    one, other = canonical(left), canonical(right)
    if one is None or other is None or one[1] != other[1]:
        return None
    return one[0], other[0], one[1]


def in_unit_of(left: Quantity, right: Quantity) -> tuple[Decimal, Decimal] | None:
    """Both amounts in the coarser of their two units, for equivalence; None where they cannot be compared."""
    if left.unit == right.unit and left.calendar == right.calendar:
        return left.value, right.value
    one, other = canonical(left), canonical(right)
    if one is None or other is None or one[1] != other[1]:
        return None
    scale, other_scale = _size(left), _size(right)
    if scale is None or other_scale is None:
        return one[0], other[0]
    coarse = max(scale, other_scale)
    return (
        (left.value, other[0] / coarse) if scale == coarse else (one[0] / coarse, right.value)
    )  # the amount in the coarser unit keeps its digits


def _size(amount: Quantity) -> Decimal | None:
    """How much one of its unit is in base units; None where that depends on the amount (°C)."""
    zero, one = canonical(amount._replace(value=Decimal(0))), canonical(amount._replace(value=Decimal(1)))
    if zero is None or one is None or zero[0] != 0 or one[0] == 0:
        return None
    return one[0]


def _code(amount: Quantity) -> str:
    return _AS_UCUM.get(amount.unit, amount.unit) if amount.calendar else amount.unit


def product(value: Decimal, left: Quantity, right: Quantity) -> Quantity:
    """The quantity of a product of two."""
    one, other = _code(left), _code(right)
    if one == "1" or other == "1":
        return Quantity(value, other if one == "1" else one)
    return Quantity(value, f"{one}.{other}")


def quotient(value: Decimal, left: Quantity, right: Quantity) -> Quantity:
    """The quantity of a quotient of two."""
    one, other = _code(left), _code(right)
    if one == other:
        return Quantity(value, "1")
    if other == "1":
        return Quantity(value, one)
    return Quantity(value, f"{one}/{other}" if not set(other) & set("./") else f"{one}/({other})")
