"""Dates as ranges of time: a year is all its instants (http://hl7.org/fhir/R4/datatypes.html#dateTime)."""

from __future__ import annotations

import re
from calendar import isleap, monthrange
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache

from jiankang.fhir.search.model import DATE_MAX
from jiankang.kernel.errors import Invalid

SECOND = 1_000_000
_DAY = 86_400 * SECOND
_EPOCH = date(1970, 1, 1).toordinal()
_LAST = date.max.toordinal()
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
_CACHED_LENGTH = 40
_HELP = "write YYYY, YYYY-MM, YYYY-MM-DD, or YYYY-MM-DDThh:mm[:ss[.sss]] with Z or an offset like +08:00"


def date_range(text: str, zone: tzinfo = UTC) -> tuple[int, int]:
    """What a date, dateTime or instant covers: [lo, hi) in microseconds since 1970-01-01T00:00Z.

    The width is the precision given: year, month, day, minute, second, or a power of ten below. Where the
    text names no offset it is read in `zone`. Raises Invalid for what is no date.
    """
    return _short_range(text, zone) if len(text) <= _CACHED_LENGTH else _range(text, zone)


@lru_cache(maxsize=65536)
def _short_range(text: str, zone: tzinfo) -> tuple[int, int]:
    return _range(text, zone)


def _range(text: str, zone: tzinfo) -> tuple[int, int]:
    match = _DATE.fullmatch(text)
    if match is None:
        raise Invalid(f"'{text[:40]}' is not a date: {_HELP}.")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        if hour is None:
            return _days(int(year), month, day, zone)
        start = _instant(int(year), int(month), int(day), int(hour), int(minute), offset, zone)
    except ValueError:
        raise Invalid(f"'{text[:40]}' is not in the calendar: {_HELP}.") from None
    if second is None:
        return start, start + 60 * SECOND
    return _seconds(text, start, second, fraction)


def _seconds(text: str, start: int, second: str, fraction: str | None) -> tuple[int, int]:
    """The second, or part of one, in the minute from `start`; a leap second is its minute's last."""
    whole = int(second)
    if whole > 60:
        raise Invalid(f"'{text[:40]}' has {whole} seconds in a minute: {_HELP}.")
    start += min(whole, 59) * SECOND
    if fraction is None:
        return start, start + SECOND
    width = 10 ** max(0, 6 - len(fraction))
    start += int(fraction[:6].ljust(6, "0"))
    return start, start + width


def _days(year: int, month: str | None, day: str | None, zone: tzinfo) -> tuple[int, int]:
    first = date(year, int(month or 1), int(day or 1))
    start = first.toordinal()
    if day is not None:
        after = start + 1
    elif month is not None:
        after = start + monthrange(year, first.month)[1]
    else:
        after = start + 365 + isleap(year)
    high = _midnight(after, zone) if after <= _LAST else DATE_MAX
    return _midnight(start, zone), high


def _midnight(ordinal: int, zone: tzinfo) -> int:
    if zone is UTC:
        return (ordinal - _EPOCH) * _DAY
    day = date.fromordinal(ordinal)
    return _instant(day.year, day.month, day.day, 0, 0, None, zone)


def _instant(year: int, month: int, day: int, hour: int, minute: int, offset: str | None, zone: tzinfo) -> int:
    """Microseconds of a minute's start. Raises ValueError when it is not in the calendar."""
    if hour > 23 or minute > 59:
        raise ValueError
    micros = (date(year, month, day).toordinal() - _EPOCH) * _DAY + (hour * 60 + minute) * 60 * SECOND
    if offset == "Z":
        return micros
    if offset is not None:
        hours, minutes = int(offset[1:3]), int(offset[4:6])
        if hours > 14 or minutes > 59:
            raise ValueError
        shift = (hours * 60 + minutes) * 60 * SECOND
        return micros + shift if offset[0] == "-" else micros - shift
    if zone is UTC:
        return micros
    shift_of_zone = datetime(year, month, day, hour, minute, tzinfo=zone).utcoffset()
    return micros - (int(shift_of_zone.total_seconds()) * SECOND if shift_of_zone is not None else 0)
