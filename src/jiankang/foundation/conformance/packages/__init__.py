"""Implementation guides as FHIR packages: read, fetched, installed, listed, removed. https://hl7.org/fhir/packages.html."""

from __future__ import annotations

from jiankang.foundation.conformance.packages.fetching import fetched
from jiankang.foundation.conformance.packages.installing import Installed, install, installed, remove
from jiankang.foundation.conformance.packages.reading import Package, read_package

__all__ = ["Installed", "Package", "fetched", "install", "installed", "read_package", "remove"]
