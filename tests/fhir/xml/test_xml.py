"""FHIR XML and JSON say the same, and XML that is no FHIR is refused with its line and path."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path

import pytest

from jiankang.fhir.definitions import load
from jiankang.fhir.xml import from_xml, to_xml
from jiankang.kernel.errors import Invalid, TooLarge
from jiankang.kernel.jsontext import decode, encode

EXAMPLES = Path(__file__).parents[3] / "node_modules" / "hl7.fhir.r4.examples"
HEAD = '<Patient xmlns="http://hl7.org/fhir">'
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">\n  <p a=\'1\'  b="2">5 &lt; 6 &#160;<br></br><img alt="x" src="#a" /></p>\n</div>'


def _sorted(value):
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def test_every_twelfth_official_example_comes_back_from_xml_as_it_was():
    if not EXAMPLES.is_dir():
        pytest.skip("needs the package hl7.fhir.r4.examples: run `make setup`")
    seen = 0
    for path in sorted(EXAMPLES.glob("*.json"))[::12]:
        if path.stat().st_size > 300_000 or path.name.startswith(("package", ".")):
            continue
        resource = decode(path.read_bytes())
        if not load().is_resource(resource.get("resourceType")):
            continue
        assert encode(_sorted(from_xml(to_xml(resource)))) == encode(_sorted(resource)), path.name
        seen += 1
    assert seen > 400


def test_elements_stand_in_the_order_of_the_norm():
    xml = to_xml({"birthDate": "1970-01-01", "resourceType": "Patient", "name": [{"given": ["B"], "family": "A"}]})
    assert xml == (
        b'<?xml version="1.0" encoding="UTF-8"?><Patient xmlns="http://hl7.org/fhir"><name><family value="A"/>'
        b'<given value="B"/></name><birthDate value="1970-01-01"/></Patient>'
    )


@pytest.mark.parametrize(
    "resource",
    [
        {
            "resourceType": "Patient",
            "id": "a",
            "_birthDate": {"id": "x", "extension": [{"url": "u:a", "valueCode": "b"}]},
        },
        {"resourceType": "Patient", "name": [{"given": ["A", None, "C"], "_given": [None, {"id": "b"}, {"id": "c"}]}]},
        {"resourceType": "Patient", "name": [{"_given": [{"id": "a"}]}]},
        {"resourceType": "Patient", "text": {"status": "generated", "div": DIV}, "active": False},
        {"resourceType": "Patient", "name": [{"text": 'tab\tline\r\nquote"<&>\u2028 😀 中文'}]},
        {"resourceType": "Patient", "contained": [{"resourceType": "Organization", "id": "o", "text": {"div": DIV}}]},
        {
            "resourceType": "Parameters",
            "parameter": [{"name": "r", "resource": {"resourceType": "Patient", "id": "b"}}],
        },
        {
            "resourceType": "Patient",
            "multipleBirthInteger": 2,
            "extension": [{"id": "e", "url": "u:a", "valueDecimal": 3}],
        },
    ],
)
def test_nothing_is_lost_on_the_way(resource):
    assert encode(_sorted(from_xml(to_xml(resource)))) == encode(_sorted(resource))


@pytest.mark.parametrize("digits", ["1.00", "0.0000001", "-0", "3", "1E+3", "100000000000000000000.10"])
def test_a_decimal_keeps_its_digits(digits):
    read = from_xml(
        f'<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="{digits}"/></valueQuantity></Observation>'.encode()
    )
    assert Decimal(read["valueQuantity"]["value"]) == Decimal(digits)
    assert f'value="{digits}"'.encode() in to_xml(read) or digits == "-0"


def test_comments_and_processing_instructions_are_dropped():
    xml = f'<?xml version="1.0"?><!-- a <div> --><?x y?>{HEAD}<!-- b --><active value="true"/><?z?></Patient>'
    assert from_xml(xml.encode()) == {"resourceType": "Patient", "active": True}


def test_a_narrative_with_a_prefix_is_understood():
    xml = (
        '<f:Patient xmlns:f="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><f:text><f:status value="empty"/>'
        "<h:div><h:p>a</h:p></h:div></f:text></f:Patient>"
    )
    div = from_xml(xml.encode())["text"]["div"]
    assert div == '<h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:p>a</h:p></h:div>'


def test_names_of_html_characters_become_characters():
    resource = {
        "resourceType": "Patient",
        "text": {"status": "empty", "div": '<div xmlns="http://www.w3.org/1999/xhtml">a&nbsp;b</div>'},
    }
    assert "a\u00a0b".encode() in to_xml(resource)


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        (f"{HEAD}\n<nam/></Patient>", "Patient has the unknown element .*nam> .line 2"),
        (f"{HEAD}<name>\n<familiy value='a'/></name></Patient>", r"Patient.name\[0\] has the unknown element"),
        (f"{HEAD}<active value='true'/><active value='true'/></Patient>", "has active more than once"),
        (f"{HEAD}<birthDate value='2000'/><active value='true'/></Patient>", "has active after elements that it comes before"),
        (f"{HEAD}<name>\n</name><name/></Patient>", r"Patient.name\[0\] is empty .line 1"),
        (f"{HEAD}<birthDate/></Patient>", "Patient.birthDate has neither value nor extensions"),
        (f"{HEAD}text</Patient>", "has text between its elements"),
        (f"{HEAD}<active value='true' x='1'/></Patient>", "Patient.active has the attribute x"),
        (f"{HEAD}<contained/></Patient>", r"Patient.contained\[0\] must hold one resource"),
        (f"{HEAD}<active", "not well-formed: .*line 1"),
        ("<Patient/>", "is not a resource type"),
        ('<Nonsense xmlns="http://hl7.org/fhir"/>', "is not a resource type"),
        ("<!DOCTYPE Patient [<!ENTITY a 'b'>]>" + HEAD + "<id value='&a;'/></Patient>", "declares a document type"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?>' + HEAD + "</Patient>", "written in UTF-8"),
        (f"{HEAD}<id value='&nbsp;'/></Patient>", "not well-formed"),
        (f"{HEAD}<id value='&#0;'/></Patient>", "not well-formed"),
        (HEAD + "<name><extension url='a'>" + "<extension url='a'>" * 80 + "</extension>" * 81 + "</name></Patient>", "nested deeper"),
        (HEAD * 400, "not well-formed"),
        ("", "not well-formed"),
    ],
)  # fmt: skip
def test_what_is_no_fhir_xml_is_refused_with_its_place(xml, said):
    with pytest.raises(Invalid, match=said):
        from_xml(xml.encode())


def test_utf_16_and_oversize_are_refused():
    with pytest.raises(Invalid, match=r"not UTF-8|not well-formed"):
        from_xml(f"{HEAD}</Patient>".encode("utf-16"))
    with pytest.raises(TooLarge):
        from_xml(f"{HEAD}</Patient>".encode(), max_bytes=10)


def test_a_nest_of_entities_costs_nothing():
    levels = "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 20}'>" for n in range(1, 12))
    started = time.monotonic()
    with pytest.raises(Invalid):
        from_xml(f"<!DOCTYPE x [<!ENTITY a0 'x'>{levels}]>{HEAD}<id value='&a11;'/></Patient>".encode())
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        ({"resourceType": "Patient", "nam": []}, "Patient.nam is not known"),
        ({"resourceType": "Patient", "name": [{"given": [None]}]}, r"Patient.name\[0\].given\[0\] is null"),
        ({"resourceType": "Patient", "name": [{"text": "a\u0001"}]}, r"Patient.name\[0\].text has a character"),
        ({"resourceType": "Patient", "name": {}}, "Patient.name is not an array"),
        ({"resourceType": "Patient", "active": {}}, "Patient.active is not a primitive value"),
        ({"resourceType": "Patient", "text": {"div": "<div><p></div>"}}, "Patient.text.div cannot be written"),
        ({"resourceType": "Nonsense"}, "is not a resource"),
    ],
)
def test_what_is_no_fhir_json_is_refused_with_its_path(resource, said):
    with pytest.raises(Invalid, match=said):
        to_xml(resource)
