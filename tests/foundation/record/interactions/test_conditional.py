"""Conditional interactions, alone and by many at once: http://hl7.org/fhir/R4/http.html#cond-update."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter

CLIENTS = 64
JSON_PATCH = "application/json-patch+json"


def fresh():
    return uuid.uuid4().hex


def said(answer):
    return answer.value["issue"][0]["details"]["text"]


def person(value, **more):
    return {"resourceType": "Patient", "identifier": [{"system": "urn:c", "value": value}], **more}


def at_once(ask, requests):
    """All requests at the same moment; their answers."""

    async def all_of_them():
        return await asyncio.gather(
            *(
                ask.platform.ask(method, path, json.dumps(body).encode(), b"", headers)
                for method, path, body, headers in requests
            )
        )

    return ask.platform.run(all_of_them())


def test_create_only_where_nothing_matches(ask):
    value = fresh()
    condition = f"identifier=urn:c|{value}"
    first = ask("POST", "/Patient", person(value), status=201, if_none_exist=condition)
    again = ask("POST", "/Patient", person(value, active=True), status=200, if_none_exist="?" + condition)
    assert again.value["id"] == first.value["id"]
    assert "active" not in again.value
    ask("POST", "/Patient", person(value), status=201)
    assert "more than one" in said(ask("POST", "/Patient", person(value), status=412, if_none_exist=condition))
    ask("POST", "/Patient", person(value), status=400, if_none_exist="identifer=x")
    ask("POST", "/Patient", person(value), status=400, if_none_exist="")


def test_sixty_four_who_create_one_identity_make_one(ask):
    value = fresh()
    headers = {"if-none-exist": f"identifier=urn:c|{value}"}
    answers = at_once(ask, [("POST", "/Patient", person(value), headers)] * CLIENTS)
    assert Counter(answer.status for answer in answers) == {201: 1, 200: CLIENTS - 1}
    assert len({answer.value["id"] for answer in answers}) == 1
    assert len(ask.ids("/Patient", f"identifier=urn:c|{value}")) == 1


def test_sixty_four_bundles_that_create_one_identity_make_one(ask):
    value = fresh()
    bundle = {
        "resourceType": "Bundle", "type": "transaction", "entry": [
            {"fullUrl": "urn:uuid:1b4e28ba-2fa1-11d2-883f-0016d3cca427", "resource": person(value),
             "request": {"method": "POST", "url": "Patient", "ifNoneExist": f"identifier=urn:c|{value}"}},
            {"resource": {"resourceType": "Basic", "code": {"text": "x"},
                          "subject": {"reference": "urn:uuid:1b4e28ba-2fa1-11d2-883f-0016d3cca427"}},
             "request": {"method": "POST", "url": "Basic"}},
        ],
    }  # fmt: skip
    answers = at_once(ask, [("POST", "/", bundle, {})] * CLIENTS)
    assert Counter(answer.status for answer in answers) == {200: CLIENTS}
    made = Counter(answer.value["entry"][0]["response"]["status"] for answer in answers)
    assert made == {"201 Created": 1, "200 OK": CLIENTS - 1}
    (id_,) = ask.ids("/Patient", f"identifier=urn:c|{value}")
    assert ask("GET", "/Basic", query=f"subject=Patient/{id_}&_summary=count").value["total"] == CLIENTS


def test_sixty_four_who_change_what_they_read_lose_no_change(ask):
    stored = ask.patient(multipleBirthInteger=0)
    path = f"/Patient/{stored['id']}"

    async def add_one():
        refused = 0
        while True:
            read = await ask.platform.ask("GET", path)
            body = {**read.value, "multipleBirthInteger": read.value["multipleBirthInteger"] + 1}
            answer = await ask.platform.ask(
                "PUT", path, json.dumps(body).encode(), headers={"if-match": read.headers["etag"]}
            )
            if answer.status == 200:
                return refused
            assert answer.status == 412, answer.body
            refused += 1

    async def all_of_them():
        return await asyncio.gather(*(add_one() for _ in range(16)))

    assert sum(ask.platform.run(all_of_them())) > 0
    assert ask("GET", path).value["multipleBirthInteger"] == 16
    assert ask("GET", path).value["meta"]["versionId"] == "17"


def test_update_of_what_matches(ask):
    value = fresh()
    query = f"identifier=urn:c|{value}"
    made = ask("PUT", "/Patient", person(value), query=query, status=201)
    id_ = made.value["id"]
    changed = ask("PUT", "/Patient", person(value, active=True), query=query, status=200)
    assert (changed.value["id"], changed.headers["etag"]) == (id_, 'W/"2"')
    ask("PUT", "/Patient", person(value, id=id_), query=query, status=200)
    assert "matches" in said(ask("PUT", "/Patient", person(value, id="other"), query=query, status=400))
    ask("PUT", "/Patient", person(value), query=query, status=412, if_match='W/"1"')
    own = f"mine-{value[:20]}"
    assert (
        ask("PUT", "/Patient", person(fresh(), id=own), query=f"identifier=urn:c|{fresh()}", status=201).value["id"]
        == own
    )
    ask("PUT", "/Patient", person(value), status=400)
    ask("POST", "/Patient", person(value), status=201)
    ask("PUT", "/Patient", person(value), query=query, status=412)


def test_sixty_four_updates_of_one_identity_make_one_resource(ask):
    value = fresh()

    async def all_of_them():
        body = json.dumps(person(value)).encode()
        return await asyncio.gather(
            *(ask.platform.ask("PUT", "/Patient", body, f"identifier=urn:c|{value}".encode()) for _ in range(CLIENTS))
        )

    answers = ask.platform.run(all_of_them())
    assert Counter(answer.status for answer in answers) == {201: 1, 200: CLIENTS - 1}
    assert sorted(int(answer.value["meta"]["versionId"]) for answer in answers) == list(range(1, CLIENTS + 1))


def test_patch_of_what_matches(ask):
    value = fresh()
    stored = ask("POST", "/Patient", person(value), status=201).value
    patch = [{"op": "add", "path": "/active", "value": True}]
    done = ask("PATCH", "/Patient", patch, query=f"identifier=urn:c|{value}", status=200, content_type=JSON_PATCH)
    assert (done.value["id"], done.value["active"]) == (stored["id"], True)
    ask("PATCH", "/Patient", patch, query=f"identifier=urn:c|{fresh()}", status=404, content_type=JSON_PATCH)
    ask("POST", "/Patient", person(value), status=201)
    ask("PATCH", "/Patient", patch, query=f"identifier=urn:c|{value}", status=412, content_type=JSON_PATCH)


def test_delete_of_all_that_match(ask):
    value = fresh()
    ids = [ask("POST", "/Patient", person(value), status=201).value["id"] for _ in range(3)]
    ask("DELETE", "/Patient", query=f"identifier=urn:c|{value}", status=204)
    for id_ in ids:
        ask("GET", f"/Patient/{id_}", status=410)
    ask("DELETE", "/Patient", query=f"identifier=urn:c|{value}", status=204)
    ask("DELETE", "/Patient", status=400)
    ask("DELETE", "/Patient", query="_count=1", status=400)


def test_delete_of_one_where_the_server_is_set_so(ask):
    value = fresh()
    for _ in range(2):
        ask("POST", "/Patient", person(value), status=201)
    settings = ask.platform.app.server.settings
    try:
        object.__setattr__(settings, "conditional_delete", "single")
        ask("DELETE", "/Patient", query=f"identifier=urn:c|{value}", status=412)
    finally:
        object.__setattr__(settings, "conditional_delete", "multiple")
    assert len(ask.ids("/Patient", f"identifier=urn:c|{value}")) == 2
