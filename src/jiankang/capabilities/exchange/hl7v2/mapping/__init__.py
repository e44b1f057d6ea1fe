"""What messages say, in FHIR's words: maps of segments as data (`segments/*.map`), data types as small functions."""

from __future__ import annotations

from jiankang.capabilities.exchange.hl7v2.mapping.reading import Hl7v2, supported

__all__ = ["Hl7v2", "supported"]
