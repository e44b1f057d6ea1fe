"""The population as a stream: persons, and registrations of all sources, chunk after chunk in bounded memory."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator
from random import Random
from typing import TYPE_CHECKING

from region.population.chunk import SIZE
from region.population.days import TODAY, day_of
from region.population.desk import newborn, source_of, unknown, write
from region.population.lists import pool, traditional
from region.population.mixes import NATURAL, Mix
from region.population.names import cumulative
from region.population.peopling import peopled
from region.population.process_errors import FAULTS_B
from region.population.row import CITIZEN, COLUMNS, FAULTS, NAME, RECORD, REGISTERED, Registration
from region.population.sources import EMERGENCY, HOSPITAL, mean_care
from region.population.typing_errors import FAULTS_A

if TYPE_CHECKING:
    from region.population.person import Person

__all__ = ["COLUMNS", "INVALID_NUMBERS", "Registration", "persons", "registrations", "rows"]

INVALID_NUMBERS = frozenset(
    {
        "citizen_id.digit",
        "citizen_id.exchanged",
        "citizen_id.shape",
        "citizen_id.placeholder",
        "citizen_id.cut",
        "citizen_id.prefix",
    }
)
"""Faults after which the column citizen_id holds no valid number."""

Row = list[str]
_YEAR = 365.25
_END_OF_FIFTEEN = day_of(2013)
_TYPING = pool([((code, change), weight) for code, change, weight in FAULTS_A], 1024)
_PROCESS = pool([((code, change), weight) for code, change, weight in FAULTS_B], 1024)
_TRIES = 6
_SCRAMBLE, _RECORDS = 7_368_787, 10_000_000_000
_PER_PERSON = 32
_GUESTS = {"tourist", "foreigner", "compatriot"}


def persons(seed: int, count: int, mix: Mix = NATURAL) -> Iterator[Person]:
    """The first `count` persons: the same however many are asked for; at most `chunk.MOST`."""
    for index in range((count + SIZE - 1) // SIZE):
        yield from peopled(seed, index, mix, min(SIZE, count - index * SIZE))


def registrations(seed: int, count: int, mix: Mix = NATURAL) -> Iterator[Registration]:
    """What all sources wrote about the first `count` persons, by time within each 25,000 persons."""
    for row in rows(seed, count, mix):
        yield Registration._make(row)


def rows(seed: int, count: int, mix: Mix = NATURAL) -> Iterator[Row]:
    """The same as plain lists, in the order of `COLUMNS`."""
    for index in range((count + SIZE - 1) // SIZE):
        yield from chunk_rows(seed, index, mix, min(SIZE, count - index * SIZE))


def chunk_rows(seed: int, index: int, mix: Mix, count: int = SIZE) -> list[Row]:
    """The registrations of one chunk, by time."""
    return rows_of(peopled(seed, index, mix, count), seed, index, mix)


def rows_of(people: list[Person], seed: int, index: int, mix: Mix) -> list[Row]:
    """The registrations of these persons of a chunk, by time."""
    found = written(people, Random(f"{seed}:desks:{index}").random, mix)
    found.sort(key=_arrival)
    return found


def _arrival(row: Row) -> tuple[str, str]:
    return row[REGISTERED], row[RECORD]


def written(people: list[Person], chance: Callable[[], float], mix: Mix) -> list[Row]:
    """Every registration of these people."""
    bounds, likely = cumulative(mix.registered), mix.faults / mean_care()
    found: list[Row] = []
    for one in people:
        many = 1 + bisect(bounds, chance())
        if one.kind in _GUESTS and one.last_day - one.first_day < 60:
            many = min(many, 2)
        if one.mother and one.first_day == one.born and chance() < mix.newborns:
            found.append(_newborn(one, chance, mix))
        for visit in range(many):
            day = one.first_day + int(chance() * (one.last_day - one.first_day + 1))
            found.append(_registration(one, min(TODAY, day), visit, likely, chance, mix))
    return found


def _record(one: Person, visit: int) -> int:
    return (one.number * _PER_PERSON + visit) * _SCRAMBLE % _RECORDS


def _newborn(one: Person, chance: Callable[[], float], mix: Mix) -> Row:
    day = min(TODAY, one.born + int(chance() * 4))
    _, source = source_of(one, day, chance)
    source = HOSPITAL.code + source[source.index("-") :]
    row = write(one, day, HOSPITAL, source, _record(one, _PER_PERSON - 1), mix.missing_ids, chance)
    newborn(row, one, chance)
    row[FAULTS] = "newborn"
    return row


def _registration(one: Person, day: int, visit: int, likely: float, chance: Callable[[], float], mix: Mix) -> Row:
    kind, source = source_of(one, day, chance)
    row = write(one, day, kind, source, _record(one, visit), mix.missing_ids, chance)
    if chance() < mix.unknowns * (40 if kind is EMERGENCY else 0.6):
        unknown(row, one, chance)
        row[FAULTS] = "unknown"
        return row
    if row[CITIZEN] and one.citizen_15 and day < _END_OF_FIFTEEN and chance() < mix.fifteen:
        row[CITIZEN] = one.citizen_15
    if chance() < mix.traditional:
        row[NAME] = row[NAME].translate(traditional())
    if chance() < likely * kind.care:
        _spoil(row, one, chance, mix)
        if chance() < mix.second_fault:
            _spoil(row, one, chance, mix)
    return row


def _spoil(row: Row, one: Person, chance: Callable[[], float], mix: Mix) -> None:
    """Sets a fault that this row can have, its code in the column faults."""
    faults = _TYPING if chance() < mix.typing else _PROCESS
    for _ in range(_TRIES):
        code, change = faults[int(chance() * 1024)]
        if change(row, one, chance):
            row[FAULTS] = f"{row[FAULTS]};{code}" if row[FAULTS] else code
            return
