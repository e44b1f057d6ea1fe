"""Names that name nobody: newborns called after a parent, unknown persons, withheld names."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec


class Newborn(msgspec.Struct, frozen=True, gc=False):
    """某某之子: the parent's name, the place among siblings and the sex as far as they are said."""

    parent: str
    order: str = ""
    sex: str = ""


_ORDER = "长|大|头|次|二|三|小|幼|甲|乙|丙|一|[123]|[ABCabc]"
_CHILD = "儿子|女儿|男婴|女婴|婴儿|婴|男孩|女孩|宝宝|宝|孩子|孩|子|女|男"
_NEWBORN = re.compile(
    rf"^(?P<parent>.{{2,12}}?)(?:之|的)(?P<before>{_ORDER})?(?P<many>双胞胎|龙凤胎|三胞胎|双|孪生)?(?P<child>{_CHILD})?(?P<after>{_ORDER})?$"
)
_SHORT = re.compile(
    rf"^(?P<parent>.{{2,12}}?)(?P<before>{_ORDER})?(?P<child>男婴|女婴|婴儿|新生儿|之婴|宝宝|婴)(?P<after>{_ORDER})?$"
)
_LATIN_NEWBORN = re.compile(
    r"^(?:baby|newborn|infant|bb|b/o|nb)\b[ .]*(?:(?P<child>boy|girl|son|daughter)\b *)?(?:(?P<order>[12abc]|one|two)\b *)?(?:of )? *(?P<parent>[^0-9]{3,})$"
)
_PLACES = {
    "长": "1", "大": "1", "头": "1", "甲": "1", "一": "1", "a": "1", "one": "1", "次": "2", "二": "2", "小": "2",
    "乙": "2", "b": "2", "two": "2", "三": "3", "丙": "3", "c": "3", "1": "1", "2": "2", "3": "3",
}  # fmt: skip
_MEN, _WOMEN = {"子", "儿子", "男婴", "男孩", "男", "boy", "son"}, {"女", "女儿", "女婴", "女孩", "girl", "daughter"}

_UNKNOWN = re.compile(
    r"^(?:无名(?:氏|男|女|男性|女性|老人|老汉|尸|者|人)?|未知.{0,4}|不详|姓名不详|身份不[明详].{0,3}|不明.{0,3}|佚名|匿名|无姓名|没有名字"
    r"|未提供|未登记|暂无|待查|三无.{0,3}|路人.{0,2}|患者|病人|(?:某[男女])|测试.{0,4}|急救.{0,3}|昏迷.{0,3}|流浪.{0,3})[一二三四五六七八九十甲乙丙丁]*$"
)
_UNKNOWN_WORDS = frozenset(
    "unknown unidentified anonymous none null nil nn test tester xxx xx unnamed noname nobody wumingshi unk".split()  # noqa: SIM905 - a list of words reads best as words
)
_BESIDE_UNKNOWN = _UNKNOWN_WORDS | frozenset(
    "male female man woman person patient name boy girl adult child tourist no a b".split()  # noqa: SIM905 - a list of words reads best as words
)
_UNKNOWN_NAMES = frozenset(
    {frozenset({"john", "doe"}), frozenset({"jane", "doe"}), frozenset({"no", "name"}), frozenset({"n", "a"})}
)
_WITHHELD = re.compile(r"[某*＊×●○█]")


@lru_cache(maxsize=65_536)
def newborn(text: str) -> Newborn | None:
    """Who a newborn is called after, or None if `text` is no such name; `text` without spaces and brackets."""
    if text.isascii():
        found = _LATIN_NEWBORN.match(text.lower())
        if found is None:
            return None
        return Newborn(found["parent"].strip(), _PLACES.get(found["order"] or "", ""), _sex(found["child"]))
    found = _NEWBORN.match(text)
    if found is None or not (found["child"] or found["after"] or found["many"]):
        found = _SHORT.match(text)
    if found is None:
        return None
    order = (found["before"] or found["after"] or "").lower()
    return Newborn(found["parent"], _PLACES.get(order, ""), _sex(found["child"]))


def _sex(child: str | None) -> str:
    return "M" if child in _MEN else "F" if child in _WOMEN else ""


def is_unknown(hanzi: str) -> bool:
    """Whether characters say that nobody knows the name: 无名氏, 未知, 测试."""
    return _UNKNOWN.match(hanzi) is not None


def are_unknown(words: tuple[str, ...]) -> bool:
    """The same of Latin words: unknown, John Doe."""
    if len(words) == 2 and frozenset(words) in _UNKNOWN_NAMES:
        return True
    return not _UNKNOWN_WORDS.isdisjoint(words) and _BESIDE_UNKNOWN.issuperset(words)


def is_withheld(text: str) -> bool:
    """Whether a part of the name is kept back: 王某, 李*明."""
    return _WITHHELD.search(text) is not None
