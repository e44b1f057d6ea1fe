"""Words of these pages: what kinds of images are called, and how moments are written."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from jiankang.ui import N_

PATH = "/-/imaging"

MODALITIES = MappingProxyType(
    {
        "CR": N_("Computed radiography"), "CT": N_("Computed tomography"), "DX": N_("Digital radiography"),
        "ES": N_("Endoscopy"), "MG": N_("Mammography"), "MR": N_("Magnetic resonance"), "NM": N_("Nuclear medicine"),
        "OT": N_("Other images"), "PT": N_("Positron emission tomography"), "RF": N_("Fluoroscopy"),
        "SR": N_("Structured report"), "US": N_("Ultrasound"), "XA": N_("Angiography"), "IO": N_("Dental image"),
        "OP": N_("Photograph of the eye"), "SM": N_("Slide microscopy"), "ECG": N_("Electrocardiogram"),
    }
)  # fmt: skip
"""Modality → what people call it."""

WINDOWS = MappingProxyType(
    {
        "lung": (N_("Lung"), "-600,1500,linear"), "soft": (N_("Soft tissue"), "40,400,LINEAR"),
        "bone": (N_("Bone"), "400,1800,linear"), "brain": (N_("Brain"), "40,80,LINEAR"),
    }
)  # fmt: skip
"""Which densities of a computed tomography are told apart: centre and width in Hounsfield units."""


def when(text: Any) -> str:
    """A FHIR dateTime to the minute."""
    return str(text or "")[:16].replace("T", " ")


def coded(value: Any) -> str:
    """A Coding or CodeableConcept as text."""
    if not isinstance(value, dict):
        return ""
    first = (value.get("coding") or [value])[0]
    return str(value.get("text") or first.get("display") or first.get("code") or "")
