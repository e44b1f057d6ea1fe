"""Many subscribers: how fast it is found out who is to be told of what, how fast they are told, and how soon.

    python bench/subscriptions.py --subscribers 5000 --changes 5000 --hooks 200

Each subscriber waits for results of one patient; a few wait for all. Hooks are over HTTP, to a receiver in a process of
its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import time
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import uvicorn

import processes
from jiankang.capabilities.exchange.subscriptions import Couriers, open_subscriptions
from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.api import create_fhir_app
from jiankang.foundation.record.store import Change, Record, prepare
from jiankang.kernel.settings import Settings
from jiankang.main import compose

AT_ONCE = 100


def receive(port: Any, came: Any) -> None:
    """An endpoint that counts what it is sent and takes everything."""

    async def app(scope: Any, take: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        while (await take()).get("more_body"):
            pass
        if scope["path"] == "/soon/Observation/last":
            port.send(time.time())
        with came.get_lock():
            came.value += 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def serve() -> None:
        import socket

        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, http="httptools")
            server = uvicorn.Server(config)
            port.send(bound.getsockname()[1])
            await server.serve(sockets=[bound])

    asyncio.run(serve())


@asynccontextmanager
async def served(url: str):
    with TemporaryDirectory() as data:
        async with Record.open(url) as record:
            settings = Settings(notify_hosts="127.0.0.1", data=Path(data), validation="shape")
            app = create_fhir_app(record, settings=settings, secret=b"k" * 32)
            compose(app.server)
            open_subscriptions(app.server)
            yield app.server


async def until(came: Any, count: int) -> None:
    while came.value < count:  # noqa: ASYNC110 - counted by another process
        await asyncio.sleep(0.01)


async def put(server: Any, resources: list[dict[str, Any]]) -> None:
    for start in range(0, len(resources), AT_ONCE):
        changes = [
            Change("PUT", one["resourceType"], one["id"], prepare(one)) for one in resources[start : start + AT_ONCE]
        ]
        await server.record.run(LOCAL_OPERATOR, lambda tx, some=changes: tx.apply(some))


def subscription(id_: str, endpoint: str, criteria: str) -> dict[str, Any]:
    channel = {"type": "rest-hook", "endpoint": endpoint, "payload": "application/fhir+json"}
    return {
        "resourceType": "Subscription", "id": id_, "status": "requested", "reason": "measured", "criteria": criteria,
        "channel": channel,
    }  # fmt: skip


def observation(id_: str, patient: int) -> dict[str, Any]:
    coded = {"coding": [{"system": "http://loinc.org", "code": "8310-5"}]}
    return {
        "resourceType": "Observation", "id": id_, "status": "final", "code": coded,
        "subject": {"reference": f"Patient/p{patient}"}, "effectiveDateTime": "2026-11-23",
    }  # fmt: skip


async def measure(url: str, asked: Any, address: str, port: Any, came: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"subscribers": asked.subscribers, "changes": asked.changes, "hooks": asked.hooks}
    async with served(url) as server:
        began = time.perf_counter()
        waiting = [
            subscription(f"s{n}", f"{address}/{n % asked.hooks}", f"Observation?subject=Patient/p{n}")
            for n in range(asked.subscribers)
        ]
        await put(server, waiting)
        found["subscriptions taken on per second"] = round(asked.subscribers / (time.perf_counter() - began))
        await put(server, [observation(f"o{n}", n % (2 * asked.subscribers)) for n in range(asked.changes)])
        couriers = Couriers(server)
        began = time.perf_counter()
        await couriers.matcher.catch_up()
        spent = time.perf_counter() - began
        found["changes matched per second"] = round(asked.changes / spent)
        with psycopg.connect(url) as db:
            (events,) = db.execute("SELECT sum(events)::bigint FROM subscriber").fetchone()
        found["events"] = events
        began = time.perf_counter()
        async with Couriers(server):
            await until(came, events)
        found["notifications per second, a subscriber each"] = round(events / (time.perf_counter() - began))
        await put(server, [subscription("all", f"{address}/all", "Observation?code=8310-5")])
        came.value = 0
        await put(server, [observation(f"x{n}", 10_000_000) for n in range(asked.changes)])
        await couriers.matcher.catch_up()
        began = time.perf_counter()
        async with Couriers(server):
            await until(came, asked.changes)
            found["notifications per second, one subscriber"] = round(asked.changes / (time.perf_counter() - began))
            await put(server, [subscription("soon", f"{address}/soon", "Observation?_id=last")])
            waits = []
            for _ in range(50):
                began = time.time()
                await put(server, [observation("last", 10_000_001)])
                waits.append(1000 * (await asyncio.to_thread(port.recv) - began))
        found["from write to endpoint, ms: median"] = round(statistics.median(waits), 1)
        found["from write to endpoint, ms: p95"] = round(statistics.quantiles(waits, n=20)[-1], 1)
    return found


def main() -> None:
    asking = argparse.ArgumentParser(description=__doc__)
    asking.add_argument("--subscribers", type=int, default=5_000)
    asking.add_argument("--changes", type=int, default=5_000)
    asking.add_argument("--hooks", type=int, default=200)
    asked = asking.parse_args()
    ours, theirs = multiprocessing.Pipe()
    came = multiprocessing.Value("q", 0)
    receiver = multiprocessing.Process(target=receive, args=(theirs, came), daemon=True)
    receiver.start()
    with processes.postgres() as server_url:
        url = processes.new_database(server_url, "subscriptions")
        print(json.dumps(asyncio.run(measure(url, asked, f"http://127.0.0.1:{ours.recv()}", ours, came)), indent=2))
    receiver.terminate()


if __name__ == "__main__":
    main()
