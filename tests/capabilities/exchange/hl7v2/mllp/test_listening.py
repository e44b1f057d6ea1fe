"""Senders that break off, never stop, or never listen."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

import hl7
from hl7.mllp import open_hl7_connection

from jiankang.capabilities.exchange.hl7v2.mllp import Limits, Listener, Peer, framed, send
from jiankang.capabilities.exchange.hl7v2.mllp.framing import Frames
from jiankang.capabilities.exchange.hl7v2.wire import Message, acknowledge

MESSAGE = "MSH|^~\\&|A|B|C|D|20261123||ADT^A01|{}|P|2.5\rPID|1||5^^^A\r"


async def echo(message: bytes, peer: Peer) -> bytes:
    return b"got " + message[:40]


def test_a_message_that_was_broken_off_is_not_mixed_with_the_next() -> None:
    assert Frames(1000).feed(b"\x0bMSH|half" + framed(b"MSH|whole")) == [b"MSH|whole"]


async def test_a_sender_that_goes_on_writing_hears_why_it_is_refused() -> None:
    limits = Limits(most_bytes=1_000_000)
    async with Listener("127.0.0.1", 0, echo, limits=limits, too_large=lambda: b"too large") as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)

        async def write() -> None:
            writer.write(b"\x0b")
            for _ in range(200):
                writer.write(b"x" * 100_000)
                await writer.drain()

        writing = asyncio.create_task(write())
        assert await asyncio.wait_for(reader.read(), 10) == framed(b"too large")
        writing.cancel()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await writing
        writer.close()


async def test_a_failure_and_a_message_that_is_too_large_leave_the_others_served() -> None:
    async def fragile(message: bytes, peer: Peer) -> bytes:
        if message == b"bug":
            raise RuntimeError("a bug")
        return message

    limits = Limits(most_bytes=100)
    async with Listener("127.0.0.1", 0, fragile, limits=limits, too_large=lambda: b"too large") as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(framed(b"bug") + framed(b"next") + b"\x0b" + b"x" * 500)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        async with asyncio.timeout(5):
            assert await send("127.0.0.1", listener.port, b"other") == b"other"


async def test_a_sender_that_never_reads_its_answers_is_hung_up_on() -> None:
    begun = asyncio.Event()

    async def long(message: bytes, peer: Peer) -> bytes:
        begun.set()
        return b"x" * 1_000_000

    async with Listener("127.0.0.1", 0, long, limits=Limits(half_seconds=0.3)) as listener:
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port, limit=1024)
        writer.write(framed(b"ask") * 60)
        async with asyncio.timeout(10):
            await begun.wait()
            (connection,) = listener.connections
            await connection.lost.wait()
        writer.close()


async def test_at_most_so_many_messages_of_a_connection_are_under_way() -> None:
    now = most = 0

    async def counted(message: bytes, peer: Peer) -> bytes:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return message

    async with Listener("127.0.0.1", 0, counted, limits=Limits(most_under_way=4)) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"".join(framed(b"%d" % number) for number in range(100)))
        frames, answers = Frames(1000), list[bytes]()
        while len(answers) < 100:
            answers += frames.feed(await reader.read(4096))
        assert answers == [b"%d" % number for number in range(100)]
        assert most == 4
        writer.close()


async def test_two_listeners_share_a_port() -> None:
    async with Listener("127.0.0.1", 0, echo) as one, Listener("127.0.0.1", one.port, echo) as two:
        assert two.port == one.port
        for _ in range(10):
            assert await send("127.0.0.1", one.port, b"x") == b"got x"


async def test_a_client_of_another_house_gets_its_acknowledgements() -> None:
    async def door(message: bytes, peer: Peer) -> bytes:
        return acknowledge(Message(message), "AA", [], datetime(2026, 11, 23, tzinfo=UTC), "A1")

    async with Listener("127.0.0.1", 0, door) as listener:
        reader, writer = await open_hl7_connection("127.0.0.1", listener.port)
        for number in range(3):
            writer.writemessage(hl7.parse(MESSAGE.format(number)))
            await writer.drain()
            answer = await reader.readmessage()
            assert (str(answer.segment("MSA")[1]), str(answer.segment("MSA")[2])) == ("AA", str(number))
        writer.close()
        await writer.wait_closed()
