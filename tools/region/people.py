"""Who somebody is: the truth about a person, before anybody registers them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from region.documents import APART, citizen_number, passport_number, telephone_number
from region.tables import Village, Weighted, Written, given_characters, surnames, villages

TODAY = date(2026, 6, 30)
"""The last day of the made-up records."""

VISITORS = 0.12
"""The part of the people who live elsewhere."""

# Chengmai's age groups, roughly those of Hainan in the census of 2020: (from year, to year), part.
_AGES = Weighted([((0, 6), 8), ((6, 15), 13), ((15, 35), 27), ((35, 60), 36), ((60, 75), 12), ((75, 96), 4)])
_MEN = 0.53

_FOREIGN = Weighted([("RUS", 6), ("KOR", 4), ("MYS", 3), ("KAZ", 2), ("DEU", 1)])
_FOREIGN_NAMES = {
    "RUS": (("Ivanov", "Petrov", "Sokolov"), ("Aleksei", "Dmitri", "Irina", "Olga")),
    "KOR": (("Kim", "Lee", "Park"), ("Minjun", "Jiho", "Soyeon", "Yuna")),
    "MYS": (("Tan", "Lim", "Rahman"), ("Wei Ming", "Hafiz", "Aisyah", "Mei Ling")),
    "KAZ": (("Akhmetov", "Omarov"), ("Nurlan", "Daniyar", "Aigerim", "Dana")),
    "DEU": (("Schmidt", "Weber"), ("Jonas", "Lukas", "Anna", "Clara")),
}
_FEMALE_FROM = 2


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody: `village` is None for visitors, `citizen` for foreigners; BMI in kg/m²."""

    number: int
    sex: str
    born_on: date
    family: Written
    given: tuple[Written, ...]
    citizen: str | None
    passport: str | None
    nationality: str
    telephone: str
    village: Village | None
    height_cm: float
    bmi: float
    hypertensive: bool
    diabetic: bool
    allergic: bool

    def age_on(self, day: date) -> int:
        """Completed years."""
        return day.year - self.born_on.year - ((day.month, day.day) < (self.born_on.month, self.born_on.day))


def chance(seed: int, number: int, what: str = "") -> Random:
    """The chance of one person's life, the same however many people there are."""
    return Random(f"{seed}:{number}:{what}")


def people(count: int, seed: int, first: int = 0) -> Iterator[Person]:
    """`count` people, starting with number `first`."""
    for number in range(first, first + count):
        yield person(number, seed)


def person(number: int, seed: int) -> Person:
    """Person `number` of the region that `seed` makes."""
    rng = chance(seed, number)
    sex = "male" if rng.random() < _MEN else "female"
    youngest, oldest = _AGES.choose(rng)
    born_on = _birthday(rng.randrange(youngest * 365 + 32, oldest * 365), number)
    village = None if rng.random() < VISITORS else rng.choice(villages())
    foreign = village is None and rng.random() < 0.15
    nationality = _FOREIGN.choose(rng) if foreign else "CHN"
    family, given = _foreign_name(rng, nationality, sex) if foreign else _name(rng, sex, born_on, village)
    age = (TODAY - born_on).days / 365.25
    bmi = round(rng.gauss(23.4, 3.2) if age >= 18 else rng.gauss(16.5, 1.6), 1)
    risk = 0.0 if age < 30 else min(0.62, (age - 25) / 90)
    return Person(
        number, sex, born_on, family, given,
        None if foreign else citizen_number(born_on, sex, number),
        passport_number(rng) if foreign else None,
        nationality, telephone_number(rng), village,
        _height_cm(rng, age, sex), max(bmi, 12.0),
        rng.random() < risk, rng.random() < risk * 0.42, rng.random() < 0.06,
    )  # fmt: skip


def _birthday(days_ago: int, number: int) -> date:
    """A day near `days_ago`, such that no two of 790,000 people get the same citizen's number."""
    return TODAY - timedelta(days=days_ago - days_ago % 32 + (number + number // APART) % 32)


def _name(rng: Random, sex: str, born_on: date, village: Village | None) -> tuple[Written, tuple[Written, ...]]:
    family = surnames("china" if village is None else "hainan").choose(rng)
    era = "1" if born_on.year < 1960 else "2" if born_on.year < 1985 else "3" if born_on.year < 2005 else "4"
    characters = given_characters(sex, era)
    one = characters.choose(rng)
    return family, ((one,) if rng.random() < 0.12 else (one, characters.choose(rng)))


def _foreign_name(rng: Random, nationality: str, sex: str) -> tuple[Written, tuple[Written, ...]]:
    families, givens = _FOREIGN_NAMES[nationality]
    family = rng.choice(families)
    given = rng.choice(givens[:_FEMALE_FROM] if sex == "male" else givens[_FEMALE_FROM:])
    return Written(family, family), (Written(given, given),)


def _height_cm(rng: Random, age: float, sex: str) -> float:
    grown = rng.gauss(168.5, 6.0) if sex == "male" else rng.gauss(157.5, 5.5)
    part = 1.0 if age >= 17 else 0.30 + 0.70 * (age / 17) ** 0.62
    return round(grown * part, 1)
