"""Codes and their relations: code systems, value sets, concept maps, and the questions asked about them."""

from __future__ import annotations

from jiankang.foundation.terminology.capabilities import terminology_capabilities
from jiankang.foundation.terminology.codes import Codes, Terminology
from jiankang.foundation.terminology.keeping import catch_up
from jiankang.foundation.terminology.model import Coding, Concept, System, UnknownSystem, UnknownValueSet
from jiankang.foundation.terminology.operations import open_room, terminology_of
from jiankang.foundation.terminology.searching import SearchCodes
from jiankang.foundation.terminology.writing import stamp

__all__ = [
    "Codes",
    "Coding",
    "Concept",
    "SearchCodes",
    "System",
    "Terminology",
    "UnknownSystem",
    "UnknownValueSet",
    "catch_up",
    "open_room",
    "stamp",
    "terminology_capabilities",
    "terminology_of",
]
