"""Where somebody lives, as four columns: county code, town, the innermost place that has a name, digits of the house.

Towns and places are written in pinyin or, abroad, in Latin letters.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import msgspec

from jiankang.foundation.identity.normalise import latin
from jiankang.foundation.identity.normalise.pinyin import syllables
from jiankang.foundation.identity.normalise.text import clean, has_han, only_han, simplified, table

if TYPE_CHECKING:
    from jiankang.foundation.identity.model import WrittenAddress

MAX_ADDRESS = 300
_CODE = re.compile(r"^[0-9]{6}(?:[0-9]{3}(?:[0-9]{3})?)?$")
_AREAS = re.compile(
    r"[^省市县区镇乡]{1,10}?(?:自治县|自治州|自治区|街道办事处|街道办|街道|省|市|县|(?<![社小])区|镇|乡)"
)
_ENDINGS = re.compile(
    r"(?:社区居民委员会|村民委员会|居民委员会|社区居委会|村委会|居委会|自然村|社区|小区|花园|村|队|组|庄|屯|里)+$"
)
_NUMBERS = re.compile(r"[0-9]+")
_STEP = re.compile(r"[0-9]+(?:号楼|号|栋|幢|单元|室|层|楼|座|组|队|弄|巷|-|之)?")
_TOWN = re.compile(r"(?:街道办事处|街道办|街道|镇|乡)$")


class Address(msgspec.Struct, frozen=True, gc=False):
    """The comparable columns of an address (see `model.Record`)."""

    county: str = ""
    town: str = ""
    place: str = ""
    house: str = ""
    findings: tuple[str, ...] = ()


@cache
def _counties() -> dict[str, str]:
    """Hainan's counties and cities by name."""
    return {name: code for code, name in table("divisions.tsv")}


@lru_cache(maxsize=65_536)
def read_address(one: WrittenAddress) -> Address:
    """The columns of an address; "" where it does not say."""
    if len(one.text) > MAX_ADDRESS or len(one.district) > MAX_ADDRESS:
        return Address(findings=("address.too-long",))
    plain, findings = clean(one.text)
    county, town, rest = _areas(simplified(plain), simplified(clean(one.district)[0]))
    code = one.code.strip()
    if _CODE.match(code):
        county = code[:6]
    elif code:
        findings = (*findings, "address.code")
    house = "-".join(number.lstrip("0") or "0" for number in _NUMBERS.findall(rest)[-4:])
    return Address(county, town, _place(_STEP.sub(" ", rest)), house, findings)


def _areas(text: str, district: str) -> tuple[str, str, str]:
    """The county or district named, the town, and what follows all areas."""
    known = _counties()
    county = known.get(district, "")
    town = "" if county else _town(district)
    end = 0
    while found := _AREAS.match(text, end):
        county = known.get(found[0], county)
        town = _town(found[0]) or town
        end = found.end()
    return county, town, text[end:]


@lru_cache(maxsize=16_384)
def _town(name: str) -> str:
    """A town's name without what it is; abroad, any name."""
    if not has_han(name):
        return "".join(latin.words(name)[0])[:40]
    return "".join(syllables(_TOWN.sub("", name)[:20])) if _TOWN.search(name) else ""


def _place(rest: str) -> str:
    han = only_han(rest)
    if not han:
        return "".join(latin.words(rest)[0])[:40]
    return "".join(syllables((_ENDINGS.sub("", han) or han)[:20]))
