"""Registration: every Patient that is written, by whatever door, finds its person in the transaction that writes it.

Those who register the same documents, or the same name and birth date, at the same moment wait for one another, so that
the second sees the first. What is found is decided by `deciding`; this writes down links and questions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg.errors import SerializationFailure

from jiankang.foundation.identity import index
from jiankang.foundation.identity.blocking import keys
from jiankang.foundation.identity.deciding import Decision, Known, against, certain_persons, decide, judged
from jiankang.foundation.identity.index import Ask, Link, Row
from jiankang.foundation.identity.persons import PREFIX, is_person
from jiankang.foundation.identity.reasons import MENDABLE, reason
from jiankang.foundation.identity.rules import Verdict
from jiankang.foundation.identity.visits import with_open_visit
from jiankang.foundation.record.indexing import resource_key
from jiankang.kernel.errors import Conflict, Issue
from jiankang.kernel.ids import new_uuid7

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from jiankang.foundation.identity.deciding import Judged
    from jiankang.foundation.identity.model import Record
    from jiankang.foundation.identity.room import Identity
    from jiankang.foundation.identity.weights import Weights
    from jiankang.foundation.record.store import Coming, Transaction


@dataclass(slots=True)
class Newcomer:
    """A registration that is being written: what it was in the index, and what was found for it."""

    rid: int
    id: str
    record: Record
    old: Known | None
    replaced_by: int | None
    named: bool
    """Whether its id was there before or was chosen by the sender, so that something may be known of it."""
    found: Judged = field(default_factory=list)
    always: frozenset[int] = frozenset()
    never: frozenset[int] = frozenset()

    @property
    def changed(self) -> bool:
        """Whether it says something about who it is that was not said before."""
        return self.old is None or self.old.record != self.record or self.replaced_by is not None


class Registrar:
    """The guard of Patient."""

    pipelined = True

    def __init__(self, room: Identity) -> None:
        self.room = room

    async def __call__(self, tx: Transaction, writes: Sequence[Coming]) -> None:
        """Bring the index up to what is about to be written. Raises Conflict for ids that are kept for persons."""
        coming = [one for one in writes if one.change.prepared is not None]
        for one in coming:
            if is_person(one.id):
                raise Conflict(
                    f"ids that begin with {PREFIX} are made from the registrations of a person: register under another id"
                )
        known = await index.known(tx.db, [one.rid for one in writes if one.old is not None])
        gone = [known[one.rid] for one in writes if one.change.prepared is None and one.rid in known]
        if gone:
            await self._remove(tx, gone)
        newcomers = []
        for one in coming:
            prepared = one.change.prepared
            if prepared is None:
                continue
            named = one.old is not None or one.change.method != "POST"
            newcomer = self.newcomer(one.rid, one.id, prepared.resource, known.get(one.rid), named=named)
            prepared.findings = (*prepared.findings, *_mendable(newcomer.record))
            newcomers.append(newcomer)
        if newcomers:
            await self.register(tx, [one for one in newcomers if one.changed])
            same = [one.old for one in newcomers if one.old is not None and not one.changed]
            revised = [Link(new_uuid7(), "revise", one.rid, one.person, one.person) for one in same]
            await index.write(tx.db, [], revised, actor=tx.actor.id, model="")

    def newcomer(self, rid: int, id_: str, resource: dict[str, Any], old: Known | None, *, named: bool) -> Newcomer:
        """A Patient that is to be registered."""
        return Newcomer(rid, id_, self.room.normaliser.patient(resource), old, _replaced_by(resource), named)

    async def _remove(self, tx: Transaction, gone: Sequence[Known]) -> None:
        await index.hold_persons(tx.db, {one.person for one in gone})
        if await index.known(tx.db, [one.rid for one in gone]) != {one.rid: one for one in gone}:
            raise SerializationFailure("somebody was linked to another person meanwhile")
        operation = new_uuid7()
        await index.forget(tx.db, gone, operation)
        links = [Link(operation, "delete", one.rid, one.person, "") for one in gone]
        await index.write(tx.db, [], links, actor=tx.actor.id, model=self.room.weights.version)

    async def register(self, tx: Transaction, ones: Sequence[Newcomer]) -> None:
        """Find the persons of these, and write down what is found."""
        if not ones:
            return
        weights = self.room.weights
        wanted = [keys(one.record) for one in ones]
        async with tx.db.pipeline():
            await index.hold(tx.db, (key for each in wanted for key in each))
            found = await index.find(tx.db, wanted)
        said = await index.rules(tx.db, [one.rid for one in ones if one.named])
        for one, (candidates, limited) in zip(ones, found, strict=True):
            others = [each for each in candidates if each.rid != one.rid]
            one.found = judged(one.record, others, weights, limited=limited)
            if one.rid in said:
                one.always, one.never = frozenset(said[one.rid]["always"]), frozenset(said[one.rid]["never"])
        visits = await with_open_visit(tx.db, [one.rid for one in ones if one.old is not None])
        book = Book(weights, tx.actor.id, visits)
        await book.open(tx, ones)
        for one, each in zip(ones, wanted, strict=True):
            await book.enter(tx, one, [key.value for key in each])
        await book.close(tx)


def _mendable(record: Record) -> list[Issue]:
    """What whoever sent a registration can do something about, as warnings."""
    said = (reason(code) for code in record.findings if code in MENDABLE)
    return [Issue("business-rule", f"{one.en}. {one.zh}。", ("Patient",), "warning") for one in said]


def _replaced_by(resource: dict[str, Any]) -> int | None:
    """The registration that took this one's place, as its own source says (`Patient.link`)."""
    for link in resource.get("link", ()):
        reference = link.get("other", {}).get("reference", "")
        parts = reference.split("/")
        if link.get("type") == "replaced-by" and len(parts) == 2 and parts[0] == "Patient" and not is_person(parts[1]):
            return resource_key("Patient", parts[1])
    return None


def _once(asked: Sequence[Ask]) -> list[Ask]:
    """Each pair once: a doubt before a question, else what was asked first."""
    found: dict[tuple[int, int], Ask] = {}
    for one in sorted(asked, key=lambda each: each.kind):
        found.setdefault((min(one.left, one.right), max(one.left, one.right)), one)
    return list(found.values())


class Book:
    """The links of one transaction on their way: who is whose, as far as decided, and what is to be written."""

    def __init__(self, weights: Weights, actor: str, visits: frozenset[int]) -> None:
        self.weights = weights
        self.actor = actor
        self.visits = visits
        self.people: dict[str, list[Known]] = {}
        self.became: dict[str, str] = {}
        self.by_key: dict[int, list[Known]] = {}
        self.rows: dict[int, Row] = {}
        self.links: list[Link] = []
        self.asked: list[Ask] = []
        self.stale: list[tuple[int, int]] = []
        self.named: dict[int, str] = {}

    async def open(self, tx: Transaction, ones: Sequence[Newcomer]) -> None:
        """Hold the persons that may be linked to, and know all their registrations."""
        persons = {person for one in ones for person in certain_persons(one.found)}
        persons |= {one.old.person for one in ones if one.old is not None}
        forced = {rid for one in ones for rid in (*one.always, one.replaced_by) if rid is not None}
        if forced:
            rows = await tx.db.execute(
                "SELECT rid, person::text FROM identity_record WHERE rid = ANY(%s::bigint[])", (sorted(forced),)
            )
            self.named = dict(await rows.fetchall())
            persons |= set(self.named.values())
        if not persons:
            return
        await index.hold_persons(tx.db, persons)
        self.people = await index.members(tx.db, persons)
        there = {each.rid: each.person for ones_ in self.people.values() for each in ones_}
        expected = {each.rid: each.person for one in ones for each, _ in one.found if each.person in persons}
        expected |= {one.old.rid: one.old.person for one in ones if one.old is not None} | self.named
        if any(there.get(rid) != person for rid, person in expected.items()):
            raise SerializationFailure("somebody was linked to another person meanwhile")

    async def enter(self, tx: Transaction, one: Newcomer, found_by: Sequence[int]) -> None:
        """Decide about a registration and note what follows."""
        found = [(each._replace(person=self._now(each.person)), answer) for each, answer in one.found]
        seen = {each.rid for each, _ in found}
        mates = {
            mate.rid: mate for key in found_by for mate in self.by_key.get(key, ()) if mate.rid not in seen | {one.rid}
        }
        if mates:
            here = [mate._replace(person=self._now(mate.person)) for mate in mates.values()]
            found += judged(one.record, here, self.weights)
        decision = decide(one.record, found, self.people, self.weights, one.never)
        operation = new_uuid7()
        before = "" if one.old is None else self._now(one.old.person)
        person, because = self._person(one, before, decision)
        kind = "register" if one.old is None else "update" if person != before else "revise"
        self.links.append(because._replace(operation=operation, kind=kind))
        self._place(one, person)
        self._note_keys(one, person, found_by)
        self.asked += [
            Ask(one.rid, each.other, "pair", each.reasons or ("score.possible",), each.answer.bits)
            for each in decision.questions
            if self._now(each.person) != person
        ]
        for joined in decision.joined:
            await self._join(tx, operation, joined, person, decision)

    def _person(self, one: Newcomer, before: str, decision: Decision) -> tuple[str, Link]:
        """The person of a registration, and what is to be logged if that is a change."""
        for rid, why in ((one.replaced_by, "source.replaced"), *((rid, "rule.always") for rid in sorted(one.always))):
            person = self._now(self.named[rid]) if rid in self.named else ""
            if person and one.never.isdisjoint(each.rid for each in self.people.get(person, ())):
                return person, Link("", "", one.rid, before, person, None, rid, (why,))
        answer = decision.answer
        bits = None if answer is None else answer.bits
        if one.old is None:
            person = decision.person or new_uuid7()
            return person, Link("", "", one.rid, "", person, bits, decision.by or None)
        others = [each for each in self.people.get(before, ()) if each.rid != one.rid]
        if decision.person and before not in {decision.person, *decision.joined}:
            if not others and one.rid not in self.visits:
                return decision.person, Link("", "", one.rid, before, decision.person, bits, decision.by)
            why = "visit.open" if one.rid in self.visits else "link.elsewhere"
            self.asked.append(Ask(one.rid, decision.by, "pair", (why,), bits or 0.0))
        self._doubt(one, others)
        return before, Link("", "", one.rid, before, before)

    def _note_keys(self, one: Newcomer, person: str, found_by: Sequence[int]) -> None:
        for key in found_by:
            self.by_key.setdefault(key, []).append(Known(one.rid, person, one.record))
        if one.old is not None:
            kept = set(found_by)
            self.stale += [(key.value, one.rid) for key in keys(one.old.record) if key.value not in kept]

    def _doubt(self, one: Newcomer, others: Sequence[Known]) -> None:
        """Ask a steward about a registration that has come to differ from all it is linked with; it stays linked."""
        if not others:
            return
        said = against(one.record, others, self.weights)
        answers = judged(one.record, others, self.weights)
        if said or not any(answer.verdict is not Verdict.NONE for _, answer in answers):
            best = max(answers, key=lambda each: each[1].bits, default=None)
            other, bits = (best[0].rid, best[1].bits) if best else (others[0].rid, 0.0)
            self.asked.append(Ask(one.rid, other, "doubt", said or ("link.differs",), bits))

    def _now(self, person: str) -> str:
        while person in self.became:
            person = self.became[person]
        return person

    def _place(self, one: Newcomer, person: str) -> None:
        if one.old is not None:
            home = self._now(one.old.person)
            self.people[home] = [each for each in self.people.get(home, ()) if each.rid != one.rid]
        self.people.setdefault(person, []).append(Known(one.rid, person, one.record))
        self.rows[one.rid] = Row(one.rid, person, one.id, one.record)

    async def _join(self, tx: Transaction, operation: str, other: str, person: str, decision: Decision) -> None:
        """Two persons turned out to be one: all registrations of `other` go to `person`, unless one of them is being treated."""
        other, moving = self._now(other), self.people.get(self._now(other), [])
        if other == person or not moving:
            return
        answer = decision.answer
        bits = 0.0 if answer is None else answer.bits
        why = await self._against_joining(tx, moving, self.people.get(person, ()))
        if why:
            self.asked.append(Ask(decision.by, moving[0].rid, "pair", (why,), bits))
            return
        for each in moving:
            self.links.append(Link(operation, "join", each.rid, other, person, bits, decision.by))
            row = self.rows.get(each.rid)
            self.rows[each.rid] = Row(each.rid, person, "" if row is None else row.id, each.record)
        self.people[person] = [*self.people.get(person, ()), *(each._replace(person=person) for each in moving)]
        self.people[other] = []
        self.became[other] = person

    async def _against_joining(self, tx: Transaction, moving: Sequence[Known], staying: Sequence[Known]) -> str:
        """Why two persons are not made one without a steward; "" if nothing speaks against it."""
        if await with_open_visit(tx.db, [each.rid for each in moving]):
            return "visit.open"
        said = await index.rules(tx.db, [each.rid for each in moving])
        there = {each.rid for each in staying}
        return "rule.never" if any(not ones["never"].isdisjoint(there) for ones in said.values()) else ""

    async def close(self, tx: Transaction) -> None:
        """Write everything down."""
        await index.forget_keys(tx.db, self.stale)
        model = self.weights.version
        await index.write(tx.db, list(self.rows.values()), self.links, actor=self.actor, model=model)
        await index.ask(tx.db, _once(self.asked), model)
