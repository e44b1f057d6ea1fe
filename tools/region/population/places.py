"""Where people live: counties by their census, towns, villages and roads; homes elsewhere and hotels."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from region.population.lists import falling, pool, records, table
from region.tables import villages

Chance = Callable[[], float]


class Address(NamedTuple):
    """An address in the parts that a desk writes all or some of."""

    region: str
    """Province, city and county: 海南省澄迈县."""
    town: str
    place: str
    house: str
    district: str
    division: str


class County(NamedTuple):
    """A county of Hainan; `number` counts them from 0, shares are of its people."""

    number: int
    code: str
    name: str
    region: str
    li: float
    miao: float


COUNTIES = [
    County(
        index,
        row["code"],
        row["name"] or row["city"],
        f"海南省{row['city']}{row['name']}",
        float(row["li"]),
        float(row["miao"]),
    )
    for index, row in enumerate(records("counties"))
]
BY_PEOPLE = pool([(COUNTIES[index], float(row["people"])) for index, row in enumerate(records("counties"))], 4096)
_TOWNS: dict[str, list[tuple[str, str]]] = {}
for _row in records("towns"):
    _TOWNS.setdefault(_row["county"], []).append((_row["code"], "" if "直辖" in _row["name"] else _row["name"]))
_FIRST, _SECOND = (pool(falling(cells[0].split()), 512) for cells in table("villages"))
_ROADS, _WORDS, _STREETS, _ESTATES = (pool(falling(cells[1].split()), 512) for cells in table("roads"))
_CHENGMAI = [
    (one.town_code, one.town, one.name.removesuffix("委会").removesuffix("居"), one.code) for one in villages()
]
_HOTELS = ("椰风酒店", "海棠湾度假酒店", "亚龙湾宾馆", "滨海公寓", "候鸟公寓", "康养酒店", "民宿", "国际酒店")


def home(chance: Chance, county: County) -> Address:
    """A home of residents: in the village, or in a town's road or estate."""
    urban = chance() < 0.55
    if county.code == "469023":
        town_code, town, place, division = _CHENGMAI[int(chance() * len(_CHENGMAI))]
    else:
        towns = _TOWNS[county.code]
        town_code, town = towns[int(chance() * len(towns))]
        place, division = "", town_code
    if urban:
        return Address(county.region, town, *_street(chance), county.name, division)
    if not place:
        place = f"{_FIRST[int(chance() * 512)]}{_SECOND[int(chance() * 512)]}村"
    return Address(county.region, town, place, f"{1 + int(chance() * 160)}号", county.name, division)


def _street(chance: Chance) -> tuple[str, str]:
    number = 1 + int(chance() * 180)
    draw = chance()
    if draw < 0.25:
        return _ROADS[int(chance() * 512)], f"{number}号"
    word = _WORDS[int(chance() * 512)]
    if draw < 0.5:
        return word + _STREETS[int(chance() * 512)], f"{number}号"
    room = f"{1 + int(chance() * 18)}0{1 + int(chance() * 4)}"
    return word + _ESTATES[int(chance() * 512)], f"{1 + number // 9}栋{1 + int(chance() * 3)}单元{room}"


def elsewhere(chance: Chance, province: str, city: str) -> Address:
    """A home on the mainland."""
    return Address(province + city, "", *_street(chance), city or province, "")


def hotel(chance: Chance) -> Address:
    """Where a visitor stays."""
    county = BY_PEOPLE[int(chance() * 4096)]
    name = _HOTELS[int(chance() * len(_HOTELS))]
    return Address(
        county.region, "", name, f"{1 + int(chance() * 30)}{int(chance() * 30):02d}房", county.name, county.code
    )


PROVINCES = records("provinces")
ORIGINS = {
    kind: pool([(index, float(row[kind])) for index, row in enumerate(PROVINCES)], 1024)
    for kind in ("birds", "workers", "tourists")
}
