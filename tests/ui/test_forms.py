"""What an address or a form says, tamed."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from jiankang.ui import link, page_number
from jiankang.ui.protection import is_same_site


@pytest.mark.parametrize(
    ("said", "meant"),
    [("1", 1), ("7", 7), (None, 1), ("", 1), ("0", 1), ("-3", 1), ("x", 1), ("٣", 1), ("²", 1), ("99999999999", 1), ("1234567", 10_000)],
)  # fmt: skip
def test_a_page_number_is_a_small_whole_number(said, meant):
    assert page_number(said) == meant


@pytest.mark.parametrize(
    ("query", "address"),
    [
        ({}, "/a"),
        ({"q": "", "n": None, "f": False}, "/a"),
        ({"q": "a&b c", "page": 2}, "/a?q=a%26b+c&page=2"),
        ({"q": "性别"}, "/a?q=%E6%80%A7%E5%88%AB"),
    ],
)
def test_an_address_leaves_out_what_is_empty(query, address):
    assert link("/a", **query) == address


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({}, True),
        ({"host": "a.example", "origin": "https://a.example"}, True),
        ({"host": "a.example:8000", "origin": "http://a.example:8000"}, True),
        ({"host": "a.example", "origin": "https://A.example"}, True),
        ({"host": "a.example", "origin": "https://a.example.evil.example"}, False),
        ({"host": "a.example:8000", "origin": "http://a.example:9000"}, False),
        ({"host": "a.example", "origin": "null"}, False),
        ({"origin": "null"}, False),
        ({"host": "", "origin": ""}, False),
        ({"host": "a.example", "origin": "https://a.example", "sec-fetch-site": "cross-site"}, False),
        ({"host": "inside", "origin": "https://outside.example", "sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": ""}, False),
    ],
)
def test_a_form_is_ours_when_the_browser_says_so(headers, ours):
    assert is_same_site(Headers(headers)) is ours
