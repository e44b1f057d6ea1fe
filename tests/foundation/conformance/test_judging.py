"""What becomes of resources that have the right shape and are not valid: http://hl7.org/fhir/R4/validation.html."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from urllib.parse import quote

import pytest

from jiankang.foundation.conformance import judging, read_policy
from jiankang.foundation.record.judging import NOT_VALID
from jiankang.kernel.errors import Invalid
from jiankang.main import compose

FLAG = f"{NOT_VALID['system']}|{NOT_VALID['code']}"
MESSAGE_ID = "http://hl7.org/fhir/StructureDefinition/operationoutcome-message-id"
PROFILE = "https://example.org/StructureDefinition/named-patient"


def period(start="2020-02-01", end="2020-01-01"):
    """An Encounter whose period ends before it begins: per-1."""
    code = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    return {"resourceType": "Encounter", "status": "finished", "class": code, "period": {"start": start, "end": end}}


def bundle(*resources, kind="transaction", method="POST"):
    entries = [{"resource": one, "request": {"method": method, "url": one["resourceType"]}} for one in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def rules(outcome):
    return {
        (each["extension"][0]["valueString"], each["expression"][0]) for each in outcome["issue"] if "extension" in each
    }


class Api:
    """The API with a judge of a certain policy."""

    def __init__(self, platform):
        self.platform = platform
        compose(platform.app.server)
        self.judge = platform.app.server.judge

    def __call__(self, method, path, body=None, *, status=None, query="", **headers):
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.platform(method, path, raw, query=query.encode(), headers=named)
        if status is not None:
            assert answer.status == status, answer.body[:800]
        return answer.value

    def policy(self, text):
        self.judge.policies = read_policy(text)
        return self


@pytest.fixture(scope="module")
def opened(platform):
    return Api(platform)


@pytest.fixture
def api(opened):
    yield opened
    opened.policy("flag")


def test_what_is_not_valid_is_stored_with_a_flag_and_found_by_it(api):
    stored = api("POST", "/Encounter", period(), status=201)
    assert stored["meta"]["tag"] == [NOT_VALID]
    found = api("GET", "/Encounter", query=f"_tag={quote(FLAG)}&_id={stored['id']}", status=200)
    assert len(found["entry"]) == 1


def test_the_text_around_the_flag_stays_as_it_arrived(api):
    text = json.dumps(period()).replace('"status": "finished"', '"status"  :\t"finished"')
    made = api.platform("POST", "/Encounter", text.encode())
    assert b'"status":"finished"' in made.body.replace(b" ", b"").replace(b"\t", b"")
    assert b'"status":\t"finished"' in made.body or b'"finished"' in made.body
    observation = b'{"resourceType":"Observation","meta":{"source":"urn:x"},"status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50},"effectivePeriod":{"start":"2021","end":"2020"}}'
    made = api.platform("POST", "/Observation", observation)
    assert b'"value":1.50' in made.body
    assert made.value["meta"]["source"] == "urn:x"
    assert made.value["meta"]["tag"] == [NOT_VALID]


def test_the_flag_goes_when_the_resource_is_mended_and_other_tags_stay(api):
    own = {"system": "urn:own", "code": "x"}
    stored = api("POST", "/Encounter", {**period(), "meta": {"tag": [own]}}, status=201)
    assert stored["meta"]["tag"] == [own, NOT_VALID]
    mended = {**stored, "period": {"start": "2020-01-01"}}
    assert api("PUT", f"/Encounter/{stored['id']}", mended, status=200)["meta"]["tag"] == [own]
    patch = [{"op": "add", "path": "/period/end", "value": "2019-01-01"}]
    headers = {"content_type": "application/json-patch+json"}
    patched = api("PATCH", f"/Encounter/{stored['id']}", patch, status=200, **headers)
    assert patched["meta"]["tag"] == [own, NOT_VALID]


def test_nobody_flags_what_is_valid(api):
    claimed = {**period("2020-01-01", "2020-02-01"), "meta": {"tag": [NOT_VALID]}}
    assert "tag" not in api("POST", "/Encounter", claimed, status=201)["meta"]


def test_a_policy_of_refusal_tells_rule_place_expectation_and_kind_and_stores_nothing(api):
    api.policy("shape, Encounter=refuse")
    before = api("GET", "/Encounter", query="_summary=count", status=200)["total"]
    wrong = {**period(), "serviceProvider": {"reference": "#nobody"}}
    told = api("POST", "/Encounter", wrong, status=422)
    assert {("per-1", "Encounter.period"), ("ref-1", "Encounter.serviceProvider.reference")} <= rules(told)
    per_1 = next(each for each in told["issue"] if each["extension"][0]["valueString"] == "per-1")
    assert per_1["severity"] == "error"
    assert "expected: " in per_1["diagnostics"]
    assert per_1["diagnostics"].endswith("found: object")
    assert api("GET", "/Encounter", query="_summary=count", status=200)["total"] == before


def test_a_wrong_shape_is_told_together_with_everything_else(api):
    api.policy("refuse")
    told = api("POST", "/Encounter", {**period(), "statuss": 1}, status=422)
    assert {("shape-structure", "Encounter.statuss"), ("per-1", "Encounter.period")} <= rules(told)


def test_a_warning_policy_stores_as_it_is_and_tells(api):
    api.policy("warn")
    told = api("POST", "/Encounter", period(), status=201, prefer="return=OperationOutcome")
    assert ("per-1", "Encounter.period") in rules(told)
    assert "tag" not in api("POST", "/Encounter", period(), status=201)["meta"]


def test_a_policy_of_shape_only_asks_nothing_else(api):
    api.policy("shape")
    stored = api("POST", "/Encounter", period(), status=201)
    assert "tag" not in stored["meta"]


@pytest.mark.parametrize("policy", ["flag", "warn"])
@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_bundles_tell_of_each_entry_that_is_not_valid(api, kind, policy):
    api.policy(policy)
    answer = api("POST", "/", bundle(period(), period("2020-01-01", "2020-02-01"), kind=kind), status=200)
    first, second = (entry["response"] for entry in answer["entry"])
    assert ("per-1", "Encounter.period") in rules(first["outcome"])
    assert first["status"].startswith("201")
    assert "outcome" not in second


def test_a_transaction_is_refused_whole_and_names_all_entries_that_are_not_valid(api):
    api.policy("refuse")
    name = uuid.uuid4().hex
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:t", "value": name}]}
    told = api("POST", "/", bundle(patient, period(), period()), status=422)
    places = {place for _, place in rules(told)}
    assert {"Bundle.entry[1].resource.period", "Bundle.entry[2].resource.period"} <= places
    assert api("GET", "/Patient", query=f"identifier={name}", status=200)["total"] == 0
    big = bundle(*[period()] * 300)
    assert api("POST", "/", big, status=422)["issue"]
    batch = api("POST", "/", bundle(patient, period(), kind="batch"), status=200)
    assert [entry["response"]["status"][:3] for entry in batch["entry"]] == ["201", "422"]


def test_meta_operations_are_judged_too(api):
    stored = api("POST", "/Encounter", period("2020-01-01", "2020-02-01"), status=201)
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "meta", "valueMeta": {"profile": [PROFILE + "-no"]}}],
    }
    api.policy("refuse")
    api("POST", f"/Encounter/{stored['id']}/$meta-add", parameters, status=200)
    wrong = {"name": "meta", "valueMeta": {"profile": ["http://hl7.org/fhir/ValueSet/administrative-gender"]}}
    api("POST", f"/Encounter/{stored['id']}/$meta-add", {**parameters, "parameter": [wrong]}, status=422)


def profile(**name):
    return {
        "resourceType": "StructureDefinition", "id": "named-patient", "url": PROFILE, "name": "NamedPatient", "status": "active",
        "kind": "resource", "abstract": False, "type": "Patient", "derivation": "constraint", "fhirVersion": "4.0.1",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", **name}]},
    }  # fmt: skip


def test_a_profile_is_in_force_as_soon_as_it_is_written(api):
    api.policy("refuse")
    patient = {"resourceType": "Patient", "meta": {"profile": [PROFILE]}}
    api("PUT", "/StructureDefinition/named-patient", profile(min=1), status=201)
    assert ("profile-min", "Patient") in {
        (rule, place.removesuffix(".name")) for rule, place in rules(api("POST", "/Patient", patient, status=422))
    }
    api("POST", "/Patient", {**patient, "name": [{"text": "王伟"}]}, status=201)
    api("PUT", "/StructureDefinition/named-patient", profile(max="0"), status=200)
    api("POST", "/Patient", patient, status=201)
    api("POST", "/Patient", {**patient, "name": [{"text": "王伟"}]}, status=422)
    told = api("POST", "/Patient/$validate", {**patient, "name": [{"text": "王伟"}]}, status=200)
    assert any(each["severity"] == "error" for each in told["issue"])
    api("DELETE", "/StructureDefinition/named-patient")
    api("POST", "/Patient", {**patient, "name": [{"text": "王伟"}]}, status=201)


def coded(code, display=None):
    coding = {"system": "https://example.org/wards", "code": code, **({"display": display} if display else {})}
    return {"resourceType": "Basic", "code": {"coding": [coding]}}


def test_codes_are_asked_of_what_is_loaded_and_of_what_is_loaded_later(api):
    api.policy("refuse")
    api("POST", "/Basic", coded("ward-9"), status=201)  # nobody knows the system yet
    system = {
        "resourceType": "CodeSystem", "id": "wards", "url": "https://example.org/wards", "name": "Wards", "status": "active",
        "content": "complete", "concept": [{"code": "ward-1", "display": "First ward"}],
    }  # fmt: skip
    api("PUT", "/CodeSystem/wards", system, status=201)
    assert ("coding-unknown", "Basic.code.coding[0].code") in rules(api("POST", "/Basic", coded("ward-9"), status=422))
    api("POST", "/Basic", coded("ward-1"), status=201)
    told = api("POST", "/Basic", coded("ward-1", "Last ward"), status=201, prefer="return=OperationOutcome")
    assert ("coding-display", "Basic.code.coding[0].display") in rules(told)
    more = {**system, "concept": [*system["concept"], {"code": "ward-9", "display": "Ninth"}]}
    api("PUT", "/CodeSystem/wards", more, status=200)
    api("POST", "/Basic", coded("ward-9"), status=201)
    many = bundle(*(coded(f"ward-{number}") for number in range(200)))
    told = api("POST", "/", many, status=422)
    assert "Bundle.entry[0].resource.code.coding[0].code" in {place for _, place in rules(told)}


def test_value_sets_of_the_record_bind(api):
    api.policy("refuse")
    concepts = [{"system": "https://example.org/any", "concept": [{"code": "a"}, {"code": "b"}]}]
    api(
        "PUT",
        "/ValueSet/few",
        {
            "resourceType": "ValueSet",
            "id": "few",
            "url": "https://example.org/ValueSet/few",
            "status": "active",
            "compose": {"include": concepts},
        },
        status=201,
    )
    bound = {
        **profile(min=0), "id": "few-basic", "url": "https://example.org/StructureDefinition/few-basic", "type": "Basic", "name": "FewBasic",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Basic",
        "differential": {"element": [{"id": "Basic.code", "path": "Basic.code", "binding": {"strength": "required", "valueSet": "https://example.org/ValueSet/few"}}]},
    }  # fmt: skip
    api("PUT", "/StructureDefinition/few-basic", bound, status=201)

    def basic(code):
        return {
            "resourceType": "Basic",
            "meta": {"profile": [bound["url"]]},
            "code": {"coding": [{"system": "https://example.org/any", "code": code}]},
        }

    api("POST", "/Basic", basic("a"), status=201)
    assert ("binding-required", "Basic.code") in rules(api("POST", "/Basic", basic("z"), status=422))


def test_binary_content_of_any_size_is_judged_without_holding_others_up(api):
    content = base64.b64encode(b"x" * 300_000).decode()
    api.policy("refuse")
    api("POST", "/Binary", {"resourceType": "Binary", "contentType": "text/plain", "data": content}, status=201)


def test_a_policy_that_is_not_understood_is_told_when_the_server_starts():
    assert read_policy("") == {"": "flag"}
    assert read_policy("warn, Patient=refuse,Observation=shape") == {
        "": "warn",
        "Patient": "refuse",
        "Observation": "shape",
    }
    for text in ("strict", "Patiant=refuse", "Patient=", "=x"):
        with pytest.raises(Invalid, match="JIANKANG_VALIDATION"):
            read_policy(text)


def test_many_patches_at_once_never_wait_for_connections_that_they_hold_themselves(api, monkeypatch):
    monkeypatch.setattr(judging, "LOOK_SECONDS", 0.0)
    patch = json.dumps(
        [{"op": "add", "path": "/code", "value": {"coding": [{"system": "urn:new", "code": "x"}]}}]
    ).encode()
    headers = {"content-type": "application/json-patch+json"}
    ids = [api("POST", "/Basic", {"resourceType": "Basic", "code": {"text": "x"}}, status=201)["id"] for _ in range(40)]

    async def at_once():
        asked = (api.platform.ask("PATCH", f"/Basic/{id_}", patch, headers=headers) for id_ in ids)
        return await asyncio.gather(*asked)

    assert {answer.status for answer in api.platform.run(at_once())} == {200}


def test_what_a_transaction_learnt_is_forgotten_when_it_is_undone(api):
    api.policy("refuse")
    url = "https://example.org/undone"
    system = {
        "resourceType": "CodeSystem",
        "url": url,
        "status": "active",
        "content": "complete",
        "concept": [{"code": "a"}],
    }
    basic = {"resourceType": "Basic", "code": {"coding": [{"system": url, "code": "b"}]}}
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:u", "value": uuid.uuid4().hex}]}
    entries = bundle(system, patient)["entry"]
    late = {"resource": basic, "request": {"method": "POST", "url": "Basic", "ifNoneExist": "identifier=urn:u|none"}}
    bad = {"request": {"method": "PATCH", "url": "Basic/nobody"}, "resource": {"resourceType": "Parameters"}}
    api("POST", "/", {"resourceType": "Bundle", "type": "transaction", "entry": [*entries, late, bad]}, status=404)
    api("POST", "/Basic", basic, status=201)  # nobody knows the system
