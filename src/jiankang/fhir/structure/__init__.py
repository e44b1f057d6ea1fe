"""Whether a resource has the shape that FHIR R4 gives it: elements, types, cardinality, formats.

All problems are told at once. http://hl7.org/fhir/R4/json.html, http://hl7.org/fhir/R4/datatypes.html.
`compiled.py` turns each type definition into Python code when it is first met; `emit.py` writes that code,
one function for each concern.
"""

from __future__ import annotations

from jiankang.fhir.structure.compiled import MAX_ISSUES, check, source

__all__ = ["MAX_ISSUES", "check", "source"]
