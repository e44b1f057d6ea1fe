"""What becomes of each attribute of a study, by where it is mapped to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.dicom.tags import KEYWORDS, TAGS
from jiankang.capabilities.exchange.model import DROPPED, KEPT, MAPPED, Fate

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.dicom.dataset import Dataset

_CODES = "a CodeableConcept or Coding of the same item"
WHERE: Mapping[str, str] = MappingProxyType(
    {
        "SOPClassUID": "ImagingStudy.series.instance.sopClass", "SOPInstanceUID": "ImagingStudy.series.instance.uid",
        "InstanceNumber": "ImagingStudy.series.instance.number", "StudyInstanceUID": "ImagingStudy.identifier",
        "StudyID": "ImagingStudy.identifier", "StudyDate": "ImagingStudy.started", "StudyTime": "ImagingStudy.started",
        "TimezoneOffsetFromUTC": "ImagingStudy.started", "StudyDescription": "ImagingStudy.description",
        "ProcedureCodeSequence": "ImagingStudy.procedureCode", "AccessionNumber": "ImagingStudy.identifier, ImagingStudy.basedOn",
        "IssuerOfAccessionNumberSequence": "ImagingStudy.identifier.system", "ReferringPhysicianName": "ImagingStudy.referrer",
        "ReferringPhysicianIdentificationSequence": "Practitioner.identifier",
        "RequestingPhysician": "ServiceRequest.requester", "NameOfPhysiciansReadingStudy": "ImagingStudy.interpreter",
        "PhysiciansReadingStudyIdentificationSequence": "Practitioner.identifier", "ReasonForStudy": "ImagingStudy.reasonCode",
        "AdmittingDiagnosesDescription": "ImagingStudy.reasonCode", "RequestedProcedureDescription": "ServiceRequest.code.text",
        "RequestedProcedureCodeSequence": "ServiceRequest.code", "ReasonForTheRequestedProcedure": "ImagingStudy.reasonCode",
        "ReasonForRequestedProcedureCodeSequence": "ImagingStudy.reasonCode",
        "RequestAttributesSequence": "ImagingStudy.basedOn, ServiceRequest", "RequestedProcedureID": "ServiceRequest.requisition",
        "PlacerOrderNumberImagingServiceRequest": "ServiceRequest.identifier",
        "OrderPlacerIdentifierSequence": "ServiceRequest.identifier.system",
        "FillerOrderNumberImagingServiceRequest": "ServiceRequest.identifier",
        "OrderFillerIdentifierSequence": "ServiceRequest.identifier.system",
        "AdmissionID": "ImagingStudy.encounter, Encounter.identifier", "IssuerOfAdmissionIDSequence": "Encounter.identifier.system",
        "SeriesInstanceUID": "ImagingStudy.series.uid", "SeriesNumber": "ImagingStudy.series.number",
        "SeriesDate": "ImagingStudy.series.started", "SeriesTime": "ImagingStudy.series.started",
        "Modality": "ImagingStudy.series.modality", "SeriesDescription": "ImagingStudy.series.description",
        "BodyPartExamined": "ImagingStudy.series.bodySite", "AnatomicRegionSequence": "ImagingStudy.series.bodySite",
        "Laterality": "ImagingStudy.series.laterality", "PerformingPhysicianName": "ImagingStudy.series.performer",
        "PerformingPhysicianIdentificationSequence": "Practitioner.identifier",
        "OperatorsName": "ImagingStudy.series.performer", "OperatorIdentificationSequence": "Practitioner.identifier",
        "PatientName": "Patient.name", "PatientID": "Patient.identifier", "IssuerOfPatientID": "Patient.identifier.system",
        "IssuerOfPatientIDQualifiersSequence": "Patient.identifier.system", "OtherPatientIDs": "Patient.identifier",
        "OtherPatientIDsSequence": "Patient.identifier", "OtherPatientNames": "Patient.name",
        "PatientBirthName": "Patient.name", "PatientMotherBirthName": "Patient.extension",
        "PatientBirthDate": "Patient.birthDate", "PatientSex": "Patient.gender", "PatientAddress": "Patient.address",
        "PatientTelephoneNumbers": "Patient.telecom",
    }
)  # fmt: skip
"""Keyword → element. Every attribute that is read stands here."""

WITHIN: Mapping[str, str] = MappingProxyType(
    {
        "UniversalEntityID": "system of the identifier", "UniversalEntityIDType": "system of the identifier",
        "LocalNamespaceEntityID": "system of the identifier", "PersonIdentificationCodeSequence": "Practitioner.identifier",
        "CodeValue": _CODES, "LongCodeValue": _CODES, "URNCodeValue": _CODES, "CodingSchemeDesignator": _CODES,
        "CodingSchemeVersion": _CODES, "CodeMeaning": _CODES,
    }
)  # fmt: skip
"""What is read only inside of items."""

ARCHIVED = "the images in the archive, and the original"
_CHARSET = TAGS["SpecificCharacterSet"]


def fates(instances: list[Dataset]) -> Iterator[Fate]:
    """The fate of every attribute with a value, items of sequences included."""
    for number, instance in enumerate(instances, 1):
        yield from _of(instance.elements, f"[{number}]", "")


def _of(elements: Mapping[str, Any], before: str, inside: str) -> Iterator[Fate]:
    for tag in sorted(elements):
        element = elements[tag]
        if not isinstance(element, dict) or not (element.keys() - {"vr"}):
            continue
        place = f"{before}.{KEYWORDS.get(tag, f'({tag[:4]},{tag[4:]})')}"
        if element.get("vr") == "SQ":
            mapped = inside if inside != ARCHIVED else ""
            where = mapped or WHERE.get(KEYWORDS.get(tag, ""), "") or WITHIN.get(KEYWORDS.get(tag, ""), "")
            items = element.get("Value")
            for number, item in enumerate(items if isinstance(items, list) else [], 1):
                if isinstance(item, dict):
                    yield from _of(item, f"{place}[{number}]", where or ARCHIVED)
            continue
        yield _fate(tag, element, place, inside)


def _fate(tag: str, element: Mapping[str, Any], place: str, inside: str) -> Fate:
    value = str(element.get("Value", "bulk data"))[:200]
    keyword = KEYWORDS.get(tag, "")
    if tag[4:] == "0000":
        return Fate(place, value, DROPPED, "the length of a group says nothing")
    if tag == _CHARSET:
        return Fate(place, value, DROPPED, "texts are UTF-8 here")
    if inside:
        known = (keyword in WHERE or keyword in WITHIN) and inside != ARCHIVED
        return Fate(place, value, MAPPED, inside) if known else Fate(place, value, KEPT, ARCHIVED)
    if keyword in WHERE:
        return Fate(place, value, MAPPED, WHERE[keyword])
    return Fate(place, value, KEPT, ARCHIVED)
