"""Studies in the archive become ImagingStudies."""

from __future__ import annotations

import asyncio
import json

import pytest


def test_a_study_becomes_an_imaging_study_with_its_series_and_images(hospital, images):
    uid = images.uid(101)
    files = [images.encoded(images.image(101, series, one)) for series in (2, 1) for one in (2, 1, 3)]
    study = hospital.told(*files, uid=uid)
    assert study["status"] == "available"
    assert study["identifier"][0] == {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}
    assert study["identifier"][1]["value"] == "HK20260101"
    assert study["started"] == "2026-11-20T09:30:15.25+08:00"
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (2, 6)
    assert [one["number"] for one in study["series"]] == [1, 2]
    first = study["series"][0]
    assert [one["number"] for one in first["instance"]] == [1, 2, 3]
    assert first["modality"]["code"] == "CT"
    assert first["bodySite"]["code"] == "43799004"
    assert first["instance"][0]["uid"] == images.uid(101, 1, 1)
    assert first["instance"][0]["sopClass"]["code"] == f"urn:oid:{images.CT}"
    assert study["description"] == "胸部CT平扫"


def test_what_grows_is_told_of_again(hospital, images):
    uid = images.uid(102)
    assert hospital.told(images.encoded(images.image(102, 1, 1)), uid=uid)["numberOfInstances"] == 1
    assert hospital.told(images.encoded(images.image(102, 1, 2)), uid=uid)["numberOfInstances"] == 2


@pytest.mark.parametrize(
    ("number", "charset"), [(111, "ISO_IR 192"), (112, "GB18030"), (113, "GBK"), (114, ["", "ISO 2022 IR 58"])]
)
def test_chinese_is_read_in_every_character_set(hospital, images, number, charset):
    image = images.image(number, SpecificCharacterSet=charset)
    study = hospital.told(images.encoded(image), uid=images.uid(number))
    patient = hospital.platform("GET", f"/{study['subject']['reference']}").value
    assert [one.get("text") for one in patient["name"]] == ["符海兰", None]
    assert (patient["name"][0]["family"], patient["name"][0]["given"]) == ("符", ["海兰"])
    assert (patient["name"][1]["family"], patient["name"][1]["given"]) == ("Fu", ["Hailan"])
    assert study["description"] == "胸部CT平扫"
    assert study["referrer"]["display"] == "陈春"


def test_images_are_of_the_person_whom_another_hospital_knows(hospital, images):
    citizen = "46010019860412002" + "10X98765432"[_check("46010019860412002")]
    known = {
        "resourceType": "Patient", "name": [{"text": "符海兰"}], "gender": "female", "birthDate": "1986-04-12",
        "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": citizen}],
    }  # fmt: skip
    there = hospital.platform("POST", "/Patient", json.dumps(known).encode()).value["id"]
    study = hospital.told(images.encoded(images.image(120, OtherPatientIDs=citizen)), uid=images.uid(120))
    here = study["subject"]["reference"].partition("/")[2]
    assert here != there
    assert hospital.person(here) == hospital.person(there) is not None


def _check(body):
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True)) % 11


def test_a_study_that_says_too_much_is_told_by_what_is_read(hospital, images, monkeypatch):
    files = [images.encoded(images.image(121, series, 1, PatientComments="x" * 900)) for series in (1, 2, 3)]
    whole = hospital.platform.run(_described(hospital, images, files))
    monkeypatch.setattr("jiankang.capabilities.exchange.dicom.archive.MOST_DESCRIBED_BYTES", len(json.dumps(whole[0])))
    short = hospital.platform.run(_described(hospital, images, []))
    assert [("00104000" in one) for one in whole] == [True, True, True]
    assert [("00104000" in one) for one in short] == [True, False, False]
    assert all(one["00100020"] == whole[0]["00100020"] for one in short)


async def _described(hospital, images, files):
    await asyncio.to_thread(hospital.put, *files)
    return json.loads(await hospital.archive.described(images.uid(121)))
