"""Keeps the tables in step with the terminology resources of the record, in the transaction that writes them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import psycopg

from jiankang.fhir.definitions import load
from jiankang.foundation.record.codec import join_text
from jiankang.foundation.terminology.maps import put_concept_map
from jiankang.foundation.terminology.model import check_lengths
from jiankang.foundation.terminology.writing import drop_system, put_code_system, stamp
from jiankang.kernel.errors import Problem
from jiankang.kernel.ids import key64
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import AsyncConnection

    from jiankang.foundation.record.store import Coming, Record, Transaction

_CATCHING_UP = key64("terminology:catch-up")
_log = logging.getLogger("jiankang.terminology")
TYPES = ("CodeSystem", "ValueSet", "ConceptMap", "NamingSystem")


def keep_in_step(record: Record) -> None:
    """Have every write of a terminology resource bring the tables along."""
    for name in TYPES:
        record.guards[name] = _guard


async def _guard(tx: Transaction, writes: Sequence[Coming]) -> None:
    tx.definitional = True
    for write in writes:
        prepared = write.change.prepared
        await keep(tx.db, write.change.type, write.id, None if prepared is None else prepared.resource)


async def keep(db: AsyncConnection[Any], type_name: str, id_: str, resource: dict[str, Any] | None) -> None:
    """Take in one resource of the record; None when it was deleted. Raises Unprocessable for a code that comes twice."""
    if type_name == "CodeSystem":
        await _keep_code_system(db, id_, resource)
    elif type_name == "ValueSet":
        await _keep_value_set(db, id_, resource)
    elif type_name == "ConceptMap":
        await db.execute("DELETE FROM concept_map WHERE resource = %s", (id_,))
        if resource is not None:
            await put_concept_map(db, id_, resource)
        await stamp(db, f"ConceptMap/{id_}")
    else:
        await _keep_naming_system(db, id_, resource)
    await db.execute(
        "INSERT INTO terminology_taken (type, id, taken) VALUES (%s, %s, clock_timestamp()) "
        "ON CONFLICT (type, id) DO UPDATE SET taken = excluded.taken",
        (type_name, id_),
    )


async def _keep_code_system(db: AsyncConnection[Any], id_: str, resource: dict[str, Any] | None) -> None:
    old = await (await db.execute("SELECT id, url FROM code_system WHERE resource = %s", (id_,))).fetchall()
    for system, url in old:
        await drop_system(db, system)
        await stamp(db, url)
    await db.execute("DELETE FROM system_name WHERE resource = %s", (f"CodeSystem/{id_}",))
    if resource is None or not resource.get("url"):
        return
    await put_code_system(db, resource, "record", id_)
    names = {each["value"] for each in resource.get("identifier", []) if str(each.get("value", "")).startswith("urn:")}
    await _name(db, names, resource["url"], f"CodeSystem/{id_}")


async def _keep_value_set(db: AsyncConnection[Any], id_: str, resource: dict[str, Any] | None) -> None:
    await db.execute("DELETE FROM value_set WHERE resource = %s", (id_,))
    await stamp(db, f"ValueSet/{id_}")
    if resource is None or not resource.get("url"):
        return
    check_lengths("the URL of a value set", resource["url"], resource.get("version", ""))
    body = {name: value for name, value in resource.items() if name not in {"text", "contained"}}
    await db.execute(
        "INSERT INTO value_set (url, version, resource, body) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (url, version) DO UPDATE SET resource = excluded.resource, body = excluded.body",
        (resource["url"], resource.get("version", ""), id_, encode({**body, "id": id_}).decode()),
    )


async def _keep_naming_system(db: AsyncConnection[Any], id_: str, resource: dict[str, Any] | None) -> None:
    await db.execute("DELETE FROM system_name WHERE resource = %s", (f"NamingSystem/{id_}",))
    names, url = names_of(resource or {})
    await _name(db, names, url, f"NamingSystem/{id_}")
    await stamp(db, f"NamingSystem/{id_}")


def names_of(resource: dict[str, Any]) -> tuple[set[str], str]:
    """The other names of the code system that a NamingSystem describes, and its URL ("" when it has none)."""
    url = ""
    names: set[str] = set()
    if resource.get("kind") != "codesystem":
        return names, url
    for each in resource.get("uniqueId", []):
        value = str(each.get("value", ""))
        if each.get("type") == "uri" and (not url or each.get("preferred")):
            url = value
        elif each.get("type") == "oid":
            names.add(value if value.startswith("urn:oid:") else f"urn:oid:{value}")
        elif value:
            names.add(value)
    return names - {url}, url


async def _name(db: AsyncConnection[Any], names: set[str], url: str, resource: str) -> None:
    if url and names:
        check_lengths("the name of a system", max(names, key=len))
        await db.execute(
            "INSERT INTO system_name (name, url, resource) SELECT n, %s, %s FROM unnest(%s::text[]) AS n ON CONFLICT DO NOTHING",
            (url, resource, sorted(names)),
        )


_BEHIND = """
SELECT r.id, r.version, r.updated, r.deleted, r.body FROM resource AS r
LEFT JOIN terminology_taken AS t ON t.type = %s AND t.id = r.id
WHERE r.type = %s AND (%s OR t.taken < r.updated OR (t.taken IS NULL AND NOT r.deleted)) ORDER BY r.updated
"""


async def catch_up(record: Record, *, everything: bool = False) -> int:
    """Take in the terminology resources of the record that were written past the hook, or all; how many.

    One that cannot be taken in (codes that come twice) is left out and told of in the log.
    """
    async with record.pool.connection() as db:
        row = await (await db.execute("SELECT pg_try_advisory_lock(%s)", (_CATCHING_UP,))).fetchone()
        if row is None or not row[0]:
            return 0  # another process is at it
        try:
            return sum([await _catch_up_type(record, db, name, everything=everything) for name in TYPES])
        except psycopg.Error as error:
            _log.warning("terminology could not be brought up to date: %s", type(error).__name__)
            return 0
        finally:
            await db.execute("SELECT pg_advisory_unlock(%s)", (_CATCHING_UP,))


async def _catch_up_type(record: Record, db: AsyncConnection[Any], type_name: str, *, everything: bool) -> int:
    count = 0
    rows = await (await db.execute(_BEHIND, (type_name, load().type_code(type_name), everything))).fetchall()
    for id_, version, updated, deleted, body in rows:
        resource = None
        if not deleted:
            payload = await record.payload(bytes(body))
            resource = decode(join_text(type_name, id_, version, updated, payload))
        try:
            async with db.transaction():
                await keep(db, type_name, id_, resource)
            count += 1
        except Problem as problem:
            _log.warning("%s/%s is not known to the terminology room: %s", type_name, id_, problem)
    return count
