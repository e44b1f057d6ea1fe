"""Who is being treated just now: while a visit is open, a patient is not linked to somebody else without a person's eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.foundation.record.indexing import column, reference_constant, token_key

if TYPE_CHECKING:
    from collections.abc import Collection

    from psycopg import AsyncConnection

OPEN = ("arrived", "triaged", "in-progress", "onleave")
"""Encounter.status of a visit that is not over: http://hl7.org/fhir/R4/valueset-encounter-status.html."""

_KEYS = [token_key("Encounter", "status", "http://hl7.org/fhir/encounter-status", code) for code in OPEN]
_SUBJECT = reference_constant("Encounter", "subject")
_QUERY = f"""
SELECT DISTINCT p.rid FROM unnest(%s::bigint[]) AS p(rid)
JOIN idx AS e ON e.{column(_SUBJECT)} = p.rid # {_SUBJECT}::bigint
WHERE EXISTS (SELECT FROM idx AS s WHERE s.{column(_KEYS[0])} = ANY(%s::bigint[]) AND s.at = e.at AND s.rid = e.rid)
"""


async def with_open_visit(db: AsyncConnection[Any], rids: Collection[int]) -> frozenset[int]:
    """Those of these Patients who have an Encounter that is not over."""
    if not rids:
        return frozenset()
    rows = await db.execute(_QUERY, (list(rids), _KEYS))
    return frozenset(rid for (rid,) in await rows.fetchall())
