"""What values in a query mean (http://hl7.org/fhir/R4/search.html)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from jiankang.fhir.search import (
    DATE_RULES,
    NUMBER_RULES,
    OfTypeValue,
    ReferenceValue,
    TokenValue,
    approximate_dates,
    date_matches,
    normalise_string,
    number_matches,
    parse_date,
    parse_near,
    parse_number,
    parse_of_type,
    parse_quantity,
    parse_reference,
    parse_token,
    query_words,
    split_composite,
    split_or,
    unescape,
    words,
)
from jiankang.kernel.errors import Invalid

HOUR = 3_600_000_000


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("100", "99.5", "100.5"),
        ("100.00", "99.995", "100.005"),
        ("1e2", "50", "150"),
        ("5.4e-3", "0.00535", "0.00545"),
        ("-2", "-2.5", "-1.5"),
        ("0", "-0.5", "0.5"),
    ],
)
def test_a_number_stands_for_its_implicit_range(text, low, high):
    found = parse_number(text)
    assert (found.prefix, found.lo, found.hi) == ("eq", Decimal(low), Decimal(high))


def test_prefixes_are_told_from_numbers_and_dates():
    assert parse_number("lt5").prefix == "lt"
    assert parse_date("ge2024").prefix == "ge"
    assert parse_quantity("ap5.4|http://unitsofmeasure.org|mg").prefix == "ap"


@pytest.mark.parametrize("text", ["", "five", "1.", "1e9999", "xx5", "0x10", "NaN", "1" * 65, "１２", "gt", "5 "])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(Invalid):
        parse_number(text)


@pytest.mark.parametrize(
    "text",
    ["", "2024-13", "2024-02-30", "24", "2024-1-1", "2024-01-01T25:00Z", "2024-01-01T10", "yesterday", "zz2024",
     "2024-01-01T00:00:00+99:00", "0000", "2024-01-01T00:00:61Z", "２０２４"],
)  # fmt: skip
def test_what_is_no_date_is_refused(text):
    with pytest.raises(Invalid):
        parse_date(text)


def test_a_plus_that_came_as_a_space_is_understood():
    assert parse_date("2024-01-01T08:00 08:00") == parse_date("2024-01-01T00:00Z")


def test_tokens_say_which_system():
    assert parse_token("123") == TokenValue(None, "123")
    assert parse_token("|123") == TokenValue("", "123")
    assert parse_token("http://s|") == TokenValue("http://s", None)
    assert parse_token("http://s|a\\|b") == TokenValue("http://s", "a|b")
    assert parse_of_type("http://v2|MR|7") == OfTypeValue("http://v2", "MR", "7")


@pytest.mark.parametrize("text", ["", "|", "a|b|c"])
def test_what_is_no_token_is_refused(text):
    with pytest.raises(Invalid):
        parse_token(text)


def test_commas_dollars_and_backslashes_can_be_escaped():
    assert split_or("a\\,b,c") == ["a\\,b", "c"]
    assert split_or("a\\\\,b") == ["a\\\\", "b"]
    assert split_composite("a\\$b$c", 2) == ["a\\$b", "c"]
    assert unescape("a\\,b\\$c\\|d\\\\e\\f") == "a,b$c|d\\e\\f"
    with pytest.raises(Invalid):
        split_or("a,,b")
    with pytest.raises(Invalid):
        split_composite("a$b$c", 2)


def test_references_are_ids_relative_or_absolute():
    assert parse_reference("23") == ReferenceValue(None, "23")
    assert parse_reference("Patient/23") == ReferenceValue("Patient", "23")
    assert parse_reference("Patient/23/_history/4") == ReferenceValue("Patient", "23", "4")
    assert parse_reference("http://here/fhir/Patient/23", "http://here/fhir/") == ReferenceValue("Patient", "23")
    assert parse_reference("http://there/Patient/23").url == "http://there/Patient/23"
    assert parse_reference("urn:uuid:1").url == "urn:uuid:1"
    with pytest.raises(Invalid):
        parse_reference("Patient/23/name")


def test_a_quantity_in_ucum_is_asked_in_canonical_units_too():
    found = parse_quantity("gt5.4|http://unitsofmeasure.org|mg")
    assert (found.canon_unit, found.canon_value) == ("g", Decimal("0.0054"))
    assert found.canon_lo == Decimal("0.00535")
    plain = parse_quantity("5.4||mg")
    assert (plain.system, plain.code, plain.canon_unit) == (None, "mg", None)
    with pytest.raises(Invalid):
        parse_quantity("5.4|mg")


def test_a_place_has_a_distance_in_metres():
    assert parse_near("19.24|110.46|5|km").distance_m == 5000
    assert parse_near("19.24|110.46").distance_m == 50_000
    for wrong in ("19.24", "91|0", "1|2|3|mg", "1|2|-3|km"):
        with pytest.raises(Invalid):
            parse_near(wrong)


# The value is 2024-01-01 to 2024-01-02 in hours from its start: [0, 24).
DATES = {
    "before": (-5, -1),
    "up to": (-5, 0),
    "into": (-5, 5),
    "start": (0, 5),
    "same": (0, 24),
    "end": (20, 24),
    "out of": (20, 30),
    "from": (24, 30),
    "after": (25, 30),
    "around": (-5, 30),
}


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("eq", {"start", "same", "end"}),
        ("ne", set(DATES) - {"start", "same", "end"}),
        ("gt", {"out of", "from", "after", "around"}),
        ("ge", {"start", "same", "end", "out of", "from", "after", "around"}),
        ("lt", {"before", "up to", "into", "around"}),
        ("le", {"before", "up to", "into", "around", "start", "same", "end"}),
        ("sa", {"from", "after"}),
        ("eb", {"before", "up to"}),
        ("ap", set(DATES) - {"before", "up to", "from", "after"}),
    ],
)
def test_dates_are_compared_as_the_norm_says(prefix, expected):
    value = parse_date("2024-01-01")
    hours = {name: (value.lo + lo * HOUR, value.lo + hi * HOUR) for name, (lo, hi) in DATES.items()}
    assert {name for name, span in hours.items() if date_matches(prefix, *span, value.lo, value.hi)} == expected
    rule = {
        name
        for name, (lo, hi) in hours.items()
        if eval(DATE_RULES[prefix], {}, {"lo": lo, "hi": hi, "LO": value.lo, "HI": value.hi})
    }
    assert rule == expected


def test_about_then_widens_with_the_distance_from_now():
    value = parse_date("2024-01-01")
    low, high = approximate_dates(value.lo, value.hi, value.hi + 100 * 24 * HOUR)
    assert (value.lo - low, high - value.hi) == (10 * 24 * HOUR + 24 * HOUR // 10,) * 2


NUMBERS = ("99", "99.5", "100", "100.4", "100.5", "120", "0")


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("eq", {"99.5", "100", "100.4"}),
        ("ne", {"99", "100.5", "120", "0"}),
        ("gt", {"100.4", "100.5", "120"}),
        ("ge", {"100", "100.4", "100.5", "120"}),
        ("lt", {"99", "99.5", "0"}),
        ("le", {"99", "99.5", "100", "0"}),
        ("sa", {"100.4", "100.5", "120"}),
        ("eb", {"99", "99.5", "0"}),
        ("ap", {"99", "99.5", "100", "100.4", "100.5"}),
    ],
)
def test_numbers_are_compared_as_the_norm_says(prefix, expected):
    asked = parse_number("100")
    found = {
        text
        for text in NUMBERS
        if number_matches(prefix, Decimal(text), Decimal(text), asked.value, asked.lo, asked.hi)
    }
    assert found == expected
    if prefix != "ap":
        names = {"v": asked.value, "LO": asked.lo, "HI": asked.hi}
        ruled = {t for t in NUMBERS if eval(NUMBER_RULES[prefix], {}, {**names, "lo": Decimal(t), "hi": Decimal(t)})}
        assert ruled == expected


def test_an_open_range_matches_only_what_it_must():
    infinite = Decimal("Infinity")
    asked = parse_number("5")
    assert number_matches("gt", Decimal(5), infinite, asked.value, asked.lo, asked.hi)
    assert not number_matches("eb", Decimal(5), infinite, asked.value, asked.lo, asked.hi)
    assert not number_matches("eq", Decimal(5), infinite, asked.value, asked.lo, asked.hi)


@pytest.mark.parametrize(
    ("one", "other"),
    [("José", "JOSE"), ("ＡＢＣ　１", "abc 1"), ("Straße", "STRASSE"), ("  a \t b ", "A B"), ("ﾊﾟ", "パ"), ("İ", "i")],
)
def test_strings_are_alike_but_for_case_accents_and_width(one, other):
    assert normalise_string(one) == normalise_string(other)


def test_normalising_twice_changes_nothing():
    for text in ("Straße ﬁ ǅ", "İstanbul", "ẞ", "e\u0301", "\u1e9b\u0323", "㎏", "王小明"):
        assert normalise_string(normalise_string(text)) == normalise_string(text)


def test_chinese_words_are_found_by_their_pairs():
    assert set(words("高血压3级 CT")) == {"高", "血", "压", "高血", "血压", "3", "级", "ct"}
    assert query_words("血压 高 CT") == ("血压", "高", "ct")
    assert set(query_words("高血压")) <= set(words("原发性高血压病"))
