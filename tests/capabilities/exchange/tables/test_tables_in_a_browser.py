"""The pages for tables in a real browser: from the file to the corrected file, with and without scripts.

Browser, windows and axe are those of tests/ui/test_in_a_browser.py; skips, saying so, without them.
"""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from jiankang.capabilities.exchange.tables.sheets import read_sheet, write_sheet

_spec = importlib.util.spec_from_file_location(
    "in_a_browser", Path(__file__).parents[3] / "ui" / "test_in_a_browser.py"
)
windows: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(windows)
browser, visit_page = windows.browser, windows.visit
pytestmark = windows.pytestmark

PATH = "/-/exchange/tables"


@pytest.fixture(scope="module")
def address(web: Any):
    """The pages on a port of their own."""
    server = uvicorn.Server(uvicorn.Config(web.app, port=0, log_config=None, lifespan="off"))
    running = asyncio.run_coroutine_threadsafe(server._serve(), web.platform.loop)

    async def started() -> None:
        while not server.started:  # noqa: ASYNC110 - uvicorn sets a flag, not an event
            await asyncio.sleep(0.01)

    web.platform.run(started())
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    running.result(10)


@pytest.fixture
def register(visit: Any, heads: list[str], tmp_path: Path) -> Any:
    """A file with one row that can be taken and one that cannot."""

    def made(name: str) -> Path:
        path = tmp_path / f"{name}.xlsx"
        rows = [visit(f"{name}1", 血压="138/86mmHg"), visit(f"{name}2", "符小妹", 性别="公")]
        path.write_bytes(write_sheet([heads, *rows], "xlsx"))
        return path

    return made


@pytest.mark.parametrize("scripts", [True, False])
def test_a_clinic_uploads_its_register_and_gets_back_what_is_to_be_mended(
    visit_page: Any, story: Any, register: Any, scripts: bool
) -> None:
    tab = visit_page(PATH, scripts=scripts)
    tab.select_option("#sender", "wsy")
    tab.set_input_files("#file", register(f"J{scripts:d}"))
    tab.click("main button.btn-primary")
    tab.click("button[value=confirm]")
    story.land(tab.url.rpartition("/")[2])
    if scripts:
        tab.wait_for_selector("a[download]")
    else:
        tab.reload()
    with tab.expect_download() as come:
        tab.click("a[download]")
    assert come.value.suggested_filename == f"J{scripts:d}-退回.xlsx"
    rows = read_sheet(Path(come.value.path()).read_bytes()).rows
    assert [row[0] for _, row in rows] == ["门诊号", f"J{scripts:d}2"]


@pytest.mark.parametrize(
    ("name", "size", "language", "scheme"),
    [
        (name, size, language, scheme)
        for name in ("preview", "list", "result", "mapping")
        for size in ("wide", "narrow")
        for language, scheme in (("zh", "light"), ("en", "dark"))
    ]
    if windows.LONG
    else [("preview", "narrow", "zh", "light"), ("result", "wide", "en", "dark")],
)  # fmt: skip
def test_nobody_is_shut_out_of_the_pages_for_tables(
    visit_page: Any, web: Any, story: Any, register: Any, name: str, size: str, language: str, scheme: str
) -> None:
    place = web.upload(register(f"A{name}").read_bytes(), "登记.xlsx").headers["location"]
    if name == "result":
        web.step(place, step="confirm")
        story.land(place.rpartition("/")[2])
    path = {"list": PATH, "mapping": f"{PATH}/mappings/births"}.get(name, place)
    tab = visit_page(path, size=size, language=language, scheme=scheme)
    windows.check(tab, f"tables-{name}", size, language, scheme)


def test_nothing_sticks_out_of_the_narrowest_window(visit_page: Any, web: Any, register: Any) -> None:
    place = web.upload(register("N").read_bytes(), "登记" * 30 + ".xlsx").headers["location"]
    for path in (PATH, place, f"{PATH}/mappings/laboratory-results"):
        assert windows.fits(visit_page(path, size="narrowest"))
