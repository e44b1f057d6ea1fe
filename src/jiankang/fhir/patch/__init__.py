"""Changes to a resource sent as a patch: RFC 6902 JSON Patch and FHIRPath Patch (http://hl7.org/fhir/R4/http.html#patch)."""

from __future__ import annotations

from jiankang.fhir.patch.fhirpath_patch import apply_fhirpath_patch
from jiankang.fhir.patch.json_patch import apply_json_patch
from jiankang.fhir.patch.sameness import need_same_identity

__all__ = ["apply_fhirpath_patch", "apply_json_patch", "need_same_identity"]
