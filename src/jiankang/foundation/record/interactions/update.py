"""update, also conditional and as create: http://hl7.org/fhir/R4/http.html#update."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jiankang.foundation.access import resource_key
from jiankang.foundation.record.interactions.answers import expect_content, if_match, written
from jiankang.foundation.record.interactions.binary import wrap
from jiankang.foundation.record.interactions.conditions import claims, one_match
from jiankang.foundation.record.interactions.preparing import prepare_body
from jiankang.foundation.record.store import Change
from jiankang.foundation.record.wire.http import JSON_TYPES, Request, Response
from jiankang.kernel.errors import Conflict, Invalid, PreconditionFailed

if TYPE_CHECKING:
    from jiankang.foundation.record.store import Stored, Transaction

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def check_id(id_: str) -> None:
    """Refuse what is no id of FHIR's (http://hl7.org/fhir/R4/datatypes.html#id)."""
    if not _ID.fullmatch(id_):
        raise Invalid("an id has 1 to 64 of the characters A-Z a-z 0-9 - .", expression=["Resource.id"])


async def update(request: Request) -> Response:
    """Store a new version under the id in the address; make the resource where there is none."""
    wrap(request)
    expect_content(request, JSON_TYPES)
    type_name, id_ = request.segments
    check_id(id_)
    prepared = await prepare_body(request, type_name)
    if prepared.id is None:
        raise Invalid(f"the resource has no id: it must be {id_}, as in the address", expression=[f"{type_name}.id"])
    if prepared.id != id_:
        raise Invalid(f"the resource's id is {prepared.id}, the address says {id_}", expression=[f"{type_name}.id"])
    change = Change("PUT", type_name, id_, prepared, if_match(request))
    only_new = request.headers.get("if-none-match", "").strip() == "*"

    async def work(tx: Transaction) -> Stored:
        if only_new:
            await expect_none(tx, type_name, id_)
        return (await tx.apply([change]))[0]

    return written(request, await request.server.record.run(request.actor, work))


async def expect_none(tx: Transaction, type_name: str, id_: str) -> None:
    """If-None-Match: * asks for a new resource, never for another version (RFC 9110 §13.1.2)."""
    if await _exists(tx, type_name, id_):
        raise PreconditionFailed(f"{type_name}/{id_} exists already")


async def expect_free(tx: Transaction, type_name: str, id_: str) -> None:
    """Where a condition matches nothing, the id in the body makes a new resource: it replaces none by chance."""
    if await _exists(tx, type_name, id_):
        raise Conflict(
            f"nothing matches the condition, but there is another {type_name}/{id_}: leave the id out or correct it",
            code="duplicate",
            expression=[f"{type_name}.id"],
        )


async def _exists(tx: Transaction, type_name: str, id_: str) -> bool:
    await tx.claim([resource_key(type_name, id_)])  # two who make the same one wait for each other
    old = (await tx.lock([(type_name, id_)]))[type_name, id_]
    return old is not None and not old.deleted and tx.actor.restriction.permits(type_name, old.keys)


async def conditional_update(request: Request) -> Response:
    """Store a new version of the one resource that matches; make one where none does."""
    expect_content(request, JSON_TYPES)
    type_name = request.segments[0]
    prepared = await prepare_body(request, type_name)
    version = if_match(request)

    async def work(tx: Transaction) -> Stored:
        await tx.claim(claims(type_name, request.params))
        found = await one_match(request.server, tx, type_name, request.params)
        if found is not None and prepared.id not in {None, found}:
            raise Invalid(
                f"the condition matches {type_name}/{found}, but the resource says it is {prepared.id}",
                expression=[f"{type_name}.id"],
            )
        if found is None and prepared.id is not None:
            await expect_free(tx, type_name, prepared.id)
        method = "POST" if found is None and prepared.id is None else "PUT"
        return (await tx.apply([Change(method, type_name, found or prepared.id, prepared, version)]))[0]

    return written(request, await request.server.record.run(request.actor, work))
