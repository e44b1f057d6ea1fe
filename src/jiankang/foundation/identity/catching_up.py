"""Brings Patients into the index that were written before there was one, or by a version that read them otherwise."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import psycopg

from jiankang.foundation.access import Actor
from jiankang.foundation.identity import index
from jiankang.foundation.identity.registering import Registrar
from jiankang.foundation.identity.room import identity_of
from jiankang.foundation.record.indexing import column, resource_key, type_key
from jiankang.kernel.ids import key64

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jiankang.foundation.record.store import Record, Transaction

_log = logging.getLogger("jiankang.identity")
_CATCHING_UP = key64("identity:catch-up")
_BATCH = 200
SHAPE = 1
"""Goes up when the normaliser or the keys read Patients otherwise: then all are read anew."""
_KEY = type_key("Patient")
_LACKING = f"""
SELECT p.rid, r.id FROM idx AS p JOIN resource AS r ON r.rid = p.rid
WHERE p.{column(_KEY)} = {_KEY} AND p.rid > %s AND NOT r.deleted {{only}} ORDER BY p.rid LIMIT {_BATCH}
"""
_NOT_THERE = "AND NOT EXISTS (SELECT FROM identity_record AS i WHERE i.rid = p.rid)"
BUILDER = Actor("identity-index")


async def catch_up(record: Record, *, everything: bool = False, progress: Callable[[int], None] | None = None) -> int:
    """Register the Patients that the index lacks; with `everything` read all of them anew. How many were looked at.

    Once that is done it is remembered. Does nothing while another process is at it. `progress` is told how many are done.
    """
    done, after = 0, -(2**63)
    async with record.side.connection() as db:
        row = await (await db.execute("SELECT pg_try_advisory_lock(%s)", (_CATCHING_UP,))).fetchone()
        if row is None or not row[0]:
            return 0
        try:
            shape = await (await db.execute("SELECT version FROM identity_shape")).fetchone()
            if shape is not None and shape[0] == SHAPE and not everything:
                return 0
            query = _LACKING.format(only="" if everything or shape is not None else _NOT_THERE)
            while rows := await (await db.execute(query, (after,))).fetchall():
                ids = [id_ for _, id_ in rows]
                await record.run(BUILDER, lambda tx, ids=ids: _register(tx, ids))  # type: ignore[misc]
                done, after = done + len(rows), rows[-1][0]
                if progress is not None:
                    progress(done)
            await db.execute(
                "INSERT INTO identity_shape (version) VALUES (%s) ON CONFLICT (one) DO UPDATE SET version = excluded.version",
                (SHAPE,),
            )
        except psycopg.Error as error:
            _log.warning("the index of persons could not be brought up to date: %s", type(error).__name__)
        finally:
            await db.execute("SELECT pg_advisory_unlock(%s)", (_CATCHING_UP,))
    return done


async def _register(tx: Transaction, ids: Sequence[str]) -> None:
    registrar = Registrar(identity_of(tx.record))
    stored = [one for one in (await tx.lock([("Patient", id_) for id_ in ids])).values() if one and not one.deleted]
    known = await index.known(tx.db, [resource_key("Patient", one.id) for one in stored])
    ones = [registrar.newcomer(one.rid, one.id, one.resource, known.get(one.rid), named=True) for one in stored]
    await registrar.register(tx, [one for one in ones if one.old is None or one.old.record != one.record])
