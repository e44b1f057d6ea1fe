"""Characters of messages: wide sets, broken ones, escapes in the message's own set; answers that can always be written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jiankang.capabilities.exchange.hl7v2.wire import Malformed, Message, acknowledge
from jiankang.capabilities.exchange.model import Complaint

HEAD = "MSH|^~\\&|HIS|CM|JK|HN|20261123080000+0800||ADT^A01^ADT_A01|7|P|2.5.1"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
NAMED = ["", "GBK", "GB 18030-2000", "BIG-5", "KS X 1001", "ISO IR87", "8859/1", "8859/7", "UNICODE UTF-8", "ASCII"]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_two_bytes_a_character_are_read_with_and_without_a_mark(codec: str, mark: str) -> None:
    raw = f"{mark}{HEAD}\rPID|1||5||王^海".encode(codec)
    message = Message(raw)
    assert message.first("PID")[5].c(2) == "海"
    assert message.serialised() == raw


@pytest.mark.parametrize("tail", [b"x", b"\x00\xd8", b"\x00\xd8\x41\x00"])
def test_two_bytes_a_character_that_are_broken_are_malformed(tail: bytes) -> None:
    with pytest.raises(Malformed):
        Message(b"\xff\xfe" + HEAD.encode("utf-16-le") + tail)


@given(st.sampled_from(NAMED), st.binary(max_size=80))
def test_any_bytes_under_any_declared_set_are_written_again_as_they_were(said: str, tail: bytes) -> None:
    raw = f"{HEAD}||||||{said}\rNTE|1||".encode() + tail
    assert Message(raw).serialised() == raw


@given(st.binary(max_size=60))
def test_any_bytes_after_the_delimiters_are_written_again_or_malformed(tail: bytes) -> None:
    raw = b"MSH|^~\\&|" + tail
    message = Message(raw)
    assert message.serialised() == raw
    for segment in message:
        for number in range(len(segment.fields)):
            for value in segment.all(number):
                assert isinstance(value.c(1, 1) + value.all + value.part(2).c(), str)
    answer = acknowledge(message, "AE", [Complaint(segment.line, "PID-3", "101")], NOW, "A1")
    assert b"\x0b" not in answer
    assert b"\x1c" not in answer
    assert [one.name for one in Message(answer)] == ["MSH", "MSA", "ERR"]


@pytest.mark.parametrize(("said", "codec"), [("GBK", "gb18030"), ("UNICODE UTF-8", "utf-8"), ("8859/1", "latin-1")])
def test_bytes_of_an_escape_are_of_the_character_set_of_the_message(said: str, codec: str) -> None:
    letter = "é" if codec == "latin-1" else "中"
    raw = f"{HEAD}||||||{said}\rNTE|1||a\\X{letter.encode(codec).hex().upper()}\\".encode()
    assert Message(raw).first("NTE")[3].all == f"a{letter}"


def test_what_the_senders_character_set_lacks_is_told_as_a_question_mark() -> None:
    message = Message(f"{HEAD}||||||8859/1\r".encode())
    answer = acknowledge(message, "AR", [Complaint("海口 was stopped", "MSH-3", "207", fatal=True)], NOW, "A1")
    assert b"?? was stopped" in answer


def test_a_trigger_with_a_delimiter_in_it_adds_no_field_to_the_answer() -> None:
    message = Message(HEAD.replace("^A01^", "^A\\F\\01^").encode())
    answer = Message(acknowledge(message, "AR", [], NOW, "A1"))
    assert (answer.header[9].c(2), answer.control) == ("A|01", "A1")
