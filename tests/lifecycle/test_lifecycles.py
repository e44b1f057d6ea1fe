"""Whatever is done in whatever order, the record is what a plain dictionary says it should be."""

from __future__ import annotations

import asyncio
import itertools
import json
from urllib.parse import quote

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from jiankang.foundation.access import Actor, Labelled, resource_key
from jiankang.foundation.record.api import create_fhir_app
from jiankang.foundation.record.feed import deliver
from jiankang.foundation.record.store import _facts, prepare
from jiankang.kernel.settings import Settings

pytestmark = pytest.mark.slow
LONG = settings.default.max_examples > 1000
SYSTEM = "urn:machine"
PATCH = {"content-type": "application/json-patch+json"}
RUNS = itertools.count(1)

IDS = st.sampled_from(["a", "b", "c"])
VALUES = st.sampled_from(["1", "2", "3"])
TYPES = st.sampled_from(["Patient", "Observation"])
FAMILIES = st.sampled_from(["Smith", "张", "O'Brien", "Ångström"])
TAGGED = st.booleans()
PATIENTS = st.tuples(
    st.just("Patient"), VALUES, FAMILIES, TAGGED, st.sampled_from(["1970", "1980-02", "2001-02-03", None])
)
OBSERVATIONS = st.tuples(
    st.just("Observation"),
    VALUES,
    st.sampled_from(["a", "b", "c", None]),
    TAGGED,
    st.sampled_from(["1.50", "20", None]),
)
BODIES = PATIENTS | OBSERVATIONS


class Machine(RuleBasedStateMachine):
    """`model` holds for each Type/id its versions: (method, body), the body None for a deletion."""

    platform = None
    watcher = None

    @initialize()
    def begin(self):
        self.run = f"r{next(RUNS)}"
        self.model: dict[tuple[str, str], list[tuple[str, dict | None]]] = {}
        self.order: list[tuple[str, str, int]] = []

    # -- what is sent

    def id(self, letter):
        return f"{self.run}-{letter}"

    def value(self, number):
        return f"{self.run}.{number}"

    def body(self, recipe):
        kind, number, third, tagged, last = recipe
        made = {"resourceType": kind, "identifier": [{"system": SYSTEM, "value": self.value(number)}]}
        if tagged:
            made["meta"] = {"tag": [{"system": "urn:t", "code": "shown"}]}
        if kind == "Patient":
            made |= {"name": [{"family": f"{third} {self.run}"}]} | ({"birthDate": last} if last else {})
            return made
        made |= {"status": "final", "code": {"coding": [{"system": "urn:c", "code": f"k{number}", "display": "Thing"}]}}
        if third:
            made |= {"subject": {"reference": f"Patient/{self.id(third)}"}, "effectiveDateTime": f"2020-01-0{number}"}
        if last:
            made["valueQuantity"] = {
                "value": float(last),
                "unit": "kg",
                "system": "http://unitsofmeasure.org",
                "code": "kg",
            }
        return made

    def ask(self, method, path, body=None, *, query="", **headers):
        text = b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.platform(method, path, text, query=query.encode(), headers=named)

    # -- what the model says

    def live(self, kind, letter_or_id):
        versions = self.model.get((kind, letter_or_id))
        return versions[-1][1] if versions else None

    def version(self, kind, id_):
        return len(self.model.get((kind, id_), ()))

    def matching(self, kind, number):
        return sorted(
            id_ for (k, id_), versions in self.model.items()
            if k == kind and versions[-1][1] and versions[-1][1]["identifier"][0]["value"] == self.value(number)
        )  # fmt: skip

    def keep(self, method, kind, id_, body):
        self.model.setdefault((kind, id_), []).append((method, body and {**body, "id": id_}))
        self.order.append((kind, id_, self.version(kind, id_)))

    def expect_written(self, answer, method, kind, id_, body, *, status):
        assert answer.status == status, answer.body
        self.keep(method, kind, id_, body)
        self.same(answer, kind, id_, self.version(kind, id_))

    def same(self, answer, kind, id_, version):
        value, wanted = answer.value, self.model[kind, id_][version - 1][1]
        meta = value["meta"]
        assert answer.headers["etag"] == f'W/"{version}"'
        assert (meta.pop("versionId"), bool(meta.pop("lastUpdated"))) == (str(version), True)
        if not meta:
            del value["meta"]
        assert value == json.loads(json.dumps(wanted))

    # -- what is done

    @rule(recipe=BODIES)
    def create(self, recipe):
        body = self.body(recipe)
        answer = self.ask("POST", f"/{recipe[0]}", body)
        self.expect_written(answer, "POST", recipe[0], answer.value["id"], body, status=201)

    @rule(recipe=BODIES, letter=IDS)
    def put(self, recipe, letter):
        kind, id_, body = recipe[0], self.id(letter), self.body(recipe)
        status = 200 if self.live(kind, id_) else 201
        self.expect_written(
            self.ask("PUT", f"/{kind}/{id_}", {**body, "id": id_}), "PUT", kind, id_, body, status=status
        )

    @rule(recipe=BODIES, letter=IDS, off=st.integers(-1, 1))
    def put_if_match(self, recipe, letter, off):
        kind, id_, body = recipe[0], self.id(letter), self.body(recipe)
        asked = self.version(kind, id_) + off
        answer = self.ask("PUT", f"/{kind}/{id_}", {**body, "id": id_}, if_match=f'W/"{max(asked, 0)}"')
        if self.live(kind, id_) and off == 0:
            self.expect_written(answer, "PUT", kind, id_, body, status=200)
        else:
            assert answer.status == 412

    @rule(kind=TYPES, letter=IDS)
    def delete(self, kind, letter):
        id_ = self.id(letter)
        answer = self.ask("DELETE", f"/{kind}/{id_}")
        assert answer.status == 204
        if self.live(kind, id_):
            self.keep("DELETE", kind, id_, None)

    @rule(kind=TYPES, letter=IDS, number=VALUES)
    def patch(self, kind, letter, number):
        id_ = self.id(letter)
        operations = [{"op": "replace", "path": "/identifier/0/value", "value": self.value(number)}]
        answer = self.platform("PATCH", f"/{kind}/{id_}", json.dumps(operations).encode(), headers=PATCH)
        if not self.live(kind, id_):
            assert answer.status == (410 if self.version(kind, id_) else 404)
            return
        body = {**self.live(kind, id_), "identifier": [{"system": SYSTEM, "value": self.value(number)}]}
        self.expect_written(answer, "PATCH", kind, id_, body, status=200)

    @rule(recipe=BODIES)
    def create_unless_it_exists(self, recipe):
        kind, body = recipe[0], self.body(recipe)
        found = self.matching(kind, recipe[1])
        answer = self.ask("POST", f"/{kind}", body, if_none_exist=f"identifier={SYSTEM}|{self.value(recipe[1])}")
        if not found:
            self.expect_written(answer, "POST", kind, answer.value["id"], body, status=201)
        elif len(found) == 1:
            assert answer.status == 200
            self.same(answer, kind, found[0], self.version(kind, found[0]))
        else:
            assert answer.status == 412

    @rule(recipe=BODIES)
    def update_what_matches(self, recipe):
        kind, body = recipe[0], self.body(recipe)
        found = self.matching(kind, recipe[1])
        answer = self.ask("PUT", f"/{kind}", body, query=f"identifier={SYSTEM}|{self.value(recipe[1])}")
        if len(found) > 1:
            assert answer.status == 412
        elif found:
            self.expect_written(answer, "PUT", kind, found[0], body, status=200)
        else:
            self.expect_written(answer, "POST", kind, answer.value["id"], body, status=201)

    @rule(kind=TYPES, number=VALUES)
    def delete_what_matches(self, kind, number):
        answer = self.ask("DELETE", f"/{kind}", query=f"identifier={SYSTEM}|{self.value(number)}")
        assert answer.status == 204
        gone = self.matching(kind, number)
        for id_ in gone:
            self.model[kind, id_].append(("DELETE", None))
            self.order.append((kind, id_, self.version(kind, id_)))

    # -- many at once

    def entries(self, recipes, doomed):
        made, kept, used = [], [], set()
        for letter, recipe, removes in recipes:
            kind, id_ = recipe[0], self.id(letter)
            if (kind, id_) in used:
                continue
            used.add((kind, id_))
            if removes:
                made.append({"request": {"method": "DELETE", "url": f"{kind}/{id_}"}})
                kept.append(("DELETE", kind, id_, None))
            else:
                body = self.body(recipe)
                made.append({"resource": {**body, "id": id_}, "request": {"method": "PUT", "url": f"{kind}/{id_}"}})
                kept.append(("PUT", kind, id_, body))
        if doomed == "stale":
            body = {"resourceType": "Basic", "id": self.id("never"), "code": {"text": "x"}}
            made.append(
                {"resource": body, "request": {"method": "PUT", "url": f"Basic/{self.id('never')}", "ifMatch": 'W/"7"'}}
            )
        elif doomed == "invalid":
            made.append(
                {"resource": {"resourceType": "Basic", "code": 1}, "request": {"method": "POST", "url": "Basic"}}
            )
        return made, kept

    @rule(
        recipes=st.lists(st.tuples(IDS, BODIES, st.booleans()), min_size=1, max_size=5),
        doomed=st.sampled_from(["", "", "stale", "invalid"]), kind=st.sampled_from(["transaction", "transaction", "batch"]),
    )  # fmt: skip
    def bundle(self, recipes, doomed, kind):
        made, kept = self.entries(recipes, doomed)
        answer = self.ask("POST", "", {"resourceType": "Bundle", "type": kind, "entry": made})
        if kind == "transaction" and doomed:
            assert answer.status in {400, 412, 422}, answer.body
            return
        assert answer.status == 200, answer.body
        statuses = [entry["response"]["status"][:3] for entry in answer.value["entry"]]
        assert len(statuses) == len(made)
        for (method, type_, id_, body), status in zip(kept, statuses, strict=False):
            live = self.live(type_, id_)
            assert status == ("204" if method == "DELETE" else "200" if live else "201")
            if body or live:
                self.keep(method, type_, id_, body)
        if doomed:
            assert statuses[-1][0] == "4"

    @rule(recipes=st.lists(PATIENTS, min_size=2, max_size=5), letter=IDS, guarded=st.booleans())
    def race_to_update_one(self, recipes, letter, guarded):
        """All at once: under If-Match one wins; without it each makes a version, in the order that the ETags say."""
        id_ = self.id(letter)
        bodies = [self.body(recipe) for recipe in recipes]
        before, live = self.version("Patient", id_), self.live("Patient", id_)
        headers = {"if-match": f'W/"{before}"'} if guarded else {}

        async def at_once():
            return await asyncio.gather(*(
                self.platform.ask("PUT", f"/Patient/{id_}", json.dumps({**body, "id": id_}).encode(), headers=headers)
                for body in bodies
            ))  # fmt: skip

        answers = self.platform.run(at_once())
        won = sorted(
            (int(answer.headers["etag"][3:-1]), number)
            for number, answer in enumerate(answers)
            if answer.status in {200, 201}
        )
        losers = [answer.status for answer in answers if answer.status not in {200, 201}]
        assert set(losers) <= {412}
        assert len(won) == (len(bodies) if not guarded else 1 if live else 0)
        assert [version for version, _ in won] == list(range(before + 1, before + 1 + len(won)))
        for _, number in won:
            self.keep("PUT", "Patient", id_, bodies[number])

    @rule(recipe=PATIENTS, clients=st.integers(2, 6))
    def race_to_create_one(self, recipe, clients):
        """Parallel conditional creates of one identity: one is made, the others are told of it."""
        body, found = self.body(recipe), self.matching("Patient", recipe[1])
        condition = {"if-none-exist": f"identifier={SYSTEM}|{self.value(recipe[1])}"}

        async def at_once():
            return await asyncio.gather(*(
                self.platform.ask("POST", "/Patient", json.dumps(body).encode(), headers=condition) for _ in range(clients)
            ))  # fmt: skip

        answers = self.platform.run(at_once())
        statuses = sorted(answer.status for answer in answers)
        if len(found) > 1:
            assert statuses == [412] * clients
        elif found:
            assert statuses == [200] * clients
        else:
            assert statuses == [200] * (clients - 1) + [201]
            ids = {answer.value["id"] for answer in answers}
            assert len(ids) == 1
            self.keep("POST", "Patient", ids.pop(), body)

    # -- what must hold

    @precondition(lambda self: self.model)
    @rule(pick=st.integers(0, 40))
    def read_one(self, pick):
        kind, id_ = list(self.model)[pick % len(self.model)]  # what a race leaves differs from run to run
        answer = self.ask("GET", f"/{kind}/{id_}")
        body = self.live(kind, id_)
        assert answer.status == (200 if body else 410)
        if body:
            self.same(answer, kind, id_, self.version(kind, id_))
        seen = self.platform.run(self.watched(f"/{kind}/{id_}"))
        shown = bool(body and body.get("meta"))
        assert seen.status == 200 if shown else seen.status in {404, 410}

    async def watched(self, path):
        """The same request by somebody who may see what is tagged, and nothing else."""
        mine, self.platform.app = self.platform.app, self.watcher
        try:
            return await self.platform.ask("GET", path)
        finally:
            self.platform.app = mine

    @precondition(lambda self: self.model)
    @rule(number=VALUES, kind=TYPES, family=FAMILIES)
    def search(self, number, kind, family):
        found = self.ask("GET", f"/{kind}", query=f"identifier={SYSTEM}|{self.value(number)}&_count=100").value
        assert sorted(entry["resource"]["id"] for entry in found.get("entry", ())) == self.matching(kind, number)
        name = f"{family} {self.run}"
        found = self.ask("GET", "/Patient", query=f"name:exact={quote(name)}&_count=100").value
        wanted = sorted(
            i
            for (k, i), v in self.model.items()
            if k == "Patient" and v[-1][1] and v[-1][1]["name"][0]["family"] == name
        )
        assert sorted(entry["resource"]["id"] for entry in found.get("entry", ())) == wanted

    def teardown(self):
        if getattr(self, "model", None):
            self.check_versions()
            self.check_rows()
            self.check_feed()

    def check_versions(self):
        """Each version reads as it was written, and history has them all, newest first."""
        for (kind, id_), versions in self.model.items():
            for number, (_, body) in enumerate(versions, 1):
                answer = self.ask("GET", f"/{kind}/{id_}/_history/{number}")
                assert answer.status == (200 if body else 410)
                if body:
                    self.same(answer, kind, id_, number)
            assert self.ask("GET", f"/{kind}/{id_}/_history/{len(versions) + 1}").status == 404
            found = self.ask("GET", f"/{kind}/{id_}/_history", query="_count=1000").value
            told = [
                (e["request"]["method"], e["response"]["etag"], e.get("resource", {}).get("identifier"))
                for e in found["entry"]
            ]
            wanted = [(m, f'W/"{n}"', (b or {}).get("identifier")) for n, (m, b) in enumerate(versions, 1)]
            assert told == wanted[::-1]
            assert found["total"] == len(versions)
        log = self.ask("GET", "/_history", query="_count=1000").value
        seen = [(e["fullUrl"].split("/")[-2:], e["response"]["etag"]) for e in log["entry"] if self.ours(e["fullUrl"])]
        assert len(seen) == len({(tuple(k), tag) for k, tag in seen}) == len(self.order)

    def ours(self, url):
        return tuple(url.split("/")[-2:]) in self.model

    def check_rows(self):
        """The index tables hold what the current bodies say: nothing missing, nothing left over."""
        rids = {resource_key(*name): name for name in self.model}

        async def rows():
            async with self.platform.record.pool.connection() as db:
                found = {}
                for table, columns in (
                    ("resource", "rid, home, at, version, deleted, keys"), ("idx", "rid, home, at, h0, h1, h2, h3, h4, h5, h6, h7"),
                    ("str", "rid, home, hash, norm, raw"), ("span", "rid, home, hash, lo, hi"),
                    ("quantity", "rid, home, hash, lo, hi, unit, canon_unit, canon_lo, canon_hi"), ("history", "rid, version"),
                ):  # fmt: skip
                    query = f"SELECT {columns} FROM {table} WHERE rid = ANY(%s)"
                    found[table] = await (await db.execute(query, (list(rids),))).fetchall()
                return found

        found = self.platform.run(rows())
        by_rid = {row[0]: row for row in found["resource"]}
        assert set(by_rid) == set(rids)
        for rid, (kind, id_) in rids.items():
            body, versions = self.live(kind, id_), self.model[kind, id_]
            _, home, at, version, deleted, keys = by_rid[rid]
            assert (version, deleted) == (len(versions), body is None)
            assert sorted(v for r, v in found["history"] if r == rid) == list(range(1, len(versions)))
            mine = {
                table: [row[1:] for row in found[table] if row[0] == rid]
                for table in ("idx", "str", "span", "quantity")
            }
            if body is None:
                assert not any(mine.values())
                continue
            made = prepare(json.dumps(body).encode()).rows
            assert sorted(keys) == sorted(_facts(made, kind, rid))
            assert at == made.at
            assert home == (rid if made.patient is None else made.patient)
            assert sorted(key for _, _, *lanes in mine["idx"] for key in lanes if key is not None) == sorted(made.keys)
            assert all(
                key & 7 == lane for _, _, *lanes in mine["idx"] for lane, key in enumerate(lanes) if key is not None
            )
            assert {(h, a) for h, a, *_ in mine["idx"]} == {(home, at)}
            for table, wanted in (("str", made.strings), ("span", made.spans), ("quantity", made.quantities)):
                assert sorted(map(repr, mine[table])) == sorted(repr((home, *row)) for row in wanted), table

    def check_feed(self):
        """Each change comes once, those of one resource in their order; those of one bundle together."""
        seen = []

        async def handle(_, entries):
            seen.extend((entry.type, entry.id, entry.version) for entry in entries)

        while self.platform.run(deliver(self.platform.record, "machine", handle, limit=7)):
            pass
        mine = [one for one in seen if one[:2] in self.model]
        assert sorted(mine) == sorted(self.order)
        for name in self.model:
            assert [v for k, i, v in mine if (k, i) == name] == list(range(1, len(self.model[name]) + 1))


def test_every_life_is_as_the_model_says(platform):
    may_see = Actor("watcher", Labelled("_tag", "urn:t", "shown"))
    Machine.platform = platform
    Machine.watcher = create_fhir_app(
        platform.record, settings=Settings(), secret=b"w" * 32, authenticate=lambda _: may_see
    )
    size = {"max_examples": 400, "stateful_step_count": 60} if LONG else {"max_examples": 18, "stateful_step_count": 16}
    if not LONG:  # to shrink a failure takes minutes: `make fuzz` does
        size["phases"] = [Phase.explicit, Phase.generate]
    run_state_machine_as_test(Machine, settings=settings(**size))
