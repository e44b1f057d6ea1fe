"""What is counted of a population that was registered: pairs, links, questions."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from accuracy.registering import Index
    from region.population.person import Person


def pairs(count: int) -> int:
    """How many pairs so many make."""
    return count * (count - 1) // 2


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of pairs of registrations unless the name says links, questions or registrations.

    `known` are registrations of people who had one before, `found` those that were linked to theirs.
    """

    registrations: int
    unmatchable: int
    known: int
    found: int
    found_with_review: int
    true: int
    together: int
    right: int
    links: int
    wrong_links: int
    questions: int
    with_review: int
    alike: int
    alike_wrong: int

    @property
    def precision(self) -> float:
        """Of pairs that are together, those that are one person."""
        return self.right / self.together if self.together else 1.0

    @property
    def linked(self) -> float:
        """Of registrations of people who were known already, those that were linked to them."""
        return self.found / self.known if self.known else 1.0

    @property
    def linked_with_review(self) -> float:
        """The same after a steward answered every question rightly."""
        return self.found_with_review / self.known if self.known else 1.0

    @property
    def recall(self) -> float:
        """Of pairs that are one person, those that are together."""
        return self.right / self.true if self.true else 1.0

    @property
    def reviewed(self) -> float:
        """The same after a steward answered every question rightly."""
        return self.with_review / self.true if self.true else 1.0

    @property
    def review(self) -> float:
        """Questions for each registration."""
        return self.questions / self.registrations

    @property
    def alike_share(self) -> float:
        """Of pairs of twins and of strangers with one name and birthday, those that are together."""
        return self.alike_wrong / self.alike if self.alike else 0.0


def _right(groups: Iterable[Iterable[str]]) -> tuple[int, int]:
    """Pairs that are together, and those of them that are one person."""
    together = right = 0
    for group in groups:
        counted = Counter(group)
        together += pairs(sum(counted.values()))
        right += sum(map(pairs, counted.values()))
    return together, right


def figures(index: Index, people: Iterable[Person]) -> Figures:
    """Count it all."""
    people = list(people)
    truth = [row.person_id for row in index.rows]
    together, right = _right((truth[place] for place in places) for places in index.people.values())
    places: Mapping[str, list[int]] = defaultdict(list)
    for place, who in enumerate(truth):
        places[who].append(place)
    alike = alike_wrong = 0
    by_number = {one.number: one.person_id for one in people}
    for one in people:
        for other in (one.twin_of, one.stranger_of):
            if other in by_number and other < one.number:
                for left in places[one.person_id]:
                    for right_ in places[by_number[other]]:
                        alike += 1
                        alike_wrong += index.person[left] == index.person[right_]
    reviewed = _reviewed(index, truth)
    known = len(truth) - len(places)
    return Figures(
        known=known, found=known - _apart(index.people.values(), truth), found_with_review=known - _apart(reviewed, truth),
        registrations=len(truth), unmatchable=index.unmatchable, true=sum(pairs(n) for n in Counter(truth).values()),
        together=together, right=right, links=len(index.links),
        wrong_links=sum(truth[left] != truth[other] for left, other in index.links), questions=len(index.questions),
        with_review=_right((truth[place] for place in ones) for ones in reviewed)[1], alike=alike, alike_wrong=alike_wrong,
    )  # fmt: skip


def _apart(groups: Iterable[Iterable[int]], truth: list[str]) -> int:
    """How many links are missing: groups that a person is in, less one."""
    seen = Counter(who for places in groups for who in {truth[place] for place in places})
    return sum(count - 1 for count in seen.values())


def _reviewed(index: Index, truth: list[str]) -> list[list[int]]:
    """Who is together once every question was answered rightly."""
    above: dict[str, str] = {}

    def root(person: str) -> str:
        while person in above:
            person = above[person]
        return person

    for left, right in index.questions:
        one, other = root(index.person[left]), root(index.person[right])
        if truth[left] == truth[right] and one != other:
            above[one] = other
    groups: dict[str, list[int]] = defaultdict(list)
    for place, person in enumerate(index.person):
        groups[root(person)].append(place)
    return list(groups.values())
