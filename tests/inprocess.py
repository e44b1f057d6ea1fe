"""The whole platform as an ASGI app in an event loop of its own, for tests that drive it from plain functions."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from jiankang.fhir.xml import from_xml
from jiankang.foundation.record.api import create_fhir_app
from jiankang.foundation.record.store import Record
from jiankang.foundation.record.wire.http import unpacked
from jiankang.kernel.jsontext import decode
from jiankang.kernel.settings import Settings

T = TypeVar("T")
FHIR_JSON = "application/fhir+json"


@dataclass
class Answer:
    """What came back for one request, and after how many seconds."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def value(self) -> Any:
        if not self.body:
            return None
        plain = unpacked(self.body, self.headers.get("content-encoding", ""), 1 << 28)
        return from_xml(plain) if "xml" in self.headers.get("content-type", "") else decode(plain)


@dataclass
class InProcess:
    """An app that answers requests; `run` runs anything else in its loop."""

    loop: asyncio.AbstractEventLoop
    record: Record = field(init=False)
    app: Any = field(init=False)

    def run(self, work: Awaitable[T], seconds: float = 60) -> T:
        async def awaited() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(awaited(), self.loop).result(seconds)

    async def ask(
        self, method: str, path: str, body: bytes = b"", query: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """One request below /fhir; `path` is decoded, `query` is raw."""
        raw = {"content-type": FHIR_JSON} if body else {}
        raw |= {name.lower(): value for name, value in (headers or {}).items()}
        scope = {
            "type": "http", "method": method, "path": f"/fhir{path}", "root_path": "/fhir", "query_string": query,
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in raw.items()],
            "scheme": "http", "http_version": "1.1",
        }  # fmt: skip
        sent: list[dict[str, Any]] = []
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return waiting.pop() if waiting else await asyncio.Event().wait()

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        started = time.monotonic()
        await self.app(scope, receive, send)
        seconds = time.monotonic() - started
        start, *rest = sent
        found = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        return Answer(start["status"], found, b"".join(part["body"] for part in rest), seconds)

    def __call__(self, method: str, path: str, body: bytes = b"", **more: Any) -> Answer:
        return self.run(self.ask(method, path, body, **more))


@contextlib.contextmanager
def in_process(database_url: str, **options: Any) -> Iterator[InProcess]:
    """The FHIR API over the database at `database_url`; options are those of Settings."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    made = InProcess(loop)
    try:
        stack = contextlib.AsyncExitStack()
        made.record = made.run(stack.enter_async_context(Record.open(database_url, connections=6)))
        made.app = create_fhir_app(made.record, settings=Settings(**options), secret=b"k" * 32)
        try:
            yield made
        finally:
            made.run(stack.aclose())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
