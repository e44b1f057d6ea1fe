"""Guests from abroad, from Hong Kong, Macao and Taiwan: names in several writings, documents that are renewed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from region.population import numbers
from region.population.days import COMPACT, REGISTERS, TODAY, day_of
from region.population.lists import pool, traditional
from region.population.names import CANTONESE, DOTTED, FOREIGN, SURNAMES, era_of, foreign_family, given_name, wade
from region.population.places import PROVINCES, Address, elsewhere, hotel

if TYPE_CHECKING:
    from region.population.chunk import Chunk
    from region.population.person import Person

_YEAR = 365.25
COUNTRIES = {
    "RUS": ("俄罗斯", "643", "7"), "KOR": ("韩国", "410", "82"), "SGP": ("新加坡", "702", "65"), "MYS": ("马来西亚", "458", "60"),
    "KAZ": ("哈萨克斯坦", "398", "7"), "IDN": ("印度尼西亚", "360", "62"), "THA": ("泰国", "764", "66"), "USA": ("美国", "840", "1"),
    "GBR": ("英国", "826", "44"), "DEU": ("德国", "276", "49"), "JPN": ("日本", "392", "81"),
}  # fmt: skip
"""Name in Chinese, ISO 3166 number, calling code."""

_FROM = pool(
    [("RUS", 26), ("KOR", 20), ("SGP", 12), ("MYS", 12), ("KAZ", 8), ("IDN", 6), ("THA", 5), ("USA", 4), ("GBR", 2.5),
     ("DEU", 2), ("JPN", 2.5)], 1024)  # fmt: skip
_HUSBANDS_NAME = {"RUS": 0.8, "KAZ": 0.6, "DEU": 0.6, "GBR": 0.6, "USA": 0.6, "JPN": 0.9}
"""Of married women, those who take the husband's name."""

_CARDS_OF_2023 = day_of(2023, 12, 1)
_PLACES = (("H", "810000", "香港"), ("M", "820000", "澳门"))


def foreigners(chunk: Chunk) -> None:
    """One to three people from abroad; some live here and have a permanent-residence card."""
    chance = chunk.chance
    country = _FROM[int(chance() * 1024)]
    household = len(chunk.persons)
    lives_here = chance() < 0.12
    day = max(REGISTERS, TODAY - int(chance() ** 2 * 12 * _YEAR))
    stay = hotel(chance)
    family = FOREIGN[country, "family"][int(chance() * 256)]
    sexes = ("M", "F") if chance() < 0.4 else ("M",) if chance() < 0.55 else ("F",)
    for sex in sexes:
        born = TODAY - int((25 + chance() * 45 if len(sexes) > 1 else 3 + chance() * 75) * _YEAR)
        one = _foreigner(chunk, household, country, family, sex, born, stay)
        one.first_day = max(born + 30, day)
        one.last_day = TODAY if lives_here or chance() < 0.35 else min(TODAY, one.first_day + 30)
        _renewed(chunk, one)
        if lives_here:
            _permanent(chunk, one)
    _telephones(chunk, household, COUNTRIES[country][2])


def _foreigner(
    chunk: Chunk, household: int, country: str, family: tuple[str, str], sex: str, born: int, stay: Address
) -> Person:
    chance = chunk.chance
    given, given_written = FOREIGN[country, sex][int(chance() * 256)]
    latin, written = foreign_family(country, *family, sex == "F")
    one = chunk.new("foreigner", household, sex, born, "", stay)
    one.country = country
    one.latin = f"{latin}, {given}"
    if written and given_written:
        one.name = f"{given_written}·{written}" if country in {"RUS", "USA"} else written + given_written
    share = _HUSBANDS_NAME.get(country, 0.0)
    if sex == "F" and share and TODAY - born > 24 * _YEAR and chance() < share * 0.5:
        maiden, _ = foreign_family(country, *FOREIGN[country, "family"][int(chance() * 256)], female=True)
        one.latin_before = f"{maiden}, {given}"
        one.name_since = born + int((22 + chance() * 12) * _YEAR)
    return one


def _renewed(chunk: Chunk, one: Person) -> None:
    """Passports last ten years: about a third of those who come again bring another."""
    one.passport = numbers.passport(chunk.serial("passport"))
    if one.last_day - one.first_day > 200 and chunk.chance() < 0.5:
        one.passport_before = numbers.passport(chunk.serial("passport"))
        one.passport_since = one.first_day + int(chunk.chance() * (one.last_day - one.first_day))


def _permanent(chunk: Chunk, one: Person) -> None:
    """Cards of 2017 are exchanged for those of 2023, with another number."""
    _, numeric, _ = COUNTRIES[one.country]
    _apart(chunk, one, one.country)
    order = chunk.index % 50
    new = numbers.permanent_residence_2023(numeric, COMPACT[one.born], one.sex == "M", order)
    old = numbers.permanent_residence_2017(one.country, COMPACT[one.born], chunk.index)
    draw = chunk.chance()
    one.permit = new if draw < 0.7 else old
    if draw < 0.5 and one.first_day < _CARDS_OF_2023:
        one.permit_before, one.permit_since = old, _CARDS_OF_2023 + int(chunk.chance() * (TODAY - _CARDS_OF_2023))


def _apart(chunk: Chunk, one: Person, kind: str) -> None:
    """A birth date whose order numbers no other chunk uses, and nobody else of this chunk and kind: order and last digit."""
    one.born -= (one.born - chunk.index // 50) % 10
    while not chunk.take(f"{kind}{one.born}"):
        one.born -= 10


def compatriots(chunk: Chunk) -> None:
    """港澳台: traditional characters, other romanisations, permits that are renewed, residence permits."""
    draw = chunk.chance()
    household = len(chunk.persons)
    count = 1 if chunk.chance() < 0.6 else 2
    for _ in range(count):
        if draw < 0.19:
            _of_taiwan(chunk, household)
        else:
            _of_hong_kong(chunk, household, *_PLACES[draw > 0.9])
    _telephones(chunk, household, "886" if draw < 0.19 else "852" if draw <= 0.9 else "853")


def _guest(chunk: Chunk, household: int, name: str, sex: str, born: int) -> Person:
    chance = chunk.chance
    one = chunk.new("compatriot", household, sex, born, name.translate(traditional()), hotel(chance))
    one.first_day = max(born + 30, REGISTERS, TODAY - int(chance() * 12 * _YEAR))
    one.last_day = TODAY if chance() < 0.5 else min(TODAY, one.first_day + 30)
    return one


def _of_hong_kong(chunk: Chunk, household: int, letter: str, place: str, region: str) -> None:
    chance = chunk.chance
    sex, born = "M" if chance() < 0.5 else "F", TODAY - int((5 + chance() * 75) * _YEAR)
    surname, latin = CANTONESE["S"][int(chance() * 256)]
    one, two = (CANTONESE[sex][int(chance() * 256)] for _ in range(2))
    person = _guest(chunk, household, surname + one[0] + two[0], sex, born)
    person.latin = f"{latin}, {one[1]} {two[1]}"
    person.country = "HKG" if letter == "H" else "MAC"
    person.permit = numbers.home_return(letter, chunk.serial(letter))
    _papers(chunk, person, place)
    person.address = elsewhere(chance, region, "") if chance() < 0.4 else person.address


def _of_taiwan(chunk: Chunk, household: int) -> None:
    chance = chunk.chance
    sex, born = "M" if chance() < 0.5 else "F", TODAY - int((5 + chance() * 75) * _YEAR)
    surname = SURNAMES["china"][int(chance() * 8192)]
    given = given_name(chance, sex + era_of(1900 + int(born / _YEAR)))
    person = _guest(chunk, household, surname + given, sex, born)
    person.latin = f"{''.join(map(wade, surname))}, {'-'.join(map(wade, given))}"
    person.country = "TWN"
    person.permit = numbers.taiwan_permit(chunk.serial("T"))
    _papers(chunk, person, "830000")


def _papers(chunk: Chunk, person: Person, place: str) -> None:
    """A residence permit for one of four; the travel permit's later issues show two digits more in old registers."""
    if chunk.chance() < 0.25:
        _apart(chunk, person, place)
        person.permit_before = person.permit
        person.permit = numbers.residence_permit(place, COMPACT[person.born], person.sex == "M", chunk.index % 50)
        person.permit_since = max(day_of(2018, 9, 1), person.first_day + int(chunk.chance() * 1000))


def _telephones(chunk: Chunk, household: int, calling: str) -> None:
    chance = chunk.chance
    members = chunk.persons[household:]
    for one in members:
        if TODAY - one.born > 14 * _YEAR:
            one.phone = numbers.foreign_phone(calling, chance) if chance() < 0.6 else numbers.mobile(chance)
            if chance() < chunk.mix.new_phone:
                one.phone_before, one.phone_since = numbers.mobile(chance), one.first_day + int(chance() * 1500)
    for one in members:
        one.family_phone = next((two.phone for two in members if two is not one and two.phone), "")


@cache
def xinjiang() -> int:
    """The place of Xinjiang among the provinces."""
    return next(index for index, row in enumerate(PROVINCES) if row["prefix"].startswith("65"))


def dotted(chunk: Chunk) -> None:
    """Somebody of Xinjiang, whose name and father's name have a dot between: 古丽娜尔·买买提."""
    chance = chunk.chance
    sex, born = "M" if chance() < 0.5 else "F", TODAY - int((6 + chance() * 70) * _YEAR)
    given, latin = DOTTED[sex][int(chance() * 256)]
    father, father_latin = DOTTED["M"][int(chance() * 256)]
    row = PROVINCES[xinjiang()]
    home = elsewhere(chance, row["name"], row["city"])
    household = len(chunk.persons)
    one = chunk.add("tourist", household, sex, born, f"{given}·{father}", home, None, xinjiang(), "dotted")
    one.latin = f"{father_latin}, {latin}"
    one.stay = hotel(chance)
    chunk.settle(one)
    one.name_before, one.name_since = "", 0
    chunk.share(household)
