"""Whose numbers and codes they are: assigning authorities and coding systems as URIs."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.hl7v2.mapping.context import Context
    from jiankang.capabilities.exchange.hl7v2.wire import Value

Json = dict[str, Any]
CITIZEN = "urn:oid:2.16.156.10011.1.3"
"""居民身份证: WS/T 364, the resident's identity card (GB 11643)."""
HEALTH_CARD = "urn:oid:2.16.156.10011.1.19"
_CITIZEN = re.compile(r"\d{17}[\dXx]|\d{15}")
_OID = re.compile(r"[0-2](\.\d+)+")
_V2 = "http://terminology.hl7.org/CodeSystem/v2-"

_CODE_SYSTEMS = {
    "LN": "http://loinc.org", "LOINC": "http://loinc.org", "SCT": "http://snomed.info/sct",
    "SNM": "http://snomed.info/sct", "SNOMED": "http://snomed.info/sct", "SNOMEDCT": "http://snomed.info/sct",
    "SNOMED-CT": "http://snomed.info/sct", "UCUM": "http://unitsofmeasure.org", "ISO+": "http://unitsofmeasure.org",
    "I9": "http://hl7.org/fhir/sid/icd-9-cm", "I9C": "http://hl7.org/fhir/sid/icd-9-cm", "I9CDX": "http://hl7.org/fhir/sid/icd-9-cm",
    "I9CP": "http://hl7.org/fhir/sid/icd-9-cm", "I10": "http://hl7.org/fhir/sid/icd-10", "ICD10": "http://hl7.org/fhir/sid/icd-10",
    "ICD-10": "http://hl7.org/fhir/sid/icd-10", "I10C": "http://hl7.org/fhir/sid/icd-10-cm", "ICD10CM": "http://hl7.org/fhir/sid/icd-10-cm",
    "I10P": "http://www.cms.gov/Medicare/Coding/ICD10", "C4": "http://www.ama-assn.org/go/cpt", "CPT": "http://www.ama-assn.org/go/cpt",
    "CVX": "http://hl7.org/fhir/sid/cvx", "MVX": "http://hl7.org/fhir/sid/mvx", "NDC": "http://hl7.org/fhir/sid/ndc",
    "RXNORM": "http://www.nlm.nih.gov/research/umls/rxnorm", "ATC": "http://www.whocc.no/atc", "WC": "http://www.whocc.no/atc",
    "ISO3166_1": "urn:iso:std:iso:3166", "ISO3166": "urn:iso:std:iso:3166", "ISO639": "urn:ietf:bcp:47",
    "CDCREC": "urn:oid:2.16.840.1.113883.6.238", "NIP001": "urn:oid:2.16.840.1.114222.4.5.274",
    "GB/T 2261.1": "urn:oid:2.16.156.10011.2.3.3.4", "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "UB04FL14": "https://www.nubc.org/CodeSystem/PriorityTypeOfAdmitOrVisit",
}  # fmt: skip

_TYPES_OF_STAFF = {"DN", "MD", "NPI", "EI", "EN", "LN", "PRN", "PN", "DR", "SL", "RI", "L&I"}
_KINDS = {
    "AN": "Account number", "DL": "Driver's license number", "EI": "Employee number", "FI": "Facility ID",
    "FILL": "Filler Identifier", "MR": "Medical record number", "NI": "National unique individual identifier",
    "PI": "Patient internal identifier", "PLAC": "Placer Identifier", "PPN": "Passport number", "PT": "Patient external identifier",
    "SS": "Social Security number", "VN": "Visit number", "XX": "Organization identifier", "HC": "Health Card Number",
    "ACSN": "Accession ID", "PGN": "Placer Group Number", "FGN": "Filler Group Number", "NH": "National Health Plan Identifier",
    "BCT": "Birth Certificate", "DN": "Doctor number", "MD": "Medical License number", "NPI": "National provider identifier",
}  # fmt: skip


@lru_cache(maxsize=512)
def _type(kind: str) -> tuple[str, str] | None:
    return (kind, _KINDS.get(kind, "")) if kind else None


def type_of_identifier(kind: str) -> Json | None:
    """Identifier.type of a code of table HL70203."""
    found = _type(kind.strip())
    if found is None:
        return None
    code, display = found
    return {"coding": [{"system": f"{_V2}0203", "code": code, **({"display": display} if display else {})}]}


_SERIES = {"VN": ":visit", "AN": ":account", "visit": ":visit", "staff": ":staff", "organization": ":organization"}
"""A house that numbers patients, visits and staff under one name has a series for each."""


def identifier_system(context: Context, authority: Value, kind: str, number: str, what: str = "number") -> str:
    """The system of a number: what the sender's agreement says its authority means, an OID or URI, or one of its own.

    Without an authority a citizen's number is known by its form, a passport by its type; the rest are the house's own.
    """
    namespace, universal, form = authority.c(1).strip(), authority.c(2).strip(), authority.c(3).strip().upper()
    known = context.sender.authorities
    found = known.get(namespace) or known.get(universal)
    if found:
        return (
            found if not found.startswith("urn:jiankang:") else f"{found}{_SERIES.get(kind) or _SERIES.get(what, '')}"
        )
    if universal and (form == "ISO" or _OID.fullmatch(universal)):
        return f"urn:oid:{universal}"
    if universal and ("://" in universal or universal.startswith("urn:")):
        return universal
    if _OID.fullmatch(namespace):
        return f"urn:oid:{namespace}"
    if kind in {"NI", "NNCHN", "NNCN"} and _CITIZEN.fullmatch(number):
        return CITIZEN
    if kind == "PPN":
        return f"urn:jiankang:passport:{namespace}" if namespace else "urn:jiankang:passport:"
    return house_system(context, namespace or universal or what)


def house_system(context: Context, what: str) -> str:
    """A namespace of the house that the sender belongs to: the same for all systems of the house."""
    house = context.current.get("house") or context.sender.id
    return f"urn:jiankang:house:{as_uri(house)}:{as_uri(what)}"


def as_uri(text: str) -> str:
    """A text as a part of a URI: it holds no white space."""
    return "_".join(text.split())


def code_system(context: Context, written: str, oid: str = "") -> str | None:
    """The URI of a coding system as the sender writes it; None when it names none."""
    name = written.strip()
    if not name:
        return f"urn:oid:{oid}" if oid and _OID.fullmatch(oid) else None
    known = context.sender.systems.get(name)
    if known:
        return known
    found = _named(name)
    if found is not None:
        return found
    if oid and _OID.fullmatch(oid):
        return f"urn:oid:{oid}"
    return context.own(as_uri(name))


@lru_cache(maxsize=2048)
def _named(name: str) -> str | None:
    upper = name.upper()
    if upper in _CODE_SYSTEMS:
        return _CODE_SYSTEMS[upper]
    if (table := re.fullmatch(r"HL7[- ]?(\d{4})", upper)) is not None:
        return f"{_V2}{table[1]}"
    if _OID.fullmatch(name):
        return f"urn:oid:{name}"
    if "://" in name or name.startswith("urn:"):
        return name
    return None
