"""The programs that the benches measure us against do the work that they are said to do."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import psycopg
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module", autouse=True)
def _bench():
    sys.path.insert(0, str(ROOT / "bench"))
    yield
    sys.path.remove(str(ROOT / "bench"))


LINES = [
    json.dumps({
        "resourceType": "Patient", "id": "p1", "name": [{"family": "Wáng", "given": ["Lì"]}],
        "identifier": [{"system": "urn:mrn", "value": "7"}],
    }).encode(),
    *(
        json.dumps({
            "resourceType": "Observation", "id": f"o{n}", "subject": {"reference": "Patient/p1"},
            "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]}, "effectiveDateTime": f"2020-01-{n:02d}",
        }).encode()
        for n in range(1, 26)
    ),
]  # fmt: skip


def test_the_floor_finds_and_keeps_the_same_bodies(database_url: str):
    processes, inputs = importlib.import_module("processes"), importlib.import_module("inputs")
    with processes.floor(database_url, workers=1) as floor:
        inputs.fill_floor(database_url, LINES)

        def ask(path: str, body: bytes | None = None) -> bytes:
            with urlopen(Request(f"http://127.0.0.1:{floor.port}{path}", data=body)) as answer:
                return answer.read()

        def found(path: str) -> list[str]:
            return [entry["resource"]["id"] for entry in json.loads(ask(path))["entry"]]

        assert ask("/doc/p1") == LINES[0]
        assert found("/code?patient=p1&code=http://loinc.org|8302-2") == [f"o{n}" for n in range(25, 5, -1)]
        assert found("/name?q=wan") == ["p1"]
        assert found("/identifier?system=urn:mrn&value=7") == ["p1"]
        assert len(found("/chain?system=urn:mrn&value=7")) == 20
        made = ask("/doc", LINES[3]).decode()
        assert ask(f"/doc/{made}") == LINES[3]
        bundle = b'{"entry":[' + b",".join(b'{"resource":' + line + b"}" for line in LINES) + b"]}"
        for path in ("/bundle", "/indexed"):
            entries = json.loads(ask(path, bundle))["entry"]
            assert [ask(f"/doc/{one['response']['location']}") for one in entries] == LINES
    with psycopg.connect(database_url) as db:
        assert db.execute("SELECT count(*) FROM narrow").fetchone() == (25 * 3 + 2,)


def test_samples_ask_for_what_is_there():
    inputs = importlib.import_module("inputs")
    samples = inputs.samples(LINES)
    assert sorted(samples.reads) == sorted((json.loads(line)["resourceType"], json.loads(line)["id"]) for line in LINES)
    assert samples.identifiers == [("urn:mrn", "7")]
    assert samples.names == ["wang"]
    assert set(samples.codes) == {("p1", "http://loinc.org", "8302-2")}
    assert all("id" not in json.loads(one) for one in samples.creates)


def test_a_line_of_the_table_says_whether_the_aim_is_met():
    figures, run = importlib.import_module("figures"), importlib.import_module("run")
    slow = figures.Figure("work", "/s", 100, figures.Side(50, 1.0, 2.0), figures.Side(200, 0.5, 1.0))
    assert slow.ratio == 0.25
    assert "MISSED" in run.line(slow)
    small = figures.Figure("disk", "bytes", 100, figures.Side(50), None, most=True)
    assert "≤ 100 met" in run.line(small)
