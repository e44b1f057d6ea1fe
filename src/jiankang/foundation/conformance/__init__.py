"""What resources are held to: profiles and packages, and validation of everything that is written."""

from __future__ import annotations

from jiankang.foundation.conformance.judging import ConformanceJudge, read_policy
from jiankang.foundation.conformance.operations import add_operations
from jiankang.foundation.conformance.shelf import Shelf, shelf_of

__all__ = ["ConformanceJudge", "Shelf", "add_operations", "read_policy", "shelf_of"]
