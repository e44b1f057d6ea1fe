"""A study in words of FHIR: http://hl7.org/fhir/R4/imagingstudy.html.

A letter's body is DICOM JSON: the whole first instance of each series, and of the other instances what tells them apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any

from jiankang.capabilities.exchange import naming
from jiankang.capabilities.exchange.dicom import coding, moments, persons
from jiankang.capabilities.exchange.dicom.dataset import Dataset, is_uid
from jiankang.capabilities.exchange.model import Complaint, Gap, Letter, Sender, Telling, Unreadable

Json = dict[str, Any]
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
CONNECTIONS = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
_UIDS = "urn:ietf:rfc:3986"


def study_id(uid: str) -> str:
    """The id of the ImagingStudy of a study."""
    return naming.identify("ImagingStudy", "urn:dicom:uid", uid)


def instances(letter: Letter) -> list[Dataset]:
    """The instances that a letter tells of. Raises Unreadable for what is no DICOM JSON, or of no study."""
    try:
        found = json.loads(letter.body)
    except (ValueError, RecursionError):
        raise Unreadable([Complaint("this is no DICOM JSON", fatal=True)]) from None
    if not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
        raise Unreadable([Complaint("a list of instances is expected", fatal=True)])
    read = [Dataset(one) for one in found]
    if not read[0].uid("StudyInstanceUID"):
        raise Unreadable([Complaint("it names no study", "StudyInstanceUID", fatal=True)])
    return read


@dataclass
class Study:
    """One study of one sender, asked for what it says."""

    instances: list[Dataset]
    sender: Sender
    context: Mapping[str, Any] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)

    @property
    def first(self) -> Dataset:
        """The instance whose attributes of patient and study are taken."""
        return self.instances[0]

    @property
    def uid(self) -> str:
        """Study Instance UID."""
        return self.first.uid("StudyInstanceUID")

    @cached_property
    def zone(self) -> str:
        """Offset of the times in it."""
        return moments.offset(self.first.text("TimezoneOffsetFromUTC"), self.sender.zone)

    @cached_property
    def started(self) -> str:
        """When it began, as a FHIR dateTime."""
        return moments.moment(self.first.text("StudyDate"), self.first.text("StudyTime"), self.zone)

    @cached_property
    def patient(self) -> str:
        """The id of the Patient."""
        return persons.patient_id(self.first, self.sender, self.uid)

    def series(self) -> dict[str, list[Dataset]]:
        """Instances by series, in the order they stand in."""
        found: dict[str, list[Dataset]] = {}
        for one in self.instances:
            found.setdefault(one.uid("SeriesInstanceUID"), []).append(one)
        found.pop("", None)
        return found

    def system(self, issuer: str, what: str) -> str:
        """The system of the study's numbers of a kind, by the sequence that names its issuer."""
        return persons.issued(self.first, "", issuer, self.sender, what)


def told(study: Study, at: str) -> Iterator[Telling]:
    """Everything that a study tells of, the ImagingStudy last."""
    known = moments.sortable(study.started, study.zone)
    subject = naming.reference("Patient", study.patient)
    if says := persons.patient(study.first, study.sender):
        yield Telling("Patient", study.patient, says, known)
    encounter, visit = _encounter(study, subject)
    if visit is not None:
        yield visit
    requests = list(_requests(study, subject, encounter))
    yield from requests
    people: list[Telling] = []
    imaging = _imaging(study, subject, people, known)
    imaging |= {"encounter": encounter} if encounter else {}
    imaging |= {"basedOn": [naming.reference(one.type, one.id) for one in requests]} if requests else {}
    yield from people
    endpoints = list(_endpoints(study, at))
    yield from endpoints
    imaging |= {"endpoint": [naming.reference(one.type, one.id) for one in endpoints]} if endpoints else {}
    yield Telling("ImagingStudy", study_id(study.uid), imaging, at)


def _imaging(study: Study, subject: Json, people: list[Telling], known: str) -> Json:
    first = study.first
    series = [_series(study, uid, members, people, known) for uid, members in study.series().items()]
    modalities = sorted({one["modality"]["code"] for one in series})
    says: Json = {
        "identifier": list(_identifiers(study)), "status": "available", "subject": subject,
        "modality": [{"system": coding.DCM, "code": one} for one in modalities],
        "numberOfSeries": len(series), "numberOfInstances": sum(one["numberOfInstances"] for one in series),
        "series": series, "text": _narrative(study, modalities),
    }  # fmt: skip
    if study.started:
        says["started"] = study.started
    if description := first.text("StudyDescription"):
        says["description"] = description
    referrer = _people(study, "ReferringPhysicianName", "ReferringPhysicianIdentificationSequence", people, known)
    readers = _people(
        study, "NameOfPhysiciansReadingStudy", "PhysiciansReadingStudyIdentificationSequence", people, known
    )
    says |= ({"referrer": referrer[0]} if referrer else {}) | ({"interpreter": readers} if readers else {})
    says |= _listed("procedureCode", _codes(study, first, "ProcedureCodeSequence"))
    return says | _listed("reasonCode", _reasons(study))


def _listed(name: str, values: list[Json]) -> Json:
    return {name: values} if values else {}


def _identifiers(study: Study) -> Iterator[Json]:
    yield {"system": "urn:dicom:uid", "value": f"urn:oid:{study.uid}"}
    if number := study.first.text("AccessionNumber"):
        yield _numbered("ACSN", study.system("IssuerOfAccessionNumberSequence", persons.NUMBER), number)
    if number := study.first.text("StudyID"):
        yield {"use": "secondary", "system": coding.house(study.sender, "study"), "value": number}


def _numbered(kind: str, system: str, number: str) -> Json:
    return {"type": {"coding": [{"system": persons.KINDS, "code": kind}]}, "system": system, "value": number}


def _series(study: Study, uid: str, members: list[Dataset], people: list[Telling], known: str) -> Json:
    first = members[0]
    says: Json = {
        "uid": uid,
        "modality": {"system": coding.DCM, "code": first.text("Modality").upper() or "OT"},
        "numberOfInstances": len(members),
        "instance": [one for member in members if (one := _instance(member))],
    }
    if (number := first.whole("SeriesNumber")) is not None:
        says["number"] = number
    if description := first.text("SeriesDescription"):
        says["description"] = description
    if site := coding.body_site(first, study.sender, study.gaps):
        says["bodySite"] = site
    if side := coding.laterality(first):
        says["laterality"] = side
    if started := moments.moment(first.text("SeriesDate"), first.text("SeriesTime"), study.zone):
        says["started"] = started
    performers = [
        {"function": {"coding": [{"system": PARTICIPATION, "code": role}]}, "actor": who}
        for role, names, codes in (
            ("PRF", "PerformingPhysicianName", "PerformingPhysicianIdentificationSequence"),
            ("SPRF", "OperatorsName", "OperatorIdentificationSequence"),
        )
        for who in _people(Study([first], study.sender), names, codes, people, known)
    ]
    return says | _listed("performer", performers)


def _instance(member: Dataset) -> Json | None:
    uid, kind = member.uid("SOPInstanceUID"), member.uid("SOPClassUID")
    if not uid or not kind:
        return None
    number = member.whole("InstanceNumber")
    said: Json = {"uid": uid, "sopClass": {"system": _UIDS, "code": f"urn:oid:{kind}"}}
    return said if number is None else {**said, "number": number}


def _people(study: Study, names: str, codes: str, people: list[Telling], known: str) -> list[Json]:
    found = persons.practitioners(study.first, names, codes, study.sender)
    for reference, says in found:
        if says is not None:
            people.append(Telling("Practitioner", reference["reference"].partition("/")[2], says, known))
    return [reference for reference, _ in found]


def _codes(study: Study, dataset: Dataset, sequence: str) -> list[Json]:
    found = (coding.codeable(one, study.sender, sequence, study.gaps) for one in dataset.items(sequence))
    return [one for one in found if one is not None]


def _reasons(study: Study) -> list[Json]:
    first = study.first
    coded = _codes(study, first, "ReasonForRequestedProcedureCodeSequence")
    words = [
        first.text(one) for one in ("ReasonForTheRequestedProcedure", "ReasonForStudy", "AdmittingDiagnosesDescription")
    ]
    said = {one.get("text") for one in coded}
    return coded + [{"text": one} for one in dict.fromkeys(words) if one and one not in said]


def _encounter(study: Study, subject: Json) -> tuple[Json | None, Telling | None]:
    """The stay that the study belongs to. Whoever keeps the stays knows more of it, so all that is said here is old."""
    number = study.first.text("AdmissionID")
    if not number:
        return None, None
    system = study.system("IssuerOfAdmissionIDSequence", persons.VISIT)
    id_ = naming.encounter(system, number)
    says = {
        "identifier": [
            {"type": {"coding": [{"system": persons.KINDS, "code": "VN"}]}, "system": system, "value": number}
        ],
        "status": "unknown",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "UNK"},
        "subject": subject,
    }
    return naming.reference("Encounter", id_), Telling("Encounter", id_, says, moments.UNKNOWN)


def _requests(study: Study, subject: Json, encounter: Json | None) -> Iterator[Telling]:
    """What the study was made for. Whoever keeps the requests knows more, so all that is said here is old."""
    first = study.first
    named = {first.text("AccessionNumber"): first}
    for one in study.instances:
        for item in one.items("RequestAttributesSequence"):
            named.setdefault(item.text("AccessionNumber"), item)
    if len(named) > 1:
        named.pop("", None)
    told: set[str] = set()
    for number, dataset in named.items():
        orders = list(_orders(study, dataset, number))
        id_ = _request_id(*orders[0][:3]) if orders else ""
        if not orders or id_ in told:
            continue
        told.add(id_)
        says: Json = {
            "identifier": [_numbered(kind, system, value) for system, _, value, kind in orders], "status": "unknown",
            "intent": "order", "subject": subject, **({"encounter": encounter} if encounter else {}), **_asked(study, dataset),
        }  # fmt: skip
        yield Telling("ServiceRequest", id_, says, moments.UNKNOWN)


def _request_id(system: str, role: str, number: str) -> str:
    return naming.identify("ServiceRequest", system, role, number.upper())


def _orders(study: Study, dataset: Dataset, accession: str) -> Iterator[tuple[str, str, str, str]]:
    """Numbers of a request: system, whose, value, kind. The first tells it apart, as that in ORC-2, else ORC-3 does."""
    for role, keyword, issuer, kind in (
        ("placer", "PlacerOrderNumberImagingServiceRequest", "OrderPlacerIdentifierSequence", "PLAC"),
        ("filler", "FillerOrderNumberImagingServiceRequest", "OrderFillerIdentifierSequence", "FILL"),
    ):
        if number := dataset.text(keyword):
            yield persons.issued(dataset, "", issuer, study.sender, persons.NUMBER), role, number, kind
    if accession:
        yield study.system("IssuerOfAccessionNumberSequence", persons.NUMBER), "filler", accession, "ACSN"


def _asked(study: Study, dataset: Dataset) -> Json:
    """What was asked for, by whom, under which number."""
    says: Json = {}
    words = dataset.text("RequestedProcedureDescription")
    if coded := _codes(study, dataset, "RequestedProcedureCodeSequence"):
        says["code"] = {**coded[0], **({"text": words} if words else {})}
    elif words:
        says["code"] = {"text": words}
    if asking := study.first.names("RequestingPhysician"):
        says["requester"] = {"type": "Practitioner", "display": asking[0].shown}
    if number := dataset.text("RequestedProcedureID"):
        system = coding.house(study.sender, "requested-procedure")
        says["requisition"] = {"system": system, "value": number}
    return says


def _endpoints(study: Study, at: str) -> Iterator[Telling]:
    """Where the images are had, and where they are looked at (IHE RAD-106, Invoke Image Display)."""
    base = str(study.context.get("base", "")).rstrip("/")
    if not base:
        return
    for kind, name, path in (
        ("dicom-wado-rs", "DICOMweb", "/dicomweb"),
        ("ihe-iid", "影像浏览 Image display", "/-/imaging/IHEInvokeImageDisplay"),
    ):
        says = {
            "status": "active", "connectionType": {"system": CONNECTIONS, "code": kind}, "name": name,
            "payloadType": [{"text": "DICOM"}], "payloadMimeType": ["application/dicom"], "address": base + path,
        }  # fmt: skip
        yield Telling("Endpoint", naming.identify("Endpoint", "dicom", kind), says, at)


def _narrative(study: Study, modalities: list[str]) -> Json:
    """The study in a line, with the link that opens it."""
    parts = [", ".join(modalities), study.started[:10], study.first.text("StudyDescription")]
    words = escape(" · ".join(part for part in parts if part))
    link = f"{str(study.context.get('base', '')).rstrip('/')}/-/imaging/{study.uid}"
    div = (
        f'<div xmlns="http://www.w3.org/1999/xhtml">{words} <a href="{escape(link)}">打开影像 Open the images</a></div>'
    )
    return {"status": "generated", "div": div}


def problems(study: Study) -> Iterator[Complaint]:
    """What is wrong with a study, and does not keep it from being used."""
    first = study.first
    if not first.text("PatientID"):
        yield Complaint("without a patient's number it stands as a person of its own", "PatientID")
    if not first.text("StudyDate"):
        yield Complaint("without a date nobody can say when it was made", "StudyDate")
    elif not study.started:
        yield Complaint("this is no date", "StudyDate")
    if any(one.is_mislabelled for one in study.instances):
        yield Complaint(
            "it says that texts are Latin, but they are GB 18030: they were read as that", "SpecificCharacterSet"
        )
    others = {one.text("PatientID") for one in study.instances if "00100020" in one.elements}
    if len(others) > 1:
        yield Complaint(f"its series are of {len(others)} patients: the first is taken", "PatientID", fatal=True)
    for one in study.instances:
        for keyword in ("SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"):
            if not is_uid(one.text(keyword)):
                yield Complaint("an instance without it is left out", keyword)
                break
