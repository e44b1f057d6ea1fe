"""Conversions that look at more than their own field: values of results, timings of orders, routes of drugs."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.hl7v2.mapping import datatypes as dt
from jiankang.capabilities.exchange.hl7v2.mapping import moments
from jiankang.capabilities.exchange.hl7v2.mapping.systems import house_system, identifier_system, type_of_identifier
from jiankang.capabilities.exchange.hl7v2.mapping.vocabularies import translate
from jiankang.capabilities.exchange.naming import identify, reference

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.hl7v2.mapping.context import Context
    from jiankang.capabilities.exchange.hl7v2.wire import Segment, Value

Json = dict[str, Any]

# -- results --------------------------------------------------------------------------------------------------------


def result(context: Context, value: Value) -> None:
    """OBX-5: a value by the type that OBX-2 names; several of them as components. Called for each repetition."""
    segment, target = _now(context)
    values = segment.all(5)
    if value.text != values[0].text or context.counted.get(f"value:{id(segment)}"):
        return
    context.counted[f"value:{id(segment)}"] = 1
    kind = segment[2].c().upper()
    if len(values) == 1 or kind in {"NA", "FT", "TX", "ST"}:
        found = _result(context, segment, kind, values)
        if found is not None:
            target.update(found)
        return
    parts = [(_result(context, segment, kind, [one]), one) for one in values]
    coded = dt.local(context, segment[3]) or {"text": "?"}
    target["component"] = [{"code": coded, **part} for part, _ in parts if part]


def _result(context: Context, segment: Segment, kind: str, values: list[Value]) -> Json | None:
    value = values[0]
    if value.is_null:
        return None
    match kind:
        case "NM":
            return _numeric(context, segment, value)
        case "SN":
            return _structured(context, segment, value)
        case "CWE" | "CE" | "CNE" | "CF" | "IS" | "ID" | "CX":
            found = dt.local(context, value)
            return {"valueCodeableConcept": found} if found else None
        case "DT" | "DTM" | "TS":
            moment = dt.dtm(context, value)
            return {"valueDateTime": moment} if moment else None
        case "TM":
            time = moments.time_of_day(value.c(1))
            return {"valueTime": time} if time else _text(values)
        case "DR":
            period = dt.period(context, value)
            return {"valuePeriod": period} if period else None
        case "NR":
            low, high = (dt.number(context, value.part(n)) for n in (1, 2))
            unit = dt.unit(context, segment[6]) or {}
            ends = {"low": low, "high": high}
            return {"valueRange": {name: {"value": one, **unit} for name, one in ends.items() if one is not None}}
        case "ED" | "RP":
            return _document(context, segment, value, kind)
        case "NA":
            return _samples(segment, values)
    return _text(values)


def _numeric(context: Context, segment: Segment, value: Value) -> Json | None:
    text = value.c(1).strip()
    found = dt.number(context, value) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text) else None
    if found is not None:
        return {"valueQuantity": {"value": found, **(dt.unit(context, segment[6]) or {})}}
    compared = re.fullmatch(r"(<=|>=|<|>)\s*(\d+\.?\d*)", text)
    if compared is not None:
        quantity = {"value": Decimal(compared[2]), "comparator": compared[1], **(dt.unit(context, segment[6]) or {})}
        return {"valueQuantity": quantity}
    if text:
        context.complain(f"{text[:20]!r} is said to be a number (NM): it is kept as a text")
    return _text([value])


_COMPARATORS = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "": "", "=": ""}


def _structured(context: Context, segment: Segment, value: Value) -> Json | None:
    """SN: comparator, number, separator or suffix, number (2.A.72)."""
    comparator, first, separator, second = (value.c(n).strip() for n in (1, 2, 3, 4))
    unit = dt.unit(context, segment[6]) or {}
    numbers = [Decimal(one) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", one) else None for one in (first, second)]
    left, right = numbers
    if comparator in _COMPARATORS and left is not None:
        if separator in {":", "/"} and right is not None:
            return {"valueRatio": {"numerator": {"value": left}, "denominator": {"value": right}}}
        if separator == "-" and right is not None:
            return {"valueRange": {"low": {"value": left, **unit}, "high": {"value": right, **unit}}}
        if not separator:
            compared = _COMPARATORS[comparator]
            return {"valueQuantity": {"value": left, **({"comparator": compared} if compared else {}), **unit}}
    text = " ".join(one for one in (comparator, first, separator, second, segment[6].c()) if one)
    return {"valueString": text} if text else None


def _text(values: list[Value]) -> Json | None:
    text = "\n".join(one.all for one in values).strip("\n")
    return {"valueString": text} if text.strip() else None


def _document(context: Context, segment: Segment, value: Value, kind: str) -> Json | None:
    """An encapsulated document becomes a DocumentReference, which the observation is derived from."""
    found = dt.attachment(context, value) if kind == "ED" else dt.pointer(context, value)
    if found is None:
        return None
    id_ = identify("DocumentReference", context.current.get("observation", ""), str(segment.number))
    says: Json = {"status": "current", "content": [{"attachment": found}]}
    about = context.refer("patient", "Patient")
    if about is not None:
        says["subject"] = about
    coded = dt.local(context, segment[3])
    if coded is not None:
        says["type"] = coded
    context.tell("DocumentReference", id_, says)
    return {"derivedFrom": [reference("DocumentReference", id_)]}


def _samples(segment: Segment, values: list[Value]) -> Json | None:
    """NA: an array of numbers, as text where its scale is not told."""
    data = " ".join(" ".join(one.components) for one in values)
    return {"valueString": f"{data} {segment[6].c()}".strip()} if data.strip() else None


_RANGE = re.compile(r"(-?\d+\.?\d*)\s*(?:-|–|~|to)\s*(-?\d+\.?\d*)$")
_BOUND = re.compile(r"(<=|>=|<|>|≤|≥)\s*(-?\d+\.?\d*)$")


def reference_range(context: Context, value: Value) -> Json | None:
    """OBX-7: the text, and its ends where they can be told from it."""
    segment, _ = _now(context)
    text = value.all.strip()
    if not text:
        return None
    unit = dt.unit(context, segment[6]) or {}
    found: Json = {}
    if (both := _RANGE.match(text)) is not None:
        found = {"low": {"value": Decimal(both[1]), **unit}, "high": {"value": Decimal(both[2]), **unit}}
    elif (one := _BOUND.match(text)) is not None:
        found = {"high" if one[1] in {"<", "<=", "≤"} else "low": {"value": Decimal(one[2]), **unit}}
    return {**found, "text": text}


def category(_: Context, value: Value) -> Json | None:
    """OBX-29: the kind of an observation."""
    code = value.c(1).strip()
    return {"coding": [{"system": f"{dt.V2}0936", "code": code}]} if code else None


def specimen_of(context: Context, value: Value) -> Json | None:
    """EIP: a specimen by its filler's or placer's number."""
    for part in (2, 1):
        inner = value.part(part)
        number = inner.c(1).strip()
        if number:
            return reference("Specimen", identify("Specimen", dt.ei_system(context, inner), number.upper()))
    return None


def named_person(context: Context, value: Value) -> Json | None:
    """NDL: somebody of the staff (its first component is a CNN)."""
    inner = value.part(1)
    number, family, given = inner.c(1).strip(), inner.c(2).strip(), inner.c(3).strip()
    display = " ".join(one for one in (inner.c(6).strip(), given, family) if one)
    if not number:
        return {"display": display} if display else None
    system = house_system(context, "staff")
    id_ = identify("Practitioner", system, number.upper())
    says: Json = {"identifier": [{"system": system, "value": number}]}
    if display:
        says["name"] = [
            {"text": display, **({"family": family} if family else {}), **({"given": [given]} if given else {})}
        ]
    context.tell("Practitioner", id_, says)
    return reference("Practitioner", id_, display)


# -- people and visits ----------------------------------------------------------------------------------------------


def birth_place(_: Context, value: Value) -> Json | None:
    """PID-23: a place of birth as an Address."""
    text = value.all.strip()
    return {"text": text} if text else None


def visit_number(context: Context, value: Value) -> Json | None:
    """PV1-19: the number of a visit."""
    number = dt.cx(context, value)
    if number is not None:
        number["system"] = identifier_system(context, value.part(4), value.c(5), value.c(1), what="visit")
        number.setdefault("type", type_of_identifier("VN"))
    return number


def part_of(context: Context, value: Value) -> Json | None:
    """PR1-25: the procedure that this one is part of."""
    number = dt.identifier(context, value)
    return {"identifier": number} if number else None


def role_player(context: Context, value: Value) -> None:
    """ROL-4, PRT-5: who has a role: a general practitioner of the patient, or a participant of the visit."""
    segment, _ = _now(context)
    who = dt.practitioner(context, value)
    if who is None:
        return
    role = segment[3 if segment.name == "ROL" else 4]
    patient, visit = context.current.get("patient"), context.current.get("visit")
    if role.c(1) == "PP" and patient:
        context.tell("Patient", patient, {"generalPractitioner": [who]})
    elif visit:
        kind = dt.concept(context, role)
        context.tell("Encounter", visit, {"participant": [{**({"type": [kind]} if kind else {}), "individual": who}]})


def plan_number(context: Context, value: Value) -> Json | None:
    """IN1-2: a plan by its code."""
    code = value.c(1).strip()
    return {"system": house_system(context, value.c(3) or "plan"), "value": code} if code else None


def coverage_group(_: Context, value: Value) -> Json | None:
    """IN1-8: the insured group."""
    text = value.c(1).strip()
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/coverage-class", "code": "group"}]}
    return {"type": kind, "value": text} if text else None


# -- timing ---------------------------------------------------------------------------------------------------------


def order_timing(context: Context, value: Value) -> None:
    """TQ (up to 2.6): ORC-7, OBR-27, RXE-1 for an order: how often, from when to when, how urgent."""
    start = moments.date_time(value.c(4), context.sender.zone) if value.c(4) else None
    end = moments.date_time(value.c(5), context.sender.zone) if value.c(5) else None
    code = value.part(2).c(1).strip()
    timing: Json = {}
    if code:
        known = translate("RepeatPattern", code)
        timing["code"] = {
            "coding": [dict(known)] if known else [{"system": f"{dt.V2}0335", "code": code}],
            "text": code,
        }
    if start or end:
        timing["repeat"] = {"boundsPeriod": dt.compact(start=start, end=end)}
    priority = translate("ExtendedPriorityCodes", value.c(6))
    _, target = _now(context)
    if priority:
        target["priority"] = priority["code"]
    _set_timing(context, timing)


def order_timing_of(context: Context, value: Value) -> None:
    """TQ1-3: how often."""
    code = value.c(1).strip()
    if not code:
        return
    known = translate("RepeatPattern", code)
    coding = dict(known) if known else {"system": f"{dt.V2}0335", "code": code}
    _set_timing(context, {"code": {"coding": [coding], "text": value.c(2).strip() or code}})


def time_of_day(context: Context, value: Value) -> None:
    """TQ1-4: at which hour."""
    time = moments.time_of_day(value.c(1))
    if time:
        _set_timing(context, {"repeat": {"timeOfDay": [time]}})


def bounds_start(context: Context, value: Value) -> None:
    """TQ1-7: from when."""
    _bound(context, "start", value)


def bounds_end(context: Context, value: Value) -> None:
    """TQ1-8: until when."""
    _bound(context, "end", value)


def _bound(context: Context, end: str, value: Value) -> None:
    moment = dt.dtm(context, value)
    if not moment:
        return
    if context.current.get("ordered") == "Appointment":
        said = context.said("Appointment", context.current["appointment"])
        instant = moments.instant(value.c(1), context.sender.zone)
        if instant:
            said[end] = instant
        return
    _set_timing(context, {"repeat": {"boundsPeriod": {end: moment}}})


def order_priority(context: Context, value: Value) -> None:
    """TQ1-9: how urgent."""
    known = translate("ExtendedPriorityCodes", value.c(1))
    said = _ordered(context)
    if known and said is not None:
        said["priority"] = known["code"]


def order_condition(context: Context, value: Value) -> None:
    """TQ1-10: under which condition."""
    _instruct(context, value.all.strip())


def order_text(context: Context, value: Value) -> None:
    """TQ1-11: in words."""
    _instruct(context, value.all.strip())


def _instruct(context: Context, text: str) -> None:
    said = _ordered(context)
    if not text or said is None:
        return
    if context.current.get("ordered") == "MedicationRequest":
        said.setdefault("dosageInstruction", [{}])[0]["patientInstruction"] = text
    elif context.current.get("ordered") == "ServiceRequest":
        said.setdefault("note", []).append({"text": text})


def occurrences(context: Context, value: Value) -> None:
    """TQ1-14: how many times."""
    count = dt.positive(context, value)
    if count:
        _set_timing(context, {"repeat": {"count": count}})


def _ordered(context: Context) -> Json | None:
    kind = context.current.get("ordered", "")
    id_ = context.current.get({"MedicationRequest": "prescription", "ServiceRequest": "order"}.get(kind, ""))
    return context.said(kind, id_) if id_ else None


def _set_timing(context: Context, timing: Json) -> None:
    """Put a timing where the order has it: all of TQ1's fields make one."""
    said = _ordered(context)
    if not timing or said is None:
        return
    if context.current.get("ordered") == "MedicationRequest":
        before = said.setdefault("dosageInstruction", [{}])[0].setdefault("timing", {})
    else:
        before = said.setdefault("occurrenceTiming", {})
        for name in ("occurrenceDateTime", "occurrencePeriod"):
            said.pop(name, None)
    _deepen(before, timing)


def _deepen(before: Json, more: Json) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(before.get(name), dict):
            _deepen(before[name], value)
        elif isinstance(value, list) and isinstance(before.get(name), list):
            before[name] += [one for one in value if one not in before[name]]
        else:
            before[name] = value


# -- drugs ----------------------------------------------------------------------------------------------------------


def most_in_a_day(context: Context, value: Value) -> Json | None:
    """RXO-23, the total daily dose, as a Ratio."""
    found = dt.quantity(context, value)
    return (
        {"numerator": found, "denominator": {"value": 1, "unit": "d", "system": dt.UCUM, "code": "d"}}
        if found
        else None
    )


def route(context: Context, value: Value) -> None:
    """RXR-1: by which way."""
    _given(context, "route", dt.concept(context, value, "RouteOfAdministration"))


def site(context: Context, value: Value) -> None:
    """RXR-2: where on the body."""
    _given(context, "site", dt.concept(context, value))


def method(context: Context, value: Value) -> None:
    """RXR-4: how."""
    _given(context, "method", dt.concept(context, value, "AdministrationMethod"))


def routing(context: Context, value: Value) -> None:
    """RXR-5: an instruction."""
    found = dt.concept(context, value)
    said = _ordered(context)
    if found and said is not None and context.current.get("ordered") == "MedicationRequest":
        said.setdefault("dosageInstruction", [{}])[0].setdefault("additionalInstruction", []).append(found)


def _given(context: Context, name: str, found: Json | None) -> None:
    if found is None:
        return
    vaccine = context.current.get("immunization")
    given = context.current.get("administration")
    said = _ordered(context)
    if vaccine:
        if name != "method":
            context.said("Immunization", vaccine)[name] = found
    elif given:
        context.said("MedicationAdministration", given).setdefault("dosage", {})[name] = found
    elif said is not None and context.current.get("ordered") == "MedicationRequest":
        said.setdefault("dosageInstruction", [{}])[0][name] = found


def dose_amount(context: Context, value: Value) -> Decimal | None:
    """RXA-6: how much; 999 says that it is not known."""
    found = dt.number(context, value)
    return None if found is None or found == 999 else found


def immunization_source(context: Context, value: Value) -> None:
    """RXA-9: whether the dose was given by who tells of it (NIP001: 00) or is told from elsewhere."""
    _, target = _now(context)
    if value.c(3).upper() == "NIP001" or value.c(1) in {"00", "01"}:
        target["primarySource"] = value.c(1) == "00"
        if value.c(1) != "00":
            target["reportOrigin"] = dt.concept(context, value)
    else:
        text = (value.c(2) or value.c(1)).strip()
        if text:
            target.setdefault("note", []).append({"text": text})


# -- appointments ---------------------------------------------------------------------------------------------------


def order_of(context: Context, value: Value) -> Json | None:
    """SCH-26, SCH-27: the order that an appointment is for."""
    segment, _ = _now(context)
    number = value.c(1).strip()
    if not number:
        return None
    role = "placer" if context.place.endswith("-26") or segment.name != "SCH" else "filler"
    return reference("ServiceRequest", identify("ServiceRequest", dt.ei_system(context, value), role, number.upper()))


def appointment_timing(context: Context, value: Value) -> None:
    """SCH-11: from when to when."""
    _, target = _now(context)
    for end, part in (("start", 4), ("end", 5)):
        moment = moments.instant(value.c(part), context.sender.zone) if value.c(part) else None
        if moment:
            target[end] = moment


def duration(context: Context, value: Value) -> None:
    """AIS-7 and its like: minutes, from which the end follows."""
    segment, target = _now(context)
    minutes = dt.positive(context, value)
    unit = segment[8].c().lower()
    if minutes:
        target["minutesDuration"] = minutes * (60 if unit.startswith("h") else 1)


def finish(appointment: Json) -> None:
    """The end of an appointment whose start and duration are known."""
    start, minutes = appointment.get("start"), appointment.get("minutesDuration")
    if start and minutes and not appointment.get("end"):
        begin = datetime.fromisoformat(str(start))
        appointment["end"] = (begin + timedelta(minutes=int(minutes))).isoformat()
    if appointment.get("end") and not start:
        del appointment["end"]


def resource(context: Context, value: Value) -> Json | None:
    """AIG-3: a room or a device by its code, as a Location."""
    number, text = value.c(1).strip(), value.c(2).strip()
    if not number and not text:
        return None
    id_ = identify("Location", context.own("resource"), (number or text).upper())
    numbered = {"identifier": [{"system": context.own("resource"), "value": number}]} if number else {}
    context.tell("Location", id_, {"name": text or number, **numbered})
    return reference("Location", id_, text or number)


# -- problems, charges, master files --------------------------------------------------------------------------------


def verification(_: Context, value: Value) -> Json | None:
    """PRB-13: how sure a problem is."""
    code = {"C": "confirmed", "CONFIRMED": "confirmed", "D": "differential", "P": "provisional", "R": "refuted"}.get(
        value.c(1).strip().upper()
    )
    if code is None:
        return {"text": (value.c(2) or value.c(1)).strip()}
    system = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
    return {"coding": [{"system": system, "code": code}], **({"text": value.c(2)} if value.c(2) else {})}


def clinical(_: Context, value: Value) -> Json | None:
    """PRB-14: whether a problem is active."""
    code = {"A": "active", "ACTIVE": "active", "I": "inactive", "INACTIVE": "inactive", "R": "resolved"}.get(
        value.c(1).strip().upper(), "active"
    )
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    return {"coding": [{"system": system, "code": code}], **({"text": value.c(2)} if value.c(2) else {})}


def price(context: Context, value: Value) -> Json | None:
    """CP: an amount of money."""
    inner = value.part(1)
    found = dt.number(context, inner)
    currency = inner.c(2).strip().upper()
    return None if found is None else {"value": found, **({"currency": currency} if len(currency) == 3 else {})}


def staff_number(context: Context, value: Value) -> Json | None:
    """STF-1: the number of a member of the staff."""
    number = value.c(1).strip()
    system = identifier_system(context, value.part(9), "EI", number, what="staff")
    return {"system": system, "value": number} if number else None


def is_active(_: Context, value: Value) -> bool | None:
    """STF-7: active or not."""
    return {"A": True, "I": False}.get(value.c(1).strip().upper())


def qualification(_: Context, value: Value) -> Json | None:
    """STF-19: what somebody is."""
    text = value.all.strip()
    return {"code": {"text": text}} if text else None


def place_told(context: Context, value: Value) -> None:
    """LOC-1: the place that a master file tells of."""
    where = dt.location(context, value)
    if where is not None and "reference" in where:
        context.current["place"] = where["reference"].partition("/")[2]


def _now(context: Context) -> tuple[Segment, Json]:
    if context.segment is None:
        raise RuntimeError("no segment is being read")
    return context.segment, context.target
