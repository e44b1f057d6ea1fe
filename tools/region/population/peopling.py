"""Fills a chunk: household after household, then twins who live apart and strangers who share a name and a birthday."""

from __future__ import annotations

from typing import TYPE_CHECKING

from region.population.chunk import SIZE, Chunk
from region.population.days import TODAY
from region.population.households import birds, residents, tourists, workers
from region.population.lists import pool
from region.population.names import era_of, twin_name
from region.population.places import BY_PEOPLE, COUNTIES, home
from region.population.visitors import compatriots, dotted, foreigners

if TYPE_CHECKING:
    from region.population.mixes import Mix
    from region.population.person import Person

_YEAR = 365.25
_DOTTED = 0.0015
"""Of households, those of guests from Xinjiang whose names have a dot."""

_OWN = {"resident", "worker"}


def peopled(seed: int, index: int, mix: Mix, count: int = SIZE) -> list[Person]:
    """The first `count` persons of a chunk: the same however many are asked for."""
    chunk = Chunk(seed, index, mix)
    persons, chance = chunk.persons, chunk.chance
    others = mix.workers + mix.birds + mix.tourists + mix.foreigners + mix.compatriots + _DOTTED
    makers = pool(
        [
            (residents, 1 - others), (workers, mix.workers), (birds, mix.birds), (tourists, mix.tourists),
            (foreigners, mix.foreigners), (compatriots, mix.compatriots), (dotted, _DOTTED),
        ], 8192,
    )  # fmt: skip
    while len(persons) < count:
        start = len(persons)
        makers[int(chance() * 8192)](chunk)
        for one in persons[start:]:
            if one.kind in _OWN:
                if TODAY - one.born > 20 * _YEAR and chance() < mix.adult_twins / 2:
                    _twin(chunk, one)
                if chance() < mix.strangers:
                    _stranger(chunk, persons[int(chance() * len(persons))])
    return persons[:count]


def _twin(chunk: Chunk, one: Person) -> None:
    """A grown twin: the same parents, similar names, a household of their own or the same old home."""
    chance = chunk.chance
    other = one.sex if chance() < chunk.mix.twins_of_one_sex else "F" if one.sex == "M" else "M"
    era, cut = era_of(1900 + int(one.born / _YEAR)), chunk.cut(one.name)
    name = one.name[:cut] + twin_name(chance, one.name[cut:], one.sex + era, other + era)
    address = one.address if chance() < 0.3 else home(chance, BY_PEOPLE[int(chance() * 4096)])
    county = next((place for place in COUNTIES if place.region == one.address.region), None)
    start = len(chunk.persons)
    twin = chunk.add(one.kind, start, other, one.born, name, address, county, None, one.people)
    twin.twin_of, twin.mother = one.number, one.mother
    chunk.settle(twin)
    twin.name_before, twin.name_since = "", 0
    chunk.share(start)


def _stranger(chunk: Chunk, one: Person) -> None:
    """Somebody else with the same name, sex and birth date."""
    if one.kind not in _OWN:
        return
    chance = chunk.chance
    county = next((place for place in COUNTIES if place.region == one.address.region), COUNTIES[0])
    if chance() < 0.3:
        county = BY_PEOPLE[int(chance() * 4096)]
    start = len(chunk.persons)
    other = chunk.add("resident", start, one.sex, one.born, one.name, home(chance, county), county, None, one.people)
    other.stranger_of = one.number
    chunk.settle(other)
    other.name_before, other.name_since = "", 0
    chunk.share(start)
