"""Changes of the database schema, in order, once each.

A migration is a file `NNNN_name.sql`; each runs in a transaction of its own under one lock, and is remembered with the
digest of its text, so that a changed past is noticed instead of silently differing between machines. What a newer
version applied is left alone: old and new processes work side by side while they are restarted one after another.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from jiankang.kernel.database import translated
from jiankang.kernel.errors import Conflict

_NAME = re.compile(r"^\d{4}_[a-z0-9_]+\.sql$")
_LOCK = 7_421_906_335
_LOCK_SECONDS = 10
_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    name text PRIMARY KEY, digest text NOT NULL, applied timestamptz NOT NULL DEFAULT now())
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file, and whether the database has it."""

    name: str
    path: Path
    applied: bool


def _files(folders: Path | Sequence[Path]) -> list[Path]:
    if isinstance(folders, Path):
        folders = [folders]
    found = (path for folder in folders for path in folder.iterdir() if _NAME.match(path.name))
    return sorted(found, key=lambda path: path.name)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _applied(db: psycopg.Connection[tuple[str, str]]) -> dict[str, str]:
    if not db.execute("SELECT FROM pg_tables WHERE tablename = 'schema_migration'").fetchall():
        return {}
    return dict(db.execute("SELECT name, digest FROM schema_migration").fetchall())


@translated()
def status(database_url: str, folders: Path | Sequence[Path]) -> list[Migration]:
    """Every migration of the folders in order, and whether it was applied."""
    with psycopg.connect(database_url, autocommit=True) as db:
        done = _applied(db)
    return [Migration(path.name, path, path.name in done) for path in _files(folders)]


@translated()
def migrate(database_url: str, folders: Path | Sequence[Path]) -> list[str]:
    """Apply what is missing; the names of what was applied.

    Raises Conflict when an applied file was changed since, Unavailable when a table stays in use for `_LOCK_SECONDS`.
    """
    new: list[str] = []
    with psycopg.connect(database_url, autocommit=True) as db:
        db.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        db.execute("SET statement_timeout = 0")
        db.execute(f"SET lock_timeout = '{_LOCK_SECONDS}s'")  # others queue behind whoever waits for a table
        db.execute(_TABLE)
        done = _applied(db)
        for path in _files(folders):
            digest = _digest(path)
            if path.name in done:
                if done[path.name] != digest:
                    raise Conflict(f"{path.name} was changed after it was applied here: add a new migration instead")
                continue
            with db.transaction():
                db.execute(path.read_bytes())
                db.execute("INSERT INTO schema_migration (name, digest) VALUES (%s, %s)", (path.name, digest))
            new.append(path.name)
    return new


@translated()
def run_once(database_url: str, path: Path) -> bool:
    """Run the file `path`, which is not one of the ordered ones, unless it was run here; whether it was run now."""
    with psycopg.connect(database_url, autocommit=True) as db:
        db.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        db.execute(_TABLE)
        if path.name in _applied(db):
            return False
        for statement in path.read_text().split(";\n"):
            if statement.strip():
                db.execute(statement.encode())
        db.execute("INSERT INTO schema_migration (name, digest) VALUES (%s, %s)", (path.name, _digest(path)))
    return True
