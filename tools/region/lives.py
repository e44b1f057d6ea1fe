"""What happened to a person, as their clinics, hospitals and vaccinators wrote it down."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any

from region import codes, fhir
from region.codes import Concept, concept
from region.facilities import HOSPITAL, Facility, Worker, clinic, health_centre, staff
from region.fhir import Resource, Visit
from region.naming import Naming, new_uuid
from region.people import TODAY, Person, chance
from region.registering import identity, registered
from region.tables import Weighted

YEARS = 3
"""How many years back the records of visits go; vaccinations of children go back to their birth."""

CHECK_UP = concept("健康体检", (codes.SNOMED, "410620009", "Well child visit"))
GENERAL = concept("健康体检", (codes.SNOMED, "162673000", "General examination of patient"))
FOLLOW_UP = concept("慢性病随访", (codes.SNOMED, "390906007", "Follow-up encounter"))
PROBLEM = concept("门诊", (codes.SNOMED, "185347001", "Encounter for problem"))
VACCINATION = concept("预防接种", (codes.SNOMED, "33879002", "Administration of vaccine to produce active immunity"))

_ILLNESS: Weighted[codes.Illness] = Weighted((one, one.weight) for one in codes.ILLNESSES)


@dataclass(slots=True)
class Life:
    """A person's resources so far, each with its id; `seed` and the person's number make all of it."""

    person: Person
    naming: Naming
    rng: Random
    entries: list[tuple[str, Resource]] = field(default_factory=list)
    patient: dict[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> tuple[str, str]:
        """System and value of the document that the person is known by."""
        return identity(self.person)

    def add(self, resource: Resource) -> dict[str, str]:
        """Keep a resource; a reference to it."""
        id_ = new_uuid(self.rng)
        self.entries.append((id_, resource))
        return self.naming.of(resource["resourceType"], id_)

    def visit(
        self, day: date, facility: Facility, type_: Concept, *, class_code: str = "AMB", minutes: int = 30
    ) -> Visit:
        """An encounter on a day, with whoever works there."""
        start = datetime.combine(day, time(8 + self.rng.randrange(9), self.rng.randrange(60), self.rng.randrange(60)))
        worker: Worker = self.rng.choice(staff(facility))
        visit = Visit(self.patient, {}, self.naming.facility(facility), self.naming.worker(worker), start)
        visit.encounter.update(self.add(fhir.encounter(visit, class_code, type_, minutes)))
        return visit


def life(person: Person, seed: int, naming: Naming) -> Life:
    """Everything on record about a person, the Patient first."""
    lived = Life(person, naming, chance(seed, person.number, "life"))
    home = _home(person)
    lived.patient = lived.add(registered(person, naming.facility(home)["reference"]))
    if person.village is None:
        _illness(lived, HOSPITAL, TODAY - timedelta(days=lived.rng.randrange(1, 400)))
        return lived
    _childhood(lived, home)
    first = True
    for back in range(YEARS, 0, -1):
        day = TODAY - timedelta(days=365 * back - lived.rng.randrange(300))
        if day <= person.born_on:
            continue
        visit = _check_up(lived, home, day)
        if first:
            _allergies(lived, visit)
        _chronic(lived, home, visit, day, first=first)
        first = False
        for _ in range(_count(lived.rng, 0.9 if person.age_on(day) < 60 else 1.6)):
            _illness(lived, home, day + timedelta(days=lived.rng.randrange(60)))
    return lived


def _count(rng: Random, mean: float) -> int:
    """A number of events with this mean (a sum of chances, at most four)."""
    return sum(rng.random() < mean / 4 for _ in range(4))


def _home(person: Person) -> Facility:
    """Where the person usually goes: the village's clinic, the town's health centre, or the county's hospital."""
    if person.village is None:
        return HOSPITAL
    part = person.number % 10
    if part < 4:
        return clinic(person.village)
    return health_centre(person.village.town_code, person.village.town) if part < 8 else HOSPITAL


def _check_up(lived: Life, facility: Facility, day: date) -> Visit:
    """The yearly examination of the public health services: measures, and blood from forty years on."""
    person, rng = lived.person, lived.rng
    age = person.age_on(day)
    visit = lived.visit(day, facility, CHECK_UP if age < 7 else GENERAL)
    bmi = max(11.5, person.bmi + rng.gauss(0, 0.4))
    lived.add(fhir.observation(visit, codes.HEIGHT, person.height_cm))
    lived.add(fhir.observation(visit, codes.WEIGHT, bmi * (person.height_cm / 100) ** 2))
    lived.add(fhir.observation(visit, codes.BMI, bmi))
    lived.add(fhir.observation(visit, codes.TEMPERATURE, rng.gauss(36.5, 0.2)))
    lived.add(fhir.observation(visit, codes.HEART_RATE, rng.gauss(74 if age >= 18 else 92, 8)))
    if age >= 18:
        lived.add(_pressure(lived, visit))
    if age >= 40:
        _laboratory(lived, visit)
    return visit


def _pressure(lived: Life, visit: Visit) -> Resource:
    high = lived.person.hypertensive
    systolic = lived.rng.gauss(146 if high else 119, 11)
    return fhir.blood_pressure(visit, systolic, systolic * lived.rng.gauss(0.61, 0.03))


def _laboratory(lived: Life, visit: Visit) -> None:
    person, rng = lived.person, lived.rng
    values: list[tuple[codes.Measure, float]] = [
        (codes.GLUCOSE, rng.gauss(8.4, 1.6) if person.diabetic else rng.gauss(5.1, 0.5)),
        (codes.CHOLESTEROL, rng.gauss(4.9, 0.9)),
        (codes.TRIGLYCERIDE, abs(rng.gauss(1.5, 0.6)) + 0.2),
        (codes.HAEMOGLOBIN, rng.gauss(148 if person.sex == "male" else 131, 10)),
    ]
    if person.diabetic:
        values.append((codes.HBA1C, rng.gauss(7.4, 1.0)))
    results = [lived.add(fhir.observation(visit, measure, value, 20)) for measure, value in values]
    lived.add(fhir.report(visit, codes.LABORATORY_REPORT, results))


def _allergies(lived: Life, visit: Visit) -> None:
    if lived.person.allergic:
        drug = lived.rng.random() < 0.5
        lived.add(fhir.allergy(visit, codes.PENICILLIN if drug else codes.SEAFOOD, "medication" if drug else "food"))


def _chronic(lived: Life, home: Facility, visit: Visit, day: date, *, first: bool) -> None:
    """Diagnosis when first seen, then a follow-up each quarter with pressure, glucose and a prescription."""
    person = lived.person
    kept: list[tuple[Concept, Concept, str]] = []
    if person.hypertensive:
        kept.append((codes.HYPERTENSION, codes.AMLODIPINE, "每日一次，每次一片，早晨服用"))
    if person.diabetic:
        kept.append((codes.DIABETES, codes.METFORMIN, "每日两次，每次一片，随餐服用"))
    if not kept:
        return
    if first:
        for code, _, _ in kept:
            lived.add(fhir.condition(visit, code, onset=day.isoformat()))
    for quarter in range(4):
        when = day + timedelta(days=90 * quarter + lived.rng.randrange(1, 20))
        if when > TODAY:
            return
        again = lived.visit(when, home, FOLLOW_UP, minutes=15)
        lived.add(_pressure(lived, again))
        if person.diabetic:
            lived.add(fhir.observation(again, codes.GLUCOSE, lived.rng.gauss(8.0, 1.5)))
        for _, medicine, text in kept:
            latest = when + timedelta(days=120) > TODAY
            lived.add(fhir.prescription(again, medicine, None, text, active=latest))


def _illness(lived: Life, facility: Facility, day: date) -> None:
    """An acute illness: visit, temperature, diagnosis, medicine and the note of the visit."""
    if day > TODAY:
        return
    illness = _ILLNESS.choose(lived.rng)
    night = lived.rng.random() < 0.1
    visit = lived.visit(day, facility, PROBLEM, class_code="EMER" if night else "AMB")
    fever = lived.rng.gauss(illness.fever, 0.5)
    lived.add(fhir.observation(visit, codes.TEMPERATURE, fever))
    ended = day + timedelta(days=illness.days)
    reason = lived.add(
        fhir.condition(
            visit, illness.code, onset=(day - timedelta(days=1)).isoformat(),
            ended=ended.isoformat() if ended <= TODAY else None,
        )
    )  # fmt: skip
    name, medicine = illness.code["text"], illness.medicine["text"]
    lived.add(fhir.prescription(visit, illness.medicine, reason, "每日三次，饭后服用，连用三日", active=ended > TODAY))
    lived.add(
        fhir.document(visit, f"主诉：不适1天。体温{fever:.1f}℃。诊断：{name}。处理：{medicine}，多休息，三日后复诊。")
    )


def _childhood(lived: Life, home: Facility) -> None:
    """The doses of the national programme that were due, some of them late, and flu vaccine for the old."""
    person, rng = lived.person, lived.rng
    age_days = (TODAY - person.born_on).days
    due: dict[date, list[codes.Dose]] = {}
    for dose in codes.CHILDHOOD if age_days < 15 * 365 else ():
        late = rng.randrange(1, 15) if rng.random() < 0.9 else rng.randrange(30, 200)
        when = person.born_on + timedelta(days=int(dose.months * 30.44) + (late if dose.months else 0))
        if when <= TODAY and rng.random() < 0.97:
            due.setdefault(when, []).append(dose)
    for when in sorted(due):
        visit = lived.visit(when, home, VACCINATION, minutes=40)
        for dose in due[when]:
            lived.add(fhir.immunization(visit, dose.vaccine, dose.number, _lot(rng, when)))
    if age_days > 60 * 365 and rng.random() < 0.4:
        when = TODAY.replace(year=TODAY.year - 1, month=10, day=1 + rng.randrange(28))
        lived.add(fhir.immunization(lived.visit(when, home, VACCINATION), codes.INFLUENZA, 1, _lot(rng, when)))


def _lot(rng: Random, when: date) -> str:
    return f"{when:%Y%m}{rng.randrange(1000):03d}"


def resources(lived: Life) -> list[dict[str, Any]]:
    """The person's resources, each with the id it keeps."""
    return [{"resourceType": one["resourceType"], "id": id_, **one} for id_, one in lived.entries]
