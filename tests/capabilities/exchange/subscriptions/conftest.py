"""A receiver over HTTP, and a server whose subscriptions are open."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from jiankang.capabilities.exchange.subscriptions import Couriers, Patience, open_subscriptions
from jiankang.foundation.access import LOCAL_OPERATOR, Actor
from jiankang.foundation.record.api import create_fhir_app
from jiankang.foundation.record.api.app import FhirApp
from jiankang.foundation.record.store import Change, Record, prepare
from jiankang.kernel.settings import Settings
from jiankang.main import compose

Story = Callable[[Any], Coroutine[Any, Any, None]]
GUIDE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"


class Receiver:
    """An endpoint that keeps what it is sent, and answers as it is told to."""

    def __init__(self) -> None:
        self.status = 200
        self.seconds = 0.0
        self.slow = ""
        self.asked = 0
        self.refuses: Callable[[str], bool] = lambda _: False
        self.came: list[tuple[str, str, dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.asked += 1
                slow = bool(receiver.slow) and receiver.slow in self.path
                time.sleep(1 if slow else receiver.seconds)
                status = 503 if slow or receiver.refuses(self.path) else receiver.status
                if status == 200:
                    receiver.came.append((self.command, self.path, dict(self.headers), body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_PUT = do_POST  # noqa: N815 - the name that the library looks for

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook"

    def bodies(self) -> list[Any]:
        """What came, read; it is taken."""
        found = [json.loads(body) for *_, body in self.came]
        self.came = []
        return found

    def names(self) -> list[str]:
        """What of the patients that came, in order; they are taken."""
        return [one["name"][0]["text"] for one in self.bodies()]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.close()


def stories(database_url: str, data: Any) -> Callable[..., None]:
    @asynccontextmanager
    async def serving(**options: Any):
        async with Record.open(database_url) as record:
            settings = Settings(**{"notify_hosts": "127.0.0.1,*.example", "data": data, **options})
            app = create_fhir_app(record, settings=settings, secret=b"k" * 32)
            compose(app.server)
            open_subscriptions(app.server)
            yield app.server

    def go(story: Story, **options: Any) -> None:
        async def work() -> None:
            async with serving(**options) as server:
                await story(server)

        asyncio.run(work())

    return go


@pytest.fixture
def run(database_url_of_module: str, tmp_path: Any):
    """Runs a story over a server of its own, where nobody is told of anything yet; options are those of Settings."""
    with psycopg.connect(database_url_of_module, autocommit=True) as db:
        db.execute("TRUNCATE subscriber CASCADE")
    return stories(database_url_of_module, tmp_path)


@pytest.fixture
def run_apart(database_url: str, tmp_path: Any):
    """The same over a database of its own."""
    return stories(database_url, tmp_path)


class Room:
    """Short ways to do things on a server."""

    def subscription(self, endpoint: str | None, criteria: str = "Patient", **channel: Any) -> dict[str, Any]:
        kind = {"type": "rest-hook", "payload": "application/fhir+json", "endpoint": endpoint}
        return {
            "resourceType": "Subscription", "id": "s", "status": "requested", "reason": "test", "criteria": criteria,
            "channel": {name: value for name, value in {**kind, **channel}.items() if value is not None},
        }  # fmt: skip

    def topic(
        self, endpoint: str, name: str, *filters: str, content: str = "full-resource", **more: Any
    ) -> dict[str, Any]:
        """A subscription to a topic; `more` are numbers of the channel."""
        one = self.subscription(endpoint, f"urn:jiankang:SubscriptionTopic:{name}")
        one["meta"] = {"profile": [f"{GUIDE}backport-subscription"]}
        if filters:
            one["_criteria"] = {
                "extension": [{"url": f"{GUIDE}backport-filter-criteria", "valueString": f} for f in filters]
            }
        one["channel"]["_payload"] = {"extension": [{"url": f"{GUIDE}backport-payload-content", "valueCode": content}]}
        if more:
            one["channel"]["extension"] = [
                {
                    "url": f"{GUIDE}backport-{n.replace('_', '-')}",
                    "valuePositiveInt" if "count" in n else "valueUnsignedInt": v,
                }
                for n, v in more.items()
            ]
        return one

    def patient(self, id_: str, name: str = "符海燕", **more: Any) -> dict[str, Any]:
        return {"resourceType": "Patient", "id": id_, "name": [{"text": name}], "birthDate": "1990-05-01", **more}

    async def put(self, server: Any, *resources: dict[str, Any], actor: Actor = LOCAL_OPERATOR) -> None:
        changes = [Change("PUT", one["resourceType"], one["id"], prepare(one)) for one in resources]
        await server.record.run(actor, lambda tx: tx.apply(changes))

    async def read(self, server: Any, type_name: str = "Subscription", id_: str = "s") -> dict[str, Any]:
        return (await server.record.read(LOCAL_OPERATOR, type_name, id_)).resource

    async def ask(self, server: Any, method: str, path: str, body: Any = None, *, actor: Actor = LOCAL_OPERATOR) -> Any:
        """Ask the API: status and answer."""
        server.authenticate = lambda _: actor
        path, _, query = path.partition("?")
        scope = {
            "type": "http", "method": method, "path": f"/fhir/{path}", "root_path": "/fhir", "query_string": quote(query, safe="=&,:|/?%").encode(),
            "headers": [(b"host", b"jiankang.example"), (b"content-type", b"application/fhir+json")], "scheme": "http",
        }  # fmt: skip
        raw = b"" if body is None else json.dumps(body).encode()
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await FhirApp(server)(scope, receive, send)
        server.authenticate = lambda _: LOCAL_OPERATOR
        answer = b"".join(part["body"] for part in sent[1:])
        return sent[0]["status"], json.loads(answer) if answer else None

    async def match(self, server: Any) -> None:
        """Give every subscriber its events."""
        await Couriers(server).matcher.catch_up()

    async def until(self, happened: Callable[[], Any], seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while not happened():  # noqa: ASYNC110 - receivers live in threads of their own
                await asyncio.sleep(0.01)

    async def tell(self, server: Any, **patience: Any) -> int:
        """Tell every subscriber what it is to be told, at once; how often one was tried."""
        await self.match(server)
        couriers = Couriers(server, Patience(**{"first_wait": timedelta(0), **patience}))
        tries = 0
        while await couriers.tell_one("test"):
            tries += 1
        return tries


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def rows(database_url_of_module: str):
    """Rows of a query, as another process sees them."""

    def ask(sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(database_url_of_module, autocommit=True) as db:
            cursor = db.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    return ask
