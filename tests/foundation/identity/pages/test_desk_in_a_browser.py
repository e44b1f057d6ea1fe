"""The steward's desk in a real browser: one key decides, one takes it back, and nobody is shut out.

Browser, windows and axe are those of tests/ui/test_in_a_browser.py; skips, saying so, without them.
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location(
    "in_a_browser", Path(__file__).parents[3] / "ui" / "test_in_a_browser.py"
)
windows = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(windows)
address, browser, visit = windows.address, windows.browser, windows.visit
pytestmark = windows.pytestmark

DESK = "/-/identity"
SETTLED_SECONDS = 0.32
"""Keys that decide wait so long after a page has come."""
LOOKED_AT = [
    (path, size, language, scheme)
    for path in ("question", "decided", "queue", "unmatchable", "history", "automatic")
    for size in ("wide", "narrow")
    for language, scheme in (("zh", "light"), ("en", "dark"), ("zh", "dark"), ("en", "light"))
] if windows.LONG else [
    ("question", "narrow", "zh", "light"), ("decided", "wide", "en", "dark"), ("history", "narrow", "zh", "dark"),
]  # fmt: skip


def press(tab, key):
    """A key that decides, once the page has been looked at."""
    time.sleep(SETTLED_SECONDS)
    with tab.expect_navigation():
        tab.keyboard.press(key)


@pytest.mark.parametrize(("name", "size", "language", "scheme"), LOOKED_AT)
def test_nobody_is_shut_out_of_the_desk(visit, ask, put, patient, name, size, language, scheme):
    task, *_ = ask(
        mine={"phone": "13907551234", "address": "海口市龙华区滨海大道8号"}, phone="139 0755 1235", active=False
    )
    put(patient("browsed", "无名氏"))
    tab = visit(f"{DESK}/questions/{task}", size=size, language=language, scheme=scheme)
    if name in {"decided", "history"}:
        press(tab, "d")
    if name not in {"question", "decided"}:
        tab.goto(DESK if name == "queue" else f"{DESK}/{name}")
    windows.check(tab, f"desk-{name}", size, language, scheme)


def test_nothing_of_a_question_sticks_out_of_the_narrowest_window(visit, ask):
    """https://www.w3.org/TR/WCAG22/#reflow."""
    task, *_ = ask("长" * 60, "A" * 80)
    assert windows.fits(visit(f"{DESK}/questions/{task}", size="narrowest"))


def test_one_key_decides_and_one_takes_it_back(visit, ask, person_of):
    task, one, two = ask()
    ask()
    tab = visit(f"{DESK}/questions/{task}")
    press(tab, "s")
    assert person_of(one) == person_of(two)
    assert "done=" in tab.url
    assert tab.evaluate("document.activeElement.getAttribute('role')") == "status"
    press(tab, "u")
    assert person_of(one) != person_of(two)
    assert f"/questions/{task}?" in tab.url
    press(tab, "d")
    assert person_of(one) != person_of(two)
    press(tab, "u")
    assert tab.is_visible("#decide button[value=same]")
    assert tab.said == []


@pytest.mark.parametrize("scripts", [True, False])
def test_buttons_decide_with_and_without_scripts(visit, ask, person_of, scripts):
    task, one, two = ask()
    tab = visit(f"{DESK}/questions/{task}", scripts=scripts)
    tab.fill("#note", "现场核实")
    tab.click("#decide button[value=same]")
    tab.wait_for_selector("[role=status] button")
    assert person_of(one) == person_of(two)
    tab.click("[role=status] button")
    tab.wait_for_selector("#decide button[value=same]")
    assert person_of(one) != person_of(two)


def test_keys_lead_from_question_to_question_and_to_the_note(visit, ask):
    tasks = [ask()[0] for _ in range(3)]
    tab = visit(f"{DESK}/questions/{tasks[1]}")
    for key, task in (("k", tasks[0]), ("j", tasks[1]), ("l", tasks[2])):
        press(tab, key)
        assert tab.url.endswith(f"/questions/{task}")
    time.sleep(SETTLED_SECONDS)
    tab.keyboard.press("n")
    tab.keyboard.type("sudden")
    assert tab.input_value("#note") == "sudden"
    tab.keyboard.press("Escape")
    assert tab.evaluate("document.activeElement.id") == ""
    assert tab.url.endswith(f"/questions/{tasks[2]}")


def test_a_key_too_early_held_down_with_another_or_turned_off_decides_nothing(visit, ask, person_of):
    task, one, two = ask()
    tab = visit(f"{DESK}/questions/{task}")
    tab.evaluate("window.dispatchEvent(new Event('pageshow'))")
    tab.keyboard.press("s")
    time.sleep(SETTLED_SECONDS)
    tab.keyboard.press("Alt+s")
    tab.evaluate("document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 's', repeat: true, bubbles: true}))")
    with tab.expect_navigation():
        tab.click(".jk-keys button")
    time.sleep(SETTLED_SECONDS)
    tab.keyboard.press("s")
    tab.wait_for_timeout(200)
    assert tab.url.endswith(f"/questions/{task}")
    assert person_of(one) != person_of(two)
    assert tab.said == []


def test_the_queue_is_filtered_as_soon_as_a_reason_is_chosen(visit, ask):
    ask()
    tab = visit(DESK)
    tab.select_option("#reason", "veto.sex")
    tab.wait_for_url("**reason=veto.sex")
    assert tab.locator("tbody tr").count() > 0
    tab.click("#results .btn-primary")
    assert "reason=veto.sex" in tab.url


def test_a_question_prints_without_what_only_screens_need(visit, ask):
    tab = visit(f"{DESK}/questions/{ask()[0]}")
    tab.emulate_media(media="print")
    assert not tab.is_visible("#decide")
    assert tab.is_visible(".jk-pair mark >> nth=0")
