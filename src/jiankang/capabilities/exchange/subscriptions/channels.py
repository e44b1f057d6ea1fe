"""How a parcel reaches a subscriber: by HTTP, or by mail. http://hl7.org/fhir/R4/subscription.html#channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from jiankang.capabilities.exchange.subscriptions.mailing import letter, post
from jiankang.capabilities.exchange.subscriptions.model import EMAIL, Subscriber
from jiankang.capabilities.exchange.subscriptions.signing import EVENT, SIGNATURE, secret_of, signature
from jiankang.foundation.identity.notifying import TIMEOUT_SECONDS, check_endpoint, named_headers, open_client, send
from jiankang.kernel.errors import Unprocessable

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.subscriptions.telling import Parcel
    from jiankang.foundation.record.wire.server import Server


class Channels:
    """The ways to subscribers, for one process."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Keep connections from now on."""
        self._client = open_client()

    async def close(self) -> None:
        """Let all connections go."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def send(self, one: Subscriber, parcel: Parcel, number: int) -> str:
        """One attempt to tell a subscriber of the event `number`; "" when it was taken, else why not."""
        signed = signature(secret_of(self.server.secret, one.id, one.secret_number), parcel.body)
        if one.wish.channel == EMAIL:
            return await post(self.server.settings, letter(self.server.settings, one, parcel, number, signed))
        try:
            check_endpoint(self.server.settings, one.wish.endpoint)  # what was allowed once may not be any more
        except Unprocessable as problem:
            return str(problem)
        headers = named_headers(one.wish.headers)
        if parcel.media_type:
            headers["Content-Type"] = f"{parcel.media_type};charset=utf-8"
        headers |= {SIGNATURE: signed, **({EVENT: str(number)} if number else {})}
        return await send(
            _below(one.wish.endpoint, parcel.path),
            headers,
            parcel.body,
            method=parcel.method,
            seconds=one.wish.timeout_seconds or TIMEOUT_SECONDS,
            client=self._client,
        )


def _below(endpoint: str, path: str) -> str:
    """The address of a path below an endpoint, which may have a query."""
    if not path:
        return endpoint
    url = httpx.URL(endpoint)
    return str(url.copy_with(path=url.path.rstrip("/") + path))
