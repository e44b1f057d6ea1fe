"""Citizens' numbers: GB 11643-1999 (公民身份号码), and what else has 18 digits and the same check character.

An old or unknown division prefix is never a reason to reject a number: places were renamed and renumbered (澄迈 was
460023 and 469027 before it became 469023), and people keep the number they were given.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from functools import cache, lru_cache
from operator import mul

import msgspec

from jiankang.foundation.identity.normalise.text import table

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ZEROS = sum(_WEIGHTS) * ord("0")
_CHECKS = "10X98765432"
_MARKS = re.compile(r"[\s\-‐-―−_·./:]+")
_SHAPE = re.compile(r"^[0-9]{17}[0-9X]$")
_OLD = re.compile(r"^[0-9]{15}$")
_SAME = re.compile(r"^([0-9])\1+[0-9X]?$")
_PROVINCES = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83 91".split()  # noqa: SIM905 - a list of words reads best as words
)
_PERMIT_REGIONS = {"810000": "HKG", "820000": "MAC", "830000": "TWN"}
_RUNS = ("123456789012345678", "012345678901234567", "123456789012345")
EARLIEST = 1850


class Number(msgspec.Struct, frozen=True, gc=False):
    """An 18-character number: `valid` if shape, date and check character are right.

    `kind` is RIC (resident identity card), HMT (residence permit of people of Hong Kong, Macao and Taiwan) or FPR
    (foreigner's permanent residence, since 2023-12-01); `country` is that of the holder, ISO 3166-1 alpha-3.
    """

    value: str
    valid: bool
    kind: str = "RIC"
    country: str = "CHN"
    born: str = ""
    sex: str = ""
    findings: tuple[str, ...] = ()


def check_character(body: str) -> str:
    """The last character of a number that begins with these 17 digits: ISO 7064 MOD 11-2."""
    return _CHECKS[(sum(map(mul, _WEIGHTS, body.encode())) - _ZEROS) % 11]


@cache
def _numeric_countries() -> dict[str, str]:
    return {numeric: alpha3 for alpha3, _, numeric, *_ in table("countries.tsv")}


@cache
def _divisions() -> frozenset[str]:
    return frozenset(code for code, _ in table("divisions.tsv"))


def compact(text: str) -> str:
    """A document's number without blanks and dashes, in capitals; × and ✕ read as X."""
    if not text.isascii():
        text = (
            "".join(one for one in unicodedata.normalize("NFKC", text) if one.isprintable())
            .replace("×", "X")
            .replace("✕", "X")
        )
    return _MARKS.sub("", text).upper()


def looks_like_one(value: str) -> bool:
    """Whether a compact number has the shape of a citizen's number, of today or of before 1999."""
    return _SHAPE.match(value) is not None or _OLD.match(value) is not None


@lru_cache(maxsize=4096)
def day(text: str) -> str:
    """`text` (YYYYMMDD) if there is such a day, else nothing."""
    try:
        return text if date(int(text[:4]), int(text[4:6]), int(text[6:8])).year >= EARLIEST else ""
    except ValueError:
        return ""


def read_number(value: str, today: str) -> Number:
    """What a compact citizen's number says; `today` is YYYYMMDD. Never raises: `findings` say why one is not valid."""
    findings: tuple[str, ...] = ()
    if _OLD.match(value):
        if _is_placeholder(value):
            return Number("", valid=False, findings=("citizen.placeholder",))
        body = f"{value[:6]}19{value[6:]}"
        value, findings = body + check_character(body), ("citizen.fifteen",)
    if _is_placeholder(value):
        return Number("", valid=False, findings=("citizen.placeholder",))
    if not _SHAPE.match(value):
        return Number(
            value if value.isascii() and value.isalnum() and len(value) <= 24 else "",
            valid=False,
            findings=("citizen.shape",),
        )
    kind, start, country = _kind(value)
    born = day(value[start : start + 8])
    if not born:
        return Number(value, valid=False, kind=kind, country=country, findings=(*findings, "citizen.date"))
    if born > today:
        return Number(value, valid=False, kind=kind, country=country, findings=(*findings, "citizen.future"))
    if check_character(value[:17]) != value[17]:
        return Number(value, valid=False, kind=kind, country=country, findings=(*findings, "citizen.check"))
    sex = "" if kind == "FPR" else "MF"[int(value[16]) % 2 == 0]
    return Number(
        value, valid=True, kind=kind, country=country, born=born, sex=sex, findings=(*findings, *_places(value, kind))
    )


def _is_placeholder(value: str) -> bool:
    return _SAME.match(value) is not None or value.startswith(_RUNS) or value[6:17] in {"00000000000", "11111111111"}


def _kind(value: str) -> tuple[str, int, str]:
    if value[0] == "9":
        return "FPR", 6, _numeric_countries().get(value[3:6], "")
    region = _PERMIT_REGIONS.get(value[:6])
    return ("HMT", 6, region) if region else ("RIC", 6, "CHN")


def _places(value: str, kind: str) -> tuple[str, ...]:
    """What is odd about where the number was given: told, never held against it."""
    if kind == "HMT":
        return ()
    province = value[1:3] if kind == "FPR" else value[:2]
    if province not in _PROVINCES:
        return ("citizen.province",)
    if kind == "RIC" and province == "46" and value[:6] not in _divisions():
        return ("citizen.division",)
    return ()
