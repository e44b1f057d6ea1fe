"""The form of HL7 v2 messages: segments, fields, repetitions, components; nothing of what they mean."""

from __future__ import annotations

from jiankang.capabilities.exchange.hl7v2.wire.acknowledging import acknowledge, location
from jiankang.capabilities.exchange.hl7v2.wire.message import Delimiters, Malformed, Message, Segment, Value, messages
from jiankang.capabilities.exchange.hl7v2.wire.places import locate

__all__ = ["Delimiters", "Malformed", "Message", "Segment", "Value", "acknowledge", "locate", "location", "messages"]
