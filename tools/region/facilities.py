"""Where care happens and who gives it: hospitals, health centres and village clinics of Chengmai."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from region.codes import FACILITY_SYSTEM, HL7, STAFF_SYSTEM
from region.people import chance
from region.tables import Village, given_characters, rows, surnames, villages

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Facility:
    """A hospital, health centre or clinic: `parent` is the facility that leads it."""

    code: str
    name: str
    kind: str
    district: str
    parent: str | None = None

    @property
    def id(self) -> str:
        """Its id in the record."""
        return f"facility-{self.code}"


@dataclass(frozen=True, slots=True)
class Worker:
    """Somebody who gives care at a facility."""

    code: str
    family: str
    given: str
    sex: str
    facility: str

    @property
    def id(self) -> str:
        """Their id in the record."""
        return f"staff-{self.code}"

    @property
    def name(self) -> str:
        """Family and given name."""
        return self.family + self.given


HOSPITAL = Facility("CM0000", "澄迈县人民医院", "hospital", "金江镇")
_TOP = (
    HOSPITAL,
    Facility("CM0001", "澄迈县中医院", "hospital", "金江镇"),
    Facility("CM0002", "澄迈县妇幼保健院", "hospital", "金江镇"),
    Facility("CM0003", "澄迈县疾病预防控制中心", "cdc", "金江镇"),
)


def health_centre(town_code: str, town: str) -> Facility:
    """The health centre that serves a town."""
    return Facility(f"CM1{town_code[-3:]}", f"{town}中心卫生院", "centre", town, HOSPITAL.code)


def clinic(village: Village) -> Facility:
    """The clinic of a village or neighbourhood, led by its town's health centre."""
    parent = health_centre(village.town_code, village.town)
    return Facility(f"CM2{village.code[-6:]}", f"{village.place}卫生室", "clinic", village.town, parent.code)


@cache
def facilities() -> tuple[Facility, ...]:
    """All facilities, those that lead others first."""
    centres = tuple(health_centre(row["code"], row["name_zh"]) for row in rows("towns"))
    return (*_TOP, *centres, *(clinic(village) for village in villages()))


@cache
def staff(facility: Facility) -> tuple[Worker, ...]:
    """Who works at a facility."""
    count = {"hospital": 12, "cdc": 4, "centre": 5, "clinic": 1}[facility.kind]
    rng = chance(0, 0, facility.code)
    found = []
    for number in range(count):
        sex = rng.choice(("male", "female"))
        characters = given_characters(sex, "2")
        given = "".join(characters.choose(rng).text for _ in range(2))
        found.append(
            Worker(f"{facility.code}-{number}", surnames("hainan").choose(rng).text, given, sex, facility.code)
        )
    return tuple(found)


def organization(facility: Facility) -> Resource:
    """The facility as an Organization: http://hl7.org/fhir/R4/organization.html."""
    resource: Resource = {
        "resourceType": "Organization",
        "id": facility.id,
        "identifier": [{"system": FACILITY_SYSTEM, "value": facility.code}],
        "active": True,
        "type": [{"coding": [{"system": f"{HL7}/organization-type", "code": "prov"}]}],
        "name": facility.name,
        "address": [{"country": "CN", "state": "海南省", "city": "澄迈县", "district": facility.district}],
    }
    if facility.parent:
        resource["partOf"] = {"reference": f"Organization/facility-{facility.parent}"}
    return resource


def practitioner(worker: Worker) -> Resource:
    """The worker as a Practitioner: http://hl7.org/fhir/R4/practitioner.html."""
    return {
        "resourceType": "Practitioner",
        "id": worker.id,
        "identifier": [{"system": STAFF_SYSTEM, "value": worker.code}],
        "active": True,
        "name": [{"text": worker.name, "family": worker.family, "given": [worker.given]}],
        "gender": worker.sex,
    }
