"""How subscribers are reached, whatever they are told: which hosts may be, one attempt, and when the next one is made.

http://hl7.org/fhir/R4/subscription.html#rest-hook
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatch
from functools import cache
from typing import TYPE_CHECKING

import httpx

from jiankang.foundation.record.store import Change, prepare
from jiankang.kernel.errors import Problem, Unavailable, Unprocessable

if TYPE_CHECKING:
    from jiankang.foundation.access import Actor
    from jiankang.foundation.record.store import Transaction
    from jiankang.foundation.record.wire.server import Server
    from jiankang.kernel.settings import Settings

TYPE = "Subscription"
TIMEOUT_SECONDS = 10.0
FIRST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(hours=1)
GIVE_UP = 30
"""Failures after which the Subscription gets the status `error`: about a day. What it was not told is kept."""
_MOST_READ = 65_536


def may_be_told(settings: Settings, host: str) -> bool:
    """Whether whoever runs this server lets notifications go to a host."""
    allowed = [one.strip() for one in settings.notify_hosts.split(",") if one.strip()]
    return any(fnmatch(host.lower(), one.lower()) for one in allowed)


def check_host(settings: Settings, host: str) -> None:
    """Refuse a host that nothing may be sent to. Raises Unprocessable."""
    if not may_be_told(settings, host):
        raise wrong(
            f"nothing is sent to {host}: who runs this server has to name it in JIANKANG_NOTIFY_HOSTS",
            "Subscription.channel.endpoint",
        )


def check_endpoint(settings: Settings, endpoint: str) -> None:
    """Refuse an endpoint that is no http(s) address, or one that nothing may be sent to. Raises Unprocessable.

    The address is read by who sends, so that both mean the same host.
    """
    try:
        url = httpx.URL(endpoint)
        host = url.host if url.scheme in {"http", "https"} and not url.userinfo else ""
    except httpx.InvalidURL:
        host = ""
    if not host or "\\" in endpoint:
        raise wrong("the endpoint is the http(s) address that messages are sent to", "Subscription.channel.endpoint")
    check_host(settings, host)


def wrong(text: str, expression: str) -> Unprocessable:
    """What is said of a Subscription that cannot be served."""
    return Unprocessable(text, expression=[expression], code="business-rule")


def wait_after(failures: int, first: timedelta = FIRST_WAIT) -> timedelta:
    """How long to wait after so many failures: twice as long each time, up to an hour, and not all at the same moment."""
    doubled = first * (1 << min(failures - 1, 20))
    return min(doubled, LONGEST_WAIT) * random.uniform(0.8, 1.2)  # noqa: S311 - spreads


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


def open_client() -> httpx.AsyncClient:
    """A client that keeps connections, follows no redirection and asks no proxy that the environment names."""
    return httpx.AsyncClient(verify=_trust(), timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False)


async def send(
    endpoint: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    method: str = "POST",
    seconds: float = TIMEOUT_SECONDS,
    client: httpx.AsyncClient | None = None,
) -> str:
    """One attempt; "" when it was answered with 2xx, else why not, without what was said. Redirections are not followed."""
    try:
        async with contextlib.AsyncExitStack() as stack:
            if client is None:
                client = await stack.enter_async_context(open_client())
            async with asyncio.timeout(seconds):
                given = [(name.encode("ascii"), value.encode()) for name, value in headers.items()]
                asked = client.build_request(method, endpoint, headers=given, content=body)
                answer = await client.send(asked, stream=True)
                try:
                    await _read(answer)
                finally:
                    await answer.aclose()
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, TimeoutError, ValueError) as error:
        return f"the endpoint cannot be reached: {type(error).__name__}"
    return "" if answer.is_success else f"the endpoint answered {answer.status_code} {answer.reason_phrase}"


async def _read(answer: httpx.Response) -> None:
    """Take in a short answer, so that its connection can be used again."""
    size = 0
    async for part in answer.aiter_raw():
        size += len(part)
        if size > _MOST_READ:
            return


def named_headers(lines: Sequence[str]) -> dict[str, str]:
    """Headers of `Subscription.channel.header`: `Name: value` each."""
    pairs = [line.partition(":") for line in lines]
    return {name.strip(): value.strip() for name, _, value in pairs}


async def mark(server: Server, actor: Actor, id_: str, status: str, error: str = "") -> bool:
    """Write into a Subscription that was requested or active how it stands now; whether it could be. Raises Unavailable."""

    async def work(tx: Transaction) -> bool:
        stored = (await tx.lock([(TYPE, id_)]))[TYPE, id_]
        if stored is None or stored.deleted or stored.resource.get("status") not in {"requested", "active"}:
            return False
        resource = {name: value for name, value in stored.resource.items() if name not in {"meta", "error"}}
        resource["status"] = status
        if error:
            resource["error"] = error
        if kept := {name: value for name, value in stored.resource.get("meta", {}).items() if name in _KEPT}:
            resource["meta"] = kept
        await tx.apply([Change("PUT", TYPE, id_, prepare(resource))])
        return True

    try:
        return await server.record.run(actor, work)
    except Unavailable:
        raise
    except Problem:
        return False


_KEPT = ("profile", "security", "tag", "source")
