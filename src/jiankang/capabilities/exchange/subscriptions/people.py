"""Persons named in a search: they stand for their registrations, as in any search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.foundation.record.store import Transaction
from jiankang.foundation.record.wire.http import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jiankang.foundation.access import Actor
    from jiankang.foundation.record.wire.server import Server


async def spelled_out(server: Server, db: Any, actor: Actor, query: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The parameters of a search with every person named by their registrations, as the transaction of `db` knows them."""
    tx = Transaction(server.record, db, actor)
    request = Request(server, actor, "GET", (), list(query), {}, b"", "", tx=tx)
    return await server.spelled_out(request, query)
