"""Births, telephones, addresses and whole Patients."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiankang.foundation.identity.model import Record, Written, WrittenAddress, WrittenDocument, WrittenName
from jiankang.foundation.identity.normalise import Normaliser, written
from jiankang.foundation.identity.normalise.addresses import read_address
from jiankang.foundation.identity.normalise.births import read_birth, read_sex
from jiankang.foundation.identity.normalise.phones import read_phones
from jiankang.foundation.identity.reasons import REASONS

TODAY = "20261123"
NORMALISER = Normaliser(TODAY)
PATIENT = {
    "resourceType": "Patient",
    "identifier": [
        {"system": "urn:oid:2.16.156.10011.1.3", "value": "469023195503120014"},
        {"system": "urn:oid:2.16.156.10011.1.19", "value": "460000000012"},
        {
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
            "value": "77",
        },
        {
            "type": {"coding": [{"system": "urn:jiankang:codes:ws364:CV02.01.101", "code": "06"}]},
            "value": "H1234567801",
        },
        {"system": "urn:jiankang:passport:RUS", "value": "75 1234567"},
    ],
    "name": [{"use": "old", "text": "李明"}, {"use": "official", "text": "欧阳明", "family": "欧阳", "given": ["明"]}],
    "telecom": [{"system": "phone", "value": "138 1234 0678"}, {"system": "email", "value": "a@b.cn"}],
    "gender": "male",
    "birthDate": "1955-03-12",
    "address": [{"text": "海南省澄迈县金江镇大塘村委会12号", "district": "金江镇"}],
    "contact": [{"relationship": [{"coding": [{"code": "MTH"}]}], "name": {"text": "王小梅"}}],
    "multipleBirthInteger": 2,
}


@pytest.mark.parametrize(
    ("text", "born", "findings"),
    [
        ("1980-05-06", "19800506", ()), ("19800506", "19800506", ()), ("1980/5/6", "19800506", ()), ("1980年5月6日", "19800506", ()),
        ("1980-05-06T08:00:00+08:00", "19800506", ()), ("1980-05", "198005", ()), ("1980", "1980", ()), ("", "", ()),
        ("1985-01-01", "19850101", ("birth.first-of-january",)), ("2026-11-23", "20261123", ()),
        ("2026-11-24", "", ("birth.future",)), ("2027", "", ("birth.future",)), ("1900-01-01", "", ("birth.placeholder",)),
        ("1800-05-06", "", ("birth.impossible",)), ("1899-05-06", "", ("birth.too-old",)), ("2025-02-29", "", ("birth.impossible",)),
        ("0000-00-00", "", ("birth.impossible",)), ("1980-16-05", "19800516", ("birth.exchanged",)), ("1980-13", "", ("birth.impossible",)), ("soon", "", ("birth.shape",)),
        ("１９８０", "1980", ()),
    ],
)  # fmt: skip
def test_a_birth_date_is_read_as_far_as_it_is_known(text, born, findings):
    assert read_birth(text, TODAY) == (born, findings)


@pytest.mark.parametrize(
    ("text", "sex"), [("male", "M"), ("FEMALE", "F"), ("1", "M"), ("2", "F"), (" 女 ", "F"), ("other", ""), ("9", "")]
)
def test_a_sex_is_male_female_or_not_known(text, sex):
    assert read_sex(text) == sex


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("13712340678", ("8613712340678",)), ("+86 137-1234-0678", ("8613712340678",)), ("008613712340678", ("8613712340678",)),
        ("86 13712340678", ("8613712340678",)), ("０１３７１２３４０６７８", ("8613712340678",)), ("0898-67612345", ("8689867612345",)),
        ("(0898)67612345转8001", ("8689867612345",)), ("0898-67612345-8001", ("8689867612345",)), ("67612345", ("8689867612345",)),
        ("+86 898 6761 2345", ("8689867612345",)), ("010-62345679", ("861062345679",)), ("+7 (916) 123-45-67", ("79161234567",)),
        ("0065 6123 4567", ("6561234567",)), ("13712340678/13912340678", ("8613712340678", "8613912340678")),
        ("13800138000", ()), ("13811111111", ()), ("00000000000", ()), ("无", ()), ("12", ()), ("", ()), ("1" * 400, ()),
    ],
)  # fmt: skip
def test_a_telephone_number_has_one_spelling_and_fillers_have_none(text, numbers):
    assert read_phones(text, "898")[0] == numbers


def test_numbers_already_read_are_read_the_same():
    for number in ("8613712340678", "8689867612345", "79161234567", "6561234567"):
        assert read_phones(f"+{number}", "898")[0] == (number,)


@pytest.mark.parametrize(
    ("text", "code", "columns"),
    [
        ("海南省澄迈县金江镇大塘村委会12号", "", ("469023", "datang", "12")),
        ("澄迈县金江镇大塘村12", "", ("469023", "datang", "12")),
        ("澄邁縣金江鎮大塘村012號", "", ("469023", "datang", "12")),
        ("海南省海口市龙华区金贸街道国贸路18号3栋501室", "", ("460106", "guomaolu", "18-3-501")),
        ("金江镇建国社区居委会3号", "469023100001", ("469023", "jianguo", "3")),
        ("", "469023", ("469023", "", "")),
        ("Tverskaya ulitsa 12, Moskva", "", ("", "tverskayaulitsamoskva", "12")),
        ("", "", ("", "", "")),
    ],
)
def test_an_address_is_a_county_a_place_and_digits(text, code, columns):
    read = read_address(WrittenAddress(text, code))
    assert (read.county, read.place, read.house) == columns


@pytest.mark.parametrize(
    ("text", "district", "town"),
    [
        ("海南省澄迈县金江镇大塘村12号", "", "jinjiang"), ("大塘村12号", "金江镇", "jinjiang"), ("龙华区金贸街道办事处1号", "海口市", "jinmao"),
        ("12 Pitt Street", "Winston Hills", "winstonhills"), ("大塘村", "澄迈县", ""),
    ],
)  # fmt: skip
def test_a_town_is_read_from_the_address_or_its_district(text, district, town):
    assert read_address(WrittenAddress(text, "", district)).town == town


def test_a_patient_becomes_a_record():
    record = NORMALISER.patient(PATIENT)
    assert (record.hanzi, record.surname, record.given, record.name) == ("欧阳明", "ouyang", "ming", "ouyang ming")
    assert record.names == ("ming ou yang", "li ming")
    assert (record.citizen, record.born, record.sex) == ("469023195503120014", "19550312", "M")
    assert record.documents == ("EHC:460000000012", "HKM:H12345678", "PPN:RUS:751234567")
    assert record.travel == "RUS751234567"
    assert record.phones == ("8613812340678",)
    assert (record.county, record.place, record.house) == ("469023", "datang", "12")
    assert (record.mother, record.order) == ("mei wang xiao", "2")
    assert record.matchable
    assert record.findings == ()


def test_a_patient_without_anything_has_nothing_to_match_on():
    record = NORMALISER.patient({"resourceType": "Patient"})
    assert not record.matchable
    assert record.findings == ("name.empty", "record.nothing")


TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["王小梅之子", "469023195503120014", "1980-05-06", "+86 1371234", "\u202e", "男", "٣" * 18, "²" * 15]
    ),
)


@given(st.lists(TEXTS, min_size=12, max_size=12))
@settings(max_examples=400, deadline=None)
def test_no_text_raises_and_every_finding_has_a_sentence(texts):
    text, family, given_name, document, kind, country, phone, address, code, birth, sex, mother = texts
    record = NORMALISER.record(
        Written(
            (WrittenName(text, family, given_name), WrittenName(family)),
            (
                WrittenDocument(document, "RIC"),
                WrittenDocument(document, kind, country),
                WrittenDocument(document, "PPN", country),
                WrittenDocument(text, "EHC"),
            ),
            (phone, text),
            (WrittenAddress(address, code, text),),
            birth,
            sex,
            mother,
            sex,
        )
    )
    assert set(record.findings) <= set(REASONS)
    for name, value in msgspec.structs.asdict(record).items():
        if name not in {"written", "hanzi", "order"} and isinstance(value, str | tuple):
            assert "".join(value).isascii(), name


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "text",
                    "family",
                    "given",
                    "coding",
                    "code",
                    "system",
                    "value",
                    "type",
                    "use",
                    "url",
                    "valueCoding",
                    "name",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*PATIENT, "extension"]), JSON))
@settings(max_examples=400, deadline=None)
def test_no_json_raises(patient):
    assert isinstance(NORMALISER.patient(patient), Record)
    assert isinstance(written(patient), Written)


def again(record: Record) -> Record:
    """A record's own columns registered again."""
    documents = [text.split(":") for text in record.documents]
    return NORMALISER.record(
        Written(
            (WrittenName(record.written),),
            (
                *((WrittenDocument(record.citizen_written, "RIC"),) if record.citizen_written else ()),
                *(WrittenDocument(parts[-1], parts[0], parts[1] if len(parts) > 2 else "") for parts in documents),
            ),
            tuple(f"+{phone}" for phone in record.phones),
            birth=record.born,
            sex=record.sex,
        )
    )


@given(st.lists(TEXTS, min_size=6, max_size=6))
@settings(max_examples=300, deadline=None)
def test_normalising_twice_is_normalising_once(texts):
    name, number, document, phone, birth, sex = texts
    documents = (
        WrittenDocument(number, "RIC"),
        WrittenDocument(document, "PPN", "RUS"),
        WrittenDocument(document, "HKM"),
    )
    once = NORMALISER.record(Written((WrittenName(name),), documents, (phone,), birth=birth, sex=sex))
    twice = again(once)
    for column in (
        "written",
        "hanzi",
        "name",
        "sound",
        "names",
        "words",
        "citizen",
        "citizen_written",
        "documents",
        "kinds",
        "travel",
        "phones",
        "born",
        "sex",
    ):
        assert getattr(twice, column) == getattr(once, column), column


def test_a_flat_row_and_a_patient_become_the_same_record():
    row = {
        "name": "欧阳明", "former_name": "李明", "sex": "1", "birth_date": "1955-03-12", "citizen_id": "469023550312001",
        "passport": "75 1234567", "passport_country": "RU", "permit": "H1234567801", "ehealth_card": "460000000012", "phone": 13812340678,
        "address": "海南省澄迈县金江镇大塘村委会12号", "mother_name": "王小梅", "birth_order": 2, "division": None,
    }  # fmt: skip
    of_row, of_patient = NORMALISER.row(row), NORMALISER.patient(PATIENT)
    assert set(of_row.documents) == set(of_patient.documents)
    lists = {"documents": (), "kinds": (), "findings": ()}
    assert msgspec.structs.replace(of_row, **lists) == msgspec.structs.replace(of_patient, **lists)
    assert of_row.findings == ("citizen.fifteen",)
