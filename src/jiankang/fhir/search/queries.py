"""What the value of a search parameter in a query means (http://hl7.org/fhir/R4/search.html).

Everything here raises Invalid with a sentence that says what to write instead. Values come as the query
string's percent-decoded text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, tzinfo
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from jiankang.fhir.search import ucum
from jiankang.fhir.search.dates import date_range
from jiankang.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
"""http://hl7.org/fhir/R4/search.html#prefix"""

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_LETTERS = re.compile(r"([A-Za-z]{2})(?=[\d+.-])")
_ESCAPED = re.compile(r"\\([\\,$|])")
_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}")
_RELATIVE = re.compile(r"([A-Z][A-Za-z]*)/([A-Za-z0-9.\-]{1,64})(?:/_history/([A-Za-z0-9.\-]{1,64}))?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_LOST_PLUS = re.compile(r"(T\d\d:\d\d[\d:.]*) (\d\d:\d\d)")
_MAX_DIGITS = 64


@dataclass(frozen=True, slots=True)
class TokenValue:
    """A token asked for: `system` None is any, '' is none; `code` None is any code of the system."""

    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class OfTypeValue:
    """An identifier asked for by its type; `system` '' is a type without system."""

    system: str
    code: str
    value: str


@dataclass(frozen=True, slots=True)
class DateValue:
    """A comparison with the half-open range [lo, hi) of microseconds since 1970-01-01T00:00Z."""

    prefix: str
    lo: int
    hi: int


@dataclass(frozen=True, slots=True)
class NumberValue:
    """A comparison with `value`, which as a match stands for all of [lo, hi)."""

    prefix: str
    value: Decimal
    lo: Decimal
    hi: Decimal


@dataclass(frozen=True, slots=True)
class QuantityValue:
    """A comparison with an amount. `system` and `code` None are any.

    The `canon_` members say the same in the canonical unit of UCUM; None when the system asked for is
    another or none. A code without system (`5.4||mg`) is a code or unit text as written.
    """

    prefix: str
    value: Decimal
    lo: Decimal
    hi: Decimal
    system: str | None = None
    code: str | None = None
    canon_value: Decimal | None = None
    canon_lo: Decimal | None = None
    canon_hi: Decimal | None = None
    canon_unit: str | None = None


@dataclass(frozen=True, slots=True)
class ReferenceValue:
    """A reference asked for: id alone (`type` None), Type/id, or an absolute `url` (with its `|version`)."""

    type: str | None
    id: str | None
    version: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class NearValue:
    """A place and how far from it, in degrees and metres."""

    latitude: Decimal
    longitude: Decimal
    distance_m: Decimal


def _split(text: str, separator: str) -> list[str]:
    """`text` cut at each `separator` that no backslash escapes; the pieces keep their backslashes."""
    if "\\" not in text:
        return text.split(separator)
    pieces, start, position = [], 0, 0
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == separator:
            pieces.append(text[start:position])
            start = position + 1
        position += 1
    pieces.append(text[start:])
    return pieces


def split_or(text: str) -> list[str]:
    r"""The alternatives of a value, between commas (`\,` is no comma); each still escaped.

    http://hl7.org/fhir/R4/search.html#escaping
    """
    pieces = _split(text, ",")
    if any(not piece for piece in pieces):
        raise Invalid("A search value is empty. Write a value on both sides of each comma, or \\, for a comma itself.")
    return pieces


def split_composite(text: str, count: int | None = None) -> list[str]:
    r"""The parts of a composite's value, between `$` (`\$` is no separator); each still escaped.

    Raises Invalid when there are not `count` of them. http://hl7.org/fhir/R4/search.html#composite
    """
    pieces = _split(text, "$")
    if (count is not None and len(pieces) != count) or any(not piece for piece in pieces):
        wanted = "several" if count is None else str(count)
        raise Invalid(f"A composite value has {wanted} parts joined by $, like 8480-6$gt140.")
    return pieces


def unescape(text: str) -> str:
    r"""`text` with `\,`, `\$`, `\|` and `\\` as the characters they stand for."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def parse_string(text: str) -> str:
    """The text of a string value. Raises Invalid when nothing is left of it."""
    found = unescape(text)
    if not found.strip():
        raise Invalid("A search value is empty. Write the text to look for, or use :missing.")
    return found


def parse_uri(text: str) -> str:
    """The text of a uri value."""
    return parse_string(text)


def parse_token(text: str) -> TokenValue:
    """`code`, `system|code`, `|code` (no system) or `system|` (any code of it).

    http://hl7.org/fhir/R4/search.html#token
    """
    pieces = _split(text, "|")
    if len(pieces) > 2:
        raise Invalid("A token is written code, system|code, |code or system|. Write \\| for a bar within a code.")
    if len(pieces) == 1:
        return TokenValue(None, parse_string(text))
    system, code = (unescape(piece) for piece in pieces)
    if not system and not code:
        raise Invalid("A token is written code, system|code, |code or system|; here both sides of | are empty.")
    return TokenValue(system, code or None)


def parse_of_type(text: str) -> OfTypeValue:
    """`system|code|value` of `:of-type` (http://hl7.org/fhir/R4/search.html#token)."""
    pieces = [unescape(piece) for piece in _split(text, "|")]
    if len(pieces) != 3 or not pieces[1] or not pieces[2]:
        raise Invalid(
            "A value of :of-type is written system|code|value, as "
            "http://terminology.hl7.org/CodeSystem/v2-0203|MR|446053."
        )
    return OfTypeValue(pieces[0], pieces[1], pieces[2])


def _prefixed(text: str) -> tuple[str, str]:
    """The prefix, eq where none is written, and what follows."""
    letters = _LETTERS.match(text)
    if letters is None:
        return "eq", text
    if letters[1] not in PREFIXES:
        raise Invalid(f"'{letters[1]}' is not a prefix. Use one of {', '.join(PREFIXES)}, or none for eq.")
    return letters[1], text[2:]


def parse_date(text: str, zone: tzinfo = UTC) -> DateValue:
    """`[prefix]date` as a half-open range of instants; dates without an offset are read in `zone`.

    http://hl7.org/fhir/R4/search.html#date
    """
    prefix, rest = _prefixed(unescape(text))
    low, high = date_range(_LOST_PLUS.sub(r"\1+\2", rest), zone)
    return DateValue(prefix, low, high)


def _decimal(text: str) -> Decimal:
    if len(text) > _MAX_DIGITS or not _NUMBER.fullmatch(text):
        raise Invalid(f"'{text[:40]}' is not a number: write 100, 5.40 or 1e2, with a prefix like gt where needed.")
    return Decimal(text)


def implicit_range(number: Decimal) -> tuple[Decimal, Decimal]:
    """What a number with these digits stands for: half a unit of its last digit to both sides.

    100 is [99.5, 100.5), 100.00 is [99.995, 100.005), 1e2 is [50, 150).
    http://hl7.org/fhir/R4/search.html#number
    """
    exponent = number.as_tuple().exponent
    half = Decimal(5).scaleb(int(exponent) - 1)
    return number - half, number + half


def parse_number(text: str) -> NumberValue:
    """`[prefix]number` (http://hl7.org/fhir/R4/search.html#number)."""
    prefix, rest = _prefixed(unescape(text))
    number = _decimal(rest)
    return NumberValue(prefix, number, *implicit_range(number))


def parse_quantity(text: str) -> QuantityValue:
    """`[prefix]number`, `[prefix]number|system|code` or `[prefix]number||code` (code or unit as written).

    http://hl7.org/fhir/R4/search.html#quantity
    """
    pieces = [unescape(piece) for piece in _split(text, "|")]
    if len(pieces) not in (1, 3):
        raise Invalid("A quantity is written number, number|system|code or number||code, as 5.4||mg.")
    prefix, rest = _prefixed(pieces[0])
    number = _decimal(rest)
    low, high = implicit_range(number)
    if len(pieces) == 1:
        return QuantityValue(prefix, number, low, high)
    system, code = pieces[1] or None, pieces[2] or None
    if code is None or system != ucum.SYSTEM:
        return QuantityValue(prefix, number, low, high, system, code)
    exact = ucum.canonical_range(number, number, code)
    rough = ucum.canonical_range(low, high, code)
    if exact is None or rough is None:
        return QuantityValue(prefix, number, low, high, system, code)
    return QuantityValue(prefix, number, low, high, system, code, exact[0], *rough)


def parse_reference(text: str, base: str | None = None) -> ReferenceValue:
    """`id`, `Type/id`, `Type/id/_history/version`, or an absolute URL.

    A URL under `base` is read as a relative one.
    http://hl7.org/fhir/R4/search.html#reference
    """
    found = parse_string(text)
    if base is not None and found.startswith(base.rstrip("/") + "/"):
        found = found[len(base.rstrip("/")) + 1 :]
    if match := _RELATIVE.fullmatch(found):
        return ReferenceValue(match[1], match[2], match[3])
    if _ID.fullmatch(found):
        return ReferenceValue(None, found)
    if _SCHEME.match(found):
        return ReferenceValue(None, None, None, found)
    raise Invalid(f"'{found[:80]}' is not a reference: write an id, Type/id, or an absolute URL.")


def parse_near(text: str) -> NearValue:
    """`latitude|longitude[|distance[|unit]]`; 50 km where no distance is given (http://hl7.org/fhir/R4/location.html)."""
    pieces = [unescape(piece) for piece in _split(text, "|")]
    if not 2 <= len(pieces) <= 4:
        raise Invalid("A place is written latitude|longitude|distance|unit, as 19.24|110.46|5|km.")
    latitude, longitude = _decimal(pieces[0]), _decimal(pieces[1])
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise Invalid("Latitude is from -90 to 90 and longitude from -180 to 180 degrees.")
    distance = _decimal(pieces[2]) if len(pieces) > 2 and pieces[2] else Decimal(50)
    unit = pieces[3] if len(pieces) > 3 and pieces[3] else "km"
    metres = ucum.convert(distance, unit, "m")
    if metres is None or distance < 0:
        raise Invalid(f"'{distance} {unit}' is not a distance: write a number and a UCUM unit of length such as km.")
    return NearValue(latitude, longitude, metres)


DATE_RULES: Mapping[str, str] = MappingProxyType(
    {
        "eq": "LO <= lo and hi <= HI",
        "ne": "lo < LO or HI < hi",
        "gt": "HI < hi",
        "ge": "HI < hi or LO <= lo",
        "lt": "lo < LO",
        "le": "lo < LO or hi <= HI",
        "sa": "HI <= lo",
        "eb": "hi <= LO",
        "ap": "lo < HI and LO < hi",
    }
)
"""Per prefix, when a resource's [lo, hi) matches a value's [LO, HI); for `ap` widen the value first."""

NUMBER_RULES: Mapping[str, str] = MappingProxyType(
    {
        "eq": "LO <= lo and hi < HI",
        "ne": "lo < LO or HI <= hi",
        "gt": "v < hi",
        "ge": "v <= hi",
        "lt": "lo < v",
        "le": "lo <= v",
        "sa": "v < lo",
        "eb": "hi < v",
        "ap": "lo <= HI and LO <= hi",
    }
)
"""Per prefix, when a resource's [lo, hi] (ends included) matches `v`, whose digits stand for [LO, HI)."""

_DATE_TESTS: dict[str, Callable[[int, int, int, int], bool]] = {
    "eq": lambda lo, hi, low, high: low <= lo and hi <= high,
    "ne": lambda lo, hi, low, high: lo < low or high < hi,
    "gt": lambda _lo, hi, _low, high: high < hi,
    "ge": lambda lo, hi, low, high: high < hi or low <= lo,
    "lt": lambda lo, _hi, low, _high: lo < low,
    "le": lambda lo, hi, low, high: lo < low or hi <= high,
    "sa": lambda lo, _hi, _low, high: high <= lo,
    "eb": lambda _lo, hi, low, _high: hi <= low,
    "ap": lambda lo, hi, low, high: lo < high and low < hi,
}


def date_matches(prefix: str, lo: int, hi: int, low: int, high: int) -> bool:
    """Whether a resource's time [lo, hi) matches a value's [low, high) under the prefix (see DATE_RULES)."""
    return _DATE_TESTS[prefix](lo, hi, low, high)


def approximate_dates(low: int, high: int, now: int) -> tuple[int, int]:
    """A date's range widened for `ap`: by a tenth of its distance from now, both sides."""
    gap = max(abs(now - low), abs(now - high)) // 10
    return low - gap, high + gap


def approximate_numbers(value: Decimal, low: Decimal, high: Decimal) -> tuple[Decimal, Decimal]:
    """A number's range widened for `ap`: by a tenth of its size, at least to what its digits stand for."""
    tenth = abs(value) / 10
    return min(low, value - tenth), max(high, value + tenth)


def number_matches(prefix: str, lo: Decimal, hi: Decimal, value: Decimal, low: Decimal, high: Decimal) -> bool:
    """Whether a resource's [lo, hi] matches `value`, standing for [low, high), as NUMBER_RULES say."""
    if prefix == "eq":
        return low <= lo and hi < high
    if prefix == "ne":
        return lo < low or high <= hi
    if prefix == "ap":
        low, high = approximate_numbers(value, low, high)
        return lo <= high and low <= hi
    tests = {
        "gt": value < hi,
        "ge": value <= hi,
        "lt": lo < value,
        "le": lo <= value,
        "sa": value < lo,
        "eb": hi < value,
    }
    return tests[prefix]
