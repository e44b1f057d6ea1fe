"""The life of a search parameter as a client sees it."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from jiankang.fhir.search import Registry
from jiankang.foundation.record.api import create_fhir_app
from jiankang.foundation.record.reindexing import Catalogue
from jiankang.foundation.record.reindexing.passes import Pace, Passes
from jiankang.foundation.record.store import Record
from jiankang.kernel.settings import Settings

PARAMETER = {
    "resourceType": "SearchParameter",
    "url": "http://jiankang.test/SearchParameter/marriage",
    "name": "Marriage",
    "status": "active",
    "description": "婚姻状况",
    "code": "marriage",
    "base": ["Patient"],
    "type": "token",
    "expression": "Patient.maritalStatus",
}


@pytest.fixture
async def client(database_url):
    from jiankang.fhir.search import default_registry

    registry = default_registry()
    async with Record.open(database_url) as record:
        pace = Pace(batch=50, quiet_seconds=0, settle_seconds=0)
        async with Catalogue(record, registry, Passes(record, registry, pace)).running():
            app = create_fhir_app(record, settings=Settings(), secret=b"k" * 16)
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://t") as made:
                yield made


def values(parameters):
    """The parts of each pass."""
    return [
        {part["name"]: next(v for k, v in part.items() if k.startswith("value")) for part in one["part"]}
        for one in parameters["parameter"]
        if one["name"] == "pass"
    ]


async def test_a_parameter_is_posted_watched_searched_by_and_retired(client):
    for n in range(120):
        married = {"coding": [{"system": "urn:m", "code": "MS"[n % 2]}]}
        made = await client.post("/Patient", json={"resourceType": "Patient", "maritalStatus": married})
        assert made.status_code == 201
    unknown = await client.get("/Patient?marriage=M")
    assert unknown.status_code == 400
    posted = await client.post("/SearchParameter", json=PARAMETER)
    assert posted.status_code == 201, posted.text
    id_ = posted.json()["id"]
    early = await client.get("/Patient?marriage=M&_summary=count")
    assert early.status_code in {200, 400}
    if early.status_code == 200:
        assert early.json()["total"] == 60
    for _ in range(200):
        status = (await client.get(f"/SearchParameter/{id_}/$reindex-status")).json()
        if status["parameter"][0]["valueCode"] == "ready":
            break
        await asyncio.sleep(0.05)
    (told,) = values(status)
    assert (told["done"], told["total"], told["percent"], told["code"]) == (120, 120, 100, "marriage")
    await until(client, "/Patient?marriage=M&_summary=count", 200)
    found = await client.get("/Patient?marriage=M&_summary=count")
    assert found.json()["total"] == 60
    shown = (await client.get("/metadata")).json()["rest"][0]["resource"]
    patient = next(one for one in shown if one["type"] == "Patient")
    assert {"name": "marriage", "type": "token", "definition": PARAMETER["url"]} in patient["searchParam"]
    assert values((await client.get("/$reindex")).json())[0]["type"] == "Patient"
    assert (await client.post("/$reindex?_type=Patient")).status_code == 202
    assert (await client.post("/$reindex?_type=Nothing")).status_code == 400
    assert (await client.post("/$reindex")).status_code == 400
    deleted = await client.delete(f"/SearchParameter/{id_}")
    assert deleted.status_code in {200, 204}
    await until(client, "/Patient?marriage=M", 400)
    shown = (await client.get("/metadata")).json()["rest"][0]["resource"]
    assert '"marriage"' not in str(shown).replace("'", '"')


async def until(client, address, status):
    for _ in range(100):
        if (await client.get(address)).status_code == status:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{address} never answered {status}")


async def test_what_cannot_be_searched_by_is_422_with_its_place(client):
    answer = await client.post("/SearchParameter", json={**PARAMETER, "expression": "Patient.name.where(use = "})
    assert answer.status_code == 422
    text = answer.json()["issue"][0].get("diagnostics", answer.text)
    assert any(word in text for word in ("character", "column", "position"))
    assert answer.json()["issue"][0]["expression"] == ["SearchParameter.expression"]
    answer = await client.post("/SearchParameter", json={**PARAMETER, "code": "gender"})
    assert answer.status_code == 422
    await client.post("/SearchParameter", json=PARAMETER)
    answer = await client.post("/SearchParameter", json={**PARAMETER, "url": "urn:another"})
    assert answer.status_code == 409


async def test_a_transaction_with_one_that_is_refused_stores_nothing(client):
    entries = [
        {"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient"}},
        {
            "request": {"method": "POST", "url": "SearchParameter"},
            "resource": {**PARAMETER, "expression": "Patient.nothing"},
        },
    ]
    answer = await client.post("/", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 422, answer.text
    assert (await client.get("/Patient?_summary=count")).json()["total"] == 0
    assert "parameter" not in (await client.get("/$reindex")).json()


async def test_a_process_registers_nothing_beyond_its_own_record(client):
    await client.post("/SearchParameter", json=PARAMETER)
    assert "marriage" not in Registry().parameters("Patient")
