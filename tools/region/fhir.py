"""Plain FHIR R4 resources of one encounter or of none."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from region.codes import DIASTOLIC, HL7, LOINC, PRESSURE, SYSTOLIC, UCUM, VISIT_SUMMARY, Concept, Measure, category

Resource = dict[str, Any]
Reference = dict[str, str]


@dataclass(frozen=True, slots=True)
class Visit:
    """What the resources of one encounter have in common."""

    patient: Reference
    encounter: Reference
    provider: Reference
    clinician: Reference
    start: datetime

    def after(self, minutes: int) -> str:
        """The instant some minutes after the start, as FHIR writes it in China's time zone."""
        return moment(self.start + timedelta(minutes=minutes))


def moment(local: datetime) -> str:
    """A local time of China as a FHIR dateTime."""
    return local.strftime("%Y-%m-%dT%H:%M:%S+08:00")


def _decimal(value: float, digits: int) -> Decimal | int:
    return Decimal(f"{value:.{digits}f}") if digits else round(value)


def quantity(measure: Measure, value: float) -> dict[str, Any]:
    """A Quantity with the digits that the instrument shows."""
    return {"value": _decimal(value, measure.digits), "unit": measure.unit, "system": UCUM, "code": measure.ucum}


def encounter(visit: Visit, class_code: str, type_: Concept, minutes: int) -> Resource:
    """http://hl7.org/fhir/R4/encounter.html."""
    return {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": f"{HL7}/v3-ActCode", "code": class_code},
        "type": [type_],
        "subject": visit.patient,
        "participant": [{"individual": visit.clinician}],
        "period": {"start": visit.after(0), "end": visit.after(minutes)},
        "serviceProvider": visit.provider,
    }


def _observation(visit: Visit, kind: str, code: Concept, minutes: int) -> Resource:
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": category("observation-category", kind),
        "code": code,
        "subject": visit.patient,
        "encounter": visit.encounter,
        "effectiveDateTime": visit.after(minutes),
        "performer": [visit.clinician],
    }


def observation(visit: Visit, measure: Measure, value: float, minutes: int = 5) -> Resource:
    """One measured value: http://hl7.org/fhir/R4/observation.html."""
    resource = _observation(visit, measure.category, measure.code, minutes)
    resource["valueQuantity"] = quantity(measure, value)
    return resource


def blood_pressure(visit: Visit, systolic: float, diastolic: float) -> Resource:
    """Both pressures as components: http://hl7.org/fhir/R4/bp.html."""
    resource = _observation(visit, "vital-signs", PRESSURE, 6)
    resource["component"] = [
        {"code": measure.code, "valueQuantity": quantity(measure, value)}
        for measure, value in ((SYSTOLIC, systolic), (DIASTOLIC, diastolic))
    ]
    return resource


def condition(visit: Visit, code: Concept, *, onset: str, ended: str | None = None) -> Resource:
    """A diagnosis, active unless it ended: http://hl7.org/fhir/R4/condition.html."""
    status = "active" if ended is None else "resolved"
    resource: Resource = {
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [{"system": f"{HL7}/condition-clinical", "code": status}]},
        "verificationStatus": {"coding": [{"system": f"{HL7}/condition-ver-status", "code": "confirmed"}]},
        "category": category("condition-category", "encounter-diagnosis"),
        "code": code,
        "subject": visit.patient,
        "encounter": visit.encounter,
        "onsetDateTime": onset,
        "recordedDate": visit.after(12),
    }
    if ended is not None:
        resource["abatementDateTime"] = ended
    return resource


def prescription(visit: Visit, medicine: Concept, reason: Reference | None, text: str, *, active: bool) -> Resource:
    """http://hl7.org/fhir/R4/medicationrequest.html."""
    resource: Resource = {
        "resourceType": "MedicationRequest",
        "status": "active" if active else "completed",
        "intent": "order",
        "medicationCodeableConcept": medicine,
        "subject": visit.patient,
        "encounter": visit.encounter,
        "authoredOn": visit.after(14),
        "requester": visit.clinician,
        "dosageInstruction": [{"sequence": 1, "text": text, "asNeededBoolean": False}],
    }
    if reason is not None:
        resource["reasonReference"] = [reason]
    return resource


def immunization(visit: Visit, vaccine: Concept, number: int, lot: str) -> Resource:
    """http://hl7.org/fhir/R4/immunization.html."""
    return {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": vaccine,
        "patient": visit.patient,
        "encounter": visit.encounter,
        "occurrenceDateTime": visit.after(8),
        "primarySource": True,
        "lotNumber": lot,
        "performer": [{"actor": visit.clinician}],
        "protocolApplied": [{"doseNumberPositiveInt": number}],
    }


def allergy(visit: Visit, code: Concept, kind: str) -> Resource:
    """http://hl7.org/fhir/R4/allergyintolerance.html."""
    return {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": {"coding": [{"system": f"{HL7}/allergyintolerance-clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": f"{HL7}/allergyintolerance-verification", "code": "confirmed"}]},
        "type": "allergy",
        "category": [kind],
        "criticality": "low",
        "code": code,
        "patient": visit.patient,
        "recordedDate": visit.after(10),
    }


def report(visit: Visit, code: Concept, results: list[Reference]) -> Resource:
    """http://hl7.org/fhir/R4/diagnosticreport.html."""
    return {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "category": category("v2-0074", "LAB"),
        "code": code,
        "subject": visit.patient,
        "encounter": visit.encounter,
        "effectiveDateTime": visit.after(20),
        "issued": visit.after(90),
        "performer": [visit.provider],
        "result": results,
    }


def document(visit: Visit, text: str) -> Resource:
    """The visit's summary as a text document: http://hl7.org/fhir/R4/documentreference.html."""
    raw = text.encode()
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": VISIT_SUMMARY,
        "category": [{"coding": [{"system": LOINC, "code": "34109-9", "display": "Note"}]}],
        "subject": visit.patient,
        "date": visit.after(25),
        "author": [visit.clinician],
        "custodian": visit.provider,
        "content": [
            {
                "attachment": {
                    "contentType": "text/plain; charset=utf-8", "language": "zh-CN",
                    "data": base64.b64encode(raw).decode(), "size": len(raw), "title": "门诊摘要",
                }
            }
        ],
        "context": {"encounter": [visit.encounter], "period": {"start": visit.after(0), "end": visit.after(25)}},
    }  # fmt: skip
