"""`$import`: NDJSON and Bundles, each exactly once, whatever ends the work early."""

from __future__ import annotations

import asyncio
import functools
import gzip
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time

import psycopg
import pytest
import zstandard

from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.bulk import jobs
from jiankang.foundation.record.bulk.files import job_folder
from jiankang.foundation.record.bulk.importing import Import
from jiankang.foundation.record.bulk.working import work_once

LINES = {"content-type": "application/fhir+ndjson"}


def patient(id_, family="王", **more):
    return {"resourceType": "Patient", "id": id_, "name": [{"family": family}], **more}


def nameless(family):
    return {"resourceType": "Patient", "name": [{"family": family}]}


def entry(method, url, resource=None):
    return {"request": {"method": method, "url": url}, **({"resource": resource} if resource else {})}


def bundle(kind, *entries):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


async def versions(bulk):
    """Id and version of all live resources."""
    async with bulk.record.side.connection() as db:
        rows = await (await db.execute("SELECT id, version FROM resource WHERE NOT deleted")).fetchall()
    return dict(rows)


def outcome(manifest):
    (one,) = manifest["output"]
    return one["extension"]["stored"], one["extension"]["unchanged"]


async def test_lines_that_are_sent_are_stored(bulk):
    manifest = await bulk.import_lines([patient("p1"), b"", patient("p2"), nameless("赵")])
    assert outcome(manifest) == (3, 0)
    assert manifest["error"] == []
    found = await versions(bulk)
    assert len(found) == 3
    assert (found["p1"], found["p2"]) == (1, 1)


async def test_what_the_record_holds_already_makes_no_new_version(bulk):
    await bulk.import_lines([patient("p1"), patient("p2")])
    manifest = await bulk.import_lines([patient("p1"), patient("p2", "李")])
    assert outcome(manifest) == (1, 1)
    assert await versions(bulk) == {"p1": 1, "p2": 2}


async def test_an_export_can_be_imported_again_without_a_trace(bulk):
    await bulk.import_lines([patient("p1"), patient("p2")])
    listed = (await bulk.manifest())["output"]
    lines = await bulk.download(listed)
    assert outcome(await bulk.import_lines(lines)) == (0, 2)


async def test_a_later_line_about_the_same_resource_is_its_next_version(bulk):
    await bulk.import_lines([patient("p1", "一"), patient("p2"), patient("p1", "二"), patient("p1", "三")])
    assert await versions(bulk) == {"p1": 3, "p2": 1}
    stored = await bulk.record.read(LOCAL_OPERATOR, "Patient", "p1")
    assert stored.resource["name"][0]["family"] == "三"


async def test_each_refused_line_is_told_with_its_number(bulk):
    wrong = {"resourceType": "Patient", "id": "x", "birthdate": "1980", "gender": "unknown?"}
    manifest = await bulk.import_lines([patient("p1"), b"{not json", b"", wrong, patient("p2"), b"[1]"])
    assert outcome(manifest) == (2, 0)
    told = await bulk.download(manifest["error"])
    lines = [one["issue"][0]["extension"][0]["valueInteger"] for one in told]
    assert lines == [2, 4, 6]
    assert "birthdate" in json.dumps(told[1])
    assert await versions(bulk) == {"p1": 1, "p2": 1}


async def test_one_bad_line_does_not_take_its_neighbours_with_it(bulk):
    lines = [patient(f"p{number}") for number in range(20)]
    lines[7]["id"] = "b1"
    await bulk.put({**patient("b1"), "name": [{"family": "someone else's"}]})
    body = b"\n".join(json.dumps(one).encode() for one in lines)
    manifest = await bulk.manifest("/$import", method="POST", content=body, headers=LINES, actor="all")
    assert outcome(manifest) == (20, 0)
    manifest = await bulk.manifest("/$import", method="POST", content=body, headers=LINES, actor="mine")
    assert outcome(manifest) == (0, 1)  # only p1 is theirs to know of
    told = await bulk.download(manifest["error"], "mine")
    assert len(told) == 19
    assert {one["issue"][0]["code"] for one in told} == {"not-found"}
    assert "someone" not in json.dumps(told)


async def test_bodies_may_come_packed(bulk):
    lines = b"".join(json.dumps(patient(f"p{number}")).encode() + b"\n" for number in range(50))
    halves = gzip.compress(lines[:3000]) + gzip.compress(lines[3000:])
    for coding, body in (("gzip", halves), ("zstd", zstandard.ZstdCompressor().compress(lines))):
        headers = {**LINES, "content-encoding": coding}
        manifest = await bulk.manifest("/$import", method="POST", content=body, headers=headers)
        assert sum(outcome(manifest)) == 50
    for body, coding in ((b"nonsense", "gzip"), (gzip.compress(lines)[:-20], "gzip"), (b"nonsense", "zstd")):
        answer = await bulk.ask("/$import", method="POST", content=body, headers={**LINES, "content-encoding": coding})
        assert answer.status_code == 400, answer.text
    assert len(await versions(bulk)) == 50


async def test_a_compressed_bomb_is_refused_and_leaves_nothing(bulk, monkeypatch):
    import dataclasses

    small = dataclasses.replace(bulk.settings, max_import_bytes=1_000_000)
    monkeypatch.setattr(bulk.server, "settings", small)
    for coding, body in (("gzip", gzip.compress(bytes(50_000_000))), ("zstd", zstandard.compress(bytes(50_000_000)))):
        answer = await bulk.ask("/$import", method="POST", content=body, headers={**LINES, "content-encoding": coding})
        assert answer.status_code == 413, answer.text
    assert list((bulk.settings.data / "bulk").iterdir()) == []


async def test_transactions_and_batches_are_carried_out(bulk):
    whole = bundle(
        "transaction",
        {"fullUrl": "urn:uuid:0d8f1a3c-3d1c-4a89-8d51-3d1bb3a8a001", **entry("POST", "Patient", nameless("钱"))},
        entry(
            "PUT",
            "Condition/c1",
            {
                "resourceType": "Condition",
                "id": "c1",
                "subject": {"reference": "urn:uuid:0d8f1a3c-3d1c-4a89-8d51-3d1bb3a8a001"},
            },
        ),
    )
    bad = bundle("transaction", entry("PUT", "Patient/p8", patient("p8")), entry("PUT", "Patient/p9", {"resourceType": "Patient", "id": "p9", "x": 1}))  # fmt: skip
    mixed = bundle("batch", entry("PUT", "Patient/p1", patient("p1")), entry("PUT", "Patient/p2", {"resourceType": "Patient", "x": 1}), entry("POST", "Patient", nameless("孙")))  # fmt: skip
    manifest = await bulk.import_lines([whole, patient("p5"), bad, mixed, patient("p6")])
    assert outcome(manifest) == (6, 0)
    told = await bulk.download(manifest["error"])
    assert [one["issue"][0]["diagnostics"] for one in told] == ["line 3", "line 4, entry 2"]
    found = await versions(bulk)
    assert {"c1", "p1", "p5", "p6"} <= set(found)
    assert not {"p8", "p9", "p2"} & set(found)
    subject = (await bulk.record.read(LOCAL_OPERATOR, "Condition", "c1")).resource["subject"]["reference"]
    assert subject.removeprefix("Patient/") in found


async def test_a_bundle_may_be_sent_and_a_collection_is_unpacked(bulk):
    manifest = await bulk.manifest("/$import", method="POST", json=bundle("transaction", entry("PUT", "Patient/p1", patient("p1"))))  # fmt: skip
    assert outcome(manifest) == (1, 0)
    held = bundle("collection", {"resource": patient("p2")}, {"resource": {"resourceType": "Patient", "x": 1}}, {"resource": patient("p3")})  # fmt: skip
    manifest = await bulk.manifest("/$import", method="POST", json=held)
    assert outcome(manifest) == (2, 0)
    (told,) = await bulk.download(manifest["error"])
    assert told["issue"][0]["diagnostics"] == "line 1, entry 2"
    assert set(await versions(bulk)) == {"p1", "p2", "p3"}


def parameters(*inputs):
    listed = [{"name": "inputFormat", "valueCode": "application/fhir+ndjson"}]
    for type_name, url in inputs:
        parts = [{"name": "url", "valueUri": url}, *([{"name": "type", "valueCode": type_name}] if type_name else [])]
        listed.append({"name": "input", "part": parts})
    return {"resourceType": "Parameters", "parameter": listed}


async def test_inputs_are_read_from_the_import_folder_only(bulk, tmp_path):
    refused = await bulk.ask("/$import", method="POST", json=parameters((None, "a.ndjson")))
    assert refused.status_code == 403  # there is no such folder: reading files is off
    folder = bulk.settings.import_dir
    folder.mkdir()
    (tmp_path / "secret.ndjson").write_text(json.dumps(patient("secret")))
    (folder / "link.ndjson").symlink_to(tmp_path / "secret.ndjson")
    for url in ("../secret.ndjson", "file:///etc/passwd", "link.ndjson", "%2e%2e/secret.ndjson", "absent.ndjson"):
        answer = await bulk.ask("/$import", method="POST", json=parameters((None, url)))
        assert answer.status_code == 404, url
    for url, status in (("ftp://x/y", 400), ("file://elsewhere/x", 400), ("http://127.0.0.1:1/x", 403)):
        answer = await bulk.ask("/$import", method="POST", json=parameters((None, url)))
        assert answer.status_code == status, url
    (folder / "p.ndjson.gz").write_bytes(gzip.compress(json.dumps(patient("p1")).encode()))
    (folder / "o.ndjson").write_text(
        '{"resourceType":"Organization","id":"o1","name":"x"}\n' + json.dumps(patient("p2"))
    )
    manifest = await bulk.manifest("/$import", method="POST", json=parameters(("Patient", "p.ndjson.gz"), ("Organization", "file:o.ndjson")))  # fmt: skip
    assert [one["inputUrl"] for one in manifest["output"]] == ["p.ndjson.gz", "file:o.ndjson"]
    (told,) = await bulk.download(manifest["error"])
    assert "Organization was expected" in told["issue"][0]["details"]["text"]
    assert set(await versions(bulk)) == {"p1", "o1"}


@pytest.fixture
def site(tmp_path):
    """A web server with a folder, and a redirection out of it."""
    (tmp_path / "site" / "in").mkdir(parents=True)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/in/away.ndjson":
                self.send_response(302)
                self.send_header("Location", "/out.ndjson")
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path / "site"))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield tmp_path / "site", f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_addresses_are_read_only_below_those_listed_and_never_through_redirects(bulk, site, monkeypatch):
    import dataclasses

    folder, origin = site
    (folder / "in" / "p.ndjson").write_text(json.dumps(patient("p1")))
    (folder / "out.ndjson").write_text(json.dumps(patient("out")))
    listed = dataclasses.replace(bulk.settings, import_urls=f"https://other.example/x, {origin}/in/")
    monkeypatch.setattr(bulk.server, "settings", listed)
    host = origin.removeprefix("http://")
    for url in (f"{origin}/out.ndjson", f"{origin}/in/../out.ndjson", f"{origin}/in/%2e%2e/out.ndjson",
                f"http://u@{host}/in/p.ndjson", f"https://{host}/in/p.ndjson", f"{origin}/inner/p.ndjson",
                "http://other.example/x/y", f"{origin}\\@evil.example/in/p.ndjson"):  # fmt: skip
        answer = await bulk.ask("/$import", method="POST", json=parameters((None, url)))
        assert answer.status_code == 403, url
    inputs = parameters((None, f"{origin}/in/p.ndjson"), (None, f"{origin}/in/away.ndjson"))
    manifest = await bulk.manifest("/$import", method="POST", json=inputs)
    assert set(await versions(bulk)) == {"p1"}
    (told,) = await bulk.download(manifest["error"])
    assert "302" in told["issue"][0]["details"]["text"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"<x/>", {"content-type": "text/csv"}, 415),
        (b"{}", {"content-type": "application/fhir+json"}, 400),
        (b'{"resourceType":"Parameters"}', {"content-type": "application/fhir+json"}, 400),
        (b'{"resourceType":"Parameters","parameter":[{"name":"input"}]}', {"content-type": "application/json"}, 400),
        (b'{"resourceType":"Parameters","parameter":[1]}', {"content-type": "application/json"}, 400),
    ],
)
async def test_what_is_not_understood_begins_nothing(bulk, body, headers, status):
    answer = await bulk.ask("/$import", method="POST", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert not await work_once(bulk.server)


async def test_a_worker_that_was_replaced_writes_nothing_more(bulk):
    body = b"".join(json.dumps(nameless(f"n{number}")).encode() + b"\n" for number in range(1000))
    address = await bulk.begin("/$import", method="POST", content=body, headers=LINES)
    job_id = address.rsplit("/", 1)[1]
    first = await jobs.take(bulk.record, jobs.worker_name())
    steps = []

    class HungError(Exception):
        pass

    def told(part):
        steps.append(part.line)
        if len(steps) == 1:
            raise HungError

    with pytest.raises(HungError):
        await Import(bulk.server, first, first.worker, told).run()
    assert len(await versions(bulk)) == 400
    async with bulk.record.side.connection() as db:
        await db.execute("UPDATE job SET heartbeat = now() - interval '1 hour'")
    assert await work_once(bulk.server)
    assert len(await versions(bulk)) == 1000
    async with bulk.record.side.connection() as db:  # the one that hung had read its place before it was replaced
        await db.execute("UPDATE job_part SET place = 0, line = 0, done = false WHERE job = %s", (job_id,))
    with pytest.raises(jobs.Lost):
        await Import(bulk.server, first, first.worker).run()
    assert len(await versions(bulk)) == 1000


async def test_a_batch_broken_off_between_entries_goes_on_behind_the_last_one(bulk):
    many = bundle("batch", *(entry("POST", "Patient", nameless(f"n{number}")) for number in range(6)))
    address = await bulk.begin("/$import", method="POST", json=many)
    job = await jobs.take(bulk.record, jobs.worker_name())

    class KilledError(Exception):
        pass

    def told(part):
        if part.entry == 3:
            raise KilledError

    with pytest.raises(KilledError):
        await Import(bulk.server, job, job.worker, told).run()
    await jobs.put_back(bulk.record, job, job.worker, -1)
    assert await work_once(bulk.server)
    assert len(await versions(bulk)) == 6
    assert outcome((await bulk.status(address)).json()) == (6, 0)


async def test_an_import_can_be_cancelled_while_it_runs(bulk):
    body = b"".join(json.dumps(nameless(f"n{number}")).encode() + b"\n" for number in range(1200))
    address = await bulk.begin("/$import", method="POST", content=body, headers=LINES)
    job = await jobs.take(bulk.record, jobs.worker_name())
    begun = asyncio.Event()
    running = asyncio.create_task(Import(bulk.server, job, job.worker, lambda _: begun.set()).run())
    await begun.wait()
    assert (await bulk.client.delete(address)).status_code == 202
    with pytest.raises(jobs.Lost):
        await running
    count = len(await versions(bulk))
    assert 0 < count < 1200
    assert count % 400 == 0
    assert not job_folder(bulk.settings, job.id).exists()
    assert (await bulk.status(address)).status_code == 404


# -- from the shell -----------------------------------------------------------------------------------------------


def importing(url, *paths):
    command = [
        sys.executable,
        "-m",
        "jiankang.cli",
        "import",
        "--database-url",
        url,
        "--workers",
        "1",
        *map(str, paths),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def held(url):
    with psycopg.connect(url) as db:
        return db.execute(
            "SELECT count(*), count(DISTINCT id), coalesce(max(version), 0), (SELECT count(*) FROM change) FROM resource"
        ).fetchone()


def test_an_import_killed_with_kill_9_goes_on_and_stores_everything_once(database_url, tmp_path):
    path = tmp_path / "people.ndjson"
    lines = [json.dumps(nameless(f"n{number}")) for number in range(4000)]
    lines[10] = "{broken"
    lines[3990] = '{"resourceType":"Patient","nonsense":1}'
    path.write_text("\n".join(lines))
    for _ in range(2):
        before = held(database_url)[0]
        process = importing(database_url, path)
        while held(database_url)[0] == before and process.poll() is None:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    halfway = held(database_url)[0]
    assert 0 < halfway < 3998
    done = importing(database_url, path)
    _, said = done.communicate()
    assert done.returncode == 1, said
    assert "going on with an import" in said
    assert held(database_url) == (3998, 3998, 1, 3998)
    refused = [json.loads(line) for line in (tmp_path / "people.ndjson.refused").read_text().splitlines()]
    assert [one["issue"][0]["diagnostics"].partition(";")[0] for one in refused] == ["line 11", "line 3991"]
