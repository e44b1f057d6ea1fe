"""Data types of HL7 v2 (chapter 2.A) as FHIR's: one small function each.

Each takes the context and a field's repetition, and gives a JSON value, or None where there is nothing to say.
HL7 v2-to-FHIR, data type maps: https://build.fhir.org/ig/HL7/v2-to-fhir/datatype_maps.html
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.hl7v2.mapping import moments
from jiankang.capabilities.exchange.hl7v2.mapping.systems import (
    code_system,
    house_system,
    identifier_system,
    type_of_identifier,
)
from jiankang.capabilities.exchange.hl7v2.mapping.vocabularies import translate
from jiankang.capabilities.exchange.naming import identify, reference

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.hl7v2.mapping.context import Context
    from jiankang.capabilities.exchange.hl7v2.wire import Value

Json = dict[str, Any]
SD = "http://hl7.org/fhir/StructureDefinition/"
V2 = "http://terminology.hl7.org/CodeSystem/v2-"
UCUM = "http://unitsofmeasure.org"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)$")
_HANZI = re.compile(r"[\u3400-\u9fff]")


def compact(**members: Any) -> Json | None:
    """An object without what is empty; None when nothing is left."""
    found = {name.rstrip("_"): value for name, value in members.items() if value not in (None, "", [], {})}
    return found or None


# -- simple ---------------------------------------------------------------------------------------------------------


def string(_: Context, value: Value) -> str | None:
    """ST, TX, FT and whatever is a text: all components, as people read them."""
    return value.all.strip() or None


def first(_: Context, value: Value) -> str | None:
    """The first component as text."""
    return value.c(1).strip() or None


def text_of(_: Context, value: Value) -> str | None:
    """What a coded element says in words: its original text, its display, its code."""
    return (value.c(9) or value.c(2) or value.c(1)).strip() or None


def markup(_: Context, value: Value) -> str | None:
    """A text for an Annotation."""
    return value.all.strip() or None


def number(context: Context, value: Value) -> Decimal | None:
    """NM: a number, with the digits that were sent."""
    return _decimal(context, value.c(1))


def _decimal(context: Context, text: str) -> Decimal | None:
    text = text.strip()
    if not text:
        return None
    if _NUMBER.match(text) is None:
        context.complain(f"{text[:20]!r} is no number")
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def positive(context: Context, value: Value) -> int | None:
    """A whole number from 1 on."""
    found = _decimal(context, value.c(1))
    return int(found) if found is not None and found == int(found) and found > 0 else None


def whole(context: Context, value: Value) -> int | None:
    """A whole number from 0 on."""
    found = _decimal(context, value.c(1))
    return int(found) if found is not None and found == int(found) and found >= 0 else None


def yes(_: Context, value: Value) -> bool | None:
    """ID of table HL70136: Y or N."""
    return {"Y": True, "N": False}.get(value.c(1).strip().upper())


def dtm(context: Context, value: Value) -> str | None:
    """DTM, TS: a dateTime."""
    return _moment(context, value.c(1), moments.date_time(value.c(1), context.sender.zone) if value.c(1) else None)


def date(context: Context, value: Value) -> str | None:
    """DT, or the day of a DTM."""
    return _moment(context, value.c(1), moments.day(value.c(1)) if value.c(1) else None)


def instant(context: Context, value: Value) -> str | None:
    """DTM as an instant."""
    return _moment(context, value.c(1), moments.instant(value.c(1), context.sender.zone) if value.c(1) else None)


def _moment(context: Context, text: str, found: str | None) -> str | None:
    if found is None and text.strip():
        context.complain(f"{text[:30]!r} is no date or time of the form YYYYMMDDHHMMSS")
    return found


# -- codes ----------------------------------------------------------------------------------------------------------


def concept(context: Context, value: Value, table: str = "") -> Json | None:
    """CWE, CE, CNE, CF, ID, IS: a CodeableConcept. With `table`, its code is also told in FHIR's words."""
    codings = [
        one
        for one in (_coding(context, value, 1, 7), _coding(context, value, 4, 8), _coding(context, value, 10, 13))
        if one
    ]
    if table and (known := translate(table, value.c(1))) is not None:
        meant = known if isinstance(known, dict) else None
        if meant is not None and not any(
            one.get("code") == meant["code"] and one.get("system") == meant["system"] for one in codings
        ):
            codings.insert(0, dict(meant))
            codings = [
                one for one in codings if one.get("system") or one.get("code") != value.c(1) or one is codings[0]
            ]
    text = value.c(9) or (value.c(2) if not codings or not codings[0].get("display") else "")
    return compact(coding=codings, text=text.strip() or (value.c(2) or value.c(1)).strip())


def _coding(context: Context, value: Value, start: int, version: int) -> Json | None:
    code, display = value.c(start).strip(), value.c(start + 1).strip()
    if not code:
        return None
    written = value.c(start + 2)
    oid = value.c({1: 14, 4: 17, 10: 20}[start])
    system = code_system(context, written, oid)
    coding = compact(system=system, version=value.c(version), code=" ".join(code.split()), display=display)
    if coding is not None and system and system.startswith("urn:jiankang:sender:"):
        context.lacks(system, code, display)
    return coding


def local(context: Context, value: Value) -> Json | None:
    """A coded element whose local codes may have been translated: the translations come with it."""
    found = concept(context, value)
    if found is None:
        return None
    codings = found.get("coding", [])
    for coding in list(codings):
        system, code = coding.get("system", ""), coding.get("code", "")
        for known in context.sender.codes.get((system, code), ()):
            context.gaps.pop((system, code), None)
            if not any(
                one.get("system") == known.get("system") and one.get("code") == known.get("code") for one in codings
            ):
                codings.append(dict(known))
    if codings and not codings[0].get("system") and len(codings) == 1:
        system = context.own("codes")
        known_ = context.sender.codes.get((system, codings[0]["code"]), ())
        if known_:
            codings += [dict(one) for one in known_]
        else:
            context.lacks(system, codings[0]["code"], codings[0].get("display", ""))
        codings[0]["system"] = system
    return found


def coding(context: Context, value: Value, table: str = "") -> Json | None:
    """The first Coding of a coded element."""
    if table and isinstance(known := translate(table, value.c(1)), dict):
        return dict(known)
    return _coding(context, value, 1, 7)


def code(context: Context, value: Value, table: str) -> str | None:
    """A code in FHIR's words, by a vocabulary; one that is not in it is complained of."""
    text = value.c(1).strip()
    if not text:
        return None
    known = translate(table, text)
    if known is None:
        context.complain(f"{text[:20]!r} is not in the table of {table}", "103")
        return None
    return known["code"] or None


def mime(_: Context, value: Value) -> str | None:
    """TXA-3 and its like: a media type."""
    text = value.c(1).strip().upper()
    return {
        "AP": "application/octet-stream", "AU": "audio/basic", "FT": "text/hl7v2", "IM": "image/jpeg",
        "TX": "text/plain", "MP": "multipart/mixed", "SD": "application/octet-stream", "TEXT": "text/plain",
    }.get(text, value.c(1).strip() if "/" in text else None)  # fmt: skip


# -- numbers with units ---------------------------------------------------------------------------------------------


def unit(context: Context, value: Value) -> Json | None:
    """CWE as the unit of a Quantity."""
    told, display = value.c(1).strip(), value.c(2).strip()
    system = code_system(context, value.c(3), value.c(14)) if value.c(3) else None
    if told and (system == UCUM or (not value.c(3) and is_ucum(told))):
        return {"unit": display or told, "system": UCUM, "code": told}
    return compact(unit=display or told)


_UCUM_PLAIN = frozenset(  # what laboratories write
    [
        "%",
        "g/L",
        "mg/L",
        "ug/L",
        "ng/mL",
        "pg/mL",
        "mg/dL",
        "g/dL",
        "mmol/L",
        "umol/L",
        "nmol/L",
        "pmol/L",
        "U/L",
        "IU/L",
        "mIU/L",
        "mIU/mL",
        "kU/L",
        "10*9/L",
        "10*12/L",
        "fL",
        "pg",
        "mm[Hg]",
        "cm",
        "kg",
        "m",
        "mm",
        "Cel",
        "/min",
        "kg/m2",
        "mL",
        "L",
        "mg",
        "g",
        "h",
        "d",
        "min",
        "s",
        "mL/min",
        "mol/L",
        "mEq/L",
    ]
)


def is_ucum(text: str) -> bool:
    """Whether a unit as written is one of UCUM's that laboratories write without saying so."""
    return text in _UCUM_PLAIN


def quantity(context: Context, value: Value) -> Json | None:
    """CQ: a number and its unit."""
    found = _decimal(context, value.c(1))
    return None if found is None else {"value": found, **(unit(context, value.part(2)) or {})}


def period(context: Context, value: Value) -> Json | None:
    """DR: from, to."""
    ends = [value.part(n).c(1) or value.c(n) for n in (1, 2)]
    start, end = (moments.date_time(one, context.sender.zone) if one else None for one in ends)
    return compact(start=start, end=end)


# -- identifiers ----------------------------------------------------------------------------------------------------


def cx(context: Context, value: Value, use: str = "") -> Json | None:
    """CX: an Identifier."""
    number_ = value.c(1).strip()
    if not number_:
        return None
    kind = value.c(5).strip()
    return compact(
        use=use,
        type=type_of_identifier(kind),
        system=identifier_system(context, value.part(4), kind, number_),
        value=number_,
        period=compact(
            start=moments.day(value.c(7)) if value.c(7) else None, end=moments.day(value.c(8)) if value.c(8) else None
        ),
        assigner=compact(display=value.c(6)) if value.c(6) else None,
    )


def identifier(context: Context, value: Value, kind: str = "") -> Json | None:
    """EI, ST: an Identifier, of a kind of table HL70203."""
    number_ = value.c(1).strip()
    if not number_:
        return None
    return compact(type=type_of_identifier(kind), system=ei_system(context, value), value=number_)


def ei_system(context: Context, value: Value) -> str:
    """The namespace of an EI: EI-2 to EI-4."""
    namespace, universal, kind = value.c(2), value.c(3), value.c(4)
    return _namespace(context, namespace, universal, kind)


def _namespace(context: Context, namespace: str, universal: str, kind: str) -> str:
    known = context.sender.authorities.get(namespace) or context.sender.authorities.get(universal)
    if known:
        return known
    if universal and (kind == "ISO" or re.fullmatch(r"[0-2](\.\d+)+", universal)):
        return f"urn:oid:{universal}"
    if universal and (kind in {"URI", "URL"} or "://" in universal or universal.startswith("urn:")):
        return universal
    return house_system(context, namespace or universal or "number")


def pair(context: Context, value: Value, part: str, kind: str) -> Json | None:
    """EIP: the placer's (1) or the filler's (2) Identifier."""
    return identifier(context, value.part(int(part)), kind)


def license_(_: Context, value: Value) -> Json | None:
    """DLN: a driver's licence."""
    return (
        compact(
            type=type_of_identifier("DL"),
            value=value.c(1),
            assigner=compact(display=value.c(2)),
            period=compact(end=moments.day(value.c(3)) if value.c(3) else None),
        )
        if value.c(1)
        else None
    )


# -- people and places ----------------------------------------------------------------------------------------------

_NAME_USES = {
    "A": "nickname", "B": "official", "BAD": "old", "C": "official", "D": "usual", "I": "official", "L": "official",
    "M": "maiden", "N": "nickname", "NOUSE": "old", "R": "official", "S": "anonymous", "T": "temp", "TEMP": "temp",
}  # fmt: skip
_REPRESENTATIONS = {"I": "IDE", "A": "ABC", "P": "SYL"}


def xpn(context: Context, value: Value, use: str = "") -> Json | None:
    """XPN: a HumanName. Chinese names are whole in `text`; ideographic and alphabetic forms are told apart (XPN-8)."""
    family, given = value.c(1).strip(), [value.c(2).strip(), *value.c(3).split()]
    given = [one for one in given if one]
    said = value.c(8).strip().upper()
    hanzi = bool(_HANZI.search(family + "".join(given)))
    text = "".join([family, *given]) if hanzi else " ".join([*given, family]).strip()
    if not text:
        return None
    representation = _REPRESENTATIONS.get(said) or ("IDE" if hanzi and said else "")
    extension = [{"url": f"{SD}iso21090-EN-representation", "valueCode": representation}] if representation else []
    return compact(
        extension=extension,
        use=use or _NAME_USES.get(value.c(7).strip().upper(), ""),
        text=text,
        family=family,
        given=given,
        prefix=[one for one in (value.c(5).strip(),) if one],
        suffix=[one for one in (value.c(4).strip(), value.c(6).strip(), value.c(14).strip()) if one],
        period=_dated(context, value.c(12), value.c(13)),
    )


def _dated(context: Context, start: str, end: str) -> Json | None:
    return compact(
        start=moments.date_time(start, context.sender.zone) if start else None,
        end=moments.date_time(end, context.sender.zone) if end else None,
    )


def name_text(_: Context, value: Value) -> str | None:
    """XPN as a text."""
    family, given = value.c(1).strip(), value.c(2).strip()
    return (family + given if _HANZI.search(family + given) else f"{given} {family}".strip()) or None


_ADDRESS_USES = {
    "B": "work",
    "O": "work",
    "H": "home",
    "P": "home",
    "C": "temp",
    "BI": "billing",
    "BA": "old",
    "V": "temp",
}


def xad(context: Context, value: Value) -> Json | None:
    """XAD, SAD: an Address."""
    line = [one.strip() for one in (value.c(1), value.c(2)) if one.strip()]
    kind = value.c(7).strip().upper()
    return compact(
        use=_ADDRESS_USES.get(kind, ""),
        type="postal" if kind == "M" else "physical" if kind == "SH" else "",
        line=line,
        city=value.c(3).strip(),
        district=value.c(9).strip(),
        state=value.c(4).strip(),
        postalCode=value.c(5).strip(),
        country=value.c(6).strip(),
        text=" ".join(line) if line and _HANZI.search("".join(line)) else "",
        period=_dated(context, value.c(13), value.c(14)),
    )


_TELECOM_USES = {
    "PRN": "home", "ORN": "home", "VHN": "temp", "WPN": "work", "PRS": "mobile", "ASN": "work", "EMR": "home", "BPN": "mobile",
    "NET": "",
}  # fmt: skip
_EQUIPMENT = {
    "PH": "phone", "FX": "fax", "MD": "other", "CP": "phone", "BP": "pager", "INTERNET": "email", "X.400": "email",
    "TDD": "other", "TTY": "other", "SAT": "phone",
}  # fmt: skip


def xtn(_: Context, value: Value, use: str = "") -> Json | None:
    """XTN: a ContactPoint."""
    kind = value.c(3).strip().upper()
    mail = value.c(4).strip()
    local_ = "".join((value.c(5) and f"+{value.c(5)} ", value.c(6) and f"{value.c(6)} ", value.c(7))).strip()
    text = value.c(12).strip() or value.c(1).strip() or local_
    if mail and (kind in {"INTERNET", "X.400", ""} or not text):
        system, told = ("url" if "://" in mail else "email"), mail
    elif text:
        system, told = ("email" if "@" in text else _EQUIPMENT.get(kind, "phone")), text
    else:
        return None
    if value.c(8).strip() and told == local_:
        told = f"{told} ext. {value.c(8).strip()}"
    mobile = kind == "CP"
    return compact(
        system=system, value=told, use="mobile" if mobile else _TELECOM_USES.get(value.c(2).strip().upper()) or use
    )


def practitioner(context: Context, value: Value) -> Json | None:
    """XCN: a reference to a Practitioner, who is told of. Without a number it is only a name."""
    number_, family, given = value.c(1).strip(), value.c(2).strip(), value.c(3).strip()
    hanzi = bool(_HANZI.search(family + given))
    display = (family + given) if hanzi else " ".join(one for one in (value.c(6).strip(), given, family) if one)
    if not number_:
        return compact(display=display)
    kind = value.c(13).strip()
    system = identifier_system(context, value.part(9), kind or "EI", number_, what="staff")
    id_ = identify("Practitioner", system, number_.upper())
    name = compact(
        text=display, family=family, given=[one for one in (given, *value.c(4).split()) if one],
        prefix=[one for one in (value.c(6).strip(),) if one],
        suffix=[one for one in (value.c(5).strip(), value.c(7).strip(), value.c(21).strip()) if one],
    )  # fmt: skip
    numbered = compact(type=type_of_identifier(kind), system=system, value=number_)
    context.tell("Practitioner", id_, {"identifier": [numbered], **({"name": [name]} if display else {})})
    return reference("Practitioner", id_, display)


def organization(context: Context, value: Value) -> Json | None:
    """XON: a reference to an Organization, which is told of."""
    name = value.c(1).strip()
    number_ = value.c(10).strip() or value.c(3).strip()
    if not name and not number_:
        return None
    system = identifier_system(context, value.part(6), value.c(7).strip(), number_, what="organization")
    id_ = identify("Organization", system if number_ else context.own("organization"), (number_ or name).upper())
    says: Json = {"name": name} if name else {}
    if number_:
        says["identifier"] = [compact(type=type_of_identifier(value.c(7).strip()), system=system, value=number_)]
    context.tell("Organization", id_, says)
    return reference("Organization", id_, name)


def named_organization(context: Context, value: Value) -> Json | None:
    """CWE, HD: a reference to an Organization by its code and name."""
    number_, name = value.c(1).strip(), value.c(2).strip()
    if not number_ and not name:
        return None
    id_ = identify("Organization", context.own("organization"), (number_ or name).upper())
    numbered = [{"system": context.own("organization"), "value": number_}] if number_ else []
    context.tell("Organization", id_, compact(identifier=numbered, name=name or number_) or {})
    return reference("Organization", id_, name or number_)


_KINDS_OF_PLACE = (("bu", 7), ("lvl", 8), ("wa", 1), ("ro", 2), ("bd", 3))


def location(context: Context, value: Value) -> Json | None:
    """PL: a reference to a Location (the bed, else the room, else the ward), which is told of with what it is part of."""
    facility, ward, room, bed = (value.c(n).strip() for n in (4, 1, 2, 3))
    building, floor, words = value.c(7).strip(), value.c(8).strip(), value.c(9).strip()
    house_of_place = f"urn:jiankang:house:{facility or context.current.get('house', '') or context.sender.id}:place"
    steps = [
        (kind, text)
        for kind, text in (("bu", building), ("lvl", floor), ("wa", ward), ("ro", room), ("bd", bed))
        if text
    ]
    if not steps:
        return compact(display=words or facility)
    above: Json | None = None
    path: list[str] = []
    for kind, text in steps:
        path.append(text)
        id_ = identify("Location", house_of_place, *path)
        says: Json = {
            "name": text,
            "physicalType": {
                "coding": [{"system": "http://terminology.hl7.org/CodeSystem/location-physical-type", "code": kind}]
            },
        }
        if above is not None:
            says["partOf"] = above
        if (kind, text) == steps[-1] and words:
            says["description"] = words
        context.tell("Location", id_, says)
        above = reference("Location", id_)
    return reference("Location", id_, words or " ".join(path))


def device(context: Context, value: Value) -> Json | None:
    """EI: a reference to a Device, which is told of."""
    number_ = value.c(1).strip()
    if not number_:
        return None
    system = ei_system(context, value)
    id_ = identify("Device", system, number_.upper())
    context.tell("Device", id_, {"identifier": [{"system": system, "value": number_}]})
    return reference("Device", id_, number_)


# -- attachments ----------------------------------------------------------------------------------------------------

_MEDIA = {
    "PDF": "application/pdf", "JPEG": "image/jpeg", "JPG": "image/jpeg", "PNG": "image/png", "TIFF": "image/tiff",
    "GIF": "image/gif", "RTF": "application/rtf", "HTML": "text/html", "XML": "application/xml", "DICOM": "application/dicom",
    "WORD": "application/msword", "ZIP": "application/zip", "TEXT": "text/plain",
}  # fmt: skip
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}$")


def attachment(context: Context, value: Value) -> Json | None:
    """ED: an Attachment with its data; RP: one with its address."""
    from base64 import b64encode

    kind, subtype, coding_ = value.c(2).strip(), value.c(3).strip(), value.c(4).strip().upper()
    data = value.c(5)
    media = _MEDIA.get(subtype.upper()) or (
        f"{kind.lower()}/{subtype.lower()}" if kind and subtype and "/" not in subtype else subtype
    )
    if kind.upper() in {"AP", "TEXT", "IM", "FT", "SD"} and media.count("/") != 1:
        media = {"TEXT": "text/plain", "FT": "text/plain"}.get(kind.upper(), "application/octet-stream")
    if not data:
        return None
    if coding_ == "BASE64":
        packed = "".join(data.split())
        if _BASE64.fullmatch(packed) is None or len(packed) % 4:
            context.complain("OBX-5.5 says it is Base64, but it is not")
            return None
    elif coding_ == "HEX" and re.fullmatch(r"([0-9A-Fa-f]{2})*", data):
        packed = b64encode(bytes.fromhex(data)).decode()
    else:
        packed = b64encode(data.encode()).decode()
    return compact(contentType=media or "application/octet-stream", data=packed)


def pointer(_: Context, value: Value) -> Json | None:
    """RP: an Attachment by its address."""
    address = value.c(1).strip()
    media = _MEDIA.get(value.c(4).strip().upper()) or ""
    return compact(contentType=media, url=address, title=value.c(2).strip()) if address else None
