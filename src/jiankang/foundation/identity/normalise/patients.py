"""What a FHIR Patient says about who somebody is: http://hl7.org/fhir/R4/patient.html.

Whatever does not have the form that FHIR gives it is passed over: this reads what is stored, and never raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jiankang.foundation.identity.model import Written, WrittenAddress, WrittenDocument, WrittenName

CITIZEN_SYSTEM = "urn:oid:2.16.156.10011.1.3"
CARD_SYSTEM = "urn:oid:2.16.156.10011.1.19"
PASSPORT_SYSTEMS = ("urn:jiankang:passport:", "http://hl7.org/fhir/sid/passport-")
_KIND_SYSTEMS = {"urn:jiankang:codes:ws364:CV02.01.101": "364:", "urn:jiankang:codes:id-type": "364:"}
_KINDS = {
    "364:01": "RIC", "364:03": "PPN", "364:06": "HKM", "364:07": "TWP", "364:11": "FPR", "364:12": "HMT", "364:13": "HMT",
    "364:14": "BCT", "364:15": "EHC", "364:17": "", "NNCHN": "RIC", "PPN": "PPN", "BCT": "BCT",
}  # fmt: skip
_NOT_A_PERSON = frozenset(
    {"MR", "MRT", "PI", "PT", "VN", "AN", "ANON", "RI", "FI", "XX", "ACSN", "364:17", "364:02", "364:04", "364:05"}
)
"""Numbers of records, visits and households: they say which folder, not who."""
_DIVISION = "division"
_MOTHER = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"
_MOTHERS = frozenset({"MTH", "NMTH", "GESTM", "52", "mother", "母亲"})
_OLD_USES = frozenset({"old", "maiden", "nickname", "anonymous"})


def written(patient: dict[str, Any]) -> Written:
    """A Patient as a registration: names in use first, documents with their kinds, the mother of a newborn."""
    return Written(
        names=_names(patient),
        documents=tuple(_documents(patient)),
        phones=tuple(_phones(patient)),
        addresses=tuple(_addresses(patient)),
        birth=_text(patient.get("birthDate")),
        sex=_text(patient.get("gender")),
        mother=_mother(patient),
        order=_order(patient),
    )


def _text(value: Any) -> str:
    return value if type(value) is str else ""


def _objects(value: Any) -> list[dict[str, Any]]:
    if type(value) is dict:
        return [value]
    return [one for one in value if type(one) is dict] if type(value) is list else []


def _names(patient: dict[str, Any]) -> tuple[WrittenName, ...]:
    names = _objects(patient.get("name"))
    if len(names) > 1:
        names = sorted(names, key=lambda name: _text(name.get("use")) in _OLD_USES)
    return tuple(_name(name) for name in names)


def _name(name: dict[str, Any]) -> WrittenName:
    given = name.get("given")
    return WrittenName(
        _text(name.get("text")),
        _text(name.get("family")),
        " ".join(part for part in given if type(part) is str) if type(given) is list else "",
    )


def _documents(patient: dict[str, Any]) -> Iterator[WrittenDocument]:
    for identifier in _objects(patient.get("identifier")):
        value = _text(identifier.get("value"))
        if not value:
            continue
        system = _text(identifier.get("system"))
        if system == CITIZEN_SYSTEM:
            yield WrittenDocument(value, "RIC")
        elif system == CARD_SYSTEM:
            yield WrittenDocument(value, "EHC")
        elif system.startswith(PASSPORT_SYSTEMS):
            yield WrittenDocument(value, "PPN", system[-3:])
        elif (code := _type_code(identifier)) and code not in _NOT_A_PERSON:
            kind = _KINDS.get(code, "DOC")
            if kind == "DOC" and code.startswith("NN") and len(code) == 5:
                yield WrittenDocument(f"{code}{value}", "DOC")
            elif kind != "DOC":
                yield WrittenDocument(value, kind, _country(identifier))


def _type_code(identifier: dict[str, Any]) -> str:
    """The code of what kind of document it is, those of WS 364 with 364: before them."""
    for kind in _objects(identifier.get("type")):
        for coding in _objects(kind.get("coding")):
            code = _text(coding.get("code"))
            if code:
                return _KIND_SYSTEMS.get(_text(coding.get("system")), "") + code
    return ""


def _country(identifier: dict[str, Any]) -> str:
    """The issuing country, where the system's name ends with it."""
    tail = _text(identifier.get("system"))[-3:]
    return tail if tail.isalpha() and tail.isupper() else ""


def _phones(patient: dict[str, Any]) -> Iterator[str]:
    for telecom in _objects(patient.get("telecom")):
        if _text(telecom.get("system")) in {"phone", "sms"} or _text(telecom.get("value")).startswith("tel:"):
            value = _text(telecom.get("value")).removeprefix("tel:")
            if value:
                yield value


def _addresses(patient: dict[str, Any]) -> Iterator[WrittenAddress]:
    addresses = _objects(patient.get("address"))
    for address in sorted(addresses, key=lambda one: one.get("use") == "old") if len(addresses) > 1 else addresses:
        lines = address.get("line")
        line = " ".join(part for part in lines if type(part) is str) if type(lines) is list else ""
        yield WrittenAddress(
            _text(address.get("text")) or line,
            _division(address),
            _text(address.get("district")) or _text(address.get("city")),
        )


def _division(address: dict[str, Any]) -> str:
    for extension in _objects(address.get("extension")):
        if _text(extension.get("url")).endswith(_DIVISION):
            for coding in _objects(extension.get("valueCoding")):
                return _text(coding.get("code"))
    return ""


def _mother(patient: dict[str, Any]) -> str:
    for extension in _objects(patient.get("extension")):
        if extension.get("url") == _MOTHER:
            return _text(extension.get("valueString"))
    for contact in _objects(patient.get("contact")):
        if _is_mother(contact):
            for name in _objects(contact.get("name")):
                one = _name(name)
                return one.text or f"{one.family}{one.given}"
    return ""


def _is_mother(contact: dict[str, Any]) -> bool:
    return any(
        coding.get("code") in _MOTHERS
        for relationship in _objects(contact.get("relationship"))
        for coding in [*_objects(relationship.get("coding")), {"code": relationship.get("text")}]
        if type(coding.get("code")) is str
    )


def _order(patient: dict[str, Any]) -> str:
    place = patient.get("multipleBirthInteger")
    return str(place) if type(place) is int and 0 < place < 10 else ""
