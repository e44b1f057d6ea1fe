"""DICOM: studies from an image archive become ImagingStudies, and images are shown to those who may see the study."""

from __future__ import annotations

from jiankang.capabilities.exchange.dicom.archive import Archive
from jiankang.capabilities.exchange.dicom.following import Follower, Pace
from jiankang.capabilities.exchange.dicom.format import DicomFormat
from jiankang.capabilities.exchange.dicom.gate import Imaging
from jiankang.capabilities.exchange.dicom.opening import following, open_imaging, own_archive, start_archive
from jiankang.capabilities.exchange.dicom.orthanc import MISSING, Orthanc, is_installed
from jiankang.capabilities.exchange.dicom.pages import PAGES, routes
from jiankang.capabilities.exchange.dicom.studies import study_id

__all__ = [
    "MISSING", "PAGES", "Archive", "DicomFormat", "Follower", "Imaging", "Orthanc", "Pace", "following", "is_installed",
    "open_imaging", "own_archive", "routes", "start_archive", "study_id",
]  # fmt: skip
