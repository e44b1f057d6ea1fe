"""The guide built once from its sources."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = ROOT / "ig" / "cn-hainan"


@pytest.fixture(scope="package")
def builder() -> Any:
    sys.path.insert(0, str(ROOT / "tools"))
    yield importlib.import_module("guides")
    sys.path.remove(str(ROOT / "tools"))


@pytest.fixture(scope="package")
def guide(builder: Any) -> Any:
    return builder.build(SOURCE, ROOT)
