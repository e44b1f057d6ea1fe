"""What the record held before: the versions of one resource, of a type, or of everything, newest first.

http://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load
from jiankang.foundation.record.indexing import resource_key
from jiankang.foundation.record.store import METHODS, Stored
from jiankang.kernel.database import translated
from jiankang.kernel.errors import NotFound

if TYPE_CHECKING:
    from datetime import datetime

    from jiankang.foundation.access import Actor
    from jiankang.foundation.record.store import Record


COUNTED = 10_000
"""Versions of a type, or of everything, that are counted at most."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which versions are asked for: made at or after `since`, current at some moment `at`, and how many.

    `before` is the cursor of a page: the version (of one resource) or change number that the page starts below.
    """

    since: datetime | None = None
    at: datetime | None = None
    count: int = 50
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Versions:
    """One page of versions, how many there are in all, and the `before` of the next page (None: this is the last).

    `total` is None where there are more than COUNTED.
    """

    entries: list[Stored]
    total: int | None
    next: int | None


_VERSIONS = """
SELECT version, updated, deleted, method, body, version AS cursor, rid, type, id,
    lead(updated) OVER (ORDER BY version) AS until
FROM (SELECT rid, type, id, version, updated, deleted, method, body FROM resource WHERE rid = %(rid)s
      UNION ALL
      SELECT rid, type, id, version, updated, deleted, method, body FROM history WHERE rid = %(rid)s) AS v
"""

_LOG = """
SELECT c.version, c.updated, c.method = 3 AS deleted, c.method, coalesce(now.body, old.body) AS body, c.seq AS cursor,
    c.rid, c.type, r.id
FROM change AS c
JOIN resource AS r ON r.rid = c.rid
LEFT JOIN resource AS now ON now.rid = c.rid AND now.version = c.version
LEFT JOIN history AS old ON old.rid = c.rid AND old.version = c.version
WHERE {where}
ORDER BY c.seq DESC LIMIT %(limit)s
"""


async def history(
    record: Record, actor: Actor, window: Window, type_name: str | None = None, id_: str | None = None
) -> Versions:
    """The versions of Type/id, of a type or of the whole record. Raises NotFound for a resource never known."""
    if type_name is not None and id_ is not None:
        return await _of_resource(record, actor, window, type_name, id_)
    return await _of_log(record, actor, window, type_name)


async def _of_resource(record: Record, actor: Actor, window: Window, type_name: str, id_: str) -> Versions:
    if await record.current(actor, type_name, id_) is None:
        raise NotFound(f"{type_name}/{id_} is not known")
    values: dict[str, Any] = {"rid": resource_key(type_name, id_), "since": window.since, "at": window.at}
    where = ["(%(since)s::timestamptz IS NULL OR updated >= %(since)s::timestamptz)"]
    where.append(
        "(%(at)s::timestamptz IS NULL OR (updated <= %(at)s::timestamptz AND (until IS NULL OR until > %(at)s::timestamptz)))"
    )
    query = f"SELECT * FROM ({_VERSIONS}) AS w WHERE {' AND '.join(where)}"
    values |= {"before": window.before, "limit": window.count + 1}
    async with record.pool.connection() as db:
        with translated():
            counted = await (await db.execute(f"SELECT count(*) FROM ({query}) AS q", values)).fetchone()
            cursor = db.cursor(binary=True)
            await cursor.execute(
                f"SELECT * FROM ({query}) AS q WHERE (%(before)s::int IS NULL OR version < %(before)s::int) "
                "ORDER BY version DESC LIMIT %(limit)s",
                values,
            )
            rows = await cursor.fetchall()
    return await _page(record, rows, window.count, counted[0] if counted else 0)


async def _of_log(record: Record, actor: Actor, window: Window, type_name: str | None) -> Versions:
    allowed, bound = actor.restriction.sql("r")
    names = {f"r{number}": value for number, value in enumerate(bound)}
    for name in names:
        allowed = allowed.replace("%s", f"%({name})s", 1)
    where = [allowed]
    values: dict[str, Any] = dict(names)
    if type_name is not None:
        where.append("c.type = %(type)s::smallint")
        values["type"] = load().type_code(type_name)
    if window.since is not None:
        where.append("c.updated >= %(since)s")
        values["since"] = window.since
    if window.at is not None:
        where.append(
            "c.updated <= %(at)s AND NOT (r.version = c.version + 1 AND r.updated <= %(at)s) AND NOT EXISTS (SELECT FROM "
            "history AS h WHERE h.rid = c.rid AND h.version = c.version + 1 AND h.updated <= %(at)s)"
        )
        values["at"] = window.at
    condition = " AND ".join(where)
    async with record.pool.connection() as db:
        with translated():
            total = await (
                await db.execute(
                    "SELECT count(*) FROM (SELECT FROM change AS c JOIN resource AS r ON r.rid = c.rid "
                    f"WHERE {condition} LIMIT {COUNTED + 1}) AS q",
                    values,
                )
            ).fetchone()
            if window.before is not None:
                condition += " AND c.seq < %(before)s"
                values["before"] = window.before
            values["limit"] = window.count + 1
            cursor = db.cursor(binary=True)
            await cursor.execute(_LOG.format(where=condition), values)
            rows = await cursor.fetchall()
    return await _page(record, rows, window.count, total[0] if total and total[0] <= COUNTED else None)


async def _page(record: Record, rows: list[Any], count: int, total: int | None) -> Versions:
    names = load().resource_names
    entries = []
    for version, updated, deleted, method, body, _cursor, rid, type_code, id_, *_ in rows[:count]:
        payload = b"" if deleted or not body else await record.payload(body)
        entries.append(
            Stored(
                names[type_code], id_, version, updated, deleted, METHODS[method], payload, rid, created=version == 1
            )
        )
    following = rows[count - 1][5] if len(rows) > count and count else None
    return Versions(entries, total, following)
