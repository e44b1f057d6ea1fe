"""The pages for those who keep the connections running: over the real record, in both languages."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from jiankang.capabilities.exchange import open_exchange
from jiankang.capabilities.exchange.hl7v2.wire import Message
from jiankang.capabilities.exchange.model import Sender
from jiankang.capabilities.exchange.naming import patient
from jiankang.foundation.access import LOCAL_OPERATOR

HEAD = "MSH|^~\\&|HIS|CM|JK|HN|20261123080000+0800||{kind}|{control}|P|2.5.1||||||UNICODE UTF-8"
PATH = "/-/exchange"


def message(control: str, *segments: str, kind: str = "ADT^A28^ADT_A05") -> bytes:
    return "".join(f"{one}\r" for one in (HEAD.format(kind=kind, control=control), *segments)).encode()


@pytest.fixture(scope="module")
def exchange(open_platform: Any, pages: Any) -> Any:
    room = open_exchange(pages.server)
    sender = Sender("his", "澄迈县人民医院 HIS", authorities={"CM": "urn:cm"})
    open_platform.run(room.intake.senders.add(sender, names=["HIS|CM"], state="connected"))
    return room


@pytest.fixture
def run(open_platform: Any) -> Any:
    return open_platform.run


def arrive(exchange: Any, run: Any, raw: bytes) -> int:
    """Send a message through the door and land it; its number."""
    run(exchange.door(raw))
    control = Message(raw).control

    async def number() -> int:
        async with exchange.intake.record.pool.connection() as db:
            row = await (
                await db.execute("SELECT max(number) FROM exchange_letter WHERE key = %s", (control,))
            ).fetchone()
            return row[0]

    found = run(number())
    if run(exchange.intake.state(found)).state == "waiting":
        run(exchange.intake.land(found))
    return found


def post(pages: Any, path: str, form: dict[str, str], tongue: str = "en") -> Any:
    """Send a form."""
    headers = {
        "accept-language": tongue,
        "content-type": "application/x-www-form-urlencoded",
        "sec-fetch-site": "same-origin",
    }
    return pages.ask("POST", path, urlencode(form).encode(), **headers)


def known(exchange: Any, run: Any, mrn: str) -> Any:
    return run(exchange.intake.record.current(LOCAL_OPERATOR, "Patient", patient("urn:cm", mrn)))


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("path", ["", "/letters", "/codes", "/try", "/senders", "/coverage", "/senders/his"])
def test_every_page_is_sound_html_in_both_languages(
    exchange: Any, pages: Any, complaints: Any, path: str, language: str
) -> None:
    shown = pages.get(f"{PATH}{path}", language)
    assert shown.status == 200
    assert complaints(shown, language) == []


def test_the_overview_tells_of_traffic_and_of_what_is_wrong(exchange: Any, pages: Any, run: Any) -> None:
    arrive(exchange, run, message("O1", "PID|1||O1^^^CM^MR||王^明"))
    run(exchange.door(message("O2", "PID|1||x", kind="ADT^A99")))
    shown = pages.get(PATH, "en")
    assert "澄迈县人民医院 HIS" in shown.text
    assert "the event A99 of ADT is not taken here" in shown.text
    alert = shown.all("//form[contains(@action, '/alerts/')]")[0].get("action")
    assert post(pages, alert, {}).status == 303
    assert alert not in pages.get(PATH, "en").text


def test_a_letter_is_shown_from_the_wire_to_the_record(exchange: Any, pages: Any, run: Any, complaints: Any) -> None:
    number = arrive(exchange, run, message("L1", "PID|1||L1^^^CM^MR||李^梅||19900101|F", "ZXX|1|自定义"))
    shown = pages.get(f"{PATH}/letters/{number}", "en")
    assert complaints(shown, "en") == []
    assert f"Patient/{patient('urn:cm', 'L1')}" in shown.text
    assert "Patient.name" in shown.text
    assert "Kept in the original" in shown.text
    assert "MSA|AA|L1" in shown.text
    listed = pages.get(f"{PATH}/letters?kind=ADT%5EA28&state=landed", "en")
    assert f"/letters/{number}" in listed.text


def test_a_dead_letter_is_checked_mended_and_lands_once(exchange: Any, pages: Any, run: Any) -> None:
    number = arrive(exchange, run, message("D1", "PID|1||||周^平"))
    page = f"{PATH}/letters/{number}"
    assert "PID-3 is missing" in pages.get(page, "en").text
    mended = message("D1", "PID|1||D1^^^CM^MR||周^平").decode().replace("\r", "\r\n")
    checked = post(pages, page, {"do": "check", "text": mended}, "en")
    assert "Nothing is wrong with it." in checked.text
    assert known(exchange, run, "D1") is None
    assert post(pages, page, {"do": "mend", "text": mended}).status == 303
    assert known(exchange, run, "D1").version == 1
    assert post(pages, page, {"do": "mend", "text": mended}).status == 409
    assert post(pages, page, {"do": "again"}).status == 303
    assert known(exchange, run, "D1").version == 1


def test_a_mended_letter_that_is_still_wrong_is_shown_again_with_what_is_wrong(
    exchange: Any, pages: Any, run: Any
) -> None:
    number = arrive(exchange, run, message("D2", "PID|1||||周^平"))
    shown = post(pages, f"{PATH}/letters/{number}", {"do": "mend", "text": "nonsense"}, "en")
    assert shown.status == 422
    assert "a message begins with the segment MSH" in shown.text
    assert post(pages, f"{PATH}/letters/{number}", {"do": "drop"}).status == 303
    assert run(exchange.intake.state(number)).state == "dropped"


def test_a_local_code_is_translated_once_and_what_waited_lands_again(exchange: Any, pages: Any, run: Any) -> None:
    raw = message(
        "C1",
        "PID|1||C1^^^CM^MR||陈^静",
        "PV1|1|O|||||||||||||||||V9",
        "OBX|1|NM|GLU^血糖^99CM||5.1|mmol/L|||||F",
        kind="ADT^A08^ADT_A01",
    )
    arrive(exchange, run, raw)
    shown = pages.get(f"{PATH}/codes", "en")
    assert "GLU" in shown.text
    form = {"sender": "his", "from_system": "urn:jiankang:sender:his:99CM", "from_code": "GLU"}
    assert post(pages, f"{PATH}/codes", {**form, "system": "nothing", "code": ""}, "en").status == 422
    assert (
        post(
            pages, f"{PATH}/codes", {**form, "system": "http://loinc.org", "code": "15074-8", "display": "Glucose"}
        ).status
        == 303
    )

    async def land_all() -> None:
        while (await exchange.intake.lander.land_some(40))[0]:
            pass

    run(land_all())
    found = pages.platform("GET", "/Observation", b"", query=b"code=http://loinc.org|15074-8").value
    assert found["total"] == 1
    assert post(pages, f"{PATH}/codes", {**form, "do": "undo"}).status == 303


def test_a_message_is_tried_and_nothing_is_written(exchange: Any, pages: Any, run: Any, complaints: Any) -> None:
    text = message("T1", "PID|1||T1^^^CM^MR||吴^宇||19880305|M").decode().replace("\r", "\n")
    shown = post(pages, f"{PATH}/try", {"text": text, "sender": "his"}, "en")
    assert complaints(shown, "en") == []
    assert patient("urn:cm", "T1") in shown.text
    assert known(exchange, run, "T1") is None
    example = pages.get(f"{PATH}/try?example=ORU_R01", "en")
    assert "生化全套" in example.text
    assert "begins with the segment MSH" in post(pages, f"{PATH}/try", {"text": "x", "sender": ""}, "en").text


def test_a_system_is_registered_tested_and_connected(exchange: Any, pages: Any, run: Any) -> None:
    wrong = post(pages, f"{PATH}/senders", {"id": "Not Good", "name": "", "names": "x"}, "en")
    assert wrong.status == 422
    assert len(wrong.all("//div[@role='alert']//li")) == 3
    form = {"id": "lab-2", "name": "Lab 2", "names": "LIS2|LAB", "authorities": "LAB=urn:lab"}
    assert post(pages, f"{PATH}/senders", form).status == 303
    assert post(pages, f"{PATH}/senders", form, "en").status == 422
    raw = message("S1", "PID|1||S1^^^LAB^MR||郑^洁").replace(b"HIS|CM", b"LIS2|LAB")
    number = arrive(exchange, run, raw)
    assert run(exchange.intake.state(number)).state == "tested"
    shown = pages.get(f"{PATH}/senders/lab-2", "en")
    assert "✓ A message arrived" in shown.text.replace("\n", " ")
    assert "not yet" in shown.text
    assert post(pages, f"{PATH}/senders/lab-2", {"do": "connected"}).status == 303
    assert run(exchange.intake.senders.get("lab-2")).state == "connected"
    told = post(pages, f"{PATH}/senders/lab-2", {"do": "secret"}, "en")
    secret = told.all("//code")[0].text
    assert run(exchange.intake.senders.proves("lab-2", secret))


def test_forms_from_other_sites_and_what_does_not_exist_are_refused(exchange: Any, pages: Any) -> None:
    assert pages.get(f"{PATH}/letters/99999999", "en", status=404).status == 404
    assert pages.get(f"{PATH}/senders/nobody", "en", status=404).status == 404
    foreign = pages.ask("POST", f"{PATH}/senders", b"id=x", **{"sec-fetch-site": "cross-site"})
    assert foreign.status == 403
