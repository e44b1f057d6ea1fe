"""Letters are kept, land once, and tell what is wrong with them; over the real record."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from jiankang.capabilities.exchange.intake import Intake, Worker
from jiankang.capabilities.exchange.model import (
    Complaint,
    Fate,
    Gap,
    Joined,
    Letter,
    Reading,
    Sender,
    Telling,
    Unreadable,
)
from jiankang.capabilities.exchange.naming import identify, patient
from jiankang.foundation.access import LOCAL_OPERATOR as ACTOR
from jiankang.kernel.errors import Conflict

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


class Told:
    """A format of these tests: JSON of what is told."""

    name = "told"

    def read(self, letter: Letter, sender: Sender) -> Reading:
        said = json.loads(letter.body)
        if "unreadable" in said:
            raise Unreadable([Complaint(said["unreadable"], "PID-3", "101", fatal=True)])
        return Reading(
            [Telling(*one) for one in said["tellings"]],
            [Joined(*one) for one in said.get("joined", ())],
            [],
            [Gap(*one) for one in said.get("gaps", ()) if tuple(one[:2]) not in sender.codes],
            said.get("patient", ""),
        )

    def fates(self, letter: Letter, sender: Sender) -> list[Fate]:
        return []


@pytest.fixture(scope="module")
def intake(open_platform: Any) -> Any:
    intake = Intake(open_platform.app.server, {"told": Told()})
    open_platform.run(intake.senders.add(Sender("his", "澄迈县人民医院 HIS"), names=["HIS|CM"], state="connected"))
    open_platform.run(intake.senders.add(Sender("new", "New one"), names=["NEW|CM"]))
    return intake


@pytest.fixture
def run(open_platform: Any) -> Any:
    return open_platform.run


def letter(key: str, tellings: list[Any], **more: Any) -> Letter:
    body = json.dumps({"tellings": tellings, **more}).encode()
    return Letter("told", body, NOW, key, "TOLD")


def person(mrn: str, at: str = "20260101", **says: Any) -> list[Any]:
    return ["Patient", patient("urn:cm", mrn), {"identifier": [{"system": "urn:cm", "value": mrn}], **says}, at]


def test_a_letter_lands_with_its_original_and_where_it_comes_from(intake: Any, run: Any, ask: Any) -> None:
    sent = letter("1", [person("M1", name=[{"text": "王小明"}])], patient=patient("urn:cm", "M1"))
    kept = run(intake.keep("his", sent))
    landed = run(intake.land(kept.number))
    assert landed.state == "landed"
    assert landed.resources == (("Patient", patient("urn:cm", "M1")),)
    found = ask("GET", "/Provenance", query=f"target=Patient/{patient('urn:cm', 'M1')}", status=200).value
    provenance = found["entry"][0]["resource"]
    original = ask("GET", f"/{provenance['entity'][0]['what']['reference']}", Accept="application/octet-stream")
    assert original.body == sent.body
    assert provenance["agent"][0]["who"]["display"] == "澄迈县人民医院 HIS"


def test_the_same_letter_again_is_told_the_same_and_has_no_second_effect(intake: Any, run: Any, ask: Any) -> None:
    sent = letter("2", [person("M2")])
    first = run(intake.keep("his", sent, answer=b"AA"))
    run(intake.land(first.number))
    again = run(intake.keep("his", sent, answer=b"other"))
    assert (again.number, again.again, again.answer) == (first.number, True, b"AA")
    assert ask("GET", f"/Patient/{patient('urn:cm', 'M2')}").value["meta"]["versionId"] == "1"


def test_another_letter_under_the_same_key_is_refused_and_lands_nowhere(intake: Any, run: Any) -> None:
    first = run(intake.keep("his", letter("3", [person("M3")])))
    other = run(intake.keep("his", letter("3", [person("M3b")])))
    assert other.conflict
    assert other.number == first.number
    run(drained(intake))
    assert run(intake.record.current(ACTOR, "Patient", patient("urn:cm", "M3b"))) is None


def test_letters_that_come_together_are_kept_together_and_repeats_among_them_noticed(intake: Any, run: Any) -> None:
    async def both() -> Any:
        sent = letter("4", [person("M4")])
        return await asyncio.gather(*(intake.keep("his", sent) for _ in range(5)))

    kept = run(both())
    assert len({one.number for one in kept}) == 1
    assert sorted(one.again for one in kept) == [False, True, True, True, True]


def test_the_worker_lands_what_waits_and_a_bad_letter_stops_nobody(intake: Any, run: Any, ask: Any) -> None:
    async def send() -> list[int]:
        bodies = [letter(f"5-{n}", [person(f"W{n}")]) for n in range(10)]
        bodies[4] = Letter("told", json.dumps({"unreadable": "no identifier"}).encode(), NOW, "5-4")
        bodies[7] = letter("5-7", [["Patient", patient("urn:cm", "W7"), {"gender": 7}, "1"]])
        kept = [await intake.keep("his", one) for one in bodies]
        async with Worker(intake):
            for _ in range(200):
                states = [(await intake.state(one.number)).state for one in kept]
                if "waiting" not in states:
                    break
                await asyncio.sleep(0.05)
        return states

    states = run(send())
    assert [n for n, state in enumerate(states) if state == "dead"] == [4, 7]
    assert ask("GET", f"/Patient/{patient('urn:cm', 'W9')}").status == 200


def test_a_dead_letter_is_mended_and_lands_once_and_both_texts_are_kept(intake: Any, run: Any, ask: Any) -> None:
    bad = Letter("told", json.dumps({"unreadable": "no identifier"}).encode(), NOW, "6")
    kept = run(intake.keep("his", bad))
    dead = run(intake.land(kept.number))
    assert (dead.state, dead.complaints[0]["place"]) == ("dead", "PID-3")
    mended = letter("6", [person("M6")])
    assert run(intake.mend(kept.number, mended.body, "nurse")).state == "landed"
    with pytest.raises(Conflict):
        run(intake.mend(kept.number, mended.body, "nurse"))
    found = ask("GET", "/Provenance", query=f"target=Patient/{patient('urn:cm', 'M6')}").value
    entities = found["entry"][0]["resource"]["entity"]
    texts = [ask("GET", f"/{one['what']['reference']}", Accept="application/octet-stream").body for one in entities]
    assert texts == [mended.body, bad.body]
    assert run(intake.keep("his", bad)).again


def test_a_sender_on_probation_changes_nothing(intake: Any, run: Any) -> None:
    kept = run(intake.keep("new", letter("7", [person("M7")])))
    assert run(intake.land(kept.number)).state == "tested"
    assert run(intake.record.current(ACTOR, "Patient", patient("urn:cm", "M7"))) is None


def test_letters_in_any_order_lead_to_one_state(intake: Any, run: Any, ask: Any) -> None:
    visit = identify("Encounter", "urn:cm", "V8")
    coding = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}
    stages = [
        ["Encounter", visit, {"status": "in-progress", "class": coding, "period": {"start": "2026-01-01"}}, "20260101"],
        ["Encounter", visit, {"status": "finished", "class": coding, "period": {"end": "2026-01-05"}}, "20260105"],
    ]
    for number, stage in enumerate(reversed(stages)):
        kept = run(intake.keep("his", letter(f"8-{number}", [person("M8"), stage])))
        assert run(intake.land(kept.number)).state == "landed"
    found = ask("GET", f"/Encounter/{visit}", status=200).value
    assert found["status"] == "finished"
    assert found["period"] == {"start": "2026-01-01", "end": "2026-01-05"}


def test_patients_that_a_source_merges_are_one_person(intake: Any, run: Any, ask: Any) -> None:
    stays, gone = patient("urn:cm", "M9"), patient("urn:cm", "M9x")
    link = {"link": [{"other": {"reference": f"Patient/{stays}"}, "type": "replaced-by"}], "active": False}
    sent = letter("9", [person("M9"), person("M9x", **link)], joined=[[stays, gone, "20260101"]])
    for _ in range(2):
        kept = run(intake.keep("his", sent))
        assert run(intake.land(kept.number)).state == "landed"
    person_of = ask("GET", "/Patient/$ihe-pix", query="sourceIdentifier=urn:cm|M9x", status=200).value
    values = json.dumps(person_of, default=str)
    assert stays in values


def test_codes_that_nothing_translates_are_counted_and_what_waited_lands_again(intake: Any, run: Any) -> None:
    async def story() -> Any:
        kept = await intake.keep("his", letter("10", [person("M10")], gaps=[["urn:local", "GLU", "血糖", "OBX-3"]]))
        await intake.land(kept.number)
        async with intake.record.pool.connection() as db:
            return await (
                await db.execute(
                    "SELECT g.display, g.seen, l.number FROM exchange_gap AS g JOIN exchange_gap_letter AS l "
                    "USING (sender, system, code) WHERE g.code = 'GLU'"
                )
            ).fetchall(), kept.number

    rows, number = run(story())
    assert [tuple(row) for row in rows] == [("血糖", 1, number)]


async def drained(intake: Any) -> None:
    while (await intake.lander.land_some(40))[0]:
        pass
