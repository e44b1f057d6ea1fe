"""Searches of the record that ask what codes mean: `:in`, `:not-in`, `:below`, `:above` and their like in `_filter`."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from jiankang.main import compose

COLOURS = "http://example.org/colours"
SEEN = {"o-red": "red", "o-crimson": "crimson", "o-blue": "blue", "o-navy": "navy"}


@pytest.fixture(scope="module")
def coloured(rig):
    compose(rig.platform.app.server)
    for id_, code in SEEN.items():
        rig.put(
            {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": COLOURS, "code": code}]}},
            id_,
        )
    rig.put({"resourceType": "Observation", "status": "final", "code": {"text": "no code at all"}}, "o-none")
    rig.put(
        {
            "resourceType": "ValueSet", "url": "http://example.org/reds", "status": "active",
            "compose": {"include": [
                {"system": COLOURS, "filter": [{"property": "concept", "op": "is-a", "value": "red"}]}]},
        },
        "reds",
    )  # fmt: skip
    yield rig
    rig.platform.app.server.registry.meaning = None


def found(rig, query):
    bundle = rig.platform("GET", "/Observation", query=query.encode()).value
    assert bundle["resourceType"] == "Bundle", bundle
    return {entry["resource"]["id"] for entry in bundle.get("entry", [])}


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("code:in=http://example.org/reds", {"o-red", "o-crimson"}),
        ("code:not-in=http://example.org/reds", {"o-blue", "o-navy", "o-none"}),
        (f"code:below={COLOURS}|red", {"o-red", "o-crimson"}),
        (f"code:below={COLOURS}|colour", set(SEEN)),
        (f"code:below={COLOURS}|red,{COLOURS}|navy", {"o-red", "o-crimson", "o-navy"}),
        (f"code:above={COLOURS}|crimson", {"o-red", "o-crimson"}),
        ("code:in=http://example.org/reds&status=final&_sort=-_lastUpdated", {"o-red", "o-crimson"}),
        ("combo-code:in=http://example.org/reds", {"o-red", "o-crimson"}),
        (f"_filter={quote('code in http://example.org/reds')}", {"o-red", "o-crimson"}),
        (f"_filter={quote('code ni http://example.org/reds and status eq final')}", {"o-blue", "o-navy", "o-none"}),
        (f"_filter={quote(f'code sb {COLOURS}|blue')}", {"o-blue", "o-navy"}),
        (f"_filter={quote(f'code ss {COLOURS}|navy')}", {"o-blue", "o-navy"}),
    ],
)
def test_codes_are_found_by_what_they_mean(coloured, query, ids):
    assert found(coloured, query) == ids


def test_a_changed_value_set_changes_what_is_found(coloured):
    few = {"resourceType": "ValueSet", "url": "http://example.org/few", "status": "active"}
    coloured.put({**few, "compose": {"include": [{"system": COLOURS, "concept": [{"code": "red"}]}]}}, "few")
    assert found(coloured, "code:in=http://example.org/few") == {"o-red"}
    coloured.put({**few, "compose": {"include": [{"system": COLOURS, "concept": [{"code": "navy"}]}]}}, "few")
    assert found(coloured, "code:in=http://example.org/few") == {"o-navy"}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("code:in=http://example.org/unheard-of", "unheard-of"),
        ("code:in=reds", "canonical URL"),
        ("code:below=red", "system|code"),
        (f"code:below={COLOURS}|", "system|code"),
        ("identifier:in=http://example.org/reds", "about codes"),
    ],
)
def test_what_cannot_be_known_is_refused_with_a_reason(coloured, query, said):
    answer = coloured.platform("GET", "/Observation", query=query.encode())
    assert answer.status == 400
    assert said in answer.value["issue"][0]["details"]["text"]
