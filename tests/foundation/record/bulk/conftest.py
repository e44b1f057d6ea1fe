"""A record with two patients, its API, and the shortest way to export and import."""

from __future__ import annotations

import json

import httpx
import pytest

from jiankang.foundation.access import LOCAL_OPERATOR, Actor, AllOf, InCompartment, TypeIn
from jiankang.foundation.record.api import create_fhir_app
from jiankang.foundation.record.bulk import exporting
from jiankang.foundation.record.bulk.working import work_once
from jiankang.foundation.record.store import Change, Record, prepare
from jiankang.kernel.settings import Settings

BASE = "http://jiankang.test"
ASYNC = {"prefer": "respond-async"}
ACTORS = {
    "all": LOCAL_OPERATOR,
    "one": Actor("one", AllOf((InCompartment("Patient", ["p1"]), TypeIn(frozenset({"Patient", "Observation"}))))),
    "groups": Actor("groups", TypeIn(frozenset({"Group", "Observation"}))),
    "mine": Actor("mine", InCompartment("Patient", ["p1"])),
}


def patient(id_, family="王", **more):
    return {"resourceType": "Patient", "id": id_, "name": [{"family": family}], **more}


def observation(id_, who, status="final", value=1):
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": status,
        "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]},
        "subject": {"reference": f"Patient/{who}"},
        "valueQuantity": {"value": value, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm"},
    }


WORLD = [
    patient("p1"),
    patient("p2", "李"),
    patient("p3", "张"),
    {"resourceType": "Organization", "id": "o1", "name": "Hospital"},
    observation("b1", "p1"),
    observation("b2", "p1", "preliminary"),
    observation("b3", "p2"),
    observation("b4", "p3"),
    {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": "Patient/p1"},
        "code": {"text": "asthma"},
    },
    {
        "resourceType": "Group",
        "id": "g0",
        "type": "person",
        "actual": True,
        "member": [{"entity": {"reference": "Patient/p2"}}],
    },
    {
        "resourceType": "Group",
        "id": "g1",
        "type": "person",
        "actual": True,
        "member": [
            {"entity": {"reference": "Patient/p1"}},
            {"entity": {"reference": "Group/g0"}},
            {"entity": {"reference": "Patient/p3"}, "inactive": True},
        ],
    },
]


class Bulk:
    """Exports and imports through the API, doing the jobs in this process."""

    def __init__(self, record, app, client, settings):
        self.record, self.app, self.client, self.settings = record, app, client, settings
        self.server = app.server

    async def put(self, *resources):
        changes = [Change("PUT", one["resourceType"], one["id"], prepare(one)) for one in resources]
        return await self.record.run(LOCAL_OPERATOR, lambda tx: tx.apply(changes))

    async def delete(self, type_name, id_):
        return await self.record.run(LOCAL_OPERATOR, lambda tx: tx.apply([Change("DELETE", type_name, id_)]))

    async def ask(self, path="/$export", *, actor="all", method="GET", **more):
        headers = {**ASYNC, "x-actor": actor, **more.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **more)

    async def begin(self, path="/$export", **more):
        """The status address of a job that was just begun."""
        answer = await self.ask(path, **more)
        assert answer.status_code == 202, answer.text
        return answer.headers["content-location"]

    async def status(self, address, actor="all"):
        return await self.client.get(address, headers={"x-actor": actor})

    async def manifest(self, path="/$export", *, actor="all", **more):
        address = await self.begin(path, actor=actor, **more)
        assert await work_once(self.server)
        answer = await self.status(address, actor)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def download(self, listed, actor="all"):
        found = []
        for one in listed:
            answer = await self.client.get(one["url"], headers={"x-actor": actor})
            assert answer.status_code == 200, answer.text
            lines = [json.loads(line) for line in answer.text.splitlines()]
            assert len(lines) == one["count"]
            assert {line["resourceType"] for line in lines} == {one["type"]}
            found += lines
        return found

    async def export(self, path="/$export", *, actor="all", **more):
        """Type/id of everything exported; nothing comes twice."""
        listed = (await self.manifest(path, actor=actor, **more))["output"]
        names = [f"{one['resourceType']}/{one['id']}" for one in await self.download(listed, actor)]
        assert len(names) == len(set(names)), names
        return set(names)

    async def import_lines(self, lines, **more):
        body = b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines)
        headers = {"content-type": "application/fhir+ndjson"}
        return await self.manifest("/$import", method="POST", content=body, headers=headers, **more)


@pytest.fixture
async def bulk(database_url, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "SETTLE_SECONDS", 0.01)
    settings = Settings(data=tmp_path / "data", import_dir=tmp_path / "import")
    async with Record.open(database_url) as record:

        def who(scope):
            return ACTORS[dict(scope["headers"]).get(b"x-actor", b"all").decode()]

        app = create_fhir_app(record, settings=settings, secret=b"0123456789abcdef", authenticate=who)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            yield Bulk(record, app, client, settings)


@pytest.fixture
async def world(bulk):
    await bulk.put(*WORLD)
    return bulk
