"""What a resource is found by: the shapes of search parameters and of the values extracted for them.

http://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

DATE_MIN = -62_135_596_800_000_000
"""Microseconds of 0001-01-01T00:00Z: where a period without a start begins."""

DATE_MAX = 253_402_300_800_000_000
"""Microseconds of 10000-01-01T00:00Z: where a period without an end ends."""

INFINITY = Decimal("Infinity")

Token = tuple[str, str, str | None, str | None, str | None]
Reference = tuple[str, str, str, str | None]
Identified = tuple[str, str | None, str | None]
DateRange = tuple[str, int, int]
NumberRange = tuple[str, Decimal, Decimal]
QuantityRange = tuple[
    str, Decimal, Decimal, str | None, str | None, str | None, Decimal | None, Decimal | None, str | None
]
Component = tuple[object, ...]
Composite = tuple[str, tuple[Component, ...]]


@dataclass(frozen=True, slots=True)
class Alias:
    """A parameter that keeps no rows of its own: it asks those of `codes`, of references only to `target`.

    `patient` of Observation is Alias(("subject",), "Patient"); `combo-code` is Alias(("code",
    "component-code")).
    """

    codes: tuple[str, ...]
    target: str | None = None


@dataclass(frozen=True, slots=True)
class ComponentParameter:
    """One part of a composite parameter: code and type of the parameter that its values are written like."""

    code: str
    type: str
    expression: str
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter of one resource type (http://hl7.org/fhir/R4/searchparameter.html).

    `type` is 'number', 'date', 'string', 'token', 'reference', 'composite', 'quantity', 'uri' or 'special'.
    `number` is its bit in `Extracted.present`: the place of its code in sorted order for official
    parameters, after them for custom ones. `targets` are the types that a reference may point to; () is any.
    """

    code: str
    type: str
    number: int
    targets: tuple[str, ...] = ()
    components: tuple[ComponentParameter, ...] = ()
    alias_of: Alias | None = None
    url: str = ""
    expression: str = ""
    multiple_or: bool = True
    multiple_and: bool = True
    comparators: tuple[str, ...] = ()
    modifiers: tuple[str, ...] = ()
    custom: bool = False


@dataclass(slots=True)
class Extracted:
    """All that one resource is found by. The first member of each row is the code of its parameter.

    - `tokens`: (param, kind, system, code, text). kind 'code': system or None, code or None, display or text
      or None. kind 'identifier': system or None, value, text of its type or None. kind 'of-type': system and
      code of the identifier's type, value.
    - `strings`: (param, raw).
    - `references`: (param, type, id, version or None), relative ones.
    - `urls`: (param, absolute URL or urn), references that name another server or none.
    - `reference_identifiers`: (param, system or None, value) of logical references.
    - `uris`: (param, value); a canonical with a version is there twice, with and without it.
    - `dates`: (param, lo, hi), half-open, microseconds since 1970-01-01T00:00Z.
    - `numbers`: (param, lo, hi), both ends included; lo == hi unless the element is a range.
    - `quantities`: (param, lo, hi, system, code, unit, canonical lo, canonical hi, canonical unit), ends
      included, infinite where open; the last three are None where the unit is not UCUM's.
    - `composites`: (param, components), each component ('token', system, code, text), ('quantity', lo, ...
      as above), ('date', lo, hi), ('number', lo, hi), ('string', raw), ('uri', value), ('reference', type,
      id, version).
    - `narrative`, `content`: words of `text.div` and of everything else, sorted.
    - `compartments`: (name, id) of each compartment that the resource is in.
    - `present`: a bit for each parameter that has a value, bit n in byte n // 8 (PostgreSQL's get_bit).
    - `at`: start of the type's principal date, 0 where there is none.
    """

    tokens: list[Token] = field(default_factory=list)
    strings: list[tuple[str, str]] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    urls: list[tuple[str, str]] = field(default_factory=list)
    reference_identifiers: list[Identified] = field(default_factory=list)
    uris: list[tuple[str, str]] = field(default_factory=list)
    dates: list[DateRange] = field(default_factory=list)
    numbers: list[NumberRange] = field(default_factory=list)
    quantities: list[QuantityRange] = field(default_factory=list)
    composites: list[Composite] = field(default_factory=list)
    narrative: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    compartments: tuple[tuple[str, str], ...] = ()
    present: bytes = b""
    at: int = 0
