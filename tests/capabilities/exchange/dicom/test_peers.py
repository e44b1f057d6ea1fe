"""Devices that speak DICOM only: dcmtk and pynetdicom send, ask and are refused as the norm says."""

from __future__ import annotations

import shutil
import socket
import subprocess
import warnings

import pytest

from jiankang.capabilities.exchange.dicom.studies import study_id
from jiankang.capabilities.exchange.model import Sender

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pynetdicom import AE
    from pynetdicom.sop_class import CTImageStorage, StudyRootQueryRetrieveInformationModelFind, Verification

needs_dcmtk = pytest.mark.skipif(shutil.which("storescu") is None, reason="needs dcmtk: apt-get install dcmtk")


def storescu(hospital, *files, title="MODALITY", options=()):
    peer = ["127.0.0.1", str(hospital.orthanc.dicom_port)]
    command = ["storescu", "-v", "-aet", title, "-aec", hospital.orthanc.title, *options, *peer, *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def associated(hospital):
    """An association of pynetdicom under a title."""
    made = []

    def associate(title="MODALITY", *contexts):
        peer = AE(title)
        for context in contexts or (CTImageStorage, Verification):
            peer.add_requested_context(context)
        made.append(peer.associate("127.0.0.1", hospital.orthanc.dicom_port, ae_title=hospital.orthanc.title))
        assert made[-1].is_established
        return made[-1]

    yield associate
    for one in made:
        one.release()


@needs_dcmtk
def test_what_dcmtk_sends_lands_in_the_record(hospital, images, tmp_path):
    for one in (1, 2):
        (tmp_path / f"{one}.dcm").write_bytes(images.encoded(images.image(401, 1, one, SpecificCharacterSet="GB18030")))
    done = storescu(hospital, tmp_path / "1.dcm", tmp_path / "2.dcm")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Success") + done.stdout.count("Success") >= 2
    assert [one.state for one in hospital.follow()] == ["landed"]
    study = hospital.study(images.uid(401))
    assert study["numberOfInstances"] == 2
    assert study["description"] == "胸部CT平扫"
    assert study["identifier"][1]["system"] == "urn:jiankang:house:pacs:number"


def test_what_pynetdicom_sends_lands_in_the_record(hospital, images, associated):
    peer = associated()
    assert peer.send_c_echo().Status == 0
    assert peer.send_c_store(images.image(402)).Status == 0
    assert [one.state for one in hospital.follow()] == ["landed"]
    assert hospital.study(images.uid(402))["status"] == "available"


def test_an_object_without_a_study_is_refused_by_a_status(hospital, images, associated):
    peer = associated()
    status = peer.send_c_store(images.image(403, StudyInstanceUID=None)).Status
    assert status >> 12 in {0xA, 0xC}, hex(status)
    assert peer.send_c_store(images.image(404)).Status == 0
    hospital.follow()
    assert hospital.study(images.uid(404))["status"] == "available"
    alerts = hospital.alerts()
    assert any("StudyInstanceUID" in one for one in alerts), alerts
    assert not any("P00403" in one for one in alerts)


def test_nobody_queries_the_archive_by_dicom_past_the_gate(hospital, images, associated):
    from pydicom.dataset import Dataset

    asked = Dataset()
    asked.QueryRetrieveLevel, asked.PatientID, asked.StudyInstanceUID = "STUDY", "", ""
    peer = AE("MODALITY")
    peer.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    association = peer.associate("127.0.0.1", hospital.orthanc.dicom_port, ae_title=hospital.orthanc.title)
    if association.is_established:
        answers = list(association.send_c_find(asked, StudyRootQueryRetrieveInformationModelFind))
        association.release()
        assert not any(one is not None for _, one in answers)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x01\x00\xff\xff\xff\xff" + b"\0" * 200,
        b"\x01\x00\x00\x00\x00\xcd\x00\x01",
        b"\x04\x00\x7f\xff\xff\xff" + b"\0" * 2_000,
        b"",
    ],
)
def test_what_is_no_association_leaves_the_archive_healthy(hospital, sent, associated):
    with socket.create_connection(("127.0.0.1", hospital.orthanc.dicom_port), 5) as peer:
        peer.sendall(sent)
    assert associated().send_c_echo().Status == 0


def test_the_archive_answers_no_stranger(hospital):
    import httpx

    url = httpx.URL(hospital.orthanc.url)
    assert httpx.get(f"http://127.0.0.1:{url.port}/studies").status_code == 401
    assert httpx.get(f"http://127.0.0.1:{url.port}/studies", auth=("orthanc", "orthanc")).status_code == 401


def test_a_device_is_listened_to_once_it_is_connected(hospital, images, associated):
    def sent(number):
        peer = associated("NEW_CT")
        assert peer.send_c_echo().Status == 0
        return peer.send_c_store(images.image(number)).get("Status")

    assert sent(405) is None
    hospital.follow()
    assert any("NEW_CT" in one for one in hospital.alerts())
    hospital.platform.run(hospital.intake.senders.add(Sender("new-ct", "新 CT"), names=["NEW_CT|"], state="connected"))
    hospital.follow()
    assert sent(406) == 0
    assert [one.state for one in hospital.follow()] == ["landed"]
    assert hospital.study(images.uid(406))["identifier"][1]["system"] == "urn:jiankang:house:new-ct:number"
    hospital.platform.run(hospital.intake.senders.change("new-ct", state="stopped"))
    hospital.follow()
    assert sent(407) is None


def test_a_study_that_nobody_is_known_to_have_sent_waits_until_somebody_is(hospital, images):
    hospital.put(images.encoded(images.image(408)))
    (became,) = hospital.follow()
    assert became.state == "dead"
    assert "connect one with the id unknown" in hospital.complaints(became.number)
    hospital.connect("unknown")
    assert hospital.platform.run(hospital.intake.land(became.number)).state == "landed"
    assert hospital.platform("GET", f"/ImagingStudy/{study_id(images.uid(408))}").status == 200
