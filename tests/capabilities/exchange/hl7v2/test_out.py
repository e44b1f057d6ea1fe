"""Connected systems are told by HL7 v2: the right message, in order, again until it is answered; over real connections."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from jiankang.capabilities.exchange.hl7v2 import Hl7v2
from jiankang.capabilities.exchange.hl7v2.mllp import Listener
from jiankang.capabilities.exchange.hl7v2.out import records, telling
from jiankang.capabilities.exchange.hl7v2.out.making import Changed, Envelope, message
from jiankang.capabilities.exchange.hl7v2.out.records import Receiver
from jiankang.capabilities.exchange.hl7v2.wire import Message, acknowledge
from jiankang.capabilities.exchange.model import Complaint, Letter, Sender

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
ENVELOPE = Envelope(("LIS", "LAB"), NOW, "C1", {"urn:cm": "CM"})
PATIENT: dict[str, Any] = {
    "resourceType": "Patient", "id": "p", "identifier": [{"system": "urn:cm", "value": "7"}], "gender": "female",
    "name": [{"text": "符海燕", "family": "符", "given": ["海燕"]}], "birthDate": "1990-01-01",
    "telecom": [{"system": "phone", "value": "139|0755", "use": "mobile"}],
}  # fmt: skip
VISIT: dict[str, Any] = {
    "resourceType": "Encounter", "id": "e", "status": "in-progress", "class": {"code": "IMP"}, "subject": {"reference": "Patient/p"},
    "identifier": [{"system": "urn:cm:visit", "value": "V1"}], "period": {"start": "2026-11-01T08:00:00+08:00"},
}  # fmt: skip
RESULT: dict[str, Any] = {
    "resourceType": "Observation", "id": "o", "status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": "14771-0", "display": "空腹血糖"}]},
    "valueQuantity": {"value": "5.80", "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
}  # fmt: skip
REPORT: dict[str, Any] = {
    "resourceType": "DiagnosticReport",
    "id": "r",
    "status": "corrected",
    "code": {"text": "生化"},
    "conclusion": "复查",
}
BOOKED: dict[str, Any] = {
    "resourceType": "Appointment",
    "id": "a",
    "status": "booked",
    "start": "2026-11-25T09:00:00+08:00",
    "minutesDuration": 30,
}


def made(changed: Changed) -> tuple[str, Message]:
    found = message(changed, ENVELOPE)
    assert found is not None
    return found[0], Message(found[1])


EVENTS = [
    (Changed(PATIENT, 1), "ADT^A28"), (Changed(PATIENT, 3), "ADT^A31"), (Changed(PATIENT, 4, stays=PATIENT), "ADT^A40"),
    (Changed(VISIT, 1, PATIENT), "ADT^A01"), (Changed({**VISIT, "class": {"code": "AMB"}}, 1, PATIENT), "ADT^A04"),
    (Changed(VISIT, 2, PATIENT), "ADT^A08"), (Changed({**VISIT, "status": "finished"}, 2, PATIENT), "ADT^A03"),
    (Changed({**VISIT, "status": "cancelled"}, 2, PATIENT), "ADT^A11"), (Changed(REPORT, 1, PATIENT, VISIT, [RESULT]), "ORU^R01"),
    (Changed(BOOKED, 1, PATIENT), "SIU^S12"), (Changed(BOOKED, 2, PATIENT), "SIU^S14"), (Changed({**BOOKED, "status": "noshow"}, 2, PATIENT), "SIU^S26"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "kind"), EVENTS)
def test_a_change_is_called_by_its_event_and_our_own_reader_understands_it(changed: Changed, kind: str) -> None:
    found, one = made(changed)
    assert found == kind == "^".join(one.trigger)
    assert one.first("PID")[5].c(1) == "符"
    reading = Hl7v2().read(Letter("hl7v2", one.raw, NOW), Sender("s", "S", authorities={"CM": "urn:cm"}))
    assert not [each for each in reading.complaints if each.fatal]
    patient = next(each for each in reading.tellings if each.type == "Patient")
    assert patient.says["identifier"][0]["system"] == "urn:cm"
    assert patient.says["telecom"][0]["value"] == "139|0755"


def test_results_keep_their_digits_and_their_state() -> None:
    _, one = made(Changed(REPORT, 1, PATIENT, VISIT, [RESULT]))
    obx = one.first("OBX")
    assert (obx[2].c(), obx[5].c(), obx[6].c(), obx[11].c()) == ("NM", "5.80", "mmol/L", "F")
    assert one.first("OBR")[25].c() == "C"
    assert one.first("NTE")[3].c() == "复查"


class Hospital:
    """A receiving system: remembers what it was told, and answers as it is asked to."""

    def __init__(self) -> None:
        self.told: list[Message] = []
        self.answers: list[str] = []

    async def __call__(self, raw: bytes, _: Any) -> bytes:
        one = Message(raw)
        code = self.answers.pop(0) if self.answers else "AA"
        if code == "AA":
            self.told.append(one)
        wrong = [] if code == "AA" else [Complaint("we do not know this ward", "PV1-3", "103", fatal=True)]
        return acknowledge(one, code, wrong, NOW, "A1")


def test_receivers_are_told_in_order_again_after_a_restart_and_not_of_their_own(
    open_platform: Any, ask: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(telling, "MOST_WAIT_SECONDS", 0.1)
    server, run = open_platform.app.server, open_platform.run
    hospital = Hospital()

    async def until(count: int) -> None:
        async with asyncio.timeout(20):
            while len(hospital.told) < count:  # noqa: ASYNC110 - what is waited for is another's list
                await asyncio.sleep(0.05)

    async def begin() -> int:
        async with Listener("127.0.0.1", 0, hospital) as listener:
            port = listener.port
        async with server.record.pool.connection() as db:
            one = Receiver("lis", "LIS", "LIS", "LAB", "127.0.0.1", port, kinds=["ADT"], authorities={"LAB": "urn:lab"})
            assert await records.add(db, one)
            assert not await records.add(db, one)
        async with telling.Teller(server):  # so that what is there already was passed by
            await asyncio.sleep(0.5)
        return port

    port = run(begin())
    hospital.answers = ["AA", "AE"]
    ask("PUT", "/Patient/out-1", {**PATIENT, "id": "out-1"}, status=201)
    ask(
        "PUT",
        "/Patient/out-2",
        {**PATIENT, "id": "out-2", "identifier": [{"system": "urn:lab", "value": "L9"}]},
        status=201,
    )
    ask("PUT", "/Encounter/out-3", {**VISIT, "id": "out-3", "subject": {"reference": "Patient/out-1"}}, status=201)
    ask(
        "PUT",
        "/Encounter/out-3",
        {**VISIT, "id": "out-3", "status": "finished", "subject": {"reference": "Patient/out-1"}},
        status=200,
    )

    async def down_then_up() -> None:
        async with telling.Teller(server):
            await asyncio.sleep(1.0)
            assert hospital.told == []
            async with Listener("127.0.0.1", port, hospital):
                await until(2)

    run(down_then_up())
    assert [one.first("PID")[3].c() for one in hospital.told] == ["7", "7"]
    assert hospital.told[0].trigger == ("ADT", "A28")
    assert hospital.told[1].trigger == ("ADT", "A03")

    async def refused() -> Any:
        async with server.record.pool.connection() as db:
            rows = await db.execute("SELECT state, problem FROM exchange_outgoing ORDER BY number")
            alerts = await db.execute("SELECT text FROM exchange_alert WHERE kind = 'out'")
            return await rows.fetchall(), await alerts.fetchall()

    rows, alerts = run(refused())
    assert [state for state, _ in rows] == ["sent", "refused", "sent"]
    assert rows[1][1] == "we do not know this ward"
    assert "we do not know this ward" in alerts[0][0]
