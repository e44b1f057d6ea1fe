"""Findings as an OperationOutcome that says which rule was broken (http://hl7.org/fhir/R4/operationoutcome.html)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.fhir.outcome import outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jiankang.fhir.validation.findings import Finding

MESSAGE_ID = "http://hl7.org/fhir/StructureDefinition/operationoutcome-message-id"


def validation_outcome(found: Sequence[Finding]) -> dict[str, Any]:
    """The OperationOutcome of a validation: each issue with its place and its rule, what was expected, what is there.

    The rule is in the extension that HL7 has for it; what was expected and the kind of value that was found are in
    `diagnostics`. Without findings it says that all went well.
    """
    made = outcome(found)
    for issue, finding in zip(made["issue"], found, strict=False):
        issue["extension"] = [{"url": MESSAGE_ID, "valueString": finding.message_id}]
        told = [f"expected: {finding.expected}"] if finding.expected else []
        told += [f"found: {finding.kind}"] if finding.kind else []
        if told:
            issue["diagnostics"] = "; ".join(told)
    return made
