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
from jiankang.fhir.search.queries import (
    DATE_RULES,
    NUMBER_RULES,
    PREFIXES,
    DateValue,
    NearValue,
    NumberValue,
    OfTypeValue,
    QuantityValue,
    ReferenceValue,
    TokenValue,
    approximate_dates,
    approximate_numbers,
    date_matches,
    implicit_range,
    number_matches,
    parse_date,
    parse_near,
    parse_number,
    parse_of_type,
    parse_quantity,
    parse_reference,
    parse_string,
    parse_token,
    parse_uri,
    split_composite,
    split_or,
    unescape,
)
from jiankang.fhir.search.registry import Registry, default_registry, extract
from jiankang.fhir.search.text import normalise_string, query_words, words

__all__ = [
    "DATE_MAX",
    "DATE_MIN",
    "DATE_RULES",
    "NUMBER_RULES",
    "PREFIXES",
    "Alias",
    "ComponentParameter",
    "DateValue",
    "Extracted",
    "NearValue",
    "NumberValue",
    "OfTypeValue",
    "Parameter",
    "QuantityValue",
    "ReferenceValue",
    "Registry",
    "TokenValue",
    "approximate_dates",
    "approximate_numbers",
    "date_matches",
    "date_range",
    "default_registry",
    "extract",
    "implicit_range",
    "normalise_string",
    "number_matches",
    "parameters",
    "parse_date",
    "parse_near",
    "parse_number",
    "parse_of_type",
    "parse_quantity",
    "parse_reference",
    "parse_string",
    "parse_token",
    "parse_uri",
    "principal_date",
    "principal_dates",
    "query_words",
    "split_composite",
    "split_or",
    "unescape",
    "words",
]
