"""The channel websocket, with a client over a real server."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
import websockets
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from jiankang.capabilities.exchange.subscriptions import SOCKET, Couriers, listen
from jiankang.foundation.access import Actor, Not, TypeIn
from jiankang.serving import _protocol
from jiankang.ui import MIDDLEWARE


@asynccontextmanager
async def served(server: Any):
    """The address of the socket over a server."""
    app = Starlette(routes=[WebSocketRoute(SOCKET, listen)], middleware=MIDDLEWARE)
    app.state.server = server
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, http=_protocol(1), lifespan="off", log_config=None)
        serving = uvicorn.Server(config)
        task = asyncio.create_task(serving.serve(sockets=[bound]))
        while not serving.started:  # noqa: ASYNC110 - uvicorn sets a flag
            await asyncio.sleep(0.01)
        yield f"ws://127.0.0.1:{bound.getsockname()[1]}{SOCKET}"
        serving.should_exit = True
        await task


async def heard(line: Any) -> str:
    async with asyncio.timeout(5):
        return await line.recv()


def on_socket(room: Any, criteria: str = "Patient") -> Any:
    return room.subscription(None, criteria, type="websocket", payload=None)


def test_a_client_that_is_bound_is_pinged_at_once(run, room):
    async def story(server: Any) -> None:
        await room.put(server, on_socket(room, "Patient?gender=female"))
        async with served(server) as address, Couriers(server), websockets.connect(address) as line:
            await line.send("bind s")
            assert await heard(line) == "bound s"
            await room.put(server, room.patient("m", gender="male"))
            await room.put(server, room.patient("f", gender="female"))
            assert await heard(line) == "ping s"
            await asyncio.sleep(1.2)  # longer than headers may take: the deadline for them is over
            await room.put(server, room.patient("f", "林大海", gender="female"))
            assert await heard(line) == "ping s"

    run(story)


def test_what_happened_while_nobody_listened_is_pinged_when_somebody_does(run, room):
    async def story(server: Any) -> None:
        await room.put(server, on_socket(room))
        await room.put(server, room.patient("a"))
        await room.match(server)
        async with served(server) as address:
            async with websockets.connect(address) as line:
                await line.send("bind s")
                assert [await heard(line), await heard(line)] == ["bound s", "ping s"]
                await asyncio.sleep(0.1)
            async with websockets.connect(address) as line:
                await line.send("bind s")
                assert await heard(line) == "bound s"
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.6):
                        await line.recv()

    run(story)


def test_nobody_is_bound_to_what_they_may_not_know_of(run, room, receiver):
    async def story(server: Any) -> None:
        await room.put(server, on_socket(room), {**room.subscription(receiver.url), "id": "hook"})
        server.authenticate = lambda _: Actor("stranger", Not(TypeIn(frozenset({"Subscription"}))))
        async with served(server) as address, websockets.connect(address) as line:
            for said in ("bind s", "bind hook", "bind nobody", "bind-with-token: 99999999999.00.s", "hello", "bind"):
                await line.send(said)
                assert (await heard(line)).startswith("error: ")
            await line.send(b"\x00\xff")
            assert (await heard(line)).startswith("error: ")
            await line.send("bind " + "x" * 5_000)
            with pytest.raises(websockets.ConnectionClosed):
                await heard(line)

    run(story)


def test_a_page_of_somebody_else_cannot_listen(run):
    async def story(server: Any) -> None:
        async with served(server) as address:
            with pytest.raises(websockets.InvalidStatus):
                await websockets.connect(address, origin="https://elsewhere.example")  # type: ignore[arg-type]

    run(story)


def test_with_a_token_a_client_is_told_of_a_topic_in_full(run, room):
    async def story(server: Any) -> None:
        one = room.topic("", "any-change", "Patient", heartbeat_period=1, max_count=10)
        one["channel"] = {**one["channel"], "type": "websocket"}
        del one["channel"]["endpoint"]
        await room.put(server, one)
        status, answer = await room.ask(server, "GET", "Subscription/s/$get-ws-binding-token")
        given = {
            part["name"]: next(v for k, v in part.items() if k.startswith("value")) for part in answer["parameter"]
        }
        assert (status, given["websocket-url"]) == (200, f"ws://jiankang.example{SOCKET}")
        server.authenticate = lambda _: Actor("stranger", Not(TypeIn(frozenset({"Subscription"}))))
        async with served(server) as address, Couriers(server), websockets.connect(address) as line:
            await line.send(f"bind-with-token: {given['token']}")
            told = json.loads(await heard(line))
            assert kind(told) == "handshake"
            await room.put(server, room.patient("a", "吴多益"), room.patient("b", "邢小明"))
            told = json.loads(await heard(line))
            assert kind(told) == "event-notification"
            assert {e["resource"]["name"][0]["text"] for e in told["entry"][1:]} == {"吴多益", "邢小明"}
            assert (await room.read(server))["status"] == "active"

    run(story)


def test_one_token_binds_to_several_subscriptions(run, room):
    async def story(server: Any) -> None:
        await room.put(server, on_socket(room), {**on_socket(room, "Observation"), "id": "t"})
        _, answer = await room.ask(server, "GET", "Subscription/$get-ws-binding-token?id=s,t")
        token = next(one["valueString"] for one in answer["parameter"] if one["name"] == "token")
        async with served(server) as address, websockets.connect(address) as line:
            await line.send(f"bind-with-token: {token}")
            assert {await heard(line), await heard(line)} == {"bound s", "bound t"}
            await line.send(f"bind-with-token: {token}x")
            assert (await heard(line)).startswith("error: ")
        status, _ = await room.ask(server, "GET", "Subscription/$get-ws-binding-token?id=nobody")
        assert status == 404

    run(story)


def kind(told: dict[str, Any]) -> str:
    return next(p["valueCode"] for p in told["entry"][0]["resource"]["parameter"] if p["name"] == "type")
