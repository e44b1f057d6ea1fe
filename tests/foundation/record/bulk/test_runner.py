"""The server's own runner: jobs are done in processes of lower priority, and survive them."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
from pathlib import Path

from jiankang.foundation.record.bulk import working
from jiankang.foundation.record.bulk.preparing import Helper
from jiankang.foundation.record.bulk.working import Runner
from jiankang.kernel.settings import Settings


def children():
    """The job processes under way, the way Linux lists them."""
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in found if b"bulk.working" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def count(bulk):
    async with bulk.record.side.connection() as db:
        return await (await db.execute("SELECT count(*), count(DISTINCT id), max(version) FROM resource")).fetchone()


async def finished(bulk, address):
    async with asyncio.timeout(120):
        while (answer := await bulk.status(address)).status_code == 202:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return answer


async def test_a_server_does_jobs_in_a_process_of_low_priority_and_takes_up_what_was_killed(
    bulk, database_url, monkeypatch
):
    monkeypatch.setattr(working, "POLL_SECONDS", 0.05)
    lines = [json.dumps({"resourceType": "Patient", "name": [{"family": f"n{number}"}]}) for number in range(2000)]
    headers = {"content-type": "application/fhir+ndjson"}
    async with Runner(bulk.server, database_url):
        address = await bulk.begin("/$import", method="POST", content="\n".join(lines).encode(), headers=headers)
        async with asyncio.timeout(60):
            while not (await count(bulk))[0]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        (pid,) = children()
        assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0) + working.NICE
        waiting = await bulk.status(address)
        assert (waiting.status_code, waiting.headers["x-progress"][:12]) == (202, "input 1 of 1")
        os.kill(pid, signal.SIGKILL)
        assert (await count(bulk))[0] < 2000
        answer = await finished(bulk, address)
        assert answer.json()["output"][0]["count"] == 2000
        assert await count(bulk) == (2000, 2000, 1)
        listed = (await finished(bulk, await bulk.begin("/$export?_type=Patient"))).json()["output"]
        assert sum(one["count"] for one in listed) == 2000


async def test_a_stopped_server_leaves_no_process_behind_and_its_job_to_others(bulk, database_url, monkeypatch):
    monkeypatch.setattr(working, "POLL_SECONDS", 0.05)
    async with Runner(bulk.server, database_url):
        address = await bulk.begin("/$export")
        async with asyncio.timeout(60):
            while not children():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert children() == []
    assert await working.work_once(bulk.server)
    assert (await bulk.status(address)).status_code == 200


async def test_a_helper_hands_over_what_is_written_and_the_whole_of_what_is_watched(database_url):
    patient, basic = b'{"resourceType":"Patient","id":"p"}', b'{"resourceType":"Basic","code":{"text":"x"}}'
    opening = functools.partial(working.server_for, database_url, Settings())
    with Helper(opening) as helper:
        first, second, third = await helper.ask([patient, basic, b"{"], None, {"Basic"})
    assert (first.id, first.resource, second.resource["code"]) == ("p", {}, {"text": "x"})
    assert first.payload == b"\x00}"
    assert third[0].code == "structure"
