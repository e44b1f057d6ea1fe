"""What headers and general parameters mean: http://hl7.org/fhir/R4/http.html#general, #mime-type, #capabilities."""

from __future__ import annotations

import base64
import json

import pytest

FHIR_JSON = "application/fhir+json"
CDA = b'<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"><title>x</title></ClinicalDocument>'


def said(answer):
    return answer.value["issue"][0]["details"]["text"]


def person(value, **members):
    return {"resourceType": "Patient", "identifier": [{"system": "urn:h", "value": value}], **members}


@pytest.fixture(scope="module")
def path(ask):
    return f"/Patient/{ask.patient()['id']}"


@pytest.mark.parametrize("version", ["4.0", "4.0.1", '"4.0"'])
def test_our_version_of_fhir_may_be_named(ask, path, version, new_id):
    ask("GET", path, status=200, accept=f"{FHIR_JSON}; fhirVersion={version}")
    ask("POST", "/Patient", person(new_id), status=201, content_type=f"{FHIR_JSON}; fhirVersion={version}")


def test_other_versions_of_fhir_are_refused(ask, path, new_id):
    for version in ("3.0", "5.0", "4.3", "x"):
        ask("GET", path, status=406, accept=f"{FHIR_JSON};fhirVersion={version}")
        refused = ask("POST", "/Patient", person(new_id), status=415, content_type=f"{FHIR_JSON};fhirVersion={version}")
        assert "4.0" in said(refused)
    xml = f"application/fhir+xml; fhirVersion=5.0, {FHIR_JSON}; fhirVersion=4.0; q=0.5"
    assert ask("GET", path, status=200, accept=xml).headers["content-type"].startswith(FHIR_JSON)
    ask("GET", path, status=406, query="_format=application/fhir%2Bjson;fhirVersion=5.0")


def test_caches_are_told_what_the_answer_depends_on(ask, path):
    for headers in ({}, {"accept_encoding": "gzip"}, {"accept": "application/fhir+xml"}):
        named = {name.strip() for name in ask("GET", path, **headers).headers["vary"].split(",")}
        assert {"Accept", "Accept-Encoding"} <= named
    app = ask.platform.app
    app._origins = frozenset({"https://app.example"})
    try:
        for headers in ({}, {"origin": "https://app.example"}, {"origin": "https://evil.example"}):
            assert "Origin" in ask("GET", path, **headers).headers["vary"]
    finally:
        app._origins = frozenset()


def test_metadata_has_a_tag_that_changes_with_it(ask):
    first = ask("GET", "/metadata", status=200)
    assert first.headers["etag"].startswith('W/"')
    again = ask("GET", "/metadata", status=304, if_none_match=first.headers["etag"])
    assert again.body == b""
    ask("GET", "/metadata", query="mode=terminology", status=400)  # nobody brought terminology here
    ask("GET", "/metadata", status=200, if_none_match='W/"other"')


def test_options_says_what_an_address_takes(ask, path):
    assert ask("OPTIONS", path, status=204).headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"
    assert ask("OPTIONS", "/metadata", status=204).headers["allow"] == "GET, HEAD, OPTIONS"
    assert "application/json-patch+json" in ask("OPTIONS", path).headers["accept-patch"]
    assert "accept-patch" not in ask("OPTIONS", "/metadata").headers
    ask("OPTIONS", "/Patiant", status=404)


def test_a_patch_of_another_kind_is_told_which_are_taken(ask, path):
    for kind in ("application/xml-patch+xml", "text/plain", "application/merge-patch+json"):
        answer = ask("PATCH", path, b"{}", status=415, content_type=kind)
        assert "application/json-patch+json" in answer.headers["accept-patch"]


def test_a_browser_may_send_every_header_that_we_understand(ask, path):
    app = ask.platform.app
    app._origins = frozenset({"*"})
    try:
        asked = ask("OPTIONS", path, status=204, origin="https://app.example", access_control_request_method="PUT")
        allowed = {name.strip() for name in asked.headers["access-control-allow-headers"].split(",")}
        assert {"Prefer", "If-None-Exist", "If-Match", "X-Security-Context", "Content-Encoding"} <= allowed
        exposed = ask("GET", path, origin="https://app.example").headers["access-control-expose-headers"]
        assert {"Accept-Patch", "Allow", "ETag", "Location"} <= {name.strip() for name in exposed.split(",")}
    finally:
        app._origins = frozenset()


def test_general_parameters_go_with_every_interaction(ask, new_id):
    general = "_format=json&_pretty=true"
    condition = f"identifier=urn:h|{new_id}&{general}"
    id_ = ask("PUT", "/Patient", person(new_id), query=condition, status=201).value["id"]
    ask("PUT", "/Patient", person(new_id), query=condition, status=200)
    ask(
        "POST",
        "/Patient",
        person(new_id),
        query=general,
        status=200,
        if_none_exist=f"identifier=urn:h|{new_id}&_format=xml",
    )
    patch = [{"op": "add", "path": "/active", "value": True}]
    kind = "application/json-patch+json"
    assert b"\n" in ask("PATCH", "/Patient", patch, query=condition, status=200, content_type=kind).body
    for where in (f"/Patient/{id_}/_history", f"/Patient/{id_}/$everything", f"/Patient/{id_}/$meta"):
        assert b"\n" in ask("GET", where, query=general, status=200).body
    assert b"\n" in ask("GET", "/Patient/never-was", query=general, status=404).body
    ask("DELETE", "/Patient", query=condition, status=204)
    ask("GET", f"/Patient/{id_}", status=410)


def test_links_of_a_searchset_keep_the_form_that_was_asked_for(ask, path):
    ask.patient()
    answer = ask("GET", "/Patient", query="_count=1&_format=xml", status=200, accept=FHIR_JSON)
    links = {link["relation"]: link["url"] for link in answer.value["link"]}
    assert "_format=xml" in links["self"]
    following = ask("GET", "/Patient", query=links["next"].partition("?")[2], status=200)
    assert following.headers["content-type"].startswith("application/fhir+xml")


@pytest.mark.parametrize("kind", ["text/xml", "application/xml"])
def test_xml_that_is_not_fhir_is_kept_as_a_binary(ask, kind):
    made = ask("POST", "/Binary", CDA, status=201, content_type=kind).value
    assert (made["contentType"], base64.b64decode(made["data"])) == (kind, CDA)
    assert ask("GET", f"/Binary/{made['id']}", status=200, accept=FHIR_JSON).value["contentType"] == kind
    fhir = b'<Binary xmlns="http://hl7.org/fhir"><contentType value="text/plain"/><data value="eA=="/></Binary>'
    assert ask("POST", "/Binary", fhir, status=201, content_type=kind).value["contentType"] == "text/plain"


def test_json_that_is_not_fhir_is_kept_as_a_binary(ask):
    raw = b'{"a": [1, 2]}'
    made = ask("POST", "/Binary", raw, status=201, content_type="application/json").value
    assert (made["contentType"], base64.b64decode(made["data"])) == ("application/json", raw)
    fhir = json.dumps({"resourceType": "Binary", "contentType": "text/plain"}).encode()
    assert (
        ask("POST", "/Binary", fhir, status=201, content_type="application/json").value["contentType"] == "text/plain"
    )
    ask("POST", "/Binary", raw, status=400, content_type=FHIR_JSON)


def test_an_id_of_the_request_comes_back(ask, path):
    assert ask("GET", path, x_request_id="abc-1").headers["x-request-id"] == "abc-1"
    assert ask("GET", path).headers["x-request-id"] != ask("GET", path).headers["x-request-id"]


def test_several_tags_and_a_star_are_understood_in_if_match(ask, new_id):
    path = f"/Patient/{new_id}"
    ask("PUT", path, person(new_id, id=new_id), status=412, if_match="*")
    ask("PUT", path, person(new_id, id=new_id), status=201)
    ask("PUT", path, person(new_id, id=new_id), status=200, if_match="*")
    ask("PUT", path, person(new_id, id=new_id), status=200, if_match='W/"7", W/"2"')
    ask("PUT", path, person(new_id, id=new_id), status=412, if_match='W/"1", W/"2"')
    for wrong in ("", "three", 'W/"', 'W/"1"2', '"1', 'W/"01x"'):
        ask("PUT", path, person(new_id, id=new_id), status=400, if_match=wrong)
