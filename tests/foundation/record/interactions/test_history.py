"""history of a resource, a type, the record: http://hl7.org/fhir/R4/http.html#history."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import pytest


def versions(bundle):
    return [
        (entry["request"]["method"], entry["response"]["status"].split()[0], entry["response"]["etag"])
        for entry in bundle["entry"]
    ]


def walk(ask, path, query):
    """All entries, page by page."""
    found = []
    for _ in range(100):
        bundle = ask("GET", path, query=query, status=200).value
        found += bundle.get("entry", [])
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        if not following:
            return found
        query = urlsplit(following[0]).query
    raise AssertionError("no end")


@pytest.fixture
def lived(ask):
    """A resource that was made, changed, patched, deleted and made again."""
    stored = ask.patient(active=True)
    path = f"/Patient/{stored['id']}"
    ask("PUT", path, {**stored, "active": False}, status=200)
    patch = [{"op": "replace", "path": "/active", "value": True}]
    ask("PATCH", path, patch, status=200, content_type="application/json-patch+json")
    ask("DELETE", path, status=204)
    ask("PUT", path, stored, status=201)
    return path


def test_every_version_is_listed_newest_first_with_what_made_it(ask, lived):
    bundle = ask("GET", f"{lived}/_history", status=200).value
    assert bundle["type"] == "history"
    assert bundle["total"] == 5
    assert versions(bundle) == [
        ("PUT", "201", 'W/"5"'), ("DELETE", "204", 'W/"4"'), ("PATCH", "200", 'W/"3"'), ("PUT", "200", 'W/"2"'),
        ("POST", "201", 'W/"1"'),
    ]  # fmt: skip
    assert "resource" not in bundle["entry"][1]
    assert bundle["entry"][4]["resource"]["meta"]["versionId"] == "1"
    assert bundle["entry"][4]["request"]["url"] == "Patient"
    assert all(entry["fullUrl"].endswith(lived) for entry in bundle["entry"])


def test_pages_follow_one_another_without_gap_or_repeat(ask, lived):
    found = walk(ask, f"{lived}/_history", "_count=2")
    assert [entry["response"]["etag"] for entry in found] == [f'W/"{n}"' for n in (5, 4, 3, 2, 1)]
    of_type = walk(ask, "/Patient/_history", "_count=3")
    everything = walk(ask, "/_history", "_count=7")
    for whole in (of_type, everything):
        keys = [(entry["fullUrl"], entry["response"]["etag"]) for entry in whole]
        assert len(keys) == len(set(keys))
        times = [entry["response"]["lastModified"] for entry in whole]
        assert times == sorted(times, reverse=True)
        mine = [etag for url, etag in keys if url.endswith(lived)]
        assert mine == [f'W/"{n}"' for n in (5, 4, 3, 2, 1)]


def test_since_and_at_bound_what_is_listed(ask):
    stored = ask.patient()
    path = f"/Patient/{stored['id']}"
    time.sleep(0.01)
    middle = quote((datetime.now(UTC)).isoformat(timespec="milliseconds"))
    time.sleep(0.01)
    ask("PUT", path, stored, status=200)
    assert versions(ask("GET", f"{path}/_history", query=f"_since={middle}").value) == [("PUT", "200", 'W/"2"')]
    assert versions(ask("GET", f"{path}/_history", query=f"_at={middle}").value) == [("POST", "201", 'W/"1"')]
    later = quote((datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert ask("GET", f"{path}/_history", query=f"_since={later}").value.get("entry", []) == []
    assert len(ask("GET", "/Patient/_history", query=f"_since={middle}").value["entry"]) >= 1


def test_a_count_of_nothing_tells_only_how_many(ask, lived):
    bundle = ask("GET", f"{lived}/_history", query="_count=0", status=200).value
    assert bundle["total"] == 5
    assert "entry" not in bundle


@pytest.mark.parametrize("query", ["_since=yesterday", "_count=x", "_count=-1", "_sort=x", "_at=2020-99"])
def test_what_history_does_not_know_is_refused(ask, lived, query):
    assert ask("GET", f"{lived}/_history", query=query, status=400).value["resourceType"] == "OperationOutcome"


def test_lenient_senders_are_answered_all_the_same(ask, lived):
    ask("GET", f"{lived}/_history", query="_sort=x", status=200, prefer="handling=lenient")
