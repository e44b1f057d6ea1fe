"""The composition root: the only file that knows every room."""

from __future__ import annotations

import asyncio
import functools
import secrets
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute

from jiankang import __version__
from jiankang.capabilities.exchange import open_exchange
from jiankang.capabilities.exchange.dicom import PAGES as IMAGING_PAGES
from jiankang.capabilities.exchange.dicom import open_imaging
from jiankang.capabilities.exchange.pages import PAGES as EXCHANGE_PAGES
from jiankang.capabilities.exchange.subscriptions import SOCKET, listen, open_subscriptions
from jiankang.capabilities.exchange.tables.pages import PAGES as TABLE_PAGES
from jiankang.foundation.conformance import ConformanceJudge, add_operations, read_policy, shelf_of
from jiankang.foundation.conformance.pages import HELD
from jiankang.foundation.conformance.pages import PAGES as VALIDATION_PAGES
from jiankang.foundation.identity import open_index, weights_in_force
from jiankang.foundation.identity.catching_up import catch_up as catch_up_index
from jiankang.foundation.identity.notifying import Notifier
from jiankang.foundation.identity.pages import PAGES as IDENTITY_PAGES
from jiankang.foundation.record.api import create_fhir_app
from jiankang.foundation.record.bulk.working import Runner
from jiankang.foundation.record.bulk.working import main as work_at_one_job
from jiankang.foundation.record.dictionaries import tend
from jiankang.foundation.record.feed import CHANGES, Log
from jiankang.foundation.record.reindexing import Catalogue
from jiankang.foundation.record.store import Record
from jiankang.foundation.terminology import SearchCodes, catch_up, open_room, terminology_capabilities
from jiankang.foundation.terminology.pages import PAGES as TERMINOLOGY_PAGES
from jiankang.kernel.errors import Problem
from jiankang.ui import HANDLERS, MIDDLEWARE, Site, State, front_page, show_patterns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from jiankang.foundation.record.wire.server import Server
    from jiankang.kernel.settings import Settings

_HERE = Path(__file__).parent
_FOUNDATION = ("record", "terminology", "conformance", "identity")
MIGRATIONS = (
    *(_HERE / "foundation" / room / "migrations" for room in _FOUNDATION),
    _HERE / "capabilities" / "exchange" / "migrations",
)

LOGS = (CHANGES, Log("identity_change", "identity_subscriber"))
"""What others read in the order of its commits."""


def signing_key(settings: Settings) -> bytes:
    """The key that signs links: the one given, else one made once and kept where only we can read it."""
    if settings.secret:
        return settings.secret.encode()
    path = settings.data / "signing.key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{secrets.token_hex(4)}")
        fresh.touch(mode=0o600)
        fresh.write_bytes(secrets.token_bytes(32))
        try:
            path.hardlink_to(fresh)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_bytes()


@asynccontextmanager
async def opened(settings: Settings, database_url: str, connections: int) -> AsyncIterator[Server]:
    """A server with all rooms open, for a process that answers no requests."""
    pooled = settings.database_url if settings.direct_database_url else database_url
    opening = Record.open(pooled, connections=connections, direct_url=database_url, prepare=settings.prepare_statements)
    async with opening as record:
        app: Any = create_fhir_app(record, settings=settings, secret=signing_key(settings))
        server: Server = app.server
        compose(server)
        yield server


@asynccontextmanager
async def work_in_background(settings: Settings, database_url: str) -> AsyncIterator[None]:
    """Land what arrives, and send what leaves."""
    async with opened(settings, database_url, 6) as server, open_exchange(server).working():
        yield


@asynccontextmanager
async def open_mllp(settings: Settings, database_url: str) -> AsyncIterator[None]:
    """Keep the door for HL7 v2 messages open."""
    async with opened(settings, database_url, 4) as server, open_exchange(server).listening():
        yield


class Platform:
    """The ASGI app: the record's API straight under /fhir, everything else through Starlette's routes."""

    def __init__(self, pages: Starlette) -> None:
        self.pages = pages
        self.fhir: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to the part it is for."""
        if scope["type"] == "http" and (scope["path"] == "/fhir" or scope["path"].startswith("/fhir/")):
            root = scope.get("root_path", "")
            scope["jiankang.task"] = asyncio.current_task()
            try:
                await self.fhir({**scope, "root_path": f"{root}/fhir"}, receive, send)
            except asyncio.CancelledError:
                if not scope.get("jiankang.left"):  # else nobody is there to be answered
                    raise
        else:
            await self.pages(scope, receive, send)


def compose(server: Server) -> None:
    """Bring the rooms together that a process works with, besides the record itself."""
    room = open_room(server.record)
    server.registry.meaning = lambda db: SearchCodes(room, db)
    server.terminology = functools.partial(terminology_capabilities, room)
    policies = read_policy(server.settings.validation)
    server.judge = ConformanceJudge(policies, server.record, shelf_of(server.record), room)
    add_operations()
    weights = weights_in_force(server.settings.data, functools.partial(signing_key, server.settings))
    server.persons = open_index(server, weights)
    open_subscriptions(server)


async def health(request: Request) -> JSONResponse:
    """Whether this process can reach its database."""
    if (why := await _down(request)) is not None:
        return JSONResponse({"status": "down", "why": why}, status_code=503)
    return JSONResponse({"status": "up"})


async def _down(request: Request) -> str | None:
    """Why the database cannot be reached; None when it can."""
    try:
        async with request.app.state.record.pool.connection(timeout=2) as db:
            await db.execute("SELECT 1")
    except (Problem, OSError, Exception) as error:  # noqa: BLE001 - any failure is the answer
        return type(error).__name__
    return None


async def _state(request: Request) -> State:
    """What the front page tells of the server."""
    server: Server = request.app.state.server
    if await _down(request) is not None:
        return State(False, __version__)
    if server.judge is not None:
        await server.judge.refresh()
    return State(True, __version__, ((HELD, len(shelf_of(server.record).profiles())),))


def create_pages(lifespan: Any = None) -> Starlette:
    """The pages of all rooms; they ask the FHIR server that is put into `state.server`."""
    routes: list[BaseRoute] = [
        Route("/", front_page(_state)),
        Route("/-/patterns", show_patterns),
        Route("/health", health),
        WebSocketRoute(SOCKET, listen),
    ]
    site = Site(
        (EXCHANGE_PAGES, TABLE_PAGES, IMAGING_PAGES, IDENTITY_PAGES, VALIDATION_PAGES, TERMINOLOGY_PAGES), routes
    )
    app = Starlette(routes=site.routes, middleware=MIDDLEWARE, exception_handlers=HANDLERS, lifespan=lifespan)
    app.state.site = site
    return app


def create_app(settings: Settings, database_url: str) -> Platform:
    """The whole platform as one ASGI app, over the migrated database at `database_url`.

    Requests go through a pooler when `settings` name one.
    """
    key = signing_key(settings)
    pooled = settings.database_url if settings.direct_database_url else database_url

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        opened = Record.open(
            pooled, connections=settings.connections, direct_url=database_url, prepare=settings.prepare_statements
        )
        async with opened as record:
            app.state.record = record
            platform.fhir = create_fhir_app(record, settings=settings, secret=key)
            compose(platform.fhir.server)
            app.state.server = platform.fhir.server
            app.state.exchange = open_exchange(platform.fhir.server)
            tending = asyncio.gather(tend(record), catch_up(record), catch_up_index(record))
            catalogue = Catalogue(record, platform.fhir.server.registry)
            runner = Runner(platform.fhir.server, database_url, module="jiankang.main")
            imaging = open_imaging(app.state.exchange.intake)
            async with catalogue.running(), runner, Notifier(platform.fhir.server), imaging as app.state.imaging:
                yield
            tending.cancel()
            with suppress(asyncio.CancelledError):
                await tending

    platform = Platform(create_pages(lifespan))
    return platform


if __name__ == "__main__":  # the process of one job
    raise SystemExit(work_at_one_job(compose))
