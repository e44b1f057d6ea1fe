"""Each parameter type, prefix and modifier on a small world whose answers can be read off."""

from __future__ import annotations

import pytest

from jiankang.foundation.access import Actor, InCompartment, Labelled, Not, TypeIn
from jiankang.foundation.record.search import Compartment, plan
from jiankang.foundation.record.search import statistics as search_statistics
from jiankang.kernel.errors import Invalid, NotSupported, Problem, TooCostly

CASES = [
    ("Patient", "", "p1 p2 p3 p4"),
    # strings
    ("Patient", "name=smith", "p1 p2"),
    ("Patient", "name=SMITHS", "p2"),
    ("Patient", "name=bela", "p2"),
    ("Patient", "given:exact=anna", "p4"),
    ("Patient", "given:exact=Anna", "p1"),
    ("Patient", "family:contains=iths", "p2"),
    ("Patient", "family:contains=th", "p1 p2"),
    ("Patient", "name=anna,bela", "p1 p2 p4"),
    ("Patient", "name=smith&name=anna", "p1"),
    ("Patient", "name=张伟", "p3"),
    ("Patient", "name=张", "p3"),
    ("Patient", "address:contains=龙华", "p3"),
    ("Patient", "address-city=海口", "p3"),
    ("Patient", "family=o'brien\\, jr", "p4"),
    ("Patient", "name=nobody", ""),
    ("Patient", "name:missing=true", ""),
    # tokens
    ("Patient", "gender=male", "p2 p3"),
    ("Patient", "gender=http://hl7.org/fhir/administrative-gender|female", "p1"),
    ("Patient", "gender=male,female", "p1 p2 p3"),
    ("Patient", "gender:not=male", "p1 p4"),
    ("Patient", "gender:not=male,female", "p4"),
    ("Patient", "gender:missing=true", "p4"),
    ("Patient", "gender:missing=false", "p1 p2 p3"),
    ("Patient", "active=true", "p1"),
    ("Patient", "identifier=100", "p1 p2"),
    ("Patient", "identifier=urn:mrn|100", "p1"),
    ("Patient", "identifier=urn:mrn|", "p1 p2"),
    ("Patient", "identifier=|100", ""),
    ("Patient", "identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|100", "p1"),
    ("Patient", "phone=089866123", "p1"),
    ("Patient", "telecom=(0898) 66-123", "p1"),
    ("Observation", "code=8480-6", "b1 b2 b3"),
    ("Observation", "code=http://loinc.org|8480-6", "b1 b2 b3"),
    ("Observation", "code=http://loinc.org|", "b1 b2 b3 b4 b5 b6"),
    ("Observation", "code=http://loinc.org|8480-6,1234-5", "b1 b2 b3 b6"),
    ("Observation", "code:text=code 84", "b1 b2 b3"),
    ("Observation", "code:text=home", "b7"),
    ("Observation", "code:not=http://loinc.org|8480-6", "b4 b5 b6 b7"),
    ("Observation", "combo-code=urn:c|a", "b7"),
    # references
    ("Observation", "subject=Patient/p1", "b1 b2 b7"),
    ("Observation", "subject=p1", "b1 b2 b7"),
    ("Observation", "subject:Patient=p1", "b1 b2 b7"),
    ("Observation", "patient=p1", "b1 b2 b7"),
    ("Observation", "patient=Patient/p1,Patient/p3", "b1 b2 b5 b6 b7"),
    ("Observation", "patient=Group/p1", ""),
    ("Observation", "subject=http://jiankang.test/fhir/Patient/p1", "b1 b2 b7"),
    ("Observation", "patient=p1&code=http://loinc.org|8480-6", "b1 b2"),
    ("Observation", "patient=p1,p2&code=8480-6", "b1 b2 b3"),
    ("Observation", "performer:missing=true", "b1 b2 b3 b4 b5 b7"),
    # dates
    ("Patient", "birthdate=1970-05-01", "p1"),
    ("Patient", "birthdate=1980", "p2"),
    ("Patient", "birthdate=1980-01", ""),
    ("Patient", "birthdate=gt1985", "p3 p4"),
    ("Patient", "birthdate=lt1980", "p1"),
    ("Patient", "birthdate=ge1980&birthdate=le1990-12", "p2 p3"),
    ("Patient", "birthdate=ne1980", "p1 p3 p4"),
    ("Patient", "birthdate=sa1980", "p3 p4"),
    ("Patient", "birthdate=eb1980", "p1"),
    ("Observation", "date=2020,2021", "b1 b2"),
    ("Observation", "date=gt2020-01-01", "b2 b4"),
    ("Observation", "date=2018", "b7"),
    ("Observation", "date=ap2018-06", "b7"),
    ("Observation", "date=lt2018-06", "b7"),
    ("Observation", "date=sa2018-06", "b1 b2 b3 b4"),
    ("Encounter", "date=gt2024", "e1"),
    ("Encounter", "date=lt2020", ""),
    # numbers and quantities
    ("Observation", "value-quantity=120", "b1"),
    ("Observation", "value-quantity=gt120", "b2 b5"),
    ("Observation", "value-quantity=gt140||mmHg", "b2"),
    ("Observation", "value-quantity=70|http://unitsofmeasure.org|kg", "b4 b5"),
    ("Observation", "value-quantity=ge18|http://unitsofmeasure.org|kPa", "b2 b3"),
    ("Observation", "code-value-quantity=http://loinc.org|8480-6$gt130", "b2"),
    ("Observation", "code-value-quantity=8480-6$lt130", "b1 b3"),
    ("Observation", "component-code-value-quantity=urn:c|a$1", "b7"),
    ("Observation", "component-code-value-quantity=urn:c|a$2", ""),
    ("Observation", "code-value-string=1234-5$neg", "b6"),
    # uris
    ("ValueSet", "url=http://example.org/fhir/ValueSet/a", "v1"),
    ("ValueSet", "url:below=http://example.org/fhir/ValueSet/a", "v1 v2"),
    ("ValueSet", "url:below=http://example.org/fhir", "v1 v2"),
    ("ValueSet", "url:above=http://example.org/fhir/ValueSet/a/b/c", "v1 v2"),
    # every resource
    ("Patient", "_id=p1,p3", "p1 p3"),
    ("Patient", "_id=p1&name=smithson", ""),
    ("Patient", "_tag=urn:tags|blue", "p1"),
    ("Patient", "_tag=blue", "p1"),
    ("Patient", "_profile=http://example.org/p", "p1"),
    ("Patient", "_source=urn:s1", "p1"),
    ("Patient", "_profile=http://example.org/p|1.0", "p1"),
    ("Patient", "_profile:below=http://example.org", "p1"),
    ("Patient", "_profile:below=http://example.org/p", "p1"),
    ("Patient", "_profile:below=http://example.or", ""),
    ("Patient", "_profile:above=http://example.org/p/q", "p1"),
    ("Patient", "_profile:missing=true", "p2 p3 p4"),
    ("Patient", "_source:below=urn:s1", "p1"),
    ("Patient", "_source:above=urn:s1/x", "p1"),
    ("Patient", "_filter=_profile sw http://exam", "p1"),
    ("ValueSet", "_filter=url sw http://example.org/fhir/ValueSet/a/", "v2"),
    ("Patient", "_lastUpdated=gt2000", "p1 p2 p3 p4"),
    ("Patient", "_lastUpdated=lt2000", ""),
    ("Patient", "_list=l1", "p1 p3"),
    ("Patient", "_text=asthma", "p1"),
    ("Patient", "_text=asthma quiet", "p1"),
    ("Patient", "_text=asthma loud", ""),
    ("Patient", "_content=海口", "p3"),
    ("Patient", "_content=smithson,龙华", "p2 p3"),
    # chains
    ("Observation", "subject:Patient.name=smithson", "b3 b4"),
    ("Observation", "patient.name=smith", "b1 b2 b3 b4 b7"),
    ("Observation", "patient.gender=male&code=8480-6", "b3"),
    ("Observation", "subject:Patient.organization.name=hainan", "b3 b4"),
    ("Observation", "patient.organization.partof.name=hainan", "b1 b2 b7"),
    ("Observation", "patient.gender:not=male", "b1 b2 b7"),
    ("Observation", "performer.name=wu", "b6"),
    ("Observation", "performer:Organization.name=hainan", "b6"),
    ("Patient", "general-practitioner:Practitioner.identifier=urn:licence|L1", "p1"),
    ("Patient", "_has:Observation:patient:code=http://loinc.org|8480-6", "p1 p2"),
    ("Patient", "_has:Observation:patient:code=8480-6&gender=male", "p2"),
    ("Patient", "_has:Observation:subject:performer.name=wu", "p3"),
    ("Organization", "_has:Patient:organization:_has:Observation:patient:code=29463-7", "o1"),
    ("Encounter", "patient._has:Observation:patient:value-quantity=gt140", "e1"),
    ("Organization", "_has:Patient:organization:gender:not=male", "o2"),
    # filters
    ("Patient", '_filter=name sw "smith" and gender eq male', "p2"),
    ("Patient", '_filter=name co "mit" or birthdate ge 2001', "p1 p2 p4"),
    ("Patient", '_filter=not (name sw "smith")', "p3 p4"),
    ("Patient", '_filter=family eq "SMITH"', "p1"),
    ("Patient", '_filter=family ew "son"', "p2"),
    ("Patient", "_filter=gender pr false", "p4"),
    ("Patient", "_filter=gender ne male", "p1"),
    ("Patient", '_filter=organization.name eq "township clinic"', "p1"),
    ("Patient", '_filter=organization[name sw "hainan"].active eq true', "p2"),
    ("Observation", "_filter=(code eq http://loinc.org|8480-6) and date po 2020", "b1"),
    ("Observation", "_filter=subject re Patient/p3 and value-quantity gt 1000", "b5"),
    ("Location", "near=20.0|110.3|20|km", "n1"),
    ("Location", "near=20.0|110.3|1|km", ""),
    ("Location", "near=19|110|300|km", "n1 n2"),
]  # fmt: skip


@pytest.fixture
def tight(monkeypatch):
    """Bounds so small that the shapes for large records are used."""
    monkeypatch.setattr(plan, "CANDIDATES", 1)
    monkeypatch.setattr(plan, "HOPS", 1)
    monkeypatch.setattr(plan, "_FEW", 0)
    monkeypatch.setattr(search_statistics, "PROBED", 2)


async def test_the_shapes_for_large_records_find_the_same(world, tight):
    wrong = []
    for type_name, query, expected in CASES:
        for sort in ("", "_sort=-_lastUpdated"):
            try:
                ids = await world.all_pages(type_name, f"{query}&{sort}&_count=2".lstrip("&"))
            except Problem as problem:
                ids = [str(problem)]
            if sorted(ids) != sorted(expected.split()):
                wrong.append((type_name, query, sort, expected, ids))
    assert not wrong


async def test_a_sort_that_would_read_too_much_is_refused_with_a_hint(world, tight):
    with pytest.raises(TooCostly, match="add a criterion"):
        await world.find("Observation", "status=final&_sort=code,-date")


async def test_every_kind_of_criterion_finds_exactly_what_it_should(world):
    wrong = []
    for type_name, query, expected in CASES:
        try:
            found = await world.found(type_name, query)
        except Problem as problem:
            found = f"{type(problem).__name__}: {problem}"
        if found != set(expected.split()):
            wrong.append((type_name, query, expected, found))
    assert not wrong


async def test_counts_agree_with_pages_for_every_criterion(world):
    wrong = []
    for type_name, query, expected in CASES:
        for extra in ("_summary=count", "_total=accurate&_count=1"):
            total = (await world.search(type_name, f"{query}&{extra}" if query else extra)).total
            if total != len(expected.split()):
                wrong.append((type_name, query, extra, expected, total))
    assert not wrong


async def test_every_criterion_pages_one_by_one_without_loss_or_repeat(world):
    wrong = []
    for type_name, query, expected in CASES:
        for sort in ("", "&_sort=_id", "&_sort=-_lastUpdated"):
            ids = await world.all_pages(type_name, f"{query}{sort}&_count=1".lstrip("&"))
            if sorted(ids) != sorted(expected.split()):
                wrong.append((type_name, query, sort, expected, ids))
            if sort == "&_sort=_id" and ids != sorted(ids):
                wrong.append((type_name, query, sort, "not in order", ids))
    assert not wrong


SORTS = [
    ("Observation", "_sort=date", "b7 b3 b1 b2 b4 |b5 b6"),
    ("Observation", "_sort=-date", "b4 b2 b1 b3 b7 |b5 b6"),
    ("Observation", "patient=p1&_sort=-date", "b2 b1 b7"),
    ("Observation", "code=8480-6&_sort=date", "b3 b1 b2"),
    ("Patient", "_sort=birthdate", "p1 p2 p3 p4"),
    ("Patient", "_sort=-birthdate", "p4 p3 p2 p1"),
    ("Patient", "_sort=family", "p4 p1 p2 p3"),
    ("Patient", "_sort=-family", "p3 p2 p1 p4"),
    ("Patient", "_sort=-_id", "p4 p3 p2 p1"),
    ("Patient", "_sort=gender,-birthdate", "p1 p3 p2 p4"),
    ("Patient", "_sort=organization.name", "p2 p1 |p3 p4"),
    ("Observation", "date:missing=false&_sort=subject:Patient.family,-date", "b2 b1 b7 b4 b3"),
    ("Observation", "value-quantity=gt0|http://unitsofmeasure.org|kg&_sort=value-quantity,_id", "b4 b5"),
    ("ValueSet", "_sort=-url", "v2 v1"),
    ("Patient", "_sort=_profile", "p1 |p2 p3 p4"),
    ("Patient", "_sort=-_source", "p1 |p2 p3 p4"),
]


async def test_matches_come_in_the_order_asked_for_with_missing_values_last(world):
    wrong = []
    for type_name, query, expected in SORTS:
        ordered, _, loose = expected.partition("|")
        for ids in (await world.find(type_name, query), await world.all_pages(type_name, f"{query}&_count=2")):
            split = len(ordered.split())
            if ids[:split] != ordered.split() or set(ids[split:]) != set(loose.split()):
                wrong.append((type_name, query, expected, ids))
    assert not wrong


INCLUDES = [
    ("Observation", "_id=b1&_include=Observation:subject", "Patient/p1"),
    ("Observation", "_id=b1&_include=Observation:patient", "Patient/p1"),
    ("Observation", "_id=b6&_include=Observation:performer:Practitioner", "Practitioner/d1"),
    ("Observation", "_id=b6&_include=Observation:performer", "Organization/o1 Practitioner/d1"),
    ("Observation", "_id=b6&_include=*", "Organization/o1 Patient/p3 Practitioner/d1"),
    ("Observation", "_id=b1&_include=Observation:subject&_include=Patient:organization", "Patient/p1"),
    (
        "Observation",
        "_id=b1&_include=Observation:subject&_include:iterate=Patient:organization&_include:iterate=Organization:partof",
        "Organization/o1 Organization/o2 Patient/p1",
    ),
    ("Patient", "_id=p2&_revinclude=Observation:subject", "Observation/b3 Observation/b4"),
    ("Patient", "_id=p3&_revinclude=*", "List/l1 Observation/b5 Observation/b6"),
    ("Patient", "_id=p1&_revinclude=Observation:patient&_include=Patient:general-practitioner",
     "Observation/b1 Observation/b2 Observation/b7 Practitioner/d1"),
    ("Patient", "_id=p1,p2&_include=Patient:link", ""),
]  # fmt: skip


async def test_includes_bring_what_is_referred_to_and_what_refers(world):
    wrong = []
    for type_name, query, expected in INCLUDES:
        result = await world.search(type_name, query)
        found = sorted(f"{one.type}/{one.id}" for one in result.includes)
        if found != sorted(expected.split()):
            wrong.append((query, expected, found))
    assert not wrong


async def test_a_compartment_holds_what_belongs_to_the_patient(world):
    assert await world.found("Observation", "", compartment=Compartment("Patient", "p1")) == {"b1", "b2", "b7"}
    assert await world.found("Observation", "code=8480-6", compartment=Compartment("Patient", "p1")) == {"b1", "b2"}
    assert await world.found(None, "", compartment=Compartment("Patient", "p1")) == {"p1", "b1", "b2", "b7", "e1"}
    assert await world.found(None, "_type=Observation,Encounter", compartment=Compartment("Patient", "p1")) == {
        "b1",
        "b2",
        "b7",
        "e1",
    }
    assert await world.found("Organization", "", compartment=Compartment("Patient", "p1")) == set()


async def test_a_search_over_all_types_takes_the_parameters_they_share(world):
    assert await world.found(None, "_id=p1") == {"p1"}
    assert await world.found(None, "_type=Patient,List") == {"p1", "p2", "p3", "p4", "l1"}
    assert await world.found(None, "_tag=urn:tags|blue") == {"p1"}
    assert await world.found(None, "_content=hainan") == {"o1"}
    assert sorted(await world.all_pages(None, "_type=Patient,List&_count=2")) == ["l1", "p1", "p2", "p3", "p4"]
    assert (await world.search(None, "_type=Patient,List&_summary=count")).total == 5
    with pytest.raises(Invalid, match="birthdate"):
        await world.find(None, "_type=Patient,List&birthdate=2000")


REFUSED = [
    ("Patient", "nam=x", "Did you mean name"),
    ("Patient", "name:below=x", ":contains"),
    ("Observation", "subject:below=x", ":identifier"),
    ("Patient", "birthdate=yesterday", "birthdate"),
    ("Patient", "birthdate=2000-13", "calendar"),
    ("Observation", "code:in=http://x", "terminology"),
    ("Observation", "code:not-in=http://x", "terminology"),
    ("Observation", "value-quantity=abc", "number"),
    ("Observation", "patient.nam=x", "name"),
    ("Observation", "code.name=x", "not a reference"),
    ("Observation", "subject:Practitioner.name=x", "never refers"),
    ("Patient", "_has:Observation:code:code=x", "not a reference"),
    ("Patient", "_has:Observation:patient=x", "_has:Type"),
    ("Patient", "_has:Encounter:location:status=x", "never refers to a Patient"),
    ("Patient", "_sort=nonsense", "nonsense"),
    ("Patient", "_count=many", "number"),
    ("Patient", "_total=perhaps", "accurate"),
    ("Patient", "_include=Patient:name", "not a reference"),
    ("Patient", "_include=Nothing:name", "Nothing"),
    ("Patient", "_filter=name eq", "value"),
    ("Patient", '_filter=name eq "x', "quote"),
    ("Patient", '_filter=name xx "x"', "not one of"),
    ("Patient", '_filter=(name eq "x"', "expected"),
    ("Patient", "gender:missing=perhaps", "true or false"),
    ("Patient", "_cursor=AAAA", "page links"),
    ("Patient", "name=a,,b", "empty"),
    ("Patient", "_list=$current-problems", "functional"),
    ("Patient", "_text=%2B%2B", "word"),
]


async def test_what_is_not_understood_is_refused_with_a_sentence_that_helps(world):
    wrong = []
    for type_name, query, text in REFUSED:
        try:
            found = await world.find(type_name, query)
        except (Invalid, NotSupported) as problem:
            found = str(problem)
        if not isinstance(found, str) or text not in found:
            wrong.append((type_name, query, text, found))
    assert not wrong


async def test_all_problems_of_a_query_are_told_at_once(world):
    with pytest.raises(Invalid) as caught:
        await world.find("Patient", "nam=x&birthdate=never")
    assert len(caught.value.issues) == 2


async def test_lenient_handling_leaves_the_unknown_out_of_the_self_link_with_a_warning(world):
    result = await world.search("Patient", "nam=x&gender=female", handling="lenient")
    assert [one.id for one in result.matches] == ["p1"]
    assert result.links["self"] == "http://jiankang.test/fhir/Patient?gender=female"
    assert [one.severity for one in result.warnings] == ["warning"]


async def test_an_empty_value_is_no_criterion(world):
    assert await world.found("Patient", "name=&gender=female") == {"p1"}


async def test_deleted_resources_never_match(world):
    await world.delete("Observation", "b1")
    assert await world.found("Observation", "subject=Patient/p1") == {"b2", "b7"}
    assert await world.found("Observation", "_id=b1") == set()
    assert await world.found("Observation", "_lastUpdated=gt2000&code=8480-6") == {"b2", "b3"}
    assert "b1" not in await world.found("Observation", "code:not=nothing")
    assert "b1" not in await world.found("Observation", "_sort=_lastUpdated")
    result = await world.search("Patient", "_id=p1&_revinclude=Observation:subject")
    assert sorted(one.id for one in result.includes) == ["b2", "b7"]
    await world.delete("Patient", "p2")
    assert await world.found("Observation", "patient.gender=male") == {"b5", "b6"}
    assert await world.found("Organization", "_has:Patient:organization:gender=male") == set()


async def test_a_changed_resource_is_found_by_its_new_values_only(world):
    await world.put({"resourceType": "Patient", "id": "p1", "name": [{"family": "Jones"}], "gender": "male"})
    assert await world.found("Patient", "name=smith") == {"p2"}
    assert await world.found("Patient", "name=jones") == {"p1"}
    assert await world.found("Patient", "gender=female") == set()
    assert await world.found("Patient", "birthdate=1970-05-01") == set()


RESTRICTED = [
    ("Observation", "", "b1 b2 b7"),
    ("Observation", "code=8480-6", "b1 b2"),
    ("Observation", "value-quantity=gt0", "b1 b2"),
    ("Observation", "_sort=-date", "b1 b2 b7"),
    ("Observation", "_sort=_lastUpdated", "b1 b2 b7"),
    ("Patient", "", "p1"),
    ("Patient", "name=smith", "p1"),
    ("Patient", "_sort=family", "p1"),
    ("Patient", "_id=p1,p2", "p1"),
    ("Patient", "_has:Observation:patient:code=8480-6", "p1"),
    ("Patient", "_content=smithson", ""),
    ("Observation", "patient.name=smith", "b1 b2 b7"),
    ("Observation", '_filter=patient.name sw "smith"', "b1 b2 b7"),
]


async def test_a_restriction_limits_every_way_of_searching(world):
    actor = Actor("carer", InCompartment("Patient", ["p1"]))
    wrong = []
    for type_name, query, expected in RESTRICTED:
        found = await world.found(type_name, query, actor=actor)
        count = (await world.search(type_name, f"{query}&_summary=count", actor=actor)).total
        if found != set(expected.split()) or count != len(found):
            wrong.append((query, expected, found, count))
    assert not wrong


async def test_a_restriction_limits_chains_reverse_chains_includes_and_sorts(world):
    no_patients = Actor("clerk", Not(TypeIn(frozenset({"Patient"}))))
    assert await world.found("Observation", "patient.name=smith", actor=no_patients) == set()
    assert await world.found("Observation", "patient.name:missing=false", actor=no_patients) == set()
    result = await world.search("Observation", "_id=b1&_include=Observation:subject", actor=no_patients)
    assert result.includes == []
    no_observations = Actor("clerk", Not(TypeIn(frozenset({"Observation"}))))
    assert await world.found("Patient", "_has:Observation:patient:code=8480-6", actor=no_observations) == set()
    result = await world.search("Patient", "_id=p1&_revinclude=Observation:subject", actor=no_observations)
    assert result.includes == []
    not_blue = Actor("clerk", Not(Labelled("_tag", "urn:tags", "blue")))
    assert await world.found("Patient", "", actor=not_blue) == {"p2", "p3", "p4"}
    assert await world.found("Observation", "patient.name=smith", actor=not_blue) == {"b3", "b4"}
    ids = await world.find("Observation", "date:missing=false&_sort=patient.family,date", actor=not_blue)
    assert ids[:2] == ["b3", "b4"], "the sort must not tell the name of a hidden patient"


async def test_conditions_mean_the_same_as_searches(world):
    assert await world.match_ids("Patient", "identifier=urn:mrn|100") == ["p1"]
    assert await world.match_ids("Patient", "identifier=urn:mrn|900") == []
    assert len(await world.match_ids("Patient", "name=smith", limit=2)) == 2
    assert len(await world.match_ids("Patient", "", limit=2)) == 2
    with pytest.raises(Invalid):
        await world.match_ids("Patient", "identifer=urn:mrn|100")


async def test_explain_shows_the_shape_and_the_plan(world):
    told = await world.explain("Observation", "patient=p1&code=http://loinc.org|8480-6&_sort=-date")
    assert told["shape"] == "time"
    assert "idx_h2" in str(told["statements"])
    assert "Seq Scan" not in str(told["statements"])


async def test_no_plan_reads_a_whole_table_or_joins_by_hashing_one(world):
    wrong = []
    for type_name, query, _ in CASES:
        plans = str((await world.explain(type_name, query))["statements"])
        wrong += [(type_name, query, node) for node in ("Seq Scan", "Hash Join", "Merge Join") if node in plans]
    assert not wrong


HOSTILE = [
    "name=%00", "name=%F0%9F%98%80", "name='%3B DROP TABLE resource%3B--", "name=%25%25%25", "name:contains=_____",
    "identifier=a|b|c", "identifier=%5C", "birthdate=99999999999", "birthdate=2000-01-01T25:00", "_count=99999999999999999999",
    "_id=" + "a" * 5000, "name=" + "x" * 5000, "_filter=" + "(" * 500, "_filter=" + "not (" * 40 + "x", "_sort=" + "-" * 50,
    "_sort=name,name,name,name,name,name,name,name,name", "_has:Patient:link:" * 12 + "name=x", "link." * 30 + "name=x",
    "general-practitioner.name=x", "_cursor=%FF", "_cursor=", "_content=" + "the " * 500, "name=" + "a," * 3000 + "a",
    "birthdate=ap0001-01-01", "birthdate=ap9999-12-31", "birthdate=gt9999", "_lastUpdated=lt0001", "_lastUpdated=gt9999-12-31",
    "_lastUpdated=ap1970", "_include=*&_revinclude=*&_include:iterate=*&_revinclude:iterate=*", "name=%ED%A0%80",
]  # fmt: skip


@pytest.mark.parametrize("query", HOSTILE)
async def test_hostile_queries_are_answered_or_refused_in_words(world, query):
    refused = None
    try:
        result = await world.search("Patient", query)
    except Problem as problem:
        refused = problem
    if refused is None:
        assert len(result.matches) <= 4
    else:
        assert refused.status == 400
        assert len(str(refused)) > 10
