"""Databases of others, looked at again and again: a real PostgreSQL and a real SQLite."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from jiankang.capabilities.exchange.tables.sources import Source, Sources
from jiankang.kernel.errors import Conflict, Invalid, NotFound

TABLE = (
    """CREATE TABLE mz (门诊号 text, 病历号 text, 姓名 text, 性别 text, 就诊日期 text, 诊断 text, changed {moment})"""
)


@pytest.fixture(scope="module")
def sources(uploads: Any) -> Sources:
    return Sources(uploads.intake)


@pytest.fixture
def look(open_platform: Any, sources: Sources) -> Any:
    """Looks at a source, and lets what it brought land."""

    def looked(name: str) -> Any:
        async def both() -> Any:
            found = await sources.look(name)
            while (await sources.intake.lander.land_some(50))[0]:
                pass
            return found

        return open_platform.run(both())

    return looked


def hospital(path: Path, rows: list[tuple[Any, ...]]) -> str:
    with sqlite3.connect(path) as db:
        db.execute(TABLE.format(moment="integer"))
        db.executemany("INSERT INTO mz VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    db.close()
    return f"sqlite:///{path}"


def row(number: str, changed: Any, diagnosis: str = "感冒", sex: str = "女") -> tuple[Any, ...]:
    return (number, f"R{number}", "符小妹", sex, "2026-11-20 09:10", diagnosis, changed)


def visits(ask: Any, number: str) -> list[dict[str, Any]]:
    query = f"identifier=urn:jiankang:house:wsy:visit|{number}"
    return [one["resource"] for one in ask("GET", "/Encounter", query=query, status=200).value.get("entry", [])]


def test_only_what_is_new_or_changed_is_read_again(
    open_platform: Any, sources: Sources, look: Any, ask: Any, tmp_path: Path
) -> None:
    url = hospital(tmp_path / "his.db", [row("V1", 1), row("V2", 2)])
    open_platform.run(sources.add(Source("lite", "wsy", url, "mz", "changed", "outpatient-visits")))
    assert (look("lite").rows, look("lite").rows) == (2, 1)
    with sqlite3.connect(tmp_path / "his.db") as db:
        db.execute("UPDATE mz SET 诊断 = '肺炎', changed = 3 WHERE 门诊号 = 'V1'")
    db.close()
    third = look("lite")
    assert (third.rows, third.new, third.problem) == (2, 1, "")
    [visit] = visits(ask, "V1")
    found = ask("GET", "/Condition", query=f"encounter=Encounter/{visit['id']}").value["entry"]
    assert found[0]["resource"]["code"]["text"] == "肺炎"


def test_a_view_of_postgresql_is_read_by_its_change_time_and_late_commits_are_not_missed(
    open_platform: Any, sources: Sources, look: Any, ask: Any, database_url: str
) -> None:
    said = conninfo_to_dict(database_url)
    host = quote(str(said.get("host", "")), safe="")
    password = f":{said['password']}" if said.get("password") else ""
    url = f"postgresql+psycopg://{said['user']}{password}@/{said['dbname']}?host={host}&port={said.get('port', 5432)}"
    with psycopg.connect(database_url, autocommit=True) as db:
        db.execute(TABLE.format(moment="timestamptz"))
        for number, when in (("W1", "2026-11-20 09:00:00+08"), ("W2", "2026-11-20 09:01:00+08")):
            db.execute("INSERT INTO mz VALUES (%s, %s, %s, %s, %s, %s, %s)", row(number, when))
        query = "SELECT * FROM mz WHERE changed::date > '2020-01-01'::date"
        open_platform.run(sources.add(Source("pg", "wsy", url, query, "changed", "outpatient-visits")))
        assert look("pg").new == 2
        db.execute("INSERT INTO mz VALUES (%s, %s, %s, %s, %s, %s, %s)", row("W3", "2026-11-20 09:00:30+08"))
        assert look("pg").new == 1
    assert [len(visits(ask, number)) for number in ("W1", "W2", "W3")] == [1, 1, 1]


def test_many_rows_of_one_moment_are_all_read(
    open_platform: Any, sources: Sources, look: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jiankang.capabilities.exchange.tables.sources.PAGE", 4)
    url = hospital(tmp_path / "many.db", [row(f"M{n}", 7 if n < 15 else 8) for n in range(20)])
    open_platform.run(sources.add(Source("many", "wsy", url, "SELECT * FROM mz", "changed", "outpatient-visits")))
    assert look("many").new == 20
    assert look("many").new == 0


def test_a_bad_row_is_a_dead_letter_and_stops_no_other(
    open_platform: Any, sources: Sources, look: Any, ask: Any, tmp_path: Path
) -> None:
    url = hospital(tmp_path / "bad.db", [row("X1", 1, sex="公"), row("X2", 2)])
    open_platform.run(sources.add(Source("bad", "wsy", url, "mz", "changed", "outpatient-visits")))
    assert look("bad").new == 2
    assert look("bad").new == 0
    assert [len(visits(ask, number)) for number in ("X1", "X2")] == [0, 1]


def test_a_database_that_does_not_answer_is_told_of_without_its_password(
    open_platform: Any, sources: Sources, look: Any, caplog: pytest.LogCaptureFixture
) -> None:
    url = "postgresql+psycopg://reader:Geheim99@127.0.0.1:1/his?connect_timeout=1"
    open_platform.run(sources.add(Source("gone", "wsy", url, "mz", "changed", "outpatient-visits")))
    assert look("gone").problem
    [(source, state)] = [one for one in open_platform.run(sources.all()) if one[0].name == "gone"]
    assert state.problem
    assert "Geheim99" not in state.problem + source.shown_url + caplog.text
    assert source.shown_url.startswith("postgresql+psycopg://reader:***@")


def test_a_source_that_cannot_work_is_not_taken(open_platform: Any, sources: Sources, tmp_path: Path) -> None:
    good = {
        "url": f"sqlite:///{tmp_path}/x.db",
        "query": "mz",
        "watermark": "changed",
        "mapping": "births",
        "every_seconds": 60,
    }
    for name, value, error in (
        ("url", "nonsense:Geheim99", Invalid), ("url", "nosuchdb://x", Invalid), ("query", "DELETE FROM mz", Invalid),
        ("query", "SELECT 1; DROP TABLE mz", Invalid), ("watermark", "a b", Invalid), ("every_seconds", 0, Invalid),
        ("mapping", "none", NotFound),
    ):  # fmt: skip
        with pytest.raises(error) as told:
            open_platform.run(sources.add(Source("never", "wsy", **{**good, name: value})))
        assert "Geheim99" not in str(told.value)
    open_platform.run(sources.add(Source("twice", "wsy", **good)))
    with pytest.raises(Conflict):
        open_platform.run(sources.add(Source("twice", "wsy", **good)))
    open_platform.run(sources.remove("twice"))
    with pytest.raises(NotFound):
        open_platform.run(sources.remove("twice"))


def test_those_whose_time_has_come_are_looked_at_once(open_platform: Any, sources: Sources, tmp_path: Path) -> None:
    async def story() -> list[bool]:
        for one, _ in await sources.all():
            await sources.remove(one.name)
        url = hospital(tmp_path / "due.db", [row("Y1", 1)])
        await sources.add(Source("due", "wsy", url, "mz", "changed", "outpatient-visits", 3600))
        return [await sources.work(), await sources.work()]

    assert open_platform.run(story()) == [True, False]
    [(_, state)] = open_platform.run(sources.all())
    assert (state.rows, state.problem) == (1, "")
