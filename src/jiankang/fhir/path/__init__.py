"""FHIRPath, compiled to Python code objects (http://hl7.org/fhirpath/N1/, http://hl7.org/fhir/R4/fhirpath.html)."""

from __future__ import annotations

from jiankang.fhir.path.compiled import Path, compile_path
from jiankang.fhir.path.errors import PathMeaningError, PathRunError, PathSyntaxError, PathTooCostlyError
from jiankang.fhir.path.run import Run
from jiankang.fhir.path.values import Node, Quantity, resource_node

__all__ = [
    "Node",
    "Path",
    "PathMeaningError",
    "PathRunError",
    "PathSyntaxError",
    "PathTooCostlyError",
    "Quantity",
    "Run",
    "compile_path",
    "resource_node",
]
