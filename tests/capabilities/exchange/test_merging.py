"""Whatever the order in which letters arrive, and however often, a resource becomes the same."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jiankang.capabilities.exchange.merging import Known, merge, written_by_others
from jiankang.capabilities.exchange.model import Telling


def told(at: str, **says: Any) -> Telling:
    return Telling("Encounter", "e", says, at)


def folded(tellings: list[tuple[Telling, str]]) -> dict[str, Any] | None:
    known, resource = Known(), None
    for telling, key in tellings:
        resource = merge(resource, known, telling, key)
    return resource


def place(name: str, start: str) -> dict[str, Any]:
    return {"location": {"reference": f"Location/{name}"}, "period": {"start": start}}


ADMIT = told(
    "20260101080000",
    status="in-progress",
    period={"start": "2026-01-01T08:00:00+08:00"},
    location=[place("er", "2026-01-01T08:00:00+08:00")],
    hospitalization={"admitSource": {"text": "emd"}},
)
MOVE = told("20260102080000", location=[place("ward", "2026-01-02T08:00:00+08:00")])
LEAVE = told(
    "20260105080000",
    status="finished",
    period={"end": "2026-01-05T08:00:00+08:00"},
    hospitalization={"dischargeDisposition": {"text": "home"}},
)
STORY = [(ADMIT, "1"), (MOVE, "2"), (LEAVE, "3")]


def test_a_stay_is_the_same_in_whatever_order_it_is_told() -> None:
    ends = [folded(list(order)) for order in itertools.permutations(STORY)]
    assert all(end == ends[0] for end in ends)
    assert ends[0]["status"] == "finished"
    assert ends[0]["period"] == {"start": "2026-01-01T08:00:00+08:00", "end": "2026-01-05T08:00:00+08:00"}
    assert set(ends[0]["hospitalization"]) == {"admitSource", "dischargeDisposition"}


def test_a_place_ends_when_the_next_begins() -> None:
    first, second = folded(STORY)["location"]
    assert first["status"] == "completed"
    assert first["period"]["end"] == second["period"]["start"]


def test_a_letter_that_comes_again_changes_nothing() -> None:
    assert folded([*STORY, STORY[0], STORY[1]]) == folded(STORY)


def test_what_a_choice_was_before_goes_away() -> None:
    number = Telling("Observation", "o", {"valueQuantity": {"value": 1}}, "1")
    word = Telling("Observation", "o", {"valueString": "one"}, "2")
    end = folded([(number, "a"), (word, "b")])
    assert "valueQuantity" not in end
    assert end["valueString"] == "one"
    assert folded([(word, "b"), (number, "a")]) == end


def test_a_date_of_birth_told_without_its_time_takes_the_time_away() -> None:
    full = Telling("Patient", "p", {"birthDate": "1990-01-01", "_birthDate": {"extension": [{"url": "t"}]}}, "1")
    plain = Telling("Patient", "p", {"birthDate": "1990-01-02"}, "2")
    assert "_birthDate" not in folded([(full, "a"), (plain, "b")])


def test_numbers_of_other_systems_stay_when_a_laboratory_knows_only_its_own() -> None:
    his = Telling(
        "Patient", "p", {"identifier": [{"system": "mrn", "value": "1"}, {"system": "id", "value": "2"}]}, "1"
    )
    lab = Telling("Patient", "p", {"identifier": [{"system": "mrn", "value": "1"}]}, "2")
    for order in ([(his, "a"), (lab, "b")], [(lab, "b"), (his, "a")]):
        assert {one["system"] for one in folded(order)["identifier"]} == {"mrn", "id"}


def test_a_number_that_was_wrong_is_put_right_by_the_newer_letter() -> None:
    wrong = Telling("Patient", "p", {"identifier": [{"system": "id", "value": "1"}]}, "1")
    right = Telling("Patient", "p", {"identifier": [{"system": "id", "value": "2"}]}, "2")
    for order in ([(wrong, "a"), (right, "b")], [(right, "b"), (wrong, "a")]):
        assert folded(order)["identifier"] == [{"system": "id", "value": "2"}]


def test_what_is_said_to_be_absent_goes_away_and_stays_away() -> None:
    has = told("1", identifier=[{"system": "a", "value": "1"}], priority={"text": "urgent"})
    gone = told("2", identifier=None, priority=None)
    for order in ([(has, "a"), (gone, "b")], [(gone, "b"), (has, "a")]):
        assert not {"identifier", "priority"} & set(folded(order))


def test_a_letter_older_than_what_a_person_wrote_overwrites_nothing_but_adds() -> None:
    known = Known()
    resource = merge(None, known, told("1", status="in-progress"), "a")
    known.version = 1
    resource = {**resource, "status": "finished"}
    written_by_others(known, 2, "5")
    late = merge(resource, known, told("3", status="planned", priority={"text": "urgent"}), "b")
    assert late["status"] == "finished"
    assert late["priority"] == {"text": "urgent"}
    assert merge(late, known, told("7", status="cancelled"), "c")["status"] == "cancelled"


_VALUES = {
    "status": st.sampled_from(["planned", "in-progress", "finished", None]),
    "priority": st.sampled_from([{"text": "urgent"}, {"text": "routine"}, None]),
    "period": st.sampled_from([{"start": "2026-01-01"}, {"end": "2026-01-03"}, {"end": None}, None]),
    "identifier": st.sampled_from(
        [[{"system": "a", "value": "1"}], [{"system": "a", "value": "2"}, {"system": "b", "value": "3"}], None]
    ),
    "location": st.sampled_from(
        [[place("x", "2026-01-01")], [place("y", "2026-01-02"), place("x", "2026-01-01")], None]
    ),
}
_TELLINGS = st.lists(
    st.tuples(st.integers(0, 5), st.fixed_dictionaries({}, optional=_VALUES)), min_size=1, max_size=6
).map(lambda ones: [(told(str(at), **says), str(key)) for key, (at, says) in enumerate(ones)])


@given(_TELLINGS, st.randoms(use_true_random=False))
def test_any_tellings_lead_to_one_state_in_any_order_and_repeated(tellings: Any, random: Any) -> None:
    expected = folded(sorted(tellings, key=lambda one: (one[0].at, one[1])))
    shuffled = [*tellings, *random.sample(tellings, random.randint(0, len(tellings)))]
    random.shuffle(shuffled)
    assert folded(shuffled) == expected
