"""OperationOutcome says what was said, in a shape that the norm takes."""

from __future__ import annotations

from jiankang.fhir.outcome import outcome, told
from jiankang.fhir.structure import check
from jiankang.kernel.errors import Gone, Issue, Unprocessable


def test_a_refusal_tells_all_its_issues_with_their_places():
    issues = [
        Issue("required", "Patient.a is required.", ("Patient.a",)),
        Issue("value", "No.", severity="warning"),
    ]
    said = outcome(Unprocessable(issues=issues), diagnostics="request 7")
    assert said == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "required",
                "details": {"text": "Patient.a is required."},
                "expression": ["Patient.a"],
                "diagnostics": "request 7",
            },
            {"severity": "warning", "code": "value", "details": {"text": "No."}},
        ],
    }
    assert check(said) == []


def test_a_refusal_without_words_says_what_its_kind_means():
    assert outcome(Gone())["issue"][0] == {
        "severity": "error",
        "code": "deleted",
        "details": {"text": "It was deleted (410)."},
    }


def test_nothing_wrong_is_said_too():
    assert outcome([])["issue"][0]["severity"] == "information"
    assert outcome([], diagnostics="a") != outcome([])
    assert check(outcome([])) == []
    assert told("Two were deleted.")["issue"][0]["details"]["text"] == "Two were deleted."
