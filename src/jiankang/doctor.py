"""Is everything here that is needed? One line each, and what to do where it is not."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from jiankang.kernel.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jiankang.kernel.settings import Settings

Check = tuple[str, bool, str]


def checks(settings: Settings) -> Iterator[Check]:
    """Name, whether it is well, and a sentence, for each thing that is needed."""
    version = sys.version.split()[0]
    yield (
        "Python",
        sys.version_info >= (3, 11),
        version if sys.version_info >= (3, 11) else f"{version}; 3.11 is needed",
    )
    yield _definitions()
    yield _disk(settings)
    yield _port(settings)
    yield _database(settings)
    if settings.database_url:
        yield _session(settings)


def _definitions() -> Check:
    from jiankang.fhir.definitions import load

    try:
        return "FHIR definitions", True, f"{len(load().resource_names)} resource types"
    except (OSError, Problem):
        return "FHIR definitions", False, "not compiled: run `make setup`"


def _disk(settings: Settings) -> Check:
    folder = settings.data.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    return "disk", free > 2, f"{free:.0f} GB free at {folder}"


def _port(settings: Settings) -> Check:
    from jiankang.serving import bind

    try:
        bind(settings.host, settings.port).close()
    except Problem as problem:
        return "port", False, str(problem)
    return "port", True, f"{settings.port} is free"


def _database(settings: Settings) -> Check:
    import psycopg

    from jiankang.serving import database

    try:
        with database(settings, shared=True, migrating=False) as url, psycopg.connect(url) as db:
            row = db.execute("SHOW server_version").fetchone()
            number = db.info.server_version // 10_000
    except (Problem, psycopg.Error) as problem:
        return "database", False, str(problem).strip()
    kind = "server" if settings.database_url else "embedded"
    return "database", number >= 15, f"PostgreSQL {row[0] if row else '?'} ({kind})"


def _session(settings: Settings) -> Check:
    """Whether requests' sessions have the planner settings that our queries count on; a pooler may drop them."""
    import psycopg

    from jiankang.kernel.database import SESSION_SETTINGS, session_differs

    try:
        wrong = session_differs(settings.database_url)
    except psycopg.Error as problem:
        return "sessions", False, str(problem).strip()
    if wrong:
        return "sessions", False, f"{', '.join(wrong)} not in force: ALTER ROLE … SET them (docs/operations)"
    return "sessions", True, f"{len(SESSION_SETTINGS)} settings in force"
