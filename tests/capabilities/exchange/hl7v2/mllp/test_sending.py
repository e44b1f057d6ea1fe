"""Who sends takes no other message's acknowledgement for its own."""

from __future__ import annotations

from jiankang.capabilities.exchange.hl7v2.mllp import END, START, Listener, Outlet, Peer

HEAD = b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|"


async def test_a_late_acknowledgement_of_one_message_is_not_taken_for_that_of_the_next() -> None:
    late: list[bytes] = []

    async def enhanced(message: bytes, peer: Peer) -> bytes:
        control = message.split(b"|")[9]
        answers = [*late, HEAD + b"X|P|2.5\rMSA|CA|" + control + b"\r"]
        late[:] = [HEAD + b"Y|P|2.5\rMSA|AA|" + control + b"\r"]
        return (END + START).join(answers)

    async with Listener("127.0.0.1", 0, enhanced) as listener, Outlet("127.0.0.1", listener.port, seconds=5) as outlet:
        for number in (b"1", b"2", b"3"):
            answer = await outlet.send(HEAD + number + b"|P|2.5\r")
            assert answer.endswith(b"MSA|CA|" + number + b"\r")
