"""Numbers on identity documents, valid by their rules and held by nobody."""

from __future__ import annotations

from datetime import date
from random import Random

NOWHERE = range(469050, 469100)
"""Division codes within Hainan that were never given to a place."""

_ORDERS = 499
APART = len(NOWHERE) * _ORDERS
"""How many people of one sex may share a birthday before a number comes again."""

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"


def check_character(seventeen: str) -> str:
    """The last character of a citizen's number: ISO 7064 MOD 11-2, as GB 11643-1999 lays down."""
    return _CHECKS[sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, seventeen, strict=True)) % 11]


def citizen_number(born_on: date, sex: str, order: int) -> str:
    """An 18-character citizen's number: division, birth date, an order number that is odd for men, check character."""
    block, within = divmod(order, _ORDERS)
    three = within * 2 + (1 if sex == "male" else 2)
    seventeen = f"{NOWHERE[block % len(NOWHERE)]}{born_on:%Y%m%d}{three:03d}"
    return seventeen + check_character(seventeen)


def passport_number(rng: Random) -> str:
    """A passport's number that no state hands out."""
    return f"ZZ{rng.randrange(10_000_000):07d}"


def telephone_number(rng: Random) -> str:
    """A mobile number of a range that is not in use."""
    return f"1990000{rng.randrange(10_000):04d}"
