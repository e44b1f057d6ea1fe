"""The record's FHIR API over HTTP."""

from __future__ import annotations

from jiankang.foundation.record.api.app import FhirApp, create_fhir_app

__all__ = ["FhirApp", "create_fhir_app"]
