"""How a facility wrote a person down: a Patient. What people get wrong at the counter belongs here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from region.codes import CARD_SYSTEM, CITIZEN_SYSTEM, HL7, PASSPORT_SYSTEM

if TYPE_CHECKING:
    from region.people import Person

_REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"


def identity(person: Person) -> tuple[str, str]:
    """System and value of the document that the person is known by."""
    if person.citizen:
        return CITIZEN_SYSTEM, person.citizen
    return f"{PASSPORT_SYSTEM}{person.nationality}", person.passport or ""


def registered(person: Person, facility_reference: str) -> dict[str, Any]:
    """The person as a facility registered them, without an error: http://hl7.org/fhir/R4/patient.html."""
    system, value = identity(person)
    patient: dict[str, Any] = {
        "resourceType": "Patient",
        "identifier": [
            {"use": "official", "type": _document_type("NI" if person.citizen else "PPN"), "system": system, "value": value},
        ],
        "active": True,
        "name": _names(person),
        "telecom": [{"system": "phone", "value": person.telephone, "use": "mobile"}],
        "gender": person.sex,
        "birthDate": person.born_on.isoformat(),
        "managingOrganization": {"reference": facility_reference},
    }  # fmt: skip
    if person.village is not None:
        patient["identifier"].append({"system": CARD_SYSTEM, "value": f"46{person.number:010d}"})
        patient["address"] = [_address(person)]
    return patient


def _document_type(code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"{HL7}/v2-0203", "code": code}]}


def _names(person: Person) -> list[dict[str, Any]]:
    given = "".join(part.text for part in person.given)
    latin = "".join(part.pinyin for part in person.given).capitalize()
    if person.passport:
        name = person.given[0].text
        return [
            {"use": "official", "text": f"{name} {person.family.text}", "family": person.family.text, "given": [name]}
        ]
    return [
        {
            "extension": [{"url": _REPRESENTATION, "valueCode": "IDE"}],
            "use": "official", "text": person.family.text + given, "family": person.family.text, "given": [given],
        },
        {
            "extension": [{"url": _REPRESENTATION, "valueCode": "SYL"}],
            "use": "official", "text": f"{person.family.pinyin} {latin}", "family": person.family.pinyin, "given": [latin],
        },
    ]  # fmt: skip


def _address(person: Person) -> dict[str, Any]:
    village = person.village
    if village is None:
        raise ValueError("a visitor has no address here")
    line = f"{village.place}{person.number % 180 + 1}号"
    return {
        "use": "home", "text": f"海南省澄迈县{village.town}{line}", "line": [line], "city": "澄迈县",
        "district": village.town, "state": "海南省", "postalCode": "571900", "country": "CN",
    }  # fmt: skip
