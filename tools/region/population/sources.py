"""Who registers people: kinds of sources, how often each sees whom, and how careful each is."""

from __future__ import annotations

from dataclasses import dataclass

from region.population.lists import pool


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of source: shares of its registrations without a document, a telephone, an address; `care` times faults."""

    code: str
    name: str
    no_document: float
    no_phone: float
    no_address: float
    care: float
    full_address: float
    latin: float
    """Of Chinese names, those with pinyin beside them."""
    card: float
    """Of people with an electronic health card, those whose card is read."""
    of_county: int
    """How many of this kind a county has."""


HOSPITAL = Kind("hospital", "医院", 0.05, 0.06, 0.15, 0.8, 0.8, 0.15, 0.5, 4)
CENTRE = Kind("centre", "乡镇卫生院", 0.12, 0.12, 0.10, 1.0, 0.6, 0.0, 0.35, 12)
CLINIC = Kind("clinic", "村卫生室", 0.30, 0.25, 0.25, 1.6, 0.3, 0.0, 0.15, 40)
ARCHIVE = Kind("archive", "居民健康档案", 0.03, 0.15, 0.02, 0.9, 0.9, 0.0, 0.25, 1)
VACCINATION = Kind("vaccination", "预防接种", 0.20, 0.02, 0.05, 0.9, 0.7, 0.0, 0.1, 12)
PRIVATE = Kind("private", "民营诊所", 0.25, 0.10, 0.40, 1.3, 0.3, 0.05, 0.1, 10)
EMERGENCY = Kind("emergency", "120 急救", 0.60, 0.30, 0.50, 2.0, 0.3, 0.0, 0.0, 1)
TRAVEL = Kind("travel", "旅游门诊", 0.10, 0.15, 0.40, 1.1, 0.4, 0.6, 0.0, 3)
KINDS = {
    one.code: one for one in (HOSPITAL, CENTRE, CLINIC, ARCHIVE, VACCINATION, PRIVATE, EMERGENCY, TRAVEL)
}  # fmt: skip

ADULTS = pool(
    [(HOSPITAL, 34), (CENTRE, 22), (CLINIC, 22), (ARCHIVE, 14), (PRIVATE, 6), (VACCINATION, 1), (EMERGENCY, 1)], 1024
)
CHILDREN = pool([(VACCINATION, 34), (HOSPITAL, 30), (CENTRE, 18), (CLINIC, 12), (PRIVATE, 5), (EMERGENCY, 1)], 1024)
GUESTS = pool([(HOSPITAL, 45), (TRAVEL, 30), (PRIVATE, 10), (CLINIC, 8), (EMERGENCY, 5), (CENTRE, 2)], 1024)


def mean_care() -> float:
    """The mean of `care` over registrations of adults; faults are set in proportion to it."""
    return sum(one.care for one in ADULTS) / len(ADULTS)
