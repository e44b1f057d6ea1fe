"""The outside suites for JSON Patch and FHIRPath Patch."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUITES = ROOT.parent / "shared" / "conformance"
pytestmark = pytest.mark.skipif(not SUITES.exists(), reason="../shared/conformance is not here")


@pytest.mark.parametrize(("suite", "cases"), [("json_patch", 16), ("fhirpath_patch", 33)])
def test_every_case_passes(suite, cases):
    spec = importlib.util.spec_from_file_location("jiankang_conformance", ROOT / "tools" / "conformance.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    outcomes = list(getattr(module, suite)())
    assert len(outcomes) == cases
    assert [outcome for outcome in outcomes if outcome.failure is not None] == []
