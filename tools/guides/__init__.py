"""Builds an implementation guide: from short YAML sources to a FHIR package and pages.

What a source may say is told in `ig/cn-hainan/SOURCES.md`. FHIR packages: https://hl7.org/fhir/packages.html.
"""

from __future__ import annotations

from guides.building import Guide, build
from guides.examples import check
from guides.packing import archive
from guides.pages import pages
from guides.source import SourceError

__all__ = ["Guide", "SourceError", "archive", "build", "check", "pages"]
