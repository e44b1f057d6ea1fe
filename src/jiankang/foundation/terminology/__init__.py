"""Codes and their relations: code systems, value sets, concept maps, and the questions asked about them."""

from __future__ import annotations

from jiankang.foundation.terminology.codes import Codes, Terminology
from jiankang.foundation.terminology.model import Coding, Concept, System, UnknownSystem, UnknownValueSet
from jiankang.foundation.terminology.operations import open_room, terminology_of

__all__ = [
    "Codes",
    "Coding",
    "Concept",
    "System",
    "Terminology",
    "UnknownSystem",
    "UnknownValueSet",
    "open_room",
    "terminology_of",
]
