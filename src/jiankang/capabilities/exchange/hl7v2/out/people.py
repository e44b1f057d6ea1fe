"""Patients and visits as PID, PV1 and the rest of an ADT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.hl7v2.out.writing import Field, Repeated, dtm, segment

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]
_SEX = {"male": "M", "female": "F", "other": "O", "unknown": "U"}
_NAME_USE = {"official": "L", "usual": "D", "nickname": "N", "maiden": "M", "old": "BAD", "anonymous": "S", "temp": "L"}
_ADDRESS_USE = {"home": "H", "work": "B", "temp": "C", "old": "BA", "billing": "BI"}
_TELECOM_USE = {"home": "PRN", "work": "WPN", "mobile": "PRN", "temp": "VHN", "old": "ORN"}
_EQUIPMENT = {"phone": "PH", "fax": "FX", "email": "Internet", "pager": "BP", "url": "Internet", "sms": "CP"}
_CLASS = {"IMP": "I", "AMB": "O", "EMER": "E", "PRENC": "P", "ACUTE": "I", "NONAC": "I", "SS": "O", "OBSENC": "B"}
_REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"


def authority(system: str, named: Mapping[str, str] | None = None) -> list[str]:
    """An assigning authority of a system: the name that a receiver knows, an OID, or the URI."""
    name = (named or {}).get(system, "")
    if system.startswith("urn:oid:"):
        return [name, system.removeprefix("urn:oid:"), "ISO"]
    return [name, system, "URI"] if system else [name]


def cx(identifier: Json, named: Mapping[str, str] | None = None) -> list[object]:
    """An Identifier as CX."""
    kind = next((one.get("code", "") for one in identifier.get("type", {}).get("coding", [])), "")
    return [identifier.get("value", ""), "", "", authority(identifier.get("system", ""), named), kind or "PI"]


def xpn(name: Json) -> list[object]:
    """A HumanName as XPN. A Chinese name that comes as one text is parted no further."""
    given = name.get("given", [])
    family = name.get("family", "")
    if not family and not given:
        family = name.get("text", "")
    said = next(
        (one.get("valueCode", "") for one in name.get("extension", []) if one.get("url") == _REPRESENTATION), ""
    )
    return [
        family, given[0] if given else "", " ".join(given[1:]), " ".join(name.get("suffix", [])),
        " ".join(name.get("prefix", [])), "", _NAME_USE.get(name.get("use", ""), "L"), {"IDE": "I", "ABC": "A"}.get(said, ""),
    ]  # fmt: skip


def xad(address: Json) -> list[object]:
    """An Address as XAD."""
    lines = address.get("line", [])
    street = lines[0] if lines else address.get("text", "")
    return [
        street, " ".join(lines[1:]), address.get("city", ""), address.get("state", ""), address.get("postalCode", ""),
        address.get("country", ""), _ADDRESS_USE.get(address.get("use", ""), ""), "", address.get("district", ""),
    ]  # fmt: skip


def xtn(telecom: Json) -> list[object]:
    """A ContactPoint as XTN."""
    value, system = telecom.get("value", ""), telecom.get("system", "phone")
    mobile = system == "phone" and telecom.get("use") == "mobile"
    mail = value if system in {"email", "url"} else ""
    return [
        "" if mail else value, "NET" if mail else _TELECOM_USE.get(telecom.get("use", ""), "PRN"),
        "CP" if mobile else _EQUIPMENT.get(system, "PH"), mail,
    ]  # fmt: skip


def cwe(concept: Json | None) -> list[object]:
    """A CodeableConcept as CWE: two Codings and the text."""
    codings = (concept or {}).get("coding", [])
    parts: list[object] = []
    for coding in codings[:2]:
        parts += [coding.get("code", ""), coding.get("display", ""), _table(coding.get("system", ""))]
    parts += [""] * (8 - len(parts))
    return [*parts, (concept or {}).get("text", "")]


_TABLES = {
    "http://loinc.org": "LN", "http://snomed.info/sct": "SCT", "http://unitsofmeasure.org": "UCUM",
    "http://hl7.org/fhir/sid/icd-10": "I10", "http://hl7.org/fhir/sid/cvx": "CVX",
}  # fmt: skip


def _table(system: str) -> str:
    v2 = "http://terminology.hl7.org/CodeSystem/v2-"
    if system.startswith(v2):
        return f"HL7{system.removeprefix(v2)}"
    return _TABLES.get(system, system)


def pid(patient: Json, named: Mapping[str, str] | None = None) -> str:
    """PID of a Patient (3.4.2)."""
    death: dict[str, Field] = {}
    if patient.get("deceasedDateTime"):
        death = {"f29": dtm(patient["deceasedDateTime"]), "f30": "Y"}
    elif "deceasedBoolean" in patient:
        death = {"f30": "Y" if patient["deceasedBoolean"] else "N"}
    telecom = patient.get("telecom", [])
    return segment(
        "PID",
        f1="1",
        f3=Repeated(cx(one, named) for one in patient.get("identifier", []) if one.get("value")),
        f5=Repeated(xpn(one) for one in patient.get("name", [])),
        f7=dtm(patient.get("birthDate")),
        f8=_SEX.get(patient.get("gender", ""), ""),
        f11=Repeated(xad(one) for one in patient.get("address", [])),
        f13=Repeated(xtn(one) for one in telecom if one.get("use") != "work"),
        f14=Repeated(xtn(one) for one in telecom if one.get("use") == "work"),
        f16=cwe(patient.get("maritalStatus")),
        f25=str(patient["multipleBirthInteger"]) if "multipleBirthInteger" in patient else "",
        **death,
    )


def pv1(encounter: Json | None, named: Mapping[str, str] | None = None) -> str:
    """PV1 of an Encounter (3.4.3); without one, that the visit is not known."""
    if encounter is None:
        return segment("PV1", f1="1", f2="N")
    number = next(iter(encounter.get("identifier", [])), None)
    places: list[Json] = encounter.get("location", [])
    place: Json = places[-1].get("location", {}) if places else {}
    period = encounter.get("period", {})
    return segment(
        "PV1",
        f1="1",
        f2=_CLASS.get(encounter.get("class", {}).get("code", ""), "U"),
        f3=["", "", "", "", "", "", "", "", place.get("display", "")] if place.get("display") else None,
        f7=Repeated(_attending(encounter)),
        f19=cx(number, named) if number else None,
        f44=dtm(period.get("start")),
        f45=dtm(period.get("end")),
    )


def _attending(encounter: Json) -> list[Field]:
    found: list[Field] = []
    for one in encounter.get("participant", []):
        codes = {coding.get("code") for kind in one.get("type", []) for coding in kind.get("coding", [])}
        who = one.get("individual", {})
        if "ATND" in codes and who.get("display"):
            found.append(["", who["display"]])
    return found
