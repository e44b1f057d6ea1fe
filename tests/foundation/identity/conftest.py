"""A platform whose rooms are all open."""

from __future__ import annotations

from typing import Any

import pytest

from jiankang.main import compose


@pytest.fixture(scope="module")
def open_platform(platform: Any) -> Any:
    compose(platform.app.server)
    return platform
