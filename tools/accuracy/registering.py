"""Registers a population one after another, by the platform's own decisions, over an index in memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jiankang.foundation.identity import KINDS, Normaliser, Record, Weights, keys
from jiankang.foundation.identity.deciding import Decision, Known, certain_persons, decide, judged

if TYPE_CHECKING:
    from region.population import Registration

TODAY = "20261123"


@dataclass(slots=True)
class Index:
    """Who was registered so far: registrations by place, the person of each, links made and questions asked."""

    weights: Weights
    rows: list[Registration] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    person: list[str] = field(default_factory=list)
    people: dict[str, list[int]] = field(default_factory=dict)
    keys: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    links: list[tuple[int, int]] = field(default_factory=list)
    questions: list[tuple[int, int]] = field(default_factory=list)
    asked: set[frozenset[str]] = field(default_factory=set)
    why: Counter[str] = field(default_factory=Counter)
    unmatchable: int = 0

    def register(self, row: Registration, record: Record) -> None:
        """What the platform does in the transaction that writes a Patient."""
        mine = len(self.rows)
        self.rows.append(row)
        self.records.append(record)
        self.unmatchable += not record.matchable
        wanted = keys(record)
        found: dict[int, None] = {}
        limited = False
        for key in wanted:
            here = self.keys[key.value]
            limit = KINDS[key.kind].limit
            limited = limited or len(here) > limit
            found |= dict.fromkeys(here[: limit + 1])
        likely = judged(record, [self._known(place) for place in found], self.weights, limited=limited)
        members = {who: [self._known(place) for place in self.people[who]] for who in certain_persons(likely)}
        self._follow(mine, decide(record, likely, members, self.weights))
        for key in wanted:
            self.keys[key.value].append(mine)

    def _known(self, place: int) -> Known:
        return Known(place, self.person[place], self.records[place])

    def _follow(self, mine: int, decision: Decision) -> None:
        person = decision.person or f"p{mine}"
        if decision.person:
            self.links.append((mine, decision.by))
        self.person.append(person)
        self.people.setdefault(person, []).append(mine)
        for joined in decision.joined:
            self.links.append((decision.by, self.people[joined][0]))
            for place in self.people[joined]:
                self.person[place] = person
            self.people[person] += self.people.pop(joined)
        for question in decision.questions:
            pair = frozenset((person, self.person[question.other]))
            if len(pair) == 2 and pair not in self.asked:
                self.asked.add(pair)
                self.questions.append((mine, question.other))
                self.why.update(question.reasons or ("score.possible",))


def registered(rows: Iterable[Registration], weights: Weights) -> Index:
    """The index after all of these were registered."""
    normaliser, index = Normaliser(TODAY), Index(weights)
    for row in rows:
        index.register(row, normaliser.row(row._asdict()))
    return index


def by_time(rows: Iterable[Registration]) -> Sequence[Registration]:
    """Registrations in the order in which they were made."""
    return sorted(rows, key=lambda row: (row.registered_at, row.record_id))
