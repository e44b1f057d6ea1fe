"""Whoever subscribed is told of persons that change: IHE PMIR ITI-93 and ITI-94, to a receiver over HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest

from jiankang.foundation.access import LOCAL_OPERATOR, Actor, InCompartment, Not
from jiankang.foundation.identity import linking
from jiankang.foundation.identity.notifying import Notifier
from jiankang.foundation.identity.room import identity_of
from jiankang.foundation.record.api import create_fhir_app
from jiankang.foundation.record.feed import renumber
from jiankang.foundation.record.store import Change, Record, prepare
from jiankang.kernel.errors import Problem
from jiankang.kernel.settings import Settings
from jiankang.main import LOGS, compose

Story = Callable[[Any], Coroutine[Any, Any, None]]
SOON = timedelta(0)


class Receiver:
    """An endpoint that keeps what it is sent, and answers as it is told to."""

    def __init__(self) -> None:
        self.status = 200
        self.messages: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.status == 200:
                    receiver.messages.append(json.loads(body))
                    receiver.headers.append(dict(self.headers))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/feed"

    def told(self) -> list[dict[str, Any]]:
        """The entries of all histories, in order; the messages are taken."""
        found = []
        for one in self.messages:
            header, history = (entry["resource"] for entry in one["entry"])
            assert one["type"] == "message"
            assert header["eventUri"] == "urn:ihe:iti:pmir:2019:patient-feed"
            assert header["focus"][0]["reference"] == one["entry"][1]["fullUrl"]
            assert history["type"] == "history"
            found += history["entry"]
        self.messages = []
        return found


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
def run(database_url: str, tmp_path: Any):
    """Runs a story over a server of its own."""

    @asynccontextmanager
    async def serving():
        async with Record.open(database_url) as record:
            app = create_fhir_app(record, settings=Settings(notify_hosts="127.0.0.1", data=tmp_path), secret=b"k" * 32)
            compose(app.server)
            yield app.server

    def go(story: Story) -> None:
        async def work() -> None:
            async with serving() as server:
                await story(server)

        asyncio.run(work())

    return go


def subscription(url: str, criteria: str = "Patient", **channel: Any) -> dict[str, Any]:
    return {
        "resourceType": "Subscription", "id": "s", "status": "requested", "reason": "feed", "criteria": criteria,
        "channel": {"type": "message", "endpoint": url, "payload": "application/fhir+json", **channel},
    }  # fmt: skip


async def put(server: Any, *resources: dict[str, Any], actor: Actor = LOCAL_OPERATOR) -> None:
    changes = [Change("PUT", one["resourceType"], one["id"], prepare(one)) for one in resources]
    await server.record.run(actor, lambda tx: tx.apply(changes))


async def person(server: Any, id_: str) -> str:
    async with server.record.pool.connection() as db:
        row = await (await db.execute("SELECT person::text FROM identity_record WHERE id = %s", (id_,))).fetchone()
    return row[0]


def a_patient(id_: str, name: str = "符海燕", **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id_, "name": [{"text": name}], "birthDate": "1990-05-01", **more}


async def tell(server: Any) -> None:
    notifier = Notifier(server, first_wait=SOON)
    while await notifier.tell_one():
        pass


def test_a_subscriber_is_told_of_new_changed_and_replaced_persons(run, receiver):
    async def story(server: Any) -> None:
        await put(server, a_patient("before"))
        await put(server, subscription(receiver.url, header=["Authorization: Bearer t"]))
        stored = await server.record.read(LOCAL_OPERATOR, "Subscription", "s")
        assert stored.resource["status"] == "active"
        await put(server, a_patient("a", "吴多益"), a_patient("b", "邢小明"))
        await tell(server)
        one, two = await person(server, "a"), await person(server, "b")
        entries = {entry["resource"]["id"]: entry for entry in receiver.told()}
        assert set(entries) == {f"person-{one}", f"person-{two}"}
        assert receiver.headers[0]["Authorization"] == "Bearer t"
        await put(server, a_patient("a", "吴多益", deceasedBoolean=True))
        await tell(server)
        assert [entry["resource"]["deceasedBoolean"] for entry in receiver.told()] == [True]
        weights = identity_of(server.record).weights
        await server.record.run(LOCAL_OPERATOR, lambda tx: linking.merge(tx, one, two, weights))
        await tell(server)
        entries = {entry["resource"]["id"]: entry["resource"] for entry in receiver.told()}
        assert entries[f"person-{two}"]["active"] is False
        assert entries[f"person-{two}"]["link"][0] == {
            "other": {"reference": f"Patient/person-{one}"}, "type": "replaced-by",
        }  # fmt: skip
        assert len(entries[f"person-{one}"]["link"]) == 2
        await server.record.run(LOCAL_OPERATOR, lambda tx: tx.apply([Change("DELETE", "Patient", x) for x in "ab"]))
        await tell(server)
        assert [entry["request"]["method"] for entry in receiver.told()] == ["DELETE"]

    run(story)


def test_what_could_not_be_told_is_told_later_in_order(run, receiver):
    async def story(server: Any) -> None:
        await put(server, subscription(receiver.url))
        receiver.status = 503
        await put(server, a_patient("a", "吴多益"))
        notifier = Notifier(server, first_wait=SOON)
        assert await notifier.tell_one()
        async with server.record.pool.connection() as db:
            row = await (await db.execute("SELECT failures, error FROM identity_subscriber")).fetchone()
        assert row == (1, "the endpoint answered 503 Service Unavailable")
        await put(server, a_patient("b", "邢小明"))
        receiver.status = 200
        await tell(server)
        assert [entry["resource"]["name"][0]["text"] for entry in receiver.told()] == ["吴多益", "邢小明"]

    run(story)


def test_who_cannot_be_reached_for_long_is_given_up_and_goes_on_where_it_was(run, receiver):
    async def story(server: Any) -> None:
        await put(server, subscription(receiver.url))
        receiver.status = 500
        await put(server, a_patient("a", "吴多益"))
        await tell(server)
        resource = (await server.record.read(LOCAL_OPERATOR, "Subscription", "s")).resource
        assert (resource["status"], resource["error"]) == ("error", "the endpoint answered 500 Internal Server Error")
        receiver.status = 200
        await put(server, subscription(receiver.url))
        await tell(server)
        assert [entry["resource"]["name"][0]["text"] for entry in receiver.told()] == ["吴多益"]

    run(story)


def test_a_subscriber_is_told_only_what_it_asked_for_and_may_see(run, receiver):
    async def story(server: Any) -> None:
        blind = Actor("somebody", Not(InCompartment("Patient", ["secret"])))
        await put(server, subscription(receiver.url, "Patient?gender=female"), actor=blind)
        await put(server, a_patient("secret", "吴多益", gender="female"), a_patient("m", "邢小明", gender="male"))
        await put(server, a_patient("f", "符小梅", gender="female"))
        await tell(server)
        assert [entry["resource"]["name"][0]["text"] for entry in receiver.told()] == ["符小梅"]

    run(story)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"endpoint": "http://169.254.169.254/"}, "JIANKANG_NOTIFY_HOSTS"),
        ({"endpoint": "ftp://127.0.0.1/"}, "http"),
        ({"payload": "text/plain"}, "application/fhir"),
    ],
)
def test_what_cannot_be_served_is_refused(run, receiver, change, said):
    async def story(server: Any) -> None:
        with pytest.raises(Problem, match=said):
            await put(server, subscription(receiver.url, **change))
        with pytest.raises(Problem, match="nonsense"):
            await put(server, subscription(receiver.url, "Patient?nonsense=1"))

    run(story)


def test_a_subscription_that_is_switched_off_is_told_nothing(run, receiver):
    async def story(server: Any) -> None:
        await put(server, subscription(receiver.url))
        await put(server, {**subscription(receiver.url), "status": "off"})
        await put(server, a_patient("a"))
        await tell(server)
        assert receiver.messages == []

    run(story)


def test_the_background_task_tells_by_itself(run, receiver):
    async def story(server: Any) -> None:
        await put(server, subscription(receiver.url))
        async with Notifier(server):
            await put(server, a_patient("a"))
            for _ in range(200):
                if receiver.messages:
                    break
                await asyncio.sleep(0.05)
        assert len(receiver.told()) == 1

    run(story)


def test_nobody_misses_a_change_after_a_dump_is_restored_into_a_younger_server(run, receiver, database_url):
    async def before(server: Any) -> None:
        await put(server, subscription(receiver.url))
        await put(server, a_patient("a", "吴多益"))
        await tell(server)
        await put(server, a_patient("b", "邢小明"))

    async def after(server: Any) -> None:
        receiver.told()
        await tell(server)
        assert [entry["resource"]["name"][0]["text"] for entry in receiver.told()] == ["邢小明"]
        await put(server, a_patient("c", "林大海"))
        await tell(server)
        assert [entry["resource"]["name"][0]["text"] for entry in receiver.told()] == ["林大海"]

    run(before)
    late = 1 << 40  # transaction numbers of the server that the dump comes from
    with psycopg.connect(database_url) as db:
        for table in ("identity_change", "identity_subscriber"):
            db.execute(f"UPDATE {table} SET xid = (xid::text::bigint + {late})::text::xid8")
    assert [renumber(database_url, log) for log in LOGS] == [False, True]
    run(after)
