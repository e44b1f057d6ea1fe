"""Birth dates and sexes as written."""

from __future__ import annotations

import re
from functools import lru_cache

from jiankang.foundation.identity.normalise.numbers import day
from jiankang.foundation.identity.normalise.text import clean

OLDEST_YEARS = 125
_PARTS = re.compile(r"^([0-9]{4})(?:[-/.年]([0-9]{1,2})(?:[-/.月]([0-9]{1,2})日?)?)?月?年?(?:[T ].*)?$")
_DIGITS = re.compile(r"^([0-9]{4})([0-9]{2})?([0-9]{2})?$")
_PLACEHOLDERS = frozenset({"19000101", "19010101", "18991230", "18991231", "1900", "19000102"})
"""Days that programs write when nobody knew: the first days that they can count from."""

_SEXES = {
    "male": "M", "m": "M", "1": "M", "男": "M", "男性": "M", "b": "M", "boy": "M",
    "female": "F", "f": "F", "2": "F", "女": "F", "女性": "F", "girl": "F",
}  # fmt: skip


@lru_cache(maxsize=65_536)
def read_birth(text: str, today: str) -> tuple[str, tuple[str, ...]]:
    """A birth date as YYYYMMDD, YYYYMM or YYYY, as far as it is known; `today` is YYYYMMDD."""
    plain = clean(text)[0]
    if not plain:
        return "", ()
    found = _DIGITS.match(plain) or _PARTS.match(plain)
    if found is None:
        return "", ("birth.shape",)
    year, month, dom = found.groups()
    exchanged: tuple[str, ...] = ()
    if dom and int(month) > 12 and 1 <= int(dom) <= 12:
        month, dom, exchanged = dom, month, ("birth.exchanged",)
    born = year + (month or "").zfill(2) * bool(month) + (dom or "").zfill(2) * bool(dom)
    if not day(f"{born}0101"[:8] if len(born) == 4 else f"{born}01"[:8]):
        return "", ("birth.impossible",)
    if born > today[: len(born)]:
        return "", ("birth.future",)
    if born in _PLACEHOLDERS:
        return "", ("birth.placeholder",)
    if int(year) < int(today[:4]) - OLDEST_YEARS:
        return "", ("birth.too-old",)
    return born, ("birth.first-of-january",) if born.endswith("0101") and len(born) == 8 else exchanged


def read_sex(text: str) -> str:
    """M, F or nothing: FHIR's codes, those of GB/T 2261.1 and words."""
    return _SEXES.get(text, "") or _SEXES.get(text.strip().lower(), "")
