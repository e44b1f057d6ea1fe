"""A desk writes somebody down as they were on that day, by its own habits and without an error yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from region.population.days import ISO, MINUTES
from region.population.lists import traditional
from region.population.names import pinyin
from region.population.places import BY_PEOPLE, COUNTIES, Address
from region.population.row import (
    ADDRESS,
    BIRTH,
    CARD,
    CERTIFICATE,
    CITIZEN,
    DISTRICT,
    DIVISION,
    FORMER,
    LATIN,
    MOTHER,
    NAME,
    NATIONALITY,
    ORDER,
    OTHER_PHONE,
    PASSPORT,
    PASSPORT_COUNTRY,
    PERMIT,
    PHONE,
)
from region.population.sources import ADULTS, ARCHIVE, CHILDREN, GUESTS, HOSPITAL, VACCINATION, Kind

if TYPE_CHECKING:
    from region.population.person import Person

Chance = Callable[[], float]
Row = list[str]
_YEAR = 365.25
_SEXES = {"M": "male", "F": "female"}
_CODE_OF = {county.region: county.code for county in COUNTIES}
_BY_PLACE = dict.fromkeys(("bird", "tourist", "foreigner", "compatriot"), GUESTS) | dict.fromkeys(
    ("resident", "worker"), ADULTS
)
_NUMBERED_AFTER = 60
"""Days until a newborn's household registration gives it a number."""

_DOTS = ("·", "·", "·", "·", "•", ".", "．", "-", " ", "")
_AT_HOME = 0.8
"""Of registrations of residents, those at a source of their own county."""


def source_of(person: Person, day: int, chance: Chance) -> tuple[Kind, str]:
    """A kind of source and the one of that kind that saw them."""
    child = day - person.born < 14 * _YEAR and person.kind in {"resident", "worker"}
    kinds = CHILDREN if child else _BY_PLACE[person.kind]
    kind = kinds[int(chance() * 1024)]
    stay = person.stay or person.address
    code = _CODE_OF.get(stay.region, "")
    if not code or chance() > _AT_HOME:
        code = BY_PEOPLE[int(chance() * 4096)].code
    return kind, f"{kind.code}-{code}-{1 + int(chance() * kind.of_county)}"


def write(person: Person, day: int, kind: Kind, source: str, number: int, no_ids: float, chance: Chance) -> Row:
    """The row of an honest and careful registration; `no_ids` times the source's share lack documents."""
    draw, chinese = chance(), person.country == "CHN"
    name = person.name if day >= person.name_since or not person.name_before else person.name_before
    former = person.name_before if day >= person.name_since and person.name_before and draw < 0.15 else ""
    if "·" in name:
        name = name.replace("·", _DOTS[int(chance() * 10)])
    row = [
        person.person_id, f"R{number:010d}", source, kind.code, f"{kind.code[:2].upper()}{number:010d}", name, former,
        pinyin(name) if chinese and draw < kind.latin and not person.latin else "", _SEXES[person.sex], ISO[person.born],
        "", "", "", "", "", "", "", "", "", "", "", "", "", person.country, ISO[day] + MINUTES[int(chance() * 720)], "",
    ]  # fmt: skip
    if not chinese or person.latin:
        _latin(row, person, day, kind, chance)
    if chance() >= min(0.95, kind.no_document * no_ids):
        _documents(row, person, day, kind, chance)
    if person.card and chance() < kind.card:
        row[CARD] = person.card_before if person.card_before and chance() < 0.4 else person.card
    _telephones(row, person, day, kind, chance)
    if chance() >= kind.no_address:
        _address(row, person, day, kind, chance)
    if person.mother and day - person.born < 14 * _YEAR and (kind is VACCINATION or chance() < 0.2):
        row[MOTHER] = person.mother
        row[ORDER] = person.birth_order if chance() < 0.5 else ""
    return row


def _latin(row: Row, person: Person, day: int, kind: Kind, chance: Chance) -> None:
    """Names in Latin letters: the passport's, in the order, case and place that the desk is used to."""
    latin = person.latin_before if person.latin_before and day < person.name_since else person.latin
    if person.latin_before and day >= person.name_since and chance() < 0.1:
        row[FORMER] = person.latin_before.replace(", ", " ")
    family, _, given = latin.partition(", ")
    draw = chance()
    text = f"{family} {given}" if draw < 0.5 else f"{given} {family}" if draw < 0.85 else f"{family}, {given}"
    if chance() < 0.6:
        text = text.upper()
    if row[NAME] and (person.kind != "foreigner" or chance() < 0.35):
        row[LATIN] = text if chance() < max(0.4, kind.latin) else ""
        if person.kind == "compatriot" and chance() < 0.35:
            row[NAME] = row[NAME].translate(_SIMPLIFIED)
    else:
        row[NAME], row[LATIN] = text, ""


_SIMPLIFIED = {ord(other): chr(simple) for simple, other in traditional().items()}


def _documents(row: Row, person: Person, day: int, kind: Kind, chance: Chance) -> None:
    age_days = day - person.born
    if person.citizen:
        if age_days >= _NUMBERED_AFTER + int(chance() * 60):
            row[CITIZEN] = person.citizen
        if person.birth_certificate and (kind is VACCINATION or age_days < 400) and chance() < 0.8:
            row[CERTIFICATE] = person.birth_certificate
        return
    if person.passport:
        renewed = not person.passport_before or day >= person.passport_since
        row[PASSPORT] = person.passport if renewed else person.passport_before
        row[PASSPORT_COUNTRY] = person.country if chance() < 0.9 else ""
    if person.permit:
        permit = person.permit if not person.permit_before or day >= person.permit_since else person.permit_before
        if len(permit) in {8, 9} and chance() < 0.1:
            permit += "01"
        if not person.passport or chance() < 0.6:
            row[PERMIT] = permit
            if person.passport and chance() < 0.7:
                row[PASSPORT] = row[PASSPORT_COUNTRY] = ""
        if len(permit) == 18 and chance() < 0.5:
            row[CITIZEN], row[PERMIT] = permit, ""


def _telephones(row: Row, person: Person, day: int, kind: Kind, chance: Chance) -> None:
    draw = chance()
    own = person.phone if not person.phone_before or day >= person.phone_since else person.phone_before
    if draw < kind.no_phone:
        return
    if not own or draw > 0.97:
        own = person.family_phone
    row[PHONE] = own
    draw = chance()
    if draw < 0.06 and person.home_phone:
        row[OTHER_PHONE] = person.home_phone
    elif draw < 0.10 and person.family_phone != own:
        row[OTHER_PHONE] = person.family_phone
    if draw > 0.97 and len(own) == 11:
        row[PHONE] = f"{own[:3]} {own[3:7]} {own[7:]}" if draw > 0.985 else f"+86{own}"


def _address(row: Row, person: Person, day: int, kind: Kind, chance: Chance) -> None:
    where: Address = person.address
    if person.address_before is not None and day < person.address_since:
        where = person.address_before
    if person.stay is not None and chance() < (0.5 if person.kind == "bird" else 0.6):
        where = person.stay
    draw = chance()
    if draw < kind.full_address:
        row[ADDRESS] = where.region + where.town + where.place + where.house
    elif draw < kind.full_address + (1 - kind.full_address) * 0.5:
        row[ADDRESS] = where.town + where.place + where.house
    else:
        row[ADDRESS] = where.town + where.place
    if chance() < 0.7:
        row[DISTRICT] = where.district
    if where.division and (kind is ARCHIVE or (kind is HOSPITAL and draw < 0.4)):
        row[DIVISION] = where.division if kind is ARCHIVE else where.division[:6]


_CHILD = {"M": ("之子", "之子", "男婴"), "F": ("之女", "之女", "女婴")}
_OF_TWINS = {
    "M1": ("之长子", "之子大"),
    "M2": ("之次子", "之子小"),
    "F1": ("之长女", "之女大"),
    "F2": ("之次女", "之女小"),
}


def newborn(row: Row, person: Person, chance: Chance) -> None:
    """A birth hospital's registration before there is a name: 某某之子, with a parent's telephone."""
    draw = chance()
    if person.birth_order:
        row[NAME] = person.mother + _OF_TWINS[person.sex + person.birth_order][draw > 0.6]
        row[ORDER] = person.birth_order if chance() < 0.7 else ""
    else:
        row[NAME] = person.mother + ("之婴" if draw < 0.15 else _CHILD[person.sex][int(draw * 3)])
    row[FORMER] = row[LATIN] = row[CITIZEN] = row[CARD] = row[OTHER_PHONE] = ""
    row[CERTIFICATE] = row[CERTIFICATE] if chance() < 0.5 else ""
    row[PHONE] = person.family_phone
    row[MOTHER] = person.mother if chance() < 0.8 else ""


_NOT_OF_NOBODY = (FORMER, LATIN, *range(CITIZEN, NATIONALITY))
_NOBODY = ("无名氏", "无名氏", "无名男", "不详", "未知", "无名", "身份不明者")


def unknown(row: Row, person: Person, chance: Chance) -> None:
    """Whom the ambulance brings without a name: a sex, sometimes a guessed year."""
    row[NAME] = _NOBODY[int(chance() * len(_NOBODY))]
    if row[NAME] == "无名男" and person.sex == "F":
        row[NAME] = "无名女"
    for place in _NOT_OF_NOBODY:
        row[place] = ""
    year = int(ISO[person.born][:4]) + int(chance() * 11) - 5
    draw = chance()
    row[BIRTH] = "" if draw < 0.5 else f"{min(year, 2026)}-01-01" if draw < 0.8 else f"{min(year, 2026)}"
