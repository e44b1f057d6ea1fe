"""Households of residents, workers, winter guests and tourists from China: who lives with whom, and what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from region.population.days import REGISTERS, TODAY, day_of
from region.population.names import SURNAMES, era_of, given_name, twin_name
from region.population.places import BY_PEOPLE, ORIGINS, PROVINCES, Address, County, elsewhere, home, hotel

if TYPE_CHECKING:
    from region.population.chunk import Chunk
    from region.population.person import Person

_YEAR = 365.25
_FIRST_BIRTH, _LAST_BIRTH = 20, 40
_ALONE, _COUPLE, _PARENT = 0.16, 0.38, 0.46
"""Bounds of a draw: one person, a couple, one parent with children; above, a couple with children."""

_CHILDREN = (0.48, 0.88, 0.98)
_BETWEEN_BIRTHS = 300
"""Days, at least, from one birth of a mother to her next."""


def residents(chunk: Chunk) -> None:
    """A household of the island: its surnames follow its people (汉, 黎, 苗)."""
    county = BY_PEOPLE[int(chunk.chance() * 4096)]
    draw = chunk.chance()
    people = "li" if draw < county.li else "miao" if draw < county.li + county.miao else "han"
    column = "hainan" if people == "han" else people
    _family(chunk, "resident", people, column, county, home(chunk.chance, county), None)


def workers(chunk: Chunk) -> None:
    """A household that moved to the island; its numbers are those of the province it came from."""
    province = ORIGINS["workers"][int(chunk.chance() * 1024)]
    county = BY_PEOPLE[int(chunk.chance() * 4096)]
    _family(chunk, "worker", "han", "china", county, home(chunk.chance, county), province)


def birds(chunk: Chunk) -> None:
    """候鸟: an elderly couple or one of both, some winters on the island."""
    chance = chunk.chance
    province = ORIGINS["birds"][int(chance() * 1024)]
    row = PROVINCES[province]
    own = elsewhere(chance, row["name"], row["city"])
    county = BY_PEOPLE[int(chance() * 4096)]
    stay = home(chance, county)
    born = TODAY - int((58 + chance() * 27) * _YEAR)
    household = len(chunk.persons)
    for sex in ("M", "F") if chance() < 0.7 else ("F",):
        kind = sex + era_of(1900 + int(born / _YEAR))
        name = SURNAMES["china"][int(chance() * 8192)] + given_name(chance, kind)
        one = chunk.add("bird", household, sex, born + int((chance() - 0.3) * 4 * _YEAR), name, own, None, province)
        one.stay = stay
        one.first_day = max(REGISTERS, TODAY - int(chance() * 12 * _YEAR))
        chunk.settle(one)
    chunk.share(household)


def tourists(chunk: Chunk) -> None:
    """A few people from the mainland, who come once."""
    chance = chunk.chance
    province = ORIGINS["tourists"][int(chance() * 1024)]
    row = PROVINCES[province]
    own = elsewhere(chance, row["name"], row["city"])
    _family(chunk, "tourist", "han", "china", None, own, province)


def _family(
    chunk: Chunk, kind: str, people: str, column: str, county: County | None, address: Address, province: int | None
) -> None:
    """Adults, their children and sometimes a grandparent, at one address."""
    chance, surnames = chunk.chance, SURNAMES[column]
    household = len(chunk.persons)
    stay = hotel(chance) if kind == "tourist" and chance() < 0.8 else None
    day = max(REGISTERS, TODAY - int(chance() * 10 * _YEAR)) if kind == "tourist" else 0
    draw = chance()
    age = _age_of_household(chance(), draw < _ALONE)
    born = TODAY - int(age * _YEAR)
    man = surnames[int(chance() * 8192)]
    adults: list[Person] = []
    sexes = ("M", "F") if not _COUPLE <= draw < _PARENT and draw >= _ALONE else ("M" if chance() < 0.5 else "F",)
    for sex in sexes:
        surname = man if sex == "M" else surnames[int(chance() * 8192)]
        day_born = min(TODAY - int(18 * _YEAR), born + int((chance() - 0.4) * 5 * _YEAR))
        name = surname + given_name(chance, sex + era_of(1900 + int(day_born / _YEAR)))
        adults.append(chunk.add(kind, household, sex, day_born, name, address, county, province, people))
    if draw >= _COUPLE and age > _FIRST_BIRTH + 1:
        _children(chunk, household, adults, kind, people, county, address, province)
    if kind == "resident" and chance() < 0.18:
        _grandparent(chunk, household, adults[0], people, county, address)
    for one in chunk.persons[household:]:
        if kind == "tourist":
            one.stay, one.first_day = stay, max(day, one.born)
            one.last_day = min(TODAY, one.first_day + 20)
        chunk.settle(one)
    chunk.share(household)


def _age_of_household(draw: float, alone: bool) -> float:
    """Years of the elder adult: by the census of 2020 most are between 25 and 60."""
    if alone:
        return 18 + draw * 70
    return 22 + draw * 38 if draw < 0.8 else 52 + (draw - 0.8) * 190


def _children(
    chunk: Chunk,
    household: int,
    adults: list[Person],
    kind: str,
    people: str,
    county: County | None,
    address: Address,
    province: int | None,
) -> None:
    """Children with a surname of their parents (1 of 13 the mother's, Ministry of Public Security 2020), twins among them."""
    chance, mix = chunk.chance, chunk.mix
    mother = next((one for one in adults if one.sex == "F"), None)
    parent = adults[0]
    surname = parent.name[: chunk.cut(parent.name)]
    if mother is not None and chance() < 1 / 13:
        surname = mother.name[: chunk.cut(mother.name)]
    oldest = (mother or parent).born + int(_FIRST_BIRTH * _YEAR)
    youngest = min(TODAY - 1, (mother or parent).born + int(_LAST_BIRTH * _YEAR))
    if oldest >= youngest:
        return
    draw, generation, births, called = chance(), "", list[int](), {one.name for one in adults}
    count = 1 + sum(draw > bound for bound in _CHILDREN)
    for _ in range(count):
        born = oldest + int(chance() ** 1.4 * (youngest - oldest))
        if TODAY - born > 24 * _YEAR and chance() < 0.75:
            continue  # grown up and gone
        if any(abs(born - day) < _BETWEEN_BIRTHS for day in births):
            continue
        births.append(born)
        sex = "M" if chance() < 0.53 else "F"
        era = era_of(1900 + int(born / _YEAR))
        given = given_name(chance, sex + era, generation)
        while surname + given in called:
            given = given_name(chance, sex + era, generation)
        called.add(surname + given)
        generation = given[0] if len(given) == 2 and chance() < 0.35 else ""
        child = chunk.add(kind, household, sex, born, surname + given, address, county, province, people)
        chunk.born_to(child, mother, parent)
        if chance() < mix.twins:
            other_sex = sex if chance() < mix.twins_of_one_sex else "F" if sex == "M" else "M"
            other = surname + twin_name(chance, given, sex + era, other_sex + era)
            while other in called:
                other = surname + twin_name(chance, given, sex + era, other_sex + era)
            called.add(other)
            twin = chunk.add(kind, household, other_sex, born, other, address, county, province, people)
            chunk.born_to(twin, mother, parent)
            child.birth_order, twin.birth_order, twin.twin_of = "1", "2", child.number


def _grandparent(
    chunk: Chunk, household: int, child: Person, people: str, county: County | None, address: Address
) -> None:
    """The mother or father of an adult."""
    sex = "F" if chunk.chance() < 0.6 else "M"
    born = max(day_of(1922), child.born - int((22 + chunk.chance() * 14) * _YEAR))
    surname = child.name[: chunk.cut(child.name)] if sex == "M" else SURNAMES["hainan"][int(chunk.chance() * 8192)]
    name = surname + given_name(chunk.chance, sex + era_of(1900 + int(born / _YEAR)))
    chunk.add(child.kind, household, sex, born, name, address, county, None, people)
