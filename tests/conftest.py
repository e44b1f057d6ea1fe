"""One real PostgreSQL for all tests, and a fresh migrated database for each test that asks for one."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from jiankang.kernel.migrations import migrate
from jiankang.kernel.postgres import start_embedded

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
MIGRATIONS = ROOT / "src" / "jiankang" / "foundation" / "record" / "migrations"


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


@pytest.fixture
def shared() -> Path:
    """The folder of facts and suites beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared, which lies beside the project's own checkout only")
    return SHARED
