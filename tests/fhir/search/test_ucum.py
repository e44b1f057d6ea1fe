"""Units of measure (https://ucum.org/ucum)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from jiankang.fhir.search import ucum
from jiankang.fhir.search.ucum_units import ARBITRARY, UNITS


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        ("5", "mg/dL", "g/L", "0.05"),
        ("1", "[in_i]", "cm", "2.54"),
        ("1", "[lb_av]", "kg", "0.45359237"),
        ("120", "mm[Hg]", "kPa", "15.99864"),
        ("98.6", "[degF]", "Cel", "37"),
        ("37", "Cel", "[degF]", "98.6"),
        ("-40", "Cel", "[degF]", "-40"),
        ("60", "{beats}/min", "Hz", "1"),
        ("1", "10*3/uL", "10*9/L", "1"),
        ("1", "[IU]/mL", "k[iU]/L", "1"),
        ("1", "kg.m/s2", "N", "1"),
        ("1", "kg/(m.s2)", "Pa", "1"),
        ("1", "cal", "J", "4.184"),
        ("1", "a", "d", "365.25"),
        ("50", "%", "1", "0.5"),
        ("5.5", "mmol/L", "umol/mL", "5.5"),
        ("30", "dB[SPL]", "B[SPL]", "3"),
        ("7", "[pH]", "nmol/L", "100"),
        ("1", "/min{note}", "/h", "60"),
        ("4", "m[H2O]", "cm[H2O]", "400"),
    ],
)
def test_amounts_are_converted(value, source, target, expected):
    found = ucum.convert(Decimal(value), source, target)
    assert found is not None
    assert abs(found - Decimal(expected)) < Decimal("1e-20")


@pytest.mark.parametrize(("one", "other"), [("mg", "mL"), ("[iU]", "[arb'U]"), ("mg", "frog"), ("mmol/L", "mg/dL")])
def test_what_measures_different_things_is_not_converted(one, other):
    assert ucum.convert(Decimal(1), one, other) is None


@pytest.mark.parametrize(
    "code",
    ["", "mg dL", "kg/", "foo", "m(s)", "((m)", "m)", "k[in_i]", "Cel/min", "0", "m999", "{", "kk", "µg", "m.", "1" * 101,
     "(" * 50 + "m" + ")" * 50, "Ym9.Ym9.Ym9.Ym9"],
)  # fmt: skip
def test_what_is_no_code_is_told_from_one(code):
    assert not ucum.is_valid(code)


def test_every_unit_of_the_table_can_be_read():
    lines = UNITS.strip().splitlines() + ARBITRARY.strip().splitlines()
    assert len(lines) > 280
    assert [line for line in lines if not ucum.is_valid(line.split(" ")[0])] == []


def test_a_falling_scale_keeps_low_below_high():
    low, high, unit = ucum.canonical_range(Decimal("7.3"), Decimal("7.5"), "[pH]")
    assert low < high
    assert unit == "m-3.mol"


def test_the_same_amount_in_two_units_is_equal():
    assert ucum.equal(Decimal(1), "g", Decimal(1000), "mg")
    assert ucum.equal(Decimal(1), "g", Decimal(1001), "mg") is False
    assert ucum.equal(Decimal(1), "g", Decimal(1), "s") is None


def test_the_same_amount_has_the_same_canonical_number():
    one = ucum.canonical_range(Decimal("0.126"), Decimal("0.126"), "g/L")
    other = ucum.canonical_range(Decimal("12.6"), Decimal("12.6"), "mg/dL")
    assert one == other


def test_an_immense_number_has_no_canonical_form_on_a_logarithmic_scale():
    assert ucum.canonical_range(Decimal("1e9"), Decimal("1e9"), "[pH]") is None
