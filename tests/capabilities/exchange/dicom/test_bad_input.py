"""What is no DICOM, or lies about its lengths, is refused in DICOM's words, stands on the console, and harms nothing."""

from __future__ import annotations

import base64
import contextlib
import io
import random
import time

import pytest

from jiankang.capabilities.exchange.dicom.scanning import DEEPEST, scan
from jiankang.capabilities.exchange.model import Unreadable


def forged(images, tag=b"\xe0\x7f\x10\x00OW\x00\x00", length=b"\xff\xff\xff\x7f"):
    """An image whose pixels claim to be two gigabytes."""
    whole = images.encoded(images.image(301))
    at = whole.index(tag) + len(tag)
    return whole[:at] + length + whole[at + 4 :]


def bad(images):
    whole = images.encoded(images.image(301))
    nested = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 5_000
    at = whole.index(b"\x08\x00\x60\x00CS")
    return {
        "nothing": b"",
        "no DICOM": b"%PDF-1.7 this is something else",
        "only a preamble": b"\0" * 128 + b"DICM",
        "cut": whole[: len(whole) // 2],
        "cut in the header": whole[:700],
        "forged length": forged(images),
        "no study": images.encoded(images.image(301, StudyInstanceUID=None)),
        "a study that is none": images.encoded(images.image(301)).replace(b"1.2.826.0.1.3680043.10.1111.301", b"1.2.826.0.1.3680043.10.1111.3o1"),
        "a nest of sequences": whole[:at] + nested,
        "noise": whole[:400] + random.Random(7).randbytes(4_000),
    }  # fmt: skip


def test_what_is_no_dicom_is_refused_with_a_reason(web, images, hospital):
    before = hospital.letters("state = 'refused'")
    for name, body in bad(images).items():
        response = web.store(body)
        assert response.status_code == 400, (name, response.text)
        assert response.json()["00081198"]["Value"] == [{"00081197": {"vr": "US", "Value": [0xC000]}}], name
    refused = hospital.letters("state = 'refused'")
    assert len(refused) - len(before) == len(bad(images))
    told = [hospital.platform.run(hospital.intake.state(one)).complaints[0]["text"] for one in refused]
    assert "its length of 2147483647 bytes leads beyond what it is in" in told
    assert hospital.follow() == []


def test_good_objects_are_stored_beside_bad_ones(web, images, hospital):
    response = web.store(b"junk", images.encoded(images.image(302)), images.encoded(images.image(302, 1, 2)))
    assert response.status_code == 202
    told = response.json()
    assert len(told["00081198"]["Value"]) == 1
    assert [one["00081155"]["Value"][0] for one in told["00081199"]["Value"]] == [
        images.uid(302, 1, 1),
        images.uid(302, 1, 2),
    ]
    assert told["00081190"]["Value"] == [f"https://here.example/dicomweb/studies/{images.uid(302)}"]
    hospital.follow()
    assert hospital.study(images.uid(302))["numberOfInstances"] == 2


def test_an_object_of_another_study_than_the_address_says_is_refused(web, images):
    path = f"/dicomweb/studies/{images.uid(303)}?sender=pacs"
    response = web.store(images.encoded(images.image(304)), path=path)
    assert response.status_code == 409
    assert response.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xA900]
    assert web.store(images.encoded(images.image(303)), path=path).status_code == 200


def test_a_study_is_of_the_sender_that_sent_it_first(web, images, hospital):
    from jiankang.capabilities.exchange.model import Sender

    hospital.platform.run(hospital.intake.senders.add(Sender("other", "Other"), state="connected"))
    assert web.store(images.encoded(images.image(305))).status_code == 200
    response = web.store(images.encoded(images.image(305, 1, 2)), path="/dicomweb/studies?sender=other")
    assert response.status_code == 409
    assert web.store(images.encoded(images.image(306)), path="/dicomweb/studies?sender=unheard-of").status_code == 404


def test_a_system_with_a_secret_proves_who_it_is(web, images, hospital):
    hospital.connect("guarded")
    secret = hospital.platform.run(hospital.intake.senders.new_secret("guarded"))
    hospital.intake.senders.forget()
    file = images.encoded(images.image(312))

    def basic(text):
        return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}

    path = "/dicomweb/studies?sender=guarded"
    assert web.store(file, path=path).status_code == 403
    assert web.store(file, path=path, **basic("guarded:wrong")).status_code == 403
    assert web.store(file, path=path, **basic(f"pacs:{secret}")).status_code == 403
    assert web.store(file, path=path, authorization="Basic %%%").status_code == 400
    assert web.store(file, path="/dicomweb/studies", **basic(f"guarded:{secret}")).status_code == 200


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", b"x", 415),
        ("multipart/related", b"x", 400),
        ("multipart/related; boundary=b", b"", 400),
        ("multipart/related; boundary=b", b"--b\r\n\r\n", 400),
        ("multipart/related; boundary=b", b"--b--\r\n", 400),
        ("multipart/related; boundary=b", b"--b\r\n" + b"X: y\r\n" * 5_000 + b"\r\n", 400),
        ("multipart/related; boundary=b", b"--bEXTRA\r\n\r\nx\r\n--b--", 400),
        ("multipart/related; boundary=b", b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--", 400),
        ("application/dicom", b"", 400),
    ],
)
def test_a_request_that_is_not_well_formed_is_refused(web, kind, body, status):
    assert web("POST", "/dicomweb/studies?sender=pacs", body, content_type=kind).status_code == status


def test_one_object_may_come_alone(web, images):
    body = images.encoded(images.image(307))
    response = web("POST", "/dicomweb/studies?sender=pacs", body, content_type="application/dicom")
    assert response.status_code == 200


def test_a_body_in_small_pieces_is_taken_apart_as_one_in_large_pieces(web, images, hospital):
    files = [images.encoded(images.image(308, 1, one)) for one in (1, 2, 3)]
    body = b"".join(b"--a-b\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in files) + b"--a-b--"

    async def pieces():
        for at in range(0, len(body), 7):
            yield body[at : at + 7]

    kind = 'multipart/related; type="application/dicom"; boundary="a-b"'
    response = web("POST", "/dicomweb/studies?sender=pacs", pieces(), content_type=kind)
    assert len(response.json()["00081199"]["Value"]) == 3


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"]
)
def test_every_way_to_write_elements_is_walked_through(images, syntax):
    from pydicom import dcmwrite

    made = images.image(309, RequestAttributesSequence=images.sequence(images.dataset(AccessionNumber="A1")))
    made.RequestAttributesSequence.is_undefined_length = True
    made.file_meta.TransferSyntaxUID = syntax
    if syntax.endswith(".2.2"):
        made["PixelData"].VR = "OW"
    out = io.BytesIO()
    explicit = syntax != "1.2.840.10008.1.2"
    dcmwrite(out, made, implicit_vr=not explicit, little_endian=not syntax.endswith(".2.2"), enforce_file_format=True)
    found = scan(io.BytesIO(out.getvalue()), len(out.getvalue()))
    assert (found.study, found.series, found.instance) == (images.uid(309), images.uid(309, 1), images.uid(309, 1, 1))


def test_scanning_never_fails_otherwise_than_it_says(images):
    """Bytes changed, cut out and doubled at random: it is read or refused, at once."""
    whole, chance = images.encoded(images.image(310))[:1_400], random.Random(42)
    started = time.monotonic()
    for _ in range(3_000):
        body = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(128, len(body))
            body[at : at + chance.randrange(0, 4)] = chance.randbytes(chance.randrange(0, 5))
        with contextlib.suppress(Unreadable):
            scan(io.BytesIO(bytes(body)), len(body))
    assert time.monotonic() - started < 10


def test_sequences_nested_too_deep_are_refused_in_bounded_depth(images):
    whole = images.encoded(images.image(311))
    nest = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 100_000
    at = whole.index(b"\x08\x00\x60\x00CS")
    with pytest.raises(Unreadable, match=f"more than {DEEPEST} deep"):
        scan(io.BytesIO(whole[:at] + nest), at + len(nest))
