"""DICOM's dates and times as FHIR's: https://dicom.nema.org/medical/dicom/current/output/chtml/part05/sect_6.2.html."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

_DATE = re.compile(r"(\d{4})\.?(\d\d)\.?(\d\d)")
_TIME = re.compile(r"([01]\d|2[0-3])(?::?([0-5]\d))?(?::?([0-5]\d|60))?(?:\.(\d{1,6}))?")
_OFFSET = re.compile(r"([+-])(0\d|1[0-4])([0-5]\d)")
UNKNOWN = "00000000000000.000000"
"""When nobody can say when it was known: everything else is newer."""


def day(text: str) -> str:
    """DA as a FHIR date; empty where there is no such day."""
    found = _DATE.fullmatch(text)
    if found is None:
        return ""
    try:
        return date(*(int(part) for part in found.groups())).isoformat()
    except ValueError:
        return ""


def offset(text: str, otherwise: str) -> str:
    """`+0800` as `+08:00`."""
    found = _OFFSET.fullmatch(text)
    return f"{found[1]}{found[2]}:{found[3]}" if found else otherwise


def moment(date_text: str, time_text: str, zone: str) -> str:
    """DA and TM as a FHIR dateTime: as exact as the time is given; empty without a day."""
    on, at = day(date_text), _TIME.fullmatch(time_text)
    if not on or at is None or at[2] is None:
        return on
    seconds = min(int(at[3] or 0), 59)
    return f"{on}T{at[1]}:{at[2]}:{seconds:02d}{'.' + at[4] if at[4] else ''}{zone}"


def sortable(moment_: str, zone: str) -> str:
    """A FHIR dateTime in the form of `Telling.at`; a day counts from its beginning."""
    if not moment_:
        return UNKNOWN
    try:
        read = datetime.fromisoformat(moment_ if "T" in moment_ else f"{moment_}T00:00:00{zone}")
        return f"{read.astimezone(UTC):%Y%m%d%H%M%S.%f}"
    except (ValueError, OverflowError):
        return UNKNOWN
