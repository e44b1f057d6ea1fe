"""A lean HTTP/1.1 load client: many keep-alive connections in one event loop, latencies kept.

Small on purpose: what it costs is taken from the same two cores that the server needs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Result:
    """What a run saw: how many answers of which status, in how many seconds, each one's latency in ms, bytes."""

    seconds: float
    statuses: dict[int, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    received_bytes: int = 0

    @property
    def rate(self) -> float:
        return sum(self.statuses.values()) / self.seconds

    def percentile(self, part: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


class _Connection(asyncio.Protocol):
    """One keep-alive connection that sends the next request when the last is answered."""

    def __init__(self, next_request: Callable[[], bytes | None], result: Result, done: asyncio.Future) -> None:
        self.next_request, self.result, self.done = next_request, result, done
        self.buffer = b""
        self.started = 0.0

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        request = self.next_request()
        if request is None:
            self.transport.close()
            return
        self.started = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        length = 0
        if at >= 0:
            stop = head.find(b"\r\n", at)
            length = int(head[at + 15 : stop if stop >= 0 else len(head)])
        if len(self.buffer) < end + 4 + length:
            return
        status = int(self.buffer[9:12])
        self.result.statuses[status] = self.result.statuses.get(status, 0) + 1
        self.result.latencies.append((time.perf_counter() - self.started) * 1000)
        self.result.received_bytes += len(self.buffer)
        self.buffer = b""
        self.send()

    def connection_lost(self, exc) -> None:
        if not self.done.done():
            self.done.set_result(None)


def get(path: str, host: str = "bench") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/fhir+json\r\n\r\n".encode()


def post(path: str, body: bytes, host: str = "bench") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/fhir+json\r\nPrefer: return=minimal\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def run(
    port: int, make: Callable[[int], bytes], *, clients: int, seconds: float = 5, count: int | None = None
) -> Result:
    """Send `make(0)`, `make(1)`, ... from `clients` connections for `seconds`, or `count` requests in all."""
    result = Result(0)
    number = 0
    started = time.perf_counter()

    def next_request() -> bytes | None:
        nonlocal number
        if (count is not None and number >= count) or (count is None and time.perf_counter() - started > seconds):
            return None
        number += 1
        return make(number - 1)

    loop = asyncio.get_running_loop()
    waits = []
    for _ in range(clients):
        done = loop.create_future()
        await loop.create_connection(lambda done=done: _Connection(next_request, result, done), "127.0.0.1", port)
        waits.append(done)
    await asyncio.gather(*waits)
    result.seconds = time.perf_counter() - started
    return result
