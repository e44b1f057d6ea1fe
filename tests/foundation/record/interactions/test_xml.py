"""XML wherever JSON is: http://hl7.org/fhir/R4/http.html#mime-type."""

from __future__ import annotations

import pytest
from lxml import etree

from jiankang.fhir.xml import from_xml

XML = "application/fhir+xml"
FHIR = "{http://hl7.org/fhir}"
PATIENT = """<?xml version="1.0" encoding="UTF-8"?>
<Patient xmlns="http://hl7.org/fhir"><identifier><system value="urn:x"/><value value="{value}"/></identifier>
<name><family value="符"/><given value="小"/></name><gender value="female"/></Patient>"""


def root(answer):
    assert answer.headers["content-type"] == "application/fhir+xml;charset=utf-8"
    return etree.fromstring(answer.body)


def test_a_resource_is_sent_and_read_as_xml_and_is_the_same_as_json(ask, new_id):
    made = ask("POST", "/Patient", PATIENT.format(value=new_id).encode(), status=201, content_type=XML, accept=XML)
    id_ = root(made).find(f"{FHIR}id").get("value")
    as_json = ask("GET", f"/Patient/{id_}", status=200).value
    assert as_json["name"] == [{"family": "符", "given": ["小"]}]
    for asked in ({"accept": XML}, {"accept": "text/xml"}, {"accept": f"application/fhir+json;q=0.4, {XML};q=0.9"}):
        assert from_xml(ask("GET", f"/Patient/{id_}", **asked).body) == as_json
    for query in ("_format=xml", "_format=application/fhir%2Bxml", "_format=application/fhir+xml", "_format=text/xml"):
        assert from_xml(ask("GET", f"/Patient/{id_}", query=query).body) == as_json
    assert ask("GET", f"/Patient/{id_}", query="_format=json", accept=XML).value == as_json


def test_decimals_keep_their_digits_through_both_forms(ask):
    raw = (
        b'<Observation xmlns="http://hl7.org/fhir"><status value="final"/><code><text value="x"/></code>'
        b'<valueQuantity><value value="1.00"/></valueQuantity></Observation>'
    )
    made = ask("POST", "/Observation", raw, status=201, content_type=XML)
    assert b'"value":1.00' in made.body
    assert b'<value value="1.00"/>' in ask("GET", f"/Observation/{made.value['id']}", accept=XML).body


def test_bundles_searches_histories_and_errors_are_answered_in_xml(ask, new_id):
    bundle = (
        f'<Bundle xmlns="http://hl7.org/fhir"><type value="transaction"/><entry><resource>'
        f'{PATIENT.format(value=new_id).split("?>")[1]}</resource><request><method value="POST"/><url value="Patient"/>'
        "</request></entry></Bundle>"
    )
    done = root(ask("POST", "/", bundle.encode(), status=200, content_type=XML, accept=XML))
    assert done.find(f"{FHIR}type").get("value") == "transaction-response"
    found = root(ask("GET", "/Patient", query=f"identifier=urn:x|{new_id}", accept=XML))
    assert found.find(f"{FHIR}total").get("value") == "1"
    id_ = found.find(f".//{FHIR}Patient/{FHIR}id").get("value")
    assert root(ask("GET", f"/Patient/{id_}/_history", accept=XML)).tag == f"{FHIR}Bundle"
    assert root(ask("GET", f"/Patient/{id_}/$everything", accept=XML)).tag == f"{FHIR}Bundle"
    assert root(ask("GET", "/Patient/never-was", status=404, accept=XML)).tag == f"{FHIR}OperationOutcome"
    assert root(ask("GET", "/metadata", accept=XML)).tag == f"{FHIR}CapabilityStatement"


def test_a_fhirpath_patch_may_be_xml(ask):
    path = f"/Patient/{ask.patient()['id']}"
    patch = (
        b'<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/><part><name value="type"/>'
        b'<valueCode value="add"/></part><part><name value="path"/><valueString value="Patient"/></part><part>'
        b'<name value="name"/><valueString value="birthDate"/></part><part><name value="value"/>'
        b'<valueDate value="1990-01-01"/></part></parameter></Parameters>'
    )
    assert ask("PATCH", path, patch, status=200, content_type=XML).value["birthDate"] == "1990-01-01"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"<Patient", 400),
        (b'<Patient xmlns="http://other.org"/>', 400),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><Patient xmlns="http://hl7.org/fhir"/>', 400),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><Patient xmlns="http://hl7.org/fhir"/>', 400),
        (b'<Patient xmlns="http://hl7.org/fhir"><colour value="1"/></Patient>', 400),
        (b'<Patient xmlns="http://hl7.org/fhir"><birthDate value="soon"/></Patient>', 422),
        (b'<Observation xmlns="http://hl7.org/fhir"/>', 400),
        (b'{"resourceType":"Patient"}', 400),
    ],
)
def test_xml_that_is_wrong_is_refused_with_its_place(ask, body, status):
    answer = ask("POST", "/Patient", body, status=status, content_type=XML)
    assert answer.value["issue"][0]["severity"] == "error"


def test_a_bomb_of_entities_is_refused_at_once(ask):
    bomb = b'<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10 if n else b"&a;" * 10) for n in range(9)
    )
    answer = ask("POST", "/Patient", bomb + b']><Patient xmlns="http://hl7.org/fhir"><language value="&a8;"/></Patient>',
                 status=400, content_type=XML)  # fmt: skip
    assert answer.seconds < 8
