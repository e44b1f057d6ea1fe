"""Patient/$ihe-pix: what somebody is called in other domains. IHE PIXm ITI-83, https://profiles.ihe.net/ITI/PIXm/ITI-83.html."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.foundation.identity.persons import person_id, sources
from jiankang.foundation.record.indexing import resource_key
from jiankang.foundation.record.wire.http import Response
from jiankang.foundation.terminology.asked import read_asked
from jiankang.kernel.errors import Forbidden, Invalid, NotFound
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from jiankang.foundation.record.wire.http import Request

Json = dict[str, Any]


async def cross_reference(request: Request) -> Response:
    """The identifiers, and the Patients, of whoever has `sourceIdentifier` (system|value), in `targetSystem` or all domains.

    Raises Invalid for a domain that is not known, NotFound for an identifier, Forbidden for a target that is not known:
    the cases of ITI-83 §2:3.83.4.2.2.
    """
    asked = read_asked(request)
    given = asked.values.get("sourceIdentifier", [""])[0]
    text = _token(given) if isinstance(given, dict) else asked.text("sourceIdentifier")
    if not text:
        raise Invalid("$ihe-pix needs sourceIdentifier=system|value", code="required", expression=["sourceIdentifier"])
    system, mark, value = text.rpartition("|")
    if not mark or not system or not value:
        raise Invalid("sourceIdentifier is written system|value", expression=["sourceIdentifier"])
    targets = asked.texts("targetSystem")
    async with request.server.db(request) as db:
        found = await _patients(request, db, text)
        if not found:
            if not await _patients(request, db, f"{system}|"):
                raise Invalid("sourceIdentifier Assigning Authority not found", code="code-invalid")
            raise NotFound("sourceIdentifier Patient Identifier not found", code="not-found")
        for target in targets:
            if not await _patients(request, db, f"{target}|"):
                raise Forbidden("targetSystem not found", code="code-invalid")
        rids = [resource_key("Patient", id_) for id_ in found]
        rows = await db.execute(
            "SELECT DISTINCT person::text FROM identity_record WHERE rid = ANY(%s::bigint[]) ORDER BY 1", (rids,)
        )
        persons = [person for (person,) in await rows.fetchall()]
        ones = [each for person in persons for each in await sources(request.server.record, db, request.actor, person)]
    identifiers: dict[tuple[str, str], Json] = {}
    for one in ones:
        for identifier in one.resource.get("identifier", ()):
            name = identifier.get("system"), identifier.get("value")
            if all(name) and name != (system, value) and (not targets or name[0] in targets):
                identifiers.setdefault(name, identifier)
    with_target = [one for one in ones if not targets or _has(one.resource, targets)]
    await request.server.record.shown(
        request.actor, "ihe-pix", [("Patient", one.id) for one in ones], None if request.tx is None else request.tx.db
    )
    parameters: list[Json] = [{"name": "targetIdentifier", "valueIdentifier": each} for each in identifiers.values()]
    if with_target:
        references = [f"Patient/{person_id(person)}" for person in persons] + [one.reference for one in with_target]
        parameters += [
            {"name": "targetId", "valueReference": {"reference": f"{request.base_url}/{one}"}} for one in references
        ]
    body: Json = {"resourceType": "Parameters"}
    if parameters:
        body["parameter"] = parameters
    return Response(200, encode(body))


def _token(identifier: Json) -> str:
    return f"{identifier.get('system', '')}|{identifier.get('value', '')}"


def _has(resource: Json, systems: list[str]) -> bool:
    return any(each.get("system") in systems for each in resource.get("identifier", ()))


async def _patients(request: Request, db: AsyncConnection[Any], token: str) -> list[str]:
    escaped = token.replace("\\", "\\\\").replace(",", "\\,").replace("$", "\\$")
    return await request.server.match_ids(db, request.actor, "Patient", [("identifier", escaped)], 50)
