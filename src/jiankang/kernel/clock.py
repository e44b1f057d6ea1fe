"""The one place that knows what time it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, aware, in UTC, to the millisecond (FHIR's `instant` as we print it)."""
    now = datetime.now(UTC)  # noqa: TID251 - the one place
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def instant(moment: datetime) -> str:
    """`moment` as a FHIR instant in UTC with milliseconds: 2026-11-23T04:05:06.789Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = -62_135_596_800_000_000
_LATEST = 253_402_300_799_999_999


def moment(microseconds: int) -> datetime:
    """The moment that many microseconds after 1970-01-01T00:00Z; the nearest there is outside the years 1 to 9999."""
    return _EPOCH + timedelta(microseconds=min(max(microseconds, _EARLIEST), _LATEST))
