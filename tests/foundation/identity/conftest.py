"""A platform whose rooms are all open."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from jiankang.main import compose


@pytest.fixture(scope="module")
def open_platform(platform: Any) -> Any:
    compose(platform.app.server)
    return platform


@pytest.fixture(scope="module")
def database_url_of_module(server_url: str, template: str):
    """A fresh, migrated database for all tests of a file."""
    name = f"jk_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield conninfo.make_conninfo(server_url, dbname=name)
    with psycopg.connect(server_url, autocommit=True) as db:
        db.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
