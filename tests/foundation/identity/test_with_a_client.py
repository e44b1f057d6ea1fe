"""The patient index asked by a client that others wrote (fhirpy): feed, match, cross-reference, merge, unmerge."""

from __future__ import annotations

from typing import Any

import pytest
from fhirpy import SyncFHIRClient

from jiankang.foundation.identity import Normaliser

CITIZEN = "urn:oid:2.16.156.10011.1.3"
NUMBER = "469051196001010018"


@pytest.fixture(scope="module")
def client(served: Any, database_url_of_module: str, tmp_path_factory: pytest.TempPathFactory):
    options = {"database_url": database_url_of_module, "workers": "2"}
    server = served.Served(tmp_path_factory.mktemp("client") / "data", options).start()
    yield SyncFHIRClient(f"http://127.0.0.1:{server.port}/fhir")
    server.stop()


def a_patient(client: SyncFHIRClient, system: str, value: str, number: str = NUMBER, name: str = "吴海燕") -> Any:
    return client.resource(
        "Patient", name=[{"text": name}], birthDate=f"{number[6:10]}-{number[10:12]}-{number[12:14]}", gender="male",
        identifier=[{"system": CITIZEN, "value": number}, {"system": system, "value": value}],
    )  # fmt: skip


def parameter(answer: dict[str, Any], name: str) -> Any:
    return next(one for one in answer["parameter"] if one["name"] == name)


def test_three_hospitals_feed_one_person_who_is_found_merged_and_unmerged(client):
    assert Normaliser("20261123").row({"citizen_id": NUMBER, "name": "吴海燕"}).citizen == NUMBER
    for hospital in ("a", "b", "c"):
        _, created = (
            client.resources("Patient")
            .search(identifier=f"urn:h:{hospital}|1")
            .get_or_create(a_patient(client, f"urn:h:{hospital}", "1"))
        )
        assert created
    asked = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "resource", "resource": a_patient(client, "urn:h:d", "9").serialize()},
            {"name": "onlyCertainMatches", "valueBoolean": True},
        ],
    }
    found = client.execute("Patient/$match", method="post", data=asked)
    assert found["total"] == 1
    person = client.get("Patient", found["entry"][0]["resource"]["id"])
    assert {one["value"] for one in person["identifier"]} == {NUMBER, "1"}
    assert len(person["link"]) == 3
    crossed = client.execute(
        "Patient/$ihe-pix", method="get", params={"sourceIdentifier": "urn:h:a|1", "targetSystem": "urn:h:c"}
    )
    assert parameter(crossed, "targetIdentifier")["valueIdentifier"] == {"system": "urn:h:c", "value": "1"}
    other = a_patient(client, "urn:h:e", "5", "469051196001020013", "吴大海")
    other.save()
    merge = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "source-patient", "valueReference": {"reference": f"Patient/{other['id']}"}},
            {"name": "target-patient", "valueReference": {"reference": f"Patient/{person['id']}"}},
            {"name": "force", "valueBoolean": True},
        ],
    }
    done = client.execute("Patient/$merge", method="post", data=merge)
    assert len(client.get("Patient", person["id"])["link"]) == 4
    undo = {"resourceType": "Parameters", "parameter": [parameter(done, "operation")]}
    client.execute("Patient/$unmerge", method="post", data=undo)
    assert len(client.get("Patient", person["id"])["link"]) == 3
    assert len(client.resources("Patient").search(identifier="urn:h:e|5").fetch()) == 1
