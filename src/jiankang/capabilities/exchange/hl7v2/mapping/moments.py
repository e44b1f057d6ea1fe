"""Dates and times: DTM, DT, TM of HL7 v2 (2.A.22, 2.A.21, 2.A.75) as FHIR writes them.

http://hl7.org/fhir/R4/datatypes.html#dateTime
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache

_DTM = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:[.,](\d{1,9}))?)?)?)?)?)?\s*([+-]\d{2}:?\d{2}|Z)?$"
)
_TIME = re.compile(r"(\d\d)(\d\d)?(\d\d)?(?:\.(\d{1,4}))?(?:[+-]\d{4})?$")


@lru_cache(maxsize=8192)
def date_time(text: str, zone: str) -> str | None:
    """A FHIR date or dateTime, as exact as the text; None when it is none. `zone` is the offset of times without one."""
    parts = _parts(text)
    if parts is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = parts
    if day is None:
        return year if month is None else f"{year}-{month}"
    if hour is None:
        return f"{year}-{month}-{day}"
    part = f".{fraction}" if fraction else ""
    return f"{year}-{month}-{day}T{hour}:{minute or '00'}:{second or '00'}{part}{_offset(offset, zone)}"


@lru_cache(maxsize=8192)
def day(text: str) -> str | None:
    """A FHIR date: the time of day is left out. None when it is none."""
    parts = _parts(text)
    if parts is None:
        return None
    return "-".join(part for part in parts[:3] if part is not None)


@lru_cache(maxsize=8192)
def instant(text: str, zone: str) -> str | None:
    """A FHIR instant: what is missing is the beginning of the day. None when not even the day is known."""
    parts = _parts(text)
    if parts is None or parts[2] is None:
        return None
    year, month, day_, hour, minute, second, fraction, offset = parts
    part = f".{fraction}" if fraction else ""
    return f"{year}-{month}-{day_}T{hour or '00'}:{minute or '00'}:{second or '00'}{part}{_offset(offset, zone)}"


@lru_cache(maxsize=8192)
def stamp(text: str, zone: str) -> str | None:
    """A moment in UTC that sorts as text: `20261123075200.000000`. None when it is none."""
    parts = _parts(text)
    if parts is None:
        return None
    year, month, day_, hour, minute, second = (
        int(part or least) for part, least in zip(parts[:6], (1, 1, 1, 0, 0, 0), strict=True)
    )
    micro = int((parts[6] or "0").ljust(6, "0")[:6])
    offset = _offset(parts[7], zone)
    away = timedelta() if offset == "Z" else timedelta(hours=int(offset[1:3]), minutes=int(offset[4:]))
    zone_ = timezone(-away if offset[0] == "-" else away)
    try:
        return sortable(datetime(year, month, day_, hour, minute, second, micro, zone_))
    except (ValueError, OverflowError):
        return None


def sortable(moment: datetime) -> str:
    """A moment as `Telling.at` writes it."""
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S.%f")


def time_of_day(text: str) -> str | None:
    """A FHIR time; None when it is none."""
    found = _TIME.match(text.strip())
    if found is None or int(found[1]) > 23 or int(found[2] or 0) > 59 or int(found[3] or 0) > 59:
        return None
    return f"{found[1]}:{found[2] or '00'}:{found[3] or '00'}" + (f".{found[4]}" if found[4] else "")


Parts = tuple[str, str | None, str | None, str | None, str | None, str | None, str | None, str | None]


def _parts(text: str) -> Parts | None:
    found = _DTM.match(text.strip())
    if found is None:
        return None
    year, month, day_, hour, minute, second, fraction, offset = found.groups()
    if year == "0000":
        return None
    if month == "00":
        month, day_, hour = None, None, None
    if day_ == "00":
        day_, hour = None, None
    try:
        date(int(year), int(month or 1), int(day_ or 1))
    except ValueError:
        return None
    if hour is not None and (int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 59):
        return None
    return year, month, day_, hour, minute, second, fraction, offset


def _offset(written: str | None, zone: str) -> str:
    if not written:
        return zone
    if written == "Z":
        return "Z"
    digits = written.replace(":", "")
    if int(digits[1:3]) > 14 or int(digits[3:]) > 59:
        return zone
    return f"{digits[:3]}:{digits[3:]}"
