"""Schema changes while servers run: docs/operations/upgrades.md, and what the code holds of it."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import psycopg
import pytest

from jiankang.kernel import migrations
from jiankang.kernel.errors import Conflict, Unavailable
from jiankang.kernel.migrations import migrate, status
from jiankang.main import MIGRATIONS


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE widening (a int);\nINSERT INTO widening VALUES (1);\n")
    return tmp_path


@pytest.fixture
def bare(server_url):
    """The address of an empty database."""
    name = f"jk_bare_{time.monotonic_ns()}"
    with psycopg.connect(server_url, autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}"')
    yield psycopg.conninfo.make_conninfo(server_url, dbname=name)
    with psycopg.connect(server_url, autocommit=True) as db:
        db.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_an_older_version_starts_on_a_schema_that_a_newer_one_has_widened(bare, folder, tmp_path_factory):
    newer = tmp_path_factory.mktemp("newer")
    for path in folder.iterdir():
        (newer / path.name).write_text(path.read_text())
    (newer / "0002_second.sql").write_text("ALTER TABLE widening ADD COLUMN b int;\n")
    assert migrate(bare, newer) == ["0001_first.sql", "0002_second.sql"]
    assert migrate(bare, folder) == []
    assert [one.applied for one in status(bare, folder)] == [True]


def test_a_change_that_was_applied_and_edited_since_is_refused(bare, folder):
    migrate(bare, folder)
    (folder / "0001_first.sql").write_text("CREATE TABLE widening (a bigint);\n")
    with pytest.raises(Conflict, match=r"0001_first\.sql was changed after it was applied"):
        migrate(bare, folder)


def test_a_change_that_fails_leaves_nothing_and_runs_again_when_it_is_mended(bare, folder):
    migrate(bare, folder)
    broken = folder / "0002_broken.sql"
    broken.write_text("CREATE TABLE half (a int);\nSELECT 1 / 0;\n")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(bare, folder)
    with psycopg.connect(bare) as db:
        assert db.execute("SELECT to_regclass('half')").fetchone() == (None,)
    broken.write_text("CREATE TABLE half (a int);\n")
    assert migrate(bare, folder) == ["0002_broken.sql"]


def test_several_servers_that_start_at_once_apply_each_change_once(bare, folder):
    applied: list[list[str]] = []
    starting = [threading.Thread(target=lambda: applied.append(migrate(bare, folder))) for _ in range(6)]
    for one in starting:
        one.start()
    for one in starting:
        one.join()
    assert sorted(applied) == [[], [], [], [], [], ["0001_first.sql"]]


def test_a_change_that_finds_its_table_in_use_gives_up_instead_of_making_everybody_wait(bare, folder, monkeypatch):
    migrate(bare, folder)
    monkeypatch.setattr(migrations, "_LOCK_SECONDS", 1)
    (folder / "0002_wider.sql").write_text("ALTER TABLE widening ADD COLUMN b int;\n")
    with psycopg.connect(bare) as reader:
        reader.execute("SELECT * FROM widening")
        with pytest.raises(Unavailable, match="try again"):
            migrate(bare, folder)
    assert migrate(bare, folder) == ["0002_wider.sql"]


# What would take something away from servers of the version before, which still run while it is applied.
NARROWING = re.compile(r"\b(DROP (TABLE|COLUMN)|RENAME|ALTER COLUMN \w+ (SET NOT NULL|TYPE))\b", re.IGNORECASE)
REASONED = re.compile(r"^-- narrows: unused since \d+\.\d+\.\d+", re.MULTILINE)


def _narrows_unasked(text: str) -> bool:
    return bool(NARROWING.search(re.sub(r"--[^\n]*", "", text))) and not REASONED.search(text)


@pytest.mark.parametrize("path", [path for folder in MIGRATIONS for path in sorted(folder.glob("????_*.sql"))], ids=lambda p: p.name)  # fmt: skip
def test_our_own_changes_only_widen_unless_they_say_since_when_nothing_uses_it(path: Path):
    assert not _narrows_unasked(path.read_text())


def test_a_narrowing_change_is_told_from_a_widening_one():
    assert _narrows_unasked("ALTER TABLE resource DROP COLUMN words;")
    assert not _narrows_unasked("-- narrows: unused since 0.3.0\nALTER TABLE resource DROP COLUMN words;")
    assert not _narrows_unasked("ALTER TABLE resource ADD COLUMN more int; -- not DROP TABLE")
