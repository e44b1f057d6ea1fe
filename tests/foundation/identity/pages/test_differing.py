"""Values side by side: what is marked, and which belong beside each other."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jiankang.foundation.identity.pages.asking import percent
from jiankang.foundation.identity.pages.comparing import bar
from jiankang.foundation.identity.pages.differing import compare, compare_all, plain, worst
from jiankang.foundation.identity.pages.reading import read


def marked(left: str, right: str) -> tuple[str, str, str]:
    """The state, and both sides with marks in brackets."""
    found = compare(left, right)
    one, other = (
        "".join(f"[{piece.text}]" if piece.marked else piece.text for piece in side)
        for side in (found.left, found.right)
    )
    return found.state, one, other


@pytest.mark.parametrize(
    ("left", "right", "state", "one", "other"),
    [
        ("王建国", "王建国", "same", "王建国", "王建国"),
        ("王建国", "王建國", "alike", "王建[国]", "王建[國]"),
        ("王建国", "王建军", "differs", "王建[国]", "王建[军]"),
        ("王建国", "陈秀英", "differs", "[王建国]", "[陈秀英]"),
        ("王建国", "", "one-sided", "王建国", ""),
        ("13907551234", "139 0755-1234", "alike", "13907551234", "139 0755-1234"),
        ("13907551234", "139 0755 1235", "differs", "1390755123[4]", "139 0755 123[5]"),
        ("1985-06-12", "1985-12-06", "differs", "1985-[06]-[12]", "1985-[12]-[06]"),
        ("46902319850612001X", "46902319850612001x", "alike", "46902319850612001X", "46902319850612001x"),
        ("SMITH, John", "Smith John", "alike", "SMITH, John", "Smith John"),
        ("滨海大道8号", "滨海大道18号", "differs", "滨海大道8号", "滨海大道[1]8号"),
        ("İstanbul Sokak", "istanbul sokak", "alike", "[İ]stanbul Sokak", "[i]stanbul sokak"),
        ("x" * 201, "x" * 202, "differs", f"[{'x' * 201}]", f"[{'x' * 202}]"),
    ],
)
def test_what_differs_is_marked(left, right, state, one, other):
    assert marked(left, right) == (state, one, other)


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_character_is_lost_and_the_same_is_never_marked(left, right):
    found = compare(left, right)
    assert "".join(piece.text for piece in found.left) == left
    assert "".join(piece.text for piece in found.right) == right
    if left == right:
        assert found.marks == ("", "")
    if left and right and plain(left) != plain(right):
        assert found.state == "differs"


def test_of_several_values_the_likest_stand_beside_each_other():
    found = compare_all(["139", "海口市滨海大道8号", "x"], ["y", "海口市滨海大道18号", "139"])
    states = [(each.state, "".join(p.text for p in each.left), "".join(p.text for p in each.right)) for each in found]
    assert states == [
        ("same", "139", "139"), ("differs", "海口市滨海大道8号", "海口市滨海大道18号"), ("one-sided", "x", ""), ("one-sided", "", "y")
    ]  # fmt: skip
    assert worst(found) == "same"
    assert worst(found[1:]) == "differs"
    assert worst(found[2:]) == "one-sided"


def test_many_long_values_are_compared_at_once():
    started = time.monotonic()
    compare_all(["ab" * 150 + str(n) for n in range(20)], ["ba" * 150 + str(n) for n in range(20)])
    compare("a" * 200, "a" * 199 + "b")
    assert time.monotonic() - started < 1


def test_doubt_is_never_rounded_away():
    assert [percent(each) for each in (0, 1, 0.5, 0.99991, 0.00001, 0.9955, 0.123)] == [
        "0%", "100%", "50.0%", "> 99.99%", "< 0.01%", "99.55%", "12.3%"
    ]  # fmt: skip


def test_a_bar_grows_to_the_right_for_and_to_the_left_against():
    assert (bar(10).x, bar(10).width, bar(10).kind) == (50, 25, "for")
    assert (bar(-10).x, bar(-10).width, bar(-10).kind) == (25, 25, "against")
    assert (bar(99).width, bar(-99).x) == (50, 0)


def test_a_registration_is_told_as_its_source_wrote_it():
    said = read(
        {
            "resourceType": "Patient", "active": False, "gender": "female", "birthDate": "1985-06", "deceasedBoolean": True,
            "name": [{"text": "旧名", "use": "old"}, {"family": "Smith", "given": ["Ann", "B"]}, {"family": "王", "given": ["芳"]}],
            "identifier": [
                {"system": "urn:oid:2.16.156.10011.1.3", "value": "46902319850612001X"},
                {"system": "urn:jiankang:passport:USA", "value": "561234567"},
                {"system": "urn:hospital", "value": "MR-1", "type": {"coding": [{"code": "MR"}]}},
            ],
            "telecom": [{"system": "phone", "value": "139"}, {"system": "email", "value": "a@b.cn"}],
            "meta": {"source": "urn:s"}, "managingOrganization": {"display": "海南省人民医院"},
        },
        str,
    )  # fmt: skip
    assert said["name"] == ("SMITH, Ann B", "王芳", "旧名")
    assert (said["sex"], said["birth"]) == (("Female",), ("1985-06",))
    assert (said["citizen"], said["documents"]) == (("46902319850612001X",), ("Passport USA 561234567",))
    assert (said["folders"], said["email"], said["phone"]) == (("MR-1",), ("a@b.cn",), ("139",))
    assert said["source"] == ("海南省人民医院", "urn:s")
    assert said["died"] == ("Yes, the day is not known",)
    assert said["state"] == ("Taken out of use by its source",)


@pytest.mark.parametrize("odd", [{}, {"name": 5, "telecom": "x", "identifier": [None], "meta": 3}, {"name": [{"text": "長" * 5_000}] * 50}])  # fmt: skip
def test_whatever_a_patient_holds_can_be_read(odd):
    said = read(odd, str)
    assert all(len(text) <= 601 for texts in said.values() for text in texts)
    assert all(len(texts) <= 20 for texts in said.values())
