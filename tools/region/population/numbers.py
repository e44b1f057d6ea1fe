"""Numbers on documents and telephones: valid by their rules, and of ranges from which nobody ever got one.

| number | why nobody real has it |
| --- | --- |
| citizen's number | its division code has 5, 6 or 7 (Hainan: also 8, 9) as fifth digit: 469050 … 469097 and 460050 … 460097 for
  Hainan, pp0160 … pp0169 elsewhere; the code lists in use have none of them |
| residence permits (81…, 82…, 83…), permanent residence (9…) | order numbers from 900: fewer than 900 people born on a day hold one |
| home-return and Taiwan permits | the serial number begins with 9; both began at 0 and stand far below |
| passport | begins with ZZ |
| birth certificate | letter Z, not in use |
| mobile number | 154, 160, 161, 163, 168, 169: prefixes that no operator has; abroad: a 0 follows the country code |
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

SLOTS = 249
"""Chunks that one set of division codes serves: each has two order numbers of every sex, day and code."""

BLOCKS = 2
_PER_CHUNK = 20_000
_MOBILES = ("154", "160", "161", "163", "168", "169")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
Chance = Callable[[], float]


@cache
def _weighed(digits: str, first: int) -> int:
    """The part of the sum that digits from place `first` on have."""
    return sum(weight * int(digit) for weight, digit in zip(_WEIGHTS[first:], digits, strict=False))


def with_check(seventeen: str) -> str:
    """17 digits and their check character (ISO 7064 MOD 11-2); its parts come again and again, so they are kept."""
    total = _weighed(seventeen[:6], 0) + _weighed(seventeen[6:14], 6) + _weighed(seventeen[14:], 14)
    return seventeen + _CHECKS[total % 11]


def hainan_prefix(county: int, block: int, *, old: bool) -> str:
    """The made-up division code that stands for county 0 … 23 of Hainan, now (4690) or before 2001 (4600)."""
    return f"{'4600' if old else '4690'}{50 + county + 24 * block}"


def mainland_prefix(province: str, place: int, block: int) -> str:
    """The made-up division code of place 0 … 4 of a province, `province` as its first four digits."""
    return f"{province}6{place + 5 * block}"


def mobile(chance: Chance) -> str:
    """A mobile number of nobody."""
    return _MOBILES[int(chance() * 6)] + str(100_000_000 + int(chance() * 100_000_000))[1:]


def landline(chance: Chance) -> str:
    """A number of Hainan's area 0898 that begins with 9, which no subscriber's does."""
    return f"0898-9{int(chance() * 9_000_000) + 1_000_000}"


def foreign_phone(calling: str, chance: Chance) -> str:
    """A number abroad that no exchange connects."""
    return f"+{calling} 0{int(chance() * 800_000_000) + 100_000_000}"


def serial(chunk: int, count: int) -> int:
    """The `count`-th number of 7 digits of a chunk: no two alike, and not in a row."""
    if count >= _PER_CHUNK:
        raise OverflowError(f"more than {_PER_CHUNK} numbers of one kind in a chunk")
    return (chunk * _PER_CHUNK + count) * 7_368_787 % 10_000_000


def passport(number: int) -> str:
    """A passport's number that no state hands out."""
    return f"ZZ{number:07d}"


def home_return(place: str, number: int) -> str:
    """港澳居民来往内地通行证: H or M and 8 digits."""
    return f"{place}9{number:07d}"


def taiwan_permit(number: int) -> str:
    """台湾居民来往大陆通行证: 8 digits."""
    return f"9{number:07d}"


def residence_permit(place: str, born: str, male: bool, order: int) -> str:
    """港澳台居民居住证: 810000, 820000 or 830000, birth date YYYYMMDD, order 0 … 49, check character."""
    return with_check(f"{place}{born}{900 + order * 2 + male:03d}")


def permanent_residence_2023(numeric: str, born: str, male: bool, order: int) -> str:
    """外国人永久居留身份证 since December 2023: 9, province, country's number, birth date, order, check character."""
    return with_check(f"946{numeric}{born}{900 + order * 2 + male:03d}")


def permanent_residence_2017(country: str, born: str, order: int) -> str:
    """外国人永久居留身份证 of 2017: country's letters, province 46, place 5x, birth date YYMMDD, order 50 … 99."""
    return f"{country}465{order % 10}{born[2:]}{50 + order % 50}"


def birth_certificate(number: int) -> str:
    """出生医学证明编号: those of twins follow one another."""
    return f"Z{number + 100_000_000}"


def health_card(number: int, issue: int) -> str:
    """电子健康卡: 46 and ten digits, others for each issue."""
    return f"46{(number * 2 + issue) * 7_368_787 % 10_000_000_000:010d}"
