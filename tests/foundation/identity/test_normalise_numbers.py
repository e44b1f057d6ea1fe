"""Numbers of documents: the facts of identity_rules.json, and what people make of them."""

from __future__ import annotations

import json

import pytest

from jiankang.foundation.identity.model import Written, WrittenDocument
from jiankang.foundation.identity.normalise import Normaliser
from jiankang.foundation.identity.normalise.documents import read_document, zone_check
from jiankang.foundation.identity.normalise.numbers import check_character, compact, read_number

TODAY = "20261123"
NORMALISER = Normaliser(TODAY)


def test_the_facts_about_citizens_numbers_hold(shared):
    path = shared / "reference" / "hainan" / "identity_rules.json"
    if not path.exists():
        pytest.skip("the facts of the region are not beside this checkout")
    for vector in json.loads(path.read_text("utf-8"))["test_vectors"]:
        number = read_number(vector["value"], TODAY)
        assert number.valid == vector["valid"], vector
        if number.valid:
            assert number.born == vector["birth"]
            assert number.kind == ("FPR" if "iso_numeric" in vector else "HMT" if vector["value"][0] == "8" else "RIC")
        if "sex" in vector:
            assert number.sex == vector["sex"][0].upper()
        if "why" in vector:
            assert number.findings == (
                {"check digit": "citizen.check", "impossible date": "citizen.date"}[vector["why"]],
            )


@pytest.mark.parametrize(
    ("value", "valid", "finding"),
    [
        ("460023195503120011", True, "citizen.division"),
        ("469027198505150025", True, None),
        ("469023195503120014", True, None),
        ("110105194912310022", True, None),
        ("990105194912310025", True, None),
        ("460023550312001", True, "citizen.fifteen"),
        ("111111111111111111", False, "citizen.placeholder"),
        ("000000000000000", False, "citizen.placeholder"),
        ("123456789012345678", False, "citizen.placeholder"),
        ("46902319550312001", False, "citizen.shape"),
        ("469023205503120015", False, "citizen.future"),
        ("469023195503120041", False, "citizen.check"),
    ],
)
def test_a_number_is_judged_by_shape_date_and_check_never_by_its_place(value, valid, finding):
    if valid and len(value) == 18:
        value = value[:17] + check_character(value[:17])
    number = read_number(value, TODAY)
    assert number.valid is valid
    if finding:
        assert finding in number.findings


def test_fifteen_digits_and_eighteen_are_one_number():
    short, long = (
        Written(documents=(WrittenDocument(text, "RIC"),)) for text in ("469023550312001", "469023195503120014")
    )
    assert NORMALISER.record(short).citizen == NORMALISER.record(long).citizen == "469023195503120014"


@pytest.mark.parametrize(
    "text",
    ["４６９０２３１９５５０３１２００１４", " 469023 19550312 0014 ", "469023-19550312-0014", "469023195503120014"],
)
def test_full_width_blanks_and_dashes_do_not_matter(text):
    assert NORMALISER.record(Written(documents=(WrittenDocument(text, "RIC"),))).citizen == "469023195503120014"


def test_the_last_x_may_be_small_or_a_multiplication_sign():
    body = next(
        f"46902319550312{serial:03d}"
        for serial in range(1, 99)
        if check_character(f"46902319550312{serial:03d}") == "X"
    )
    for last in "xX×Ｘ":
        assert NORMALISER.record(Written(documents=(WrittenDocument(body + last, "RIC"),))).citizen == body + "X"


def test_a_registration_that_contradicts_its_own_number_says_so():
    record = NORMALISER.record(
        Written(documents=(WrittenDocument("469023195503120014", "RIC"),), birth="1955-03-21", sex="female")
    )
    assert {"citizen.birth-differs", "citizen.sex-differs"} <= set(record.findings)
    assert record.born == "19550321"


def test_birth_and_sex_come_from_the_number_when_nothing_else_says_them():
    record = NORMALISER.record(Written(documents=(WrittenDocument("469023195503120014", "RIC"),)))
    assert (record.born, record.sex) == ("19550312", "M")


@pytest.mark.parametrize(
    ("value", "kind", "country", "text", "finding"),
    [
        ("75 1234567", "PPN", "RUS", "PPN:RUS:751234567", None),
        ("751234567", "PPN", "RU", "PPN:RUS:751234567", None),
        ("C01X00T47", "PPN", "D", "PPN:DEU:C01X00T47", None),
        ("E12345678", "PPN", "", "PPN:CHN:E12345678", None),
        ("M1234", "PPN", "KOR", "PPN:KOR:M1234", None),
        ("M12345678", "PPN", "", "PPN::M12345678", "document.country-unknown"),
        ("RUS461019800515", "", "", "PRC:RUS461019800515", None),
        ("H12345678", "HKM", "", "HKM:H12345678", None),
        ("H1234567802", "HKM", "", "HKM:H12345678", None),
        ("m1234567800", "", "", "HKM:M12345678", None),
        ("12345678", "TWP", "", "TWP:12345678", None),
        ("1234567801", "TWP", "", "TWP:12345678", None),
        ("T1234567801", "TWP", "", "TWP:12345678", None),
        ("W460123456", "BCT", "", "BCT:W460123456", None),
        ("0f3a5c9d1e2b:1:1700000000", "EHC", "", "EHC:0F3A5C9D1E2B", None),
        ("L898902C36UTO7408122F1204159ZE184226B<<<<<10", "PPN", "", "PPN::L898902C3", None),
        ("12345", "HKM", "", "HKM:", "document.shape"),
        ("000000000", "PPN", "RUS", "PPN::", "document.placeholder"),
        ("无", "PPN", "", "PPN::", "document.placeholder"),
    ],
)
def test_other_documents_have_one_spelling_each(value, kind, country, text, finding):
    document = read_document(value, kind, country)
    assert document.text == text
    assert (finding in document.findings) if finding else "document.shape" not in document.findings


def test_the_machine_readable_zone_of_the_norm_passes_and_a_changed_digit_does_not():
    assert zone_check("L898902C3") == "6"
    assert zone_check("740812") == "2"
    changed = read_document("L898902C46UTO7408122F1204159ZE184226B<<<<<10", "PPN")
    assert "document.check" in changed.findings


def test_a_passport_in_the_field_of_the_citizens_number_is_read_as_a_passport():
    record = NORMALISER.record(Written(documents=(WrittenDocument("E12345678", "RIC"),)))
    assert record.documents == ("PPN:CHN:E12345678",)
    assert "document.kind-wrong" in record.findings


def test_a_citizens_number_in_the_field_of_the_passport_is_a_citizens_number():
    assert NORMALISER.record(Written(documents=(WrittenDocument("469023195503120014", "PPN", "CHN"),))).citizen


def test_compact_numbers_are_idempotent():
    assert compact(compact(" a-b 1×")) == compact(" a-b 1×") == "AB1X"
