"""How Chinese characters sound: Mandarin syllables without tones, surnames by their own readings."""

from __future__ import annotations

from functools import cache, lru_cache

from jiankang.foundation.identity.normalise.text import table

_LONGEST_WORD = 24


@cache
def _readings() -> dict[str, str]:
    readings = {one: syllable for syllable, ones in table("pinyin.tsv") for one in ones}
    readings.update((one, syllable) for one, syllable, *_ in table("readings.tsv"))
    return readings


@cache
def surnames() -> dict[str, tuple[str, ...]]:
    """Surnames with readings of their own, the usual one first, and all surnames of two characters."""
    return {surname: tuple(readings) for surname, *readings in table("surnames.tsv")}


@lru_cache(maxsize=65_536)
def syllables(text: str) -> tuple[str, ...]:
    """The syllable of each character that has one; others are passed over."""
    readings = _readings()
    return tuple(readings[one] for one in text if one in readings)


@lru_cache(maxsize=65_536)
def surname_of(hanzi: str) -> tuple[str, tuple[str, ...]]:
    """The surname that a name in characters begins with, and its readings, the usual one first.

    Five characters and more are names of peoples without surnames (买买提艾力): nothing is taken for a surname.
    """
    known = surnames()
    if len(hanzi) >= 3 and (pair := known.get(hanzi[:2])) and len(hanzi) <= 4:
        return hanzi[:2], pair
    if not 2 <= len(hanzi) <= 4:
        return "", ()
    first = hanzi[0]
    return first, known.get(first) or ("".join(syllables(first)),)


@cache
def _all_syllables() -> frozenset[str]:
    return frozenset(syllable for syllable, _ in table("pinyin.tsv"))


@cache
def surname_sounds() -> dict[str, int]:
    """How surnames sound, for names that come in Latin letters: the smaller the number, the more people have it."""
    rare = (reading for readings in surnames().values() for reading in readings)
    return {sound: rank for rank, sound in enumerate(dict.fromkeys([*_SURNAMES.split(), *rare]))}


_UMLAUTS = {
    "lv": "lu", "lyu": "lu", "lve": "lue", "lyue": "lue", "nv": "nu", "nyu": "nu", "nve": "nue", "nyue": "nue",
}  # fmt: skip
"""How passports and people spell ü where it is not u."""


@lru_cache(maxsize=65_536)
def split(word: str) -> tuple[str, ...]:
    """`word` cut into syllables, the longest first and never so that the rest cannot be read; () if it is no pinyin."""
    known = _all_syllables()
    if word in known:
        return (word,)
    if word in _UMLAUTS:
        return (_UMLAUTS[word],)
    if len(word) > _LONGEST_WORD:
        return ()
    for length in range(min(6, len(word) - 1), 0, -1):
        head = word[:length]
        if (head in known or head in _UMLAUTS) and (rest := split(word[length:])):
            return (_UMLAUTS.get(head, head), *rest)
    return ()


_SURNAMES = """
wang li zhang liu chen yang huang zhao zhou wu xu sun ma zhu hu guo he gao lin luo zheng liang xie song tang han feng
deng cao peng zeng xiao tian dong pan yuan cai jiang yu du ye cheng wei su lu ding shen ren yao cui zhong tan fan jin
shi liao jia xia fu fang bai zou meng xiong qin qiu yan xue hou lei long duan hao kong shao mao chang wan gu lai kang
qian yin niu ji hong gong pang tao ai mo xing yun fei lan ling ni ou guan mei sheng wen zhuang zhan qi bao bi tong
ba ban bian cen chao che chi chu dai di gan ge geng gui ha hua hui jiao jing ju ke kuang mai man
mi miao min ming mou mu na nie pu qiang qu rong ruan rui sa sha she shu si sui tu tuo weng xi
xian xiang yi ying you zang zhen zhuo zong zuo
"""
