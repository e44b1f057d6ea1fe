"""Dates, dateTimes and times as precise as they were written (http://hl7.org/fhirpath/N1/#date)."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

DATE, DATE_TIME, TIME = "Date", "DateTime", "Time"

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_DATE_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?:T(?:(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?)?(Z|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)
_TIME = re.compile(r"(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?", re.ASCII)
_DAY_SECONDS = 86_400
_MICRO = 1_000_000
_YEARS_MAX = 9_999


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of the calendar or the clock with its precision.

    `parts` are year, month, day, hour, minute, second (for a Time: hour, minute, second) as far as written;
    `fraction` the written digits below the second; `offset` minutes east of UTC, None where not written.
    """

    kind: str
    parts: tuple[int, ...]
    fraction: str = ""
    offset: int | None = None

    def __str__(self) -> str:
        if self.kind == TIME:
            return _clock(self.parts, self.fraction)
        text = "-".join(f"{part:0{4 if place == 0 else 2}d}" for place, part in enumerate(self.parts[:3]))
        if self.kind == DATE:
            return text
        if len(self.parts) <= 3:
            return text
        return f"{text}T{_clock(self.parts[3:], self.fraction)}{_offset_text(self.offset)}"

    @property
    def digits(self) -> int:
        """The number of digits written: 4 for a year, 17 for a dateTime with milliseconds."""
        first = 0 if self.kind == TIME else 2
        return first + 2 * len(self.parts) + len(self.fraction)


def _clock(parts: tuple[int, ...], fraction: str) -> str:
    text = ":".join(f"{part:02d}" for part in parts)
    return f"{text}.{fraction}" if fraction else text


def _offset_text(offset: int | None) -> str:
    if offset is None:
        return ""
    if offset == 0:
        return "Z"
    return f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"


@lru_cache(maxsize=8192)
def date_or_none(text: str) -> Moment | None:
    """The Date that `text` says, or None."""
    match = _DATE.fullmatch(text)
    return None if match is None else _checked(Moment(DATE, _numbers(match.groups())))


@lru_cache(maxsize=8192)
def date_time_or_none(text: str) -> Moment | None:
    """The DateTime that `text` says (the time may be missing), or None."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    *numbers, fraction, offset = match.groups()
    if "T" in text and numbers[2] is None and numbers[3] is not None:
        return None
    return _checked(Moment(DATE_TIME, _numbers(tuple(numbers)), fraction or "", _minutes(offset)))


@lru_cache(maxsize=8192)
def time_or_none(text: str) -> Moment | None:
    """The Time that `text` says, or None."""
    match = _TIME.fullmatch(text.removeprefix("T"))
    if match is None:
        return None
    *numbers, fraction = match.groups()
    return _checked(Moment(TIME, _numbers(tuple(numbers)), fraction or ""))


def _numbers(groups: tuple[str | None, ...]) -> tuple[int, ...]:
    return tuple(int(group) for group in groups if group is not None)


def _minutes(offset: str | None) -> int | None:
    if offset is None or offset == "Z":
        return None if offset is None else 0
    minutes = int(offset[1:3]) * 60 + int(offset[4:6])
    return -minutes if offset[0] == "-" else minutes


def _checked(moment: Moment) -> Moment | None:
    """The moment if the calendar and the clock have it."""
    day, clock = ((), moment.parts) if moment.kind == TIME else (moment.parts[:3], moment.parts[3:])
    try:
        if day:
            date(*(*day, 1, 1)[:3])
        limits = zip(clock, (23, 59, 60), strict=False)
        valid = all(part <= limit for part, limit in limits) and abs(moment.offset or 0) <= 14 * 60
    except ValueError:
        return None
    return moment if valid else None


def as_date_time(moment: Moment) -> Moment:
    """A Date as the DateTime of the same precision."""
    return Moment(DATE_TIME, moment.parts) if moment.kind == DATE else moment


def as_date(moment: Moment) -> Moment:
    """The day of a DateTime."""
    return Moment(DATE, moment.parts[:3])


def compare(left: Moment, right: Moment) -> int | None:
    """-1, 0 or 1; None where one is more precise and they agree so far, or only one names its offset.

    http://hl7.org/fhirpath/N1/#datetime-equality
    """
    if left.offset is not None and right.offset is not None:
        left, right = _in_utc(left), _in_utc(right)
    elif (left.offset is None) != (right.offset is None) and len(left.parts) > 3 and len(right.parts) > 3:
        return _compare_unsure(left, right)
    for one, other in zip(left.parts, right.parts, strict=False):
        if one != other:
            return -1 if one < other else 1
    if len(left.parts) != len(right.parts):
        return None
    width = max(len(left.fraction), len(right.fraction))
    one_fraction, other_fraction = left.fraction.ljust(width, "0"), right.fraction.ljust(width, "0")
    return (one_fraction > other_fraction) - (one_fraction < other_fraction)


def _compare_unsure(left: Moment, right: Moment) -> int | None:
    """Compare where one offset is unknown: sure only when more than the widest offset lies between."""
    gap = _start(left) - _start(right)
    if abs(gap) <= timedelta(hours=26):
        return None
    return -1 if gap < timedelta(0) else 1


def _start(moment: Moment) -> datetime:
    year, month, day, *clock = moment.parts + (1, 1)[: max(0, 3 - len(moment.parts))]
    hour, minute, second = (*clock, 0, 0, 0)[:3]
    start = datetime(year, month, day, hour, minute, min(second, 59))  # noqa: DTZ001 - wall time by intent
    try:
        return start - timedelta(minutes=moment.offset or 0)
    except OverflowError:
        return start


def _in_utc(moment: Moment) -> Moment:
    """The same moment with offset 0, as precise as it was."""
    if not moment.offset or len(moment.parts) <= 3:
        return moment
    utc = _start(moment)
    second = moment.parts[5] if len(moment.parts) > 5 else 0
    parts = (utc.year, utc.month, utc.day, utc.hour, utc.minute, second)
    return Moment(moment.kind, parts[: max(5, len(moment.parts))][: len(moment.parts)], moment.fraction, 0)


_PLACES = {"year": 1, "month": 2, "day": 3, "hour": 4, "minute": 5, "second": 6}
_UNIT_SECONDS = {"week": 7 * _DAY_SECONDS, "day": _DAY_SECONDS, "hour": 3600, "minute": 60, "second": 1}


def plus(moment: Moment, amount_micros: int, unit: str) -> Moment | None:
    """`moment` moved by an amount of a calendar unit, in millionths of it; None where it leaves the calendar.

    Precision stays; what is finer than it is cut off after conversion to it (http://hl7.org/fhirpath/N1/#datetime-arithmetic).
    """
    whole = abs(amount_micros) // _MICRO * (1 if amount_micros >= 0 else -1)
    if moment.kind == TIME:
        return _time_plus(moment, amount_micros, whole, unit)
    try:
        if unit in ("year", "month"):
            return _months_plus(moment, whole * 12 if unit == "year" else whole)
        return _spans_plus(moment, amount_micros, whole, unit)
    except (OverflowError, ValueError):
        return None


def _months_plus(moment: Moment, months: int) -> Moment | None:
    year, month, day = (*moment.parts, 1, 1)[:3]
    total = year * 12 + month - 1 + months
    if len(moment.parts) == 1:
        total = (year + int(months / 12)) * 12
    year, month = total // 12, total % 12 + 1
    if not 1 <= year <= _YEARS_MAX:
        return None
    day = min(day, monthrange(year, month)[1])
    parts = (year, month, day)[: len(moment.parts)] + moment.parts[3:]
    return Moment(moment.kind, parts, moment.fraction, moment.offset)


def _micros(amount_micros: int, whole: int, unit: str) -> int:
    """The span in microseconds; only seconds keep their fraction."""
    if unit == "millisecond":
        return whole * 1000
    if unit == "second":
        return amount_micros
    return whole * _UNIT_SECONDS[unit] * _MICRO


def _spans_plus(moment: Moment, amount_micros: int, whole: int, unit: str) -> Moment | None:
    span = _micros(amount_micros, whole, unit)
    written = len(moment.parts)
    if written < 3:
        days = abs(span) // (_DAY_SECONDS * _MICRO) * (1 if span >= 0 else -1)
        return _months_plus(moment, int(days / 365) * 12 if written == 1 else int(days / 30))
    year, month, day, hour, minute, second = (*moment.parts, 0, 0, 0)[:6]
    fraction = int(moment.fraction[:6].ljust(6, "0") or 0)
    start = datetime(year, month, day, hour, minute, min(second, 59), fraction)  # noqa: DTZ001 - wall time by intent
    if written < 6:
        step = {3: _DAY_SECONDS, 4: 3600, 5: 60}[written] * _MICRO
        span = abs(span) // step * step * (1 if span >= 0 else -1)
    end = start + timedelta(microseconds=span)
    parts = (end.year, end.month, end.day, end.hour, end.minute, end.second)[:written]
    return Moment(moment.kind, parts, _fraction(moment, end.microsecond, span), moment.offset)


def _fraction(moment: Moment, micros: int, span: int) -> str:
    """Digits below the second after moving: as many as were written, more where the span has them."""
    if len(moment.parts) < (3 if moment.kind == TIME else 6):
        return ""
    digits = f"{micros:06d}"
    needed = len(digits.rstrip("0")) if span % _MICRO else 0
    return digits[: max(min(len(moment.fraction), 6), 3 if needed and needed <= 3 else needed)]


def _time_plus(moment: Moment, amount_micros: int, whole: int, unit: str) -> Moment | None:
    if unit in ("year", "month", "week", "day"):
        return None
    written = len(moment.parts)
    hour, minute, second = (*moment.parts, 0, 0)[:3]
    span = _micros(amount_micros, whole, unit)
    if written < 3:
        step = {1: 3600, 2: 60}[written] * _MICRO
        span = abs(span) // step * step * (1 if span >= 0 else -1)
    fraction = int(moment.fraction[:6].ljust(6, "0") or 0)
    total = ((hour * 60 + minute) * 60 + second) * _MICRO + fraction + span
    seconds, micros = divmod(total % (_DAY_SECONDS * _MICRO), _MICRO)
    parts = (seconds // 3600, seconds // 60 % 60, seconds % 60)[:written]
    return Moment(TIME, parts, _fraction(moment, micros, span))


def boundary(moment: Moment, digits: int | None, *, high: bool) -> Moment | None:
    """The earliest or latest moment that `moment` can mean, written with so many digits; None where that cannot be.

    http://hl7.org/fhirpath/#lowboundaryprecision-integer-decimal--date--datetime--time--quantity
    """
    full = {DATE: 8, DATE_TIME: 17, TIME: 9}[moment.kind]
    wanted = full if digits is None else digits
    if moment.kind == TIME:
        edges: tuple[int, ...] = (23, 59, 59) if high else (0, 0, 0)
        parts = moment.parts + edges[len(moment.parts) :]
        widths = {2: 1, 4: 2, 6: 3, 9: 3}
    else:
        edges = (1, 12, 0, 23, 59, 59) if high else (1, 1, 1, 0, 0, 0)
        parts = moment.parts + edges[len(moment.parts) :]
        if high and len(moment.parts) < 3:
            parts = (*parts[:2], monthrange(parts[0], parts[1])[1], *parts[3:])
        widths = {4: 1, 6: 2, 8: 3} if moment.kind == DATE else {4: 1, 6: 2, 8: 3, 10: 4, 12: 5, 14: 6, 17: 6}
    if wanted not in widths:
        return None
    fraction = moment.fraction.ljust(3, "9" if high else "0")[:3] if wanted in (9, 17) else ""
    kept = parts[: widths[wanted]]
    offset = moment.offset
    if moment.kind == DATE_TIME and len(kept) > 3:
        # Where no offset is written, the earliest clock on earth is 14 hours ahead, the latest 12 behind.
        offset = (-12 * 60 if high else 14 * 60) if offset is None else offset
    else:
        offset = None
    return Moment(moment.kind, kept, fraction, offset)
