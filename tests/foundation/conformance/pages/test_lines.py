"""A resource in lines, and the line that a FHIRPath location means."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jiankang.foundation.conformance.pages.lines import print_json, print_xml
from jiankang.kernel.jsontext import decode

PATIENT = {
    "resourceType": "Patient",
    "name": [
        {"given": ["秀英", "Anna"], "_given": [None, {"extension": [{"url": "urn:x", "valueString": "s"}]}]},
        {"use": "old"},
    ],
    "_birthDate": {"extension": [{"url": "urn:y", "valueCode": "c"}]},
    "multipleBirthInteger": 2,
    "contained": [],
}
XML = b"""<?xml version="1.0"?><Bundle xmlns="http://hl7.org/fhir"><type value="collection"/><entry><fullUrl value="urn:a"/>
<resource><Patient><text><div xmlns="http://www.w3.org/1999/xhtml"><p>one
two</p></div></text><!-- a note --><name><given value="a &amp; &quot;b&quot;"/><given value="c"/></name><name id="n"/>
<multipleBirthInteger value="2"/></Patient></resource></entry><entry><fullUrl value="urn:b"/></entry></Bundle>"""


@pytest.mark.parametrize(
    ("expression", "line"),
    [
        ("Patient", "{"),
        ("", "{"),
        ("Patient.resourceType", '"resourceType": "Patient",'),
        ("Patient.name", '"name": ['),
        ("Patient.name[0].given[1]", '"Anna"'),
        ("Patient.name[0].given[1].extension[0].value", '"valueString": "s"'),
        ("Patient.name[1].use", '"use": "old"'),
        ("Patient.name[1].family", "{"),
        ("Patient.name[9].use", '"name": ['),
        ("Patient.birthDate", '"_birthDate": {'),
        ("Patient.birthDate.extension[0].value", '"valueCode": "c"'),
        ("Patient.multipleBirth", '"multipleBirthInteger": 2,'),
        ("Patient.multipleBirthInteger", '"multipleBirthInteger": 2,'),
        ("Patient.contained", '"contained": []'),
        ("Patient.nothing.here", "{"),
        ("Patient.name.where(use='old').given", '"name": ['),
        ("name[1].use", '"use": "old"'),
    ],
)
def test_a_location_has_the_line_of_what_is_there(expression, line):
    printed = print_json(PATIENT)
    assert printed.lines[printed.line_of(expression) - 1].strip() == line


def test_each_item_of_a_list_has_a_line_of_its_own():
    printed = print_json(PATIENT)
    assert printed.line_of("Patient.name[0]") < printed.line_of("Patient.name[1]")


@pytest.mark.parametrize(
    ("expression", "line"),
    [
        ("Bundle", '<Bundle xmlns="http://hl7.org/fhir">'),
        ("Bundle.type", '<type value="collection"/>'),
        ("Bundle.entry[1].fullUrl", '<fullUrl value="urn:b"/>'),
        ("Bundle.entry[0].resource.name[0].given[1]", '<given value="c"/>'),
        ("Bundle.entry[0].resource.name[1].use", '<name id="n"/>'),
        ("Bundle.entry[0].resource.multipleBirth", '<multipleBirthInteger value="2"/>'),
        ("Bundle.entry[0].resource.text.div", '<div xmlns="http://www.w3.org/1999/xhtml"><p>one'),
        ("Bundle.entry[0].resource", "<resource>"),
    ],
)
def test_the_xml_form_has_lines_by_the_same_locations(expression, line):
    printed = print_xml(XML)
    assert printed.lines[printed.line_of(expression) - 1].strip() == line


def test_xml_keeps_its_values_and_leaves_comments_out():
    text = "\n".join(print_xml(XML).lines)
    assert '<given value="a &amp; &quot;b&quot;"/>' in text or "<given value='a &amp; \"b\"'/>" in text
    assert "a note" not in text
    assert print_xml(text.encode()).lines[:8] == print_xml(XML).lines[:8]


def test_decimals_keep_their_digits():
    assert print_json({"value": Decimal("1.00"), "low": Decimal("0.000001")}).lines[1:3] == [
        '  "value": 1.00,',
        '  "low": 0.000001',
    ]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcV_", min_size=1, max_size=4), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(values)
def test_the_lines_together_are_the_same_value(value):
    assert decode("\n".join(print_json(value).lines)) == value


@given(values, st.text(max_size=30))
def test_any_text_as_a_location_has_some_line(value, expression):
    printed = print_json(value)
    assert 1 <= printed.line_of(expression) <= len(printed.lines)
