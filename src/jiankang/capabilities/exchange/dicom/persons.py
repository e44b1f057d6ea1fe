"""Who is imaged, and who asked for it: https://dicom.nema.org/medical/dicom/current/output/chtml/part03/sect_C.7.html."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange import naming
from jiankang.capabilities.exchange.dicom.coding import house
from jiankang.capabilities.exchange.dicom.moments import day

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.dicom.dataset import Dataset, PersonName
    from jiankang.capabilities.exchange.model import Sender

Json = dict[str, Any]
CITIZEN = "urn:oid:2.16.156.10011.1.3"
"""Numbers of the identity cards of Chinese citizens."""
WRITINGS = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
NUMBER, VISIT, STAFF = "number", "visit", "staff"
"""Series of a house's numbers, where nobody is named who gives them."""
KINDS = "http://terminology.hl7.org/CodeSystem/v2-0203"
_NATIONAL = {"coding": [{"system": KINDS, "code": "NI", "display": "National unique individual identifier"}]}
_RECORD = {"coding": [{"system": KINDS, "code": "MR", "display": "Medical record number"}]}
_MOTHER = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_NUMBER = re.compile(r"[1-9][0-9]{16}[0-9X]")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_SEXES = {"M": "male", "F": "female", "O": "other"}


def is_citizen_number(text: str) -> bool:
    """Whether this is a citizen's number by shape and check character (GB 11643)."""
    if _NUMBER.fullmatch(text) is None:
        return False
    return (
        "10X98765432"[sum(int(digit) * weight for digit, weight in zip(text, _WEIGHTS, strict=False)) % 11] == text[17]
    )


def system_of(issuer: str, universal: str, kind: str, sender: Sender, what: str) -> str:
    """The system of identifiers of an issuer, known by name, or by a universal identifier of this kind.

    A house that numbers patients and visits under one name has a series for each.
    """
    for written in (issuer, universal):
        if written and written in sender.authorities:
            known = sender.authorities[written]
            return f"{known}:visit" if what == VISIT and known.startswith("urn:jiankang:") else known
    for written in (universal, issuer):
        if _OID.fullmatch(written):
            return f"urn:oid:{written}"
        if kind == "URI" and written == universal and written:
            return written
        if written.startswith(("urn:", "http://", "https://")):
            return written
    return house(sender, issuer or universal or what)


def issued(item: Dataset, issuer: str, sequence: str, sender: Sender, what: str) -> str:
    """The system that `item` says: the issuer's name beside it, or its qualifiers in a sequence."""
    universal = kind = ""
    for one in item.items(sequence):
        universal, kind = one.text("UniversalEntityID"), one.text("UniversalEntityIDType")
        issuer = issuer or one.text("LocalNamespaceEntityID")
    return system_of(issuer, universal, kind, sender, what)


def identifiers(study: Dataset, sender: Sender) -> list[Json]:
    """All identifiers of the patient; the one that the sender knows them by comes first."""
    found = [_identifier(study, sender)] if study.text("PatientID") else []
    listed = [one for one in study.items("OtherPatientIDsSequence") if one.text("PatientID")]
    found += [_identifier(one, sender) for one in listed]
    known = {one["value"] for one in found}
    found += [_plain(value, sender) for value in study.texts("OtherPatientIDs") if value not in known]
    return found


def _identifier(item: Dataset, sender: Sender) -> Json:
    value = item.text("PatientID")
    system = issued(item, item.text("IssuerOfPatientID"), "IssuerOfPatientIDQualifiersSequence", sender, NUMBER)
    if is_citizen_number(value.upper()) and system.startswith("urn:jiankang:house:"):
        return {"type": _NATIONAL, "system": CITIZEN, "value": value.upper()}
    return {"type": _RECORD, "system": system, "value": value}


def _plain(value: str, sender: Sender) -> Json:
    if is_citizen_number(value.upper()):
        return {"type": _NATIONAL, "system": CITIZEN, "value": value.upper()}
    return {"system": house(sender, "other-number"), "value": value}


def patient_id(study: Dataset, sender: Sender, study_uid: str) -> str:
    """The id of the Patient: by the identifier of the sender; without one, a Patient of this study alone.

    A citizen's number names a person, not the registration of one sender: it is taken as the sender's own.
    """
    value = study.text("PatientID")
    if not value:
        return naming.patient("urn:dicom:uid", study_uid)
    system = str(_identifier(study, sender)["system"])
    return naming.patient(house(sender, NUMBER) if system == CITIZEN else system, value)


def patient(study: Dataset, sender: Sender) -> Json:
    """What the study says of its patient: http://hl7.org/fhir/R4/patient.html."""
    says: Json = {}
    if found := identifiers(study, sender):
        says["identifier"] = found
    if names := human_names(study):
        says["name"] = names
    if sex := study.text("PatientSex").upper():
        says["gender"] = _SEXES.get(sex, "unknown")
    if born := day(study.text("PatientBirthDate")):
        says["birthDate"] = born
    if phones := study.texts("PatientTelephoneNumbers"):
        says["telecom"] = [{"system": "phone", "value": one} for one in phones]
    if address := study.text("PatientAddress"):
        says["address"] = [{"text": address}]
    if mothers := study.names("PatientMotherBirthName"):
        says["extension"] = [{"url": _MOTHER, "valueString": mothers[0].shown}]
    if says and sender.facility:
        says["managingOrganization"] = naming.reference("Organization", sender.facility)
    return says


def human_names(study: Dataset) -> list[Json]:
    """All names in all their writings, the Chinese one first."""
    names = [one for name in study.names("PatientName")[:1] for one in writings(name, "official")]
    names += [one for name in study.names("OtherPatientNames") for one in writings(name, "nickname")]
    return names + [one for name in study.names("PatientBirthName") for one in writings(name, "maiden")]


def writings(name: PersonName, use: str) -> list[Json]:
    """One HumanName for each writing of a name."""
    groups = (("IDE", name.ideographic), ("ABC", name.alphabetic), ("SYL", name.phonetic))
    return [_human_name(code, group, use) for code, group in groups if group.strip("^ ")]


def _human_name(code: str, group: str, use: str) -> Json:
    family, given, middle, prefix, suffix, *_ = [part.strip() for part in group.split("^")] + [""] * 5
    name: Json = {"extension": [{"url": WRITINGS, "valueCode": code}], "use": use}
    if code == "IDE" or not given:
        name["text"] = f"{family}{given}{middle}" if code == "IDE" else family
    if given or code != "IDE":
        name |= {"family": family} if family else {}
        name |= {"given": [part for part in (given, middle) if part]} if given or middle else {}
    name |= {"prefix": [prefix]} if prefix else {}
    return name | ({"suffix": [suffix]} if suffix else {})


def practitioners(study: Dataset, names: str, codes: str, sender: Sender) -> list[tuple[Json, Json | None]]:
    """References to people of the sender; with what is told of those that it names by a number.

    Of a name alone no Practitioner is made: two doctors may have the same.
    """
    numbered = list(study.items(codes))
    found: list[tuple[Json, Json | None]] = []
    for place, name in enumerate(study.names(names)):
        number = _number_of(numbered[place]) if place < len(numbered) else ""
        if not number:
            found.append(({"type": "Practitioner", "display": name.shown}, None))
            continue
        system = house(sender, STAFF)
        told = {"identifier": [{"system": system, "value": number}], "name": writings(name, "official")}
        found.append((naming.reference("Practitioner", naming.practitioner(system, number), name.shown), told))
    return found


def _number_of(item: Dataset) -> str:
    return next((one.text("CodeValue") for one in item.items("PersonIdentificationCodeSequence")), "")
