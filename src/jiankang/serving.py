"""Server processes: one parent that owns the embedded database, and workers that answer requests."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import ipaddress
import logging
import multiprocessing
import signal
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jiankang.capabilities.exchange.dicom import own_archive
from jiankang.foundation.record.feed import renumber
from jiankang.kernel import log
from jiankang.kernel.collecting import collect_seldom
from jiankang.kernel.errors import Forbidden, Unavailable
from jiankang.kernel.migrations import migrate
from jiankang.kernel.postgres import EmbeddedPostgres, start_embedded
from jiankang.main import LOGS, MIGRATIONS, create_app, open_mllp, work_in_background

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractAsyncContextManager
    from multiprocessing.synchronize import Event

    from jiankang.kernel.settings import Settings

START_SECONDS = 60
_PORT_SECONDS = 2.0  # a server that was killed frees its port a moment later
_TAKING_SECONDS = 60.0
_LEAVING_SECONDS = 1.0  # with its next answer a door in front learns that a connection ends
_AGAIN_SECONDS = 2.0  # what dies at once is not started again faster than this
_log = logging.getLogger("jiankang.serving")
_spawn = multiprocessing.get_context("spawn")


@contextlib.contextmanager
def database(settings: Settings, *, shared: bool = False, migrating: bool = True) -> Iterator[str]:
    """The address of the migrated database: the one given, or an embedded server that ends with us.

    With `shared`, an embedded server that was running already is left running.
    """
    if given := settings.direct_database_url or settings.database_url:
        if migrating:
            _migrate(given)
        yield given
        return
    before = _running(settings) if shared else None
    try:
        server = start_embedded(settings.data, shared_buffers=settings.shared_buffers)
        if migrating:
            _migrate(server.dsn)
        yield server.dsn
    finally:
        if before is None and (ours := _running(settings)) is not None:
            ours.stop()


def _migrate(database_url: str) -> None:
    migrate(database_url, MIGRATIONS)
    moved = [renumber(database_url, log) for log in LOGS]
    if any(moved):
        _log.warning("the database was restored into a younger server: the feed's places were moved accordingly")


def _running(settings: Settings) -> EmbeddedPostgres | None:
    from jiankang.kernel.postgres import running_embedded

    return running_embedded(settings.data)


def check_address(host: str) -> None:
    """Refuse to listen where others could reach us, as long as nobody can sign in."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise Forbidden(
            f"refusing to listen on {host}: this version has no sign-in, so whoever reaches it may read and change "
            "every record. Listen on 127.0.0.1 and let people in through a gateway that checks who they are."
        )


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to host:port that several processes may listen on. Raises Unavailable when the port is taken."""
    deadline = time.monotonic() + _PORT_SECONDS
    while port and (refusal := _taken(host, port)) is not None:
        if refusal.errno != errno.EADDRINUSE or time.monotonic() > deadline:
            text = f"port {port} of {host} cannot be used ({refusal.strerror}): choose another with --port"
            raise Unavailable(text)
        time.sleep(0.05)
    return bind_again(host, port)


def _taken(host: str, port: int) -> OSError | None:
    """Why the port cannot be had; tried without SO_REUSEPORT, so that somebody else's server is noticed."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def _protocol(header_seconds: float) -> type[HttpToolsProtocol]:
    class Protocol(HttpToolsProtocol):
        """uvicorn's, with a deadline for a request's headers and for taking in an answer: who is slow is cut off.

        Who hangs up while waiting for what they wanted to read is no longer worked for.
        """

        deadline: asyncio.TimerHandle | None = None
        taking: asyncio.TimerHandle | None = None
        leaving = False

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._expect()

        def data_received(self, data: bytes) -> None:
            if self.deadline is None and (self.cycle is None or self.cycle.response_complete):
                self._expect()
            super().data_received(data)

        def on_headers_complete(self) -> None:
            self._expected()
            super().on_headers_complete()
            if self.leaving:
                self.cycle.keep_alive = False

        def connection_lost(self, exc: Exception | None) -> None:
            self._expected()
            self._taken()
            cycle = self.cycle
            if cycle is not None and not cycle.response_complete and _only_reads(cycle.scope):
                _leave(cycle.scope)
            super().connection_lost(exc)

        def shutdown(self) -> None:
            """Answer what is under way; an idle connection, on which a request may be coming, stays for a moment."""
            self.leaving = True
            idle = self.cycle is None or self.cycle.response_complete
            if idle:
                self.loop.call_later(_LEAVING_SECONDS, self._leave_if_idle)
            else:
                super().shutdown()

        def _leave_if_idle(self) -> None:
            if self.cycle is None or self.cycle.response_complete:
                self.transport.close()

        def pause_writing(self) -> None:
            super().pause_writing()
            self.taking = self.loop.call_later(_TAKING_SECONDS, self.transport.abort)

        def resume_writing(self) -> None:
            self._taken()
            super().resume_writing()

        def _taken(self) -> None:
            if self.taking is not None:
                self.taking.cancel()
                self.taking = None

        def _expect(self) -> None:
            self.deadline = self.loop.call_later(header_seconds, self.transport.close)

        def _expected(self) -> None:
            if self.deadline is not None:
                self.deadline.cancel()
                self.deadline = None

    return Protocol


def _only_reads(scope: Any) -> bool:
    return scope["method"] in {"GET", "HEAD"} or scope["path"].endswith("/_search")


def _leave(scope: Any) -> None:
    """Stop working for somebody who is gone; their query in the database is cancelled too."""
    if (task := scope.get("jiankang.task")) is not None:
        scope["jiankang.left"] = True
        task.cancel()


def worker(settings: Settings, database_url: str, port: int, ready: Event) -> None:
    """One server process: answers requests until it is told to stop."""
    log.set_up(settings.log_level)
    app = create_app(settings, database_url)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=_protocol(settings.header_seconds),
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=20,
    )
    server = uvicorn.Server(config)

    async def serve() -> None:
        telling = asyncio.create_task(_tell(server, ready))
        await server.serve(sockets=[bind_again(settings.host, port)])
        telling.cancel()

    import uvloop

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve())


def background(settings: Settings, database_url: str, ready: Event) -> None:
    """One process that works on what arrives and leaves, until it is told to stop."""
    _apart(functools.partial(work_in_background, settings, database_url), settings, ready)


def mllp(settings: Settings, database_url: str, ready: Event) -> None:
    """The process behind the door for HL7 v2 messages."""
    _apart(functools.partial(open_mllp, settings, database_url), settings, ready)


def _apart(opening: Callable[[], AbstractAsyncContextManager[Any]], settings: Settings, ready: Event) -> None:
    """Keep something open until SIGTERM, or until the parent is gone."""
    log.set_up(settings.log_level)

    async def stay() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, ended.set)
        parent = multiprocessing.parent_process()
        if parent is not None:
            loop.add_reader(parent.sentinel, ended.set)
        async with opening():
            collect_seldom()
            ready.set()
            await ended.wait()

    import uvloop

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(stay())


def bind_again(host: str, port: int) -> socket.socket:
    """Another socket on the port that the parent holds; the kernel spreads connections over all of them."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((host, port))
    return bound


async def _tell(server: uvicorn.Server, ready: Event) -> None:
    """Say when we are ready, and stop when the parent is gone."""
    while not server.started:  # noqa: ASYNC110 - uvicorn sets a flag, not an event
        await asyncio.sleep(0.01)
    collect_seldom()
    ready.set()
    parent = multiprocessing.parent_process()
    if parent is not None:
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(parent.sentinel, ended.set)
        await ended.wait()
        server.should_exit = True


class _Stop(Exception):  # noqa: N818 - a request, not an error
    """Somebody asked us to stop."""


def serve(settings: Settings, say: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT; `say` is given one line with the address when ready. The exit code."""
    check_address(settings.host)
    if settings.mllp_port and not settings.mllp_clients:
        check_address(settings.mllp_host)
    held = bind(settings.host, settings.port)
    port = held.getsockname()[1]
    if settings.mllp_port:
        bind(settings.mllp_host, settings.mllp_port).close()

    def stop(*_: object) -> None:
        raise _Stop

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with contextlib.suppress(_Stop), database(settings) as url, own_archive(settings):
        workers: list[_Worker] = []
        try:
            workers += [_start(target, arguments) for target, arguments in _processes(settings, url, port)]
            _await(workers)
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            say(f"Jiankang is ready at http://{host}:{port}/fhir")
            _watch(workers, settings)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            _end(workers)
            held.close()
    return 0


@dataclass(frozen=True, slots=True)
class _Worker:
    """A server process, how it says that it is ready, and when it was started (seconds of the monotonic clock)."""

    process: Any
    ready: Event
    started: float
    target: Callable[..., None]
    arguments: tuple[Any, ...]


def _processes(settings: Settings, url: str, port: int) -> Iterator[tuple[Callable[..., None], tuple[Any, ...]]]:
    """What runs beside one another: who answers requests, who works on what arrives, who keeps the MLLP door."""
    for _ in range(settings.workers):
        yield worker, (settings, url, port)
    for _ in range(settings.exchange_workers):
        yield background, (settings, url)
    if settings.mllp_port:
        yield mllp, (settings, url)


def _start(target: Callable[..., None], arguments: tuple[Any, ...]) -> _Worker:
    ready = _spawn.Event()
    process = _spawn.Process(target=target, args=(*arguments, ready), daemon=True)
    process.start()
    return _Worker(process, ready, time.monotonic(), target, arguments)


def _await(workers: list[_Worker]) -> None:
    deadline = time.monotonic() + START_SECONDS
    for one in workers:
        while not one.ready.wait(0.05):
            if not one.process.is_alive():
                raise Unavailable("a server process ended while starting; what it said is above")
            if time.monotonic() > deadline:
                raise Unavailable(f"the server processes were not ready within {START_SECONDS} s")


def _watch(workers: list[_Worker], settings: Settings) -> None:
    """Start what dies again: a worker, and the embedded database."""
    while True:
        for number, one in enumerate(workers):
            one.process.join(0.2)
            if not one.process.is_alive() and time.monotonic() > one.started + _AGAIN_SECONDS:
                _log.warning("a server process ended (%s) and is started again", one.process.exitcode)
                workers[number] = _start(one.target, one.arguments)
        if not settings.database_url and _running(settings) is None:
            _log.warning("the embedded database ended and is started again")
            try:
                start_embedded(settings.data, shared_buffers=settings.shared_buffers)
            except (Unavailable, OSError) as problem:  # no room on the disk, for one: it may come back
                _log.warning("%s", problem)
                time.sleep(_AGAIN_SECONDS)


def _end(workers: list[_Worker]) -> None:
    for one in workers:
        one.process.terminate()
    for one in workers:
        one.process.join(25)
        if one.process.is_alive():
            one.process.kill()
