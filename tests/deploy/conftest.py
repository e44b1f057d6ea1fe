"""One installation for all tests of this folder; they leave it working for the next."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path

import pytest


def _region_module():
    path = Path(__file__).with_name("region.py")
    spec = importlib.util.spec_from_file_location("deployed_region", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="package")
def region():
    """Primary, replica, pooler, two servers and the door, as deploy/ describes them."""
    module = _region_module()
    if missing := module.missing():
        pytest.skip(f"needs {', '.join(missing)}: apt-get install nginx-light pgbouncer postgresql-15 openssl")
    home = Path(tempfile.mkdtemp(prefix="jkr-", dir="/tmp"))
    home.chmod(0o755)
    made = module.Region(home)
    try:
        made.database("primary")
        made.database("replica")
        made.pooler()
        made.server("server1")
        made.server("server2")
        made.door()
        made.until_up("server1", "server2")
        assert made.running["door"].poll() is None, made.log("door")
        yield made
    finally:
        made.end()
        shutil.rmtree(home, ignore_errors=True)
