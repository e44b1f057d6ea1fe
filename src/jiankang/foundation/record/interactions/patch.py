"""patch with JSON Patch and FHIRPath Patch, also conditional: http://hl7.org/fhir/R4/http.html#patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.fhir.patch import apply_fhirpath_patch, apply_json_patch
from jiankang.foundation.record.interactions.answers import expect_content, if_match, written
from jiankang.foundation.record.interactions.conditions import claims, one_match
from jiankang.foundation.record.interactions.preparing import prepare_raw, refreshed
from jiankang.foundation.record.store import Change
from jiankang.foundation.record.wire.http import JSON_PATCH, JSON_TYPES, Request, Response
from jiankang.kernel.errors import Gone, Invalid, NotFound, Unprocessable
from jiankang.kernel.jsontext import decode

if TYPE_CHECKING:
    from jiankang.foundation.record.store import Stored, Transaction


async def patch(request: Request) -> Response:
    """Change parts of a resource."""
    type_name, id_ = request.segments
    expect_content(request, {JSON_PATCH, *JSON_TYPES})
    document = read_patch(request)
    version = if_match(request)
    await refreshed(request.server)

    async def work(tx: Transaction) -> Stored:
        return await patch_in(request, tx, type_name, id_, document, version)

    return written(request, await request.server.record.run(request.actor, work))


async def conditional_patch(request: Request) -> Response:
    """Change parts of the one resource that matches."""
    type_name = request.segments[0]
    expect_content(request, {JSON_PATCH, *JSON_TYPES})
    document = read_patch(request)
    version = if_match(request)
    await refreshed(request.server)

    async def work(tx: Transaction) -> Stored:
        await tx.claim(claims(type_name, request.params))
        found = await one_match(request.server, tx, type_name, request.params)
        if found is None:
            raise NotFound(f"no {type_name} matches the condition")
        return await patch_in(request, tx, type_name, found, document, version)

    return written(request, await request.server.record.run(request.actor, work))


def read_patch(request: Request) -> Any:
    """The patch in the body: a list of JSON Patch operations, or a Parameters resource."""
    document = decode(request.body)
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and document.get("resourceType") == "Parameters":
        return document
    raise Invalid("a patch is a list of JSON Patch operations, or a Parameters resource of FHIRPath Patch")


async def patch_in(
    request: Request, tx: Transaction, type_name: str, id_: str, document: Any, version: frozenset[int] | None
) -> Stored:
    """Patch the current version, in the transaction; the judge was refreshed before."""
    old = (await tx.lock([(type_name, id_)]))[type_name, id_]
    if old is None or not tx.actor.restriction.permits(type_name, old.keys):
        raise NotFound(f"{type_name}/{id_} is not known")
    if old.deleted:
        raise Gone(f"{type_name}/{id_} was deleted")
    changed = (
        apply_json_patch(old.resource, document)
        if isinstance(document, list)
        else apply_fhirpath_patch(old.resource, document)
    )
    if not isinstance(changed, dict) or changed.get("resourceType") != type_name or changed.get("id") != id_:
        raise Unprocessable("a patch may not change resourceType or id", expression=[f"{type_name}.id"])
    prepared = await prepare_raw(request, changed, type_name, tx=tx)
    return (await tx.apply([Change("PATCH", type_name, id_, prepared, version)]))[0]
