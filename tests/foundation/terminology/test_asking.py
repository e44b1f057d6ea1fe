"""What a code means, whether it is valid, and how it stands to another."""

from __future__ import annotations

import pytest

COLOURS = "http://example.org/colours"
PAINT = "http://example.org/ValueSet/paint"


@pytest.fixture(scope="module", autouse=True)
def paint(rig):
    compose = {
        "include": [{"system": COLOURS, "filter": [{"property": "concept", "op": "is-a", "value": "red"}]}],
        "exclude": [{"system": COLOURS, "concept": [{"code": "scarlet"}]}],
    }
    rig.put({"resourceType": "ValueSet", "url": PAINT, "version": "1", "status": "active", "compose": compose}, "paint")


def test_lookup_tells_display_designations_properties_and_neighbours(rig):
    found = rig.get("/CodeSystem/$lookup", system=COLOURS, code="red")["parameter"]
    assert {"name": "display", "valueString": "Red"} in found
    names = [
        part["valueString"]
        for each in found
        if each["name"] == "designation"
        for part in each["part"]
        if part["name"] == "value"
    ]
    assert names == ["红色", "Rouge"]
    properties = {
        (each["part"][0]["valueCode"], str(next(v for k, v in each["part"][1].items() if k.startswith("value"))))
        for each in found if each["name"] == "property"
    }  # fmt: skip
    assert properties >= {
        ("parent", "colour"),
        ("child", "crimson"),
        ("child", "scarlet"),
        ("warm", "True"),
        ("wave", "700"),
    }


def test_lookup_answers_in_the_language_asked_for(rig):
    assert rig.ask("/CodeSystem/$lookup", system=COLOURS, code="red", displayLanguage="zh")["display"] == "红色"
    assert rig.ask("/CodeSystem/$lookup", system=COLOURS, code="blue", displayLanguage="zh")["display"] == "Blue"


def test_lookup_gives_only_the_properties_asked_for(rig):
    found = rig.get("/CodeSystem/$lookup", system=COLOURS, code="red", property="warm")["parameter"]
    assert [each["part"][0]["valueCode"] for each in found if each["name"] == "property"] == ["warm"]


def test_lookup_of_an_unknown_code_or_system_is_404(rig):
    for params in ({"system": COLOURS, "code": "green"}, {"system": "http://nowhere", "code": "a"}):
        assert rig.get("/CodeSystem/$lookup", status=404, **params)["issue"][0]["code"] == "not-found"


def test_lookup_by_post_with_a_coding(rig):
    coding = {"system": COLOURS, "code": "no colour 😀"}
    found = rig.post(
        "/CodeSystem/$lookup", {"resourceType": "Parameters", "parameter": [{"name": "coding", "valueCoding": coding}]}
    )
    assert {"name": "display", "valueString": "None at all"} in found["parameter"]


def test_lookup_without_a_code_is_refused(rig):
    assert rig.get("/CodeSystem/$lookup", status=400, system=COLOURS)["issue"][0]["code"] == "required"


@pytest.mark.parametrize(
    ("params", "result", "said"),
    [
        ({"code": "red"}, True, None),
        ({"code": "red", "display": "red"}, True, None),
        ({"code": "red", "display": "红色"}, True, None),
        ({"code": "red", "display": "Blue"}, False, "is called 'Red'"),
        ({"code": "Red"}, False, "is not in"),
        ({"code": "navy"}, True, "inactive"),
        ({"code": "colour", "abstract": "false"}, False, "may not be chosen"),
        ({"code": "red", "version": "9"}, False, "not known in version 9; known are: 1"),
    ],
)
def test_validate_code_of_a_system(rig, params, result, said):
    found = rig.ask("/CodeSystem/$validate-code", url=COLOURS, **params)
    assert found["result"] is result, found
    assert said is None or said in found["message"]


def test_an_unknown_system_is_said_as_such(rig):
    found = rig.ask("/CodeSystem/$validate-code", url="http://nowhere", code="a")
    assert found["result"] is False
    assert "http://nowhere is not known here" in found["message"]


@pytest.mark.parametrize(
    ("params", "result", "said"),
    [
        ({"system": COLOURS, "code": "crimson"}, True, None),
        ({"code": "crimson", "inferSystem": "true"}, True, None),
        ({"system": COLOURS, "code": "scarlet"}, False, "is not in the value set"),
        ({"system": COLOURS, "code": "blue"}, False, "is not in the value set"),
        ({"system": "http://nowhere", "code": "crimson"}, False, "http://nowhere is not known"),
        ({"system": COLOURS, "code": "crimson", "display": "Wrong"}, False, "is called 'Crimson red'"),
        ({"system": COLOURS, "code": "crimson", "systemVersion": "2"}, False, "not known in version 2"),
    ],
)
def test_validate_code_in_a_value_set(rig, params, result, said):
    found = rig.ask("/ValueSet/$validate-code", url=PAINT, **params)
    assert found["result"] is result, found
    assert said is None or said in found["message"]


def test_one_valid_code_makes_a_concept_valid(rig):
    concept = {"coding": [{"system": COLOURS, "code": "blue"}, {"system": COLOURS, "code": "crimson"}]}
    body = {"resourceType": "Parameters", "parameter": [{"name": "codeableConcept", "valueCodeableConcept": concept}]}
    found = {each["name"]: each for each in rig.post("/ValueSet/paint/$validate-code", body)["parameter"]}
    assert found["result"]["valueBoolean"] is True
    assert found["code"]["valueCode"] == "crimson"


def test_an_unknown_value_set_is_said_as_such(rig):
    found = rig.ask("/ValueSet/$validate-code", url="http://nowhere/vs", system=COLOURS, code="red")
    assert found["result"] is False
    assert "The value set http://nowhere/vs is not known here" in found["message"]


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        ("red", "red", "equivalent"), ("colour", "navy", "subsumes"), ("crimson", "red", "subsumed-by"),
        ("red", "blue", "not-subsumed"), ("crimson", "scarlet", "not-subsumed"),
    ],
)  # fmt: skip
def test_subsumes(rig, a, b, outcome):
    assert rig.ask("/CodeSystem/$subsumes", system=COLOURS, codeA=a, codeB=b) == {"outcome": outcome}
    assert rig.ask("/CodeSystem/colours/$subsumes", codeA=a, codeB=b) == {"outcome": outcome}


def test_units_languages_and_media_types_are_grammars(rig):
    for system, good, bad in (
        ("http://unitsofmeasure.org", "mg/dL", "mg//dL"),
        ("urn:ietf:bcp:47", "zh-Hans-CN", "x y"),
        ("urn:ietf:bcp:13", "application/fhir+json", "json"),
    ):
        assert rig.ask("/CodeSystem/$validate-code", url=system, code=good)["result"] is True
        assert rig.ask("/CodeSystem/$validate-code", url=system, code=bad)["result"] is False


def test_an_operation_of_another_type_does_not_exist(rig):
    assert rig.get("/Patient/$lookup", status=404)["issue"][0]["code"] == "not-supported"


def test_a_batch_validates_many_codes(rig):
    entries = [
        {"request": {"method": "GET", "url": f"CodeSystem/$validate-code?url={COLOURS}&code={code}"}}
        for code in ("red", "green")
    ]
    found = rig.post("", {"resourceType": "Bundle", "type": "batch", "entry": entries})
    results = [
        {p["name"]: p for p in entry["resource"]["parameter"]}["result"]["valueBoolean"] for entry in found["entry"]
    ]
    assert results == [True, False]


def test_what_the_record_learns_holds_at_once_and_is_forgotten_when_deleted(rig):
    system = {"resourceType": "CodeSystem", "url": "http://example.org/a", "status": "active", "content": "complete"}
    for display in ("One", "Another"):
        rig.put({**system, "concept": [{"code": "x", "display": display}]}, "changing")
        assert rig.ask("/CodeSystem/$lookup", system="http://example.org/a", code="x")["display"] == display
    rig.delete("/CodeSystem/changing")
    rig.get("/CodeSystem/$lookup", system="http://example.org/a", code="x", status=404)


def test_a_supplement_adds_names(rig):
    rig.put(
        {"resourceType": "CodeSystem", "url": "http://example.org/colours-th", "status": "active", "content": "supplement",
         "supplements": COLOURS, "concept": [{"code": "blue", "designation": [{"language": "th", "value": "สีฟ้า"}]}]},
        "colours-th",
    )  # fmt: skip
    assert rig.ask("/CodeSystem/$lookup", system=COLOURS, code="blue", displayLanguage="th")["display"] == "สีฟ้า"
    assert rig.ask("/CodeSystem/$validate-code", url=COLOURS, code="blue", display="สีฟ้า")["result"] is True


def test_hl7s_own_systems_and_the_chinese_ones_are_here(rig):
    gender = rig.ask("/CodeSystem/$lookup", system="http://hl7.org/fhir/administrative-gender", code="female")
    assert gender["display"] == "Female"
    sex = rig.ask("/CodeSystem/$lookup", system="urn:oid:2.16.156.10011.2.3.3.4", code="2", displayLanguage="en")
    assert sex["display"] == "female"
    assert rig.ask(
        "/CodeSystem/$subsumes", system="urn:jiankang:codes:divisions", codeA="469023", codeB="469023100001"
    ) == {"outcome": "subsumes"}
    binding = rig.ask(
        "/ValueSet/$validate-code",
        url="http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1",
        code="male",
        inferSystem="true",
    )
    assert binding["result"] is True
    by_oid = rig.ask("/CodeSystem/$lookup", system="urn:oid:2.16.840.1.113883.5.1", code="F")
    assert by_oid["display"] == "Female"


@pytest.mark.parametrize("bad", ["concept twice", "circle"])
def test_a_code_system_that_contradicts_itself_is_refused_whole(rig, bad):
    concepts = [{"code": "a"}, {"code": "a"}]
    if bad == "circle":
        concepts = [
            {"code": one, "property": [{"code": "parent", "valueCode": other}]}
            for one, other in (("a", "b"), ("b", "a"))
        ]
    resource = {
        "resourceType": "CodeSystem",
        "url": "http://example.org/bad",
        "status": "active",
        "content": "complete",
        "concept": concepts,
    }
    assert rig.put(resource, "bad", ok=False).status == 422
    rig.get("/CodeSystem/bad", status=404)
    rig.get("/CodeSystem/$lookup", system="http://example.org/bad", code="a", status=404)


def test_names_too_long_for_an_index_are_refused_and_long_texts_are_not(rig):
    base = {"status": "active", "url": "urn:long"}
    system = {**base, "resourceType": "CodeSystem", "content": "complete"}
    long = "糖" * 3_000
    for resource in (
        {**system, "concept": [{"code": long}]},
        {**system, "url": f"urn:{long}"},
        {**base, "resourceType": "ValueSet", "url": f"urn:{long}", "compose": {"include": [{"system": "urn:a"}]}},
        {**base, "resourceType": "ConceptMap", "group": [{"source": "urn:a", "element": [{"code": long}]}]},
        {"resourceType": "NamingSystem", "name": "a", "status": "active", "kind": "codesystem", "date": "2020", "uniqueId": [
            {"type": "uri", "value": "urn:a"}, {"type": "other", "value": long}]},
    ):  # fmt: skip
        answer = rig.put(resource, "long", ok=False)
        assert answer.status == 422, answer.value
        assert answer.value["issue"][0]["code"] == "too-long"
    words = " ".join(f"word{number}" for number in range(60_000))
    rig.put({**system, "concept": [{"code": "a", "display": words, "definition": words}]}, "long")
    assert rig.ask("/CodeSystem/$lookup", system="urn:long", code="a")["display"] == words


def test_a_code_system_may_be_sent_along_and_is_not_kept(rig):
    sent = {
        "resourceType": "CodeSystem",
        "status": "draft",
        "content": "complete",
        "concept": [{"code": "x", "display": "Ex"}],
    }
    for code, result in (("x", True), ("y", False)):
        items = [{"name": "codeSystem", "resource": sent}, {"name": "code", "valueCode": code}]
        found = rig.post("/CodeSystem/$validate-code", {"resourceType": "Parameters", "parameter": items})["parameter"]
        assert found[0] == {"name": "result", "valueBoolean": result}
    broken = {**sent, "concept": [{"code": "x"}, {"code": "x"}]}
    items = [{"name": "codeSystem", "resource": broken}, {"name": "code", "valueCode": "x"}]
    rig.post("/CodeSystem/$validate-code", {"resourceType": "Parameters", "parameter": items}, status=422)
