"""Binary in its own media type: http://hl7.org/fhir/R4/binary.html#rest."""

from __future__ import annotations

import base64

PICTURE = bytes(range(256)) * 3


def test_content_is_sent_and_read_as_what_it_is(ask):
    made = ask("POST", "/Binary", PICTURE, status=201, content_type="image/png", x_security_context="Patient/1")
    assert made.value["contentType"] == "image/png"
    assert made.value["securityContext"] == {"reference": "Patient/1"}
    path = f"/Binary/{made.value['id']}"
    for accept in ("image/png", "image/*", "text/turtle, image/png;q=0.5"):
        read = ask("GET", path, status=200, accept=accept)
        assert read.body == PICTURE
        assert read.headers["content-type"] == "image/png"
        assert "sandbox" in read.headers["content-security-policy"]
        assert read.headers["x-content-type-options"] == "nosniff"
        assert read.headers["etag"] == 'W/"1"'


def test_who_asks_for_fhir_gets_the_resource(ask):
    path = f"/Binary/{ask('POST', '/Binary', PICTURE, status=201, content_type='image/png').value['id']}"
    for headers in (
        {},
        {"accept": "application/fhir+json"},
        {"accept": "*/*"},
        {"accept": "image/png, application/fhir+json"},
    ):
        assert base64.b64decode(ask("GET", path, status=200, **headers).value["data"]) == PICTURE
    assert (
        ask("GET", path, query="_format=xml", accept="image/png")
        .headers["content-type"]
        .startswith("application/fhir+xml")
    )


def test_content_is_replaced_under_its_id(ask, new_id):
    ask("PUT", f"/Binary/{new_id}", b"%PDF-1.7", status=201, content_type="application/pdf")
    ask("PUT", f"/Binary/{new_id}", b"%PDF-2.0", status=200, content_type="application/pdf")
    assert ask("GET", f"/Binary/{new_id}", accept="application/pdf").body == b"%PDF-2.0"


def test_only_a_binary_takes_what_is_not_fhir(ask):
    ask("POST", "/Patient", PICTURE, status=415, content_type="image/png")
    ask("POST", "/Binary", b"", status=400, content_type="image/png")
    before = ask.ids("/Basic")
    ask("POST", "/Basic", {"resourceType": "Basic", "code": {"text": "x"}}, status=406, accept="text/turtle")
    assert ask.ids("/Basic") == before


def test_a_media_type_that_would_forge_a_header_is_not_sent(ask):
    data = base64.b64encode(b"x").decode()
    sent = {"resourceType": "Binary", "contentType": "text/html\nSet-Cookie: a=b", "data": data}
    answer = ask("POST", "/Binary", sent)
    if answer.status == 201:
        read = ask("GET", f"/Binary/{answer.value['id']}", accept="application/octet-stream")
        assert read.headers["content-type"] == "application/octet-stream"
        assert "set-cookie" not in read.headers
