"""One entry done like a request of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.foundation.record.interactions.bundles.reading import Asked, address, as_http_date, patch_body
from jiankang.foundation.record.wire.http import JSON, Request, Response
from jiankang.kernel.errors import NotSupported

if TYPE_CHECKING:
    import msgspec

    from jiankang.foundation.record.store import Transaction


async def dispatched(request: Request, asked: Asked, resource: msgspec.Raw, tx: Transaction | None = None) -> Response:
    """The answer to one entry, asked as if it had come alone; inside the transaction `tx` when there is one."""
    method, segments, params = address(request, asked)
    if method not in {"GET", "POST", "PUT", "PATCH", "DELETE"}:
        raise NotSupported(f"the method {method} cannot be used in a Bundle")
    if not segments and method == "POST":
        raise NotSupported("a Bundle cannot hold another one to process")
    body = bytes(resource)
    route = request.server.route(method, segments)
    if route.begins and (tx is not None or asked.method == "HEAD"):
        raise NotSupported(f"{asked.method} {asked.url} begins work that goes on: it cannot be part of this Bundle")
    headers = {"content-type": JSON, "prefer": _prefer(request)}
    if method == "PATCH" and body:
        headers["content-type"], body = patch_body(body)
    given = (
        ("if-none-match", asked.ifNoneMatch),
        ("if-modified-since", as_http_date(asked.ifModifiedSince)),
        ("if-match", asked.ifMatch),
        ("if-none-exist", asked.ifNoneExist),
    )
    headers |= {name: value for name, value in given if value is not None}
    response = await request.server.dispatch(
        Request(request.server, request.actor, method, segments, params, headers, body, request.base_url, tx)
    )
    if response.stream is not None:
        raise NotSupported(f"{asked.url} is a file: ask for it by itself")
    if asked.method == "HEAD":
        response.body = b""
    return response


def _prefer(request: Request) -> str:
    """What the sender prefers for each entry: no resources of writes, unless they say so."""
    said = request.headers.get("prefer", "")
    return said if "return" in request.prefer else f"{said}, return=minimal"
