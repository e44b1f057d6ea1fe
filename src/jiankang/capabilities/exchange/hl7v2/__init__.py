"""HL7 version 2 (2.3 to 2.8): its messages, their acknowledgements, MLLP, and what they say in FHIR's words."""

from __future__ import annotations

from jiankang.capabilities.exchange.hl7v2.mapping import Hl7v2, supported

__all__ = ["Hl7v2", "supported"]
