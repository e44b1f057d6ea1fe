"""A person as they are: what is true, and what was true before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from region.population.places import Address


class Person:
    """Somebody; days count as in `days`, texts are empty where there is nothing, `*_since` is 0 when nothing changed."""

    __slots__ = (
        "address", "address_before", "address_since", "birth_certificate", "birth_order", "born", "card",
        "card_before", "citizen", "citizen_15", "country", "family_phone", "first_day", "home_phone", "household",
        "kind", "last_day", "latin", "latin_before", "mother", "name", "name_before", "name_since", "number",
        "passport", "passport_before", "passport_since", "people", "permit", "permit_before", "permit_since",
        "person_id", "phone", "phone_before", "phone_since", "relative_citizen", "sex", "stay", "stranger_of",
        "twin_of",
    )  # fmt: skip

    def __init__(
        self, number: int, household: int, kind: str, sex: str, born: int, name: str, address: Address
    ) -> None:
        self.number = number
        self.person_id = f"P{number:08d}"
        self.household = household
        self.kind = kind
        self.sex = sex
        self.born = born
        self.name = name
        self.address = address
        self.people = "han"
        self.country = "CHN"
        self.latin = self.latin_before = self.name_before = ""
        self.citizen = self.citizen_15 = self.relative_citizen = ""
        self.passport = self.passport_before = self.permit = self.permit_before = ""
        self.birth_certificate = self.card = self.card_before = ""
        self.phone = self.phone_before = self.family_phone = self.home_phone = ""
        self.mother = self.birth_order = ""
        self.address_before: Address | None = None
        self.stay: Address | None = None
        self.name_since = self.phone_since = self.address_since = self.passport_since = self.permit_since = 0
        self.twin_of = self.stranger_of = -1
        self.first_day = self.last_day = 0
