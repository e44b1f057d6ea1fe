"""What `jiankang load` does besides what the tools' tests show: https://hl7.org/fhir/R4/searchparameter.html, validation."""

from __future__ import annotations

import asyncio
import json

from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.bulk.working import server_for
from jiankang.foundation.record.judging import NOT_VALID
from jiankang.foundation.record.loading import load_paths
from jiankang.foundation.record.store import Change, prepare
from jiankang.kernel.ids import key64
from jiankang.kernel.settings import Settings
from jiankang.main import compose

NICKNAME = {
    "resourceType": "SearchParameter", "id": "nick", "url": "https://example.org/nick", "name": "nickname", "status": "active",
    "description": "Nickname", "code": "nickname", "base": ["Patient"], "type": "string",
    "expression": "Patient.name.where(use = 'nickname').text",
}  # fmt: skip


def lines(tmp_path, *resources):
    path = tmp_path / "people.ndjson"
    path.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in resources))
    return path


async def test_what_is_loaded_is_indexed_by_parameters_of_ones_own(database_url, tmp_path):
    path = lines(
        tmp_path,
        *(
            {"resourceType": "Patient", "id": f"p{n}", "name": [{"use": "nickname", "text": f"小{n}"}]}
            for n in range(30)
        ),
    )
    async with server_for(database_url, Settings(), compose) as server:
        change = Change("PUT", "SearchParameter", "nick", prepare(NICKNAME))
        await server.record.run(LOCAL_OPERATOR, lambda tx: tx.apply([change]))
        said: list[str] = []
        assert (
            await asyncio.to_thread(load_paths, database_url, [path], workers=1, progress=said.append, compose=compose)
            == 0
        ), said
        async with server.record.side.connection() as db:
            row = await (
                await db.execute("SELECT count(*) FROM str WHERE hash = %s", (key64("Patient.nickname"),))
            ).fetchone()
        assert row == (30,)


async def test_what_is_loaded_is_validated_by_the_policy(database_url, tmp_path):
    wrong = {
        "resourceType": "Encounter",
        "id": "e",
        "status": "finished",
        "class": {"code": "AMB"},
        "period": {"start": "2021", "end": "2020"},
    }
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": wrong, "request": {"method": "PUT", "url": "Encounter/e"}}],
    }
    path = lines(tmp_path, {"resourceType": "Patient", "id": "p"}, {**wrong, "id": "e2"})
    (tmp_path / "bundle.json").write_text(json.dumps(bundle))
    said: list[str] = []

    def load(policy):
        said.clear()
        paths = [path, tmp_path / "bundle.json"]
        return load_paths(
            database_url, paths, workers=1, progress=said.append, compose=compose, settings=Settings(validation=policy)
        )

    assert await asyncio.to_thread(load, "refuse") == 1
    assert any("1 resources" in line and "2 refused" in line for line in said)
    assert any("people.ndjson line 2: Encounter.period" in line for line in said), said
    assert await asyncio.to_thread(load, "flag") == 0
    assert any("2 of them are not valid" in line for line in said), said
    async with server_for(database_url, Settings(), compose) as server:
        for id_ in ("e", "e2"):
            stored = await server.record.read(LOCAL_OPERATOR, "Encounter", id_)
            assert stored.resource["meta"]["tag"] == [NOT_VALID]
