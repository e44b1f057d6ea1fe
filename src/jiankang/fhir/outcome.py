"""OperationOutcome: what went wrong, or well, in FHIR's own words (http://hl7.org/fhir/R4/operationoutcome.html)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jiankang.kernel.errors import Issue, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable


def outcome(said: Problem | Iterable[Issue], *, diagnostics: str | None = None) -> dict[str, Any]:
    """The OperationOutcome of a refusal or of some issues; "all went well" when there are none.

    The sentence is in `details.text`, where the norm puts it; the rule that was broken in the extension that HL7 has for
    it; what was expected and the kind of value found in `diagnostics`. `diagnostics`, an id to look up in the log, goes
    into the first.
    """
    issues = said.issues if isinstance(said, Problem) else tuple(said)
    shown = [_issue(issue) for issue in issues or (ALL_WELL,)]
    if diagnostics is not None:
        shown[0]["diagnostics"] = diagnostics
    return {"resourceType": "OperationOutcome", "issue": shown}


def told(text: str, *, severity: str = "information", code: str = "informational") -> dict[str, Any]:
    """An OperationOutcome of one sentence that is no refusal."""
    return outcome([Issue(code, text, severity=severity)])


MESSAGE_ID = "http://hl7.org/fhir/StructureDefinition/operationoutcome-message-id"
ALL_WELL = Issue("informational", "All went well.", severity="information")


_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _printable(text: str) -> str:
    """`text` as a FHIR string may hold it: what the sender wrote may be told back, but visibly."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _issue(issue: Issue) -> dict[str, Any]:
    text = _printable(issue.text)
    shown: dict[str, Any] = {"severity": issue.severity, "code": issue.code, "details": {"text": text}}
    if expression := [_printable(path) for path in issue.expression if path.strip()]:
        shown["expression"] = expression
    if issue.message_id:
        shown["extension"] = [{"url": MESSAGE_ID, "valueString": issue.message_id}]
    known = (("expected", issue.expected), ("found", issue.kind))
    if any(value for _, value in known):
        shown["diagnostics"] = _printable("; ".join(f"{name}: {value}" for name, value in known if value))
    return shown
