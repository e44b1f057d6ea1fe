"""What is linked, what goes to a steward, and which keys find a person."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

import jiankang.foundation.identity as room
from jiankang.foundation.identity import (
    KINDS,
    MENDABLE,
    REASONS,
    Normaliser,
    Record,
    Verdict,
    Written,
    WrittenAddress,
    WrittenDocument,
    WrittenName,
    first_weights,
    judge,
    keys,
    read_weights,
    score_pair,
)  # fmt: skip
from jiankang.foundation.identity.blocking import MOST
from jiankang.foundation.identity.deciding import Decision, Known, decide, judged
from jiankang.kernel.errors import Invalid

NORMALISER = Normaliser("20261123")
WEIGHTS = first_weights()
MING, FANG, OTHER = "469023195503120014", "469023195503120022", "460106198811301233"


def person(
    name="王小明",
    citizen="",
    born="1955-03-12",
    sex="male",
    phone="13712340678",
    address="澄迈县金江镇大塘村12号",
    **more,
):
    documents = more.pop("documents", ())
    if citizen:
        documents = (*documents, WrittenDocument(citizen, "RIC"))
    names = (WrittenName(name), *more.pop("names", ()))
    return NORMALISER.record(
        Written(names, documents, (phone,) if phone else (), (WrittenAddress(address),), born, sex, **more)
    )


def answer(one: Record, other: Record, **more):
    return judge(one, other, score_pair(one, other, WEIGHTS), WEIGHTS, **more)


PASSPORT, RENEWED, CARD = (
    WrittenDocument("751234567", "PPN", "RUS"),
    WrittenDocument("769876543", "PPN", "RUS"),
    WrittenDocument("460000000012", "EHC"),
)
BIRTH = WrittenDocument("Z460012345", "BCT")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (person(citizen=MING), person(citizen=MING)),
        (person(citizen=MING), person(citizen="469023550312001", phone="13912340678", address="海口市龙华区国贸路1号")),
        (person(citizen=MING), person(name="WANG XIAOMING", citizen=MING, phone="", address="")),
        (person(citizen=MING), person(phone="137 1234 0678")),
        (person(citizen=MING), person(phone="", address="金江镇大塘村委会12号")),
        (person(citizen=MING), person(name="王曉明", citizen=MING, born="1955-12-03")),
        (
            person("Ivanov Aleksei", documents=(PASSPORT,), phone="", address=""),
            person("Aleksei IVANOV", documents=(PASSPORT,), phone="", address=""),
        ),
        (person("Anna Weber", documents=(PASSPORT,)), person("Anna Schmidt", documents=(PASSPORT,))),
        (person(documents=(CARD,)), person(documents=(CARD,), phone="", address="")),
        (person("王子轩", citizen=MING), person("王子萱")),
        (person(), person(born="1955-12-08", address="")),
        (person(), person(born="", address="")),
        (
            person("王小梅之子", documents=(BIRTH,), born="2025-03-12"),
            person("王子轩", documents=(BIRTH,), born="2025-03-12", phone="", address=""),
        ),
    ],
)
def test_one_person_is_linked(one, other):
    for found in (answer(one, other), answer(other, one)):
        assert found.verdict is Verdict.CERTAIN, found
        assert found.reasons == ()


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (person(citizen=MING), person(citizen=FANG), "veto.two-citizens"),
        (person(citizen=MING), person(name="李大山", citizen=MING, phone="", address=""), "veto.other-name"),
        (person(citizen=MING), person(name="王大山", citizen=MING, born="1990-07-08"), "veto.birth-conflict"),
        (person("王子轩"), person("王子涵"), "veto.twins"),
        (person("陈雅安", phone=""), person("陈安雅", phone=""), "veto.twins"),
        (person("陈雅安"), person("陈安雅", phone="13712340671", address=""), "veto.twins"),
        (person("王子轩"), person("王子萱", sex="female"), "veto.sex"),
        (
            person("符秀英", phone="", mother="王小梅"),
            person("符秀兰", phone="", address="", mother="王小梅"),
            "veto.twins",
        ),
        (person("王小梅之子"), person("王子轩", mother="王小梅"), "veto.newborn"),
        (person("王小梅之长子"), person("王小梅之次子"), "veto.order"),
        (person("无名氏", citizen=MING), person(citizen=MING), "veto.unknown"),
        (person(citizen=MING), person(citizen=MING, sex="female"), "veto.sex"),
        (
            person("Aleksei Ivanov", documents=(PASSPORT,)),
            person("Aleksei Ivanov", documents=(RENEWED,)),
            "veto.two-documents",
        ),
        (person(address="澄迈县大塘村3号", phone=""), person(address="澄迈县大塘村12号", phone=""), "veto.no-support"),
    ],
)
def test_what_rules_hold_back_goes_to_a_steward_with_the_reason(one, other, reason):
    for found in (answer(one, other), answer(other, one)):
        assert found.verdict is not Verdict.CERTAIN
        assert reason in found.reasons


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (person(citizen=MING), person(name="李大山", citizen=MING, born="1990-07-08", phone="", address="")),
        (person("王小梅之子", citizen=OTHER), person("王小梅", citizen=OTHER, born="1988-11-30", sex="female")),
    ],
)
def test_a_shared_document_is_always_shown_even_if_nothing_else_agrees(one, other):
    assert answer(one, other).verdict is Verdict.POSSIBLE


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (person(), person(name="李大山", phone="", address="海口市龙华区国贸路1号", born="1990-07-08")),
        (person(), person(born="1990-07-08", phone="", address="")),
        (person(name="", born="", phone="", address=""), person(name="", born="", phone="", address="")),
        (person("无名氏", born="", phone="", address=""), person("无名氏", born="", phone="", address="")),
    ],
)
def test_strangers_are_nobody(one, other):
    assert answer(one, other).verdict is Verdict.NONE


def test_a_limit_that_was_reached_keeps_a_pair_from_being_linked():
    one = person(citizen=MING)
    found = answer(one, one, limited=True)
    assert found.verdict is Verdict.POSSIBLE
    assert found.reasons == ("veto.limit",)


def decided(one: Record, *known: tuple[str, Record]) -> Decision:
    ones = [Known(number, who, record) for number, (who, record) in enumerate(known)]
    people = {who: [each for each in ones if each.person == who] for who in {each.person for each in ones}}
    return decide(one, judged(one, ones, WEIGHTS), people, WEIGHTS)


def test_a_record_that_fits_two_people_joins_them_unless_something_is_against_it():
    one = person(citizen=MING)
    found = decided(one, ("a", person(citizen=MING, address="")), ("b", person(citizen=MING, phone="")))
    assert {found.person, *found.joined} == {"a", "b"}
    assert found.questions == ()
    nameless = person()
    found = decided(nameless, ("a", person(citizen=MING)), ("b", person(citizen=FANG)))
    assert found.person == ""
    assert {question.reasons for question in found.questions} == {("veto.several",)}


def test_a_registration_in_letters_that_fits_both_twins_does_not_make_them_one():
    found = decided(person("CHEN YAAN"), ("a", person("陈雅安")), ("b", person("陈安雅")))
    assert (found.person, found.joined) == ("", ())
    assert {question.reasons for question in found.questions} == {("veto.several",)}


def test_nobody_is_linked_to_a_person_of_whom_another_registration_has_another_number():
    found = decided(person(citizen=MING), ("a", person(address="")), ("a", person(citizen=FANG)))
    assert found.person == ""
    assert "veto.two-citizens" in found.questions[0].reasons


def test_several_records_of_one_person_are_no_contradiction():
    one = person(citizen=MING)
    found = decided(one, ("a", person(citizen=MING, phone="")), ("a", one))
    assert (found.person, found.by, found.joined, found.questions) == ("a", 1, (), ())


def test_what_a_steward_said_is_never_one_person_does_not_come_into_question():
    one = person(citizen=MING)
    known = [Known(1, "a", one), Known(2, "a", person(citizen=MING, phone=""))]
    found = decide(one, judged(one, known, WEIGHTS), {"a": known}, WEIGHTS, never={2})
    assert (found.person, found.questions) == ("", ())


def test_every_reason_that_the_room_names_has_its_sentences():
    sources = "".join(
        path.read_text("utf-8") for path in Path(room.__file__).parent.rglob("*.py") if path.name != "reasons.py"
    )
    named = set(
        re.findall(
            r'"((?:text|name|citizen|document|birth|phone|address|record|veto|link|visit|source|rule|score)\.[a-z-]+)"',
            sources,
        )
    )
    assert named == set(REASONS)
    assert all(one.zh and one.en for one in REASONS.values())
    assert set(REASONS) >= MENDABLE


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        (person(citizen=MING), person("李大山", citizen=MING, born="", phone="", address=""), "C"),
        (person("A B", documents=(PASSPORT,)), person("Anna Weber", documents=(PASSPORT,), born="", phone=""), "D"),
        (person(phone="", address=""), person("WANG XIAOMING", phone="", address=""), "N"),
        (person(), person("李大山", address=""), "P"),
        (person(), person(born="1990-07-08", address=""), "T"),
        (person("王小梅之子", phone=""), person("王子轩", phone="", mother="王小梅"), "M"),
        (person(phone=""), person("王大山", phone=""), "H"),
        (person(phone="", address=""), person("王小民", phone="", address=""), "I"),
        (person(citizen=MING, born="1956-01-01"), person(phone=""), "N"),
        (person(phone=""), person(born="1955-12-03", phone=""), "G"),
        (person("Aleksei Ivanov", phone="", address=""), person("Alexey Ivanov", phone="", address=""), "L"),
        (person("Aleksei Ivanov", phone=""), person("Aleksei Iwanow", born="", phone=""), "A"),
        (person(phone=""), person("WANG XIAOMIN", phone=""), "I"),
        (person("覃勇", phone=""), person("TAN YONG", phone=""), "N"),
    ],
)
def test_two_registrations_of_one_person_share_a_key(one, other, kind):
    assert kind in {key.kind for key in set(keys(one)) & set(keys(other))}


def test_a_record_has_few_keys_and_one_without_anything_has_none():
    rich = person(
        citizen=MING,
        documents=(PASSPORT, RENEWED, CARD),
        names=(WrittenName("Li Na"), WrittenName("Anna Weber")),
        mother="王小梅",
    )
    assert 6 < len(keys(rich)) <= MOST
    assert all(-(2**63) <= key.value < 2**63 and key.kind in KINDS for key in keys(rich))
    assert keys(Record()) == ()


def model() -> dict:
    return msgspec.json.decode((Path(room.__file__).parent / "data" / "weights.json").read_bytes())


def test_a_model_with_an_untrained_level_is_refused():
    for field, levels in model()["fields"].items():
        for level in levels:
            broken = model()
            broken["fields"][field][level]["m"] = None
            with pytest.raises(Invalid, match=f"{level} of {field}"):
                read_weights(msgspec.json.encode(broken))


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"fields": {}}', b'{"fields": 3}'])
def test_what_is_no_model_is_refused(content):
    with pytest.raises(Invalid):
        read_weights(content)


def test_a_model_with_a_wrong_signature_is_refused():
    def verify(_: bytes) -> None:
        raise Invalid("The signature is wrong.")

    with pytest.raises(Invalid, match="signature"):
        read_weights(msgspec.json.encode(model()), verify)
