"""The viewer in a real browser: by keys and without scripts, wide and narrow, in both languages."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest
import uvicorn

playwright = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = Path(__file__).resolve().parents[4] / "node_modules" / "axe-core" / "axe.min.js"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium fonts-noto-cjk"),
    pytest.mark.skipif(not LONG, reason="in `make fuzz`; test_viewer.py reads the same pages without a browser"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def address(web, hospital, images):
    """Where the viewer of a study of ten images is."""
    hospital.told(*(images.encoded(images.image(651, 1, one)) for one in range(1, 11)), uid=images.uid(651))
    server = uvicorn.Server(uvicorn.Config(web.app, port=0, log_config=None, lifespan="off"))
    running = asyncio.run_coroutine_threadsafe(server._serve(), hospital.platform.loop)

    async def started():
        while not server.started:  # noqa: ASYNC110 - uvicorn sets a flag, not an event
            await asyncio.sleep(0.01)

    hospital.platform.run(started())
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/-/imaging/{images.uid(651)}"
    server.should_exit = True
    running.result(10)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as engine:
        opened = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def loaded(tab):
    """Widths of the pictures that have arrived."""
    tab.wait_for_load_state("networkidle")
    return tab.evaluate("[...document.querySelectorAll('main img')].map((each) => each.naturalWidth)")


@pytest.mark.parametrize(("width", "language", "scheme"), [(1280, "zh-CN", "dark"), (390, "en-GB", "light")])
def test_nobody_is_shut_out_and_keys_lead_on(browser, address, images, width, language, scheme):
    window = browser.new_context(
        viewport={"width": width, "height": 800}, locale=language, color_scheme=scheme, reduced_motion="reduce"
    )
    tab = window.new_page()
    said = []
    tab.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    for path in ("", f"/{images.uid(651, 1)}?image=5&window=lung"):
        tab.goto(address + path)
        assert all(loaded(tab))
        assert tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        if AXE.exists():
            tab.evaluate(AXE.read_text())
            found = tab.evaluate(f"axe.run(document, {json.dumps(RULES)})")["violations"]
            assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == []
    tab.keyboard.press("ArrowRight")
    tab.wait_for_url("**image=6&window=lung")
    tab.keyboard.press("ArrowLeft")
    tab.wait_for_url("**image=5&window=lung")
    assert said == []
    window.close()


def test_without_scripts_links_lead_on(browser, address, images):
    window = browser.new_context(java_script_enabled=False, locale="zh-CN")
    tab = window.new_page()
    tab.goto(address)
    tab.click(".jk-series-link")
    tab.click("text=下一幅")
    tab.wait_for_url("**image=2")
    tab.click("text=骨窗")
    tab.wait_for_url("**image=2&window=bone")
    window.close()
