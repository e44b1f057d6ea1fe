"""What a population is made of: shares, each with its reason in the README."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares between 0 and 1: of persons, of births, or of registrations, as each line says."""

    # of households, by who they are; the rest are residents of the island
    workers: float = 0.10
    birds: float = 0.07
    tourists: float = 0.05
    foreigners: float = 0.012
    compatriots: float = 0.006

    # of persons
    registered: tuple[float, ...] = (0.34, 0.26, 0.16, 0.10, 0.06, 0.04, 0.02, 0.02)
    """How many registrations a person has: one, two, …"""
    strangers: float = 0.0005
    """Made with the name, sex and birth date of somebody else, besides those that chance makes."""
    adult_twins: float = 0.006
    new_phone: float = 0.30
    new_home: float = 0.18
    renamed: float = 0.006
    old_prefix: float = 0.90
    """Of residents born before 2001, those whose number carries the code that was in force before."""

    # of births
    twins: float = 0.011
    twins_of_one_sex: float = 0.68
    newborns: float = 0.20
    """Of those born since 2009, the ones registered before they had a name."""

    # of registrations
    faults: float = 0.055
    """Written down wrongly, on average of all kinds of sources."""
    second_fault: float = 0.15
    """Of those with a fault, the ones with another."""
    typing: float = 0.55
    """Of faults, those of model A (typing); the others are of model B (process)."""
    missing_ids: float = 1.0
    """A factor to each source's share of missing documents."""
    unknowns: float = 0.0005
    traditional: float = 0.002
    fifteen: float = 0.35
    """Of those who had a number of 15 digits, the registrations before 2013 that use it."""


NATURAL = Mix()
HARD = replace(
    NATURAL,
    foreigners=0.06, compatriots=0.03, registered=(0.10, 0.30, 0.25, 0.15, 0.10, 0.05, 0.03, 0.02),
    strangers=0.06, adult_twins=0.06, new_phone=0.55, new_home=0.35, renamed=0.03, twins=0.25, newborns=0.7,
    faults=0.22, second_fault=0.3, missing_ids=2.0, unknowns=0.01, traditional=0.01,
)  # fmt: skip
MIXES = {"natural": NATURAL, "hard": HARD}
