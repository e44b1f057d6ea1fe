"""Days as small numbers with their texts ready: day 0 is the first of January 1900."""

from __future__ import annotations

from datetime import date, timedelta

FIRST = date(1900, 1, 1)
TODAY = (date(2026, 6, 30) - FIRST).days
"""The last day on which somebody is registered."""

_DATES = [FIRST + timedelta(days=day) for day in range(TODAY + 1)]
ISO = [day.isoformat() for day in _DATES]
COMPACT = [f"{day:%Y%m%d}" for day in _DATES]
MINUTES = [f"T{7 + minute // 60:02d}:{minute % 60:02d}:00+08:00" for minute in range(720)]
"""The times of a working day of twelve hours in China's zone."""


def day_of(year: int, month: int = 1, day: int = 1) -> int:
    """The number of a day."""
    return (date(year, month, day) - FIRST).days


CITIZEN_NUMBERS = day_of(1984, 4, 6)
"""Since then there are citizens' numbers; those of 15 digits were given until 1 October 1999."""

EIGHTEEN = day_of(1999, 10, 1)
REGISTERS = day_of(2009)
"""Since then health records are kept electronically."""
