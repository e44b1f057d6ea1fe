"""Any interleaving of registrations and stewards' work keeps the links whole, and whatever is undone leaves nothing behind."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from psycopg import conninfo

from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.identity import linking, queue
from jiankang.foundation.identity.room import identity_of
from jiankang.foundation.record.indexing import resource_key
from jiankang.foundation.record.store import Change, Record, prepare
from jiankang.kernel.errors import Conflict, NotFound

CITIZEN = "urn:oid:2.16.156.10011.1.3"
NUMBERS = ("469050198506120015", "469050198506120031")
SOURCES = tuple(f"s{number}" for number in range(4))


def variants() -> list[dict[str, Any]]:
    """Registrations that are certain, possible or none of one another."""
    found = []
    for name in ("王建国", "王建國", "李梅"):
        for citizen in ("", *NUMBERS):
            one: dict[str, Any] = {"resourceType": "Patient", "name": [{"text": name}], "birthDate": "1985-06-12"}
            if citizen:
                one["identifier"] = [{"system": CITIZEN, "value": citizen}]
            found.append(one)
            found.append({**one, "telecom": [{"system": "phone", "value": "15400001234"}]})
    return found


VARIANTS = variants()
names = st.sampled_from(SOURCES)


@pytest.fixture
def fresh_database(server_url: str, template: str):
    """Makes a fresh database for each story that is tried."""
    made = []

    def make() -> str:
        name = f"jk_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(server_url, autocommit=True) as db:
            db.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        made.append(name)
        return conninfo.make_conninfo(server_url, dbname=name)

    yield make
    with psycopg.connect(server_url, autocommit=True) as db:
        for name in made:
            db.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def machine(make: Any) -> type[RuleBasedStateMachine]:
    """The stories over databases that `make` makes: one for all, emptied before each."""
    url = make()

    class Links(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.runner = asyncio.Runner()
            self.opened = Record.open(url, connections=2)
            self.record = self.run(self.opened.__aenter__())
            identity_of(self.record)
            with psycopg.connect(url, autocommit=True) as db:
                db.execute(
                    "TRUNCATE resource, history, change, idx, str, span, quantity, identity_record, identity_key, "
                    "identity_change, identity_operation, identity_rule, identity_task"
                )
            self.operations: list[str] = []

        def run(self, work: Any) -> Any:
            return self.runner.run(work)

        def teardown(self) -> None:
            self.run(self.opened.__aexit__(None, None, None))
            self.runner.close()

        def do(self, work: Any) -> Any:
            """Do something; None when it is refused for a reason."""
            try:
                done = self.run(self.record.run(LOCAL_OPERATOR, work))
            except (Conflict, NotFound):
                return None
            if done.kind != "undo":
                self.operations.append(done.operation)
            return done

        def state(self) -> Any:
            """Links, rules in force and questions, as they are."""
            with psycopg.connect(url) as db:
                links = dict(db.execute("SELECT id, person FROM identity_record ORDER BY id").fetchall())
                said = db.execute(
                    "SELECT low, high, kind FROM identity_rule WHERE ended IS NULL ORDER BY 1, 2"
                ).fetchall()
                asked = db.execute("SELECT low, high, kind, answer FROM identity_task ORDER BY 1, 2").fetchall()
            return links, said, asked

        def person(self, id_: str) -> str | None:
            return self.state()[0].get(id_) and str(self.state()[0][id_])

        @rule(id_=names, what=st.sampled_from(VARIANTS))
        def register(self, id_: str, what: dict[str, Any]) -> None:
            change = Change("PUT", "Patient", id_, prepare({**what, "id": id_}))
            self.run(self.record.run(LOCAL_OPERATOR, lambda tx: tx.apply([change])))

        @rule(id_=names)
        def delete(self, id_: str) -> None:
            self.run(self.record.run(LOCAL_OPERATOR, lambda tx: tx.apply([Change("DELETE", "Patient", id_)])))

        @rule(one=names, other=names, back=st.booleans())
        def merge(self, one: str, other: str, back: bool) -> None:
            keep, gone = self.person(one), self.person(other)
            if keep and gone:
                weights = identity_of(self.record).weights
                self._and_back(lambda tx: linking.merge(tx, keep, gone, weights, force=True), back)

        @rule(one=names, back=st.booleans())
        def split(self, one: str, back: bool) -> None:
            self._and_back(lambda tx: linking.move(tx, resource_key("Patient", one), None), back)

        @rule(one=names, other=names, back=st.booleans())
        def never(self, one: str, other: str, back: bool) -> None:
            rids = resource_key("Patient", one), resource_key("Patient", other)
            self._and_back(lambda tx: linking.never(tx, *rids), back)

        @rule(one=names, other=names, back=st.booleans())
        def always(self, one: str, other: str, back: bool) -> None:
            rids = resource_key("Patient", one), resource_key("Patient", other)
            self._and_back(lambda tx: linking.always(tx, *rids), back)

        @rule(answer=st.sampled_from(("same", "different")), back=st.booleans())
        def answer(self, answer: str, back: bool) -> None:
            with psycopg.connect(url) as db:
                row = db.execute("SELECT min(id) FROM identity_task WHERE answer IS NULL").fetchone()
            if row and row[0]:
                weights = identity_of(self.record).weights
                self._and_back(lambda tx: queue.decided(tx, row[0], answer, weights), back)

        def _and_back(self, work: Any, back: bool) -> None:
            before = self.state()
            done = self.do(work)
            if done is None:
                assert self.state() == before
            elif back:
                self.do(lambda tx: linking.undo(tx, done.operation))
                assert self.state() == before

        @precondition(lambda self: self.operations)
        @rule(data=st.data())
        def undo(self, data: Any) -> None:
            operation = data.draw(st.sampled_from(self.operations))
            before = self.state()
            if self.do(lambda tx: linking.undo(tx, operation)) is None:
                assert self.state() == before

        @invariant()
        def every_rule_holds(self) -> None:
            links, said, _ = self.state()
            rids = {resource_key("Patient", id_): person for id_, person in links.items()}
            for low, high, kind in said:
                if low in rids and high in rids:
                    assert (rids[low] == rids[high]) == (kind == "always"), kind

        @invariant()
        def the_log_tells_where_everybody_is(self) -> None:
            links, _, _ = self.state()
            with psycopg.connect(url) as db:
                rows = db.execute(
                    "SELECT DISTINCT ON (rid) rid, after FROM identity_change ORDER BY rid, seq DESC"
                ).fetchall()
            told = {rid: person for rid, person in rows if person is not None}
            assert told == {resource_key("Patient", id_): person for id_, person in links.items()}

    return Links


def test_links_stay_whole_whatever_happens(fresh_database):
    long = settings.get_current_profile_name() == "long"
    run_state_machine_as_test(
        machine(fresh_database),
        settings=settings(max_examples=200 if long else 12, stateful_step_count=40 if long else 25),
    )
