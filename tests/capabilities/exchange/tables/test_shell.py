"""`jiankang exchange …` for tables, over a real database."""

from __future__ import annotations

import functools
import io
from pathlib import Path
from typing import Any

import pytest

from jiankang.capabilities.exchange.intake.senders import Senders
from jiankang.capabilities.exchange.model import Sender
from jiankang.capabilities.exchange.tables import Source, shell
from jiankang.capabilities.exchange.tables.sheets import read_sheet, write_sheet
from jiankang.foundation.record.store import Record
from jiankang.kernel.errors import Invalid
from jiankang.kernel.settings import Settings
from jiankang.main import opened


@pytest.fixture
def opening(database_url: str, tmp_path: Path) -> Any:
    import asyncio

    async def connected() -> None:
        async with Record.open(database_url, connections=1) as record:
            await Senders(record).add(Sender("wsy", "老城镇卫生院"), state="connected")

    asyncio.run(connected())
    return functools.partial(opened, Settings(data=tmp_path, validation="shape"), database_url, 2)


def test_a_file_is_told_of_first_and_taken_when_it_is_confirmed(
    opening: Any, tmp_path: Path, heads: list[str], visit: Any
) -> None:
    path, said = tmp_path / "门诊.csv", []
    path.write_bytes(write_sheet([heads, visit("1"), visit("2", 性别="公")]))
    assert shell.cli_upload(opening, path, "wsy", said.append) == 0
    assert said[0] == "outpatient-visits: 2 rows"
    assert any(line.strip().startswith("row 3, 性别:") for line in said)
    assert shell.cli_upload(opening, path, "wsy", said.append, confirm=True) == 0
    assert said[-1].startswith("2 rows are kept, 0 said nothing new")
    path.write_bytes(b"a,b\n1,2\n")
    assert shell.cli_upload(opening, path, "wsy", said.append) == 1


def test_sources_are_added_told_of_without_passwords_and_removed(opening: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("sys.stdin", io.StringIO("postgresql+psycopg://reader:Geheim99@10.1.2.3/his\n"))
    source = Source("his", "wsy", "-", "v_visits", "updated_at", "outpatient-visits", 60)
    assert shell.cli_add_source(opening, source, said.append) == 0
    assert shell.cli_sources(opening, said.append) == 0
    assert "reader:***@10.1.2.3" in said[-1]
    assert "Geheim99" not in "".join(said)
    assert shell.cli_remove_source(opening, "his", said.append) == 0


def test_cards_are_written(opening: Any, tmp_path: Path) -> None:
    said: list[str] = []
    out = tmp_path / "cards.xlsx"
    assert shell.cli_export_diseases(opening, out, said.append, since="2026-11-01", county="469023") == 0
    assert read_sheet(out.read_bytes()).rows[0][1][2] == "患者姓名"
    assert said[0].startswith("0 cards in")
    with pytest.raises(Invalid, match="2026-11-23"):
        shell.cli_export_diseases(opening, out, said.append, since="gestern")
