"""What is compared and how closely two records can agree in it: the fields and their levels, as data.

Levels of a field are tried in this order; the first that holds is the field's level. `frequency` names the column whose
frequency in the population takes the place of the level's u: agreeing in a rare name says more.
"""

from __future__ import annotations

from dataclasses import dataclass

from jiankang.foundation.identity.conditions import (
    Absent,
    Alike,
    All,
    Any,
    Begins,
    Condition,
    Edits,
    Ends,
    Exchanged,
    Not,
    Otherwise,
    Same,
    Shared,
    Start,
    Within,
)  # fmt: skip

MISSING = "missing"
"""The level of a field that says nothing: its weight is 0."""


@dataclass(frozen=True, slots=True)
class Level:
    """One way to agree or differ, with words for a steward."""

    name: str
    condition: Condition
    zh: str
    en: str
    frequency: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """Something compared on its own."""

    name: str
    zh: str
    en: str
    levels: tuple[Level, ...]

    def level(self, name: str) -> int:
        """The number of a level."""
        return next(number for number, level in enumerate(self.levels) if level.name == name)


def _missing(*columns: str) -> Level:
    return Level(MISSING, Absent(columns), "一方没有", "not known for one of both")


def _differs(zh: str = "不同", en: str = "different") -> Level:
    return Level("differs", Otherwise(), zh, en)


FIELDS: tuple[Field, ...] = (
    Field("citizen", "身份证号", "citizen's number", (
        _missing("citizen_written"),
        Level("same", Same("citizen"), "相同且有效", "the same and valid"),
        Level("same-invalid", Same("citizen_written"), "相同但校验不通过", "the same, but it fails its check"),
        Level("near", All((Absent(("citizen",)), Edits("citizen_written", 2, 15))), "相差一两位且一方无效",
              "one or two characters apart, and one of them is not valid"),
        Level("both-valid", Not(Absent(("citizen",))), "两个不同的有效号码", "two different valid numbers"),
        _differs("不同,且一方无效", "different, and one of them is not valid"),
    )),
    Field("documents", "其他证件", "other documents", (
        Level("same", Shared("documents"), "有相同证件", "a document in common"),
        Level(MISSING, Not(Shared("kinds")), "没有同类证件", "no documents of one kind"),
        Level("near", Edits("travel", 1, 7), "号码相差一位", "numbers one character apart"),
        _differs("同类证件号码不同", "documents of one kind with different numbers"),
    )),
    Field("name", "姓名", "name", (
        Level("same", Same("hanzi"), "汉字相同", "the same characters", "hanzi"),
        _missing("sound"),
        Level("same-sound", Same("sound"), "读音相同", "the same sound", "sound"),
        Level("other-name", Shared("names"), "与曾用名或其他读法相同", "the same as a former name or another reading"),
        Level("part", Within("words"), "一方的姓名包含在另一方中", "one name is part of the other"),
        Level("near", Any((Edits("name", 1, 6), Edits("name", 2, 13), Alike("name", 0.95, 6))), "相近", "nearly the same"),
        Level("alike", All((Absent(("hanzi",)), Alike("name", 0.88, 8))), "拼写相似", "spelled alike"),
        Level("same-given", All((Same("given"), Edits("given", 0, 4))), "名相同而姓不同", "the same given name, another surname"),
        Level("word", Shared("words"), "有一个词相同", "one word of the name in common"),
        Level("same-surname", Same("surname"), "姓相同而名不同", "the same surname, another given name"),
        _differs(),
    )),
    Field("birth", "出生日期", "birth date", (
        _missing("born"),
        Level("same-estimate", All((Same("born"), Ends("born", "0101", 8))), "同为某年1月1日,可能是估计",
              "the same first of January: perhaps estimates"),
        Level("same", All((Same("born"), Edits("born", 0, 8))), "相同", "the same"),
        Level("part", Begins("born"), "在已知部分相同", "the same as far as both are known"),
        Level("exchanged", Exchanged("born"), "日与月对调", "day and month exchanged"),
        Level("near", Edits("born", 1, 8), "一位数字不同", "one digit differs"),
        Level("same-year", Start("born", 4), "同年", "the same year"),
        _differs(),
    )),
    Field("sex", "性别", "sex", (
        _missing("sex"),
        Level("same", Same("sex"), "相同", "the same"),
        _differs(),
    )),
    Field("phone", "电话", "telephone", (
        _missing("phone"),
        Level("same", Shared("phones"), "有相同号码", "a number in common"),
        Level("near", Edits("phone", 1, 10), "相差一位", "one digit apart"),
        _differs(),
    )),
    Field("address", "住址", "address", (
        _missing("place", "town", "county"),
        Level("house", All((Same("place"), Same("house"))), "同一门牌", "the same house"),
        Level("place", All((Same("place"), Absent(("house",)))), "同一村或小区,一方没有门牌", "the same village or estate, no house number in one"),
        Level("other-house", Same("place"), "同一村或小区,门牌不同", "the same village or estate, another house"),
        Level("near", Any((Edits("place", 1, 6), Edits("place", 2, 10))), "村或小区名相近", "nearly the same village or estate"),
        Level("town", Same("town"), "同一乡镇街道", "the same town"),
        Level("county", Same("county"), "同一县区", "the same county"),
        _differs(),
    )),
    Field("mother", "母亲", "mother", (
        _missing("mother"),
        Level("same", Same("mother"), "相同", "the same"),
        Level("near", Edits("mother", 2, 6), "相近", "nearly the same"),
        _differs(),
    )),
    Field("order", "胎次", "place among twins", (
        _missing("order"),
        Level("same", Same("order"), "相同", "the same"),
        _differs(),
    )),
)  # fmt: skip

LISTS = ("documents", "kinds", "names", "words", "phones")
"""Columns that hold lists."""

NAMES = tuple(field.name for field in FIELDS)
FREQUENCIES = tuple(dict.fromkeys(level.frequency for field in FIELDS for level in field.levels if level.frequency))


def field(name: str) -> Field:
    """The field of this name."""
    return FIELDS[NAMES.index(name)]
