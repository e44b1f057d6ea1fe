"""Patient/[id]/$link-history: every link of a registration, or of a person, with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.foundation.identity.persons import is_person, person_id, person_of
from jiankang.foundation.identity.reasons import REASONS
from jiankang.foundation.record.indexing import resource_key
from jiankang.foundation.record.wire.http import Response
from jiankang.kernel.clock import instant
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from jiankang.foundation.record.wire.http import Request

Json = dict[str, Any]
MOST = 500
_CHANGES = """
SELECT c.operation::text, c.kind, r.id, c.before::text, c.after::text, c.actor, c.at, c.model, c.bits, c.reasons,
    (SELECT e.id FROM resource AS e WHERE e.rid = c.evidence), o.note
FROM identity_change AS c JOIN resource AS r ON r.rid = c.rid
LEFT JOIN identity_operation AS o ON o.id = c.operation
WHERE {about} AND c.kind <> 'revise' AND {allowed} ORDER BY c.seq DESC LIMIT %s
"""
_OF_PERSON = """c.seq = ANY(ARRAY(
    SELECT seq FROM identity_change WHERE before = %s UNION
    SELECT h.seq FROM identity_record AS i JOIN identity_change AS h ON h.rid = i.rid WHERE i.person = %s))"""


async def link_history(request: Request) -> Response:
    """The changes of links, the latest first: operation, kind, from and to, who, when, score in bits, model and reasons."""
    id_ = request.segments[1]
    await request.server.read(request, "Patient", id_)
    allowed, values = request.actor.restriction.sql("r")
    person = person_of(id_) if is_person(id_) else None
    about, given = ("c.rid = %s", [resource_key("Patient", id_)]) if person is None else (_OF_PERSON, [person, person])
    async with request.server.db(request) as db:
        rows = await (
            await db.execute(_CHANGES.format(about=about, allowed=allowed), (*given, *values, MOST))
        ).fetchall()
    return Response(200, encode({"resourceType": "Parameters", "parameter": [_told(*row) for row in rows]}))


def _told(
    operation: str, kind: str, id_: str, before: str | None, after: str | None, actor: str, at: Any, model: str | None,
    bits: float | None, reasons: list[str], evidence: str | None, note: str | None,
) -> Json:  # fmt: skip
    parts: list[Json] = [
        {"name": "operation", "valueString": operation},
        {"name": "kind", "valueCode": kind},
        {"name": "registration", "valueReference": {"reference": f"Patient/{id_}"}},
        {"name": "moment", "valueInstant": instant(at)},
        {"name": "actor", "valueString": actor},
    ]
    if before:
        parts.append({"name": "from", "valueReference": {"reference": f"Patient/{person_id(before)}"}})
    if after:
        parts.append({"name": "to", "valueReference": {"reference": f"Patient/{person_id(after)}"}})
    if evidence:
        parts.append({"name": "evidence", "valueReference": {"reference": f"Patient/{evidence}"}})
    if bits is not None:
        parts.append({"name": "bits", "valueDecimal": round(bits, 2)})
    if model:
        parts.append({"name": "model", "valueString": model})
    parts += [
        {"name": "reason", "valueString": f"{REASONS[code].zh} ({REASONS[code].en})"}
        for code in reasons
        if code in REASONS
    ]
    if note:
        parts.append({"name": "note", "valueString": note})
    return {"name": "change", "part": parts}
