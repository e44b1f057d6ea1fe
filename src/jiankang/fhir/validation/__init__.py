"""Whether a resource is valid FHIR R4, and conforms to profiles: all problems at once.

http://hl7.org/fhir/R4/validation.html. Rules are compiled from the norm's own definitions into Python code when a type is
first met (`emit.py`, `compiled.py`); profiles into closures that check only what they add (`profiles/`).
"""

from __future__ import annotations

from jiankang.fhir.validation.findings import Finding
from jiankang.fhir.validation.terms import PACKAGES, ListedTerminology, PackageTerminology, Terminology, Verdict
from jiankang.fhir.validation.validator import Validator, validate

__all__ = [
    "PACKAGES",
    "Finding",
    "ListedTerminology",
    "PackageTerminology",
    "Terminology",
    "Validator",
    "Verdict",
    "validate",
]
