"""The guide's search parameters find what rooms ask for."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from jiankang.fhir.search import Registry, default_registry
from jiankang.foundation.record.api import create_fhir_app
from jiankang.foundation.record.reindexing import Catalogue
from jiankang.foundation.record.reindexing.passes import Pace, Passes
from jiankang.foundation.record.store import Record
from jiankang.foundation.terminology import SearchCodes, open_room
from jiankang.kernel.jsontext import encode
from jiankang.kernel.settings import Settings

JSON = {"content-type": "application/fhir+json"}
DIVISIONS = "urn:jiankang:codes:divisions"
QUESTIONS = [
    ("/Patient", {"nation": "urn:oid:2.16.156.10011.2.3.3.3|19"}, {"chen"}),
    ("/Patient", {"division": f"{DIVISIONS}|469023108"}, {"chen"}),
    ("/Patient", {"division:below": f"{DIVISIONS}|469023"}, {"chen"}),
    ("/Patient", {"division:below": f"{DIVISIONS}|460100"}, set()),
    ("/Patient", {"record-organization": "Organization/fushan"}, {"chen"}),
    ("/Condition", {"case-division:below": f"{DIVISIONS}|469023", "onset-date": "ge2026-08"}, {"dengue-chen"}),
    ("/Condition", {"diagnosed": "lt2026-04"}, {"hepatitis-chen"}),
    ("/Condition", {"population-group": "18", "case-division": "469023108"}, {"dengue-chen", "hepatitis-chen"}),
    ("/Condition", {"reporting-organization.name": "福山"}, {"dengue-chen", "hepatitis-chen", "hand-foot-mouth-zheng"}),
    ("/Task", {"due": "le2026-08-16"}, {"report-dengue"}),
    ("/Encounter", {"follow-up-mode": "2"}, {"visit-chen"}),
    ("/Observation", {"next-visit": "lt2026-09", "patient": "wu-newborn"}, {"newborn-wu"}),
]


@pytest.fixture
async def client(database_url, guide, monkeypatch):
    registry = default_registry()
    async with Record.open(database_url) as record:
        room = open_room(record)
        monkeypatch.setattr(registry, "meaning", lambda db: SearchCodes(room, db))
        pace = Pace(batch=50, quiet_seconds=0, settle_seconds=0)
        async with Catalogue(record, registry, Passes(record, registry, pace)).running():
            app = create_fhir_app(record, settings=Settings(), secret=b"k" * 16)
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://t", headers=JSON) as made:
                everything = [*guide.of("SearchParameter"), *guide.examples.right.values()]
                for each in everything:
                    answer = await made.put(f"/{each['resourceType']}/{each['id']}", content=encode(each))
                    assert answer.status_code == 201, answer.text
                yield made


async def ready(client, guide):
    for each in guide.of("SearchParameter"):
        for _ in range(200):
            answer = await client.get(f"/{each['base'][0]}", params={f"{each['code']}:missing": "false"})
            if answer.status_code == 200:
                break
            await asyncio.sleep(0.05)
        else:
            pytest.fail(f"{each['code']}: {answer.text}")


async def test_rooms_find_what_they_ask_for(client, guide):
    await ready(client, guide)
    for path, params, ids in QUESTIONS:
        answer = await client.get(path, params=params)
        assert answer.status_code == 200, (params, answer.text)
        assert {each["resource"]["id"] for each in answer.json().get("entry", ())} == ids, params


def test_every_parameter_is_asked_for_here(guide):
    asked = {(path[1:], name.partition(":")[0].partition(".")[0]) for path, params, _ in QUESTIONS for name in params}
    assert {(each["base"][0], each["code"]) for each in guide.of("SearchParameter")} <= asked


def test_all_of_them_may_be_in_force_together(guide):
    registry = Registry()
    for each in guide.of("SearchParameter"):
        registry.register(each)
    for each in guide.of("SearchParameter"):
        assert each["code"] in registry.parameters(each["base"][0])
