"""Files of small institutions, from upload to the record; over the real record."""

from __future__ import annotations

import asyncio
from itertools import permutations
from typing import Any

import pytest

from jiankang.capabilities.exchange.intake import Worker
from jiankang.capabilities.exchange.tables import Sources, TableWorker
from jiankang.capabilities.exchange.tables.sheets import read_sheet, write_sheet
from jiankang.kernel.errors import Conflict, NotFound, Unprocessable


def found(ask: Any, type_name: str, query: str) -> list[dict[str, Any]]:
    entries = ask("GET", f"/{type_name}", query=query, status=200).value.get("entry", [])
    return [one["resource"] for one in entries]


def test_nothing_is_written_before_a_file_is_confirmed(story: Any, ask: Any, visit: Any) -> None:
    id_ = story.upload([visit("A1")])
    upload = story.run(story.uploads.get(id_))
    assert (upload.state, upload.rows, upload.preview["name"]) == ("looked", 1, "outpatient-visits")
    assert found(ask, "Encounter", "identifier=urn:jiankang:house:wsy:visit|A1") == []


def test_each_row_becomes_a_visit_with_its_patient_and_diagnosis(story: Any, ask: Any, visit: Any) -> None:
    result = story.take(
        story.upload([visit("A2", 血压="138/86mmHg"), visit("A3", "李小红", 性别="2")], charset="gb18030")
    )
    assert (result.landed, result.dead, result.over) == (2, 0, True)
    [encounter] = found(ask, "Encounter", "identifier=urn:jiankang:house:wsy:visit|A2")
    assert encounter["period"] == {"start": "2026-11-20T08:30:00+08:00"}
    patient = ask("GET", f"/{encounter['subject']['reference']}", status=200).value
    assert (patient["name"][0]["text"], patient["birthDate"], patient["gender"]) == ("王小明", "1988-03-05", "male")
    [pressure] = found(ask, "Observation", f"encounter=Encounter/{encounter['id']}")
    assert [int(one["valueQuantity"]["value"]) for one in pressure["component"]] == [138, 86]
    [condition] = found(ask, "Condition", f"encounter=Encounter/{encounter['id']}")
    assert condition["code"]["coding"][0]["code"] == "J11.1"
    [provenance] = found(ask, "Provenance", f"target=Encounter/{encounter['id']}")
    original = ask("GET", f"/{provenance['entity'][0]['what']['reference']}", Accept="text/csv")
    assert "138/86mmHg" in original.body.decode()


def test_a_file_or_a_row_that_comes_again_has_no_second_effect(story: Any, ask: Any, visit: Any) -> None:
    rows = [visit("B1"), visit("B2")]
    story.take(story.upload(rows))
    again = story.take(story.upload(rows))
    assert (again.upload.unchanged, again.landed) == (2, 0)
    more = story.take(story.upload([*rows, visit("B3")], kind="xlsx"))
    assert (more.upload.unchanged, more.landed) == (2, 1)
    [encounter] = found(ask, "Encounter", "identifier=urn:jiankang:house:wsy:visit|B1")
    assert encounter["meta"]["versionId"] == "1"


def test_a_row_that_changed_changes_its_resources_and_back_again(story: Any, ask: Any, visit: Any) -> None:
    for diagnosis in ("感冒", "肺炎", "感冒"):
        assert story.take(story.upload([visit("C1", 诊断=diagnosis, 备注="复查")])).dead == 0
        [encounter] = found(ask, "Encounter", "identifier=urn:jiankang:house:wsy:visit|C1")
        [condition] = found(ask, "Condition", f"encounter=Encounter/{encounter['id']}")
        assert condition["code"]["text"] == diagnosis


@pytest.mark.parametrize(("kind", "how"), [("csv", {"charset": "gb18030", "delimiter": "\t"}), ("xlsx", {})])
def test_refused_rows_come_back_with_the_reason_and_land_once_mended(
    story: Any, ask: Any, kind: str, how: dict[str, str], visit: Any
) -> None:
    name = f"D{kind}"
    bad = [
        visit(f"{name}1", 性别="公"),
        visit(f"{name}2", 出生日期="1988-13-01"),
        visit(f"{name}3", 备注="=cmd|'/c'!A1", 就诊日期=""),
    ]
    id_ = story.upload([visit(f"{name}0"), *bad], kind, **how)
    assert story.run(story.uploads.get(id_)).preview["wrong_rows"] == 3
    result = story.take(id_)
    assert (result.landed, result.dead) == (1, 3)
    body, came_as, charset = story.run(story.uploads.corrected(id_))
    sheet = read_sheet(body)
    assert (came_as, charset) == (kind, how.get("charset", "utf-8-sig"))
    assert sheet.charset == how.get("charset", "")
    names = list(sheet.rows[0][1])
    reasons = [row[names.index("退回原因")] for _, row in sheet.rows[1:]]
    assert [reason.split(":")[0] for reason in reasons] == ["性别", "出生日期", "就诊日期"]
    if kind == "csv":
        assert "\t'=cmd" in body.decode("gb18030")
    rows = [list(row) for _, row in sheet.rows]
    rows[1][names.index("性别")], rows[2][names.index("出生日期")] = "男", "1988-12-01"
    mended = story.take(story.send(write_sheet(rows, kind, **how)))
    assert (mended.landed, mended.dead, len(mended.upload.mended)) == (2, 1, 3)
    assert story.run(story.uploads.result(id_)).dead == 1
    [encounter] = found(ask, "Encounter", f"identifier=urn:jiankang:house:wsy:visit|{name}1")
    assert encounter["meta"]["versionId"] == "1"


def test_what_the_record_does_not_take_is_told_by_row(story: Any, visit: Any) -> None:
    id_ = story.upload([visit("E1", 就诊日期="2026-11-20T08:30", 诊断="x" * 300), visit("E2", "张\x07三")])
    result = story.take(id_)
    assert (result.landed, result.dead) == (1, 1)
    [refused] = story.run(story.uploads.refused(id_))
    assert refused.row == 3
    assert refused.complaints[0]["place"] == "姓名"


def test_a_file_without_a_required_column_cannot_be_confirmed(story: Any) -> None:
    id_ = story.send(write_sheet([["门诊号", "病历号", "性别"], ["1", "2", "男"]]))
    upload = story.run(story.uploads.get(id_))
    assert upload.mapping == ""
    upload = story.run(story.uploads.choose(id_, "outpatient-visits"))
    assert upload.preview["missing"] == ["姓名", "就诊日期"]
    with pytest.raises(Unprocessable):
        story.run(story.uploads.confirm(id_))


def test_a_file_is_confirmed_once(story: Any, visit: Any) -> None:
    id_ = story.upload([visit("F1")])
    story.take(id_)
    for again in (story.uploads.confirm, story.uploads.withdraw):
        with pytest.raises(Conflict):
            story.run(again(id_))


def test_rows_of_a_sender_on_probation_are_read_and_written_nowhere(story: Any, ask: Any, visit: Any) -> None:
    result = story.take(story.upload([visit("G1")], sender="new"))
    assert (result.tested, result.landed) == (1, 0)
    assert found(ask, "Encounter", "identifier=urn:jiankang:house:new:visit|G1") == []


def test_a_number_of_another_senders_letter_mends_nothing(story: Any, visit: Any, heads: list[str]) -> None:
    id_ = story.upload([visit("H1", 性别="公")])
    story.take(id_)
    [refused] = story.run(story.uploads.refused(id_))
    rows = [[*heads, "退回号"], [*visit("H1"), str(refused.number)]]
    story.take(story.send(write_sheet(rows), sender="new"))
    assert story.run(story.uploads.result(id_)).dead == 1


def test_who_dies_between_keeping_rows_and_noting_it_keeps_none_twice(story: Any, ask: Any, visit: Any) -> None:
    id_ = story.upload([visit("I1"), visit("I2")])

    async def cut_short() -> None:
        await story.uploads.confirm(id_)
        upload = await story.uploads.get(id_)
        await story.uploads._keep(upload)
        async with story.uploads.record.pool.connection() as db:
            await db.execute("UPDATE exchange_table_upload SET done = 0, due = now() WHERE id = %s", (id_,))
            await db.execute("DELETE FROM exchange_table_row WHERE sender = 'wsy'")
        await story.uploads.work()
        while (await story.uploads.intake.lander.land_some(50))[0]:
            pass

    story.run(cut_short())
    assert story.run(story.uploads.result(id_)).landed == 2


def test_a_refused_row_that_comes_again_unchanged_is_tried_and_told_again(story: Any, visit: Any) -> None:
    rows = [visit("K1"), visit("K2", 性别="公")]
    story.take(story.upload(rows))
    again = story.take(story.upload(rows))
    assert (again.upload.unchanged, again.dead, again.landed) == (1, 1, 0)


def test_a_mended_register_replaces_the_rows_that_were_refused(story: Any, visit: Any) -> None:
    first = story.upload([visit("L1", 性别="公")])
    assert story.take(first).dead == 1
    assert story.take(story.upload([visit("L1")])).landed == 1
    before = story.run(story.uploads.result(first))
    assert (before.dead, before.dropped) == (0, 1)


def test_rows_that_were_only_tested_land_once_the_sender_is_connected(story: Any, ask: Any, visit: Any) -> None:
    rows = [visit("O1")]
    senders = story.uploads.intake.senders
    assert story.take(story.upload(rows, sender="new")).tested == 1
    story.run(senders.change("new", state="connected"))
    assert story.take(story.upload(rows, sender="new")).landed == 1
    story.run(senders.change("new", state="testing"))
    assert len(found(ask, "Encounter", "identifier=urn:jiankang:house:new:visit|O1")) == 1


def test_of_two_rows_of_a_file_with_one_key_the_later_is_newer(story: Any, ask: Any, visit: Any) -> None:
    rows = [visit("U1", 诊断=f"诊断{n}") for n in range(12)]
    assert story.take(story.upload(rows)).landed == 12
    [encounter] = found(ask, "Encounter", "identifier=urn:jiankang:house:wsy:visit|U1")
    [condition] = found(ask, "Condition", f"encounter=Encounter/{encounter['id']}")
    assert condition["code"]["text"] == "诊断11"


def test_files_that_nobody_confirmed_are_forgotten_after_a_week(story: Any, visit: Any) -> None:
    old, young = story.upload([visit("V1")]), story.upload([visit("V2")])

    async def pass_a_week() -> None:
        async with story.uploads.record.pool.connection() as db:
            await db.execute(
                "UPDATE exchange_table_upload SET uploaded = uploaded - interval '8 days' WHERE id = %s", (old,)
            )
        while await story.uploads.work():
            pass

    story.run(pass_a_week())
    assert story.run(story.uploads.get(young)).state == "looked"
    with pytest.raises(NotFound):
        story.run(story.uploads.get(old))


@pytest.mark.parametrize("order", list(permutations((1, 2, 3)))[1::2])
def test_whatever_order_files_come_in_the_newest_knowledge_stands(
    story: Any, ask: Any, heads: list[str], visit: Any, order: tuple[int, ...]
) -> None:
    number = f"W{''.join(map(str, order))}"
    for day in (*order, order[0]):
        row = [*visit(number, 诊断=f"第{day}天"), f"2026-11-2{day} 10:00"]
        story.take(story.send(write_sheet([[*heads, "更新时间"], row])))
    [encounter] = found(ask, "Encounter", f"identifier=urn:jiankang:house:wsy:visit|{number}")
    [condition] = found(ask, "Condition", f"encounter=Encounter/{encounter['id']}")
    assert condition["code"]["text"] == "第3天"


def test_the_worker_takes_what_was_confirmed(story: Any, visit: Any) -> None:
    id_ = story.upload([visit("X1"), visit("X2")])

    async def worked() -> Any:
        await story.uploads.confirm(id_)
        intake = story.uploads.intake
        async with TableWorker(story.uploads, Sources(intake)), Worker(intake):
            for _ in range(200):
                if (await story.uploads.result(id_)).over:
                    break
                await asyncio.sleep(0.05)
        return await story.uploads.result(id_)

    assert story.run(worked()).landed == 2


def test_who_is_shut_out_uploads_nothing(story: Any, visit: Any) -> None:
    story.run(story.uploads.intake.senders.change("new", state="stopped"))
    with pytest.raises(NotFound):
        story.upload([visit("Y1")], sender="new")
    story.run(story.uploads.intake.senders.change("new", state="testing"))
