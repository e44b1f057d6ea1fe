"""HL7 v2 messages made of what the record holds: for answers to queries and for systems that want to be told."""

from __future__ import annotations

from jiankang.capabilities.exchange.hl7v2.out.writing import Writer, moment

__all__ = ["Writer", "moment"]
