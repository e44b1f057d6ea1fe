"""The search language: which values a resource is found by, and what a query value means. No database here.

http://hl7.org/fhir/R4/search.html. The README beside this file lists the types.
"""

from __future__ import annotations

from jiankang.fhir.search.dates import date_range
from jiankang.fhir.search.model import (
    DATE_MAX,
    DATE_MIN,
    Alias,
    ComponentParameter,
    Extracted,
    Parameter,
)
from jiankang.fhir.search.parameters import parameters, principal_date, principal_dates
from jiankang.fhir.search.registry import Registry, default_registry, extract
from jiankang.fhir.search.text import normalise_string, query_words, words

__all__ = [
    "DATE_MAX",
    "DATE_MIN",
    "Alias",
    "ComponentParameter",
    "Extracted",
    "Parameter",
    "Registry",
    "date_range",
    "default_registry",
    "extract",
    "normalise_string",
    "parameters",
    "principal_date",
    "principal_dates",
    "query_words",
    "words",
]
