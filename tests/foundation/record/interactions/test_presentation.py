"""How answers look: _format, _pretty, _summary, _elements, content codings, CORS, HEAD, metadata."""

from __future__ import annotations

import gzip
import json

import pytest
import zstandard

from jiankang.fhir.structure import check
from jiankang.foundation.record.api.routes import OPERATIONS, ROUTES

WHOLE = {
    "resourceType": "Patient", "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
    "active": True, "name": [{"family": "麦"}], "photo": [{"title": "p"}], "contact": [{"name": {"text": "c"}}],
}  # fmt: skip
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


@pytest.fixture(scope="module")
def path(ask):
    return f"/Patient/{ask('POST', '/Patient', WHOLE, status=201).value['id']}"


@pytest.mark.parametrize(
    ("query", "members"),
    [
        ("_summary=true", {"active", "name"}),
        ("_summary=text", {"text"}),
        ("_summary=data", {"active", "name", "photo", "contact"}),
        ("_elements=name", {"name"}),
        ("_elements=Patient.contact,active", {"contact", "active"}),
    ],
)
def test_a_part_of_a_resource_is_marked_as_a_part(ask, path, query, members):
    shown = ask("GET", path, query=query, status=200).value
    assert set(shown) - {"resourceType", "id", "meta"} == members
    assert SUBSETTED in shown["meta"]["tag"]
    assert shown["meta"]["versionId"] == "1"
    found = ask("GET", "/Patient", query=f"_id={shown['id']}&{query}").value["entry"][0]["resource"]
    assert set(found) == set(shown)


def test_a_whole_resource_is_not_marked(ask, path):
    assert "tag" not in ask("GET", path, query="_summary=false").value["meta"]
    assert ask("GET", "/Patient", query="_summary=count").value["total"] >= 1
    ask("GET", path, query="_summary=some", status=400)


def test_pretty_is_for_people_and_keeps_numbers(ask):
    raw = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.00}}'
    id_ = ask("POST", "/Observation", raw, status=201).value["id"]
    body = ask("GET", f"/Observation/{id_}", query="_pretty=true").body
    assert body.count(b"\n") > 8
    assert b'"value": 1.00' in body


@pytest.mark.parametrize(
    "asked", ["json", "application/json", "application/fhir+json", "application/fhir%2Bjson", "text/json"]
)
def test_json_is_asked_for_in_many_ways(ask, path, asked):
    answer = ask("GET", path, query=f"_format={asked}", status=200, accept="text/turtle")
    assert answer.headers["content-type"] == "application/fhir+json;charset=utf-8"


def test_bodies_are_packed_both_ways(ask):
    resource = {**WHOLE, "name": [{"family": "长" * 3000}]}
    raw = json.dumps(resource).encode()
    for coding, pack, unpack in (
        ("gzip", gzip.compress, gzip.decompress),
        ("zstd", zstandard.compress, lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body)),
    ):
        answer = ask("POST", "/Patient", pack(raw), status=201, content_encoding=coding,
                     content_type="application/fhir+json", accept_encoding=coding)  # fmt: skip
        assert answer.headers["content-encoding"] == coding
        assert int(answer.headers["content-length"]) == len(answer.body) < len(raw) / 4
        assert json.loads(unpack(answer.body))["name"] == resource["name"]
    ask("POST", "/Patient", raw, status=415, content_encoding="br", content_type="application/fhir+json")
    assert "content-encoding" not in ask("GET", "/metadata", accept_encoding="gzip;q=0").headers


def test_browsers_of_other_origins_are_told_what_they_may_do(ask, path):
    assert "access-control-allow-origin" not in ask("GET", path, origin="https://app.example").headers
    app = ask.platform.app
    app._origins = frozenset({"https://app.example"})
    try:
        asked = ask("OPTIONS", path, status=204, origin="https://app.example", access_control_request_method="PUT")
        assert asked.headers["access-control-allow-origin"] == "https://app.example"
        assert "PUT" in asked.headers["access-control-allow-methods"]
        assert "If-Match" in asked.headers["access-control-allow-headers"]
        assert "ETag" in ask("GET", path, origin="https://app.example").headers["access-control-expose-headers"]
        assert "access-control-allow-origin" not in ask("GET", path, origin="https://evil.example").headers
    finally:
        app._origins = frozenset()


def test_metadata_is_a_valid_capability_statement_of_what_is_routed(ask):
    statement = ask("GET", "/metadata", status=200).value
    assert check(statement) == []
    assert statement["fhirVersion"] == "4.0.1"
    rest = statement["rest"][0]
    by_type = {one["type"]: one for one in rest["resource"]}
    assert len(by_type) == 146
    routed = {route.interaction for route in ROUTES.values()}
    for one in by_type.values():
        assert {each["code"] for each in one["interaction"]} <= routed | {"history-instance", "history-type"}
    assert {each["code"] for each in rest["interaction"]} == {"transaction", "batch", "search-system", "history-system"}
    operations = {each["name"] for each in rest.get("operation", [])}
    operations |= {each["name"] for one in by_type.values() for each in one.get("operation", [])}
    assert operations == {route.interaction for route in OPERATIONS.values()}
    names = {each["name"] for each in by_type["Patient"]["searchParam"]}
    assert {"name", "identifier", "_id", "birthdate"} <= names
    for name in sorted(names - {"_query"})[:40]:
        status = ask("GET", "/Patient", query=f"{name}:missing=true&_count=1").status
        assert status in {200, 400}, name


def test_a_head_of_an_export_begins_nothing(ask):
    before = ask.platform.run(_jobs(ask))
    ask("HEAD", "/$export", status=405, prefer="respond-async")
    assert ask.platform.run(_jobs(ask)) == before


async def _jobs(ask):
    async with ask.platform.record.pool.connection() as db:
        return (await (await db.execute("SELECT count(*) FROM job")).fetchone())[0]


def test_a_form_searches_as_a_query_does(ask, path):
    id_ = path.rsplit("/", 1)[1]
    form = {"content_type": "application/x-www-form-urlencoded"}
    assert ask("POST", "/Patient/_search", f"_id={id_}".encode(), status=200, **form).value["total"] == 1
    both = ask("POST", "/Patient/_search", f"_id={id_}".encode(), query="active=false", status=200, **form)
    assert both.value["total"] == 0
    assert ask("POST", "/_search", f"_id={id_}&_type=Patient".encode(), status=200, **form).value["total"] == 1
    ask("POST", "/Patient/_search", b"{}", status=415, content_type="application/json")


def test_unknown_parameters_are_refused_unless_the_sender_is_lenient(ask):
    refused = ask("GET", "/Patient", query="colour=red", status=400).value["issue"][0]["details"]["text"]
    assert "colour" in refused
    bundle = ask("GET", "/Patient", query="colour=red&_count=1", status=200, prefer="handling=lenient").value
    modes = [entry["search"]["mode"] for entry in bundle["entry"]]
    assert "outcome" in modes
    assert "colour" not in next(link["url"] for link in bundle["link"] if link["relation"] == "self")
