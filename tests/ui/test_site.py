"""What all pages have in common: languages, protection, files, problems."""

from __future__ import annotations

import gzip
import re

import pytest

from jiankang.ui.assets import Assets
from jiankang.ui.languages import _asked_for

PATHS = ["/", "/-/patterns", "/-/nowhere", "/-/validate", "/-/terminology", "/-/identity"]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("path", PATHS)
def test_pages_are_whole_in_both_languages(pages, complaints, path, language):
    shown = pages.get(path, language, status=404 if path == "/-/nowhere" else 200)
    assert complaints(shown, language) == []


@pytest.mark.parametrize("path", PATHS)
def test_every_page_forbids_what_is_foreign(pages, path):
    shown = pages.get(path, status=404 if path == "/-/nowhere" else 200)
    policy = dict(each.split(" ", 1) for each in shown.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in shown.headers["content-security-policy"]
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["cross-origin-opener-policy"] == "same-origin"
    assert shown.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("", "zh"),
        ("en", "en"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("fr,en;q=0.2", "en"),
        ("zh-HK", "zh"),
        ("ru", "zh"),
        ("en;q=0,zh;q=0.1", "zh"),
        ("en;q=0", "zh"),
        ("en;q=high", "zh"),
        ("*", "zh"),
        (",,;;=", "zh"),
    ],
)
def test_the_browser_says_which_language_and_chinese_is_else(asked, given):
    assert _asked_for(asked).code == given


def test_a_chosen_language_is_kept_and_goes_before_the_browsers(pages):
    shown = pages.post("/-/language", "zh", status=303, language="en", back="/-/validate?sample=1-right")
    assert shown.headers["location"] == "/-/validate?sample=1-right"
    cookie = shown.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax"} <= set(cookie.split("; "))
    shown = pages.get("/", "zh", cookie=cookie.split(";")[0])
    assert shown.tree.get("lang") == "en"


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""]
)
def test_choosing_a_language_never_leads_elsewhere(pages, back):
    assert pages.post("/-/language", status=303, language="en", back=back).headers["location"] == "/"


def test_an_unknown_language_is_not_kept(pages):
    assert "set-cookie" not in pages.post("/-/language", status=303, language="tlh", back="/").headers


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}, {"origin": "null"}])  # fmt: skip
def test_forms_sent_from_elsewhere_are_refused(pages, headers):
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert pages.ask("POST", "/-/language", b"language=en", **form, **headers).status == 403
    assert pages.ask("POST", "/-/validate", b"resource=%7B%7D", **form, **headers).status == 403


@pytest.mark.parametrize("headers", [{}, {"sec-fetch-site": "same-origin"}, {"origin": "http://here.example"}])
def test_forms_of_our_own_are_taken(pages, headers):
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert pages.ask("POST", "/-/language", b"language=en", **form, **headers).status == 303


def test_files_are_named_by_their_content_and_kept_for_a_year(pages):
    shown = pages.get("/")
    addresses = [each for each in re.findall(r'(?:href|src)="(/-/static/[^"]+)"', shown.text) if "svg" not in each]
    assert len(addresses) == 4
    for address in addresses:
        packed, plain = pages.get(address), pages.get(address, accept_encoding="identity")
        assert "immutable" in packed.headers["cache-control"]
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.body == plain.body
        assert "content-encoding" not in plain.headers
        assert len(gzip.compress(plain.body)) < len(plain.body)
    pages.get(re.sub(r"/[0-9a-f]{12}/", "/000000000000/", addresses[0]), status=404)


def test_the_style_sheet_is_dark_for_who_prefers_that_and_fetches_nothing(pages):
    address = re.search(r'href="(/-/static/[^"]+tabler.css)"', pages.get("/").text)[1]
    css = pages.get(address).text
    dark = re.findall(r"@media screen and \(prefers-color-scheme:dark\)\{(:root[^{]*)\{([^}]*)\}", css)
    assert any("color-scheme:dark" in rule and "--tblr" in rule for _, rule in dark)
    assert not re.search(r"@import|url\((?![\"']?data:)|sourceMappingURL", css)


def test_a_form_that_is_not_one_is_refused(pages):
    same = {"sec-fetch-site": "same-origin"}
    assert pages.ask("POST", "/-/validate", b"{}", **same, **{"content-type": "application/json"}).status == 415
    assert pages.ask("POST", "/-/language", b"x" * 11_000, **same).status == 413
    assert pages.ask("POST", "/-/language", b"language=%FF", **same).status == 400
    assert pages.ask("PUT", "/-/validate", b"", **same).status == 405


def test_a_bug_is_a_page_with_a_number_that_the_log_has(pages, caplog):
    pages.app.state.server = None
    try:
        shown = pages.get("/-/validate", "zh", status=500)
    finally:
        pages.app.state.server = pages.server
    number = shown.words("//main//code")[0]
    assert any(number in record.getMessage() and record.exc_info for record in caplog.records)
    assert "NoneType" not in shown.text
    assert shown.headers["content-security-policy"]


def test_the_front_page_says_how_the_server_is(pages):
    shown = pages.get("/", "zh")
    assert "运行正常" in shown.words("//*[@id='state']")[0]
    assert {"/-/validate", "/-/terminology", "/fhir/metadata?_pretty=true", "/health"} <= set(shown.links())
    assert pages.get("/health").text == '{"status":"up"}'


def test_without_its_files_a_page_is_plain_but_there(tmp_path, caplog):
    (tmp_path / "own.css").write_text("a{}")
    assets = Assets([tmp_path])
    assert assets.url("own.css").endswith("/own.css")
    assert assets.url("tabler.css") == "/-/static/missing/tabler.css"
    assert "make setup" in caplog.text
