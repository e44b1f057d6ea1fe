"""/-/identity: the steward's desk, over the record."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import contextmanager

import httpx
import pytest

from jiankang.foundation.access import Actor, InCompartment, Not

DESK = "/-/identity"


def sent(pages, task, answer, **more):
    """Where answering a question leads."""
    return pages.post(f"{DESK}/questions/{task}", status=303, answer=answer, **more).headers["location"]


def undo_of(shown):
    """The operation that the page's status line offers to undo."""
    return shown.all("//*[@role='status']//input[@name='operation']/@value")[0]


@contextmanager
def asking_as(pages, restriction):
    usual = pages.server.authenticate
    pages.server.authenticate = lambda _: Actor("somebody", restriction)
    try:
        yield
    finally:
        pages.server.authenticate = usual


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_is_whole_in_both_languages(pages, complaints, ask, put, patient, language):
    task, *_ = ask("WANG Jianguo", "O'Neill", {"phone": "+86 139 0755 1299"}, phone="13907551289")
    put(patient("nobody", "无名氏"), patient("auto-1", "吴坤", "1960-01-02", order=4))
    put(patient("auto-2", "吴坤", "1960-01-02", order=4))
    done = sent(pages, ask()[0], "same", note="电话核实 by phone")
    lists = [DESK, f"{DESK}/unmatchable", f"{DESK}/history", f"{DESK}/automatic"]
    for path in (f"{DESK}/questions/{task}", f"{DESK}/pairs/auto-1/auto-2", done, *lists):
        assert complaints(pages.get(path, language), language) == [], path


def test_two_registrations_stand_side_by_side_with_what_differs_marked(pages, ask):
    mine = {"phone": "13907551234", "address": "海口市龙华区滨海大道8号"}
    task, one, two = ask(mine=mine, phone="139 0755 1235")
    page = pages.get(f"{DESK}/questions/{task}", "zh")
    rows = {" ".join(row.xpath("./th")[0].text_content().split()): row for row in page.all("//tbody/tr[th]")}
    assert one in rows["登记"].text_content()
    assert two in rows["登记"].text_content()
    assert [mark.text for mark in rows["姓名"].xpath(".//mark")] == ["王建国", "陈秀英"]
    assert [mark.text for mark in rows["电话"].xpath(".//mark")] == ["4", "5"]
    assert "相差一位" in rows["电话"].text_content()
    assert "甲中标出： 4 乙中标出： 5" in " ".join(rows["电话"].text_content().split())
    assert rows["身份证号"].xpath(".//mark") == []
    assert "= 相同且有效" in " ".join(rows["身份证号"].text_content().split())
    assert "未知" in rows["住址"].text_content()
    assert "一方没有" in rows["住址"].text_content()
    assert page.words("//ul[@class='jk-why']/li")[:2] == ["证件号相同但姓名不同", "性别不同"]


def test_the_bits_of_the_fields_add_up_to_the_score(pages, ask):
    page = pages.get(f"{DESK}/questions/{ask()[0]}")
    *parts, total = [float(bits.replace("−", "-")) for bits in page.words("//*[@class='jk-bits']")]
    assert len(parts) >= 5
    assert sum(parts) == pytest.approx(total, abs=0.6)
    kinds = page.all("//tbody//*[name()='rect' and @width>0]/@class")
    assert {"jk-bar-for", "jk-bar-against"} <= set(kinds)


def test_the_same_person_is_linked_and_can_be_parted_again(pages, ask, person_of):
    task, one, two = ask()
    following, *_ = ask()
    address = sent(pages, task, "same", note="同一人，电话核实")
    assert person_of(one) == person_of(two)
    assert address.startswith(f"{DESK}/questions/{following}?done=")
    page = pages.get(address, "zh")
    assert "已关联：两者为同一人。" in page.words("//*[@role='status']")[0]
    assert "撤销" in page.words("//*[@role='status']//button")[0]
    back = pages.post(f"{DESK}/undo", status=303, operation=undo_of(page)).headers["location"]
    assert person_of(one) != person_of(two)
    page = pages.get(back, "zh")
    assert back.startswith(f"{DESK}/questions/{task}?")
    assert "已撤销" in page.words("//*[@role='status']")[0]
    assert page.all("//form[@id='decide']")


def test_different_people_stay_apart_whatever_is_written_later(pages, ask, put, person_of):
    task, one, two = ask()
    sent(pages, task, "different")
    same = pages.platform("GET", f"/Patient/{one}").value
    put({"id": two, **{name: value for name, value in same.items() if name not in {"id", "meta"}}})
    assert person_of(one) != person_of(two)
    page = pages.get(f"{DESK}/questions/{task}", "zh")
    assert "已认定：两者为不同的人。" in page.words("//*[@id='decide']")[0]
    assert not page.all("//form[@id='decide']")


def test_what_somebody_answered_meanwhile_is_shown_and_kept(pages, complaints, ask, person_of):
    task, one, two = ask()
    sent(pages, task, "same", note="第一个回答")
    page = pages.post(f"{DESK}/questions/{task}", "zh", status=409, answer="different", note="第二个")
    assert complaints(page, "zh") == []
    assert "您的回答未被接受" in page.text
    assert "已由他人回答" in page.text
    assert "第一个回答" in page.words("//*[@id='decide']")[0]
    assert person_of(one) == person_of(two)


def test_a_link_made_elsewhere_ends_the_question(pages, ask, person_of):
    task, one, two = ask()
    body = {"resourceType": "Parameters", "parameter": [
        {"name": name, "valueReference": {"reference": f"Patient/person-{person_of(id_)}"}}
        for name, id_ in (("source-patient", two), ("target-patient", one))
    ]}  # fmt: skip
    merged = pages.platform("POST", "/Patient/$merge", json.dumps({**body, "parameter": [*body["parameter"], {"name": "force", "valueBoolean": True}]}).encode())  # fmt: skip
    assert merged.status == 200, merged.body
    assert "no question any more" in pages.get(f"{DESK}/questions/{task}").words("//*[@id='decide']")[0]
    page = pages.post(f"{DESK}/questions/{task}", status=409, answer="same")
    assert "both are one person already" in page.text


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        ({}, "decide"),
        ({"answer": "perhaps"}, "decide"),
        ({"answer": "same", "note": "x" * 501}, "note"),
        ({"answer": "same", "note": "\x00"}, "note"),
    ],
)
def test_a_bad_answer_comes_back_with_what_is_to_be_put_right(pages, complaints, ask, person_of, fields, mistake):
    task, one, two = ask()
    page = pages.post(f"{DESK}/questions/{task}", "zh", status=422, **fields)
    assert complaints(page, "zh") == []
    assert page.all(f"//*[@role='alert']//a[@href='#{mistake}']")
    assert person_of(one) != person_of(two)


@pytest.mark.parametrize(
    "path",
    [
        "questions/999999",
        f"questions/{2**63}",
        f"questions/{10**40}",
        "questions/x",
        "pairs/a/a",
        "pairs/no-1/no-2",
        "pairs/a b/c",
        "pairs/a%00/c",
    ],
)
def test_what_is_not_there_is_told_so(pages, path):
    pages.get(f"{DESK}/{path}", "zh", status=404)
    pages.post(f"{DESK}/{path}", "zh", status=404, answer="same")


@pytest.mark.parametrize("query", ["after=x", f"after={10**30}", "after=-5", "reason=nonsense", "reason=veto.sex'--"])
def test_odd_addresses_show_the_queue(pages, ask, query):
    ask()
    assert pages.get(f"{DESK}?{query}").all("//tbody/tr")


@pytest.mark.parametrize("query", ["done=x", "done=%00", "done=1;drop"])
def test_an_operation_is_named_by_its_id(pages, query):
    pages.get(f"{DESK}?{query}", status=400)
    pages.get(f"{DESK}/history?before=x", status=400)
    pages.post(f"{DESK}/undo", status=400)
    pages.post(f"{DESK}/undo", status=404, operation="01a20887-5719-729b-9fac-b512b75bb346")
    assert (
        pages.get(f"{DESK}?done=01a20887-5719-729b-9fac-b512b75bb346").all("//*[@role='status' and @data-focus]") == []
    )


def test_forms_sent_from_elsewhere_decide_nothing(pages, ask, person_of):
    task, one, two = ask()
    form = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "cross-site"}
    for path in (f"questions/{task}", f"pairs/{one}/{two}", "undo", "keys"):
        assert pages.ask("POST", f"{DESK}/{path}", b"answer=same", **form).status == 403
    assert person_of(one) != person_of(two)


def test_the_queue_is_filtered_by_reason_and_read_page_by_page(pages, ask):
    for _ in range(22):
        ask()
    first = pages.get(f"{DESK}?reason=veto.sex", "zh")
    assert len(first.all("//tbody/tr")) == 20
    following = pages.get(first.all("//a[@rel='next']/@href")[0], "zh")
    assert following.all("//tbody/tr")
    shown = [re.search(r"\d+", href)[0] for page in (first, following) for href in page.all("//tbody//a/@href")]
    assert len(set(shown)) == len(shown) >= 22
    assert "reason=veto.sex" in first.all("//tbody//a/@href")[0]
    assert pages.get(f"{DESK}?reason=veto.order", "zh").words("//*[@class='jk-empty']") == [
        "没有待核对的问题。没有因此原因待核对的问题。"
    ]
    part = pages.get(f"{DESK}?reason=veto.sex", "zh", hx_request="true")
    assert part.text.lstrip().startswith('<div id="results">')


def test_questions_lead_to_one_another_and_stay_with_their_reason(pages, ask):
    before, here, after = (ask()[0] for _ in range(3))
    page = pages.get(f"{DESK}/questions/{here}?reason=veto.sex")
    assert page.all("//a[@rel='prev']/@href") == [f"{DESK}/questions/{before}?reason=veto.sex"]
    assert page.all("//a[@rel='next']/@href") == [f"{DESK}/questions/{after}?reason=veto.sex"]
    assert page.all("//a[@data-key='l']/@href") == [f"{DESK}/questions/{after}?reason=veto.sex"]
    assert "reason=veto.sex" in sent(pages, here, "same", reason="veto.sex")


def test_who_may_not_see_a_registration_sees_no_question_about_it(pages, ask, person_of):
    task, one, two = ask("只有一人", "不可看见")
    with asking_as(pages, Not(InCompartment("Patient", [two]))):
        assert "只有一人" not in pages.get(DESK, "zh").text
        pages.get(f"{DESK}/questions/{task}", status=404)
        pages.post(f"{DESK}/questions/{task}", status=404, answer="same")
        pages.get(f"{DESK}/pairs/{one}/{two}", status=404)
        assert "发现的重复登记" not in pages.get(DESK, "zh").text
    assert person_of(one) != person_of(two)
    sent(pages, task, "different", note="不可告人")
    with asking_as(pages, Not(InCompartment("Patient", [one, two]))):
        assert "不可告人" not in pages.get(f"{DESK}/history", "zh").text
    operation = pages.get(f"{DESK}/history").all("//input[@name='operation']/@value")[0]
    with asking_as(pages, Not(InCompartment("Patient", [two]))):
        pages.post(f"{DESK}/undo", status=403, operation=operation)
    assert "Said for good" in pages.get(f"{DESK}/questions/{task}").text


def test_the_history_tells_who_why_and_takes_back(pages, ask):
    task, *_ = ask()
    sent(pages, task, "different", note="两人都在场 & <b>")
    page = pages.get(f"{DESK}/history", "zh")
    row = page.all("//tbody/tr")[0]
    words = " ".join(row.text_content().split())
    assert "认定为不同的人" in words
    assert "local-operator" in words
    assert "两人都在场 & <b>" in words
    assert f"{DESK}/questions/{task}" in row.xpath(".//a/@href")
    operation = row.xpath(".//input[@name='operation']/@value")[0]
    pages.post(f"{DESK}/undo", status=303, operation=operation)
    first, second = pages.get(f"{DESK}/history", "zh").words("//tbody/tr")[:2]
    assert first.startswith("撤销")
    assert "已撤销" in second
    page = pages.post(f"{DESK}/undo", "zh", status=409, operation=operation)
    assert page.words("//h1") == ["现在不能撤销"]


def test_what_cannot_be_matched_is_listed_with_its_reasons(pages, put, patient):
    put(patient("mute", "无名氏"))
    row = next(each for each in pages.get(f"{DESK}/unmatchable", "zh").words("//tbody/tr") if each.startswith("mute"))
    assert "没有可用于匹配的信息" in row


def test_a_wrong_automatic_link_is_parted_on_its_own_page(pages, put, patient, person_of):
    put(patient("wrong-1", "符小花", "1971-01-02", order=3), patient("wrong-2", "符小花", "1971-01-02", order=3))
    assert person_of("wrong-1") == person_of("wrong-2")
    page = pages.get(f"{DESK}/automatic", "zh")
    address = next(each for each in page.all("//tbody//a/@href") if "wrong-" in each)
    assert "还是同一个人吗" in pages.get(address, "zh").words("//h1")[0]
    told = pages.get(pages.post(address, status=303, answer="different").headers["location"])
    assert person_of("wrong-1") != person_of("wrong-2")
    assert "No longer so" in pages.get(f"{DESK}/automatic").words("//tbody/tr")[0]
    pages.post(address, status=409, answer="same")
    pages.post(f"{DESK}/undo", status=303, operation=undo_of(told))
    assert person_of("wrong-1") == person_of("wrong-2")


def test_what_a_source_wrote_is_never_markup(pages, ask):
    evil = '<script>alert(1)</script>"onload="x'
    task, *_ = ask(evil, "王</mark><img src=x>")
    for path in (f"{DESK}/questions/{task}", DESK):
        page = pages.get(path)
        assert not page.all("//script[not(@src)] | //main//img")


def test_the_keys_can_be_turned_off(pages, ask):
    task, *_ = ask()
    assert "identity.js" in pages.get(f"{DESK}/questions/{task}").text
    answer = pages.post(f"{DESK}/keys", status=303, keys="off", back=f"{DESK}/questions/{task}")
    assert answer.headers["location"] == f"{DESK}/questions/{task}"
    page = pages.get(f"{DESK}/questions/{task}", cookie=answer.headers["set-cookie"].split(";")[0])
    assert "identity.js" not in page.text
    assert not page.all("//main//kbd")
    for back in ("//evil.example", "https://evil.example", "/-/identity/../../x", "/-/identity//x"):
        assert pages.post(f"{DESK}/keys", status=303, keys="on", back=back).headers["location"] == DESK


def test_decisions_leave_a_provenance_and_reading_is_told_to_the_audit(pages, ask):
    seen = []

    class Kept:
        async def __call__(self, db, event):
            seen.append((event.action, tuple(event.targets)))

    task, one, two = ask()
    record, usual = pages.platform.record, pages.platform.record.audit
    record.audit = Kept()
    try:
        pages.get(f"{DESK}/questions/{task}")
        assert ("read", (("Patient", one), ("Patient", two))) in seen
        pages.get(DESK)
        assert any(action == "search" and len(targets) > 1 for action, targets in seen)
    finally:
        record.audit = usual
    sent(pages, task, "same", note="面对面")
    found = pages.platform("GET", "/Provenance", query=f"target=Patient/{two}".encode()).value
    assert found["entry"][0]["resource"]["reason"] == [{"text": "面对面"}]


def test_of_two_answers_at_the_same_moment_one_is_taken(pages, ask):

    task, *_ = ask()

    async def both():
        transport = httpx.ASGITransport(pages.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here.example") as client:
            answers = [
                client.post(f"{DESK}/questions/{task}", data={"answer": answer}) for answer in ("same", "different")
            ]
            return [answer.status_code for answer in await asyncio.gather(*answers)]

    assert sorted(pages.platform.run(both())) == [303, 409]


def test_linked_registrations_that_came_to_differ_are_asked_about_and_parted(pages, put, patient, person_of):
    put(patient("changed-1", "何小丽", "1966-03-04", order=1), patient("changed-2", "何小丽", "1966-03-04", order=1))
    assert person_of("changed-1") == person_of("changed-2")
    task = put(patient("changed-2", "郑大海", "1944-11-12", order=2))
    page = pages.get(f"{DESK}/questions/{task}", "zh")
    assert page.words("//h1") == [f"这两条登记还是同一个人吗？ #{task}"]
    assert page.all("//form[@id='decide']")
    sent(pages, task, "different")
    assert person_of("changed-1") != person_of("changed-2")
