"""What the record held before: the versions of one resource, of a type, or of everything, newest first.

http://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load
from jiankang.foundation.record.indexing import resource_key
from jiankang.foundation.record.store import METHODS, Stored
from jiankang.kernel.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jiankang.foundation.access import Actor
    from jiankang.foundation.record.store import Record, Transaction


COUNTED = 10_000
"""Versions of a type, or of everything, that are counted at most."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which versions are asked for: made at or after `since`, current at some time of the period `at`, and how many.

    `at` is half-open. `rids` and `versions` are the resources, and the single versions of resources, to choose from
    (None: all). `before` is the cursor of a page: the version (of one resource) or change number that the page starts below.
    """

    since: datetime | None = None
    at: tuple[datetime, datetime] | None = None
    count: int = 50
    before: int | None = None
    rids: Sequence[int] | None = None
    versions: Sequence[tuple[int, int]] = ()


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
    lead(updated) OVER (ORDER BY version) AS until, lag(deleted) OVER (ORDER BY version) AS reborn
FROM (SELECT rid, type, id, version, updated, deleted, method, body FROM resource WHERE rid = %(rid)s
      UNION ALL
      SELECT rid, type, id, version, updated, deleted, method, body FROM history WHERE rid = %(rid)s) AS v
"""

_LOG = """
SELECT c.version, c.updated, c.method = 3 AS deleted, c.method, coalesce(now.body, old.body) AS body, c.seq AS cursor,
    c.rid, c.type, r.id,
    (SELECT h.deleted FROM history AS h WHERE h.rid = c.rid AND h.version = c.version - 1) AS reborn
FROM change AS c
JOIN resource AS r ON r.rid = c.rid
LEFT JOIN resource AS now ON now.rid = c.rid AND now.version = c.version
LEFT JOIN history AS old ON old.rid = c.rid AND old.version = c.version
WHERE {where}
ORDER BY c.seq DESC LIMIT %(limit)s
"""


async def history(
    record: Record,
    actor: Actor,
    window: Window,
    type_name: str | None = None,
    id_: str | None = None,
    tx: Transaction | None = None,
) -> Versions:
    """The versions of Type/id, of a type or of the whole record. Raises NotFound for a resource never known.

    Inside the transaction `tx` its own writes are seen.
    """
    if type_name is not None and id_ is not None:
        return await _of_resource(record, actor, window, type_name, id_, tx)
    return await _of_log(record, actor, window, type_name, tx)


def _chosen(window: Window, rid: str, version: str, values: dict[str, Any]) -> str:
    """The condition on `rid` and `version` that leaves only what `window` chooses from; its values go into `values`."""
    if window.rids is None:
        return "true"
    values["rids"] = list(window.rids)
    values["single"] = [one for one, _ in window.versions]
    values["numbers"] = [number for _, number in window.versions]
    return (
        f"({rid} = ANY(%(rids)s::bigint[]) OR ({rid}, {version}) IN "
        "(SELECT * FROM unnest(%(single)s::bigint[], %(numbers)s::int[])))"
    )


async def _of_resource(
    record: Record, actor: Actor, window: Window, type_name: str, id_: str, tx: Transaction | None
) -> Versions:
    known = await (record.current(actor, type_name, id_) if tx is None else tx.get(type_name, id_))
    if known is None:
        raise NotFound(f"{type_name}/{id_} is not known")
    values: dict[str, Any] = {"rid": resource_key(type_name, id_), "since": window.since}
    values["lo"], values["hi"] = window.at or (None, None)
    where = ["(%(since)s::timestamptz IS NULL OR updated >= %(since)s::timestamptz)"]
    where.append(
        "(%(lo)s::timestamptz IS NULL OR (updated < %(hi)s::timestamptz AND (until IS NULL OR until > %(lo)s::timestamptz)))"
    )
    where.append(_chosen(window, "rid", "version", values))
    query = f"SELECT * FROM ({_VERSIONS}) AS w WHERE {' AND '.join(where)}"
    values |= {"before": window.before, "limit": window.count + 1}
    async with record.reading(tx) as db:
        counted = await (await db.execute(f"SELECT count(*) FROM ({query}) AS q", values)).fetchone()
        cursor = db.cursor(binary=True)
        await cursor.execute(
            f"SELECT * FROM ({query}) AS q WHERE (%(before)s::int IS NULL OR version < %(before)s::int) "
            "ORDER BY version DESC LIMIT %(limit)s",
            values,
        )
        rows = await cursor.fetchall()
    return await _page(record, rows, window.count, counted[0] if counted else 0)


async def _of_log(
    record: Record, actor: Actor, window: Window, type_name: str | None, tx: Transaction | None
) -> Versions:
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
            "c.updated < %(hi)s AND NOT (r.version = c.version + 1 AND r.updated <= %(lo)s) AND NOT EXISTS (SELECT FROM "
            "history AS h WHERE h.rid = c.rid AND h.version = c.version + 1 AND h.updated <= %(lo)s)"
        )
        values["lo"], values["hi"] = window.at
    where.append(_chosen(window, "c.rid", "c.version", values))
    condition = " AND ".join(where)
    async with record.reading(tx) as db:
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
    for version, updated, deleted, method, body, _cursor, rid, type_code, id_, *_, reborn in rows[:count]:
        payload = b"" if deleted or not body else await record.payload(body)
        made = version == 1 or bool(reborn)
        entries.append(
            Stored(names[type_code], id_, version, updated, deleted, METHODS[method], payload, rid, created=made)
        )
    following = rows[count - 1][5] if len(rows) > count and count else None
    return Versions(entries, total, following)
