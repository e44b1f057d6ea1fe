"""$meta, $meta-add, $meta-delete: profiles, tags and security labels of a resource.

http://hl7.org/fhir/R4/resource-operations.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.foundation.record.interactions.answers import expect_content
from jiankang.foundation.record.interactions.preparing import prepare_raw, refreshed
from jiankang.foundation.record.store import Change
from jiankang.foundation.record.wire.http import JSON_TYPES, Request, Response
from jiankang.kernel.errors import Gone, Invalid, NotFound
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from jiankang.foundation.record.store import Stored, Transaction

_LISTS = ("profile", "tag", "security")


async def meta(request: Request) -> Response:
    """The meta of a resource."""
    type_name, id_ = request.segments[:2]
    return _parameters((await request.server.read(request, type_name, id_)).resource["meta"])


async def meta_add(request: Request) -> Response:
    """Add profiles, tags and labels."""
    return await _change(request, _added)


async def meta_delete(request: Request) -> Response:
    """Take profiles, tags and labels away."""
    return await _change(request, _removed)


def _parameters(value: dict[str, Any]) -> Response:
    body = {"resourceType": "Parameters", "parameter": [{"name": "return", "valueMeta": value}]}
    return Response(200, encode(body))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return bool(one.get("system") == other.get("system") and one.get("code") == other.get("code"))
    return bool(one == other)


def _added(current: list[Any], asked: list[Any]) -> list[Any]:
    return current + [one for one in asked if not any(_same(one, other) for other in current)]


def _removed(current: list[Any], asked: list[Any]) -> list[Any]:
    return [one for one in current if not any(_same(one, other) for other in asked)]


def _asked(request: Request) -> dict[str, Any]:
    body = decode(request.body)
    for parameter in body.get("parameter", []) if isinstance(body, dict) else []:
        if isinstance(parameter, dict) and isinstance(parameter.get("valueMeta"), dict):
            found: dict[str, Any] = parameter["valueMeta"]
            return found
    raise Invalid("send Parameters with a parameter `meta` that has a valueMeta")


async def _change(request: Request, combine: Any) -> Response:
    expect_content(request, JSON_TYPES)
    type_name, id_ = request.segments[:2]
    asked = _asked(request)
    await refreshed(request.server)

    async def work(tx: Transaction) -> Stored:
        old = (await tx.lock([(type_name, id_)]))[type_name, id_]
        if old is None or not tx.actor.restriction.permits(type_name, old.keys):
            raise NotFound(f"{type_name}/{id_} is not known")
        if old.deleted:
            raise Gone(f"{type_name}/{id_} was deleted")
        fresh = dict(old.resource["meta"])
        for name in _LISTS:
            combined = combine(fresh.get(name, []), asked.get(name, []))
            if combined:
                fresh[name] = combined
            else:
                fresh.pop(name, None)
        prepared = await prepare_raw(request, {**old.resource, "meta": fresh}, type_name, tx=tx)
        return (await tx.apply([Change("PUT", type_name, id_, prepared)]))[0]

    stored = await request.server.record.run(request.actor, work)
    return _parameters(stored.resource["meta"])
