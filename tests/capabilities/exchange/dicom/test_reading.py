"""What a study says, attribute by attribute, and what becomes of each."""

from __future__ import annotations

import copy
import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from jiankang.capabilities.exchange.dicom.dataset import Dataset, as_chinese, is_uid, written
from jiankang.capabilities.exchange.dicom.fates import WHERE, WITHIN
from jiankang.capabilities.exchange.dicom.format import DicomFormat
from jiankang.capabilities.exchange.dicom.moments import UNKNOWN, day, moment, sortable
from jiankang.capabilities.exchange.dicom.persons import is_citizen_number
from jiankang.capabilities.exchange.dicom.tags import TAGS
from jiankang.capabilities.exchange.model import Letter, Sender, Unreadable

FORMAT = DicomFormat()
SENDER = Sender("pacs", "PACS", authorities={"HKRMYY": "urn:oid:1.2.3.4"}, systems={"99HK": "urn:hk:codes"})
WHEN = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def code(value, meaning, scheme="99HK"):
    return {
        TAGS["CodeValue"]: {"vr": "SH", "Value": [value]},
        TAGS["CodingSchemeDesignator"]: {"vr": "SH", "Value": [scheme]},
        TAGS["CodingSchemeVersion"]: {"vr": "SH", "Value": ["1"]},
        TAGS["CodeMeaning"]: {"vr": "LO", "Value": [meaning]},
    }


def who(number):
    return {TAGS["PersonIdentificationCodeSequence"]: {"vr": "SQ", "Value": [code(number, "医生")]}}


def issuer(value):
    return {
        TAGS["UniversalEntityID"]: {"vr": "UT", "Value": [value]},
        TAGS["UniversalEntityIDType"]: {"vr": "CS", "Value": ["ISO"]},
    }


def name(alphabetic, ideographic):
    return {"Alphabetic": alphabetic, "Ideographic": ideographic}


VALUES: dict[str, Any] = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "SOPInstanceUID": "1.2.3.1.1", "InstanceNumber": 4,
    "StudyInstanceUID": "1.2.3", "StudyID": "S1", "StudyDate": "20261120", "StudyTime": "0930", "TimezoneOffsetFromUTC": "+0700",
    "StudyDescription": "头颅MR", "ProcedureCodeSequence": code("P1", "头颅"), "AccessionNumber": "A1",
    "IssuerOfAccessionNumberSequence": issuer("1.9.1"), "ReferringPhysicianName": name("Chen^Chun", "陈^春"),
    "ReferringPhysicianIdentificationSequence": who("D1"), "RequestingPhysician": name("He^Xia", "何^夏"),
    "NameOfPhysiciansReadingStudy": name("Mo^Dong", "莫^冬"), "PhysiciansReadingStudyIdentificationSequence": who("D2"),
    "ReasonForStudy": "头痛", "AdmittingDiagnosesDescription": "偏头痛", "RequestedProcedureDescription": "头颅平扫",
    "RequestedProcedureCodeSequence": code("R1", "平扫"), "ReasonForTheRequestedProcedure": "头晕",
    "ReasonForRequestedProcedureCodeSequence": code("G43", "偏头痛", "I10"),
    "RequestAttributesSequence": {TAGS["AccessionNumber"]: {"vr": "SH", "Value": ["A2"]}}, "RequestedProcedureID": "RP1",
    "PlacerOrderNumberImagingServiceRequest": "O1", "OrderPlacerIdentifierSequence": issuer("1.9.4"),
    "FillerOrderNumberImagingServiceRequest": "F1", "OrderFillerIdentifierSequence": issuer("1.9.5"), "AdmissionID": "V1", "IssuerOfAdmissionIDSequence": issuer("1.9.2"), "SeriesInstanceUID": "1.2.3.1", "SeriesNumber": 3,
    "SeriesDate": "20261120", "SeriesTime": "093100", "Modality": "MR", "SeriesDescription": "T2", "BodyPartExamined": "BRAIN",
    "AnatomicRegionSequence": code("12738006", "Brain", "SCT"), "Laterality": "L",
    "PerformingPhysicianName": name("Su^Li", "苏^丽"), "PerformingPhysicianIdentificationSequence": who("D3"),
    "OperatorsName": name("Wu^Ming", "吴^明"), "OperatorIdentificationSequence": who("D4"),
    "PatientName": name("Fu^Hailan", "符^海兰"), "PatientID": "P1", "IssuerOfPatientID": "HKRMYY",
    "IssuerOfPatientIDQualifiersSequence": issuer("1.9.3"), "OtherPatientIDs": "460100199001011235",
    "OtherPatientIDsSequence": {TAGS["PatientID"]: {"vr": "LO", "Value": ["Q7"]}}, "OtherPatientNames": name("Fu^Lan", "符^兰"),
    "PatientBirthName": name("Li^Lan", "李^兰"), "PatientMotherBirthName": name("Li^Hua", "李^花"), "PatientBirthDate": "19900101",
    "PatientSex": "F", "PatientAddress": "海口市美兰区", "PatientTelephoneNumbers": "0898-60000000",
}  # fmt: skip
OTHERS: dict[str, Any] = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4", "SOPInstanceUID": "1.2.3.1.9", "StudyInstanceUID": "1.2.9",
    "TimezoneOffsetFromUTC": "+0900", "StudyDate": "20261119", "StudyTime": "1030", "SeriesDate": "20261119", "SeriesTime": "1200",
    "SeriesInstanceUID": "1.2.3.9", "Modality": "CT", "Laterality": "R", "PatientSex": "M", "PatientBirthDate": "19910101",
    "BodyPartExamined": "CHEST", "IssuerOfPatientID": "ELSEWHERE",
}  # fmt: skip
"""Other values of those where not every text will do."""
UNSEEN = {"BodyPartExamined": "AnatomicRegionSequence", "IssuerOfPatientIDQualifiersSequence": "IssuerOfPatientID"}
"""What is read only where something else is missing."""


def element(value):
    if isinstance(value, dict) and all(len(key) == 8 and key != "Phonetic" for key in value):
        return {"vr": "SQ", "Value": [value]}
    return {"vr": "PN" if isinstance(value, dict) else "LO", "Value": [value]}


def body(**changed):
    values = VALUES | changed
    return [{TAGS[key]: element(value) for key, value in values.items() if value is not None}]


def letter(instances, **context):
    raw = json.dumps(instances, ensure_ascii=False).encode()
    return Letter("dicom", raw, WHEN, "k", "study", context=context)


def read(instances, sender=SENDER, **context):
    return FORMAT.read(letter(instances, **context), sender)


def says(reading, type_name):
    return [one.says for one in reading.tellings if one.type == type_name]


def test_every_attribute_that_is_called_mapped_changes_what_is_said():
    assert set(VALUES) == set(WHERE)
    for keyword, value in VALUES.items():
        without = {UNSEEN[keyword]: None} if keyword in UNSEEN else {}
        other = OTHERS.get(keyword, _other(value))
        plain, changed = read(body(**without)), read(body(**without, **{keyword: other}))
        assert plain.tellings != changed.tellings, keyword


def _other(value: Any) -> Any:
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value[:-1] + "9"
    if "Alphabetic" in value:
        return name("Other^Name", "另^名")
    other = copy.deepcopy(value)
    for inner in other.values():
        inner["Value"] = [_other(inner["Value"][0])] if inner["vr"] != "CS" else inner["Value"]
    return other


def test_every_element_that_a_mapping_names_is_said():
    reading = read(body(), base="https://health.example")
    for keyword, where in WHERE.items():
        for path in where.split(", "):
            type_name, *steps = path.split(".")
            assert any(_has(one, steps) for one in says(reading, type_name)), (keyword, path)


def _has(value, steps):
    if not steps:
        return value not in (None, [], {})
    if isinstance(value, list):
        return any(_has(one, steps) for one in value)
    return isinstance(value, dict) and steps[0] in value and _has(value[steps[0]], steps[1:])


def test_every_attribute_with_a_value_has_a_fate():
    instances = body(IssuerOfPatientIDQualifiersSequence=issuer("1.9.3"))
    instances[0] |= {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}, "00280010": {"vr": "US", "Value": [64]},
        "7FE00010": {"vr": "OW", "BulkDataURI": "/studies/1/bulk"}, "00091010": {"vr": "LO", "Value": ["private"]},
        "00081140": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2"]}}]}, "00102180": {"vr": "SH"},
    }  # fmt: skip
    found = {one.place: one for one in FORMAT.fates(letter(instances), SENDER)}
    for keyword in VALUES:
        assert any(keyword in place and one.fate == "mapped" for place, one in found.items()), keyword
    assert found["[1].SpecificCharacterSet"].fate == "dropped"
    for place in ("[1].(0028,0010)", "[1].(7FE0,0010)", "[1].(0009,1010)", "[1].(0008,1140)[1].(0008,1155)"):
        assert found[place].fate == "kept", place
    assert not any("0010,2180" in place for place in found)
    assert all(one.where for one in found.values())
    assert set(WITHIN) - {"LongCodeValue", "URNCodeValue", "LocalNamespaceEntityID"} <= {
        step.split("[")[0] for place in found for step in place.split(".")
    }


def test_names_are_said_in_each_of_their_writings():
    (patient,) = says(read(body()), "Patient")
    official = [one for one in patient["name"] if one["use"] == "official"]
    assert [one["extension"][0]["valueCode"] for one in official] == ["IDE", "ABC"]
    assert (official[0]["text"], official[0]["family"], official[0]["given"]) == ("符海兰", "符", ["海兰"])
    assert (official[1]["family"], official[1]["given"]) == ("Fu", ["Hailan"])


def test_a_chinese_name_among_the_latin_ones_is_seen_to_be_chinese():
    (patient,) = says(read(body(PatientName={"Alphabetic": "符海兰"})), "Patient")
    assert patient["name"][0] == {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation", "valueCode": "IDE"}],
        "use": "official", "text": "符海兰",
    }  # fmt: skip


def test_numbers_of_citizens_are_known_by_their_form():
    assert is_citizen_number("11010519491231002X")
    assert not is_citizen_number("110105194912310021")
    (patient,) = says(read(body(OtherPatientIDs="11010519491231002x")), "Patient")
    (citizen,) = [one for one in patient["identifier"] if one["system"] == "urn:oid:2.16.156.10011.1.3"]
    assert citizen["value"] == "11010519491231002X"


def test_two_senders_patients_are_two_although_both_have_one_citizens_number():
    told = body(PatientID="11010519491231002X", IssuerOfPatientID=None, IssuerOfPatientIDQualifiersSequence=None)
    one, two = read(told), read(told, Sender("other", "Other"))
    assert one.patient != two.patient
    assert says(one, "Patient")[0]["identifier"][0]["system"] == "urn:oid:2.16.156.10011.1.3"


def test_a_study_is_the_same_whoever_tells_of_it():
    one, two = read(body()), read(body(), Sender("other", "Other"))
    ids = [[telling.id for telling in each.tellings if telling.type == "ImagingStudy"] for each in (one, two)]
    assert ids[0] == ids[1]


def test_old_images_do_not_outweigh_newer_knowledge_of_their_patient():
    reading = read(body(StudyDate="20190102"))
    stamps = {one.type: one.at for one in reading.tellings}
    assert stamps["Patient"].startswith("20190102")
    assert stamps["ServiceRequest"] == stamps["Encounter"] == UNKNOWN
    assert stamps["ImagingStudy"].startswith("20261123080000")


def test_requests_are_known_by_their_accession_numbers():
    reading = read(body())
    (study,) = says(reading, "ImagingStudy")
    numbers = [[each["value"] for each in one["identifier"]] for one in says(reading, "ServiceRequest")]
    assert numbers == [["O1", "F1", "A1"], ["A2"]]
    assert len(study["basedOn"]) == 2


def test_local_codes_are_told_apart_until_they_are_translated():
    told = body(
        ProcedureCodeSequence=code("X9", "某检查", "LOCAL"), BodyPartExamined="尾骨", AnatomicRegionSequence=None
    )
    reading = read(told)
    assert {(one.system, one.code) for one in reading.gaps} == {
        ("urn:jiankang:sender:pacs:local", "X9"), ("urn:jiankang:sender:pacs:body-part", "尾骨"),
    }  # fmt: skip
    answer = {"system": "http://loinc.org", "code": "30746-2"}
    known = Sender("pacs", "PACS", codes={("urn:jiankang:sender:pacs:local", "X9"): (answer,)})
    reading = read(told, known)
    assert answer in says(reading, "ImagingStudy")[0]["procedureCode"][0]["coding"]
    assert not any(one.code == "X9" for one in reading.gaps)


def test_chinese_that_says_it_is_latin_is_read_with_a_complaint():
    latin = "符^海兰".encode("gb18030").decode("latin-1")
    told = body(
        PatientName={"Alphabetic": "Fu^Hailan", "Ideographic": latin},
        StudyDescription="胸部CT".encode("gb2312").decode("latin-1"),
    )
    told[0]["00080005"] = {"vr": "CS", "Value": ["ISO_IR 100"]}
    reading = read(told)
    assert says(reading, "Patient")[0]["name"][0]["text"] == "符海兰"
    assert says(reading, "ImagingStudy")[0]["description"] == "胸部CT"
    assert any(one.place == "SpecificCharacterSet" for one in reading.complaints)
    assert as_chinese("Müller Renée") == "Müller Renée"
    assert as_chinese("符海兰") == "符海兰"


def test_series_of_two_patients_are_not_mixed():
    other = body(PatientID="P2", SeriesInstanceUID="1.2.3.2", SOPInstanceUID="1.2.3.2.1")
    reading = read(body() + other)
    assert [one.place for one in reading.complaints if one.fatal] == ["PatientID"]


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"{}", b"[1]", b"[{}]", b'[{"0020000D":{"Value":["../../x"]}}]', b"[" * 100_000, b"\xff\xfe"],
)
def test_what_tells_of_no_study_is_unreadable(raw):
    with pytest.raises(Unreadable):
        FORMAT.read(Letter("dicom", raw, WHEN), SENDER)


def test_whatever_stands_in_an_attribute_nothing_fails():
    odd = [
        None,
        [],
        {},
        "",
        "x" * 7_000,
        -1,
        1e999,
        True,
        [[]],
        {"Alphabetic": 5},
        {"vr": "SQ", "Value": [5]},
        "\0",
    ]
    ways = (
        lambda value: value,
        lambda value: {"vr": "LO", "Value": value},
        lambda value: {"vr": "LO", "Value": [value]},
    )
    for number, (tag, value) in enumerate(itertools.product(TAGS.values(), odd)):
        instances = body()
        instances[0][tag] = ways[number % 3](value)
        try:
            FORMAT.read(letter(instances), SENDER)
            FORMAT.fates(letter(instances), SENDER)
        except Unreadable:
            assert tag == TAGS["StudyInstanceUID"]


@pytest.mark.parametrize(
    ("on", "at", "expected"),
    [
        ("20261120", "093015.25", "2026-11-20T09:30:15.25+08:00"), ("20261120", "0930", "2026-11-20T09:30:00+08:00"),
        ("2026.11.20", "09:30:15", "2026-11-20T09:30:15+08:00"), ("20261120", "09", "2026-11-20"), ("20261120", "", "2026-11-20"),
        ("20261120", "235960", "2026-11-20T23:59:59+08:00"), ("20260230", "0930", ""), ("", "0930", ""), ("00000000", "", ""),
    ],
)  # fmt: skip
def test_moments_are_as_exact_as_they_are_given(on, at, expected):
    assert moment(on, at, "+08:00") == expected


def test_moments_are_ordered_in_one_time():
    assert sortable("2026-11-20T09:30:00+08:00", "+08:00") == "20261120013000.000000"
    assert sortable("2026-11-20", "+08:00") == "20261119160000.000000"
    assert sortable("0001-01-01", "+08:00") == UNKNOWN
    assert day("19900229") == ""


def test_unique_identifiers_have_their_form():
    assert is_uid("1.2.840.10008.1.2")
    assert not any(is_uid(one) for one in ("", "1", "1.02", "1..2", "1.2.", "1." + "1" * 64, "1.2/../3", "1.2\n"))
    assert written("Wang^Xiao Ming^^Dr") == "Wang Xiao Ming"
    assert Dataset({"0020000D": {"vr": "UI", "Value": ["1.2.3\0"]}}).uid("StudyInstanceUID") == "1.2.3"


@pytest.mark.parametrize("authorities", [{}, {"HKRMYY": "urn:jiankang:facility:HKRMYY"}, {"HKRMYY": "urn:oid:1.2.3"}])
def test_a_study_and_a_message_of_one_hospital_speak_of_the_same_patient_visit_and_order(authorities):
    from jiankang.capabilities.exchange.hl7v2 import Hl7v2

    his = Sender("his", "HIS", facility="hkrmyy", authorities=authorities)
    pacs = Sender("pacs", "PACS", facility="hkrmyy", authorities=authorities)
    message = (
        "MSH|^~\\&|HIS|HKRMYY|JK|JK|20261120093000||ORM^O01|1|P|2.5.1|||||CHN|UNICODE UTF-8\r"
        "PID|1||p1^^^HKRMYY^MR||Fu^Hailan||19900101|F\r"
        f"PV1|1|I{'|' * 17}V1^^^HKRMYY^VN\r"
        "ORC|NW|O1|F1\rOBR|1|O1|F1|CT01^Chest CT^L\r"
    )
    told = Hl7v2().read(Letter("hl7v2", message.encode(), WHEN), his)
    plain = {
        "IssuerOfPatientIDQualifiersSequence": None, "OrderPlacerIdentifierSequence": None, "OrderFillerIdentifierSequence": None,
        "IssuerOfAccessionNumberSequence": None, "RequestAttributesSequence": None,
    }  # fmt: skip
    local = {TAGS["LocalNamespaceEntityID"]: {"vr": "UT", "Value": ["HKRMYY"]}}
    study = read(body(**plain, IssuerOfAdmissionIDSequence=local), pacs)
    for type_name in ("Patient", "Encounter", "ServiceRequest"):
        ids = [{one.id for one in reading.tellings if one.type == type_name} for reading in (told, study)]
        assert ids[0] == ids[1] != set(), type_name
