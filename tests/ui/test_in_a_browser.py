"""The pages in a real browser, wide and narrow: nobody is shut out, nothing sticks out, and they do without scripts.

Needs Chromium (Debian: `apt-get install chromium fonts-noto-cjk`) and axe-core from npm; skips, saying so, without them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from pathlib import Path

import pytest
import uvicorn

playwright = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PICTURES = os.environ.get("JIANKANG_TEST_PICTURES", "")
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PATHS = {
    "front": "/",
    "patterns": "/-/patterns",
    "missing": "/-/nowhere",
    "validate": "/-/validate",
    "list": "/-/terminology",
    "tree": f"/-/terminology/system?system={ACT}&open=AMB",
    "found": f"/-/terminology/system?system={ACT}&q=amb",
    "concept": f"/-/terminology/concept?system={ACT}&code=AMB&used=yes",
    "value-set": "/-/terminology/value-set?url=http://terminology.hl7.org/ValueSet/v3-ActEncounterCode",
}
SIZES = {"wide": (1280, 900), "narrow": (390, 844), "narrowest": (320, 256)}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
"""`make test` looks at a few of all these pages, `make fuzz` at all."""
LOOKED_AT = [
    (name, size, language, scheme)
    for name in PATHS
    for size in ("wide", "narrow")
    for language, scheme in (("zh", "light"), ("zh", "dark"), ("en", "light"), ("en", "dark"))
] if LONG else [("patterns", "wide", "zh", "light"), ("tree", "narrow", "en", "dark"), ("concept", "narrow", "zh", "light")]  # fmt: skip
JUDGED = [
    (sample, size, language, scheme)
    for sample in ("1-right", "2-wrong", "3-xml", "4-broken")
    for size in ("wide", "narrow")
    for language, scheme in (("zh", "light"), ("en", "dark"))
] if LONG else [("2-wrong", "narrow", "zh", "light"), ("4-broken", "wide", "en", "dark")]  # fmt: skip
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium fonts-noto-cjk"),
    *([pytest.mark.slow] if LONG else []),
]


@pytest.fixture(scope="module")
def address(pages):
    """The pages on a port of their own."""
    server = uvicorn.Server(uvicorn.Config(pages.app, port=0, log_config=None, lifespan="off"))
    running = asyncio.run_coroutine_threadsafe(server._serve(), pages.platform.loop)

    async def started():
        while not server.started:  # noqa: ASYNC110 - uvicorn sets a flag, not an event
            await asyncio.sleep(0.01)

    pages.platform.run(started())
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    running.result(10)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as engine:
        opened = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, address):
    """Opens a window of some kind; whatever it complains of in its console fails the test."""
    with contextlib.ExitStack() as stack:

        def opened(path="/", *, size="wide", language="zh", scheme="light", scripts=True):
            width, height = SIZES[size]
            window = browser.new_context(
                viewport={"width": width, "height": height}, locale={"zh": "zh-CN", "en": "en-GB"}[language],
                color_scheme=scheme, java_script_enabled=scripts, reduced_motion="reduce", base_url=address,
            )  # fmt: skip
            stack.callback(window.close)
            tab = window.new_page()
            tab.said = []
            tab.on(
                "console",
                lambda message: tab.said.append(message.text) if message.type in {"error", "warning"} else None,
            )
            tab.on("pageerror", lambda error: tab.said.append(str(error)))
            tab.goto(path)
            return tab

        yield opened


def violations(tab):
    """What axe finds; it is put in by the debugger's door, past the pages' own policy."""
    if not AXE.exists():
        pytest.skip("needs axe-core: npm ci")
    tab.evaluate(AXE.read_text())
    found = tab.evaluate(f"axe.run(document, {json.dumps(RULES)})")
    return [
        (each["id"], node["html"][:150], node["failureSummary"][:300])
        for each in found["violations"]
        for node in each["nodes"]
    ]


def test_axe_finds_what_is_wrong(visit):
    tab = visit("/-/nowhere")
    tab.evaluate("document.querySelector('main').append(document.createElement('img'))")
    assert "image-alt" in {rule for rule, *_ in violations(tab)}


def fits(tab):
    return tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def check(tab, name, size, language, scheme):
    if PICTURES:
        tab.screenshot(path=f"{PICTURES}/{name}-{size}-{language}-{scheme}.png", full_page=True)
    assert fits(tab), "something is wider than the window"
    assert violations(tab) == []
    assert [each for each in tab.said if "404" not in each and "422" not in each] == []


@pytest.mark.parametrize(("name", "size", "language", "scheme"), LOOKED_AT)
def test_nobody_is_shut_out_of_any_page(visit, name, size, language, scheme):
    tab = visit(PATHS[name], size=size, language=language, scheme=scheme)
    check(tab, name, size, language, scheme)


@pytest.mark.parametrize(("sample", "size", "language", "scheme"), JUDGED)
def test_a_resource_is_judged(visit, sample, size, language, scheme):
    tab = visit(f"/-/validate?sample={sample}", size=size, language=language, scheme=scheme)
    tab.click("main button[type=submit].btn-primary")
    tab.wait_for_selector("h1")
    check(tab, f"judged-{sample[2:]}", size, language, scheme)


@pytest.mark.parametrize("path", PATHS.values() if LONG else [PATHS["patterns"], PATHS["concept"], PATHS["value-set"]])
def test_nothing_sticks_out_of_the_narrowest_window(visit, path):
    """https://www.w3.org/TR/WCAG22/#reflow."""
    assert fits(visit(path, size="narrowest"))


@pytest.mark.parametrize("scripts", [True, False])
def test_the_summary_leads_to_the_line(visit, scripts):
    tab = visit("/-/validate?sample=2-wrong", scripts=scripts)
    tab.click("main button[type=submit].btn-primary")
    tab.click(".jk-found a >> nth=-1")
    box = tab.locator(":target").bounding_box()
    assert 0 <= box["y"] < 900
    if scripts:
        tab.reload()
        assert tab.evaluate("document.activeElement.classList.contains('jk-found')")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_tree_opens_with_and_without_scripts(visit, scripts):
    tab = visit(f"/-/terminology/system?system={ACT}", scripts=scripts)
    twig = "a.jk-twig[aria-label*='_ActCareProvisionCode']"
    tab.click(twig)
    tab.wait_for_selector("text=_ActEncounterCode")
    assert ("open=" in tab.url) is (not scripts)
    assert tab.get_attribute(twig, "aria-expanded") == "true"
    if scripts:
        assert tab.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    tab.click(twig)
    tab.wait_for_selector(f"{twig}[aria-expanded=false]")
    assert tab.locator("text=_ActEncounterCode").count() == 0


@pytest.mark.parametrize("scripts", [True, False])
def test_searching_with_and_without_scripts(visit, scripts):
    tab = visit("/-/terminology", scripts=scripts)
    if scripts:
        tab.keyboard.press("/")
        assert tab.evaluate("document.activeElement.id") == "q"
    tab.locator("#q").press_sequentially("性别")
    if not scripts:
        tab.press("#q", "Enter")
    playwright.expect(tab.locator("tbody tr")).not_to_have_count(50)
    assert 0 < tab.locator("tbody tr").count() < 20
    assert "q=" in tab.url


@pytest.mark.parametrize("scripts", [True, False])
def test_where_a_code_is_used_comes_by_itself_or_by_a_link(visit, scripts):
    tab = visit(f"/-/terminology/concept?system={ACT}&code=AMB", scripts=scripts)
    if not scripts:
        tab.click("#used a")
    tab.wait_for_selector("#used li")
    assert tab.locator("#used li").count() > 5


def test_the_language_is_chosen_and_stays(visit):
    tab = visit("/-/terminology?q=sex", language="zh", scripts=False)
    tab.click("button[value=en]")
    assert tab.url.endswith("/-/terminology?q=sex")
    assert tab.get_attribute("html", "lang") == "en"
    tab.goto("/")
    assert tab.get_attribute("html", "lang") == "en"


def test_the_keyboard_alone_leads_past_the_menu(visit):
    tab = visit("/-/validate")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "jk-skip"
    assert tab.locator(".jk-skip").bounding_box()["x"] >= 0
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main"


def test_the_dark_follows_the_screen_and_print_is_light(visit):
    tab = visit("/", scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    assert tab.evaluate(colour) == "rgb(18, 23, 29)"
    tab.emulate_media(color_scheme="light")
    assert tab.evaluate(colour) == "rgb(245, 247, 249)"
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate(colour) == "rgb(255, 255, 255)"
    assert not tab.is_visible("header")
