"""The operations of a patient index, asked over HTTP."""

from __future__ import annotations

import itertools
import json
from datetime import date, timedelta
from typing import Any

import pytest

from jiankang.foundation.access import Actor, InCompartment, Not

CITIZEN = "urn:oid:2.16.156.10011.1.3"
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_days = (date(1950, 1, 2) + timedelta(days=37 * n) for n in itertools.count())


def number() -> str:
    """The citizen's number of a man born on a day of his own."""
    first = f"469051{next(_days):%Y%m%d}017"
    total = sum(int(digit) * weight for digit, weight in zip(first, _WEIGHTS, strict=True))
    return first + "10X98765432"[total % 11]


def a_patient(citizen: str = "", name: str = "王建国", **more: Any) -> dict[str, Any]:
    identifiers = [{"system": CITIZEN, "value": citizen}] if citizen else []
    identifiers += more.pop("identifier", [])
    born = f"{citizen[6:10]}-{citizen[10:12]}-{citizen[12:14]}" if citizen else "1985-06-12"
    one = {"resourceType": "Patient", "name": [{"text": name}], "birthDate": born, **more}
    return one | ({"identifier": identifiers} if identifiers else {})


@pytest.fixture(autouse=True)
def _open(open_platform):
    return open_platform


@pytest.fixture
def register(ask):
    """Registers a Patient; its id."""

    def go(*given: Any, **more: Any) -> str:
        return ask("POST", "/Patient", a_patient(*given, **more), status=201).value["id"]

    return go


def parameters(**values: Any) -> dict[str, Any]:
    found = []
    for name, value in values.items():
        name = name.replace("_", "-")
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, bool):
                found.append({"name": name, "valueBoolean": one})
            elif isinstance(one, int):
                found.append({"name": name, "valueInteger": one})
            elif isinstance(one, str):
                found.append({"name": name, "valueString": one})
            elif "resourceType" in one:
                found.append({"name": name, "resource": one})
            else:
                found.append({"name": name, "valueReference": one})
    return {"resourceType": "Parameters", "parameter": found}


def ref(id_: str) -> dict[str, str]:
    return {"reference": f"Patient/{id_}"}


def matched(ask: Any, patient: dict[str, Any], **more: Any) -> list[tuple[str, str, float]]:
    """Who a patient may be: (id, grade, score)."""
    bundle = ask("POST", "/Patient/$match", parameters(resource=patient, **more), status=200).value
    entries = [entry for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"]
    return [(e["resource"]["id"], e["search"]["extension"][0]["valueCode"], e["search"]["score"]) for e in entries]


def person_of(ask: Any, id_: str) -> str:
    history = ask("GET", f"/Patient/{id_}/$link-history", status=200).value
    last = {part["name"]: part for part in history["parameter"][0]["part"]}
    return last["to"]["valueReference"]["reference"].removeprefix("Patient/")


def done(answer: Any) -> str:
    """The id of the operation that was done."""
    return next(one["valueString"] for one in answer.value["parameter"] if one["name"] == "operation")


# -- the person -----------------------------------------------------------------------------------------------------


def test_a_person_is_a_patient_made_of_all_registrations(ask, register):
    citizen = number()
    one = register(citizen, telecom=[{"system": "phone", "value": "15400000001"}])
    two = register(citizen, "王建國", gender="male", identifier=[{"system": "urn:h2", "value": "77"}])
    person = person_of(ask, one)
    assert person == person_of(ask, two)
    patient = ask("GET", f"/Patient/{person}", status=200).value
    assert patient["meta"]["tag"][0]["code"] == "golden"
    assert {each["value"] for each in patient["identifier"]} == {citizen, "77"}
    assert patient["gender"] == "male"
    assert patient["telecom"][0]["value"] == "15400000001"
    assert {link["other"]["reference"] for link in patient["link"]} == {f"Patient/{one}", f"Patient/{two}"}
    rules = {each["extension"][0]["valueCode"]: each["extension"][1]["valueCode"] for each in patient["extension"]}
    assert rules["birthDate"] == "verified"
    assert rules["telecom"] == "all"


def test_a_person_passes_the_validator(ask, register):
    patient = ask("GET", f"/Patient/{person_of(ask, register(number()))}", status=200).value
    outcome = ask("POST", "/Patient/$validate", patient, status=200).value
    assert not [issue for issue in outcome["issue"] if issue["severity"] in {"error", "fatal"}]


def test_a_person_cannot_be_written_or_deleted(ask, register):
    person = person_of(ask, register(number()))
    patient = ask("GET", f"/Patient/{person}", status=200).value
    assert ask("PUT", f"/Patient/{person}", patient).status == 409
    assert ask("GET", f"/Patient/{person}/_history").status == 404
    assert ask("GET", "/Patient/person-0193b3c2-0000-7000-8000-000000000000").status == 404
    assert ask("GET", "/Patient/person-nonsense").status == 404


def test_searches_and_everything_on_a_person_see_all_linked_records(ask, register):
    citizen = number()
    one, two, other = register(citizen), register(citizen), register(number(), "李梅")
    for id_ in (one, two, other):
        observation = {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "urn:c", "code": "w"}]},
                       "subject": ref(id_), "valueString": id_}  # fmt: skip
        ask("POST", "/Observation", observation, status=201)
    person = person_of(ask, one)

    def seen(path: str, query: str = "") -> set[str]:
        bundle = ask("GET", path, query=query, status=200).value
        found = [entry["resource"] for entry in bundle.get("entry", [])]
        assert all(
            each["subject"]["reference"] == f"Patient/{each['valueString']}" for each in found if "subject" in each
        )
        return {each.get("valueString") for each in found if each["resourceType"] == "Observation"}

    assert seen("/Observation", f"patient={person}") == {one, two}
    assert seen("/Observation", f"subject=Patient/{person}&code=urn:c|w") == {one, two}
    assert seen(f"/Patient/{person}/Observation") == {one, two}
    assert seen(f"/Patient/{person}/$everything") == {one, two}
    assert seen("/Observation", f"patient={one}") == {one}
    everything = ask("GET", f"/Patient/{person}/$everything", status=200).value
    assert everything["entry"][0]["resource"]["id"] == person
    assert ask.ids("/Patient", f"_id={person}") == {one, two}


def test_a_person_shows_only_what_the_actor_may_see_of_it(ask, platform, register):
    citizen = number()
    one = register(citizen, telecom=[{"system": "phone", "value": "15400000002"}])
    two = register(citizen, gender="male")
    person = person_of(ask, one)
    server, before = platform.app.server, platform.app.server.authenticate
    server.authenticate = lambda _: Actor("somebody", Not(InCompartment("Patient", [one])))
    try:
        patient = ask("GET", f"/Patient/{person}", status=200).value
        assert "telecom" not in patient
        assert [link["other"]["reference"] for link in patient["link"]] == [f"Patient/{two}"]
        server.authenticate = lambda _: Actor("somebody", Not(InCompartment("Patient", [one, two])))
        assert ask("GET", f"/Patient/{person}").status == 404
        assert matched(ask, a_patient(citizen)) == []
    finally:
        server.authenticate = before


# -- $match ---------------------------------------------------------------------------------------------------------


def test_match_answers_with_grade_score_and_an_explanation_in_words(ask, register):
    citizen = number()
    one = register(citizen)
    bundle = ask("POST", "/Patient/$match", parameters(resource=a_patient(citizen)), status=200).value
    assert bundle["type"] == "searchset"
    assert bundle["total"] == 1
    search = bundle["entry"][0]["search"]
    assert search["mode"] == "match"
    assert search["score"] > 0.999
    assert search["extension"][0] == {
        "url": "http://hl7.org/fhir/StructureDefinition/match-grade", "valueCode": "certain",
    }  # fmt: skip
    fields = [each for each in search["extension"][1]["extension"] if each["url"] == "field"]
    words = {each["extension"][0]["valueCode"]: each["extension"][3]["valueString"] for each in fields}
    assert "相同且有效" in words["citizen"]
    assert "the same and valid" in words["citizen"]
    assert bundle["entry"][0]["resource"]["id"] == person_of(ask, one)


def test_match_tells_certain_from_possible(ask, register):
    citizen = number()
    register(citizen, "欧阳娜")
    born = f"{citizen[6:10]}-{citizen[10:12]}-{citizen[12:14]}"
    possible = a_patient("", "欧阳娜", birthDate=born)
    assert [grade in {"possible", "probable"} for _, grade, _ in matched(ask, possible)] == [True]
    assert matched(ask, possible, onlyCertainMatches=True) == []
    assert [grade for _, grade, _ in matched(ask, a_patient(citizen, "欧阳娜"), onlyCertainMatches=True)] == ["certain"]
    assert matched(ask, a_patient(number(), "符永强")) == []


def test_match_says_what_is_missing(ask):
    answer = ask("POST", "/Patient/$match", parameters(resource={"resourceType": "Patient", "name": [{"text": "王"}]}))
    assert answer.status == 422
    assert "document's number" in answer.value["issue"][0]["details"]["text"]
    assert ask("POST", "/Patient/$match", parameters(count=3)).status == 400


# -- $ihe-pix -------------------------------------------------------------------------------------------------------


def test_pix_answers_the_identifiers_of_other_domains(ask, register):
    citizen = number()
    register(citizen, identifier=[{"system": "urn:pix:a", "value": "A1"}])
    register(citizen, identifier=[{"system": "urn:pix:b", "value": "B1"}])
    register(number(), identifier=[{"system": "urn:pix:c", "value": "C1"}])

    def cross(query: str, status: int = 200) -> Any:
        return ask("GET", "/Patient/$ihe-pix", query=query, status=status).value

    def identifiers(body: Any) -> set[str]:
        return {p["valueIdentifier"]["value"] for p in body.get("parameter", []) if p["name"] == "targetIdentifier"}

    assert identifiers(cross("sourceIdentifier=urn:pix:a|A1")) == {"B1", citizen}
    assert identifiers(cross("sourceIdentifier=urn:pix:a|A1&targetSystem=urn:pix:b")) == {"B1"}
    assert "parameter" not in cross("sourceIdentifier=urn:pix:a|A1&targetSystem=urn:pix:c")
    assert cross("sourceIdentifier=urn:pix:a|A2", 404)["issue"][0]["code"] == "not-found"
    assert cross("sourceIdentifier=urn:pix:z|A1", 400)["issue"][0]["code"] == "code-invalid"
    assert cross("sourceIdentifier=urn:pix:a|A1&targetSystem=urn:pix:z", 403)["issue"][0]["code"] == "code-invalid"
    assert cross("", 400)["issue"][0]["code"] == "required"
    targets = [p for p in cross("sourceIdentifier=urn:pix:a|A1")["parameter"] if p["name"] == "targetId"]
    assert len(targets) == 3


def test_a_feed_by_conditional_update_keeps_one_registration(ask):
    """IHE PIXm ITI-104: add, revise and merge."""
    citizen = number()
    where = {"query": "identifier=urn:feed|F1"}
    one = a_patient(citizen, identifier=[{"system": "urn:feed", "value": "F1"}])
    first = ask("PUT", "/Patient", one, status=201, **where).value["id"]
    assert ask("PUT", "/Patient", {**one, "gender": "male"}, status=200, **where).value["id"] == first
    other = a_patient(number(), "李梅", identifier=[{"system": "urn:feed", "value": "F2"}])
    kept = ask("PUT", "/Patient", other, status=201, query="identifier=urn:feed|F2").value["id"]
    subsumed = {**one, "active": False, "link": [{"type": "replaced-by", "other": ref(kept)}]}
    ask("PUT", "/Patient", subsumed, status=200, **where)
    assert person_of(ask, first) == person_of(ask, kept)


# -- $merge and its kin ---------------------------------------------------------------------------------------------


def test_a_merge_moves_links_and_unmerge_takes_it_back(ask, register):
    one, two = register("", "吴多益"), register("", "吴小益")
    keep, gone = person_of(ask, one), person_of(ask, two)
    preview = ask(
        "POST",
        "/Patient/$merge",
        parameters(source_patient=ref(two), target_patient=ref(one), preview=True),
        status=200,
    )
    assert len(preview.value["parameter"][-1]["resource"]["link"]) == 2
    assert person_of(ask, two) == gone
    answer = ask(
        "POST",
        "/Patient/$merge",
        parameters(source_patient=ref(two), target_patient=ref(one), note="同一人"),
        status=200,
    )
    operation = done(answer)
    assert person_of(ask, two) == keep
    replaced = ask("GET", f"/Patient/{gone}", status=200).value
    assert replaced["active"] is False
    assert replaced["link"] == [{"other": {"reference": f"Patient/{keep}"}, "type": "replaced-by"}]
    provenance = ask("GET", "/Provenance", query=f"target=Patient/{two}", status=200).value["entry"][0]["resource"]
    assert provenance["activity"]["coding"][0]["code"] == "merge"
    assert provenance["reason"][0]["text"] == "同一人"
    ask("POST", "/Patient/$unmerge", parameters(operation=operation), status=200)
    assert person_of(ask, two) == gone
    assert ask("GET", f"/Patient/{gone}", status=200).value["active"] is True
    assert ask("POST", "/Patient/$unmerge", parameters(operation=operation)).status == 409


def test_persons_that_cannot_be_one_are_merged_only_by_force(ask, register):
    one, two = register(number(), "卢一"), register(number(), "卢二二")
    asked = parameters(source_patient=ref(two), target_patient=ref(one))
    refused = ask("POST", "/Patient/$merge", asked)
    assert refused.status == 409
    assert "force" in refused.value["issue"][0]["details"]["text"]
    asked["parameter"].append({"name": "force", "valueBoolean": True})
    ask("POST", "/Patient/$merge", asked, status=200)
    assert person_of(ask, one) == person_of(ask, two)


def test_never_link_parts_two_and_keeps_them_apart(ask, register):
    citizen = number()
    one, two = register(citizen), register(citizen)
    assert person_of(ask, one) == person_of(ask, two)
    operation = done(ask("POST", "/Patient/$never-link", parameters(patient=[ref(two), ref(one)]), status=200))
    assert person_of(ask, one) != person_of(ask, two)
    again = {**a_patient(citizen), "id": two, "gender": "male"}
    ask("PUT", f"/Patient/{two}", again, status=200)
    assert person_of(ask, one) != person_of(ask, two)
    merge = parameters(source_patient=ref(two), target_patient=ref(one))
    assert "never one person" in ask("POST", "/Patient/$merge", merge).value["issue"][0]["details"]["text"]
    ask("POST", "/Patient/$unmerge", parameters(operation=operation), status=200)
    assert person_of(ask, one) == person_of(ask, two)


def test_a_registration_is_moved_to_a_person_of_its_own_and_back(ask, register):
    citizen = number()
    one, two = register(citizen), register(citizen)
    home = person_of(ask, one)
    ask("POST", f"/Patient/{two}/$move", parameters(), status=200)
    assert person_of(ask, two) != home
    ask("POST", f"/Patient/{two}/$move", parameters(to=ref(home)), status=200)
    assert person_of(ask, two) == home
    assert ask("POST", f"/Patient/{two}/$move", parameters(to=ref(home))).status == 409


def test_always_link_joins_what_the_rules_would_not(ask, register):
    one, two = register("", "阿卜杜拉"), register("", "买买提")
    ask("POST", "/Patient/$always-link", parameters(patient=[ref(one), ref(two)]), status=200)
    assert person_of(ask, one) == person_of(ask, two)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/Patient/$merge", parameters(), 400),
        ("/Patient/$merge", parameters(source_patient=ref("nobody"), target_patient=ref("nobody")), 404),
        ("/Patient/$merge", parameters(source_patient={"reference": "Group/1"}, target_patient=ref("x")), 400),
        ("/Patient/$unmerge", parameters(operation="x"), 400),
        ("/Patient/$unmerge", parameters(operation="0193b3c2-0000-7000-8000-000000000000"), 404),
        ("/Patient/$never-link", parameters(patient=[ref("a")]), 400),
        ("/Patient/$always-link", parameters(patient=[ref("a"), ref("b")]), 404),
        ("/Patient/nobody/$move", parameters(), 404),
    ],
)
def test_what_cannot_be_done_says_why(ask, path, body, status):
    answer = ask("POST", path, body)
    assert answer.status == status
    assert answer.value["resourceType"] == "OperationOutcome"


def test_the_operations_are_in_the_capability_statement(ask):
    statement = ask("GET", "/metadata", status=200).value
    patient = next(each for each in statement["rest"][0]["resource"] if each["type"] == "Patient")
    named = {each["name"] for each in patient["operation"]}
    assert {"match", "ihe-pix", "merge", "unmerge", "move", "never-link", "always-link", "link-history"} <= named


def test_a_sender_is_told_what_it_can_mend(ask):
    right = number()
    wrong = right[:-1] + ("1" if right[-1] == "0" else "0")
    answer = ask("POST", "/Patient", a_patient(wrong), prefer="return=OperationOutcome")
    assert answer.status == 201
    assert "check character" in json.dumps(answer.value)
