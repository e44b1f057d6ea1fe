"""The operations of a patient index over HTTP: who is this, what is it called elsewhere, and what stewards do to links."""

from __future__ import annotations

from jiankang.foundation.identity.operations.linking import always_link, merge, move, never_link, unmerge
from jiankang.foundation.identity.operations.matching import match
from jiankang.foundation.identity.operations.pix import cross_reference
from jiankang.foundation.identity.operations.telling import link_history
from jiankang.foundation.record.api.routes import Route, add_operation

_OURS = "urn:jiankang:OperationDefinition:"
_PATIENT = ("Patient",)


def add_operations() -> None:
    """Route them all."""
    for method, operation, work, definition in (
        ("POST", "match", match, "http://hl7.org/fhir/OperationDefinition/Patient-match"),
        ("GET", "ihe-pix", cross_reference, "https://profiles.ihe.net/ITI/PIXm/OperationDefinition/IHE.PIXm.pix"),
        ("POST", "ihe-pix", cross_reference, "https://profiles.ihe.net/ITI/PIXm/OperationDefinition/IHE.PIXm.pix"),
        ("POST", "merge", merge, "http://hl7.org/fhir/OperationDefinition/Patient-merge"),
        ("POST", "unmerge", unmerge, f"{_OURS}unmerge"),
        ("POST", "always-link", always_link, f"{_OURS}always-link"),
        ("POST", "never-link", never_link, f"{_OURS}never-link"),
    ):
        add_operation(Route(method, ("Patient", f"${operation}"), operation, work, definition, _PATIENT))
    add_operation(Route("POST", ("Patient", "id", "$move"), "move", move, f"{_OURS}move", _PATIENT))
    history = Route(
        "GET", ("Patient", "id", "$link-history"), "link-history", link_history, f"{_OURS}link-history", _PATIENT
    )
    add_operation(history)
