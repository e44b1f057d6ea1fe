"""What a change of the record is called in HL7 v2: ADT of patients and visits, ORU of results, SIU of appointments. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.hl7v2.out.people import cwe, cx, pid, pv1
from jiankang.capabilities.exchange.hl7v2.out.writing import Repeated, Writer, dtm, header, moment, segment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

Json = dict[str, Any]
TYPES = {"Patient": "ADT", "Encounter": "ADT", "DiagnosticReport": "ORU", "Appointment": "SIU"}
"""Which changes are told of, and in which kind of message."""

_ENDED = {"finished": "A03", "cancelled": "A11", "entered-in-error": "A23"}
_BOOKED = {"cancelled": "S15", "noshow": "S26", "entered-in-error": "S17"}
_RESULT = {
    "registered": "O", "partial": "R", "preliminary": "P", "final": "F", "amended": "C", "corrected": "C", "appended": "C",
    "cancelled": "X", "entered-in-error": "X",
}  # fmt: skip
_FILLER = {
    "pending": "Pending", "booked": "Booked", "arrived": "Started", "checked-in": "Started", "fulfilled": "Complete",
    "cancelled": "Cancelled", "noshow": "Noshow", "waitlist": "Waitlist", "entered-in-error": "Deleted", "proposed": "Pending",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Changed:
    """A change, with what it is about: the patient, the visit, the results, and who stays where a patient goes."""

    resource: Json
    version: int
    patient: Json | None = None
    visit: Json | None = None
    results: Sequence[Json] = ()
    stays: Json | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """From whom to whom, when and under which control id."""

    receiver: tuple[str, str]
    at: datetime
    control: str
    named: Mapping[str, str]
    """Systems of identifiers → names of assigning authorities that the receiver knows."""


def message(changed: Changed, envelope: Envelope) -> tuple[str, bytes] | None:
    """Kind and bytes of the message that tells of a change; None when there is nothing to tell."""
    match changed.resource["resourceType"]:
        case "Patient":
            return _patient(changed, envelope)
        case "Encounter" if changed.patient is not None:
            return _visit(changed, envelope)
        case "DiagnosticReport" if changed.patient is not None:
            return _report(changed, envelope)
        case "Appointment" if changed.patient is not None:
            return _appointment(changed, envelope)
    return None


def _writer(kind: tuple[str, str, str], envelope: Envelope) -> Writer:
    sender = ("JIANKANG", "REGION")
    return Writer(header(kind, control=envelope.control, at=envelope.at, sender=sender, receiver=envelope.receiver))


def _patient(changed: Changed, envelope: Envelope) -> tuple[str, bytes]:
    if changed.stays is not None:
        writer = _writer(("ADT", "A40", "ADT_A39"), envelope).add("EVN", f2=moment(envelope.at))
        writer.extend([pid(changed.stays, envelope.named)])
        numbers = Repeated(cx(one, envelope.named) for one in changed.resource.get("identifier", []))
        return "ADT^A40", writer.add("MRG", f1=numbers).bytes
    event = "A28" if changed.version == 1 else "A31"
    writer = _writer(("ADT", event, "ADT_A05"), envelope).add("EVN", f2=moment(envelope.at))
    return f"ADT^{event}", writer.extend([pid(changed.resource, envelope.named), pv1(None)]).bytes


def _visit(changed: Changed, envelope: Envelope) -> tuple[str, bytes]:
    visit = changed.resource
    inpatient = visit.get("class", {}).get("code") in {"IMP", "ACUTE", "NONAC"}
    begun = "A01" if inpatient else "A04"
    event = _ENDED.get(visit.get("status", "")) or (begun if changed.version == 1 else "A08")
    structure = {"A03": "ADT_A03", "A11": "ADT_A09", "A23": "ADT_A21"}.get(event, "ADT_A01")
    writer = _writer(("ADT", event, structure), envelope).add("EVN", f2=moment(envelope.at))
    writer.extend([pid(changed.patient or {}, envelope.named), pv1(visit, envelope.named)])
    return f"ADT^{event}", writer.bytes


def _report(changed: Changed, envelope: Envelope) -> tuple[str, bytes]:
    report = changed.resource
    state = _RESULT.get(report.get("status", ""), "I")
    writer = _writer(("ORU", "R01", "ORU_R01"), envelope)
    writer.extend([pid(changed.patient or {}, envelope.named), pv1(changed.visit, envelope.named)])
    placer, filler = (_number(report, kind) for kind in ("PLAC", "FILL"))
    taken = report.get("effectiveDateTime") or report.get("effectivePeriod", {}).get("start")
    writer.add(
        "OBR", f1="1", f2=placer, f3=filler or [report["id"]], f4=cwe(report.get("code")), f7=dtm(taken),
        f22=dtm(report.get("issued")), f25=state,
    )  # fmt: skip
    writer.extend(_result(number, one, state) for number, one in enumerate(changed.results, start=1))
    if report.get("conclusion"):
        writer.add("NTE", f1="1", f3=report["conclusion"])
    return "ORU^R01", writer.bytes


def _number(resource: Json, kind: str) -> list[object] | None:
    for one in resource.get("identifier", []):
        if any(coding.get("code") == kind for coding in one.get("type", {}).get("coding", [])):
            return [one.get("value", ""), one.get("system", "").rpartition(":")[2]]
    return None


def _result(number: int, one: Json, state: str) -> str:
    kind, value, unit = _value(one)
    flag = next((c.get("code", "") for each in one.get("interpretation", []) for c in each.get("coding", [])), "")
    usual = next((each.get("text", "") for each in one.get("referenceRange", [])), "")
    return segment(
        "OBX", f1=str(number), f2=kind, f3=cwe(one.get("code")), f5=value, f6=unit, f7=usual, f8=flag,
        f11=_RESULT.get(one.get("status", ""), state), f14=dtm(one.get("effectiveDateTime")),
    )  # fmt: skip


def _value(one: Json) -> tuple[str, Any, Any]:
    if (quantity := one.get("valueQuantity")) is not None:
        unit = [quantity.get("code", ""), quantity.get("unit", ""), "UCUM" if quantity.get("code") else ""]
        if quantity.get("comparator"):
            return "SN", [quantity["comparator"], str(quantity.get("value", ""))], unit
        return "NM", str(quantity.get("value", "")), unit
    if (concept := one.get("valueCodeableConcept")) is not None:
        return "CWE", cwe(concept), None
    if (text := one.get("valueString")) is not None:
        return "ST", str(text), None
    if (at := one.get("valueDateTime")) is not None:
        return "DTM", dtm(at), None
    return "ST", "", None


def _appointment(changed: Changed, envelope: Envelope) -> tuple[str, bytes]:
    booked = changed.resource
    event = _BOOKED.get(booked.get("status", "")) or ("S12" if changed.version == 1 else "S14")
    writer = _writer(("SIU", event, "SIU_S12"), envelope)
    placer, filler = (_number(booked, kind) for kind in ("PLAC", "FILL"))
    minutes = str(booked.get("minutesDuration", ""))
    reason = next(iter(booked.get("reasonCode", [])), None)
    writer.add(
        "SCH", f1=placer, f2=filler or [booked["id"]], f7=cwe(reason) if reason else None, f9=minutes,
        f10="min" if minutes else "", f11=["", "", "", dtm(booked.get("start")), dtm(booked.get("end"))],
        f25=_FILLER.get(booked.get("status", ""), ""),
    )  # fmt: skip
    writer.extend([pid(changed.patient or {}, envelope.named)]).add("RGS", f1="1")
    for service in booked.get("serviceType", [])[:1]:
        writer.add("AIS", f1="1", f3=cwe(service), f4=dtm(booked.get("start")))
    return f"SIU^{event}", writer.bytes
