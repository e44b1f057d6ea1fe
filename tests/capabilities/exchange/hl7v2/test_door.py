"""The door for messages: kept, acknowledged, landed; refused in the sender's own words; questions answered at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import hl7.client
import pytest

from jiankang.capabilities.exchange.hl7v2.mllp import Listener, Peer
from jiankang.capabilities.exchange.hl7v2.wire import Message
from jiankang.capabilities.exchange.model import Sender
from jiankang.capabilities.exchange.naming import patient
from jiankang.capabilities.exchange.room import Exchange
from jiankang.foundation.access import LOCAL_OPERATOR

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
MRN = "urn:jiankang:facility:CM"


@pytest.fixture(scope="module")
def exchange(open_platform: Any) -> Any:
    room = Exchange(open_platform.app.server)
    senders = room.intake.senders
    run = open_platform.run
    run(senders.add(Sender("his", "HIS", authorities={"CM": MRN}), names=["HIS|CM"], state="connected"))
    run(senders.add(Sender("shut", "Shut"), names=["SHUT|CM"], state="stopped"))
    run(senders.add(Sender("tls", "TLS"), names=["TLS|CM"], state="connected", certificate="ab" * 32))
    return room


@pytest.fixture
def send(exchange: Any, open_platform: Any) -> Any:
    """Sends a message through the door; what comes back."""

    def send(raw: bytes | str, peer: Peer | None = None) -> Message | None:
        answer = open_platform.run(exchange.door(raw if isinstance(raw, bytes) else raw.encode(), peer))
        return None if answer is None else Message(answer)

    return send


def message(control: str, *segments: str, kind: str = "ADT^A28^ADT_A05", head: str = "HIS|CM", tail: str = "") -> str:
    first = f"MSH|^~\\&|{head}|JK|HN|20261123080000+0800||{kind}|{control}|P|2.5.1{tail}"
    return "".join(f"{one}\r" for one in (first, *segments))


def pid(mrn: str, **more: str) -> str:
    return f"PID|1||{mrn}^^^CM^MR||{more.get('name', '王^小明')}||{more.get('born', '19900101')}|{more.get('sex', 'M')}"


def code(answer: Message) -> str:
    return answer.first("MSA")[1].c()


def errors(answer: Message) -> list[tuple[str, str]]:
    return [(one[3].c(), one[2].text) for one in answer.named("ERR")]


def landed(exchange: Any, run: Any) -> None:
    async def drain() -> None:
        while (await exchange.intake.lander.land_some(40))[0]:
            pass

    run(drain())


def test_a_message_is_acknowledged_and_stands_in_the_record(
    send: Any, exchange: Any, open_platform: Any, ask: Any
) -> None:
    answer = send(message("D1", pid("D1")))
    assert (code(answer), answer.first("MSA")[2].c()) == ("AA", "D1")
    landed(exchange, open_platform.run)
    found = ask("GET", f"/Patient/{patient(MRN, 'D1')}", status=200).value
    assert found["name"][0]["text"] == "王小明"
    assert ask("GET", "/Patient", query=f"identifier={MRN}|D1", status=200).value["total"] == 1


def test_the_same_message_is_answered_byte_for_byte_the_same(exchange: Any, open_platform: Any) -> None:
    raw = message("D2", pid("D2")).encode()
    first, second = (open_platform.run(exchange.door(raw)) for _ in range(2))
    assert first == second


def test_another_message_under_the_same_control_id_is_refused(send: Any) -> None:
    send(message("D3", pid("D3")))
    answer = send(message("D3", pid("D3x")))
    assert code(answer) == "AR"
    assert errors(answer) == [("205", "MSH^1^10^1")]


WRONG = [
    (message("W1", "PV1|1|N"), "AE", "100", "PID^1"), (message("W2", "PID|1||||王"), "AE", "101", "PID^1^3^1"),
    (message("W3", pid("W3", born="19881399")), "AA", "102", "PID^1^7^1"), (message("W4", pid("1"), kind="ADT^A99"), "AR", "201", "MSH^1^9^1^2"),
    (message("W5", pid("1"), kind="XYZ^A01"), "AR", "200", "MSH^1^9^1^1"), (message("", pid("1")), "AR", "101", "MSH^1^10^1"),
    (message("W7", pid("1"), head="NOBODY|X"), "AR", "207", "MSH^1^3^1"), (message("W8", pid("1"), head="SHUT|CM"), "AR", "207", "MSH^1^3^1"),
    (message("W9", pid("1")) + message("W9b", pid("2")), "AR", "207", "MSH^1"), ("not a message", "AR", "100", "MSH^1"),
    ("", "AR", "100", "MSH^1"), ("FHS|^~\\&|A\rBHS|^~\\&", "AR", "100", "MSH^1"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "expected", "error", "place"), WRONG)
def test_what_cannot_be_taken_is_refused_with_its_place(
    send: Any, raw: str, expected: str, error: str, place: str
) -> None:
    answer = send(raw)
    assert code(answer) == expected
    assert errors(answer)[0] == (error, place)


def test_what_was_refused_is_on_the_console(send: Any, exchange: Any, open_platform: Any) -> None:
    send(message("C1", pid("1"), head="STRANGER|Y"))

    async def look() -> Any:
        async with exchange.intake.record.pool.connection() as db:
            rows = await db.execute(
                "SELECT complaints, body FROM exchange_letter WHERE state = 'refused' AND key = 'C1'"
            )
            alerts = await db.execute("SELECT text FROM exchange_alert WHERE text LIKE 'STRANGER%'")
            return await rows.fetchall(), await alerts.fetchall()

    letters, alerts = open_platform.run(look())
    assert "STRANGER" in letters[0][0][0]["text"]
    assert len(alerts) == 1


def test_a_sender_with_a_certificate_is_known_by_no_other(send: Any) -> None:
    raw = message("T1", "PID|1||T1^^^X^MR||王", head="TLS|CM")
    assert code(send(raw)) == "AR"
    assert code(send(raw, Peer("127.0.0.1", "cd" * 32))) == "AR"
    assert code(send(raw.replace("T1", "T2"), Peer("127.0.0.1", "ab" * 32))) == "AA"


MODES = [
    ("AL", "NE", "CA"),
    ("NE", "AL", "AA"),
    ("NE", "NE", None),
    ("ER", "NE", None),
    ("SU", "NE", "CA"),
    ("", "", "AA"),
]


@pytest.mark.parametrize(("accept", "application", "expected"), MODES)
def test_acknowledgements_come_in_the_mode_that_is_asked_for(
    send: Any, accept: str, application: str, expected: str | None
) -> None:
    answer = send(message(f"M{accept}{application}", pid("M1"), tail=f"|||{accept}|{application}"))
    assert (None if answer is None else code(answer)) == expected


def test_in_enhanced_mode_an_error_is_told_as_one(send: Any) -> None:
    assert code(send(message("E1", "PV1|1|N", tail="|||ER|NE"))) == "CE"


def test_a_message_in_gb18030_is_answered_and_kept_in_it(
    send: Any, exchange: Any, open_platform: Any, ask: Any
) -> None:
    raw = message("G1", pid("G1", name="龢^鑫"), tail="||||||GB 18030-2000").encode("gb18030")
    assert code(send(raw)) == "AA"
    landed(exchange, open_platform.run)
    assert ask("GET", f"/Patient/{patient(MRN, 'G1')}").value["name"][0]["text"] == "龢鑫"


def test_a_system_that_nobody_registered_is_taken_where_the_region_says_so(
    exchange: Any, open_platform: Any, send: Any
) -> None:
    import dataclasses

    server = open_platform.app.server
    before, server.settings = server.settings, dataclasses.replace(server.settings, unknown_senders="accept")
    try:
        assert code(send(message("U1", pid("U1"), head="NEW|CLINIC"))) == "AA"
    finally:
        server.settings = before
    assert open_platform.run(exchange.intake.senders.named("NEW", "CLINIC")) is not None


def test_over_a_real_connection_with_a_client_that_is_not_ours(exchange: Any, open_platform: Any) -> None:
    async def main() -> bytes:
        async with Listener("127.0.0.1", 0, exchange.door) as listener:

            def ask() -> bytes:
                with hl7.client.MLLPClient("127.0.0.1", listener.port) as client:
                    return client.send_message(message("R1", pid("R1")).encode())

            return await asyncio.to_thread(ask)

    answer = hl7.parse(open_platform.run(main()).strip(b"\x0b\x1c\r").decode() + "\r")
    assert str(answer.segment("MSA")[1]) == "AA"


# -- questions ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known(exchange: Any, open_platform: Any) -> None:
    """Somebody whom two systems of the region know, and who was vaccinated."""
    run = open_platform.run
    run(
        exchange.intake.senders.add(
            Sender("lab", "Lab", authorities={"LAB": "urn:lab"}), names=["LIS|LAB"], state="connected"
        )
    )
    citizen = "~460027199003074028^^^NID^NI"
    for raw in (
        message("Q1", f"PID|1||Q1^^^CM^MR{citizen}||符^海燕||19900307|F"),
        message("Q2", f"PID|1||L1^^^LAB^MR{citizen}||符^海燕||19900307|F", head="LIS|LAB"),
        message("Q3", f"PID|1||Q1^^^CM^MR{citizen}||符^海燕||19900307|F", "ORC|RE||V1^CM", "RXA|0|1|20260101||08^乙肝^CVX|0.5|mL", kind="VXU^V04^VXU_V04"),
    ):  # fmt: skip
        assert code(Message(run(exchange.door(raw.encode())))) == "AA"
    landed(exchange, run)


def query(event: str, structure: str, qpd: str) -> str:
    return message(f"QRY{event}", f"QPD|{event}^x^y|tag7|{qpd}", "RCP|I|5^RD", kind=f"QBP^{event}^{structure}")


@pytest.mark.usefixtures("known")
def test_whoever_has_a_number_is_told_with_demographics(send: Any) -> None:
    answer = send(query("Q21", "QBP_Q21", "Q1^^^CM^MR"))
    assert (code(answer), answer.first("QAK")[2].c()) == ("AA", "OK")
    assert answer.first("PID")[5].c(1) == "符"
    assert answer.first("QAK")[1].c() == "tag7"


@pytest.mark.usefixtures("known")
def test_who_has_these_demographics_is_told_once_a_registration(send: Any) -> None:
    answer = send(query("Q22", "QBP_Q21", "@PID.5.1.1^符~@PID.7^19900307"))
    assert answer.header[9].text == "RSP^K22^RSP_K21"
    assert {one[3].c() for one in answer.named("PID")} >= {"Q1", "L1"}


@pytest.mark.usefixtures("known")
def test_what_somebody_is_called_elsewhere_is_told(send: Any) -> None:
    answer = send(query("Q23", "QBP_Q21", "Q1^^^CM^MR"))
    assert "L1" in {value.c() for value in answer.first("PID").all(3)}
    unknown = send(query("Q23", "QBP_Q21", "NOBODY^^^CM^MR"))
    assert (code(unknown), errors(unknown)[0][0]) == ("AE", "204")


@pytest.mark.usefixtures("known")
def test_the_history_of_vaccinations_is_told(send: Any) -> None:
    answer = send(query("Z34", "QBP_Q11", "Q1^^^CM^MR"))
    assert [one[5].c() for one in answer.named("RXA")] == ["08"]


def test_nobody_is_told_of_as_not_found_and_a_question_that_is_none_as_an_error(send: Any) -> None:
    assert send(query("Q22", "QBP_Q21", "@PID.5.1.1^没有这个人~@PID.7^19010101")).first("QAK")[2].c() == "NF"
    assert code(send(query("Q22", "QBP_Q21", ""))) == "AE"
    assert code(send(query("Q99", "QBP_Q21", "x"))) == "AR"
    assert code(send(message("N1", kind="QBP^Q22^QBP_Q21"))) == "AE"


def test_the_local_operator_sees_where_it_came_from(ask: Any, send: Any, exchange: Any, open_platform: Any) -> None:
    send(message("P1", pid("P1")))
    landed(exchange, open_platform.run)
    found = open_platform.run(exchange.intake.record.current(LOCAL_OPERATOR, "Patient", patient(MRN, "P1")))
    assert found is not None
    provenance = ask("GET", "/Provenance", query=f"target=Patient/{patient(MRN, 'P1')}").value["entry"][0]["resource"]
    assert provenance["occurredDateTime"] == "2026-11-23T08:00:00+08:00"
    assert provenance["activity"]["text"] == "ADT^A28"
