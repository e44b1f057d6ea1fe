"""Reads a message segment by segment: each is turned into resources by its maps, and belongs to what came before it.

The order of segments in a message tells what belongs together (a result to its order, a comment to what precedes it),
in every version of the norm. Which structures a message may have is written in `../<structure>/map`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.hl7v2.mapping import datatypes as dt
from jiankang.capabilities.exchange.hl7v2.mapping import moments
from jiankang.capabilities.exchange.hl7v2.mapping.effects import finish
from jiankang.capabilities.exchange.hl7v2.mapping.rows import sections
from jiankang.capabilities.exchange.hl7v2.mapping.systems import CITIZEN, identifier_system
from jiankang.capabilities.exchange.hl7v2.mapping.vocabularies import translate
from jiankang.capabilities.exchange.model import Joined
from jiankang.capabilities.exchange.naming import identify, reference

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.hl7v2.mapping.context import Context
    from jiankang.capabilities.exchange.hl7v2.wire import Message, Segment, Value

Json = dict[str, Any]
_T = "http://terminology.hl7.org/CodeSystem/"
_OWN_NUMBERS = ("MR", "PI", "PT", "")
_NOBODYS = frozenset({"NI", "NNCHN", "NNCN", "SS", "SB", "PPN", "HC", "DL", "VN", "AN", "BCT", "NH", "MB"})

MOVING = frozenset({"A01", "A02", "A04", "A05", "A06", "A07", "A09", "A10", "A12", "A14", "A15", "A32", "A33"})
"""Events that say where the patient is from now on."""

STATES = {
    "A01": "in-progress", "A02": "in-progress", "A03": "finished", "A05": "planned", "A11": "cancelled",
    "A13": "in-progress", "A14": "planned", "A23": "entered-in-error", "A27": "cancelled", "A38": "cancelled",
    "A04": "", "A06": "in-progress", "A07": "in-progress",
}  # fmt: skip
"""What an event makes of a visit; empty: the patient's class says it (official tables Event and PatientClass)."""

JOINING = frozenset({"A18", "A30", "A34", "A36", "A39", "A40", "A46", "A47"})
"""Events by which the patient of MRG goes on as the patient of PID."""


def walk(context: Context, message: Message) -> None:
    """Read all segments of a message."""
    for segment in message.segments:
        handle = HANDLERS.get(segment.name)
        if handle is not None:
            handle(context, segment)
    for (type_name, _), says in context.told.items():
        if type_name == "Appointment":
            finish(says)
        elif type_name == "ServiceRequest" and "occurrenceTiming" in says:
            for other in ("occurrenceDateTime", "occurrencePeriod"):
                says.pop(other, None)


def _say(context: Context, segment: Segment, target: str, says: Json | None = None) -> Json:
    """What a segment says by one of its maps."""
    section = sections().get((segment.name, target))
    found = says if says is not None else {}
    return found if section is None else section.apply(context, segment, found)


def _told(context: Context, segment: Segment, target: str, id_: str, **says: Any) -> None:
    """Tell what a segment says of a resource by one of its maps."""
    found = {**says, **_say(context, segment, target)}
    context.tell(target, id_, {name: value for name, value in found.items() if value is not None or name in found})


def _subject(context: Context, name: str = "subject") -> Json:
    """The patient, and the visit, that something is about."""
    found: Json = {}
    patient = context.refer("patient", "Patient")
    if patient is not None:
        found[name] = patient
    visit = context.refer("visit", "Encounter")
    if visit is not None and name == "subject":
        found["encounter"] = visit
    return found


def _key(segment: Segment, *numbers: int) -> str:
    """Something that tells a segment from others of its kind, where no number does."""
    return "\x1f".join(segment[number].c() or segment[number].c(2) for number in numbers)


# -- people ---------------------------------------------------------------------------------------------------------


def _pid(context: Context, segment: Segment) -> None:
    found = patient_number(context, segment)
    if found is None:
        context.complain("PID-3 has no number of the patient", "101", "PID-3", fatal=True)
        return
    context.current["patient"] = id_ = identify("Patient", *found)
    for role in ("visit", "order", "report", "observation", "specimen", "prescription"):
        context.current.pop(role, None)
    _told(context, segment, "Patient", id_)
    context.noted = None
    if context.event == "A29":
        context.tell("Patient", id_, {"active": False})


def patient_number(context: Context, segment: Segment, numbers: tuple[int, ...] = (3, 2, 4)) -> tuple[str, str] | None:
    """System and value of the number that the source knows a patient by: its own before those of everybody."""
    ranked: list[tuple[int, int, str, str]] = []
    for number in numbers:
        for value in segment.all(number):
            text = value.c(1).strip()
            if not text or value.is_null:
                continue
            kind = value.c(5).strip().upper()
            rank = _OWN_NUMBERS.index(kind) if kind in _OWN_NUMBERS else 9 if kind in _NOBODYS else 5
            system = identifier_system(context, value.part(4), kind, text)
            if rank == 3 and system == CITIZEN:
                rank = 9
            ranked.append((rank, len(ranked), system, text.upper()))
    return min(ranked)[2:] if ranked else None


def _pd1(context: Context, segment: Segment) -> None:
    if patient := context.current.get("patient"):
        _told(context, segment, "Patient", patient)


def _nk1(context: Context, segment: Segment) -> None:
    patient = context.current.get("patient")
    if not patient or not (segment[2] or segment[13] or segment[30]):
        return
    who = _key(segment, 33, 12) if segment[33] or segment[12] else _key(segment, 2, 3)
    id_ = identify("RelatedPerson", patient, who)
    _told(context, segment, "RelatedPerson", id_, patient=reference("Patient", patient))


def _mrg(context: Context, segment: Segment) -> None:
    """What is gone: a patient, an account, or the number of a visit."""
    patient = context.current.get("patient")
    if not patient:
        return
    if context.event in {"A44", "A43", "A45"}:
        _moved(context, segment, patient)
        return
    if context.event not in JOINING:
        return
    found = patient_number(context, segment, (1, 4))
    if found is None:
        context.complain("MRG-1 has no number of the patient who is gone", "101", "MRG-1", fatal=True)
        return
    gone = identify("Patient", *found)
    if gone == patient:
        return
    link = [{"other": reference("Patient", patient), "type": "replaced-by"}]
    _told(context, segment, "Patient", gone, active=False, link=link)
    context.tell("Patient", patient, {"link": [{"other": reference("Patient", gone), "type": "replaces"}]})
    context.joined.append(Joined(patient, gone, context.at))


def _moved(context: Context, segment: Segment, patient: str) -> None:
    """An account, and the visits of it, go to another patient (A44, A45)."""
    number = dt.cx(context, segment[3]) if segment[3] else None
    if number is not None:
        id_ = identify("Account", str(number.get("system", "")), str(number["value"]).upper())
        says = {"identifier": [number], "status": "active", "subject": [reference("Patient", patient)]}
        context.tell("Account", id_, says)
    visit = dt.cx(context, segment[5]) if segment[5] else None
    if visit is not None:
        id_ = identify("Encounter", str(visit.get("system", "")), str(visit["value"]).upper())
        context.tell("Encounter", id_, {"subject": reference("Patient", patient)})
        _assume_visit(context, id_)


# -- visits ---------------------------------------------------------------------------------------------------------


def _pv1(context: Context, segment: Segment) -> None:
    patient = context.current.get("patient")
    if not patient or (segment[2].c() in {"N", ""} and not segment[19]):
        return
    context.current["visit"] = id_ = _visit_id(context, segment, patient)
    says = _say(context, segment, "Encounter")
    importance = segment[16]
    if importance:
        vip = dt.concept(context, importance, "0099")
        context.tell(
            "Patient", patient, {"extension": [{"url": f"{dt.SD}patient-importance", "valueCodeableConcept": vip}]}
        )
    _places(context, says)
    _state(context, segment, says, id_)
    says["subject"] = reference("Patient", patient)
    if account := context.current.get("account"):
        says["account"] = [reference("Account", account)]
    context.tell("Encounter", id_, says)
    _assume_visit(context, id_)


def _visit_id(context: Context, segment: Segment, patient: str) -> str:
    number = next((value for field in (19, 50) for value in segment.all(field) if value.c(1).strip()), None)
    if number is None:
        return identify("Encounter", patient, segment[44].c() or segment[2].c())
    system = identifier_system(context, number.part(4), number.c(5), number.c(1), what="visit")
    return identify("Encounter", system, number.c(1).strip().upper())


def _places(context: Context, says: Json) -> None:
    """Where the patient is, since the event; other messages only say it as long as no event did."""
    places = says.pop("location", None)
    if not places:
        return
    here = [place for place in places if place["status"] in {"active", "planned"}]
    if context.event in MOVING:
        since = context.current.get("since", "")
        for place in here:
            if since:
                place["period"] = {"start": since}
        says["location"] = here
    else:
        context.assume("Encounter", context.current["visit"], {"location": here})


def _state(context: Context, segment: Segment, says: Json, id_: str) -> None:
    by_class = (translate("PatientClass[EncounterStatus]", segment[2].c()) or {}).get("code", "unknown")
    if segment[45]:
        by_class = "finished"
    state = STATES.get(context.event)
    if state is None:
        context.assume("Encounter", id_, {"status": by_class})
        return
    says["status"] = state or by_class
    if context.event == "A13":
        says["period"] = {**says.get("period", {}), "end": None}
        says["hospitalization"] = {**says.get("hospitalization", {}), "dischargeDisposition": None}
    elif context.event == "A03" and not says.get("period", {}).get("end") and context.current.get("since"):
        says.setdefault("period", {})["end"] = context.current["since"]


def _assume_visit(context: Context, id_: str) -> None:
    unknown = {"system": f"{_T}v3-NullFlavor", "code": "UNK"}
    context.assume("Encounter", id_, {"status": "unknown", "class": unknown})


def _pv2(context: Context, segment: Segment) -> None:
    if visit := context.current.get("visit"):
        says = _say(context, segment, "Encounter")
        says.pop("location", None)
        context.tell("Encounter", visit, says)


def _dg1(context: Context, segment: Segment) -> None:
    patient = context.current.get("patient")
    if not patient or not (segment[3] or segment[4]):
        return
    home = context.current.get("visit") or patient
    number = segment[20].c()
    id_ = (
        identify("Condition", home, number)
        if number
        else identify("Condition", home, _key(segment, 3, 4), segment[6].c())
    )
    kind = {"coding": [{"system": f"{_T}condition-category", "code": "encounter-diagnosis"}]}
    says = {"category": [kind], **_subject(context), **_say(context, segment, "Condition")}
    if segment[4] and "coding" not in says.get("code", {}):
        says["code"] = {"text": segment[4].all}
    if says.get("verificationStatus") is None:
        says.pop("verificationStatus", None)
    context.tell("Condition", id_, says)
    context.noted = None
    if visit := context.current.get("visit"):
        context.tell("Encounter", visit, {"diagnosis": [_diagnosis(segment, id_)]})


_USES = {"A": "AD", "W": "AD", "F": "DD", "D": "DD"}


def _diagnosis(segment: Segment, condition: str) -> Json:
    found: Json = {"condition": reference("Condition", condition)}
    use = _USES.get(segment[6].c().strip().upper())
    if use:
        found["use"] = {"coding": [{"system": f"{_T}diagnosis-role", "code": use}]}
    rank = segment[15].c().strip()
    if rank.isdigit() and int(rank) > 0:
        found["rank"] = int(rank)
    return found


def _pr1(context: Context, segment: Segment) -> None:
    patient = context.current.get("patient")
    if not patient or not (segment[3] or segment[4]):
        return
    number = segment[19].c()
    home = context.current.get("visit") or patient
    context.current["procedure"] = id_ = (
        identify("Procedure", dt.ei_system(context, segment[19]), number.upper())
        if number
        else identify("Procedure", home, _key(segment, 3, 4), segment[5].c())
    )
    _told(context, segment, "Procedure", id_, **_subject(context))


def _role(context: Context, segment: Segment) -> None:
    _say(context, segment, "Practitioner")


# -- allergies, insurance -------------------------------------------------------------------------------------------


def _allergy(context: Context, segment: Segment) -> None:
    patient = context.current.get("patient")
    substance = segment[3] or segment[27] if segment.name == "IAM" else segment[3]
    if not patient or not (substance or segment[7] if segment.name == "IAM" else substance):
        return
    what = (substance.c(1) or substance.c(2)).strip().upper()
    id_ = identify("AllergyIntolerance", patient, what)
    says = {"patient": reference("Patient", patient), **_say(context, segment, "AllergyIntolerance")}
    severity = {"SV": "severe", "MO": "moderate", "MI": "mild"}.get(segment[4].c().upper())
    if severity:
        for reaction in says.get("reaction") or ():
            reaction["severity"] = severity
    removed = segment.name == "IAM" and segment[6].c().upper() == "D"
    if removed:
        says["clinicalStatus"] = None
    status = "entered-in-error" if removed else "confirmed"
    says["verificationStatus"] = {"coding": [{"system": f"{_T}allergyintolerance-verification", "code": status}]}
    context.tell("AllergyIntolerance", id_, says)
    context.noted = ("AllergyIntolerance", id_)


def _in1(context: Context, segment: Segment) -> None:
    patient = context.current.get("patient")
    if not patient:
        return
    plan = _key(segment, 2, 3, 4)
    member = segment[36].c() or segment[49].c() or segment[8].c()
    id_ = identify("Coverage", patient, plan, member)
    about = reference("Patient", patient)
    says = {"beneficiary": about, **_say(context, segment, "Coverage")}
    context.tell("Coverage", id_, says)
    context.assume("Coverage", id_, {"payor": [about]})


# -- orders ---------------------------------------------------------------------------------------------------------

_RESULTS = frozenset({"ORU", "OUL"})
_DRUGS = frozenset({"RDE", "RDS", "RAS", "OMP", "RGV"})


def _order_id(context: Context, placer: Value, filler: Value) -> str | None:
    """The id of an order by its placer's number, else by its filler's."""
    for role, value in (("placer", placer), ("filler", filler)):
        number = value.c(1).strip()
        if number:
            return identify("ServiceRequest", dt.ei_system(context, value), role, number.upper())
    return None


def _orc(context: Context, segment: Segment) -> None:
    """What follows belongs to this order: a drug's, a vaccine's, or one for a service."""
    for role in ("order", "report", "prescription", "immunization", "administration", "observation", "dispense"):
        context.current.pop(role, None)
    context.current["orc"] = segment.line
    context.current["ordered"] = ""
    kind = context.current.get("kind", "")
    if kind == "VXU":
        return
    if kind in _DRUGS or (kind == "ORM" and context.current.get("drugs")):
        _prescribed(context, segment)
        return
    id_ = _order_id(context, segment[2], segment[3])
    if id_ is None:
        return
    context.current["order"], context.current["ordered"] = id_, "ServiceRequest"
    says = _say(context, segment, "ServiceRequest")
    if kind in _RESULTS | {"MDM"}:
        context.assume("ServiceRequest", id_, {"status": says.pop("status", "active")})
    context.tell("ServiceRequest", id_, {**_subject(context), **says})
    context.assume("ServiceRequest", id_, {"status": "active"})
    context.noted = ("ServiceRequest", id_)


def _prescribed(context: Context, segment: Segment) -> None:
    for role, value in (("placer", segment[2]), ("filler", segment[3])):
        number = value.c(1).strip()
        if number:
            id_ = identify("MedicationRequest", dt.ei_system(context, value), role, number.upper())
            break
    else:
        id_ = identify("MedicationRequest", context.current.get("patient", ""), context.at, str(segment.number))
    context.current["prescription"], context.current["ordered"] = id_, "MedicationRequest"
    status = translate("MedicationStatus", segment[1].c())
    numbers = [dt.identifier(context, value, kind) for value, kind in ((segment[2], "PLAC"), (segment[3], "FILL"))]
    says: Json = {"identifier": [one for one in numbers if one], **_subject(context), "intent": "order"}
    if status:
        says["status"] = status["code"]
    if segment[9]:
        says["authoredOn"] = dt.dtm(context, segment[9])
    if segment[12]:
        says["requester"] = dt.practitioner(context, segment[12])
    context.tell("MedicationRequest", id_, {name: value for name, value in says.items() if value})
    context.assume("MedicationRequest", id_, {"status": "active"})
    context.noted = ("MedicationRequest", id_)


def _obr(context: Context, segment: Segment) -> None:
    kind = context.current.get("kind", "")
    _order_of_obr(context, segment)
    if kind in _RESULTS or (kind in {"ORM", "DFT"} and segment[25]):
        _report(context, segment)


def _order_of_obr(context: Context, segment: Segment) -> None:
    number = _order_id(context, segment[2], segment[3])
    id_ = number or context.current.get("order")
    if id_ is None:
        patient = context.current.get("patient")
        if not patient:
            return
        id_ = identify("ServiceRequest", patient, _key(segment, 4, 7))
    if context.current.get("order") not in {None, id_}:
        context.told.pop(("ServiceRequest", context.current["order"]), None) if _is_bare(context) else None
    context.current["order"], context.current["ordered"] = id_, "ServiceRequest"
    says = _say(context, segment, "ServiceRequest")
    context.tell("ServiceRequest", id_, {**_subject(context), **says})
    context.assume("ServiceRequest", id_, {"status": "active", "intent": "order"})
    context.noted = ("ServiceRequest", id_)


def _is_bare(context: Context) -> bool:
    """Whether the order of ORC says nothing that its OBR, under another number, does not say better."""
    said = context.told.get(("ServiceRequest", context.current["order"]), {})
    return "code" not in said and not said.get("identifier")


def _report(context: Context, segment: Segment) -> None:
    patient = context.current.get("patient")
    if not patient:
        return
    number = segment[3] if segment[3].c(1) else segment[2]
    role = "filler" if segment[3].c(1) else "placer"
    code = (segment[4].c(1) or segment[4].c(2)).strip().upper()
    id_ = (
        identify("DiagnosticReport", dt.ei_system(context, number), role, number.c(1).strip().upper(), code)
        if number.c(1).strip()
        else identify("DiagnosticReport", patient, code, segment[7].c())
    )
    context.current["report"] = id_
    context.current.pop("specimen", None)
    said = moments.stamp(segment[22].c(), context.sender.zone) if segment[22] else None
    context.current["said"] = said or context.at
    context.moments["DiagnosticReport", id_] = context.current["said"]
    says = {**_subject(context), **_say(context, segment, "DiagnosticReport")}
    if order := context.current.get("order"):
        says["basedOn"] = [reference("ServiceRequest", order)]
    context.tell("DiagnosticReport", id_, says)
    context.assume("DiagnosticReport", id_, {"status": "unknown"})
    context.noted = ("DiagnosticReport", id_)
    context.current["result_status"] = str(says.get("status", ""))


def _obx(context: Context, segment: Segment) -> None:
    if context.current.get("document"):
        _document_part(context, segment)
        return
    home = (
        context.current.get("report")
        or context.current.get("immunization")
        or context.current.get("visit")
        or context.current.get("patient")
    )
    if not home or not segment[3]:
        return
    parts = [_key(segment, 3), segment[4].all]
    if not context.current.get("report"):
        parts.append(segment[14].c() or context.current.get("since", ""))
    key = "\x1f".join(parts)
    again = context.count(f"obx:{home}:{key}")
    context.current["observation"] = id_ = identify("Observation", home, key, *([str(again)] if again > 1 else []))
    says = {**_subject(context), **_say(context, segment, "Observation")}
    _about(context, says)
    context.tell("Observation", id_, says)
    if "said" in context.current and context.current.get("report"):
        context.moments["Observation", id_] = context.current["said"]
    status = {"registered": "registered", "preliminary": "preliminary", "partial": "preliminary"}.get(
        context.current.get("result_status", ""), "final"
    )
    context.assume("Observation", id_, {"status": status})
    context.noted = ("Observation", id_)


def _about(context: Context, says: Json) -> None:
    """What a result belongs to: its report, its specimen, the vaccine that it is about."""
    observation = reference("Observation", context.current["observation"])
    report = context.current.get("report")
    specimen = context.current.get("specimen")
    if report:
        context.tell("DiagnosticReport", report, {"result": [observation]})
        if "category" not in says:
            says["category"] = [{"coding": [{"system": f"{_T}observation-category", "code": "laboratory"}]}]
        if specimen and "specimen" not in says:
            says["specimen"] = reference("Specimen", specimen)
        if order := context.current.get("order"):
            says["basedOn"] = [reference("ServiceRequest", order)]
    elif context.current.get("order") and context.current.get("ordered") == "ServiceRequest":
        context.tell("ServiceRequest", context.current["order"], {"supportingInfo": [observation]})
    if vaccine := context.current.get("immunization"):
        says["partOf"] = [reference("Immunization", vaccine)]


def _spm(context: Context, segment: Segment) -> None:
    value = segment[2]
    number = next((value.part(part) for part in (2, 1) if value.part(part).c(1).strip()), None)
    home = context.current.get("report") or context.current.get("order") or context.current.get("patient", "")
    id_ = (
        identify("Specimen", dt.ei_system(context, number), number.c(1).strip().upper())
        if number is not None
        else identify("Specimen", home, str(context.count(f"spm:{home}")))
    )
    context.current["specimen"] = id_
    subject = _subject(context)
    subject.pop("encounter", None)
    _told(context, segment, "Specimen", id_, **subject)
    mine = [reference("Specimen", id_)]
    if report := context.current.get("report"):
        context.tell("DiagnosticReport", report, {"specimen": mine})
    elif (order := context.current.get("order")) and context.current.get("ordered") == "ServiceRequest":
        context.tell("ServiceRequest", order, {"specimen": mine})
    context.noted = ("Specimen", id_)


_NOTES = frozenset(
    {
        "Observation",
        "ServiceRequest",
        "Specimen",
        "MedicationRequest",
        "AllergyIntolerance",
        "Immunization",
        "Condition",
    }
)


def _nte(context: Context, segment: Segment) -> None:
    if context.noted is None:
        return
    type_name, id_ = context.noted
    note = _say(context, segment, "Annotation")
    text = "\n".join(value.all for value in segment.all(3)).strip()
    if not text:
        return
    note["text"] = text
    said = context.said(type_name, id_)
    if type_name in _NOTES:
        said.setdefault("note", []).append(note)
    elif type_name == "DiagnosticReport":
        said["conclusion"] = f"{said['conclusion']}\n{text}" if said.get("conclusion") else text
    elif type_name == "Appointment":
        said["comment"] = f"{said['comment']}\n{text}" if said.get("comment") else text
    elif type_name == "DocumentReference":
        said["description"] = f"{said['description']}\n{text}" if said.get("description") else text


def _tq1(context: Context, segment: Segment) -> None:
    _say(context, segment, "Timing")


# -- drugs and vaccines ---------------------------------------------------------------------------------------------


def _rxo(context: Context, segment: Segment) -> None:
    context.current["drugs"] = "1"
    if not context.current.get("prescription"):
        _prescription_without_number(context, segment)
    _told(context, segment, "MedicationRequest", context.current["prescription"])


def _prescription_without_number(context: Context, segment: Segment) -> None:
    """ORM^O01 with RXO: the order that ORC told of is one for a drug."""
    order = context.current.pop("order", None)
    said = context.told.pop(("ServiceRequest", order), {}) if order else {}
    context.defaults.pop(("ServiceRequest", order or ""), None)
    id_ = identify(
        "MedicationRequest", order or context.current.get("patient", ""), "" if order else str(segment.number)
    )
    kept: Json = {
        name: said[name] for name in ("identifier", "requester", "authoredOn", "subject", "encounter") if name in said
    }
    context.current["prescription"], context.current["ordered"] = id_, "MedicationRequest"
    context.tell("MedicationRequest", id_, {**_subject(context), **kept, "intent": "order"})
    context.assume("MedicationRequest", id_, {"status": "active"})
    context.noted = ("MedicationRequest", id_)


def _rxe(context: Context, segment: Segment) -> None:
    if not context.current.get("prescription"):
        _prescription_without_number(context, segment)
    id_ = context.current["prescription"]
    says = _say(context, segment, "MedicationRequest", {})
    before = context.told.get(("MedicationRequest", id_), {}).get("dosageInstruction")
    if before and says.get("dosageInstruction"):
        says["dosageInstruction"] = [{**before[0], **says["dosageInstruction"][0]}]
        context.said("MedicationRequest", id_).pop("dosageInstruction")
    context.tell("MedicationRequest", id_, says)


def _rxr(context: Context, segment: Segment) -> None:
    _say(context, segment, "Route")


def _rxd(context: Context, segment: Segment) -> None:
    patient = context.current.get("patient")
    if not patient:
        return
    number = segment[7].c() or segment[3].c()
    prescription = context.current.get("prescription")
    id_ = identify("MedicationDispense", prescription or patient, number, segment[2].c())
    says = {"subject": reference("Patient", patient), **_say(context, segment, "MedicationDispense")}
    if prescription:
        says["authorizingPrescription"] = [reference("MedicationRequest", prescription)]
    context.tell("MedicationDispense", id_, says)
    context.noted = None


def _rxa(context: Context, segment: Segment) -> None:
    patient = context.current.get("patient")
    if not patient:
        return
    if context.current.get("kind") == "RAS":
        _administered(context, segment, patient)
        return
    orc = context.current.get("orc", "")
    filler = _orc_number(context, orc)
    code = (segment[5].c(1) or segment[5].c(2)).strip().upper()
    key = (filler,) if filler and filler.rpartition("|")[2] != "9999" else (patient, code, segment[3].c()[:8])
    context.current["immunization"] = id_ = identify("Immunization", *key)
    says = _say(context, segment, "Immunization")
    says.setdefault("patient", reference("Patient", patient))
    if visit := context.refer("visit", "Encounter"):
        says["encounter"] = visit
    for number, kind in ((2, "PLAC"), (3, "FILL")):
        value = _orc_field(context, orc, number)
        numbered = dt.identifier(context, value, kind) if value is not None and value.c(1) else None
        if numbered:
            says.setdefault("identifier", []).append(numbered)
    if isinstance(says.get("doseQuantity"), dict) and "value" not in says["doseQuantity"]:
        del says["doseQuantity"]
    if says.get("status") != "not-done":
        says.pop("statusReason", None)
    context.tell("Immunization", id_, says)
    context.noted = ("Immunization", id_)


def _orc_field(context: Context, line: str, number: int) -> Value | None:
    from jiankang.capabilities.exchange.hl7v2.wire import Segment

    if not line or context.segment is None:
        return None
    return Segment(line, context.segment.delimiters)[number]


def _orc_number(context: Context, line: str) -> str:
    value = _orc_field(context, line, 3)
    return f"{dt.ei_system(context, value)}|{value.c(1).upper()}" if value is not None and value.c(1) else ""


def _administered(context: Context, segment: Segment, patient: str) -> None:
    prescription = context.current.get("prescription")
    id_ = identify("MedicationAdministration", prescription or patient, segment[2].c(), segment[3].c(), segment[5].c())
    context.current["administration"] = id_
    says = {"subject": reference("Patient", patient), **_say(context, segment, "MedicationAdministration")}
    period = says.get("effectivePeriod")
    if isinstance(period, dict) and set(period) == {"start"}:
        says["effectiveDateTime"] = says.pop("effectivePeriod")["start"]
    dosage = says.get("dosage", {}).get("dose")
    if dosage is not None and "value" not in dosage:
        says.pop("dosage")
    if visit := context.refer("visit", "Encounter"):
        says["context"] = visit
    if prescription:
        says["request"] = reference("MedicationRequest", prescription)
    context.tell("MedicationAdministration", id_, says)
    context.noted = None


# -- appointments ---------------------------------------------------------------------------------------------------

_BOOKINGS = {
    "S12": "booked", "S13": "booked", "S14": "", "S15": "cancelled", "S16": "cancelled", "S17": "entered-in-error",
    "S26": "noshow",
}  # fmt: skip


def _sch(context: Context, segment: Segment) -> None:
    role, value = ("filler", segment[2]) if segment[2].c(1) else ("placer", segment[1])
    number = value.c(1).strip()
    if not number:
        context.complain("SCH-1 and SCH-2 have no number of the appointment", "101", "SCH-2", fatal=True)
        return
    id_ = identify("Appointment", dt.ei_system(context, value), role, number.upper())
    context.current["appointment"], context.current["ordered"] = id_, "Appointment"
    says = _say(context, segment, "Appointment")
    state = _BOOKINGS.get(context.event)
    if state:
        says["status"] = state
    context.tell("Appointment", id_, says)
    context.assume("Appointment", id_, {"status": "booked", "participant": []})
    context.noted = ("Appointment", id_)


def _appointment_part(context: Context, segment: Segment) -> None:
    id_ = context.current.get("appointment")
    if not id_:
        return
    says = _say(context, segment, "Appointment")
    said = context.said("Appointment", id_)
    for name in ("start", "minutesDuration"):
        if name in said:
            says.pop(name, None)
    context.tell("Appointment", id_, says)


def _rgs(context: Context, _: Segment) -> None:
    """A group of resources: the patient takes part in the appointment."""
    id_, patient = context.current.get("appointment"), context.refer("patient", "Patient")
    if id_ and patient:
        context.tell("Appointment", id_, {"participant": [{"actor": patient, "status": "accepted"}]})


# -- documents ------------------------------------------------------------------------------------------------------


def _txa(context: Context, segment: Segment) -> None:
    if context.current.get("kind") != "MDM":
        return
    number = segment[12]
    if not number.c(1):
        context.complain("TXA-12 has no number of the document", "101", "TXA-12", fatal=True)
        return
    context.current["document"] = id_ = identify(
        "DocumentReference", dt.ei_system(context, number), number.c(1).upper()
    )
    says = _say(context, segment, "DocumentReference")
    subject = _subject(context)
    if visit := subject.pop("encounter", None):
        says.setdefault("context", {})["encounter"] = [visit]
    says |= subject
    before = segment[13]
    if before.c(1) and context.event in {"T05", "T06", "T09", "T10"}:
        kind = "replaces" if context.event in {"T09", "T10"} else "appends"
        parent = identify("DocumentReference", dt.ei_system(context, before), before.c(1).upper())
        says["relatesTo"] = [{"code": kind, "target": reference("DocumentReference", parent)}]
        if kind == "replaces":
            context.tell("DocumentReference", parent, {"status": "superseded"})
            context.assume("DocumentReference", parent, {"content": [{"attachment": {"title": before.c(1)}}]})
    if context.event == "T11":
        says["status"] = "entered-in-error"
    context.current["media"] = dt.mime(context, segment[3]) or "text/plain"
    context.tell("DocumentReference", id_, says)
    context.assume("DocumentReference", id_, {"content": [{"attachment": {"title": segment[16].c() or number.c(1)}}]})
    context.noted = ("DocumentReference", id_)


def _document_part(context: Context, segment: Segment) -> None:
    """OBX after TXA: the document itself; the lines of a text make one attachment."""
    from base64 import b64encode

    id_ = context.current["document"]
    kind = segment[2].c().upper()
    said = context.said("DocumentReference", id_)
    if kind in {"ED", "RP"}:
        found = [dt.attachment(context, one) if kind == "ED" else dt.pointer(context, one) for one in segment.all(5)]
        said.setdefault("content", []).extend({"attachment": one} for one in found if one)
        return
    lines = "\n".join(value.all for value in segment.all(5))
    before = context.current.get("text")
    context.current["text"] = text = lines if before is None else f"{before}\n{lines}"
    attachment = {"contentType": "text/plain; charset=utf-8", "data": b64encode(text.encode()).decode()}
    others = [
        one for one in said.get("content", []) if one["attachment"].get("contentType") != attachment["contentType"]
    ]
    said["content"] = [*others, {"attachment": attachment}]


# -- problems, referrals, charges, master files ---------------------------------------------------------------------


def _prb(context: Context, segment: Segment) -> None:
    patient = context.current.get("patient")
    if not patient:
        return
    number = segment[4].c()
    id_ = (
        identify("Condition", patient, number.upper())
        if number
        else identify("Condition", patient, _key(segment, 3), "problem")
    )
    kind = {"coding": [{"system": f"{_T}condition-category", "code": "problem-list-item"}]}
    says = {"category": [kind], **_subject(context), **_say(context, segment, "Condition")}
    if segment[1].c().upper() in {"DE", "D", "DELETE"} or context.event == "PC3":
        says["verificationStatus"] = {"coding": [{"system": f"{_T}condition-ver-status", "code": "entered-in-error"}]}
        says["clinicalStatus"] = None
    elif not says.get("clinicalStatus"):
        says["clinicalStatus"] = {"coding": [{"system": f"{_T}condition-clinical", "code": "active"}]}
    context.tell("Condition", id_, says)
    context.noted = ("Condition", id_)


def _gol(context: Context, segment: Segment) -> None:
    patient = context.current.get("patient")
    if not patient or not segment[3]:
        return
    number = segment[4].c()
    id_ = identify("Goal", patient, number.upper() or _key(segment, 3))
    says = {"subject": reference("Patient", patient), "lifecycleStatus": "active", **_say(context, segment, "Goal")}
    context.tell("Goal", id_, says)


def _rf1(context: Context, segment: Segment) -> None:
    value = segment[6] if segment[6].c(1) else segment[11]
    number = value.c(1).strip()
    if number:
        id_ = identify("ServiceRequest", dt.ei_system(context, value), "placer", number.upper())
        context.current["referral"] = id_
        says = {**_subject(context), **_say(context, segment, "ServiceRequest")}
        if context.event == "I14":
            says["status"] = "revoked"
        says.setdefault("category", []).append(
            {"coding": [{"system": "http://snomed.info/sct", "code": "3457005", "display": "Patient referral"}]}
        )
        context.tell("ServiceRequest", id_, says)
        context.assume("ServiceRequest", id_, {"status": "active", "intent": "order"})


def _prd(context: Context, segment: Segment) -> None:
    referral = context.current.get("referral")
    says = _say(context, segment, "Practitioner")
    name = says.get("name")
    if not name:
        return
    number = segment[7].c()
    system = context.own("staff")
    id_ = identify("Practitioner", system, (number or name[0]["text"]).upper())
    context.tell("Practitioner", id_, says)
    if referral:
        who = reference("Practitioner", id_, name[0]["text"])
        role = segment[1].c().upper()
        context.tell("ServiceRequest", referral, {"requester": who} if role == "RP" else {"performer": [who]})


def _after_patient(context: Context, segment: Segment) -> None:
    """A referral and an appointment are about the patient whom the message names after them."""
    _pid(context, segment)
    patient = context.refer("patient", "Patient")
    referral = context.current.get("referral")
    if patient and referral:
        context.tell("ServiceRequest", referral, {"subject": patient})
    appointment = context.current.get("appointment")
    if patient and appointment:
        context.tell("Appointment", appointment, {"participant": [{"actor": patient, "status": "accepted"}]})


def _ft1(context: Context, segment: Segment) -> None:
    patient = context.current.get("patient")
    if not patient or not segment[7]:
        return
    number = segment[2].c()
    home = context.current.get("visit") or patient
    id_ = identify("ChargeItem", home, number.upper() or _key(segment, 4, 7))
    says = {"subject": reference("Patient", patient), **_say(context, segment, "ChargeItem")}
    if visit := context.refer("visit", "Encounter"):
        says["context"] = visit
    context.tell("ChargeItem", id_, says)


def _mfe(context: Context, segment: Segment) -> None:
    context.current["entry"] = segment[4].c()
    context.current["action"] = segment[1].c().upper()


def _stf(context: Context, segment: Segment) -> None:
    value = segment[1] if segment[1].c() else segment[2]
    number = value.c().strip() or context.current.get("entry", "")
    if not number:
        return
    system = identifier_system(context, value.part(4 if value is segment[2] else 9), "EI", number, what="staff")
    id_ = identify("Practitioner", system, number.upper())
    says = _say(context, segment, "Practitioner")
    numbers = says.setdefault("identifier", [])
    if not numbers:
        numbers.append({"system": system, "value": number})
    if context.current.get("action") in {"MDL", "MDC"}:
        says["active"] = False
    context.tell("Practitioner", id_, says)


def _loc(context: Context, segment: Segment) -> None:
    says = _say(context, segment, "Location")
    place = context.current.get("place")
    if place:
        if context.current.get("action") in {"MDL", "MDC"}:
            says["status"] = "inactive"
        context.tell("Location", place, says)


HANDLERS: Mapping[str, Callable[[Context, Segment], None]] = {
    "PID": _after_patient, "PD1": _pd1, "NK1": _nk1, "MRG": _mrg, "PV1": _pv1, "PV2": _pv2, "DG1": _dg1, "PR1": _pr1,
    "ROL": _role, "PRT": _role, "AL1": _allergy, "IAM": _allergy, "IN1": _in1, "ORC": _orc, "OBR": _obr, "OBX": _obx,
    "SPM": _spm, "NTE": _nte, "TQ1": _tq1, "RXO": _rxo, "RXE": _rxe, "RXR": _rxr, "RXD": _rxd, "RXA": _rxa, "SCH": _sch,
    "RGS": _rgs, "AIS": _appointment_part, "AIG": _appointment_part, "AIL": _appointment_part, "AIP": _appointment_part,
    "TXA": _txa, "PRB": _prb, "GOL": _gol, "RF1": _rf1, "PRD": _prd, "FT1": _ft1, "MFE": _mfe, "STF": _stf, "LOC": _loc,
}  # fmt: skip
"""Who reads which segment; the others are kept in the original."""
