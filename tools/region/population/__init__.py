"""A population to measure identity on: people, and what every source wrote down about them, by seed."""

from region.population.mixes import HARD, NATURAL, Mix
from region.population.stream import COLUMNS, Registration, persons, registrations

__all__ = ["COLUMNS", "HARD", "NATURAL", "Mix", "Registration", "persons", "registrations"]
