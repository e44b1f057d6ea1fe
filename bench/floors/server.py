"""The floor under the HTTP figures: bare ASGI and SQL that keep and find the same bodies, with no FHIR in them.

Tables are the narrowest that answer these questions; every write is committed durably, as ours are.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import signal
import socket
import threading
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
import psycopg
import uvicorn
from psycopg_pool import AsyncConnectionPool

SCHEMA = """
CREATE TABLE IF NOT EXISTS doc (id text COLLATE "C" PRIMARY KEY, body bytea NOT NULL);
ALTER TABLE doc ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE IF NOT EXISTS obs (patient text COLLATE "C", code text COLLATE "C", at text COLLATE "C", id text COLLATE "C");
CREATE INDEX IF NOT EXISTS obs_find ON obs (patient, code, at, id);
CREATE TABLE IF NOT EXISTS patient_name (norm text COLLATE "C", id text COLLATE "C");
CREATE INDEX IF NOT EXISTS name_find ON patient_name (norm, id);
CREATE TABLE IF NOT EXISTS ident (system text COLLATE "C", value text COLLATE "C", id text COLLATE "C");
CREATE INDEX IF NOT EXISTS ident_find ON ident (value, system, id);
CREATE TABLE IF NOT EXISTS narrow (hash bigint NOT NULL, id text COLLATE "C" NOT NULL);
CREATE INDEX IF NOT EXISTS narrow_find ON narrow (hash, id);
"""

_CODE = """SELECT d.id, d.body FROM (SELECT id, at FROM obs WHERE patient = %s AND code = %s ORDER BY at DESC LIMIT 20) AS o
JOIN doc AS d ON d.id = o.id ORDER BY o.at DESC"""
_NAME = """SELECT d.id, d.body FROM (SELECT DISTINCT id FROM patient_name WHERE norm >= %s AND norm < %s LIMIT 20) AS o
JOIN doc AS d ON d.id = o.id"""
_IDENTIFIER = "SELECT d.id, d.body FROM ident AS i JOIN doc AS d ON d.id = i.id WHERE i.value = %s AND i.system = %s"
_CHAIN = """SELECT d.id, d.body FROM (SELECT o.id FROM ident AS i, LATERAL (SELECT id FROM obs WHERE patient = i.id LIMIT 20)
AS o WHERE i.value = %s AND i.system = %s LIMIT 20) AS f JOIN doc AS d ON d.id = f.id"""

_JSON = [(b"content-type", b"application/fhir+json")]
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Entry(msgspec.Struct):
    resource: msgspec.Raw


class Bundle(msgspec.Struct):
    entry: list[Entry]


_bundle = msgspec.json.Decoder(Bundle).decode


def new_id() -> str:
    return os.urandom(16).hex()


async def read_body(receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def searchset(rows) -> bytes:
    entries = b",".join(b'{"fullUrl":"/doc/%s","resource":%s}' % (id_.encode(), body) for id_, body in rows)
    return b'{"resourceType":"Bundle","type":"searchset","entry":[' + entries + b"]}"


FINDABLE = frozenset({"code", "reference", "value", "status", "start", "effectiveDateTime", "family", "birthDate"})


def key(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), signed=True)


def findable(value):
    """What somebody may look for in a resource: its codes, references, identifiers, names and dates."""
    for name, one in value.items():
        if one.__class__ is dict:
            yield from findable(one)
        elif one.__class__ is list:
            for each in one:
                if each.__class__ is dict:
                    yield from findable(each)
        elif name in FINDABLE:
            yield f"{name}|{one}"


class App:
    """Four questions and two ways to write."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send)
            return
        status, body = await self.answer(scope, receive)
        head = [*_JSON, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body})

    async def lifespan(self, receive, send) -> None:
        async def configure(db) -> None:
            db.prepare_threshold = 1

        await receive()
        options = {"autocommit": True, "options": "-c plan_cache_mode=force_generic_plan -c jit=off"}
        self.pool = AsyncConnectionPool(
            self.url, min_size=1, max_size=8, open=False, configure=configure, kwargs=options
        )
        await self.pool.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.pool.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def answer(self, scope, receive) -> tuple[int, bytes]:
        path = scope["path"]
        if scope["method"] == "POST":
            raw = await read_body(receive)
            if path == "/doc":
                return 201, await self.keep(raw)
            return 201, await self.keep_bundle(raw, indexed=path == "/indexed")
        if path.startswith("/doc/"):
            rows = await self.rows("SELECT id, body FROM doc WHERE id = %s", (path[5:],))
            return (200, rows[0][1]) if rows else (404, b"{}")
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        return 200, searchset(await self.find(path, query))

    async def keep(self, raw: bytes) -> bytes:
        _decode(raw)
        id_ = new_id()
        async with self.pool.connection() as db:
            await db.execute("INSERT INTO doc (id, body) VALUES (%s, %s)", (id_, raw))
        return id_.encode()

    async def keep_bundle(self, raw: bytes, *, indexed: bool) -> bytes:
        """Bodies in one insert; with `indexed` also a row for each code, reference and date found anywhere in them."""
        bodies = [bytes(entry.resource) for entry in _bundle(raw).entry]
        values = [_decode(body) for body in bodies]
        ids = [new_id() for _ in bodies]
        async with self.pool.connection() as db, db.transaction():
            await db.execute("INSERT INTO doc (id, body) SELECT * FROM unnest(%s::text[], %s::bytea[])", (ids, bodies))
            if indexed:
                found = [
                    (key(text), id_) for id_, value in zip(ids, values, strict=True) for text in set(findable(value))
                ]
                columns = [key for key, _ in found], [id_ for _, id_ in found]
                await db.execute(
                    "INSERT INTO narrow (hash, id) SELECT * FROM unnest(%s::bigint[], %s::text[])", columns
                )
        return msgspec.json.encode({"entry": [{"response": {"status": "201", "location": one}} for one in ids]})

    async def find(self, path: str, query: dict[str, str]):
        if path == "/name":
            return await self.rows(_NAME, (query["q"], query["q"] + "\U0010ffff"))
        if path == "/code":
            return await self.rows(_CODE, (query["patient"], query["code"]))
        return await self.rows(_IDENTIFIER if path == "/identifier" else _CHAIN, (query["value"], query["system"]))

    async def rows(self, text: str, values: tuple):
        async with self.pool.connection() as db:
            cursor = db.cursor(binary=True)
            await cursor.execute(text, values)
            return await cursor.fetchall()


def work(url: str, port: int, ready) -> None:
    """One process that answers until it is told to stop."""
    import uvloop

    held = bound(port)
    config = uvicorn.Config(App(url), http="httptools", lifespan="on", log_config=None, access_log=False)
    server = uvicorn.Server(config)

    async def serve() -> None:
        async def tell() -> None:
            while not server.started:  # noqa: ASYNC110 - uvicorn sets a flag, not an event
                await asyncio.sleep(0.005)
            ready.set()

        telling = asyncio.create_task(tell())
        await server.serve(sockets=[held])
        await telling

    uvloop.run(serve())


def bound(port: int) -> socket.socket:
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.bind(("127.0.0.1", port))
    return one


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--database-url")
    options.add_argument("--data", type=Path)
    options.add_argument("--workers", type=int, default=2)
    given = options.parse_args()
    server = None
    url = given.database_url
    if url is None:
        from jiankang.kernel.postgres import start_embedded

        server = start_embedded(given.data)
        url = server.dsn
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(SCHEMA)
    held = bound(0)
    port = held.getsockname()[1]
    spawn = multiprocessing.get_context("spawn")
    workers = []
    for _ in range(given.workers):
        ready = spawn.Event()
        process = spawn.Process(target=work, args=(url, port, ready), daemon=True)
        process.start()
        workers.append((process, ready))
    for _, ready in workers:
        ready.wait(30)
    print(f"ready at http://127.0.0.1:{port}", flush=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    for process, _ in workers:
        process.terminate()
        process.join(10)
    if server is not None:
        server.stop()


if __name__ == "__main__":
    main()
