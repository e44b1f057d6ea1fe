"""The formats of FHIR's primitive types: a quick test for generated code, and an exact one that explains.

Exact tests answer a sentence about what is wrong, or None. http://hl7.org/fhir/R4/datatypes.html#primitive
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from decimal import Decimal
from html.entities import html5
from typing import Any
from xml.parsers import expat

Explain = Callable[[Any], str | None]

MAX_STRING = 1024 * 1024
_MEMORY_ENTRIES = 10_000
_MEMORY_LENGTH = 200

_DAY = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-9]))"
)
_YEAR = r"(?!0000)[0-9]{4}"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]{1,30})?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_OID = r"[0-2](?:\.(?:0|[1-9][0-9]*))+"
ID = r"[A-Za-z0-9\-.]{1,64}"

match_date = re.compile(rf"{_YEAR}(?:-(?:0[1-9]|1[0-2])|-{_DAY})?").fullmatch
match_date_time = re.compile(rf"{_YEAR}(?:-{_DAY}T{_CLOCK}{_ZONE}|-{_DAY}|-(?:0[1-9]|1[0-2]))?").fullmatch
match_instant = re.compile(rf"{_YEAR}-{_DAY}T{_CLOCK}{_ZONE}").fullmatch
match_time = re.compile(_CLOCK).fullmatch
match_id = re.compile(ID).fullmatch
match_oid = re.compile(rf"urn:oid:{_OID}").fullmatch
match_uuid = re.compile(rf"urn:uuid:{_UUID}").fullmatch
_match_code = re.compile(r"[^\s]+(?:\s[^\s]+)*+").fullmatch
_match_base64 = re.compile(r"[A-Za-z0-9+/]*={0,2}").fullmatch
_starts_with_div = re.compile(r"\s*<div[\s/>]").match
_find_space = re.compile(r"\s").search
_find_control = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]").search

known_codes: set[str] = set()
known_uris: set[str] = set()


def _remember(memory: set[str], text: str) -> None:
    """Keep a text that was found in order, so that the next one like it costs a look-up."""
    if len(text) <= _MEMORY_LENGTH:
        if len(memory) >= _MEMORY_ENTRIES:
            memory.clear()
        memory.add(text)


def _shown(value: Any) -> str:
    """The kind of a JSON value in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, int | float | Decimal):
        return "a number"
    return "a list" if isinstance(value, list) else "an object"


def _not_text(value: Any, name: str) -> str | None:
    """Why `value` cannot be a primitive that JSON writes as a string."""
    if value.__class__ is str:
        if value:
            return None
        return f"must not be empty; leave the element out instead (type {name})"
    quotes = ": write it in quotes" if isinstance(value, int | float | Decimal) else ""
    return f"must be a string (type {name}), not {_shown(value)}{quotes}"


def explain_string(value: Any, name: str = "string") -> str | None:
    """Not empty, at most 1 MiB characters, no control characters but tab, line feed and carriage return."""
    if (wrong := _not_text(value, name)) is not None:
        return wrong
    if len(value) > MAX_STRING:
        return f"has {len(value)} characters; a {name} has at most {MAX_STRING}"
    if (control := _find_control(value)) is not None:
        return f"holds the control character U+{ord(control[0]):04X}, which a {name} must not"
    return None


def explain_markdown(value: Any) -> str | None:
    """Text with the rules of a string."""
    return explain_string(value, "markdown")


def explain_code(value: Any) -> str | None:
    """No white space at the ends, single ones inside."""
    if (wrong := _not_text(value, "code")) is not None:
        return wrong
    if value in known_codes:
        return None
    if not _match_code(value) or _find_control(value):
        return "is not a code: no white space at its ends, and only single spaces inside"
    _remember(known_codes, value)
    return None


def explain_id(value: Any) -> str | None:
    """1 to 64 letters, digits, hyphens and dots."""
    if (wrong := _not_text(value, "id")) is not None:
        return wrong
    return None if match_id(value) else "is not an id: 1 to 64 of letters A-Z a-z, digits, '-' and '.'"


def explain_uri(value: Any, name: str = "uri") -> str | None:
    """No white space; `urn:oid:` and `urn:uuid:` must be followed by one."""
    if (wrong := _not_text(value, name)) is not None:
        return wrong
    if value in known_uris:
        return None
    if _find_space(value) or _find_control(value):
        return f"is not a {name}: it must not hold white space"
    if value.startswith("urn:oid:") and not match_oid(value):
        return "is not an OID: urn:oid: and numbers separated by dots, like urn:oid:2.16.840.1.113883"
    if value.startswith("urn:uuid:") and not match_uuid(value):
        return "is not a UUID: urn:uuid: and 8-4-4-4-12 hexadecimal digits"
    _remember(known_uris, value)
    return None


def explain_url(value: Any) -> str | None:
    """A URI that can be followed."""
    return explain_uri(value, "url")


def explain_canonical(value: Any) -> str | None:
    """A URI that names a definition, perhaps with |version. A name like urn:oid:X.Y.Z, for one to come, is only doubtful."""
    if value.__class__ is str and value.startswith("urn:oid:") and not (_find_space(value) or _find_control(value)):
        return None
    return explain_uri(value, "canonical")


def explain_oid(value: Any) -> str | None:
    """An OID as a URI."""
    if (wrong := _not_text(value, "oid")) is not None:
        return wrong
    return None if match_oid(value) else "is not an oid: urn:oid: and numbers separated by dots"


def explain_uuid(value: Any) -> str | None:
    """A UUID as a URI."""
    if (wrong := _not_text(value, "uuid")) is not None:
        return wrong
    return None if match_uuid(value) else "is not a uuid: urn:uuid: and 8-4-4-4-12 hexadecimal digits"


def explain_base64(value: Any) -> str | None:
    """RFC 4648 with padding; white space is taken."""
    if (wrong := _not_text(value, "base64Binary")) is not None:
        return wrong
    packed = value if value.isalnum() else "".join(value.split())
    if packed and len(packed) % 4 == 0 and _match_base64(packed):
        return None
    return "is not base64: groups of four of A-Z a-z 0-9 + /, the last one filled up with ="


def _explain_when(value: Any, name: str, matches: Callable[[str], Any], form: str) -> str | None:
    if (wrong := _not_text(value, name)) is not None:
        return wrong
    if not matches(value):
        return f"is not a {name}: write {form}"
    if value[5:10] == "02-29" and monthrange(int(value[:4]), 2)[1] == 28:
        return f"is not a {name}: {value[:4]} has no 29th of February"
    return None


def explain_date(value: Any) -> str | None:
    """A year, a month or a day."""
    return _explain_when(value, "date", match_date, "YYYY, YYYY-MM or YYYY-MM-DD, a day that exists")


def explain_date_time(value: Any) -> str | None:
    """A date, or a moment with seconds and time zone."""
    form = "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+zz:zz (seconds, time zone), a day that exists"
    return _explain_when(value, "dateTime", match_date_time, form)


def explain_instant(value: Any) -> str | None:
    """A moment with seconds and time zone."""
    form = "YYYY-MM-DDThh:mm:ss.sss+zz:zz (with seconds and time zone), a day that exists"
    return _explain_when(value, "instant", match_instant, form)


def explain_time(value: Any) -> str | None:
    """A time of day without time zone."""
    if (wrong := _not_text(value, "time")) is not None:
        return wrong
    return None if match_time(value) else "is not a time: write hh:mm:ss, 00:00:00 to 23:59:59, without time zone"


def explain_boolean(value: Any) -> str | None:
    """The JSON values true and false."""
    if value is True or value is False:
        return None
    quotes = ": write it without quotes" if value in ("true", "false") else ""
    return f"must be true or false, not {_shown(value)}{quotes}"


def _explain_number(value: Any, name: str, low: int, high: int) -> str | None:
    if value.__class__ is int:
        return None if low <= value <= high else f"is out of range: a {name} is {low} to {high}"
    if isinstance(value, float | Decimal):
        return f"must be a whole number (type {name}), without decimal point or exponent"
    quotes = ": write it without quotes" if isinstance(value, str) else ""
    return f"must be a whole number (type {name}), not {_shown(value)}{quotes}"


def explain_integer(value: Any) -> str | None:
    """32 bits, signed."""
    return _explain_number(value, "integer", -(2**31), 2**31 - 1)


def explain_positive(value: Any) -> str | None:
    """1 to 2147483647."""
    return _explain_number(value, "positiveInt", 1, 2**31 - 1)


def explain_unsigned(value: Any) -> str | None:
    """0 to 2147483647."""
    return _explain_number(value, "unsignedInt", 0, 2**31 - 1)


def explain_decimal(value: Any) -> str | None:
    """Any JSON number."""
    if value.__class__ in (Decimal, int, float):
        return None
    quotes = ": write it without quotes" if isinstance(value, str) else ""
    return f"must be a number (type decimal), not {_shown(value)}{quotes}"


def explain_xhtml(value: Any) -> str | None:
    """One well-formed `div`, without DOCTYPE or processing instructions (http://hl7.org/fhir/R4/narrative.html)."""
    if (wrong := _not_text(value, "xhtml")) is not None:
        return wrong
    if not _starts_with_div(value):
        return "must be one <div> element"
    if "<!DOCTYPE" in value or "<!ENTITY" in value or "<?" in value:
        return "must not hold a DOCTYPE, entity declarations or processing instructions"
    reader = expat.ParserCreate("utf-8")
    reader.UseForeignDTD(True)  # so that names of HTML entities are handed to us instead of being errors
    unknown: list[str] = []
    reader.SkippedEntityHandler = lambda name, _is_parameter: unknown.append(name)
    try:
        reader.Parse(value.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        return f"is not well-formed XHTML: {expat.ErrorString(error.code)} at line {error.lineno}"
    foreign = next((name for name in unknown if f"{name};" not in html5), None)
    return None if foreign is None else f"holds the unknown entity &{foreign[:20]};"


EXPLAIN: dict[str, Explain] = {
    "base64Binary": explain_base64,
    "boolean": explain_boolean,
    "canonical": explain_canonical,
    "code": explain_code,
    "date": explain_date,
    "dateTime": explain_date_time,
    "decimal": explain_decimal,
    "id": explain_id,
    "instant": explain_instant,
    "integer": explain_integer,
    "markdown": explain_markdown,
    "oid": explain_oid,
    "positiveInt": explain_positive,
    "string": explain_string,
    "time": explain_time,
    "unsignedInt": explain_unsigned,
    "uri": explain_uri,
    "url": explain_url,
    "uuid": explain_uuid,
    "xhtml": explain_xhtml,
}

_PRINTABLE = "v.__class__ is str and v.isprintable() and 0 < len(v) <= 1048576"
_URI = "v.__class__ is str and v in known_uris"
_DATED = "v.__class__ is str and match_{}(v) and v[5:10] != '02-29'"

# Python expressions over `v`: true only when `v` is certainly in order; otherwise the exact test decides.
QUICK: dict[str, str] = {
    "base64Binary": "False",
    "boolean": "v is True or v is False",
    "canonical": _URI,
    "code": "v.__class__ is str and v in known_codes",
    "date": _DATED.format("date"),
    "dateTime": _DATED.format("date_time"),
    "decimal": "v.__class__ is Decimal or v.__class__ is int",
    "id": "v.__class__ is str and match_id(v)",
    "instant": _DATED.format("instant"),
    "integer": "v.__class__ is int and -2147483648 <= v <= 2147483647",
    "markdown": _PRINTABLE,
    "oid": "v.__class__ is str and match_oid(v)",
    "positiveInt": "v.__class__ is int and 1 <= v <= 2147483647",
    "string": _PRINTABLE,
    "time": "v.__class__ is str and match_time(v)",
    "unsignedInt": "v.__class__ is int and 0 <= v <= 2147483647",
    "uri": _URI,
    "url": _URI,
    "uuid": "v.__class__ is str and match_uuid(v)",
    "xhtml": "False",
}

QUICK_NAMES: dict[str, Any] = {
    "Decimal": Decimal,
    "known_codes": known_codes,
    "known_uris": known_uris,
    "match_date": match_date,
    "match_date_time": match_date_time,
    "match_id": match_id,
    "match_instant": match_instant,
    "match_oid": match_oid,
    "match_time": match_time,
    "match_uuid": match_uuid,
}
