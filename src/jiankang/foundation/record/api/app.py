"""The FHIR API as an ASGI app: one table of routes, one place where errors become OperationOutcomes.

http://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load
from jiankang.fhir.outcome import outcome
from jiankang.foundation.record.api.routes import OPERATIONS, ROUTES, Route, allowed_methods
from jiankang.foundation.record.bulk.receiving import takes_lines
from jiankang.foundation.record.wire.bundles import indented
from jiankang.foundation.record.wire.formats import answer_form, as_json, expect_ours, in_form
from jiankang.foundation.record.wire.http import (
    Request,
    Response,
    accepted_coding,
    header_map,
    packed,
    path_segments,
    query_pairs,
    read_body,
)
from jiankang.foundation.record.wire.server import Server
from jiankang.kernel.errors import Invalid, Issue, MethodNotAllowed, NotFound, Problem, Unavailable
from jiankang.kernel.ids import new_uuid7
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from jiankang.foundation.record.store import Record
    from jiankang.kernel.settings import Settings

_log = logging.getLogger("jiankang.api")
_HOST = re.compile(r"[A-Za-z0-9._~-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_BODIES = frozenset({"POST", "PUT", "PATCH"})
_CORS_EXPOSED = (
    "Accept-Patch, Allow, ETag, Location, Content-Location, Last-Modified, X-Request-Id, X-Progress, Retry-After"
)
_CORS_HEADERS = (
    "Accept, Authorization, Content-Type, Content-Encoding, If-Match, If-None-Match, If-None-Exist, "
    "If-Modified-Since, Prefer, X-Request-Id, X-Security-Context"
)
_PATCHES = "application/json-patch+json, application/fhir+json, application/fhir+xml"
"""https://www.rfc-editor.org/rfc/rfc5789#section-3.1"""


def create_fhir_app(record: Record, *, settings: Settings, secret: bytes, **options: Any) -> ASGIApp:
    """The FHIR API over `record`."""
    return FhirApp(Server(record, settings, secret, **options))


class FhirApp:
    """Routes requests to interactions."""

    def __init__(self, server: Server) -> None:
        self.server = server
        server.dispatch = dispatch
        server.route = find_route
        server.routes = (ROUTES.values(), OPERATIONS.values())  # live: rooms that are opened later add theirs
        server_origins = server.settings.cors_origins
        self._origins = frozenset(part.strip() for part in server_origins.split(",") if part.strip())

    @property
    def _vary(self) -> bytes:
        """What answers depend on (RFC 9110 §12.5.5)."""
        return b"Accept, Accept-Encoding, Origin" if self._origins else b"Accept, Accept-Encoding"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; whatever goes wrong becomes an OperationOutcome."""
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        headers = header_map(scope["headers"])
        request_id = _request_id(headers)
        form = "json"
        try:
            form = answer_form(scope["query_string"], headers)
            response = await self._answer(scope, receive, headers, form)
        except Problem as problem:
            response = refusal(problem)
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 - the edge: a bug becomes 500 with an id
            _log.exception("request %s failed", request_id)
            text = "something went wrong on our side; the log has it under the id in `diagnostics`"
            response = Response(500, encode(outcome([Issue("exception", text)], diagnostics=request_id)))
        if response.status >= 400 and b"_pretty=true" in scope["query_string"]:
            response.body = indented(response.body)
        if response.status == 415 and scope["method"] == "PATCH":
            response.headers.append(("Accept-Patch", _PATCHES))
        if form == "xml":
            response = await in_form(response, form)
        await self._send(scope, send, headers, response, request_id)

    async def _answer(self, scope: Scope, receive: Receive, headers: dict[str, str], form: str) -> Response:
        method = scope["method"]
        path = scope["path"].removeprefix(scope.get("root_path", ""))  # ASGI: path includes root_path
        segments = path_segments(path)
        if method == "OPTIONS":
            return _options(segments, preflight="access-control-request-method" in headers)
        expect_ours(form, method, segments, headers.get("accept", ""))
        settings = self.server.settings
        body = b""
        streamed = takes_lines(method, path, headers)
        if method in _BODIES and not streamed:
            try:
                body = await read_body(receive, headers, settings.max_bundle_bytes, settings.body_seconds)
            except Problem as problem:  # the rest of the body may never come
                response = refusal(problem)
                response.headers.append(("Connection", "close"))
                return response
            body = await as_json(body, headers, segments, settings.max_bundle_bytes)
        request = Request(
            self.server,
            self.server.authenticate(scope),
            "GET" if method == "HEAD" else method,
            segments,
            query_pairs(scope["query_string"].decode("latin-1")) if scope["query_string"] else [],
            headers,
            body,
            self._base_url(scope, headers),
            receive=receive if streamed else None,
        )
        if method == "HEAD" and find_route("GET", request.segments).begins:
            raise _not_allowed("HEAD", request.segments, ["GET", "POST"])
        response = await dispatch(request)
        if request.param("_pretty") == "true" and response.body and "json" in response.content_type:
            response.body = indented(response.body)
        return response

    def _base_url(self, scope: Scope, headers: dict[str, str]) -> str:
        if self.server.settings.base_url:
            return self.server.settings.base_url.rstrip("/")
        host = headers.get("host") or "localhost"
        if not _HOST.fullmatch(host):  # it comes back in every link; RFC 9112 §3.2
            raise Invalid("the header Host is not the name of a host")
        return f"{scope.get('scheme', 'http')}://{host}{scope.get('root_path', '')}"

    async def _send(self, scope: Scope, send: Send, asked: dict[str, str], response: Response, request_id: str) -> None:
        if response.stream is not None:
            await self._send_stream(scope, send, asked, response, request_id)
            return
        body, coding = packed(response.body, accepted_coding(asked.get("accept-encoding", "")))
        headers = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in response.headers]
        if body:
            headers.append((b"content-type", response.content_type.encode()))
        if coding:
            headers.append((b"content-encoding", coding.encode()))
        headers += [(b"x-request-id", request_id.encode()), (b"vary", self._vary)]
        if response.status not in {204, 304}:
            headers.append((b"content-length", str(len(body)).encode()))
        headers += self._cors(scope, asked)
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _send_stream(
        self, scope: Scope, send: Send, asked: dict[str, str], response: Response, request_id: str
    ) -> None:
        headers = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in response.headers]
        headers += [(b"content-type", response.content_type.encode()), (b"x-request-id", request_id.encode())]
        headers += self._cors(scope, asked)
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if scope["method"] != "HEAD" and response.stream is not None:
            async for piece in response.stream:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _cors(self, scope: Scope, asked: dict[str, str]) -> list[tuple[bytes, bytes]]:
        """https://fetch.spec.whatwg.org/#http-cors-protocol."""
        origin = asked.get("origin")
        if origin is None or not (origin in self._origins or "*" in self._origins):
            return []
        headers = [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", _CORS_EXPOSED.encode()),
        ]
        if scope["method"] == "OPTIONS":
            headers += [
                (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
                (b"access-control-allow-headers", _CORS_HEADERS.encode()),
                (b"access-control-max-age", b"86400"),
            ]
        return headers


def refusal(problem: Problem) -> Response:
    """The answer that tells of a problem."""
    headers = []
    if isinstance(problem, Unavailable):
        headers.append(("Retry-After", "2"))
    if isinstance(problem, MethodNotAllowed):
        headers.append(("Allow", ", ".join(problem.args[1:]) or "GET"))
    return Response(problem.status, encode(outcome(problem)), headers)


def _options(segments: tuple[str, ...], *, preflight: bool) -> Response:
    """What an address takes; a browser's question in advance is answered for every address."""
    if preflight:
        return Response(204)
    methods = methods_at(segments)
    headers = [("Allow", ", ".join(sorted({*methods, "OPTIONS"})))]
    return Response(204, headers=[*headers, ("Accept-Patch", _PATCHES)] if "PATCH" in methods else headers)


def _request_id(headers: dict[str, str]) -> str:
    given = headers.get("x-request-id", "")
    return given if 0 < len(given) <= 64 and all(33 <= ord(letter) < 127 for letter in given) else new_uuid7()


def find_route(method: str, segments: tuple[str, ...]) -> Route:
    """The interaction that a method and path mean. Raises NotFound or MethodNotAllowed."""
    shape = shape_of(segments)
    route = ROUTES.get((method, shape))
    if route is not None:
        return route
    typed = _typed(segments, shape)
    if shape and shape[-1].startswith("$"):
        route = OPERATIONS.get((method, shape)) or OPERATIONS.get((method, typed))
        if route is not None:
            return route
    raise _not_allowed(method, segments, methods_at(segments))


def _typed(segments: tuple[str, ...], shape: tuple[str, ...]) -> tuple[str, ...]:
    """The shape of an operation of one type only."""
    return (segments[0], *shape[1:]) if len(segments) > 1 else shape


def methods_at(segments: tuple[str, ...]) -> list[str]:
    """The methods that mean something at an address. Raises NotFound where none does."""
    shape = shape_of(segments)
    methods = allowed_methods(shape) or allowed_methods(_typed(segments, shape))
    if methods:
        return methods
    if segments and segments[-1].startswith("$"):
        raise NotFound(f"there is no operation {segments[-1]} at this address", code="not-supported")
    raise NotFound(f"there is nothing at /{'/'.join(segments)}", code="not-supported")


def _not_allowed(method: str, segments: tuple[str, ...], methods: list[str]) -> MethodNotAllowed:
    problem = MethodNotAllowed(f"{method} means nothing at /{'/'.join(segments)}; allowed: {', '.join(methods)}")
    problem.args = (problem.args[0], *methods)
    return problem


def shape_of(segments: tuple[str, ...]) -> tuple[str, ...]:
    """The kind of each part of a path: Type, id, vid, member, an operation's name, or a word of the API."""
    kinds: list[str] = []
    for number, part in enumerate(segments):
        if part.startswith(("_", "$")) or (part == "metadata" and number == 0):
            kinds.append(part)
        elif number == 0:
            if not load().is_resource(part):
                close = _closest(part)
                hint = f"; did you mean {close}?" if close else ""
                raise NotFound(f"{part} is no resource type of FHIR R4{hint}", code="not-supported")
            kinds.append("Type")
        elif number == 1:
            kinds.append("id")
        elif kinds[-1] == "_history":
            kinds.append("vid")
        else:
            kinds.append("member")
    return tuple(kinds)


def _closest(name: str) -> str | None:
    import difflib

    found = difflib.get_close_matches(name.capitalize(), load().resource_names, n=1, cutoff=0.6)
    return found[0] if found else None


async def dispatch(request: Request) -> Response:
    """Do the interaction that the request means."""
    route = find_route(request.method, request.segments)
    response: Response = await route.handler(request)
    return response
