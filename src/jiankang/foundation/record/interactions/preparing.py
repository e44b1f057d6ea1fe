"""From the body of a request to something the store takes."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

from jiankang.foundation.record.judging import judged, prepared
from jiankang.kernel.errors import Invalid, TooLarge

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from jiankang.foundation.record.store import Prepared, Transaction
    from jiankang.foundation.record.wire.http import Request
    from jiankang.foundation.record.wire.server import Server

THREAD_BYTES = 64 * 1024
"""Larger bodies are prepared in a thread, so that others are answered meanwhile."""


async def prepare_body(request: Request, type_name: str, id_: str | None = None) -> Prepared:
    """The resource in the body. Raises Invalid and Unprocessable with all that is wrong, TooLarge."""
    return await prepare_raw(request, request.body, type_name, id_)


async def prepare_raw(
    request: Request,
    raw: bytes | dict[str, Any],
    type_name: str,
    id_: str | None = None,
    tx: Transaction | None = None,
) -> Prepared:
    """The same of text or a value that is at hand; inside the transaction `tx` when there is one."""
    db = None if tx is None else tx.db
    if isinstance(raw, bytes):
        limit = request.server.settings.max_resource_bytes
        if len(raw) > limit:
            raise TooLarge(f"the resource has {len(raw)} bytes; at most {limit} are taken")
        if not raw.strip():
            raise Invalid(f"the body is empty: a {type_name} is expected")
        if len(raw) > THREAD_BYTES:
            work = functools.partial(prepared, request.server.judge, raw, type_name=type_name, id_=id_)
            return await _judged(request.server, await asyncio.to_thread(work), db, aside=True)
    return await _judged(request.server, prepared(request.server.judge, raw, type_name=type_name, id_=id_), db)


async def refreshed(server: Server) -> None:
    """Have the judge know profiles and codes as they are now, before a transaction in which it is asked."""
    if server.judge is not None:
        await server.judge.refresh()


async def _judged(server: Server, one: Prepared, db: AsyncConnection[Any] | None, *, aside: bool = False) -> Prepared:
    """The same, judged. Raises Unprocessable where the policy of its type refuses what is not valid."""
    refused = await judged(server.judge, [one], aside=aside, db=db)
    if refused:
        raise refused[0]
    return one
