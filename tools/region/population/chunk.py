"""A chunk of the population: it is made on its own from the seed, so that any part of a population can be made alone."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from region.population import numbers
from region.population.days import COMPACT, EIGHTEEN, REGISTERS, TODAY, day_of
from region.population.names import COMPOUND, era_of, given_name
from region.population.person import Person
from region.population.places import BY_PEOPLE, PROVINCES, Address, County, home

if TYPE_CHECKING:
    from region.population.mixes import Mix

SIZE = 25_000
"""Persons of a chunk."""

MOST = SIZE * numbers.SLOTS * numbers.BLOCKS
"""Persons of a population: more would need citizens' numbers twice."""

_YEAR = 365.25
_OLD_CODES = day_of(2001)
_LOCAL_ORIGIN = 0.85

_NUMBER_TRIES = 500


class Chunk:
    """Persons of one chunk, added household by household; every draw comes from one chance."""

    def __init__(self, seed: int, index: int, mix: Mix) -> None:
        if index >= MOST // SIZE:
            raise ValueError(f"a population has at most {MOST:,} persons")
        self.index = index
        self.mix = mix
        self.chance = Random(f"{seed}:people:{index}").random
        self.persons: list[Person] = []
        self._block, self._slot = divmod(index, numbers.SLOTS)
        self._taken: set[str] = set()
        self._serials: dict[str, int] = {}

    def serial(self, kind: str) -> int:
        """The next number of 7 digits of a kind of document."""
        count = self._serials.get(kind, 0)
        self._serials[kind] = count + 1
        return numbers.serial(self.index, count)

    def cut(self, name: str) -> int:
        """How many characters the surname has."""
        return 2 if name[:2] in COMPOUND and len(name) > 2 else 1

    def new(self, kind: str, household: int, sex: str, born: int, name: str, address: Address) -> Person:
        """A person without documents."""
        one = Person(
            self.index * SIZE + len(self.persons), self.index * SIZE + household, kind, sex, born, name, address
        )
        one.first_day, one.last_day = max(born, REGISTERS), TODAY
        self.persons.append(one)
        return one

    def add(
        self,
        kind: str,
        household: int,
        sex: str,
        born: int,
        name: str,
        address: Address,
        county: County | None,
        province: int | None,
        people: str = "han",
    ) -> Person:
        """A citizen with a number of the county or province that they come from."""
        one = self.new(kind, household, sex, born, name, address)
        one.people = people
        one.citizen = self._citizen(sex == "M", born, county, province)
        if born < EIGHTEEN - 16 * _YEAR:
            one.citizen_15 = one.citizen[:6] + one.citizen[8:17]
        return one

    def _citizen(self, male: bool, born: int, county: County | None, province: int | None) -> str:
        """A citizen's number that nobody else has; when a county's two of this day are used, another county's.

        "" where so many were born on that day that none is left: they have no number.
        """
        day = COMPACT[born]
        for _ in range(_NUMBER_TRIES):
            if province is None:
                local = (
                    county
                    if county is not None and self.chance() < _LOCAL_ORIGIN
                    else BY_PEOPLE[int(self.chance() * 4096)]
                )
                old = born < _OLD_CODES and self.chance() < self.mix.old_prefix
                prefix = numbers.hainan_prefix(local.number, self._block, old=old)
            else:
                prefix = numbers.mainland_prefix(PROVINCES[province]["prefix"], int(self.chance() * 5), self._block)
            for half in (0, 1):
                order = (self._slot * 2 + half) * 2 + (1 if male else 2)
                key = f"{prefix}{day}{order:03d}"
                if key not in self._taken:
                    self._taken.add(key)
                    return numbers.with_check(key)
            county = None
        return ""

    def take(self, key: str) -> bool:
        """Whether a document's number was free; it no longer is."""
        if key in self._taken:
            return False
        self._taken.add(key)
        return True

    def born_to(self, child: Person, mother: Person | None, parent: Person) -> None:
        """What a child has from its parents."""
        child.mother = mother.name if mother else ""
        child.relative_citizen = (mother or parent).citizen
        child.birth_certificate = numbers.birth_certificate(child.number) if child.born >= day_of(1996) else ""

    def settle(self, one: Person) -> None:
        """Telephones, cards, and what changed in a life: number, home, name."""
        chance, mix = self.chance, self.mix
        age = (TODAY - one.born) / _YEAR
        since = one.first_day + int(chance() * (TODAY - one.first_day))
        if age >= 14 and chance() < (0.97 if age < 70 else 0.7):
            one.phone = numbers.mobile(chance)
            if chance() < mix.new_phone and age >= 20:
                one.phone_before, one.phone_since = numbers.mobile(chance), since
        if one.kind in {"resident", "worker"}:
            if chance() < 0.6:
                one.card = numbers.health_card(one.number, 0)
                if chance() < 0.03:
                    one.card_before = numbers.health_card(one.number, 1)
            if chance() < mix.new_home:
                one.address_before = home(chance, BY_PEOPLE[int(chance() * 4096)])
                one.address_since = one.first_day + int(chance() * (TODAY - one.first_day))
        if one.country == "CHN" and one.citizen and chance() < mix.renamed:
            cut = self.cut(one.name)
            one.name_before = one.name[:cut] + given_name(chance, one.sex + era_of(1900 + int(one.born / _YEAR)))
            one.name_since = one.first_day + int(chance() * (TODAY - one.first_day))

    def share(self, household: int) -> None:
        """Telephones of those who have none of their own, and whose papers lie beside one's own."""
        members = self.persons[household:]
        main = next((one for one in members if one.phone), None)
        line = (
            numbers.landline(self.chance) if self.chance() < 0.12 and members[0].kind in {"resident", "worker"} else ""
        )
        for one in members:
            one.home_phone = line
            other = next((two for two in members if two is not one and two.phone), main)
            one.family_phone = other.phone if other else line
            if not one.relative_citizen and len(members) > 1:
                one.relative_citizen = next(two.citizen for two in members if two is not one)
