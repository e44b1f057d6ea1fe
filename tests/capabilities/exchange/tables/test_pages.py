"""The pages for tables: from the form to the file to be corrected, without a script, in both languages."""

from __future__ import annotations

from typing import Any

import pytest

from jiankang.capabilities.exchange.tables import Source, Sources
from jiankang.capabilities.exchange.tables.sheets import read_sheet, write_sheet
from jiankang.foundation.access import Actor, TypeIn

PATH = "/-/exchange/tables"


@pytest.fixture
def body(visit: Any, heads: list[str]) -> bytes:
    rows = [visit("P1"), visit("P2", 性别="公"), visit("P3", 血压="高")]
    return write_sheet([heads, *rows], charset="gb18030")


def test_a_file_is_looked_at_confirmed_and_what_was_refused_comes_back(web: Any, story: Any, body: bytes) -> None:
    sent = web.upload(body)
    assert sent.status == 303
    place = sent.headers["location"]
    preview = web.get(place)
    assert "GB18030" in preview.text
    assert preview.words("//table[.//th='Row']//tbody/tr/td[2]") == ["性别", "血压"]
    assert preview.words("//table[.//th='Heading']//tbody/tr[last()]/td[2]") == ["Kept in the original"]
    assert "Encounter.period.start" in preview.text
    assert web.step(place, step="confirm").status == 303
    story.land(place.rpartition("/")[2])
    result = web.get(place)
    assert result.words("//dt[.='Written']/following-sibling::dd") == ["2"]
    assert result.words("//tbody/tr/td[1]") == ["Row 3"]
    assert "is not known; known are" in result.text
    file = web.get(result.all("//a[@download]/@href")[0])
    assert file.headers["content-type"] == "text/csv; charset=gb18030"
    assert [row[0] for _, row in read_sheet(file.body).rows] == ["门诊号", "P2"]
    assert place in web.get(PATH).links()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_is_well_formed_and_in_the_readers_language(
    web: Any, story: Any, complaints: Any, visit: Any, heads: list[str], language: str
) -> None:
    rows = [visit(f"{language}1"), visit(f"{language}2", 性别="公", 血压="高")]
    place = web.upload(write_sheet([heads, *rows], "xlsx"), "门诊.xlsx").headers["location"]
    shown = [
        web.get(path, language) for path in (PATH, place, f"{PATH}/mappings", f"{PATH}/mappings/births?sender=wsy")
    ]
    shown.append(web.get(web.upload(b"a,b\n1,2\n").headers["location"], language))
    shown.append(
        web.get(web.upload("门诊号,姓名\n1,2\n".encode(), mapping="outpatient-visits").headers["location"], language)
    )
    web.step(place, step="confirm")
    story.land(place.rpartition("/")[2])
    shown += [web.get(place, language), web.upload(b"", language=language)]
    shown.append(web.step(f"{PATH}/mappings", language, sender="wsy", text="name: 1"))
    for one in shown:
        assert complaints(one, language) == []
    assert [one.status for one in shown] == [200] * 7 + [422, 422]


def test_a_file_that_is_no_table_comes_back_with_the_form_and_a_sentence(web: Any) -> None:
    shown = web.upload(b"%PDF-1.7 ...", "x.pdf")
    assert shown.status == 422
    assert shown.words("//*[@role='alert']//a") == ["this is no table: open it in a spreadsheet, save it as xlsx"]
    assert web.upload(b"a,b", sender="nobody").status == 422
    assert web.upload(b"a,b", sender="").words("//*[@role='alert']//a") == ["Choose who sends it."]


def test_a_wrong_mapping_comes_back_with_line_and_reason_and_a_right_one_is_used(web: Any, story: Any) -> None:
    text = (
        web.get(f"{PATH}/mappings/outpatient-visits")
        .all("//pre")[0]
        .text.replace("门诊号, 就诊号", "流水, 门诊号, 就诊号")
    )
    wrong = web.step(f"{PATH}/mappings", sender="wsy", text=text.replace("type: Encounter", "type: Visit"))
    assert wrong.status == 422
    line = text.split("\n").index("    type: Encounter") + 1
    assert wrong.words("//*[@role='alert']//a") == [f"The mapping is wrong in line {line}."]
    assert wrong.words("//p[@lang='en']") == ["FHIR R4 has no resource Visit"]
    assert web.step(f"{PATH}/mappings", sender="wsy", text=text).status == 303
    other = web.step(f"{PATH}/mappings", sender="wsy", text=text + "# changed\n")
    assert "raise the version" in other.text
    place = web.upload("流水,姓名,就诊日期,病历号\nQ1,符小妹,20261101,B9\n".encode()).headers["location"]
    assert story.take(place.rpartition("/")[2]).landed == 1


def test_another_mapping_can_be_chosen_and_a_file_left(web: Any, body: bytes) -> None:
    place = web.upload(body, mapping="births").headers["location"]
    assert "These columns are needed" in web.get(place).text
    assert web.step(place, step="choose", mapping="outpatient-visits").status == 303
    assert "These columns are needed" not in web.get(place).text
    assert web.step(place, step="withdraw").status == 303
    assert "withdrawn" in web.get(place).text


def test_who_may_not_see_all_records_sees_no_file(web: Any, body: bytes) -> None:
    place = web.upload(body).headers["location"]
    stranger = Actor("nurse", TypeIn(frozenset({"Patient"})))
    for path in (PATH, place, f"{place}/corrected", f"{PATH}/mappings"):
        assert web.get(path, actor=stranger).status == 403


def test_forms_of_other_sites_and_addresses_of_nothing_are_refused(web: Any) -> None:
    assert web("POST", PATH, files={"file": ("a", b"a")}, headers={"sec-fetch-site": "cross-site"}).status == 403
    nothing = "0190a0a0-0000-7000-8000-000000000000"
    for path in (f"{PATH}/x", f"{PATH}/{nothing}", f"{PATH}/{nothing}/corrected", f"{PATH}/mappings/nothing"):
        assert web.get(path).status == 404
    assert web.step(f"{PATH}/{nothing}", step="confirm").status == 404
    bad = {"sec-fetch-site": "same-origin", "content-type": "multipart/form-data; boundary=x"}
    assert web("POST", PATH, content=b"nonsense", headers=bad).status in {400, 422}


def test_databases_are_listed_without_their_passwords(
    web: Any, open_platform: Any, uploads: Any, complaints: Any
) -> None:
    url = "postgresql+psycopg://reader:Geheim99@10.1.2.3/his"
    source = Source("his", "wsy", url, "v_visits", "updated_at", "outpatient-visits")
    open_platform.run(Sources(uploads.intake).add(source))
    for language in ("en", "zh"):
        shown = web.get(PATH, language)
        assert "reader:***@10.1.2.3" in shown.text
        assert "Geheim99" not in shown.text
        assert complaints(shown, language) == []


def test_a_file_that_is_too_large_is_refused_while_it_arrives(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jiankang.capabilities.exchange.tables.pages.asking.MOST_BYTES", 1000)
    monkeypatch.setattr("jiankang.capabilities.exchange.tables.pages.asking._OVERHEAD", 1000)
    assert web.upload(b"a,b\n" * 1000).status == 413
