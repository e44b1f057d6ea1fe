"""Large systems from files: formats, going on after a cut, replacing in one moment."""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
import zipfile

import psycopg
import pytest

from jiankang.foundation.terminology.importing import Named, import_path, running
from jiankang.foundation.terminology.systems import own_resources
from jiankang.kernel.errors import Conflict, Invalid, NotFound, Problem


def load(database, path, /, **more):
    return asyncio.run(import_path(database, path, Named(**more)))


def rows(url, statement, *values):
    with psycopg.connect(url) as db:
        return db.execute(statement, values).fetchall()


def concepts(url):
    return rows(url, "SELECT code, display, n, last FROM concept ORDER BY n")


def test_a_code_system_in_json_is_streamed(database_url, tmp_path):
    nested = [
        {"code": "a", "display": "A", "concept": [{"code": "b", "display": 'B "quoted" \\ \t tab'}]},
        {"code": "c"},
    ]
    resource = {"resourceType": "CodeSystem", "id": "x", "url": "urn:s", "version": "1", "content": "complete", "status": "active",
                "text": {"div": "<div/>"}, "concept": nested, "count": 3}  # fmt: skip
    path = tmp_path / "system.json.gz"
    path.write_bytes(gzip.compress(json.dumps(resource, indent=1).encode()))
    done = load(database_url, path)
    assert (done.url, done.version, done.concepts, done.written) == ("urn:s", "1", 3, 3)
    assert concepts(database_url) == [("a", "A", 0, 1), ("b", 'B "quoted" \\ \t tab', 1, 1), ("c", "", 2, 2)]


def test_icd_10_in_claml(database_url, tmp_path):
    path = tmp_path / "icd10.xml"
    path.write_text(
        """<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE ClaML SYSTEM "ClaML.dtd">
        <ClaML version="2.0.0"><Title name="ICD-10" version="2019"/><Class code="I" kind="chapter"><SubClass code="A00-A09"/>
        <Rubric kind="preferred"><Label xml:lang="en">Certain infectious <Term>diseases</Term></Label></Rubric></Class>
        <Class code="A00-A09" kind="block"><SuperClass code="I"/></Class><Class code="A00" kind="category"><SuperClass code="A00-A09"/>
        <Rubric kind="preferred"><Label>Cholera</Label></Rubric><Rubric kind="exclusion"><Label>carrier</Label></Rubric></Class></ClaML>"""
    )
    done = load(database_url, path)
    assert (done.url, done.version) == ("http://hl7.org/fhir/sid/icd-10", "2019")
    assert concepts(database_url) == [
        ("I", "Certain infectious diseases", 0, 2),
        ("A00-A09", "", 1, 2),
        ("A00", "Cholera", 2, 2),
    ]


def test_codes_that_claml_makes_by_modifiers(database_url, tmp_path):
    path = tmp_path / "icd10.xml"
    path.write_text(
        """<ClaML><Title name="ICD-10" version="1"/><ModifierClass modifier="S4" code=".0"><Rubric kind="preferred"><Label>With coma</Label>
        </Rubric></ModifierClass><ModifierClass modifier="S4" code=".9"><Rubric kind="preferred"><Label>Plain</Label></Rubric></ModifierClass>
        <Class code="E10-E14" kind="block"><SubClass code="E10"/><SubClass code="E11"/><ModifiedBy code="S4"/></Class>
        <Class code="E10" kind="category"><SuperClass code="E10-E14"/><ExcludeModifier code="S4"/></Class>
        <Class code="E11" kind="category"><SuperClass code="E10-E14"/><Rubric kind="preferred"><Label>Type 2</Label></Rubric></Class></ClaML>"""
    )
    load(database_url, path)
    assert [(code, display) for code, display, *_ in concepts(database_url)] == [
        ("E10-E14", ""), ("E10", ""), ("E11", "Type 2"), ("E11.0", "Type 2 : With coma"), ("E11.9", "Type 2 : Plain")]  # fmt: skip


def test_loinc_with_chinese_names_and_its_hierarchy(database_url, tmp_path):
    with zipfile.ZipFile(tmp_path / "Loinc_2.80.zip", "w") as archive:
        archive.writestr(
            "LoincTable/Loinc.csv",
            '"LOINC_NUM","COMPONENT","STATUS","SHORTNAME","LONG_COMMON_NAME"\n"8302-2","Body height","ACTIVE","Height","Body height"\n'
            '"1-8","Old","DEPRECATED","","Old thing"\n',
        )
        archive.writestr(
            "AccessoryFiles/LinguisticVariants/zhCN5LinguisticVariant.csv", "LOINC_NUM,LONG_COMMON_NAME\n8302-2,身高\n"
        )
        archive.writestr(
            "AccessoryFiles/ComponentHierarchyBySystem/ComponentHierarchyBySystem.csv",
            "PATH_TO_ROOT,SEQUENCE,IMMEDIATE_PARENT,CODE,CODE_TEXT\n,1,,LP1-1,Measures\nLP1-1,1,LP1-1,8302-2,Body height\n",
        )
    done = load(database_url, tmp_path / "Loinc_2.80.zip")
    assert (done.url, done.version, done.concepts) == ("http://loinc.org", "2.80", 3)
    found = dict(rows(database_url, "SELECT code, array[flags, n, last] FROM concept"))
    assert found == {"LP1-1": [0, 0, 1], "8302-2": [0, 1, 1], "1-8": [1, 2, 2]}
    assert "身高" in rows(database_url, "SELECT more FROM concept WHERE code = '8302-2'")[0][0]


def rf2(folder, relations):
    head = "id\teffectiveTime\tactive\tmoduleId\t"
    names = {"138875005": "SNOMED CT Concept", "1": "Disease", "2": "Infection", "3": "Lung disease", "4": "Pneumonia"}
    (folder / "Terminology").mkdir(parents=True)
    (folder / "Terminology" / "sct2_Concept_Snapshot_INT_20250101.txt").write_text(
        head
        + "definitionStatusId\n"
        + "".join(f"{code}\t20250101\t1\t900000000000207008\t900000000000074008\n" for code in names)
    )
    (folder / "Terminology" / "sct2_Description_Snapshot-en_INT_20250101.txt").write_text(
        head + "conceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId\n"
        + "".join(f"9{code}\t20250101\t1\tm\t{code}\ten\t900000000000013009\t{name}\tx\n" for code, name in names.items())
    )  # fmt: skip
    (folder / "Terminology" / "sct2_Relationship_Snapshot_INT_20250101.txt").write_text(
        head + "sourceId\tdestinationId\trelationshipGroup\ttypeId\tcharacteristicTypeId\tmodifierId\n"
        + "".join(f"8{n}\t20250101\t1\tm\t{a}\t{b}\t0\t{kind}\tx\ty\n" for n, (a, b, kind) in enumerate(relations))
    )  # fmt: skip


IS_A = "116680003"
DIAMOND = [
    ("1", "138875005", IS_A),
    ("2", "1", IS_A),
    ("3", "1", IS_A),
    ("4", "2", IS_A),
    ("4", "3", IS_A),
    ("4", "3", "363698007"),
]


def test_snomed_ct_with_several_parents(database_url, tmp_path):
    rf2(tmp_path / "release", DIAMOND)
    done = load(database_url, tmp_path / "release")
    assert (done.url, done.version) == (
        "http://snomed.info/sct",
        "http://snomed.info/sct/900000000000207008/version/20250101",
    )
    places = dict(rows(database_url, "SELECT code, n FROM concept"))
    below = {
        code: set(range(n + 1, last + 1)) | set(others or ())
        for code, n, last, others in rows(
            database_url,
            "SELECT code, n, last, others FROM concept AS c LEFT JOIN closure AS x ON (x.system, x.ancestor) = (c.system, c.n)",
        )
    }
    assert below["2"] == below["3"] == {places["4"]}
    assert below["1"] == {places[code] for code in "234"}
    assert len(below["138875005"]) == 4


def table(path, count, extra=""):
    lines = [f"C{n},Concept {n},{f'C{(n - 1) // 5}' if n else ''},概念{n},x{n % 3}" for n in range(count)]
    path.write_text("code,display,parent,designation:zh-CN,axis\n" + "\n".join(lines) + "\n" + extra)
    return path


def test_a_plain_table_that_is_asked_afterwards(rig, tmp_path):
    database = str(rig.platform.record.pool.conninfo)
    done = load(database, table(tmp_path / "t.csv", 300), url="urn:t", version="1")
    assert done.concepts == 300
    assert rig.ask("/CodeSystem/$lookup", system="urn:t", code="C7", displayLanguage="zh")["display"] == "概念7"
    assert rig.ask("/CodeSystem/$subsumes", system="urn:t", codeA="C0", codeB="C299")["outcome"] == "subsumes"
    value_set = {"resourceType": "ValueSet", "url": "urn:t:vs", "status": "active", "compose": {"include": [
        {"system": "urn:t", "filter": [{"property": "axis", "op": "=", "value": "x1"}, {"property": "concept", "op": "is-a", "value": "C1"}]}]}}  # fmt: skip
    rig.put(value_set, "t-vs")
    assert rig.codes(url="urn:t:vs", count=3) == ["C1", "C31", "C157"]
    rf2(tmp_path / "release", DIAMOND)
    load(database, tmp_path / "release")
    assert (
        rig.ask("/CodeSystem/$subsumes", system="http://snomed.info/sct", codeA="3", codeB="4")["outcome"] == "subsumes"
    )
    assert set(rig.codes(url="http://snomed.info/sct?fhir_vs=isa/3")) == {"3", "4"}


def test_an_import_that_was_cut_off_goes_on_where_it_was(database_url, tmp_path, monkeypatch):
    path = table(tmp_path / "t.csv", 95)
    monkeypatch.setattr(running, "BATCH", 20)
    wrote = running.write_concepts
    calls = []

    async def failing(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise Conflict("the power failed")
        return await wrote(*arguments)

    monkeypatch.setattr(running, "write_concepts", failing)
    with pytest.raises(Conflict):
        load(database_url, path, url="urn:t")
    assert rows(database_url, "SELECT done, ready FROM code_system") == [(40, False)]
    monkeypatch.setattr(running, "write_concepts", wrote)
    assert load(database_url, path, url="urn:t").written == 55
    assert rows(database_url, "SELECT count(*), count(DISTINCT code) FROM concept") == [(95, 95)]
    table(path, 50)
    assert load(database_url, path, url="urn:t").written == 50
    assert rows(database_url, "SELECT concepts, ready FROM code_system") == [(50, True)]
    assert rows(database_url, "SELECT count(*) FROM concept") == [(50,)]


def test_the_chinese_systems_hold_what_the_reference_holds(shared):
    folder = shared / "reference" / "hainan"
    own = {
        each["url"]: {one["code"] for one in each["concept"]}
        for each in own_resources()
        if each["resourceType"] == "CodeSystem"
    }
    for name, column, url in (
        ("hainan_divisions.csv", "code", "urn:jiankang:codes:divisions"),
        ("hainan_streets.csv", "code", "urn:jiankang:codes:divisions"),
        ("chengmai_villages.csv", "code", "urn:jiankang:codes:divisions"),
        ("notifiable_diseases.csv", "id", "urn:jiankang:codes:notifiable-diseases"),
        ("wst500_documents.csv", "doc_code", "urn:oid:2.16.156.10011.2.4"),
    ):
        with (folder / name).open(encoding="utf-8-sig") as file:
            assert {row[column] for row in csv.DictReader(file)} <= own[url], name
    tables = json.loads((folder / "wst364_2011_codes.json").read_text())["tables"]
    for name, table in tables.items():
        assert len(own[f"urn:jiankang:codes:ws364:{name}"]) == len(table["codes"])
    sets = json.loads((folder / "value_sets.json").read_text())
    assert own["urn:oid:2.16.156.10011.2.3.3.3"] == {each["code"] for each in sets["gb3304_ethnic"]["codes"]}


@pytest.mark.parametrize(
    ("name", "text", "more", "error"),
    [
        ("a.csv", "name,x\nA,1\n", {"url": "urn:t"}, Invalid),
        ("a.csv", "code,display\nA,1,2\n", {"url": "urn:t"}, Invalid),
        ("a.csv", "code\nA\nA\n", {"url": "urn:t"}, Problem),
        ("a.csv", "code,parent\nA,B\nB,A\n", {"url": "urn:t"}, Problem),
        ("a.csv", "code\nA\n", {}, Invalid),
        ("a.json", '{"resourceType": "CodeSystem", "url": "urn:t", "concept": [{"code": "a"}', {}, Invalid),
        ("a.json", '{"resourceType": "Patient"}', {"url": "urn:t"}, Invalid),
        ("a.xml", "<ClaML><Class code='a'>", {"url": "urn:t"}, Invalid),
        ("a.zip", "no zip", {"url": "urn:t"}, Invalid),
        ("", "", {}, NotFound),
    ],
)
def test_a_broken_file_leaves_nothing_behind(database_url, tmp_path, name, text, more, error):
    if name:
        (tmp_path / name).write_text(text)
    with pytest.raises(error):
        load(database_url, tmp_path / (name or "missing"), **more)
    assert rows(database_url, "SELECT count(*) FROM code_system") == [(0,)]
    assert rows(database_url, "SELECT count(*) FROM concept") == [(0,)]
