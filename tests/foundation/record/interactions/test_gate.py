"""No route forgets the gate: who may see one patient learns nothing of another, by whatever is routed."""

from __future__ import annotations

import json

import pytest

from jiankang.foundation.access import Actor, InCompartment
from jiankang.foundation.record.api.routes import OPERATIONS, ROUTES

SECRET = "Verborgen"
JSON_PATCH = {"content_type": "application/json-patch+json"}
FORM = {"content_type": "application/x-www-form-urlencoded"}
PATCH = [{"op": "add", "path": "/language", "value": "zh"}]


class World:
    """Patient A, whom the actor may see, and B, whom they may not; their observations point at both."""

    def __init__(self, ask):
        self.ask = ask
        self.a = ask.patient(name=[{"family": "Offen"}])
        self.b = ask.patient(name=[{"family": SECRET}])
        self.of_a = self._observation(self.a, self.b, "open")
        self.of_b = self._observation(self.b, self.a, SECRET)
        self.list = ask("POST", "/List", {
            "resourceType": "List", "status": "current", "mode": "working",
            "entry": [{"item": {"reference": f"Observation/{one['id']}"}} for one in (self.of_a, self.of_b)],
        }, status=201).value  # fmt: skip
        self.actor = Actor("nurse", InCompartment("Patient", [self.a["id"]]))

    def _observation(self, subject, focus, note):
        return self.ask("POST", "/Observation", {
            "resourceType": "Observation", "status": "final", "code": {"text": note}, "note": [{"text": note}],
            "subject": {"reference": f"Patient/{subject['id']}"}, "focus": [{"reference": f"Patient/{focus['id']}"}],
        }, status=201).value  # fmt: skip


@pytest.fixture(scope="module")
def world(ask):
    return World(ask)


def change(method, url, resource=None):
    return {"request": {"method": method, "url": url}} | ({"resource": resource} if resource else {})


def bundle(kind, *entries):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def cases(world):
    """For each route: requests about B, as (path, body, query, headers)."""
    b, of_b = f"Patient/{world.b['id']}", f"Observation/{world.of_b['id']}"
    a = f"Patient/{world.a['id']}"
    value = world.b["identifier"][0]["value"]
    same = {"resourceType": "Patient", "identifier": [{"system": "urn:test", "value": value}]}
    meta = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}]}
    searches = [
        "", f"name={SECRET}", f"identifier=urn:test|{value}", f"_id={world.b['id']}", "_summary=count", "_total=accurate",
        f'_filter=name co "{SECRET}"', "_has:Observation:patient:status=final", f"_content={SECRET}", "_sort=name",
        "_include=*", "_revinclude=Observation:focus", "_revinclude=*", f"_list={world.list['id']}",
    ]  # fmt: skip
    about = [
        "", f"subject={b}", f"patient={b}", f"subject:Patient.name={SECRET}", "_include=Observation:focus", "_include=*:*",
        f"code:text={SECRET}", "_include=Observation:subject&_include:iterate=Patient:link", "_sort=-date",
        f"patient._has:Observation:patient:code:text={SECRET}", f"_list={world.list['id']}",
    ]  # fmt: skip
    every = [("/Patient", None, q, {}) for q in searches] + [("/Observation", None, q, {}) for q in about]
    system = [
        ("/", None, f"_type=Patient,Observation&{q}", {}) for q in ("", f"_id={world.b['id']}", f"_content={SECRET}")
    ]
    return {
        ("GET", ("metadata",)): [("/metadata", None, "", {})],
        ("GET", ()): system,
        ("POST", ("_search",)): [("/_search", f"_type=Patient&_content={SECRET}".encode(), "", FORM)],
        ("POST", ()): [
            ("/", bundle("batch", change("GET", b), change("GET", f"Patient?name={SECRET}"), change("DELETE", b),
                         change("PUT", b, {**world.b, "active": False}), change("GET", f"{of_b}/_history"),
                         change("GET", f"{b}/$everything")), "", {}),
            ("/", bundle("transaction", change("PUT", b, {**world.b, "active": False})), "", {}),
            ("/", bundle("transaction", change("DELETE", f"Patient?name={SECRET}")), "", {}),
            ("/", bundle("transaction", change("GET", b)), "", {}),
            ("/", bundle("transaction", change("GET", f"Observation?subject={b}")), "", {}),
            ("/", bundle("transaction", {"resource": same, "request": {
                "method": "POST", "url": "Patient", "ifNoneExist": f"identifier=urn:test|{value}"}}), "", {}),
        ],
        ("GET", ("_history",)): [("/_history", None, "_count=1000", {})],
        ("GET", ("_bulk", "id")): [("/_bulk/none", None, "", {})],
        ("DELETE", ("_bulk", "id")): [("/_bulk/none", None, "", {})],
        ("GET", ("_bulk", "id", "member")): [("/_bulk/none/Patient.ndjson", None, "", {})],
        ("GET", ("Type",)): every,
        ("POST", ("Type", "_search")): [(f"{p}/_search", q.encode(), "", FORM) for p, _, q, _ in every if q],
        ("POST", ("Type",)): [
            ("/Patient", same, "", {"if_none_exist": f"identifier=urn:test|{value}"}),
            ("/Observation", {"resourceType": "Observation", "status": "final", "code": {"text": "x"},
                              "subject": {"reference": b}}, "", {}),
        ],
        ("PUT", ("Type",)): [("/Patient", same, f"identifier=urn:test|{value}", {})],
        ("PATCH", ("Type",)): [("/Patient", PATCH, f"identifier=urn:test|{value}", JSON_PATCH)],
        ("DELETE", ("Type",)): [("/Patient", None, f"name={SECRET}", {}), ("/Observation", None, f"subject={b}", {})],
        ("GET", ("Type", "_history")): [("/Patient/_history", None, "", {}), ("/Observation/_history", None, "", {})],
        ("GET", ("Type", "id")): [(f"/{b}", None, "", {}), (f"/{of_b}", None, "", {"if_none_match": 'W/"1"'})],
        ("PUT", ("Type", "id")): [
            (f"/{b}", {**world.b, "active": False}, "", {}), (f"/{b}", world.b, "", {"if_match": 'W/"1"'}),
            (f"/{of_b}", {**world.of_b, "subject": {"reference": a}}, "", {}),
        ],
        ("PATCH", ("Type", "id")): [(f"/{b}", PATCH, "", JSON_PATCH)],
        ("DELETE", ("Type", "id")): [(f"/{b}", None, "", {}), (f"/{of_b}", None, "", {"if_match": 'W/"1"'})],
        ("GET", ("Type", "id", "_history")): [(f"/{b}/_history", None, "", {}), (f"/{of_b}/_history", None, "", {})],
        ("GET", ("Type", "id", "_history", "vid")): [(f"/{b}/_history/1", None, "", {})],
        ("GET", ("Type", "id", "member")): [(f"/{b}/Observation", None, "", {}), (f"/{b}/*", None, "", {}),
                                            (f"/{a}/*", None, "_include=*:*", {})],
        ("POST", ("Type", "id", "member", "_search")): [(f"/{b}/Observation/_search", b"status=final", "", FORM)],
        ("GET", ("Type", "id", "$everything")): [(f"/{b}/$everything", None, "", {}), (f"/{a}/$everything", None, "", {})],
        ("POST", ("Type", "id", "$everything")): [(f"/{b}/$everything", {"resourceType": "Parameters"}, "", {})],
        ("POST", ("Type", "$validate")): [("/Patient/$validate", same, "", {})],
        ("POST", ("Type", "id", "$validate")): [(f"/{b}/$validate", same, "", {})],
        ("GET", ("Type", "id", "$validate")): [(f"/{b}/$validate", None, "", {})],
        ("GET", ("Type", "id", "$meta")): [(f"/{b}/$meta", None, "", {})],
        ("POST", ("Type", "id", "$meta-add")): [(f"/{b}/$meta-add", meta, "", {})],
        ("POST", ("Type", "id", "$meta-delete")): [(f"/{b}/$meta-delete", meta, "", {})],
        ("GET", ("$reindex",)): [("/$reindex", None, "", {})],
        ("POST", ("$reindex",)): [("/$reindex", {"resourceType": "Parameters"}, "_type=Basic", {})],
        ("GET", ("Type", "id", "$reindex-status")): [("/SearchParameter/x/$reindex-status", None, "", {})],
        ("GET", ("$export",)): [("/$export", None, "", {"prefer": "respond-async"})],
        ("POST", ("$export",)): [("/$export", {"resourceType": "Parameters"}, "", {"prefer": "respond-async"})],
        ("GET", ("Type", "$export")): [("/Patient/$export", None, "", {"prefer": "respond-async"})],
        ("POST", ("Type", "$export")): [("/Patient/$export", {"resourceType": "Parameters"}, "", {"prefer": "respond-async"})],
        ("GET", ("Type", "id", "$export")): [(f"/{b}/$export", None, "", {"prefer": "respond-async"})],
        ("POST", ("Type", "id", "$export")): [(f"/{b}/$export", {"resourceType": "Parameters"}, "", {"prefer": "respond-async"})],
        ("POST", ("$import",)): [("/$import", json.dumps(world.b).encode() + b"\n", "",
                                  {"content_type": "application/fhir+ndjson", "prefer": "respond-async"})],
    }  # fmt: skip


def resources(value):
    """The resources in a Bundle and in the Bundles in it."""
    for one in value.get("entry", []):
        found = one.get("resource", {})
        if found.get("resourceType") == "Bundle":
            yield from resources(found)
        elif found.get("resourceType") != "OperationOutcome":
            yield found


def of_the_record():
    """What the record itself routes; other rooms show theirs by tests of their own."""
    routed = {**ROUTES, **OPERATIONS}
    return {key for key, route in routed.items() if route.handler.__module__.startswith("jiankang.foundation.record")}


def test_every_route_has_a_case(world):
    assert set(cases(world)) == of_the_record()


@pytest.mark.parametrize("route", sorted(of_the_record()), ids=lambda route: f"{route[0]} /{'/'.join(route[1])}")
def test_nothing_of_another_patient_is_shown_or_changed(ask, world, route):
    server = ask.platform.app.server
    before = [ask("GET", f"/{one['resourceType']}/{one['id']}").body for one in (world.b, world.of_b)]
    local = server.authenticate
    server.authenticate = lambda _: world.actor
    try:
        for path, body, query, headers in cases(world)[route]:
            answer = ask(route[0], path, body, query=query, **headers)
            assert answer.status < 500, (path, query, answer.body)
            told = json.dumps(answer.value, ensure_ascii=False) if answer.body else ""
            asked = f"{query} {body!r}"
            if SECRET in asked:  # it may be named back to who named it, in links and messages, not in resources
                told = json.dumps(list(resources(answer.value or {})), ensure_ascii=False)
            assert SECRET not in told, (path, query, told[:2000])
            assert world.b["identifier"][0]["value"] not in told or "identifier" in asked, (path, query)
            total = (answer.value or {}).get("total") if answer.body else None
            assert total is None or total <= 2 or "_history" in path, (path, query, total)
    finally:
        server.authenticate = local
    assert [ask("GET", f"/{one['resourceType']}/{one['id']}").body for one in (world.b, world.of_b)] == before


def test_one_s_own_patient_is_shown(ask, world):
    server = ask.platform.app.server
    local, server.authenticate = server.authenticate, lambda _: world.actor
    try:
        a = f"Patient/{world.a['id']}"
        ask("GET", f"/{a}", status=200)
        assert ask.ids("/Patient") == {world.a["id"]}
        assert ask.ids("/Observation") == {world.of_a["id"]}
        assert ask("GET", "/Observation", query="_summary=count").value["total"] == 1
        everything = ask("GET", f"/{a}/$everything", status=200).value
        assert {one["resource"]["id"] for one in everything["entry"]} == {world.a["id"], world.of_a["id"]}
        history = ask("GET", "/_history", status=200).value
        assert {one["resource"]["id"] for one in history["entry"]} == {world.a["id"], world.of_a["id"]}
    finally:
        server.authenticate = local


def test_what_is_hidden_looks_like_what_never_was(ask, world):
    server = ask.platform.app.server
    local, server.authenticate = server.authenticate, lambda _: world.actor
    try:
        for method in ("GET", "DELETE"):
            hidden = ask(method, f"/Patient/{world.b['id']}")
            never = ask(method, "/Patient/never-was")
            assert hidden.status == never.status
            assert hidden.body.replace(world.b["id"].encode(), b"never-was") == never.body
    finally:
        server.authenticate = local
    ask("GET", f"/Patient/{world.b['id']}", status=200)
