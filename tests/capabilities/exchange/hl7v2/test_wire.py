"""Messages are read without losing a byte, in every dialect."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jiankang.capabilities.exchange.hl7v2.wire import (
    Delimiters,
    Malformed,
    Message,
    Value,
    acknowledge,
    location,
    messages,
)
from jiankang.capabilities.exchange.hl7v2.wire.charsets import codec_of
from jiankang.capabilities.exchange.hl7v2.wire.escapes import escape, unescape
from jiankang.capabilities.exchange.model import Complaint

HEAD = "MSH|^~\\&|HIS|CM|JK|HN|20261123080000+0800||ADT^A01^ADT_A01|7|P|2.5.1"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def test_every_sample_is_put_together_again_byte_for_byte(shared) -> None:
    files = sorted((shared / "data" / "hl7v2").glob("*.hl7"))
    assert len(files) == 70
    for path in files:
        raw = path.read_bytes()
        assert Message(raw).serialised() == raw, path.name


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r", "\n\r"])
def test_whatever_ends_a_segment_is_kept(end: str) -> None:
    raw = f"{HEAD}{end}PID|1||5^^^A{end}".encode()
    message = Message(raw)
    assert [segment.name for segment in message] == ["MSH", "PID"]
    assert message.serialised() == raw


@pytest.mark.slow
@given(st.lists(TEXT, max_size=6), st.sampled_from(["\r", "\n", "\r\n"]))
def test_any_text_after_a_header_is_put_together_again(lines: list[str], end: str) -> None:
    raw = end.join([HEAD, *lines]).encode()
    assert Message(raw).serialised() == raw


@pytest.mark.slow
@given(st.binary(max_size=300))
def test_any_bytes_after_a_header_are_put_together_again(tail: bytes) -> None:
    raw = HEAD.encode() + b"\r" + tail
    assert Message(raw).serialised() == raw


@pytest.mark.slow
@given(st.binary(max_size=60))
def test_what_is_no_message_is_malformed_and_nothing_else(raw: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert Message(b"MSH" + raw).header.name == "MSH"


def test_fields_components_and_repetitions_are_counted_from_one() -> None:
    message = Message(f"{HEAD}\rPID|1||5^^^A&1.2&ISO~6^^^B||Wang^Wei".encode())
    pid = message.first("PID")
    assert [value.c() for value in pid.all(3)] == ["5", "6"]
    assert pid[3].c(4, 2) == "1.2"
    assert pid[3].part(4).c(3) == "ISO"
    assert pid[5].c(2) == "Wei"
    assert pid[99].c() == ""
    assert message.header[1].text == "|"
    assert message.header[9].c(3) == "ADT_A01"


def test_custom_delimiters_are_read_and_kept() -> None:
    raw = b"MSH$*!/%$HIS$CM$$$2026$$ADT*A01$1$P$2.5\rPID$1$$5***A%1.2!6"
    message = Message(raw)
    assert message.first("PID")[3].c(4, 2) == "1.2"
    assert [value.c() for value in message.first("PID").all(3)] == ["5", "6"]
    assert message.serialised() == raw


@pytest.mark.parametrize(
    "head", [b"", b"MSH", b"MSH|", b"MSH||||", b"MSH|^^\\&|A", b"MSH|^~\\^|A", b"PID|1", b"MSHA^~\\&"]
)
def test_a_header_that_tells_nothing_apart_is_malformed(head: bytes) -> None:
    with pytest.raises(Malformed):
        Message(head)


MEANT = [
    ("a\\F\\b\\S\\c\\R\\d\\T\\e\\E\\f", "a|b^c~d&e\\f"), ("1\\.br\\2", "1\n2"), ("\\H\\loud\\N\\", "loud"),
    ("\\X41E4B8AD\\", "A中"), ("\\X00\\x", "x"), ("\\.sp3\\", "\n\n\n"), ("\\.in2\\", "  "), ("\\Zown\\", "\\Zown\\"),
    ("\\C2842\\", "\\C2842\\"), ("50\\% or \\", "50\\% or \\"), ("\\XZZ\\", "\\XZZ\\"), ("\\\\", "\\\\"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "meant"), MEANT)
def test_escape_sequences_mean_what_the_norm_says(written: str, meant: str) -> None:
    assert unescape(written, Delimiters()) == meant


@given(TEXT.filter(lambda text: "\r" not in text))
def test_what_is_escaped_is_read_as_it_was(text: str) -> None:
    assert unescape(escape(text, Delimiters()), Delimiters()) == text


CHARSETS = [
    ("GB 18030-2000", "gb18030", "gb18030"), ("GBK", "gbk", "gb18030"), ("UNICODE UTF-8", "utf-8", "utf-8"),
    ("8859/1", "latin-1", "iso8859-1"), ("", "utf-8", "utf-8"), ("", "gb18030", "gb18030"), ("ASCII", "gb18030", "gb18030"),
    ("UNICODE UTF-8", "gb18030", "gb18030"), ("KLINGON", "utf-8", "utf-8"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "really", "found"), CHARSETS)
def test_the_character_set_is_the_one_said_or_the_one_that_fits(said: str, really: str, found: str) -> None:
    name = "Müller" if really == "latin-1" else "王晓明 澄迈"
    raw = f"{HEAD}||||||{said}\rPID|1||5||{name}".encode(really)
    message = Message(raw)
    assert message.charset == found
    assert message.first("PID")[5].text == name
    assert message.serialised() == raw
    wrong = (said and codec_of(said) not in {found, "ascii"}) or said == "KLINGON"
    assert bool(message.doubts) == bool(wrong)


def test_an_agreed_character_set_holds_where_a_message_names_none() -> None:
    raw = f"{HEAD}\rPID|1||5||Müller".encode("latin-1")
    assert Message(raw, "8859/1").first("PID")[5].text == "Müller"


def test_large_messages_take_bounded_time() -> None:
    started = time.perf_counter()
    picture = Message(f"{HEAD}\rOBX|1|ED|X||^^PDF^Base64^{'A' * 10_000_000}".encode())
    assert len(picture.first("OBX")[5].c(5)) == 10_000_000
    many = Message((HEAD + "\rNTE|1||x" * 100_000).encode())
    assert len(many.named("NTE")) == 100_000
    with pytest.raises(Malformed) as refused:
        Message((HEAD + "\rNTE" * 200_001).encode())
    assert refused.value.code == "207"
    assert time.perf_counter() - started < 20


def test_a_batch_is_parted_into_its_messages() -> None:
    one, two = f"{HEAD}\rPID|1||1\r".encode(), f"{HEAD}\rPID|1||MSHX\r".encode()
    batch = b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + one + two + b"BTS|2\rFTS|1\r"
    assert list(messages(batch)) == [one, two]
    assert list(messages(one)) == [one]
    assert list(messages(b"nothing")) == []


def acked(raw: bytes, code: str, *complaints: Complaint) -> Message:
    return Message(acknowledge(Message(raw), code, complaints, NOW, "A1"))


def test_an_acknowledgement_turns_sender_and_receiver_round() -> None:
    ack = acked(f"{HEAD}\rPID|1".encode(), "AA")
    assert [ack.header[n].c() for n in (3, 4, 5, 6)] == ["JK", "HN", "HIS", "CM"]
    assert (ack.header[9].text, ack.header[12].c()) == ("ACK^A01^ACK", "2.5.1")
    assert (ack.first("MSA")[1].c(), ack.first("MSA")[2].c()) == ("AA", "7")


def test_what_is_wrong_is_told_with_its_place_in_the_words_of_the_version() -> None:
    wrong = Complaint("PID-3 is missing", "PID-3", "101", fatal=True)
    new = acked(HEAD.encode(), "AE", wrong).first("ERR")
    assert (new[2].text, new[3].c(), new[4].c(), new[8].all) == ("PID^1^3^1", "101", "E", "PID-3 is missing")
    old = acked(HEAD.replace("2.5.1", "2.3").encode(), "AE", wrong)
    assert old.first("ERR")[1].text == "PID^1^3^101&Required field missing&HL70357"
    assert old.first("MSA")[3].c() == "PID-3 is missing"


def test_an_acknowledgement_speaks_the_delimiters_and_the_character_set_of_the_message() -> None:
    raw = "MSH$*!/%$HIS$中医院$$$2026$$ADT*A01$1$P$2.5$$$$$$GBK\r".encode("gbk")
    ack = acknowledge(Message(raw), "AA", [], NOW, "A1")
    assert ack.startswith(b"MSH$*!/%$")
    assert "中医院" in ack.decode("gbk")


def test_bytes_that_are_no_message_get_a_bare_acknowledgement() -> None:
    ack = Message(acknowledge(b"\x00\x01", "AR", [Complaint("no MSH", "MSH", "100", fatal=True)], NOW, "A1"))
    assert ack.first("MSA")[1].c() == "AR"
    assert ack.first("ERR")[3].c() == "100"


PLACES = [
    ("PID-3", "PID^1^3^1"),
    ("PID[2]-3(2).4.1", "PID^2^3^2^4^1"),
    ("OBX[3]-5", "OBX^3^5^1"),
    ("MSH", "MSH^1"),
    ("", ""),
]


@pytest.mark.parametrize(("place", "erl"), PLACES)
def test_a_place_is_told_as_an_error_location(place: str, erl: str) -> None:
    assert location(place) == erl


def test_the_null_value_is_told_from_an_empty_one() -> None:
    assert Value('""', Delimiters()).is_null
    assert not Value("", Delimiters()).is_null
