"""FHIR's XML form to and from the JSON form, without loss: http://hl7.org/fhir/R4/xml.html."""

from __future__ import annotations

from jiankang.fhir.xml.reading import from_xml
from jiankang.fhir.xml.writing import to_xml

__all__ = ["from_xml", "to_xml"]
