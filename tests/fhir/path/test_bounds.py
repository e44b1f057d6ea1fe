"""Expressions and data that ask for too much are refused in bounded time and memory."""

from __future__ import annotations

import time

import pytest

from jiankang.fhir.path import PathMeaningError, PathRunError, PathSyntaxError, compile_path
from jiankang.kernel.errors import Invalid

RESOURCE = {"resourceType": "Patient", "name": [{"given": ["x"] * 40} for _ in range(40)]}


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "name.",
        "name given",
        "(" * 1000 + "1" + ")" * 1000,
        "-" * 50_000 + "1",
        "- " * 500 + "1",
        ".".join(["name"] * 500),
        " | ".join(["name"] * 3000),
        "a" * 20_000,
        "9" * 5000,
        "iif(" * 100 + "1" + ")" * 100,
        "'unfinished",
        "name[0",
        "@2024-13-45T99",
        "'\\u12'",
        "%",
        "$that",
        "name.where(",
        "/* not closed",
        "1 +* 2",
        "\x00",
    ],
)
def test_bad_text_is_refused_with_its_place(expression):
    with pytest.raises(Invalid):
        compile_path(expression).evaluate(RESOURCE)


def test_a_mistake_is_told_with_line_and_column():
    with pytest.raises(PathSyntaxError, match="line 2, column 3"):
        compile_path("name\n  ) or")


@pytest.mark.parametrize(
    "expression",
    [
        "name.given.select(%resource.name.given.select(%resource.name.given.select(%resource.name.given))).count()",
        "(1).repeat($this + 1)",
        "'x'.repeat($this & $this)",
        "descendants().select(%resource.descendants().select(%resource.descendants())).count()",
    ],
)
def test_runaway_work_is_stopped(expression):
    started = time.perf_counter()
    with pytest.raises(PathRunError):
        compile_path(expression).evaluate(RESOURCE)
    assert time.perf_counter() - started < 10


def test_patterns_run_in_linear_time():
    path = compile_path("'" + "a" * 5000 + "!'.matches('^(a+)+$')")
    started = time.perf_counter()
    assert path.evaluate(RESOURCE) == [False]
    assert time.perf_counter() - started < 8


@pytest.mark.parametrize("pattern", ["(", "(?<=a)b", "(a)\\\\1", "x{1,100000}", "a" * 5000])
def test_patterns_that_cannot_run_in_linear_time_are_refused(pattern):
    with pytest.raises(PathRunError):
        compile_path(f"'text'.matches('{pattern}')").evaluate(RESOURCE)


def test_conditions_nest_only_so_deep():
    with pytest.raises((PathMeaningError, PathSyntaxError)):
        compile_path("name.where(" * 20 + "true" + ")" * 20)


def test_text_of_the_expression_never_becomes_code():
    for text in ("');import os;('", "{x}", '"""', "\\\\", "__import__", "\\'"):
        assert compile_path("'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'").values(RESOURCE) == [text]
    compile_path("`a'); raise SystemExit(1); ('`").evaluate(RESOURCE)


def test_narratives_with_active_content_fail_the_checks():
    path = compile_path("text.div.htmlChecks()")
    good = '<div xmlns="http://www.w3.org/1999/xhtml"><p class="a">Hello <a href="#x">you</a></p></div>'
    bad = [
        "<div><script>1</script></div>",
        "<div onclick='x()'>a</div>",
        "<div><a href='java\nscript:alert(1)'>a</a></div>",
        "<p>no div</p>",
        "<div></div>",
        "<div>open",
        "<div>a</div><div>b</div>",
    ]

    def answer(html):
        return path.values({"resourceType": "Patient", "text": {"div": html}})

    assert answer(good) == [True]
    assert [answer(html) for html in bad] == [[False]] * len(bad)


def test_texts_cannot_grow_without_bound():
    growing = "'xxxxxxxxxx'" + ".replace('x', 'xxxxxxxxxx')" * 8
    with pytest.raises(PathRunError):
        compile_path(growing).evaluate(RESOURCE)
