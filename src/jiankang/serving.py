"""Server processes: one parent that owns the embedded database, and workers that answer requests."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import multiprocessing
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jiankang.kernel import log
from jiankang.kernel.errors import Forbidden, Unavailable
from jiankang.kernel.migrations import migrate
from jiankang.kernel.postgres import EmbeddedPostgres, start_embedded
from jiankang.main import MIGRATIONS, create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.synchronize import Event

    from jiankang.kernel.settings import Settings

START_SECONDS = 60
_spawn = multiprocessing.get_context("spawn")


@contextlib.contextmanager
def database(settings: Settings, *, shared: bool = False, migrating: bool = True) -> Iterator[str]:
    """The address of the migrated database: the one given, or an embedded server that ends with us.

    With `shared`, an embedded server that was running already is left running.
    """
    if settings.database_url:
        if migrating:
            migrate(settings.database_url, MIGRATIONS)
        yield settings.database_url
        return
    before = _running(settings) if shared else None
    server = start_embedded(settings.data, shared_buffers=settings.shared_buffers)
    try:
        if migrating:
            migrate(server.dsn, MIGRATIONS)
        yield server.dsn
    finally:
        if before is None:
            server.stop()


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
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    probe = socket.socket(family, socket.SOCK_STREAM)
    try:
        if port:  # without SO_REUSEPORT, so that somebody else's server is noticed
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise Unavailable(
            f"port {port} of {host} cannot be used ({error.strerror}): choose another with --port"
        ) from None
    finally:
        probe.close()
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((host, port))
    return bound


def _protocol(header_seconds: float) -> type[HttpToolsProtocol]:
    class Protocol(HttpToolsProtocol):
        """uvicorn's, with a deadline for a request's headers: a slow sender is cut off."""

        deadline: asyncio.TimerHandle | None = None

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

        def connection_lost(self, exc: Exception | None) -> None:
            self._expected()
            super().connection_lost(exc)

        def _expect(self) -> None:
            self.deadline = self.loop.call_later(header_seconds, self.transport.close)

        def _expected(self) -> None:
            if self.deadline is not None:
                self.deadline.cancel()
                self.deadline = None

    return Protocol


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
    ready.set()
    parent = multiprocessing.parent_process()
    while parent is not None and parent.is_alive():  # noqa: ASYNC110 - a process sets no event
        await asyncio.sleep(1)
    server.should_exit = True


class _Stop(Exception):  # noqa: N818 - a request, not an error
    """Somebody asked us to stop."""


def serve(settings: Settings, say: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT; `say` is given one line with the address when ready. The exit code."""
    check_address(settings.host)
    held = bind(settings.host, settings.port)
    port = held.getsockname()[1]

    def stop(*_: object) -> None:
        raise _Stop

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with database(settings) as url:
        workers: list[Any] = []
        try:
            workers = [_start(settings, url, port) for _ in range(settings.workers)]
            _await(workers)
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            say(f"Jiankang is ready at http://{host}:{port}/fhir")
            _watch(workers, settings, url, port)
        except _Stop:
            pass
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            _end(workers)
            held.close()
    return 0


def _start(settings: Settings, url: str, port: int) -> Any:
    ready = _spawn.Event()
    process = _spawn.Process(target=worker, args=(settings, url, port, ready), daemon=True)
    process.start()
    return [process, ready]


def _await(workers: list[Any]) -> None:
    deadline = time.monotonic() + START_SECONDS
    for process, ready in workers:
        while not ready.wait(0.05):
            if not process.is_alive():
                raise Unavailable("a server process ended while starting; what it said is above")
            if time.monotonic() > deadline:
                raise Unavailable(f"the server processes were not ready within {START_SECONDS} s")


def _watch(workers: list[Any], settings: Settings, url: str, port: int) -> None:
    """Start a worker again when it dies."""
    while True:
        for number, (process, _) in enumerate(workers):
            process.join(0.2)
            if not process.is_alive():
                workers[number] = _start(settings, url, port)


def _end(workers: list[Any]) -> None:
    for process, _ in workers:
        process.terminate()
    for process, _ in workers:
        process.join(25)
        if process.is_alive():
            process.kill()
