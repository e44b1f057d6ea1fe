"""The operations of Subscription: its secret, telling again, how it stands, what happened, a token for the socket.

http://hl7.org/fhir/uv/subscriptions-backport/operations.html, docs/guides/subscriptions.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.subscriptions import records
from jiankang.capabilities.exchange.subscriptions.model import EMPTY, FULL, ID_ONLY, WEBSOCKET, Json, Subscriber
from jiankang.capabilities.exchange.subscriptions.notifications import (
    QUERY_EVENT,
    QUERY_STATUS,
    notification,
    status_code,
    status_of,
)
from jiankang.capabilities.exchange.subscriptions.signing import TOKEN_SECONDS, secret_of, token_for
from jiankang.capabilities.exchange.subscriptions.telling import find
from jiankang.foundation.access import Actor, AllOf, restore
from jiankang.foundation.identity.notifying import TYPE
from jiankang.foundation.record.api.routes import Route, add_operation
from jiankang.foundation.record.store import Change, prepare
from jiankang.foundation.record.wire.http import Response
from jiankang.kernel.clock import instant
from jiankang.kernel.database import translated
from jiankang.kernel.errors import Conflict, Forbidden, Gone, Invalid, NotFound
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from jiankang.foundation.record.store import Transaction
    from jiankang.foundation.record.wire.http import Request

SOCKET = "/subscriptions/socket"
_GUIDE = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/"
_OURS = "urn:jiankang:OperationDefinition:subscription-"
_MOST_EVENTS = 100
_MOST_ASKED = 100
_LAST = (1 << 63) - 1


def add_operations() -> None:
    """Route them all."""
    each = (TYPE, "id")
    for method, shape, name, work, definition in (
        ("GET", each, "secret", show_secret, f"{_OURS}secret"),
        ("POST", each, "secret", fresh_secret, f"{_OURS}secret"),
        ("POST", each, "redeliver", redeliver, f"{_OURS}redeliver"),
        ("GET", each, "status", status, f"{_GUIDE}backport-subscription-status"),
        ("POST", each, "status", status, f"{_GUIDE}backport-subscription-status"),
        ("GET", (TYPE,), "status", several, f"{_GUIDE}backport-subscription-status"),
        ("POST", (TYPE,), "status", several, f"{_GUIDE}backport-subscription-status"),
        ("GET", each, "events", happened, f"{_GUIDE}backport-subscription-events"),
        ("POST", each, "events", happened, f"{_GUIDE}backport-subscription-events"),
        ("GET", each, "get-ws-binding-token", token, f"{_GUIDE}backport-subscription-get-ws-binding-token"),
        ("POST", each, "get-ws-binding-token", token, f"{_GUIDE}backport-subscription-get-ws-binding-token"),
        (
            "GET",
            (TYPE,),
            "get-ws-binding-token",
            token_for_several,
            f"{_GUIDE}backport-subscription-get-ws-binding-token",
        ),
        (
            "POST",
            (TYPE,),
            "get-ws-binding-token",
            token_for_several,
            f"{_GUIDE}backport-subscription-get-ws-binding-token",
        ),
    ):
        begins = name == "secret"  # the first look is the only one
        add_operation(Route(method, (*shape, f"${name}"), name, work, definition, (TYPE,), begins))


async def show_secret(request: Request) -> Response:
    """The secret that signs what a subscriber is sent: once, and only to who subscribed."""
    return await _secret(request, fresh=False)


async def fresh_secret(request: Request) -> Response:
    """Another secret: from now on the one before signs nothing."""
    return await _secret(request, fresh=True)


async def _secret(request: Request, *, fresh: bool) -> Response:
    one = await _asked(request)
    if one.actor["id"] != request.actor.id:
        raise Forbidden("only who subscribed is given the secret")
    with translated():
        async with request.server.record.pool.connection() as db:
            number = await records.show_secret(db, one.id, fresh=fresh)
    if number is None:
        raise Gone("the secret was given already; POST to the same address makes another one")
    secret = secret_of(request.server.secret, one.id, number)
    return _parameters([{"name": "secret", "valueString": secret}, {"name": "algorithm", "valueCode": "hmac-sha256"}])


async def redeliver(request: Request) -> Response:
    """Have a subscriber told again, from the event `from` on; by default of what it was not told. One given up is served again."""
    one = await _asked(request)
    first = _count(request, "from", one.told + 1)

    async def work(tx: Transaction) -> tuple[int, int] | None:
        stored = (await tx.lock([(TYPE, one.id)]))[TYPE, one.id]
        if stored is None or stored.deleted:
            return None
        if stored.resource.get("status") == "error":
            resource = {name: value for name, value in stored.resource.items() if name not in {"error", "meta"}}
            await tx.apply([Change("PUT", TYPE, one.id, prepare({**resource, "status": "requested"}))])
        elif not tx.actor.writes.permits(TYPE, stored.keys):
            raise Forbidden(f"you may not change {TYPE}/{one.id}")
        return await records.tell_again(tx.db, one.id, first)

    again = await request.server.record.run(request.actor, work)
    if again is None:
        raise Conflict("the subscription is served no more: it has to be requested again")
    told, events = again
    return _parameters([{"name": "told", "valueInteger": told}, {"name": "events", "valueInteger": events}], 202)


async def status(request: Request) -> Response:
    """How one subscription stands."""
    return _searchset(request, [await _asked(request)])


async def several(request: Request) -> Response:
    """How the subscriptions stand that `id` names; all that the actor may know of where it names none."""
    wanted = {one for value in _values(request, "status") for one in value.split(",")}
    return _searchset(request, [one for one in await _known(request) if not wanted or status_code(one) in wanted])


async def happened(request: Request) -> Response:
    """What a subscriber was, or is, to be told: events by their numbers, as far as they are still kept."""
    one = await _asked(request)
    first, last = _count(request, "eventsSinceNumber", 1), _count(request, "eventsUntilNumber", _LAST)
    content = (_values(request, "content") or [one.wish.content if one.wish.topic else FULL])[0]
    if content not in {EMPTY, ID_ONLY, FULL}:
        raise Invalid(f"content is {EMPTY}, {ID_ONLY} or {FULL}", expression=["content"])
    async with request.server.db(request) as db:
        events = await records.events(db, one.id, first, last, _MOST_EVENTS)
    both = Actor(request.actor.id, AllOf((request.actor.restriction, restore(one.actor).restriction)))
    found = {} if content == EMPTY else await find(request.server, both, events)
    told = notification(
        one, QUERY_EVENT, request.base_url, events, now=request.server.record.clock(), content=content, found=found
    )
    return Response(200, encode(told))


async def token(request: Request) -> Response:
    """What a client says on the socket to be told of a subscription: `bind-with-token: …`."""
    one = await _asked(request)
    if one.wish.channel != WEBSOCKET:
        raise Conflict(f"the channel of {TYPE}/{one.id} is {one.wish.channel}, not {WEBSOCKET}")
    return _token(request, [one])


async def token_for_several(request: Request) -> Response:
    """The same for all subscriptions that `id` names, or for all on the socket that the actor may know of."""
    found = [one for one in await _known(request) if one.wish.channel == WEBSOCKET]
    if not found:
        raise NotFound(f"no subscription with the channel {WEBSOCKET} is known")
    return _token(request, found)


def _token(request: Request, found: list[Subscriber]) -> Response:
    expires = int(request.server.record.clock().timestamp()) + TOKEN_SECONDS
    ids = [one.id for one in found]
    return _parameters(
        [
            {"name": "token", "valueString": token_for(request.server.secret, ids, expires)},
            {"name": "expiration", "valueDateTime": _moment(expires)},
            *({"name": "subscription", "valueString": one} for one in ids),
            {"name": "websocket-url", "valueUrl": socket_address(request.base_url)},
        ]
    )


def socket_address(base_url: str) -> str:
    """Where the socket is, for an API at `base_url`."""
    scheme, _, rest = base_url.removesuffix("/").removesuffix("/fhir").partition("://")
    return f"{'wss' if scheme == 'https' else 'ws'}://{rest}{SOCKET}"


async def _known(request: Request) -> list[Subscriber]:
    """The subscribers that `id` names, or all, as far as the actor may know of them."""
    named = [one.strip() for value in _values(request, "id") for one in value.split(",") if one.strip()]
    params = [("_id", ",".join(named))] if named else []
    async with request.server.db(request) as db:
        ids = await request.server.match_ids(db, request.actor, TYPE, params, _MOST_ASKED)
        return await records.several(db, ids)


async def _asked(request: Request) -> Subscriber:
    """The subscriber that a request is about. Raises NotFound where the actor may not know of it, or nobody is told."""
    id_ = request.segments[1]
    await request.server.read(request, TYPE, id_)
    async with request.server.db(request) as db:
        one = await records.subscriber_or_none(db, id_)
    if one is None:
        raise NotFound(f"{TYPE}/{id_} is not served")
    return one


def _searchset(request: Request, found: list[Subscriber]) -> Response:
    entries = [
        {"fullUrl": f"urn:uuid:{told['id']}", "resource": told, "search": {"mode": "match"}}
        for told in (status_of(one, QUERY_STATUS, request.base_url) for one in found)
    ]
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    return Response(200, encode(bundle | ({"entry": entries} if entries else {})))


def _parameters(found: list[Json], code: int = 200) -> Response:
    return Response(code, encode({"resourceType": "Parameters", "parameter": found}))


def _values(request: Request, name: str) -> list[str]:
    """Values of a parameter, of the address or of a body of Parameters."""
    found = [value for key, value in request.params if key == name]
    body: Any = decode(request.body) if request.body else {}
    parameters = body.get("parameter", []) if isinstance(body, dict) else []
    for one in parameters if isinstance(parameters, list) else []:
        if isinstance(one, dict) and one.get("name") == name:
            found += [str(value) for key, value in one.items() if key.startswith("value")]
    return found


def _count(request: Request, name: str, missing: int) -> int:
    found = _values(request, name)
    if not found:
        return missing
    if not (found[-1].isascii() and found[-1].isdigit() and len(found[-1]) <= 18):
        raise Invalid(f"{name} is the number of an event", expression=[name])
    return int(found[-1])


def _moment(seconds: int) -> str:
    from datetime import UTC, datetime

    return instant(datetime.fromtimestamp(seconds, UTC))
