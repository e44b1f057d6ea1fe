"""What people write into the cells of a table, as values: dates, numbers, pressures, identity numbers. Pure.

Each reader takes the cell's text and gives a value, or raises ValueError with a sentence in Chinese and English.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from jiankang.capabilities.exchange.tables.mapping import flat

Json = dict[str, Any]
UCUM = "http://unitsofmeasure.org"

_DAY = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*[日号]?")
_SOLID = re.compile(r"(\d{4})(\d{2})(\d{2})")
_SERIAL = re.compile(r"(\d{4,5})(\.\d+)?")
_CLOCK = re.compile(
    r"[T\s]*(上午|下午|晚上|凌晨)?\s*(\d{1,2})\s*[:时点]\s*(\d{1,2})\s*分?\s*(?::?\s*(\d{1,2})(?:\.\d+)?\s*秒?)?"
)
_SOLID_CLOCK = re.compile(r"\s*(\d{2})(\d{2})(\d{2})?")
_ZONE = re.compile(r"\s*(Z|[+-]\d{2}:?\d{2})$")
_NUMBER = re.compile(
    r"([<>]=?|[≤≥]|大于|小于)?\s*([+-]?(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d{1,10})?)\s*(.*)", re.DOTALL
)
_UNIT = re.compile(r"[A-Za-zμµ%℃°/\u4e00-\u9fff\[{][A-Za-zμµ%℃°/^0-9\[\]{}*.\u4e00-\u9fff]*")
_POWERS = re.compile(r"[x×*]\s*10\^?(\d{1,2})\s*/?\s*(.*)", re.IGNORECASE)
_PRESSURE = re.compile(r"(\d{2,3})\s*[/／|-]\s*(\d{2,3})\s*(.*)")
_CITIZEN = re.compile(r"[1-9]\d{16}[\dX]")
_EXPONENT = re.compile(r"\d(\.\d+)?E\+?1\d", re.IGNORECASE)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - Excel's clock has no zone
_COMPARATORS = {"<": "<", "<=": "<=", "≤": "<=", ">": ">", ">=": ">=", "≥": ">=", "大于": ">", "小于": "<"}
_YES = frozenset({"是", "有", "y", "yes", "true", "1", "√", "阳性", "对", "已"})
_NO = frozenset({"否", "无", "n", "no", "false", "0", "×", "x", "阴性", "不", "未", "没有"})
_UNITS = {
    "mmhg": "mm[Hg]", "毫米汞柱": "mm[Hg]", "kpa": "kPa", "℃": "Cel", "°c": "Cel", "c": "Cel", "度": "Cel", "摄氏度": "Cel",
    "次/分": "/min", "次/分钟": "/min", "bpm": "/min", "/min": "/min", "kg": "kg", "公斤": "kg", "千克": "kg", "g": "g",
    "克": "g", "cm": "cm", "厘米": "cm", "m": "m", "米": "m", "mmol/l": "mmol/L", "umol/l": "umol/L", "μmol/l": "umol/L",
    "g/l": "g/L", "mg/l": "mg/L", "mg/dl": "mg/dL", "u/l": "U/L", "iu/l": "[iU]/L", "iu/ml": "[iU]/mL", "%": "%",
    "10^9/l": "10*9/L", "10e9/l": "10*9/L", "10^12/l": "10*12/L", "10e12/l": "10*12/L", "fl": "fL", "pg": "pg",
    "ng/ml": "ng/mL", "kg/m2": "kg/m2", "kg/m^2": "kg/m2", "ml": "mL", "毫升": "mL", "ug/l": "ug/L", "周": "wk", "天": "d",
    "支/天": "/d", "两/天": "{liang}/d", "分钟/次": "min", "次/周": "/wk", "mm/h": "mm/h", "s": "s", "秒": "s",
}  # fmt: skip
"""Unit as it is written → UCUM, https://ucum.org/ucum."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a cell says: the whole, and its parts by name."""

    whole: Any
    parts: dict[str, Any] = field(default_factory=dict)


def short(cell: str) -> str:
    """A cell as sentences quote it."""
    return cell[:40].replace(" / ", "/")


def text(cell: str) -> Value:
    """The text itself."""
    if _CONTROL.search(cell):
        raise ValueError("含有不可见的控制字符 / it holds control characters that nobody sees")
    return Value(cell)


def day(cell: str) -> Value:
    """A day: 1988年3月5日, 1988/3/5, 19880305, or Excel's number of a day."""
    return Value(_day(flat(cell))[0].isoformat()[:10])


def moment(cell: str, zone: str) -> Value:
    """A day with or without a time, as a FHIR dateTime in the sender's zone; parts `day`, and `time` (both) if known."""
    said = _moment(flat(cell), zone)
    return Value(said, {"day": said[:10], "time": said if "T" in said else None})


def _moment(written: str, zone: str) -> str:
    found, rest = _day(written)
    if isinstance(found, datetime):
        return f"{found.isoformat(timespec='seconds')}{zone}"
    if not rest:
        return found.isoformat()
    own = _ZONE.search(rest)
    if own is not None:
        rest, zone = rest[: own.start()], _zone(own[1])
    hour, minute, second = _clock(rest)
    return f"{found.isoformat()}T{hour:02}:{minute:02}:{second:02}{zone}"


def _zone(written: str) -> str:
    return "+00:00" if written == "Z" else f"{written[:3]}:{written[-2:]}"


def _day(written: str) -> tuple[date, str]:
    for pattern in (_DAY, _SOLID):
        match = pattern.match(written)
        if match is not None:
            try:
                found = date(int(match[1]), int(match[2]), int(match[3]))
            except ValueError:
                raise ValueError(f"没有这一天：{short(written)} / there is no such day: {short(written)}") from None
            if found.year < 1850:
                raise ValueError(f"年份有误：{short(written)} / this year cannot be: {short(written)}")
            return found, written[match.end() :].strip()
    serial = _SERIAL.fullmatch(written)
    if serial is not None and 1000 <= int(serial[1]) <= 80_000:
        when = _EPOCH + timedelta(days=float(written))
        return (when.replace(microsecond=0) if serial[2] else when.date()), ""
    raise ValueError(
        f"不是日期：{short(written)}，例如 1988-03-05 / this is no date: {short(written)}, as in 1988-03-05"
    )


def _clock(written: str) -> tuple[int, int, int]:
    match = _CLOCK.fullmatch(written)
    if match is None:
        solid = _SOLID_CLOCK.fullmatch(written)
        if solid is None:
            raise ValueError(f"不是时间：{short(written)}，例如 08:30 / this is no time: {short(written)}, as in 08:30")
        hour, minute, second = int(solid[1]), int(solid[2]), int(solid[3] or 0)
    else:
        hour, minute, second = int(match[2]), int(match[3]), int(match[4] or 0)
        if match[1] in {"下午", "晚上"} and hour < 12:
            hour += 12
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"没有这个时间：{short(written)} / there is no such time: {short(written)}")
    return hour, minute, second


def truth(cell: str) -> Value:
    """是/否, 有/无, √, Y/N, 1/0."""
    written = flat(cell).casefold()
    if written in _YES:
        return Value(True)
    if written in _NO:
        return Value(False)
    raise ValueError(f"请写是或否 / write 是 or 否 (yes or no), not {short(cell)}")


def number(cell: str) -> Value:
    """A number."""
    match = _NUMBER.fullmatch(flat(cell))
    if match is None or match[1] or match[3]:
        raise ValueError(f"不是数字：{short(cell)} / this is no number: {short(cell)}")
    return Value(Decimal(match[2].replace(",", "")))


def whole(cell: str) -> Value:
    """A whole number."""
    found = number(cell).whole
    if found != found.to_integral_value():
        raise ValueError(f"不是整数：{short(cell)} / this is no whole number: {short(cell)}")
    return Value(int(found))


def quantity(cell: str, unit: str) -> Value:
    """A number with its unit, the cell's own or else the column's: 36.5℃, <0.1 mmol/L, 4.5×10^9/L."""
    found = _quantity(flat(cell), unit)
    if found is None:
        raise ValueError(f"不是数值：{short(cell)} / this is no quantity: {short(cell)}")
    return Value(found)


def result(cell: str, unit: str) -> Value:
    """The result of a test: a quantity where it begins with a number, else words (阴性, +++)."""
    found = _quantity(flat(cell), unit)
    return Value(cell if found is None else found)


def _quantity(written: str, unit: str) -> Json | None:
    match = _NUMBER.fullmatch(written)
    if match is None:
        return None
    own = match[3].strip()
    powers = _POWERS.fullmatch(own)
    if powers is not None:
        own = f"10^{powers[1]}/{powers[2]}"
    if own and ucum(own) is None and not _UNIT.fullmatch(own):
        return None
    said = own or unit.strip()
    found: Json = {"value": Decimal(match[2].replace(",", ""))}
    if match[1]:
        found["comparator"] = _COMPARATORS[match[1]]
    if said:
        found["unit"] = said
        code = ucum(said)
        if code is not None:
            found |= {"system": UCUM, "code": code}
    return found


def ucum(unit: str) -> str | None:
    """The UCUM code of a unit as people write it; None for one that is not known."""
    written = re.sub(r"\s+", "", flat(unit)).replace("µ", "μ")
    written = re.sub(r"^[x×*]10", "10", written)
    return _UNITS.get(written.casefold())


def pressure(cell: str) -> Value:
    """A blood pressure: 120/80mmHg; its parts are `systolic` and `diastolic`, Quantities."""
    match = _PRESSURE.fullmatch(flat(cell))
    if match is None or (match[3] and ucum(match[3]) != "mm[Hg]"):
        raise ValueError(
            f"不是血压：{short(cell)}，例如 120/80 / this is no blood pressure in mmHg: {short(cell)}, as in 120/80"
        )
    high, low = Decimal(match[1]), Decimal(match[2])
    if high <= low:
        raise ValueError(
            f"收缩压应高于舒张压：{short(cell)} / the first number must be above the second: {short(cell)}"
        )
    return Value(cell, {"systolic": _mercury(high), "diastolic": _mercury(low)})


def _mercury(value: Decimal) -> Json:
    return {"value": value, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}


def citizen(cell: str) -> Value:
    """A citizen's number with its check character (GB 11643); parts `born` and `sex`."""
    written = re.sub(r"\s+", "", flat(cell)).upper().lstrip("'`")
    if _EXPONENT.fullmatch(written) or (len(written) == 18 and written.endswith("000") and not _checked(written)):
        raise ValueError(
            "表格软件截断了身份证号，请把该列设为文本后重填 / the spreadsheet cut this number: make the column text, write it again"
        )
    if len(written) == 15 and written.isdigit():
        written = _lengthened(written)
    if not _checked(written):
        raise ValueError("身份证号有误(位数或校验位) / this is no citizen's number: wrong length or check character")
    born = _SOLID.fullmatch(written[6:14])
    try:
        found = date(int(written[6:10]), int(written[10:12]), int(written[12:14])) if born else None
    except ValueError:
        found = None
    if found is None:
        raise ValueError("身份证号中的出生日期有误 / the date of birth in this number cannot be")
    return Value(written, {"born": found.isoformat(), "sex": "male" if int(written[16]) % 2 else "female"})


def _lengthened(written: str) -> str:
    """A number of 1984 to 1999 in the form it has since."""
    long = f"{written[:6]}19{written[6:]}"
    return long + _check_character(long)


def _checked(written: str) -> bool:
    return _CITIZEN.fullmatch(written) is not None and _check_character(written) == written[17]


def _check_character(written: str) -> str:
    total = sum(int(digit) * weight for digit, weight in zip(written, _WEIGHTS, strict=False))
    return "10X98765432"[total % 11]


def digits(cell: str) -> Value:
    """A telephone number: digits, +, - and an extension."""
    written = re.sub(r"[\s()]+", "", flat(cell))
    if not re.fullmatch(r"\+?\d[\d-]{2,24}", written):
        raise ValueError(f"不是电话号码：{short(cell)} / this is no telephone number: {short(cell)}")
    return Value(written)


KINDS = frozenset(
    {"text", "date", "datetime", "yes-no", "number", "integer", "quantity", "result", "pressure", "citizen", "phone", "code", "concept"}
)  # fmt: skip
PARTS = {
    "datetime": frozenset({"day", "time"}),
    "pressure": frozenset({"systolic", "diastolic"}),
    "citizen": frozenset({"born", "sex"}),
}
