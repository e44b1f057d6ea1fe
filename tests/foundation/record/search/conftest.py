"""Fixtures of the search tests: an empty record, and one with a small world in it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from jiankang.foundation.record.store import Record

_spec = importlib.util.spec_from_file_location("search_rig", Path(__file__).with_name("rig.py"))
assert _spec is not None
assert _spec.loader is not None
rig_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(rig_module)


@pytest.fixture
async def rig(database_url):
    async with Record.open(database_url) as record:
        yield rig_module.Rig(record)


def patient(id_, family, given, **more):
    return {"resourceType": "Patient", "id": id_, "name": [{"family": family, "given": [given]}], **more}


def observation(id_, who, code, date=None, **more):
    resource = {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": f"Code {code}"}]},
        "subject": {"reference": who},
        **more,
    }
    if date is not None:
        resource["effectiveDateTime"] = date
    return resource


WORLD = [
    {"resourceType": "Organization", "id": "o1", "name": "Hainan General Hospital", "active": True},
    {"resourceType": "Organization", "id": "o2", "name": "Township Clinic", "partOf": {"reference": "Organization/o1"}},
    {
        "resourceType": "Practitioner",
        "id": "d1",
        "name": [{"family": "Wu", "given": ["Lan"]}],
        "identifier": [{"system": "urn:licence", "value": "L1"}],
    },
    patient(
        "p1", "Smith", "Anna", gender="female", birthDate="1970-05-01", active=True,
        identifier=[{
            "system": "urn:mrn", "value": "100",
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
        }],
        managingOrganization={"reference": "Organization/o2"},
        generalPractitioner=[{"reference": "Practitioner/d1"}],
        telecom=[{"system": "phone", "value": "(0898) 66-123"}],
        meta={"tag": [{"system": "urn:tags", "code": "blue"}], "profile": ["http://example.org/p|1.0"], "source": "urn:s1"},
        text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">A quiet person with asthma</div>'},
    ),
    patient(
        "p2", "Smithson", "Béla", gender="male", birthDate="1980",
        identifier=[{"system": "urn:mrn", "value": "200"}, {"system": "urn:nid", "value": "100"}],
        managingOrganization={"reference": "Organization/o1"},
    ),
    patient("p3", "张", "伟", gender="male", birthDate="1990-07-20", address=[{"city": "海口", "text": "海口市龙华区"}]),
    patient("p4", "O'Brien, Jr", "anna", birthDate="2001-02"),
    observation("b1", "Patient/p1", "8480-6", "2020-01-01", valueQuantity={
        "value": 120, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}),
    observation("b2", "Patient/p1", "8480-6", "2021-03-04T10:00:00Z", valueQuantity={
        "value": 145.5, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}),
    observation("b3", "Patient/p2", "8480-6", "2019-12-31", valueQuantity={
        "value": 19, "unit": "kPa", "system": "http://unitsofmeasure.org", "code": "kPa"}),
    observation("b4", "Patient/p2", "29463-7", "2022-06-30", valueQuantity={
        "value": 70, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}),
    observation("b5", "Patient/p3", "29463-7", valueQuantity={
        "value": 70000, "unit": "g", "system": "http://unitsofmeasure.org", "code": "g"}),
    observation("b6", "Patient/p3", "1234-5", valueString="negative", performer=[
        {"reference": "Practitioner/d1"}, {"reference": "Organization/o1"}]),
    {
        "resourceType": "Observation", "id": "b7", "status": "preliminary", "subject": {"reference": "Patient/p1"},
        "code": {"text": "Home made test"}, "effectivePeriod": {"start": "2018-01-01", "end": "2018-12-31"},
        "component": [
            {"code": {"coding": [{"system": "urn:c", "code": "a"}]}, "valueQuantity": {"value": 1}},
            {"code": {"coding": [{"system": "urn:c", "code": "b"}]}, "valueQuantity": {"value": 2}},
        ],
    },
    {
        "resourceType": "Encounter", "id": "e1", "status": "finished", "subject": {"reference": "Patient/p1"},
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "period": {"start": "2020-01-01"}, "serviceProvider": {"reference": "Organization/o2"},
    },
    {
        "resourceType": "List", "id": "l1", "status": "current", "mode": "working",
        "entry": [{"item": {"reference": "Patient/p1"}}, {"item": {"reference": "Patient/p3"}}],
    },
    {
        "resourceType": "ValueSet", "id": "v1", "status": "active", "url": "http://example.org/fhir/ValueSet/a",
    },
    {
        "resourceType": "ValueSet", "id": "v2", "status": "active", "url": "http://example.org/fhir/ValueSet/a/b",
    },
    {
        "resourceType": "Location", "id": "n1", "status": "active", "name": "Haikou",
        "position": {"longitude": 110.35, "latitude": 20.02},
    },
    {
        "resourceType": "Location", "id": "n2", "status": "active", "name": "Sanya",
        "position": {"longitude": 109.5, "latitude": 18.25},
    },
]  # fmt: skip


@pytest.fixture
async def world(rig):
    await rig.put(*WORLD)
    return rig
