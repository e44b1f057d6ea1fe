"""Searches as a client sends them: by address and form, in compartments, over all types, page by page."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from jiankang.foundation.record.api import create_fhir_app
from jiankang.kernel.settings import Settings


@pytest.fixture
async def client(world):
    app = create_fhir_app(world.record, settings=Settings(), secret=b"s" * 16)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://t") as made:
        yield made


def ids(answer):
    assert answer.status_code == 200, answer.text
    return {one["resource"]["id"] for one in answer.json().get("entry", []) if one["search"]["mode"] == "match"}


async def test_a_posted_search_joins_the_form_and_the_address(client):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    posted = await client.post("/Patient/_search?gender=male", content="name=smith&birthdate=1980", headers=form)
    assert ids(posted) == {"p2"}
    assert ids(await client.post("/Patient/_search?gender=male", content="", headers=form)) == {"p2", "p3"}
    assert ids(await client.post("/_search", content="_type=Patient&_id=p1", headers=form)) == {"p1"}
    within = await client.post("/Patient/p1/Observation/_search", content="code=8480-6", headers=form)
    assert ids(within) == {"b1", "b2"}
    assert (
        await client.post("/Patient/_search", content="{}", headers={"Content-Type": "application/json"})
    ).status_code == 415
    assert ids(await client.post("/Patient/_search", content="name=%E5%BC%A0", headers=form)) == {"p3"}


async def test_compartments_hold_one_type_or_all(client):
    assert ids(await client.get("/Patient/p1/Observation")) == {"b1", "b2", "b7"}
    assert ids(await client.get("/Patient/p1/Observation?date=ge2020&_sort=date")) == {"b1", "b2"}
    assert ids(await client.get("/Patient/p1/*")) == {"p1", "b1", "b2", "b7", "e1"}
    assert ids(await client.get("/Practitioner/d1/Patient")) == {"p1"}
    assert (await client.get("/Organization/o1/Patient")).status_code == 404
    assert (await client.get("/Patient/p1/Nothing")).status_code == 404


async def test_all_types_at_once(client):
    assert ids(await client.get("/?_type=Patient,List&_id=p1,l1")) == {"p1", "l1"}
    assert ids(await client.get("/?_tag=blue")) == {"p1"}
    assert ids(await client.get("/?_profile:below=http://example.org")) == {"p1"}
    assert (await client.get("/?_type=Patient,Observation&birthdate=2000")).status_code == 400


async def test_links_lead_through_all_pages_and_a_forged_one_is_refused(client):
    page = await client.get("/Observation?_sort=-date&_count=2&patient.name=smith")
    seen = []
    while True:
        body = page.json()
        seen += [one["resource"]["id"] for one in body["entry"]]
        link = next((one["url"] for one in body["link"] if one["relation"] == "next"), None)
        if link is None:
            break
        forged = re.sub(r"(_cursor=.)(.)", lambda m: m[1] + ("A" if m[2] != "A" else "B"), link)
        assert (await client.get(forged)).status_code == 400
        assert (await client.get(link.replace("Observation?", "Patient?"))).status_code == 400
        page = await client.get(link)
        assert page.status_code == 200
    assert seen == ["b4", "b2", "b1", "b3", "b7"]
    for text in ("", "A", "%00", "=" * 10, "A" * 5000, "张", "AAAA.BBBB"):
        assert (await client.get("/Observation", params={"_sort": "-date", "_cursor": text or " "})).status_code == 400


async def test_totals_and_counts_as_asked(client):
    async def total(query):
        return (await client.get(f"/Observation?{query}")).json().get("total")

    assert await total("_count=0") == 7
    assert await total("_count=2") is None
    assert await total("_count=2&_total=none") is None
    assert await total("_count=2&_total=accurate") == 7
    assert await total("_count=2&_total=estimate") == 7
    assert await total("_summary=count&code=8480-6") == 3
    assert "entry" not in (await client.get("/Observation?_count=0")).json()


async def test_explain_says_how_and_changes_nothing(client):
    told = json.loads((await client.get("/Observation?patient=p1&code=http://loinc.org|8480-6&_explain=true")).text)
    assert {"types", "criteria", "counts", "shape", "driver", "tested", "statements", "bounds"} <= set(told)
    assert told["shape"] == "time"
    assert any("Index" in line for line in told["statements"][0]["plan"])
