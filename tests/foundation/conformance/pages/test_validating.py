"""/-/validate: a pasted resource with what is wrong beside its lines."""

from __future__ import annotations

import json
import re
import time

import pytest

from jiankang.foundation.conformance.pages.headlines import HEADLINES, OTHER, RULE, headline
from jiankang.foundation.conformance.pages.reading import MAX_BYTES, Unreadable, read_pasted
from jiankang.foundation.conformance.pages.showing import WHOLE_LINES, shown
from jiankang.foundation.conformance.pages.validating import SAMPLES
from jiankang.kernel.errors import Issue
from jiankang.kernel.jsontext import decode

PROFILE = "https://example.org/StructureDefinition/named"
WRONG = {"resourceType": "Patient", "gender": "lady", "birthDate": "1955-02-30", "active": True}
BY_ID = "http://hl7.org/fhir/StructureDefinition/operationoutcome-message-id"


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("sample", sorted(SAMPLES))
def test_examples_are_judged_and_the_page_is_whole(pages, complaints, sample, language):
    form = pages.get(f"/-/validate?sample={sample}", language)
    assert complaints(form, language) == []
    text = form.all("//textarea")[0].text
    assert text.strip() == SAMPLES[sample].read_text().strip()
    answer = pages.post("/-/validate", language, status=422 if "broken" in sample else 200, resource=text)
    assert complaints(answer, language) == []
    assert bool(answer.all("//*[contains(@class, 'jk-note-error')]")) == (sample[0] in "23")


def test_each_problem_stands_beside_its_line_and_the_summary_leads_there(pages):
    page = pages.post("/-/validate", "zh", resource=json.dumps(WRONG))
    assert page.words("//h1") == ["发现 2 个错误 Patient"]
    found = {}
    for link in page.all("//*[contains(@class, 'jk-found')]//a"):
        note = page.tree.get_element_by_id(link.get("href")[1:])
        line = note.xpath("ancestor::li")[0]
        found[line.xpath("./code")[0].text] = " ".join(note.text_content().split())
    assert set(found) == {'  "gender": "lady",', '  "birthDate": "1955-02-30",'}
    assert "binding-required" in found['  "gender": "lady",']
    assert "string of 4 characters" in found['  "gender": "lady",']
    assert "administrative-gender" in found['  "gender": "lady",']
    assert "代码不在此处规定的值集内" in found['  "gender": "lady",']
    assert "未保存任何内容" in page.text


def test_nothing_is_stored(pages):
    before = pages.platform("GET", "/_history", query=b"_summary=count").value["total"]
    pages.post("/-/validate", resource=json.dumps({"resourceType": "Patient", "id": "page-sent"}))
    assert pages.platform("GET", "/Patient/page-sent").status == 404
    assert pages.platform("GET", "/_history", query=b"_summary=count").value["total"] == before


def test_advice_comes_when_it_is_asked_for(pages):
    plain = json.dumps({"resourceType": "Patient", "active": True})
    assert "dom-6" not in pages.post("/-/validate", resource=plain).text
    assert "dom-6" in pages.post("/-/validate", resource=plain, advice="yes").text


def test_the_same_as_an_operation_outcome(pages):
    answer = pages.post("/-/validate", resource=json.dumps(WRONG), answer="outcome")
    assert answer.headers["content-type"].startswith("application/fhir+json")
    outcome = decode(answer.body)
    assert outcome["resourceType"] == "OperationOutcome"
    api = pages.platform("POST", "/Patient/$validate", json.dumps(WRONG).encode()).value
    assert outcome["issue"] == api["issue"]


@pytest.fixture(scope="module")
def profile(pages):
    element = {"id": "Patient.name", "path": "Patient.name", "min": 1}
    definition = {
        "resourceType": "StructureDefinition", "url": PROFILE, "version": "1.0", "name": "Named", "title": "Named patient",
        "status": "active", "fhirVersion": "4.0.1", "kind": "resource", "abstract": False, "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient", "derivation": "constraint",
        "differential": {"element": [{"id": "Patient", "path": "Patient"}, element]},
    }  # fmt: skip
    stored = pages.platform("POST", "/StructureDefinition", json.dumps(definition).encode())
    assert stored.status == 201, stored.body
    yield f"{PROFILE}|1.0"
    pages.platform("DELETE", f"/StructureDefinition/{stored.value['id']}")


def test_profiles_that_are_held_can_be_chosen(pages, profile):
    form = pages.get("/-/validate")
    assert form.words(f"//optgroup[@label='Patient']/option[@value='{profile}']") == ["Named patient (1.0)"]
    nameless = json.dumps({"resourceType": "Patient", "active": True})
    page = pages.post("/-/validate", resource=nameless, profile=profile)
    assert page.words("//h1") == ["1 error was found Patient"]
    assert "profile-min" in page.text
    assert page.all(f"//option[@value='{profile}' and @selected]")
    assert "profile-min" in pages.post("/-/validate", resource=nameless, canonical=PROFILE).text
    assert "profile-min" not in pages.post("/-/validate", resource=nameless).text


def test_a_profile_that_nobody_knows_is_said(pages):
    page = pages.post("/-/validate", resource='{"resourceType": "Patient"}', canonical="urn:no-such-profile")
    assert "urn:no-such-profile" in page.text
    assert "profile-unknown" in page.text


@pytest.mark.parametrize(
    ("text", "line", "column", "marked"),
    [
        ('{"a": 1,\n "b":}', 2, 6, "}"),
        ('{"a": "中文", "b":}', 1, 17, "}"),
        ('{"resourceType": "Patient"', 1, 27, ""),
        ("hello", 1, 1, "h"),
        ('{"a": 1, "a": 2}', 1, 10, '"'),
        ('<Patient xmlns="http://hl7.org/fhir">\n<name></nam></Patient>', 2, 13, "<"),
        ('<Patient xmlns="http://hl7.org/fhir">\n<nme value="x"/></Patient>', 2, 0, None),
        ('<?xml version="1.0"?>\n<!DOCTYPE x><Patient/>', 2, 0, None),
    ],
)
def test_where_a_text_cannot_be_read_is_marked(pages, complaints, text, line, column, marked):
    found = read_pasted(text)
    assert isinstance(found, Unreadable)
    assert (found.line, found.column) == (line, column)
    page = pages.post("/-/validate", status=422, resource=text)
    assert complaints(page, "en") == []
    assert f"Line {line}" in page.words("//*[@id='unreadable']")[0]
    if marked is not None:
        assert page.words("//mark") == [marked or "␄"]
    assert page.all("//textarea")[0].text.strip() == text.strip()


def test_a_long_line_is_cut_around_its_mistake():
    found = read_pasted('{"a": "' + "x" * 50_000 + '", "b": }')
    assert isinstance(found, Unreadable)
    (_, text), *_ = found.around
    assert len(text) < 500
    assert found.cut(text)[1] == "}"


@pytest.mark.parametrize("text", ["", "   \n", "x" * (MAX_BYTES + 1)])
def test_a_bad_form_comes_back_with_what_is_to_be_put_right(pages, complaints, text):
    page = pages.post("/-/validate", "zh", status=422, resource=text)
    assert complaints(page, "zh") == []
    assert page.all("//*[@role='alert']//a[@href='#resource']")
    assert page.all("//textarea[@aria-invalid='true' and contains(@aria-describedby, 'resource-error')]")


@pytest.mark.parametrize("text", ["[]", "1", '"x"', "null", "{}", '{"resourceType": 5}', '{"resourceType": "Pation"}', '[{"resourceType": "Patient"}]', '{"resourceType": "Patient", "name": 5}', "\ufeff{}"])  # fmt: skip
def test_json_that_is_no_resource_is_told_so(pages, complaints, text):
    page = pages.post("/-/validate", "zh", resource=text)
    assert complaints(page, "zh") == []
    assert page.all("//*[contains(@class, 'jk-note-error') or contains(@class, 'jk-note-fatal')]")


def test_what_was_pasted_is_never_markup(pages):
    evil = '</textarea><script>alert(1)</script>"onload="x'
    page = pages.post(
        "/-/validate", resource=json.dumps({"resourceType": "Patient", "gender": evil, evil: 1}), canonical=evil
    )
    assert not page.all("//script[not(@src)]")
    assert page.all("//input[@name='canonical']")[0].get("value") == evil


def test_of_a_long_resource_only_lines_near_problems_are_shown(pages):
    names = [{"family": "王", "given": ["a"]} for _ in range(20_000)]
    names[12_345]["use"] = "wrong"
    text = json.dumps({"resourceType": "Patient", "name": names})
    started = time.monotonic()
    page = pages.post("/-/validate", resource=text)
    assert time.monotonic() - started < 10
    assert len(page.all("//li[contains(@class, 'jk-line')]")) < 60
    gaps = page.words("//li[@class='jk-gap']")
    assert len(gaps) == 2
    assert all(re.search(r"\d lines about", each) for each in gaps)
    assert any('"use": "wrong"' in each for each in page.words("//li[contains(@class, 'jk-told')]/code"))


def test_short_gaps_are_not_folded_and_every_finding_is_shown():
    from jiankang.foundation.conformance.pages.lines import print_json

    printed = print_json({"a": list(range(WHOLE_LINES * 2))})
    findings = [Issue("invalid", "x", (f"a[{number}]",)) for number in (100, 110, 111, 900)]
    rows = shown(printed, findings).rows
    assert [row.number for row in rows if row.told] == [103, 113, 114, 903]
    assert all(row.skipped == 0 or row.skipped > 1 for row in rows)
    assert sum(row.skipped or 1 for row in rows) == len(printed.lines)


def test_findings_are_told_by_weight_and_then_by_line():
    from jiankang.foundation.conformance.pages.lines import print_json

    printed = print_json({"a": 1, "b": 2})
    findings = [Issue("x", "w", ("a",), "warning"), Issue("x", "later", ("b",)), Issue("x", "first", ("a",)), Issue("x", "odd", ("b",), "unheard")]  # fmt: skip
    assert [each.issue.text for each in shown(printed, findings).told] == ["first", "later", "w", "odd"]


def test_every_rule_has_a_headline():
    assert headline("per-1") == RULE
    assert headline("binding-required") == HEADLINES["binding-required"]
    assert headline("") == OTHER
