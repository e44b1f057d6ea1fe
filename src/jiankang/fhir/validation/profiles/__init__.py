"""Profiles: snapshots, slices, fixed values and patterns, extensions (http://hl7.org/fhir/R4/profiling.html)."""

from __future__ import annotations

from jiankang.fhir.validation.profiles.book import Profile, ProfileBook
from jiankang.fhir.validation.profiles.packages import Definitions, NormPackage, Packages
from jiankang.fhir.validation.profiles.tree import ProfileError

__all__ = ["Definitions", "NormPackage", "Packages", "Profile", "ProfileBook", "ProfileError"]
