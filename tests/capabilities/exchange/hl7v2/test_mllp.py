"""Frames over real connections: order, bounds, certificates; with a client that is not ours."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from pathlib import Path
from typing import Any

import hl7.client
import pytest

from jiankang.capabilities.exchange.hl7v2.mllp import (
    Limits,
    Listener,
    Outlet,
    Peer,
    Unanswered,
    client_tls,
    framed,
    send,
    server_tls,
)
from jiankang.capabilities.exchange.hl7v2.mllp.framing import Frames
from jiankang.kernel.errors import Invalid

MESSAGE = b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5\r"


async def echo(message: bytes, peer: Peer) -> bytes:
    return b"got " + message


def test_frames_are_cut_however_the_bytes_arrive() -> None:
    raw = b"noise" + framed(b"one") + b"\r\n" + framed(b"two\x1c three") + framed(b"")
    for size in (1, 2, 3, 1000):
        frames = Frames(100)
        found = [one for start in range(0, len(raw), size) for one in frames.feed(raw[start : start + size])]
        assert found == [b"one", b"two\x1c three", b""]


def test_a_frame_that_is_too_large_is_noticed_before_it_ends() -> None:
    frames = Frames(10)
    assert frames.feed(framed(b"whole") + b"\x0b" + b"x" * 11) == [b"whole"]
    assert frames.over


async def test_answers_come_in_the_order_of_the_messages() -> None:
    async def slow_first(message: bytes, peer: Peer) -> bytes:
        await asyncio.sleep(0.05 if message == b"0" else 0)
        return message

    async with Listener("127.0.0.1", 0, slow_first) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"".join(framed(str(n).encode()) for n in range(200)))
        answers: list[bytes] = []
        frames = Frames(1000)
        while len(answers) < 200:
            answers += frames.feed(await reader.read(4096))
        assert answers == [str(n).encode() for n in range(200)]
        writer.close()


def test_a_client_that_is_not_ours_is_answered(run_apart: Any) -> None:
    async def main() -> bytes:
        async with Listener("127.0.0.1", 0, echo) as listener:

            def ask() -> bytes:
                with hl7.client.MLLPClient("127.0.0.1", listener.port) as client:
                    return client.send_message(MESSAGE)

            return await asyncio.to_thread(ask)

    assert b"got MSH" in run_apart(main())


async def test_half_a_message_and_silence_end_the_connection() -> None:
    async with Listener("127.0.0.1", 0, echo, limits=Limits(half_seconds=0.2)) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"\x0bMSH|half")
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_a_message_that_is_too_large_is_refused_and_others_go_on() -> None:
    limits = Limits(most_bytes=1000)
    async with Listener("127.0.0.1", 0, echo, limits=limits, too_large=lambda: b"too large") as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(framed(b"first") + b"\x0b" + b"x" * 5000)
        assert await asyncio.wait_for(reader.read(), 5) == framed(b"got first") + framed(b"too large")
        writer.close()
        assert await send("127.0.0.1", listener.port, b"small") == b"got small"


async def test_many_senders_are_answered_at_once() -> None:
    async with Listener("127.0.0.1", 0, echo) as listener:

        async def one(number: int) -> list[bytes]:
            async with Outlet("127.0.0.1", listener.port) as outlet:
                return [await outlet.send(f"{number}-{n}".encode()) for n in range(10)]

        found = await asyncio.gather(*(one(number) for number in range(50)))
        assert found[7][3] == b"got 7-3"


async def test_leaving_answers_what_is_under_way() -> None:
    begun = asyncio.Event()

    async def slow(message: bytes, peer: Peer) -> bytes:
        begun.set()
        await asyncio.sleep(0.2)
        return b"done"

    async with Listener("127.0.0.1", 0, slow) as listener:
        asking = asyncio.create_task(send("127.0.0.1", listener.port, b"x"))
        await begun.wait()
    assert await asking == b"done"


async def test_a_handler_that_fails_leaves_the_message_unanswered() -> None:
    async def broken(message: bytes, peer: Peer) -> bytes:
        raise RuntimeError("a bug")

    async with Listener("127.0.0.1", 0, broken) as listener:
        with pytest.raises(Unanswered):
            await send("127.0.0.1", listener.port, b"x", seconds=5)


async def test_an_outlet_connects_again_after_a_restart() -> None:
    async with Listener("127.0.0.1", 0, echo) as listener:
        port = listener.port
        outlet = Outlet("127.0.0.1", port, seconds=5)
        assert await outlet.send(b"1") == b"got 1"
    with pytest.raises(Unanswered):
        await outlet.send(b"2")
    async with Listener("127.0.0.1", port, echo):
        with contextlib.suppress(Unanswered):
            await outlet.send(b"3")
        assert await outlet.send(b"4") == b"got 4"
        await outlet.__aexit__()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: Any) -> Path:
    """An authority, certificates of a server and of a client signed by it, and one of a stranger."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("ca", "stranger"):
        openssl(
            "req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2", "-subj", f"/CN={name}"
        )
    for name in ("server", "client"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "ext").write_text("subjectAltName=IP:127.0.0.1")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)
    return folder


async def test_who_has_the_right_certificate_is_known_by_it_and_others_stay_out(certificates: Path) -> None:
    def path(name: str) -> str:
        return str(certificates / name)

    async def who(message: bytes, peer: Peer) -> bytes:
        return f"{peer.subject} {len(peer.fingerprint)}".encode()

    tls = server_tls(path("server.pem"), path("server.key"), path("ca.pem"))
    async with Listener("127.0.0.1", 0, who, tls=tls) as listener:
        mine = client_tls(path("ca.pem"), path("client.pem"), path("client.key"))
        assert await send("127.0.0.1", listener.port, b"x", tls=mine) == b"client 64"
        for other in (
            client_tls(path("ca.pem")),
            client_tls(path("ca.pem"), path("stranger.pem"), path("stranger.key")),
        ):
            with pytest.raises(Unanswered):
                await send("127.0.0.1", listener.port, b"x", tls=other, seconds=5)


def test_certificates_that_cannot_be_used_are_refused_with_a_word(certificates: Path) -> None:
    with pytest.raises(Invalid):
        server_tls(str(certificates / "server.pem"), str(certificates / "ca.key"), "")
    with pytest.raises(Invalid):
        server_tls("", "", str(certificates / "ca.pem"))
    assert server_tls("", "", "") is None
    assert isinstance(client_tls(str(certificates / "ca.pem")), ssl.SSLContext)


@pytest.fixture
def run_apart() -> Any:
    """Runs a coroutine in a loop of its own."""
    return asyncio.run
