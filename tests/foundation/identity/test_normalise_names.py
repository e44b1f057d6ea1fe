"""Names in characters and letters, and names that name nobody."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiankang.foundation.identity.model import Record, Written, WrittenName
from jiankang.foundation.identity.normalise import Normaliser, pinyin
from jiankang.foundation.identity.normalise.text import simplified, table

NORMALISER = Normaliser("20261123")
WORDS = ("wang", "xiao", "ming", "Anna", "Schmidt", "Ivanov", "Aleksei", "zeng", "li", "Mei", "García")


def named(*texts: str) -> Record:
    return NORMALISER.record(Written(names=tuple(WrittenName(text) for text in texts), birth="1980-05-06"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("曾小明", "zeng xiaoming"), ("单雄", "shan xiong"), ("翟天临", "zhai tianlin"), ("覃勇", "qin yong"),
        ("解晓东", "xie xiaodong"), ("查良镛", "zha liangyong"), ("仇英", "qiu ying"), ("区小妹", "ou xiaomei"),
        ("朴永男", "piao yongnan"), ("盖叫天", "ge jiaotian"), ("任长霞", "ren changxia"), ("华罗庚", "hua luogeng"),
        ("乐嘉", "yue jia"), ("缪贤", "miao xian"), ("尉迟恭", "yuchi gong"), ("欧阳修", "ouyang xiu"),
        ("万俟卨", "moqi xie"), ("长孙无忌", "zhangsun wuji"), ("吕布", "lu bu"), ("王晟", "wang sheng"),
        ("单于", "shan yu"), ("符阿妹", "fu amei"), ("买买提·艾力", "maimaitiaili"), ("买买提艾力", "maimaitiaili"),
    ],
)  # fmt: skip
def test_a_surname_is_read_as_a_surname(text, name):
    assert named(text).name == name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("曾小明", "ZENG XIAOMING"), ("曾小明", "Xiao-Ming Zeng"), ("曾小明", "xiaoming, zeng"), ("吕布", "LYU BU"),
        ("吕布", "Lv Bu"), ("呂布", "吕布"), ("張國榮", "张国荣"), ("買買提•艾力", "买买提·艾力"), ("王　伟", "王伟"),
        ("阿依古丽・买买提", "阿依古丽买买提"), ("ＷＡＮＧ ＷＥＩ", "王伟"), ("王伟先生", "王伟"), ("王伟(小)", "王伟"),
        ("Dr. Anna Müller", "MUELLER<<ANNA<<<<"), ("Иванов Алексей Петрович", "Aleksei Petrovich IVANOV"),
        ("Søren Åberg", "AABERG SOEREN"), ("Jean-Luc O'Neill", "ONEILL<<JEAN<LUC"), ("Nguyễn Văn An", "NGUYEN VAN AN"),
        ("王\u200b伟\u202e", "王伟"), ("Ivаnоv Оlеg", "Ivanov Oleg"), ("覃勇", "Tan Yong"), ("覃勇", "Qin Yong"),
    ],
)  # fmt: skip
def test_two_spellings_sound_the_same(one, other):
    assert set(named(one).names) & set(named(other).names)


@pytest.mark.parametrize("text", ["Ming Wang", "WANG MING", "Xiaoming Zeng", "ZENG, XIAOMING"])
def test_the_surname_of_a_name_in_letters_is_the_likelier_word(text):
    record = named(text)
    assert record.name == named("王明" if "ang" in text.lower() else "曾小明").name
    assert record.surname == record.name.split(" ")[0]


def test_traditional_characters_become_the_simplified_name():
    assert named("張國榮").hanzi == named("张国荣").hanzi == "张国荣"


@pytest.mark.parametrize(
    ("private", "assigned"), [("王\ue863", "王䶮"), ("\ue81e小明", "\u9fb4小明"), ("王\ue816", "王\U00020087")]
)
def test_rare_characters_at_private_code_points_are_the_characters(private, assigned):
    assert named(private).hanzi == named(assigned).hanzi == assigned


def test_simplifying_twice_is_simplifying_once():
    everything = "".join(ones for _, ones in table("simplified.tsv"))
    assert simplified(simplified(everything)) == simplified(everything)


def test_every_reading_is_a_syllable_that_can_be_cut_again():
    for surname, readings in pinyin.surnames().items():
        for reading in readings:
            assert pinyin.split(reading), surname


@pytest.mark.parametrize(
    ("text", "parent", "order", "sex"),
    [
        ("王小梅之子", "mei wang xiao", "", "M"), ("王小梅之女", "mei wang xiao", "", "F"),
        ("王小梅之长子", "mei wang xiao", "1", "M"), ("王小梅之次女", "mei wang xiao", "2", "F"),
        ("王小梅之双胞胎女2", "mei wang xiao", "2", "F"), ("王小梅之双", "mei wang xiao", "", ""),
        ("王小梅之婴", "mei wang xiao", "", ""), ("王小梅之女(大)", "mei wang xiao", "1", "F"),
        ("王小梅男婴", "mei wang xiao", "", "M"), ("Baby boy of Wang Xiaomei", "mei wang xiao", "", "M"),
        ("BABY A OF ANNA SMITH", "anna smith", "1", ""),
    ],
)  # fmt: skip
def test_a_newborn_is_compared_by_its_parent(text, parent, order, sex):
    record = named(text)
    assert record.newborn
    assert (record.name, record.mother, record.order, record.sex) == ("", parent, order, sex)


@pytest.mark.parametrize("text", ["王羲之", "之子", "陈之女王", "阿的江", "Abby Smith"])
def test_a_name_that_only_looks_like_a_newborns_is_a_name(text):
    assert not named(text).newborn


@pytest.mark.parametrize(
    "text",
    [
        "无名氏",
        "无名男",
        "未知",
        "未知名",
        "姓名不详",
        "无名氏二",
        "UNKNOWN",
        "Unknown Male",
        "John Doe",
        "测试",
        "三无人员",
        "n/a",
    ],
)
def test_an_unknown_person_has_no_name(text):
    record = named(text)
    assert record.unknown
    assert not record.matchable
    assert {"name.unknown", "record.nothing"} <= set(record.findings)


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("", "name.empty"), ("   ", "name.empty"), ("王", "name.too-short"), ("A", "name.too-short"), ("😀😀", "name.empty"),
        ("王" * 500, "name.too-long"), ("李*明", "name.withheld"), ("王某某", "name.withheld"), ("김민준", "name.script"),
        ("\u202e\u200f", "name.empty"), ("12345", "name.digits"), ("\ud800", "name.empty"),
    ],
)  # fmt: skip
def test_impossible_names_give_nothing_to_match_on_and_say_why(text, finding):
    record = named(text)
    assert not record.matchable
    assert finding in record.findings


@pytest.mark.parametrize("text", ["Na Na", "Nan Test", "An Na", "Noname Wang", "娜娜"])
def test_short_names_that_resemble_fillers_stay_names(text):
    assert named(text).sound


def test_a_former_name_and_a_name_in_letters_are_further_sounds():
    record = named("李娜", "LI NA", "Anna Schmidt")
    assert record.hanzi == "李娜"
    assert record.names == ("li na", "anna schmidt")


@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=5),
    st.randoms(),
)
@settings(max_examples=200, deadline=None)
def test_the_order_of_words_in_letters_does_not_matter(words, rng):
    shuffled = list(words)
    rng.shuffle(shuffled)
    one, other = named(" ".join(words)), named(" ".join(shuffled))
    assert (one.name, one.sound, one.names, one.words) == (other.name, other.sound, other.names, other.words)


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_normalising_a_cleaned_name_again_changes_nothing(text):
    once = named(text)
    again = named(once.written)
    assert (again.written, again.hanzi, again.name, again.sound, again.names) == (
        once.written,
        once.hanzi,
        once.name,
        once.sound,
        once.names,
    )
