"""A slow and obviously right search: one resource, one parameter, one value, straight from the norm's sentences.

It shares no code with the compiled extraction: expressions go through FHIRPath, comparisons are written out with
datetimes and decimals. Only the units of measure are the real ones. http://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from jiankang.fhir.definitions import load
from jiankang.fhir.path import compile_path
from jiankang.fhir.search import ucum

PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
RESOLVES = re.compile(r"(.*)\.where\(resolve\(\) is (\w+)\)")


def matches(resource, code, modifier, value, *, now=None):
    """Whether `resource` is found by `code:modifier=value`. Chains are not for here."""
    parameter = load().search_parameters(resource["resourceType"])[code]
    found = values_of(resource, parameter)
    if modifier == "missing":
        return bool(found) != (value == "true")
    alternatives = re.findall(r"(?:\\.|[^,\\])+", value)
    if modifier == "not":
        return not any(one_matches(resource, parameter, found, None, one, now) for one in alternatives)
    return any(one_matches(resource, parameter, found, modifier, one, now) for one in alternatives)


def values_of(resource, parameter):
    """(type, value) of everything that the parameter's expression finds in the resource."""
    found = []
    for part in alternatives_for(resource["resourceType"], parameter.expression):
        resolves = RESOLVES.fullmatch(part)
        path = resolves[1] if resolves else part
        for kind, value in evaluate(path, resource["resourceType"], resource):
            if parameter.type == "date" and kind == "string":
                continue  # CarePlan.activity.detail.scheduled may be words
            if resolves is None or target_type(value, resource) == resolves[2]:
                found.append((kind, value))
    return found


def alternatives_for(type_name, expression):
    for part in expression.split(" | "):
        names = set(re.findall(r"\b[A-Z]\w+", part)) & set(load().resource_names)
        leading = re.match(r"[(\s]*([A-Z]\w*)", part)
        if leading is None or leading[1] in load().ancestry(type_name) or not names:
            yield part.strip()


def evaluate(path, type_name, node):
    results = compile_path(path, type_name=type_name).evaluate_typed(node)
    return [(kind.split(".")[-1] if kind.startswith(("FHIR.", "System.")) else kind, value) for kind, value in results]


def target_type(reference, resource):
    text = reference.get("reference", "")
    if text.startswith("#"):
        inside = [one for one in resource.get("contained", []) if one.get("id") == text[1:]]
        return inside[0]["resourceType"] if inside else None
    segments = text.split("/_history/")[0].split("/")
    return segments[-2] if len(segments) > 1 else reference.get("type")


def one_matches(resource, parameter, found, modifier, text, now):
    if parameter.type == "composite":
        return any(composite_matches(resource, parameter, kind, node, text, now) for kind, node in found)
    return any(
        value_matches(parameter.type, parameter.target, kind, value, modifier, text, now) for kind, value in found
    )


def composite_matches(resource, parameter, base_kind, node, text, now):
    """All components match within one element."""
    parts = re.findall(r"(?:\\.|[^$\\])+", text)
    for component, part in zip(parameter.components, parts, strict=True):
        meant = load().search_parameter_by_url(component.definition)
        values = component_values(resource, component.expression, base_kind, node)
        if not any(value_matches(meant.type, meant.target, kind, value, None, part, now) for kind, value in values):
            return False
    return True


def component_values(resource, expression, base_kind, node):
    found = []
    for part in expression.replace("DateTime", "dateTime").split(" | "):
        if part.startswith("%resource."):
            found += evaluate(part.replace("%resource", resource["resourceType"]), resource["resourceType"], resource)
        else:
            found += evaluate(part, base_kind, node)
    return found


def value_matches(type_, targets, kind, value, modifier, text, now):
    """One value of the resource against one value of the query."""
    compare = {
        "token": token_matches,
        "string": string_matches,
        "uri": uri_matches,
        "date": date_matches,
        "number": number_matches,
        "quantity": quantity_matches,
    }.get(type_)
    if type_ == "reference":
        return reference_matches(kind, value, modifier, text)
    if type_ == "date":
        return date_matches(kind, value, text, now)
    return compare(kind, value, modifier, text)


def unescape(text):
    return re.sub(r"\\([\\,$|])", r"\1", text)


def bars(text):
    return [unescape(part) for part in re.split(r"(?<!\\)\|", text)]


# --- token


def codings(kind, value):
    """(system, code, texts) of each code that a value has."""
    if kind == "CodeableConcept":
        texts = [value["text"]] if "text" in value else []
        listed = [
            (one.get("system"), one.get("code"), texts + ([one["display"]] if "display" in one else []))
            for one in value.get("coding", [])
        ]
        return listed or [(None, None, texts)]
    if kind == "Coding":
        return [(value.get("system"), value.get("code"), [value["display"]] if "display" in value else [])]
    if kind == "Identifier":
        return [(value.get("system"), value.get("value"), [value.get("type", {}).get("text", "")])]
    if kind == "ContactPoint":
        written = value.get("value")
        bare = re.sub(r"[\s()./\-–—]+", "", written or "")
        telephone = value.get("system") in ("phone", "fax", "sms", "pager")
        return [(None, written, [])] + ([(None, bare, [])] if telephone and bare else [])
    if kind.lower() == "boolean":
        return [(None, "true" if value else "false", [])]
    return [(None, str(value), [])]


def token_matches(kind, value, modifier, text):
    if modifier == "text":
        wanted = folded(unescape(text))
        return any(folded(one).startswith(wanted) for _, _, texts in codings(kind, value) for one in texts if one)
    if modifier == "of-type":
        system, code, number = bars(text)
        types = value.get("type", {}).get("coding", []) if kind == "Identifier" else []
        same = any(one.get("code") == code and (one.get("system") or "") == system for one in types)
        return same and value.get("value") == number
    parts = bars(text)
    if len(parts) == 1:
        return any(code == parts[0] for _, code, _ in codings(kind, value))
    system, wanted = parts
    if kind == "code":
        return code_with_system(value, system, wanted)
    return any((own or "") == system and (not wanted or code == wanted) for own, code, _ in codings(kind, value))


def code_with_system(value, system, wanted):
    """The system of a plain code is implied by its binding; here only the code is looked at."""
    return bool(system) and (not wanted or value == wanted)


# --- string


def folded(text):
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(one for one in plain if not "\u0300" <= one <= "\u036f")
    plain = unicodedata.normalize("NFC", plain)
    return " ".join(unicodedata.normalize("NFKC", plain).casefold().split())


def texts(kind, value):
    if kind == "HumanName":
        given = value.get("given", [])
        parts = [value.get("family"), *given, *value.get("prefix", []), *value.get("suffix", []), value.get("text")]
        if "family" in value and given:
            joined = value["family"] + "".join(one for one in given if one)
            if not re.search(r"[A-Za-z]", joined):
                parts.append(joined)
        return [one for one in parts if one]
    if kind == "Address":
        members = ("text", "city", "district", "state", "postalCode", "country")
        return [one for one in [*value.get("line", []), *(value.get(name) for name in members)] if one]
    return [value] if isinstance(value, str) else []


def string_matches(kind, value, modifier, text):
    wanted = unescape(text)
    if modifier == "exact":
        return any(one == wanted for one in texts(kind, value))
    if modifier == "contains":
        return any(folded(wanted) in folded(one) for one in texts(kind, value))
    return any(folded(one).startswith(folded(wanted)) for one in texts(kind, value))


# --- uri


def uri_matches(kind, value, modifier, text):
    del kind
    wanted = unescape(text)
    written = {value, value.split("|")[0]}
    if modifier == "below":
        return wanted in written or value.startswith(wanted.rstrip("/") + "/")
    if modifier == "above":
        return wanted in written or any(wanted.startswith(one.rstrip("/") + "/") for one in written)
    return wanted in written


# --- reference


def reference_matches(kind, value, modifier, text):
    wanted = unescape(text)
    if kind != "Reference":
        return isinstance(value, str) and (value == wanted or value.split("|")[0] == wanted)
    if modifier == "identifier":
        return "identifier" in value and token_matches("Identifier", value["identifier"], None, text)
    own = value.get("reference", "")
    if modifier is not None:
        wanted = f"{modifier}/{wanted}"
    if "/" not in wanted and ":" not in wanted:
        segments = own.split("/_history/")[0].split("/")
        return len(segments) == 2 and segments[1] == wanted
    if "/_history/" in wanted:
        return own == wanted
    return own.split("/_history/")[0] == wanted


# --- date


def moment(text):
    """(first instant, first instant after) of a date as written."""
    digits = re.match(
        r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?(Z|[+-]\d\d:\d\d)?$", text
    )
    year, month, day, hour, minute, second, fraction, offset = digits.groups()
    start = datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), tzinfo=UTC)
    if offset not in (None, "Z"):
        sign = -1 if offset[0] == "-" else 1
        start -= sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
    if second is not None:
        start += timedelta(seconds=min(int(second), 59))
    if fraction:
        start += timedelta(microseconds=int(fraction[:6].ljust(6, "0")))
        return start, start + timedelta(microseconds=10 ** max(0, 6 - len(fraction)))
    if second is not None:
        return start, start + timedelta(seconds=1)
    if hour is not None:
        return start, start + timedelta(minutes=1)
    if day is not None:
        return start, LATEST if year == "9999" and month == "12" and day == "31" else start + timedelta(days=1)
    if year == "9999" and month in (None, "12"):
        return start, LATEST
    if month is not None:
        following = start.replace(day=28) + timedelta(days=4)
        return start, following.replace(day=1)
    return start, start.replace(year=start.year + 1)


def period(value):
    first = moment(value["start"])[0] if "start" in value else EARLIEST
    after = moment(value["end"])[1] if "end" in value else LATEST
    return first, max(first, after)


def times(kind, value):
    if kind == "Period":
        return [period(value)] if "start" in value or "end" in value else []
    if kind == "Timing":
        bounds = value.get("repeat", {}).get("boundsPeriod")
        return [moment(one) for one in value.get("event", [])] + ([period(bounds)] if bounds else [])
    return [moment(value)] if kind in ("date", "dateTime", "instant", "Date", "DateTime") else []


def date_matches(kind, value, text, now=None):
    prefix, rest = (text[:2], text[2:]) if text[:2] in PREFIXES else ("eq", text)
    low, high = moment(rest)
    return any(range_matches(prefix, low, high, first, after, now) for first, after in times(kind, value))


def range_matches(prefix, low, high, first, after, now):
    """The sentences of http://hl7.org/fhir/R4/search.html#prefix on [low, high) asked and [first, after) there is."""
    within = low <= first and after <= high
    some_after = after > high
    some_before = first < low
    if prefix == "ap":
        gap = max(abs(now - low), abs(now - high)) / 10 if now is not None else timedelta(0)
        return first < high + gap and low - gap < after
    return {
        "eq": within,
        "ne": not within,
        "gt": some_after,
        "lt": some_before,
        "ge": some_after or within,
        "le": some_before or within,
        "sa": first >= high,
        "eb": after <= low,
    }[prefix]


# --- number and quantity


def number_and_prefix(text):
    prefix, rest = (text[:2], text[2:]) if text[:2] in PREFIXES else ("eq", text)
    mantissa, _, exponent = rest.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    half = Decimal(10) ** (int(exponent or 0) - decimals) / 2
    return prefix, Decimal(rest), half


def amount_matches(prefix, asked, half, least, most):
    """`least` to `most` is what the resource says; `asked` is exact but for eq, ne and ap."""
    within = asked - half <= least and most < asked + half
    width = max(half, abs(asked) / 10)
    return {
        "eq": within,
        "ne": not within,
        "gt": most > asked,
        "lt": least < asked,
        "ge": most >= asked,
        "le": least <= asked,
        "sa": least > asked,
        "eb": most < asked,
        "ap": least <= asked + width and asked - width <= most,
    }[prefix]


def number_matches(kind, value, modifier, text):
    del modifier
    prefix, asked, half = number_and_prefix(text)
    if kind == "Range":
        return amount_matches(prefix, asked, half, *span(value))
    return amount_matches(prefix, asked, half, Decimal(value), Decimal(value))


def span(value):
    low, high = value.get("low", {}), value.get("high", {})
    return Decimal(low.get("value", "-Infinity")), Decimal(high.get("value", "Infinity"))


def amounts(kind, value):
    """(least, most, system, code, unit) of an element."""
    if kind == "Money":
        return (
            [(Decimal(value["value"]),) * 2 + ("urn:iso:std:iso:4217", value.get("currency"), None)]
            if "value" in value
            else []
        )
    if kind == "Range":
        unit = value.get("low") or value.get("high") or {}
        return [(*span(value), unit.get("system"), unit.get("code"), unit.get("unit"))]
    if kind == "SampledData":
        origin = value["origin"]
        factor = Decimal(value.get("factor", 1))
        words = [word for word in value.get("data", "").split() if re.fullmatch(r"-?\d+(\.\d+)?", word)]
        samples = [Decimal(origin.get("value", 0)) + factor * Decimal(word) for word in words]
        return (
            [(min(samples), max(samples), origin.get("system"), origin.get("code"), origin.get("unit"))]
            if samples
            else []
        )
    if "value" not in value:
        return []
    number, comparator = Decimal(value["value"]), value.get("comparator", "")
    least = Decimal("-Infinity") if "<" in comparator else number
    most = Decimal("Infinity") if ">" in comparator else number
    return [(least, most, value.get("system"), value.get("code"), value.get("unit"))]


def quantity_matches(kind, value, modifier, text):
    del modifier
    number, *unit = bars(text)
    prefix, asked, half = number_and_prefix(number)
    return any(quantity_is(prefix, asked, half, unit, *amount) for amount in amounts(kind, value))


def quantity_is(prefix, asked, half, unit, least, most, system, code, text):
    if not unit:
        return amount_matches(prefix, asked, half, least, most)
    wanted_system, wanted = unit
    if not wanted_system:
        return wanted in (code, text) and amount_matches(prefix, asked, half, least, most)
    if system != wanted_system:
        return False
    if code == wanted:
        return amount_matches(prefix, asked, half, least, most)
    if system != ucum.SYSTEM:
        return False
    ends = [ucum.convert(end, code, wanted) if end.is_finite() else end for end in (least, most)]
    return None not in ends and amount_matches(prefix, asked, half, *sorted(ends))
