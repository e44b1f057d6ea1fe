"""One real PostgreSQL for all tests, and a fresh migrated database for each test that asks for one."""

from __future__ import annotations

import importlib.util
import os
import sys
import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import conninfo

from jiankang.fhir.search import default_registry
from jiankang.kernel.migrations import migrate
from jiankang.kernel.postgres import start_embedded
from jiankang.main import MIGRATIONS, compose

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

# `make test` tries little and the same each time; `make fuzz` (HYPOTHESIS_PROFILE=long) much, and anew each time.
_UNHURRIED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile("short", deadline=None, derandomize=True, suppress_health_check=_UNHURRIED, database=None)
settings.register_profile("long", deadline=None, max_examples=3_000, print_blob=True, suppress_health_check=_UNHURRIED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory):
    """The address of a server where databases can be made: JIANKANG_TEST_DATABASE_URL, or an embedded one."""
    given = os.environ.get("JIANKANG_TEST_DATABASE_URL")
    if given:
        yield given
        return
    server = start_embedded(Path("/tmp") / f"jiankang-test-{os.getpid()}", fsync=False)
    yield server.dsn
    server.stop()
    import shutil

    shutil.rmtree(f"/tmp/jiankang-test-{os.getpid()}", ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def _no_terminology_of_others():
    """The registry of search parameters is one for a process: a file's platform lends it its terminology, and takes it back."""
    yield
    default_registry().meaning = None


def _named(url: str, name: str) -> str:
    return conninfo.make_conninfo(url, dbname=name)


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    name = f"jk_template_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server_url, autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}"')
    migrate(_named(server_url, name), MIGRATIONS)
    return name


@pytest.fixture
def database_url(server_url: str, template: str):
    """The address of a fresh, migrated database."""
    name = f"jk_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield _named(server_url, name)
    with psycopg.connect(server_url, autocommit=True) as db:
        db.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def platform(server_url: str, template: str):
    """The FHIR API over a fresh database, in an event loop of its own; one for all tests of a file."""
    name = f"jk_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    with module_at("inprocess.py").in_process(_named(server_url, name)) as running:
        yield running
    with psycopg.connect(server_url, autocommit=True) as db:
        db.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def pages(platform: Any) -> Any:
    """The pages over the record of `platform`."""
    return module_at("pages.py").Pages(platform)


@pytest.fixture(scope="session")
def complaints() -> Any:
    """Tells what is wrong with the HTML of a page, given it and its language."""
    return module_at("pages.py").complaints


@pytest.fixture(scope="session")
def served() -> Any:
    """The module that runs `jiankang serve` as a process of its own."""
    return module_at("served.py")


def module_at(path: str) -> Any:
    """A module of helpers in this folder."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / "tests" / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def shared() -> Path:
    """The folder of facts and suites beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared, which lies beside the project's own checkout only")
    return SHARED


@pytest.fixture(scope="module")
def ask(platform: Any) -> Any:
    """Asks the API of `platform`."""
    return module_at("asking.py").Asking(platform)


@pytest.fixture(scope="module")
def open_platform(platform: Any) -> Any:
    """A platform whose rooms are all open."""
    compose(platform.app.server)
    return platform


@pytest.fixture
def new_id() -> str:
    return uuid.uuid4().hex


@pytest.fixture(scope="module")
def database_url_of_module(server_url: str, template: str):
    """A fresh, migrated database for all tests of a file."""
    name = f"jk_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield _named(server_url, name)
    with psycopg.connect(server_url, autocommit=True) as db:
        db.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
