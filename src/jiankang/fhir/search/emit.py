"""Rows for one value of each data type: what generated code calls for every element it meets.

Which part of a type a search asks is in http://hl7.org/fhir/R4/search.html#ptypes. Values are those of a
resource that passed the structure check.
"""

from __future__ import annotations

import re
from datetime import UTC, tzinfo
from decimal import Decimal
from typing import Any

from jiankang.fhir.search import ucum
from jiankang.fhir.search.dates import date_range
from jiankang.fhir.search.model import DATE_MAX, DATE_MIN, INFINITY, Extracted

CURRENCY = "urn:iso:std:iso:4217"
_TELEPHONES = frozenset({"phone", "fax", "sms", "pager"})
_SAMPLE = re.compile(r"-?\d{1,40}(?:\.\d{1,40})?", re.ASCII)
_PUNCTUATION = re.compile(r"[\s()./\-–—]+")
_REFERENCE = re.compile(r"([A-Z][A-Za-z]*)/([A-Za-z0-9.\-]{1,64})(?:/_history/([A-Za-z0-9.\-]{1,64}))?")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_CJK_NAME = re.compile("[\u3400-\u9fff\uf900-\ufaff\u3007·\U00020000-\U000323af]+")

Rows = list[Any]
Json = dict[str, Any]


def concept(rows: Rows, param: str, value: Json) -> None:
    """A CodeableConcept: each coding with its display, and with the concept's own text where that differs."""
    text = value.get("text")
    codings = value.get("coding")
    if codings is None:
        if text is not None:
            rows.append((param, "code", None, None, text))
        return
    for coding in codings:
        system, code, display = coding.get("system"), coding.get("code"), coding.get("display")
        if display is not None and text is not None and display != text:
            rows.append((param, "code", system, code, display))
            if code is not None:
                rows.append((param, "code", system, code, text))
        else:
            rows.append((param, "code", system, code, display or text))
    if text is not None and not any("code" in coding for coding in codings):
        rows.append((param, "code", None, None, text))


def coding(rows: Rows, param: str, value: Json) -> None:
    """A Coding with its display."""
    rows.append((param, "code", value.get("system"), value.get("code"), value.get("display")))


def identifier(rows: Rows, param: str, value: Json) -> None:
    """An Identifier: system, value and the text of its type, and value by each coding of the type."""
    text, kind = value.get("value"), value.get("type")
    described = None if kind is None else kind.get("text")
    if text is not None or described is not None or "system" in value:
        rows.append((param, "identifier", value.get("system"), text, described))
    if kind is not None and text is not None:
        for entry in kind.get("coding") or ():
            if "code" in entry:
                rows.append((param, "of-type", entry.get("system"), entry["code"], text))


def contact(rows: Rows, param: str, value: Json) -> None:
    """A ContactPoint's value; of telephones also without punctuation, as they may be searched."""
    text = value.get("value")
    if text is None:
        return
    rows.append((param, "identifier", None, text, None))
    if value.get("system") in _TELEPHONES:
        bare = _PUNCTUATION.sub("", text)
        if bare and bare != text:
            rows.append((param, "identifier", None, bare, None))


def human_name(rows: Rows, param: str, value: Json) -> None:
    """Each part of a name; of Chinese names also family and given name written together."""
    family, given = value.get("family"), value.get("given")
    names: dict[str, None] = {}
    if family is not None:
        names[family] = None
    if given is not None:
        for part in given:
            if part is not None:
                names[part] = None
        if family is not None:
            whole = family + "".join(part for part in given if part)
            if _CJK_NAME.fullmatch(whole):
                names[whole] = None
    for member in ("prefix", "suffix"):
        for part in value.get(member) or ():
            if part is not None:
                names[part] = None
    if "text" in value:
        names[value["text"]] = None
    rows += [(param, name) for name in names]


def address(rows: Rows, param: str, value: Json) -> None:
    """Each part of an address."""
    names = {line: None for line in value.get("line") or () if line is not None}
    for member in ("text", "city", "district", "state", "postalCode", "country"):
        if member in value:
            names[value[member]] = None
    rows += [(param, name) for name in names]


def reference(into: Extracted, param: str, value: Json) -> None:
    """A Reference: to a resource here, to an absolute address, or to a logical identifier."""
    text = value.get("reference")
    if text is not None:
        reference_text(into, param, text)
    logical = value.get("identifier")
    if logical is not None and "value" in logical:
        into.reference_identifiers.append((param, logical.get("system"), logical["value"]))


def reference_text(into: Extracted, param: str, text: str) -> None:
    """What `Reference.reference` says; a reference into the resource itself (#id) has no row."""
    match = _REFERENCE.fullmatch(text)
    if match is not None:
        into.references.append((param, match[1], match[2], match[3]))
    elif _ABSOLUTE.match(text):
        into.urls.append((param, text))
        whole, found, _ = text.partition("/_history/")
        if found:
            into.urls.append((param, whole))


def refers_to(value: Json, type_name: str, resource: Json) -> bool:
    """Whether a Reference is to a resource of this type, by what it says itself or by what it contains."""
    text = value.get("reference")
    if text is not None:
        if text.startswith("#"):
            return any(
                entry.get("id") == text[1:] and entry.get("resourceType") == type_name
                for entry in resource.get("contained") or ()
            )
        whole = text.partition("/_history/")[0]
        if whole.startswith(f"{type_name}/") or f"/{type_name}/" in whole:
            return True
        if "/" in whole and not whole.startswith("urn:"):
            return False
    return bool(value.get("type") == type_name)


def resource_reference(into: Extracted, param: str, value: Json, targets: tuple[str, ...]) -> None:
    """A resource inside a Bundle, found as if it were referred to."""
    kind, id_ = value.get("resourceType"), value.get("id")
    if kind is not None and id_ is not None and (not targets or kind in targets):
        into.references.append((param, kind, id_, None))


def canonical(rows: Rows, param: str, value: str) -> None:
    """A uri or canonical as it is, and without its version."""
    rows.append((param, value))
    bare, found, _ = value.partition("|")
    if found:
        rows.append((param, bare))


def canonical_reference(into: Extracted, param: str, value: str) -> None:
    """A canonical where a reference is asked for; one that is written as Type/id is found as that, too."""
    canonical(into.uris, param, value)
    match = _REFERENCE.fullmatch(value)
    if match is not None:
        into.references.append((param, match[1], match[2], match[3]))


def period_range(value: Json, zone: tzinfo = UTC) -> tuple[int, int] | None:
    """A Period from its start's first instant to its end's last; None when it has neither."""
    start, end = value.get("start"), value.get("end")
    if start is None and end is None:
        return None
    low = DATE_MIN if start is None else date_range(start, zone)[0]
    high = DATE_MAX if end is None else date_range(end, zone)[1]
    return (low, high) if low <= high else (low, low)


def dates_of(kind: str, value: Any, zone: tzinfo = UTC) -> list[tuple[int, int]]:
    """The ranges of time that a value of type `kind` covers; of a Timing its events and its bounds."""
    if kind in ("date", "dateTime", "instant"):
        return [date_range(value, zone)]
    if kind == "Period":
        found = period_range(value, zone)
        return [] if found is None else [found]
    if kind == "Timing":
        ranges = [date_range(event, zone) for event in value.get("event") or () if event is not None]
        bounds = (value.get("repeat") or {}).get("boundsPeriod")
        if bounds is not None and (found := period_range(bounds, zone)) is not None:
            ranges.append(found)
        return ranges
    return []


def numbers_of(kind: str, value: Any) -> list[tuple[Decimal, Decimal]]:
    """The number, or the range of numbers, that a value of type `kind` is."""
    if kind == "Range":
        low, high = value.get("low") or {}, value.get("high") or {}
        if "value" not in low and "value" not in high:
            return []
        return [(Decimal(low.get("value", -INFINITY)), Decimal(high.get("value", INFINITY)))]
    number = Decimal(value)
    return [(number, number)]


QuantityValue = tuple[Decimal, Decimal, str | None, str | None, str | None, Decimal | None, Decimal | None, str | None]


def quantities_of(kind: str, value: Json) -> list[QuantityValue]:
    """The amounts that a value of type `kind` is, with their canonical form where the unit is UCUM's."""
    if kind == "Money":
        amount = value.get("value")
        if amount is None:
            return []
        number = Decimal(amount)
        return [(number, number, CURRENCY, value.get("currency"), None, None, None, None)]
    if kind == "Range":
        return _range_quantity(value)
    if kind == "SampledData":
        return _sampled(value)
    amount = value.get("value")
    if amount is None:
        return []
    number = Decimal(amount)
    comparator = value.get("comparator")
    if comparator is None:
        low = high = number
    else:
        low = -INFINITY if comparator[0] == "<" else number
        high = INFINITY if comparator[0] == ">" else number
    return [_amount(low, high, value)]


def _amount(low: Decimal, high: Decimal, unit: Json) -> QuantityValue:
    system, code = unit.get("system"), unit.get("code")
    if system == ucum.SYSTEM and code is not None:
        bounds = ucum.canonical_range(low, high, code)
        if bounds is not None:
            return (low, high, system, code, unit.get("unit"), *bounds)
    return (low, high, system, code, unit.get("unit"), None, None, None)


def _range_quantity(value: Json) -> list[QuantityValue]:
    low, high = value.get("low") or {}, value.get("high") or {}
    if "value" not in low and "value" not in high:
        return []
    unit = low if "code" in low or "unit" in low else high
    return [_amount(Decimal(low.get("value", -INFINITY)), Decimal(high.get("value", INFINITY)), unit)]


def _sampled(value: Json) -> list[QuantityValue]:
    """From the least to the greatest sample, in the origin's unit (http://hl7.org/fhir/R4/datatypes.html#SampledData)."""
    origin = value.get("origin") or {}
    zero, factor = Decimal(origin.get("value", 0)), Decimal(value.get("factor", 1))
    samples = []
    for word in (value.get("data") or "").split():
        if word in ("U", "L"):
            limit = value.get("upperLimit" if word == "U" else "lowerLimit")
            if limit is not None:
                samples.append(Decimal(limit))
        elif _SAMPLE.fullmatch(word):
            samples.append(Decimal(word))
    if not samples:
        return []
    ends = sorted((zero + factor * min(samples), zero + factor * max(samples)))
    return [_amount(ends[0], ends[1], origin)]


def position(rows: Rows, param: str, value: Json) -> None:
    """A Location's position as two numbers: `near:latitude` and `near:longitude`, in degrees."""
    latitude, longitude = value.get("latitude"), value.get("longitude")
    if latitude is not None and longitude is not None:
        rows.append((f"{param}:latitude", Decimal(latitude), Decimal(latitude)))
        rows.append((f"{param}:longitude", Decimal(longitude), Decimal(longitude)))
