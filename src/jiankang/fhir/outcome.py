"""OperationOutcome: what went wrong, or well, in FHIR's own words (http://hl7.org/fhir/R4/operationoutcome.html)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.kernel.errors import Issue, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable


def outcome(said: Problem | Iterable[Issue], *, diagnostics: str | None = None) -> dict[str, Any]:
    """The OperationOutcome of a refusal or of some issues; "all went well" when there are none.

    The sentence is in `details.text`, where the norm puts it. `diagnostics`, an id to look up in the log,
    goes into the first.
    """
    issues = said.issues if isinstance(said, Problem) else tuple(said)
    shown = [_issue(issue) for issue in issues or (ALL_WELL,)]
    if diagnostics is not None:
        shown[0]["diagnostics"] = diagnostics
    return {"resourceType": "OperationOutcome", "issue": shown}


def told(text: str, *, severity: str = "information", code: str = "informational") -> dict[str, Any]:
    """An OperationOutcome of one sentence that is no refusal."""
    return outcome([Issue(code, text, severity=severity)])


ALL_WELL = Issue("informational", "All went well.", severity="information")


def _issue(issue: Issue) -> dict[str, Any]:
    shown: dict[str, Any] = {"severity": issue.severity, "code": issue.code, "details": {"text": issue.text}}
    if issue.expression:
        shown["expression"] = list(issue.expression)
    return shown
