"""A registration as the FHIR Patient that its source would send: http://hl7.org/fhir/R4/patient.html."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from region.codes import CARD_SYSTEM, CITIZEN_SYSTEM, FACILITY_SYSTEM, HL7, PASSPORT_SYSTEM

if TYPE_CHECKING:
    from region.population.row import Registration

LOCAL_SYSTEM = "urn:jiankang:region:local:"
"""Followed by the source: its own numbers of patients."""

TRUTH_SYSTEM = "urn:jiankang:region:truth"
"""Who it really is, as a tag in meta: left out unless asked for."""

_MOTHERS_NAME = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"
_TYPES = "urn:jiankang:codes:ws364:CV02.01.101"
_SHAPES = {"H": "06", "M": "06", "9": "07"}


def patient(row: Registration, *, truth: bool = False) -> dict[str, Any]:
    """The Patient; what the source left empty or wrote in a form that FHIR cannot carry (a date, a sex) is absent or text."""
    resource: dict[str, Any] = {
        "resourceType": "Patient",
        "id": row.record_id,
        "identifier": list(_identifiers(row)),
        "active": True,
        "name": _names(row),
        "managingOrganization": {"identifier": {"system": FACILITY_SYSTEM, "value": row.source}},
    }
    if truth:
        resource["meta"] = {"tag": [{"system": TRUTH_SYSTEM, "code": row.person_id}]}
    if phones := [one for one in (row.phone, row.other_phone) if one]:
        resource["telecom"] = [{"system": "phone", "value": one} for one in phones]
    if row.sex:
        resource["gender"] = row.sex
    if _is_date(row.birth_date):
        resource["birthDate"] = row.birth_date
    if row.address or row.district:
        resource["address"] = [_address(row)]
    if row.mother_name:
        resource["extension"] = [{"url": _MOTHERS_NAME, "valueString": row.mother_name}]
    if row.birth_order:
        resource["multipleBirthInteger"] = int(row.birth_order)
    return resource


def _is_date(text: str) -> bool:
    """Whether FHIR can carry it: http://hl7.org/fhir/R4/datatypes.html#date."""
    from datetime import date

    parts = text.split("-")
    if not text or len(parts) > 3 or len(parts[0]) != 4 or not all(part.isdigit() for part in parts):
        return False
    try:
        date(*(int(part) for part in [*parts, "1", "1"][:3]))
    except ValueError:
        return False
    return True


def _names(row: Registration) -> list[dict[str, Any]]:
    """Names as whole texts, as Chinese systems keep them."""
    names = [{"use": "official", "text": row.name}] if row.name.strip() else []
    if row.latin_name:
        names.append({"use": "official", "text": row.latin_name})
    if row.former_name:
        names.append({"use": "old", "text": row.former_name})
    return names


def _identifiers(row: Registration) -> list[dict[str, Any]]:
    found = [{"use": "secondary", "system": LOCAL_SYSTEM + row.source, "value": row.local_id, "type": _v2("MR")}]
    if row.citizen_id:
        found.append({"use": "official", "system": CITIZEN_SYSTEM, "value": row.citizen_id, "type": _v2("NI")})
    if row.passport:
        country = row.passport_country
        found.append(
            {"value": row.passport, "type": _v2("PPN")} | ({"system": PASSPORT_SYSTEM + country} if country else {})
        )
    if row.permit:
        found.append(
            {"value": row.permit, "type": _ws(_SHAPES.get(row.permit[:1], "11") if len(row.permit) < 14 else "11")}
        )
    if row.birth_certificate:
        found.append({"value": row.birth_certificate, "type": _ws("14")})
    if row.ehealth_card:
        found.append({"system": CARD_SYSTEM, "value": row.ehealth_card, "type": _ws("15")})
    return found


def _v2(code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"{HL7}/v2-0203", "code": code}]}


def _ws(code: str) -> dict[str, Any]:
    return {"coding": [{"system": _TYPES, "code": code}]}


def _address(row: Registration) -> dict[str, Any]:
    return {
        key: value
        for key, value in (("use", "home"), ("text", row.address), ("district", row.district), ("country", "CN"))
        if value
    }
