"""Telephone numbers as E.164 digits: Chinese mobiles and landlines by their own rules, others by their country code.

A full numbering plan of the world (libphonenumber) weighs 23 MB and 13 µs a number; to know two spellings of one number
the country code is enough.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from jiankang.foundation.identity.normalise.text import clean, table

_MOBILE = re.compile(r"^(?:(?:00)?86)?0?(1[3-9][0-9]{9})$")
_LANDLINE = re.compile(r"^(?:(?:00)?86)?0?((?:10|2[0-9]|[3-9][0-9]{2})[0-9]{7,8})$")
_LOCAL = re.compile(r"^[2-8][0-9]{6,7}$")
_SEVERAL = re.compile(r"[,;/、,;|\n]| {2,}|或")
_EXTENSION = re.compile(r"(?:转|ext\.?|分机|x|#).*$", re.IGNORECASE)
_DASHED_EXTENSION = re.compile(r"^(\D*[0-9]{3,4}\D+[0-9]{7,8})\D+[0-9]{1,6}$")
_SAME = re.compile(r"([0-9])\1{6,}")
_RUNS = ("12345678", "87654321", "00000000")
_KNOWN = frozenset({"8613800138000", "8613800000000", "8613900000000", "8613888888888", "8613000000000"})
"""Numbers that programs and tired hands fill in."""


@cache
def _country_codes() -> frozenset[str]:
    return frozenset(code for _, _, _, *rest in table("countries.tsv") for code in rest if code)


@lru_cache(maxsize=65_536)
def read_phones(text: str, area: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The numbers in `text`, and findings; `area` is the area code without zero (898) of numbers written without one."""
    if text.isdigit() and len(text) == 11 and (found := _MOBILE.match(text)):
        return _judged([f"86{found[1]}"])
    plain, findings = clean(text)
    if len(plain) > 100:
        return (), ("phone.shape",)
    read = [_read(part, area) for part in _SEVERAL.split(plain) if part.strip()]
    numbers, judged = _judged([one for one in read if one])
    return numbers, (*findings, *judged, *(() if all(read) else ("phone.shape",)))


def _judged(read: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    numbers = tuple(dict.fromkeys(one for one in read if not _is_placeholder(one)))
    return numbers, () if len(numbers) == len(set(read)) else ("phone.placeholder",)


def _read(part: str, area: str) -> str:
    part = _EXTENSION.sub("", part)
    if dashed := _DASHED_EXTENSION.match(part):
        part = dashed[1]
    digits = "".join(one for one in part if "0" <= one <= "9")
    if "+" in part and not digits.startswith("86"):
        return _foreign(digits)
    if found := _MOBILE.match(digits) or _LANDLINE.match(digits):
        return f"86{found[1]}"
    if digits.startswith("00"):
        return _foreign(digits[2:])
    if _LOCAL.match(digits):
        return f"86{area}{digits}"
    return _foreign(digits)


def _foreign(digits: str) -> str:
    known = _country_codes()
    if not 8 <= len(digits) <= 15:
        return ""
    return digits if any(digits[:length] in known for length in (1, 2, 3)) else ""


def _is_placeholder(number: str) -> bool:
    tail = number[2:]
    return number in _KNOWN or _SAME.search(tail) is not None or any(run in tail for run in _RUNS)
