"""Units of measure: reads UCUM codes and brings amounts to one canonical unit for each dimension.

https://ucum.org/ucum (case-sensitive codes). Everything is exact but units on a logarithmic or angular scale.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation, Overflow
from fractions import Fraction
from functools import cache, lru_cache

from jiankang.fhir.search.ucum_units import ARBITRARY, BASES, PREFIXES, UNITS

SYSTEM = "http://unitsofmeasure.org"

_MAX_LENGTH = 100
_MAX_DEPTH = 8
_COMPONENT = re.compile(
    r"(?:(?P<number>\d{1,30})(?![*^\d])|(?P<ten>10[*^])|(?P<symbol>(?:\[[^\[\]\s]*\]|[^\[\]{}()./0-9+\-\s])+))"
    r"(?P<exponent>[+-]?\d{1,3})?(?P<note>\{[^{}]*\})?"
)
_AFTER_PARENTHESIS = re.compile(r"(?P<exponent>[+-]?\d{1,2})?(?:\{[^{}]*\})?")
_NOTE = re.compile(r"\{[^{}]*\}")
_WORK = Context(prec=40)
_RESULT = Context(prec=28)
_BOUND = Fraction(10) ** 300

_Powers = tuple[tuple[str, int], ...]


class _NotUcumError(Exception):
    """The text is no UCUM code."""


@dataclass(frozen=True, slots=True)
class _Term:
    """A number times powers of base units."""

    factor: Fraction
    powers: _Powers = ()

    def __mul__(self, other: _Term) -> _Term:
        powers = dict(self.powers)
        for base, exponent in other.powers:
            powers[base] = powers.get(base, 0) + exponent
        return _Term(self.factor * other.factor, tuple(sorted((b, e) for b, e in powers.items() if e)))

    def __pow__(self, exponent: int) -> _Term:
        if abs(exponent) * max(1, _digits(self.factor)) > 300:
            raise _NotUcumError
        return _Term(self.factor**exponent, tuple((base, power * exponent) for base, power in self.powers if exponent))


def _digits(number: Fraction) -> int:
    return max(len(str(number.numerator)), len(str(number.denominator))) - 1


@dataclass(frozen=True, slots=True)
class Canonical:
    """What a unit is in canonical units: `unit` names them ("g.m-3", "1"), `factor` is how many of them it is.

    A unit on a scale of its own (Cel, pH, B) has `to_canonical` and `from_canonical` instead of a factor alone.
    """

    unit: str
    factor: Fraction
    numerator: Decimal
    denominator: Decimal
    to_canonical: Callable[[Decimal], Decimal] | None = None
    from_canonical: Callable[[Decimal], Decimal] | None = None


def canonical(code: str) -> Canonical | None:
    """The canonical form of a UCUM code; None when it is no UCUM code (https://ucum.org/ucum#section-Grammar-of-Units-and-Unit-Terms)."""
    return _canonical(code) if len(code) <= _MAX_LENGTH else None


@lru_cache(maxsize=4096)
def _canonical(code: str) -> Canonical | None:
    try:
        special = _special(code)
        if special is not None:
            return special
        term = _parse(code)
    except _NotUcumError:
        return None
    return _as_canonical(term)


def is_valid(code: str) -> bool:
    """Whether `code` is a UCUM code."""
    return canonical(code) is not None


def canonical_range(low: Decimal, high: Decimal, code: str) -> tuple[Decimal, Decimal, str] | None:
    """The range from `low` to `high` of a unit, in the canonical unit, and its name; None when it is no UCUM code."""
    found = canonical(code)
    if found is None:
        return None
    try:
        if found.to_canonical is None:
            first = _scaled(low, found)
            return first, first if high is low else _scaled(high, found), found.unit
        ends = sorted((found.to_canonical(low), found.to_canonical(high)))
    except (InvalidOperation, Overflow, ValueError, OverflowError):
        return None
    return ends[0], ends[1], found.unit


def convert(value: Decimal, source: str, target: str) -> Decimal | None:
    """`value` of unit `source` as a number of `target`; None when they do not measure the same."""
    first, second = canonical(source), canonical(target)
    if first is None or second is None or first.unit != second.unit:
        return None
    try:
        if first.to_canonical is None and second.to_canonical is None:
            ratio = first.factor / second.factor
            exact = _WORK.divide(_WORK.multiply(value, Decimal(ratio.numerator)), Decimal(ratio.denominator))
            return _RESULT.plus(exact)
        middle = first.to_canonical(value) if first.to_canonical is not None else _scaled(value, first)
        if second.from_canonical is not None:
            return _RESULT.plus(second.from_canonical(middle))
        return _RESULT.plus(_WORK.divide(_WORK.multiply(middle, second.denominator), second.numerator))
    except (InvalidOperation, Overflow, ValueError, OverflowError):
        return None


def equal(value: Decimal, unit: str, other: Decimal, other_unit: str) -> bool | None:
    """Whether two amounts are the same to 12 digits; None when they cannot be compared."""
    converted = convert(other, other_unit, unit)
    if converted is None:
        return None
    return abs(value - converted) <= abs(value).scaleb(-12)


def _scaled(value: Decimal, unit: Canonical) -> Decimal:
    return _RESULT.plus(_WORK.divide(_WORK.multiply(value, unit.numerator), unit.denominator))


def _as_canonical(term: _Term) -> Canonical | None:
    if not 1 / _BOUND < term.factor < _BOUND:
        return None
    name = ".".join(base if power == 1 else f"{base}{power}" for base, power in term.powers) or "1"
    return Canonical(name, term.factor, Decimal(term.factor.numerator), Decimal(term.factor.denominator))


def _parse(code: str) -> _Term:
    """The term that a code says. Raises _NotUcumError."""
    if not code or not code.isascii():
        raise _NotUcumError
    term, end = _main_term(code, 0, 0)
    if end != len(code):
        raise _NotUcumError
    return term


def _main_term(code: str, start: int, depth: int) -> tuple[_Term, int]:
    """A sequence of components with . and / between, read from the left; it may begin with /."""
    if depth > _MAX_DEPTH:
        raise _NotUcumError
    term, position = _Term(Fraction(1)), start
    divide = code[position : position + 1] == "/"
    position += divide
    while True:
        part, position = _component(code, position, depth)
        term *= part**-1 if divide else part
        operator = code[position : position + 1]
        if operator not in (".", "/") or not operator:
            return term, position
        divide = operator == "/"
        position += 1


def _component(code: str, position: int, depth: int) -> tuple[_Term, int]:
    """A unit with its exponent, a number, a term in parentheses, or a note in braces, which counts as 1."""
    if code[position : position + 1] == "(":
        return _parenthesised(code, position + 1, depth)
    if note := _NOTE.match(code, position):
        return _Term(Fraction(1)), note.end()
    match = _COMPONENT.match(code, position)
    if match is None:
        raise _NotUcumError
    exponent = int(match["exponent"] or 1)
    if match["number"] is not None:
        if match["exponent"] is not None or not int(match["number"]):
            raise _NotUcumError
        return _Term(Fraction(int(match["number"]))), match.end()
    if match["ten"] is not None:
        return _Term(Fraction(10)) ** exponent, match.end()
    return _unit(match["symbol"]) ** exponent, match.end()


def _parenthesised(code: str, position: int, depth: int) -> tuple[_Term, int]:
    term, position = _main_term(code, position, depth + 1)
    if code[position : position + 1] != ")":
        raise _NotUcumError
    after = _AFTER_PARENTHESIS.match(code, position + 1)
    if after is None or not after[0]:
        return term, position + 1
    return term ** int(after["exponent"] or 1), after.end()


def _unit(symbol: str) -> _Term:
    """A unit, with or without a prefix."""
    whole = _atom(symbol)
    if whole is not None:
        return whole
    for length in (2, 1):
        prefix, rest = symbol[:length], symbol[length:]
        if prefix in PREFIXES and rest in _metric():
            atom = _atom(rest)
            if atom is not None:
                return _Term(Fraction(PREFIXES[prefix]) * atom.factor, atom.powers)
    raise _NotUcumError


@cache
def _definitions() -> dict[str, tuple[str, str]]:
    """Number and unit that each unit is defined by."""
    found: dict[str, tuple[str, str]] = {}
    for line in UNITS.strip().splitlines():
        code, _, number, unit = line.split(" ")
        found[code] = (number, unit)
    return found


@cache
def _arbitrary() -> frozenset[str]:
    return frozenset(line.split(" ")[0] for line in ARBITRARY.strip().splitlines())


@cache
def _metric() -> frozenset[str]:
    """Units that take prefixes."""
    measured = {line.split(" ")[0] for line in UNITS.strip().splitlines() if line.split(" ")[1] == "*"}
    procedural = {line.split(" ")[0] for line in ARBITRARY.strip().splitlines() if line.endswith(" *")}
    return frozenset(measured | procedural | set(BASES))


@cache
def _atom(symbol: str) -> _Term | None:
    """A unit without prefix in base units; None when there is none of that name."""
    if symbol in BASES or symbol in _arbitrary():
        return _Term(Fraction(1), ((symbol, 1),))
    found = _definitions().get(symbol)
    if found is None:
        return None
    number, unit = found
    term = _parse(unit)
    return _Term(Fraction(number) * term.factor, term.powers)


_ZERO_CELSIUS = Decimal("273.15")
_ZERO_FAHRENHEIT = Decimal("459.67")
_E = Decimal(1).exp(_WORK)

_Scale = tuple[str, Callable[[Decimal], Decimal], Callable[[Decimal], Decimal]]


def _power_scale(unit: str, base: Decimal, steps: int = 1, sign: int = 1) -> _Scale:
    """A logarithmic scale: x stands for base ** (sign * x / steps) of `unit`."""

    def up(x: Decimal) -> Decimal:
        if abs(x) > 300:
            raise ValueError
        return _WORK.power(base, _WORK.divide(x * sign, Decimal(steps)))

    def down(y: Decimal) -> Decimal:
        return _WORK.divide(y.ln(_WORK), base.ln(_WORK)) * steps * sign

    return unit, up, down


def _tangent_scale(unit: str) -> _Scale:
    return (
        unit,
        lambda x: Decimal(repr(math.atan(float(x) / 100) * (1 if unit == "rad" else 180 / math.pi))),
        lambda y: Decimal(repr(100 * math.tan(float(y) * (1 if unit == "rad" else math.pi / 180)))),
    )


_SPECIAL: dict[str, _Scale] = {
    "Cel": ("K", lambda x: x + _ZERO_CELSIUS, lambda y: y - _ZERO_CELSIUS),
    "[degF]": ("K", lambda x: (x + _ZERO_FAHRENHEIT) * 5 / 9, lambda y: y * 9 / 5 - _ZERO_FAHRENHEIT),
    "[degRe]": ("K", lambda x: x * 5 / 4 + _ZERO_CELSIUS, lambda y: (y - _ZERO_CELSIUS) * 4 / 5),
    "[pH]": _power_scale("mol/l", Decimal(10), sign=-1),
    "Np": _power_scale("1", _E),
    "B": _power_scale("1", Decimal(10)),
    "B[SPL]": _power_scale("2.10*-5.Pa", Decimal(10), steps=2),
    "B[V]": _power_scale("V", Decimal(10), steps=2),
    "B[mV]": _power_scale("mV", Decimal(10), steps=2),
    "B[uV]": _power_scale("uV", Decimal(10), steps=2),
    "B[10.nV]": _power_scale("10.nV", Decimal(10), steps=2),
    "B[W]": _power_scale("W", Decimal(10)),
    "B[kW]": _power_scale("kW", Decimal(10)),
    "[hp'_X]": _power_scale("1", Decimal(10), sign=-1),
    "[hp'_C]": _power_scale("1", Decimal(100), sign=-1),
    "[hp'_M]": _power_scale("1", Decimal(1000), sign=-1),
    "[hp'_Q]": _power_scale("1", Decimal(50000), sign=-1),
    "bit_s": _power_scale("1", Decimal(2)),
    "[m/s2/Hz^(1/2)]": ("m2/s4/Hz", lambda x: x * abs(x), lambda y: y.sqrt(_WORK)),
    "[p'diop]": _tangent_scale("rad"),
    "%[slope]": _tangent_scale("deg"),
}
_SCALES_WITH_PREFIX = frozenset({"Cel", "Np", "B", "B[SPL]", "B[V]", "B[mV]", "B[uV]", "B[10.nV]", "B[W]", "B[kW]"})


def _special(code: str) -> Canonical | None:
    """A unit with a scale of its own, which stands alone: a prefix and a note are all that may be with it."""
    bare = _NOTE.sub("", code) if code.endswith("}") else code
    prefix, scale = "", _SPECIAL.get(bare)
    for length in (1, 2):
        if scale is None and bare[:length] in PREFIXES and bare[length:] in _SCALES_WITH_PREFIX:
            prefix, scale = bare[:length], _SPECIAL[bare[length:]]
    if scale is None:
        return None
    unit, up, down = scale
    multiple = Decimal(PREFIXES[prefix]) if prefix else Decimal(1)
    base = _as_canonical(_parse(unit))
    if base is None:
        return None

    def to_canonical(x: Decimal) -> Decimal:
        return _scaled(up(_WORK.multiply(x, multiple)), base)

    def from_canonical(y: Decimal) -> Decimal:
        return _WORK.divide(down(_WORK.divide(_WORK.multiply(y, base.denominator), base.numerator)), multiple)

    return Canonical(base.unit, base.factor, base.numerator, base.denominator, to_canonical, from_canonical)
