"""Travel documents, permits, certificates and cards: what kind each is, and its number in one spelling.

| kind | document | written |
| --- | --- | --- |
| RIC, HMT, FPR | 居民身份证, 港澳台居民居住证, 外国人永久居留身份证 (2023) | 18 characters: see `numbers` |
| PRC | 外国人永久居留身份证 (2017) | 3 letters of the country, 12 digits |
| HKM | 港澳居民来往内地通行证 (and that of non-Chinese residents of 2024) | H or M, 8 digits, formerly 2 more for the issue |
| TWP | 台湾居民来往大陆通行证 | 8 digits, formerly 2 more for the issue |
| PPN | 护照 | country and number; the second line of a machine-readable zone (ICAO Doc 9303 part 4) is read, too |
| BCT | 出生医学证明 | a letter and 9 digits |
| EHC | 电子健康卡 | up to 64 characters; of a QR text what stands before the colon |
| DOC | anything else that has a number | as written |
"""

from __future__ import annotations

import re
from functools import cache

import msgspec

from jiankang.foundation.identity.normalise.numbers import compact, day
from jiankang.foundation.identity.normalise.text import table

KINDS = ("RIC", "HMT", "FPR", "PRC", "HKM", "TWP", "PPN", "BCT", "EHC", "DOC")
CITIZEN_KINDS = frozenset({"RIC", "HMT", "FPR"})

_PRC = re.compile(r"^[A-Z]{3}[0-9]{12}$")
_HKM = re.compile(r"^[HM]([0-9]{8}|[0-9]{10})$")
_TWP = re.compile(r"^([0-9]{8}|[0-9]{10}|[A-Z][0-9]{10}|[0-9]{10}[A-Z])$")
_PPN = re.compile(r"^[A-Z0-9]{5,15}$")
_CHINESE_PASSPORT = re.compile(r"^(E[0-9]{8}|E[A-Z][0-9]{7}|G[0-9]{8}|[DSP][0-9]{7,8}|[DSP]E[0-9]{7}|1[45][0-9]{7})$")
_BCT = re.compile(r"^[A-Z][0-9]{9}$")
_ZONE = re.compile(r"^([A-Z0-9<]{9})([0-9<])([A-Z<]{3})([0-9]{6})([0-9])([MFX<])([0-9]{6})([0-9])[A-Z0-9<]*$")
_SAME = re.compile(r"^([A-Z]?)([0-9])\2{4,}$")
_NOTHING = frozenset({"", "0", "NONE", "NULL", "NA", "UNKNOWN", "无", "不详", "未知", "暂无"})
_ZONE_WEIGHTS = (7, 3, 1)


class Document(msgspec.Struct, frozen=True, gc=False):
    """A document's kind, country (passports) and number; `value` is empty when there is nothing to compare."""

    kind: str
    value: str
    country: str = ""
    born: str = ""
    sex: str = ""
    findings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As a record compares it."""
        return f"{self.kind}:{self.country}:{self.value}" if self.kind == "PPN" else f"{self.kind}:{self.value}"

    @property
    def group(self) -> str:
        """Documents of one group exclude each other: a person has one valid number in each."""
        return f"PPN:{self.country}" if self.kind == "PPN" else self.kind


@cache
def countries() -> dict[str, str]:
    """Every code of a country in use (ISO 3166-1 alpha-2, alpha-3, numeric; D for Germany) as alpha-3."""
    codes = {"D": "DEU", "RKS": "XKX", "ROC": "TWN"}
    for alpha3, alpha2, numeric, *_ in table("countries.tsv"):
        codes[alpha3] = codes[alpha2] = codes[numeric] = alpha3
    return codes


def zone_check(text: str) -> str:
    """The check digit of a part of a machine-readable zone: weights 7, 3, 1, modulo 10 (ICAO Doc 9303 part 3, 4.9)."""
    total = sum(_ZONE_WEIGHTS[place % 3] * _zone_value(one) for place, one in enumerate(text))
    return str(total % 10)


def _zone_value(one: str) -> int:
    if one.isdigit():
        return int(one)
    return 0 if one == "<" else ord(one) - 55


def guess_kind(value: str) -> str:
    """What a compact number without a kind can be: only shapes that nothing else has."""
    if _PRC.match(value):
        return "PRC"
    if _HKM.match(value):
        return "HKM"
    return "PPN" if _CHINESE_PASSPORT.match(value) else "DOC"


def read_document(value: str, kind: str = "", country: str = "") -> Document:
    """A document that is not a citizen's number; never raises, says in `findings` why one is not compared."""
    if kind == "EHC":
        return _card(value)
    if kind in {"", "PPN"} and "<" in value and (found := _zone(compact(value))):
        return found
    plain = compact(value)
    kind = (kind if kind in KINDS else "DOC") if kind else guess_kind(plain)
    if plain in _NOTHING or _SAME.match(plain):
        return Document(kind, "", findings=("document.placeholder",))
    if not plain.isascii() or not plain.isalnum() or len(plain) > 64:
        return Document(kind, "", findings=("document.shape",))
    reader = _READERS.get(kind)
    return reader(plain, country) if reader else Document(kind, plain, findings=("document.kind-unknown",))


def _card(value: str) -> Document:
    number = value.partition(":")[0].strip()
    if not number.isascii() or not 6 <= len(number) <= 64:
        return Document("EHC", "", findings=("document.shape",))
    return Document("EHC", number.upper())


def _passport(plain: str, country: str) -> Document:
    if not _PPN.match(plain):
        return Document("PPN", "", findings=("document.shape",))
    holder = countries().get(country.upper(), "")
    if not holder and _CHINESE_PASSPORT.match(plain):
        holder = "CHN"
    return Document("PPN", plain, holder, findings=() if holder else ("document.country-unknown",))


def _zone(plain: str) -> Document | None:
    found = _ZONE.match(plain)
    if found is None:
        return None
    number, check, nation, born, born_check, sex = found.group(1, 2, 3, 4, 5, 6)
    value, country = number.replace("<", ""), countries().get(nation.replace("<", ""), "")
    if zone_check(number) != check or zone_check(born) != born_check:
        return Document("PPN", value, country, findings=("document.check",))
    return Document("PPN", value, country, born, sex if sex in "MF" else "")


def _resident_of_2017(plain: str, _: str) -> Document:
    if not _PRC.match(plain):
        return Document("PRC", "", findings=("document.shape",))
    born = plain[7:13]
    readable = day(f"19{born}") or day(f"20{born}")
    return Document("PRC", plain, plain[:3], born if readable else "", findings=() if readable else ("document.date",))


def _home_return(plain: str, _: str) -> Document:
    if not _HKM.match(plain):
        return Document("HKM", "", findings=("document.shape",))
    return Document("HKM", plain[:9])


def _taiwan(plain: str, _: str) -> Document:
    if not _TWP.match(plain):
        return Document("TWP", "", findings=("document.shape",))
    return Document("TWP", plain.strip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")[:8])


def _birth_certificate(plain: str, _: str) -> Document:
    return Document("BCT", plain) if _BCT.match(plain) else Document("BCT", "", findings=("document.shape",))


_READERS = {
    "PPN": _passport, "PRC": _resident_of_2017, "HKM": _home_return, "TWP": _taiwan, "BCT": _birth_certificate,
}  # fmt: skip
