"""What FHIR R4 is: types and their elements, search parameters, compartments, codes of required bindings.

Compiled by `tools/definitions.py` from the official packages into tables beside this file, read lazily.
"""

from __future__ import annotations

from jiankang.fhir.definitions.model import (
    Binding,
    CodeSystemCodes,
    Component,
    Constraint,
    Element,
    SearchParameter,
    TypeDefinition,
)
from jiankang.fhir.definitions.tables import Definitions, load

__all__ = [
    "Binding",
    "CodeSystemCodes",
    "Component",
    "Constraint",
    "Definitions",
    "Element",
    "SearchParameter",
    "TypeDefinition",
    "load",
]
