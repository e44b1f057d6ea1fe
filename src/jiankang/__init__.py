"""Jiankang (健康): a regional health platform; one FHIR R4 record per person, wherever they were treated."""

__version__ = "0.1.0"
