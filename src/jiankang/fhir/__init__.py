"""The language: FHIR R4 as pure functions of values (definitions, paths, structure, search values, patches)."""
