"""History with every parameter of the norm: http://hl7.org/fhir/R4/http.html#history."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import pytest

from jiankang.foundation.access import Actor, InCompartment


def now():
    time.sleep(0.01)
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    time.sleep(0.01)
    return moment


def etags(answer):
    return [entry["response"]["etag"] for entry in answer.value.get("entry", [])]


def a_list(*references):
    return {"resourceType": "List", "status": "current", "mode": "working",
            "entry": [{"item": {"reference": one}} for one in references]}  # fmt: skip


@pytest.fixture(scope="module")
def lived(ask):
    """A resource of three versions, and the moments before, between and after."""
    times = [now()]
    stored = ask.patient(active=True)
    times.append(now())
    ask("PUT", f"/Patient/{stored['id']}", {**stored, "active": False}, status=200)
    times.append(now())
    ask("PUT", f"/Patient/{stored['id']}", stored, status=200)
    times.append(now())
    return f"/Patient/{stored['id']}", times


@pytest.mark.parametrize("level", ["instance", "type", "system"])
def test_at_a_moment_the_version_of_then_was_current(ask, lived, level):
    path, times = lived
    where = {"instance": f"{path}/_history", "type": "/Patient/_history", "system": "/_history"}[level]
    for moment, expected in zip(times, ([], ['W/"1"'], ['W/"2"'], ['W/"3"']), strict=True):
        found = ask("GET", where, query=f"_at={quote(moment)}&_count=1000", status=200).value.get("entry", [])
        assert [one["response"]["etag"] for one in found if one["fullUrl"].endswith(path)] == expected


@pytest.mark.parametrize("level", ["instance", "type", "system"])
def test_in_a_period_every_version_of_that_time_was_current(ask, lived, level):
    path, times = lived
    where = {"instance": f"{path}/_history", "type": "/Patient/_history", "system": "/_history"}[level]
    day = times[0][:10]
    for period in (day, day[:7], day[:4]):
        found = ask("GET", where, query=f"_at={period}&_count=1000", status=200).value["entry"]
        assert [e["response"]["etag"] for e in found if e["fullUrl"].endswith(path)] == ['W/"3"', 'W/"2"', 'W/"1"']
    before = (datetime.now(UTC) - timedelta(days=400)).year
    assert etags(ask("GET", where, query=f"_at={before}", status=200)) == []
    ask("GET", where, query="_at=9999-12-31&_since=9999", status=200)


def test_a_list_chooses_resources_and_single_versions(ask, lived):
    path, _ = lived
    other = ask.patient()
    chosen = ask("POST", "/List", a_list(
        f"{path[1:]}/_history/2", f"Patient/{other['id']}", "https://elsewhere.example/Patient/1", "Patient?x=1"
    ), status=201).value["id"]  # fmt: skip
    for name in (chosen, f"List/{chosen}"):
        for where in ("/Patient/_history", "/_history"):
            found = ask("GET", where, query=f"_list={name}", status=200).value
            assert found["total"] == 2
            assert {(one["fullUrl"].rsplit("/", 1)[1], one["response"]["etag"]) for one in found["entry"]} == {
                (path.rsplit("/", 1)[1], 'W/"2"'), (other["id"], 'W/"1"'),
            }  # fmt: skip
    assert etags(ask("GET", f"{path}/_history", query=f"_list={chosen}", status=200)) == ['W/"2"']
    empty = ask("POST", "/List", {"resourceType": "List", "status": "current", "mode": "working"}, status=201)
    assert etags(ask("GET", "/_history", query=f"_list={empty.value['id']}", status=200)) == []
    ask("GET", "/_history", query="_list=never-was", status=404)


def test_a_list_that_is_hidden_chooses_nothing_and_shows_nothing_hidden(ask, lived):
    path, _ = lived
    mine = ask.patient()
    hidden = ask("POST", "/List", {**a_list(path[1:]), "subject": {"reference": path[1:]}}, status=201).value["id"]
    seen = ask("POST", "/List", {**a_list(path[1:], f"Patient/{mine['id']}"),
               "subject": {"reference": f"Patient/{mine['id']}"}}, status=201).value["id"]  # fmt: skip
    server = ask.platform.app.server
    local, server.authenticate = server.authenticate, lambda _: Actor("nurse", InCompartment("Patient", [mine["id"]]))
    try:
        ask("GET", "/_history", query=f"_list={hidden}", status=404)
        found = ask("GET", "/_history", query=f"_list={seen}", status=200).value
    finally:
        server.authenticate = local
    assert [one["fullUrl"].rsplit("/", 1)[1] for one in found["entry"]] == [mine["id"]]
    assert found["total"] == 1


def test_a_history_is_shown_in_parts_as_a_search_is(ask, lived):
    path, _ = lived
    for query, member in (("_summary=true", "active"), ("_elements=identifier", "identifier")):
        shown = ask("GET", f"{path}/_history", query=query, status=200).value["entry"][0]["resource"]
        assert member in shown
        assert shown["meta"]["tag"][-1]["code"] == "SUBSETTED"
    counted = ask("GET", f"{path}/_history", query="_summary=count", status=200).value
    assert (counted["total"], counted.get("entry")) == (3, None)
    ask("GET", f"{path}/_history", query="_summary=some", status=400)


@pytest.mark.parametrize("level", ["instance", "type", "system"])
def test_what_was_made_again_says_so_on_every_page(ask, level):
    stored = ask.patient()
    path = f"/Patient/{stored['id']}"
    ask("DELETE", path, status=204)
    ask("PUT", path, stored, status=201)
    ask("PUT", path, stored, status=200)
    where = {"instance": f"{path}/_history", "type": "/Patient/_history", "system": "/_history"}[level]
    query, found = "_count=1", []
    for _ in range(4):
        page = ask("GET", where, query=query, status=200).value
        found += [(one["request"]["method"], one["response"]["status"].split()[0]) for one in page["entry"]]
        query = urlsplit(next((link["url"] for link in page["link"] if link["relation"] == "next"), "")).query
    assert found == [("PUT", "200"), ("PUT", "201"), ("DELETE", "204"), ("POST", "201")]


def test_an_update_under_an_id_that_a_condition_did_not_find_replaces_nothing(ask, new_id):
    other = ask.patient()
    body = {"resourceType": "Patient", "id": other["id"]}
    for sent in (
        ask("PUT", "/Patient", body, query=f"identifier=urn:n|{new_id}"),
        ask("POST", "/", {"resourceType": "Bundle", "type": "transaction", "entry": [
            {"resource": body, "request": {"method": "PUT", "url": f"Patient?identifier=urn:n|{new_id}"}}]}),
    ):  # fmt: skip
        assert sent.status == 409
        assert sent.value["issue"][0]["code"] == "duplicate"
    assert ask("GET", f"/Patient/{other['id']}").headers["etag"] == 'W/"1"'
    ask("DELETE", f"/Patient/{other['id']}", status=204)
    ask("PUT", "/Patient", body, query=f"identifier=urn:n|{new_id}", status=201)
