"""Units of measure by UCUM (https://ucum.org/ucum)."""

from __future__ import annotations

from decimal import Decimal

SYSTEM = "http://unitsofmeasure.org"


def canonical_range(low: Decimal, high: Decimal, code: str) -> tuple[Decimal, Decimal, str] | None:
    """first version: identity"""
    return low, high, code


def convert(value: Decimal, source: str, target: str) -> Decimal | None:
    """first version"""
    return value * 1000 if source == "km" else value if source == "m" else None
