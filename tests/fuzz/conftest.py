"""What every answer must be, whatever was asked; and material to attack with."""

from __future__ import annotations

import copy

import pytest

from jiankang.fhir.structure import check
from jiankang.foundation.conformance import read_policy
from jiankang.main import compose

MOST_SECONDS = 5.0

NASTY_TEXTS = [
    "", " ", "\x00", "²", "٣", "𝟙", "-1", "+1", "1e400", "1e-400", "9" * 400, "0x10", "NaN", "Infinity", "1.", ".5",
    "0000-01-01", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2020-02-30", "2020-13", "24:00", "2020-01-01T25:00",
    "eq", "ap", "ap0", "sa", "ne9999", "lt0001", "|", "||", "a|b|c|d", "|a", "a|", "\\", "\\,", "\\|", "\\$", "$", "$$", ",", ",,,",
    "' OR 1=1 --", "%", "_", "%s", "%(x)s", "{}", "{0}", "$1", "*", "(a+)+$", "..", "../..", "a" * 5000, "é" * 3000, "张" * 3000,
    "\u202e", "\ufeff", "\x85", "\x7f", "\t", "\r\n", "ﬁ", "İ", "ß", "\U0010ffff", "\ufffe", "Patient/", "/Patient/1", "Patient/1/_history/1", "http://[::1", "http://x/Patient/1",
    "urn:uuid:", "urn:oid:1", "#", "#a", "?", "Patient?identifier=", "Patient?name=x", "true", "null", "missing", "5.4|http://unitsofmeasure.org|mg",
    "5||", "5|||", "1|http://unitsofmeasure.org|((((", "1e300|http://unitsofmeasure.org|Ym5", "((((", "))))", 'name eq "', "name eq 'x'", 'not (name eq "x")',
    "(" * 2000 + ")" * 2000, "a.b.c.d.e", "a:b:c", "-name", "--name", "W/", 'W/"', 'W/"²"', 'W/"9999999999"', '"1"', "*",
]  # fmt: skip

PATIENT = {
    "resourceType": "Patient", "id": "p1", "active": True,
    "meta": {"profile": ["http://example.org/p"], "tag": [{"system": "urn:t", "code": "a"}]},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Anna <b>Smith</b></div>'},
    "identifier": [{"system": "urn:mrn", "value": "100", "type": {"coding": [{"system": "urn:x", "code": "MR"}]}}],
    "name": [{"family": "Smith", "given": ["Anna"], "_family": {"extension": [{"url": "urn:e", "valueString": "x"}]}}],
    "birthDate": "1970-05-01", "gender": "female", "multipleBirthInteger": 2,
    "managingOrganization": {"reference": "Organization/o1"},
    "contained": [{"resourceType": "Organization", "id": "in", "name": "Inside"}],
    "generalPractitioner": [{"reference": "#in"}],
}  # fmt: skip
OBSERVATION = {
    "resourceType": "Observation", "id": "b1", "status": "final", "subject": {"reference": "Patient/p1"},
    "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6", "display": "Systolic"}], "text": "BP"},
    "effectivePeriod": {"start": "2020-01-01", "end": "2020-01-02T10:00:00+08:00"},
    "valueQuantity": {"value": 120.50, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
    "component": [{"code": {"coding": [{"system": "urn:c", "code": "a"}]}, "valueQuantity": {"value": 1}}],
    "referenceRange": [{"low": {"value": 1}, "text": "x"}],
}  # fmt: skip
SUPPLY = {
    "resourceType": "ValueSet", "id": "v1", "status": "active", "url": "http://example.org/ValueSet/a", "date": "2020",
    "compose": {"include": [{"system": "http://loinc.org", "concept": [{"code": "8480-6"}]}]},
}  # fmt: skip
PARAMETER = {
    "resourceType": "SearchParameter", "id": "s1", "status": "draft", "url": "http://example.org/sp", "name": "Shoe",
    "code": "shoe", "base": ["Patient"], "type": "string", "expression": "Patient.extension.value", "description": "x",
}  # fmt: skip


@pytest.fixture(scope="module")
def samples():
    return copy.deepcopy([PATIENT, OBSERVATION, SUPPLY, PARAMETER])


@pytest.fixture(scope="module")
def nasty():
    return NASTY_TEXTS


@pytest.fixture(scope="module")
def decent():
    def judge(answer, what="", *, headless=False):
        """Never a failure of ours, never slow, always FHIR that says what is wrong."""
        shown = f"{what!r:.2000} → {answer.status} {answer.body[:600]!r}"
        assert answer.status not in {500, 503, 507}, shown
        assert answer.seconds < MOST_SECONDS, f"{answer.seconds:.1f} s: {shown}"
        assert answer.headers.get("x-request-id"), shown
        if answer.status in {204, 304}:
            assert not answer.body, shown
        elif answer.body:
            value = answer.value
            assert isinstance(value, dict), shown
            if "fhir+json" in answer.headers["content-type"]:
                assert not check(value), f"{check(value)}: {shown}"
            if answer.status >= 400:
                assert value["resourceType"] == "OperationOutcome", shown
                for issue in value["issue"]:
                    assert issue["severity"] in {"error", "fatal", "warning", "information"}, shown
                    assert issue.get("diagnostics") or issue.get("details", {}).get("text"), shown
        else:
            assert answer.status < 400 or headless, shown
        return answer

    return judge


@pytest.fixture(scope="module")
def all_decent(decent):
    def judge(pairs):
        """The same of many answers; every one that is not is told."""
        wrong = []
        for what, answer in pairs:
            try:
                decent(answer, what)
            except AssertionError as error:
                wrong.append(str(error)[:500])
        assert not wrong, f"{len(wrong)} answers:\n" + "\n".join(wrong[:40])

    return judge


@pytest.fixture(scope="module")
def platform(platform):
    """The platform with all its rooms: what is written is validated by norm, profiles and codes (and kept as it is)."""

    async def composed():
        compose(platform.app.server)
        platform.app.server.judge.policies = read_policy("warn")

    platform.run(composed())
    return platform
