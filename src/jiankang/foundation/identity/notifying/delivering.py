"""Sends what subscribers are to be told: in order, at least once, again and again until it is taken.

Each process looks for a subscriber that is due and takes it by its row, so that one process tells it at a time. How far
it was told is committed after its endpoint answered 2xx. http://hl7.org/fhir/R4/subscription.html#message
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Self

from jiankang.foundation.access import EVERYTHING, restore
from jiankang.foundation.identity.notifying.message import message
from jiankang.foundation.identity.notifying.sending import FIRST_WAIT, GIVE_UP, mark, named_headers, send, wait_after
from jiankang.foundation.identity.persons import golden, sources
from jiankang.foundation.record.wire.http import query_pairs
from jiankang.kernel.errors import Problem
from jiankang.kernel.tasks import end_tasks

if TYPE_CHECKING:
    from datetime import timedelta

    from psycopg import AsyncConnection

    from jiankang.foundation.access import Actor
    from jiankang.foundation.record.store import Stored
    from jiankang.foundation.record.wire.server import Server

POLL_SECONDS = 1.0
AT_ONCE = 100
_KIND = {"Content-Type": "application/fhir+json;charset=utf-8"}
_log = logging.getLogger("jiankang.identity")

_DUE = """
SELECT id, endpoint, headers, criteria, actor, xid::text, seq, failures FROM identity_subscriber AS s
WHERE due <= now() AND failures < %s AND (ends IS NULL OR ends > now()) AND EXISTS (
    SELECT FROM identity_change AS c
    WHERE (c.xid, c.seq) > (s.xid, s.seq) AND c.xid < pg_snapshot_xmin(pg_current_snapshot()))
ORDER BY due LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_NEXT = """
SELECT c.xid::text, c.seq, c.before::text, c.after::text FROM identity_change AS c
WHERE (c.xid, c.seq) > (%s::xid8, %s::bigint) AND c.xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY c.xid, c.seq LIMIT %s
"""


class Notifier:
    """The background task of a server process: `async with Notifier(server): …`."""

    def __init__(self, server: Server, *, first_wait: timedelta = FIRST_WAIT) -> None:
        self.server = server
        self.first_wait = first_wait

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await end_tasks(self._task)

    async def _run(self) -> None:
        while True:
            told = False
            try:
                told = await self.tell_one()
            except Problem as problem:
                _log.warning("subscribers cannot be told just now: %s", problem)
            except Exception:  # noqa: BLE001 - a bug in one message must not silence all others
                _log.exception("a subscriber could not be told")
            if not told:
                await asyncio.sleep(POLL_SECONDS)

    async def tell_one(self) -> bool:
        """Tell one subscriber what it was not told yet, or note that it could not be; whether there was one."""
        record = self.server.record
        async with record.side.connection() as db, db.transaction():
            row = await (await db.execute(_DUE, (GIVE_UP,))).fetchone()
            if row is None:
                return False
            id_, endpoint, headers, criteria, kept, xid, seq, failures = row
            actor = restore(kept)
            changes = await (await db.execute(_NEXT, (xid, seq, AT_ONCE))).fetchall()
            named = list(dict.fromkeys(person for *_, before, after in changes for person in (before, after) if person))
            persons = [found for person in named if (found := await self._person(db, actor, person, criteria))]
            error = ""
            if persons:
                base = (
                    self.server.settings.base_url
                    or f"http://{self.server.settings.host}:{self.server.settings.port}/fhir"
                )
                body = message(persons, base_url=base, endpoint=endpoint, now=record.clock())
                error = await send(endpoint, _KIND | named_headers(headers), body)
            if error:
                await self._postpone(db, id_, failures + 1, error)
            else:
                last = changes[-1]
                await db.execute(
                    "UPDATE identity_subscriber SET xid = %s::xid8, seq = %s, failures = 0, error = NULL, due = now() "
                    "WHERE id = %s",
                    (last[0], last[1], id_),
                )
        if error and failures + 1 >= GIVE_UP:
            await mark(self.server, actor, id_, "error", error)
        return True

    async def _person(
        self, db: AsyncConnection[Any], actor: Actor, person: str, criteria: str
    ) -> tuple[str, Stored | None] | None:
        """A person's Patient if the subscriber may see it and asked for it."""
        record = self.server.record
        stored = await golden(record, db, actor, person)
        query = query_pairs(criteria.partition("?")[2])
        if stored is None:
            return (person, None) if actor.restriction is EVERYTHING else None
        if not query:
            return person, stored
        ids = [one.id for one in await sources(record, db, actor, person)]
        if not ids:
            return person, stored
        found = await self.server.match_ids(db, actor, "Patient", [*query, ("_id", ",".join(ids))], 1)
        return (person, stored) if found else None

    async def _postpone(self, db: AsyncConnection[Any], id_: str, failures: int, error: str) -> None:
        wait = wait_after(failures, self.first_wait)
        await db.execute(
            "UPDATE identity_subscriber SET failures = %s, error = %s, due = now() + %s WHERE id = %s",
            (failures, error, wait, id_),
        )
