"""What maps may name: the data types, and the few conversions that need more than one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.hl7v2.mapping import datatypes as dt
from jiankang.capabilities.exchange.hl7v2.mapping import effects
from jiankang.capabilities.exchange.hl7v2.mapping.vocabularies import translate
from jiankang.capabilities.exchange.naming import identify, reference

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.hl7v2.mapping.context import Context
    from jiankang.capabilities.exchange.hl7v2.wire import Value

Json = dict[str, Any]
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-"


def ext(context: Context, value: Value, url: str, name: str, inner: str, *arguments: str) -> Json | None:
    """An extension with a value: short names of HL7's extensions are completed."""
    found = named(inner)(context, value, *arguments)
    return None if found is None else {"url": _url(url), name: found}


def ext_in(context: Context, value: Value, url: str, part: str, name: str, inner: str, *arguments: str) -> Json | None:
    """An extension whose value is in a part of it."""
    found = named(inner)(context, value, *arguments)
    return None if found is None else {"url": _url(url), "extension": [{"url": part, name: found}]}


def _url(url: str) -> str:
    if "://" in url or url.startswith("urn:"):
        return url
    return f"{_R5}{url[3:]}" if url.startswith("r5-") else f"{dt.SD}{url}"


def kept_as(context: Context, value: Value, name: str, inner: str = "string", *arguments: str) -> Json | None:
    """An extension of our own for what R4 has no element for."""
    found = named(inner)(context, value, *arguments)
    kind = _VALUE_NAMES.get(inner, "valueString")
    return None if found is None else {"url": f"urn:jiankang:StructureDefinition:v2-{name}", kind: found}


_VALUE_NAMES = {
    "concept": "valueCodeableConcept", "local": "valueCodeableConcept", "dtm": "valueDateTime", "cx": "valueIdentifier",
    "number": "valueDecimal", "location": "valueReference", "organization": "valueReference", "practitioner": "valueReference",
    "date": "valueDate", "yes": "valueBoolean", "quantity": "valueQuantity", "identifier": "valueIdentifier",
}  # fmt: skip


def participant(context: Context, value: Value, code: str, display: str = "") -> Json | None:
    """A participant of an Encounter in a role of v3 ParticipationType."""
    who = dt.practitioner(context, value)
    if who is None:
        return None
    coding = {"system": _PARTICIPATION, "code": code, **({"display": display} if display else {})}
    return {"type": [{"coding": [coding]}], "individual": who}


def actor(context: Context, value: Value, what: str, code: str = "", system: str = "") -> Json | None:
    """A participant of an Appointment."""
    who = named(what)(context, value)
    if who is None:
        return None
    kind = (
        {"type": [{"coding": [{"system": system, "code": code}]}]}
        if code and system
        else {"type": [{"text": code}]}
        if code
        else {}
    )
    return {**kind, "actor": who, "status": "accepted"}


def performer(context: Context, value: Value, code: str = "", system: str = "") -> Json | None:
    """A performer: who, and in which function."""
    who = dt.practitioner(context, value)
    if who is None:
        return None
    return {**({"function": {"coding": [{"system": _system(system), "code": code}]}} if code else {}), "actor": who}


def _system(name: str) -> str:
    if name == "sct":
        return "http://snomed.info/sct"
    return f"{dt.V2}{name}" if len(name) == 4 and name.isdigit() else name


def encounter_class(_: Context, value: Value) -> Json | None:
    """PV1-2 as Encounter.class."""
    text = value.c(1).strip()
    known = translate("PatientClass[EncounterClass]", text)
    if known is not None:
        return dict(known)
    return {"system": f"{dt.V2}0004", "code": " ".join(text.split())} if text else None


def place(context: Context, value: Value, status: str, kind: str = "") -> Json | None:
    """A location of an Encounter, with its status."""
    where = dt.location(context, value)
    if where is None:
        return None
    found: Json = {"location": where, "status": status}
    if kind:
        coding = {"system": "http://hl7.org/fhir/ValueSet/subject-location", "code": kind}
        found["extension"] = [
            {"url": f"{dt.SD}subject-locationClassification", "valueCodeableConcept": {"coding": [coding]}}
        ]
    return found


def discharged_to(context: Context, value: Value) -> Json | None:
    """DLD: where somebody went."""
    number, text = value.c(1).strip(), value.c(2).strip()
    if not number and not text:
        return None
    id_ = identify("Location", context.own("discharge"), (number or text).upper())
    context.tell("Location", id_, {"name": text or number})
    return reference("Location", id_, text or number)


def length_in_days(context: Context, value: Value) -> Json | None:
    """A number of days as a Duration."""
    found = dt.number(context, value)
    return None if found is None else {"value": found, "unit": "day", "system": dt.UCUM, "code": "d"}


def minutes(context: Context, value: Value) -> int | None:
    """A positive number of minutes."""
    return dt.positive(context, value)


def note(context: Context, value: Value) -> Json | None:
    """A text as an Annotation."""
    text = dt.markup(context, value)
    return {"text": text} if text else None


def text_concept(_: Context, value: Value) -> Json | None:
    """A text as a CodeableConcept."""
    text = value.all.strip()
    return {"text": text} if text else None


def reaction(context: Context, value: Value) -> Json | None:
    """A manifestation of an allergy."""
    found = dt.concept(context, value) if value.delimiters.component in value.text else text_concept(context, value)
    return {"manifestation": [found]} if found else None


def supplier(context: Context, value: Value) -> Json | None:
    """A manufacturer by code and name."""
    return dt.named_organization(context, value)


def relative(context: Context, value: Value) -> Json | None:
    """A person who is neither patient nor staff, as RelatedPerson of the patient."""
    name = dt.xpn(context, value)
    about = context.refer("patient", "Patient")
    if name is None or about is None:
        return None
    id_ = identify("RelatedPerson", context.current["patient"], name["text"])
    context.tell("RelatedPerson", id_, {"patient": about, "name": [name]})
    return reference("RelatedPerson", id_, name["text"])


def parent_order(context: Context, value: Value) -> Json | None:
    """EIP of the order that this one follows from: a reference by its placer's, else its filler's number."""
    for part, kind in ((1, "PLAC"), (2, "FILL")):
        number = dt.identifier(context, value.part(part), kind)
        if number is not None:
            return {"type": "ServiceRequest", "identifier": number}
    return None


def specimen_source(context: Context, value: Value) -> Json | None:
    """SPS-1 up to 2.6: what a specimen is of."""
    return dt.concept(context, value.part(1)) or dt.concept(context, value)


def timing(_: Context, value: Value) -> Json | None:
    """RPT, or the interval of a TQ: how often."""
    code = value.c(1).strip()
    if not code:
        return None
    known = translate("RepeatPattern", code)
    codings = [dict(known)] if known is not None else []
    table = {"system": f"{dt.V2}0335", "code": code}
    if not codings:
        codings = [table]
    return {"code": {"coding": codings, "text": value.c(2).strip() or code}}


def civil(context: Context, value: Value) -> Json | None:
    """PID-16: marital status."""
    return dt.concept(context, value, "MaritalStatus")


def language(context: Context, value: Value) -> Json | None:
    """A language as Patient.communication."""
    found = dt.concept(context, value)
    return {"language": found} if found else None


def dose(context: Context, value: Value, which: str) -> Json | None:
    """An amount as the low or high end of a dose."""
    found = dt.number(context, value)
    return None if found is None else {which: {"value": found}}


def account(context: Context, value: Value) -> None:
    """PID-18: the account of the patient's stay."""
    number = dt.cx(context, value)
    about = context.refer("patient", "Patient")
    if number is None or about is None:
        return
    id_ = identify("Account", str(number.get("system", "")), str(number["value"]).upper())
    context.current["account"] = id_
    context.tell("Account", id_, {"identifier": [number], "status": "active", "subject": [about]})


def mother(context: Context, value: Value) -> None:
    """PID-21: the mother by her number, as RelatedPerson of the patient."""
    number = dt.cx(context, value)
    about = context.refer("patient", "Patient")
    if number is None or about is None:
        return
    kinship = {"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "MTH"}
    id_ = identify("RelatedPerson", context.current["patient"], "mother")
    context.tell(
        "RelatedPerson", id_, {"patient": about, "identifier": [number], "relationship": [{"coding": [kinship]}]}
    )


def episode(context: Context, value: Value) -> Json | None:
    """PV1-54: the episode that a visit belongs to."""
    number = dt.cx(context, value)
    about = context.refer("patient", "Patient")
    if number is None or about is None:
        return None
    id_ = identify("EpisodeOfCare", str(number.get("system", "")), str(number["value"]).upper())
    context.tell("EpisodeOfCare", id_, {"identifier": [number], "status": "active", "patient": about})
    return reference("EpisodeOfCare", id_)


def referral_organization(context: Context, value: Value) -> Json | None:
    """An institution by XON, or by its name alone."""
    return dt.organization(context, value)


def collected(context: Context, value: Value) -> str | None:
    """SPM-17 without an end: when a specimen was taken."""
    return dt.dtm(context, value.part(1)) or dt.dtm(context, value)


def v3(_: Context, __: Value, system: str, code: str) -> Json:
    """A CodeableConcept of one of HL7's code systems, whatever the field's value."""
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}]}


def label(context: Context, value: Value, table: str) -> Json | None:
    """A security label by a vocabulary, else the Coding as it was sent."""
    return translate(table, value.c(1)) or dt.coding(context, value)


_EXTRA: Mapping[str, Callable[..., Any]] = {"license": dt.license_}


def named(name: str) -> Callable[..., Any]:
    """The conversion of this name. Raises KeyError."""
    found = _EXTRA.get(name) or globals().get(name) or getattr(effects, name, None) or getattr(dt, name, None)
    if found is None or name.startswith("_") or not callable(found):
        raise KeyError(f"there is no conversion {name}")
    return found
