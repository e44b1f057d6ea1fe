"""Value sets written out."""

from __future__ import annotations

import pytest

COLOURS = "http://example.org/colours"
ALL = ["colour", "red", "crimson", "scarlet", "blue", "navy", "no colour 😀"]


def put(rig, id_, *include, exclude=(), **compose):
    made = {"include": list(include), **compose}
    if exclude:
        made["exclude"] = list(exclude)
    url = f"http://example.org/ValueSet/{id_}"
    rig.put({"resourceType": "ValueSet", "url": url, "status": "active", "compose": made}, id_)
    return url


def filtered(property_, op, value):
    return {"system": COLOURS, "filter": [{"property": property_, "op": op, "value": value}]}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("concept", "is-a", "red"), ["red", "crimson", "scarlet"]),
        (("concept", "descendent-of", "red"), ["crimson", "scarlet"]),
        (("concept", "is-not-a", "colour"), ["no colour 😀"]),
        (("concept", "generalizes", "crimson"), ["colour", "red", "crimson"]),
        (("concept", "is-a", "nothing"), []),
        (("warm", "=", "true"), ["red", "crimson"]),
        (("wave", "=", "700"), ["red"]),
        (("warm", "exists", "true"), ["red", "crimson"]),
        (("warm", "exists", "false"), ["colour", "scarlet", "blue", "navy", "no colour 😀"]),
        (("code", "in", "red, blue"), ["red", "blue"]),
        (("code", "not-in", "red,blue,navy"), ["colour", "crimson", "scarlet", "no colour 😀"]),
        (("code", "regex", "[a-d].*"), ["colour", "crimson", "blue"]),
        (("display", "regex", ".*[Rr]ed"), ["red", "crimson"]),
        (("warm", "regex", "t.*e"), ["red", "crimson"]),
        (("parent", "=", "red"), ["crimson", "scarlet"]),
        (("child", "=", "crimson"), ["red"]),
        (("inactive", "=", "true"), ["navy"]),
    ],
)
def test_each_filter_lists_and_validates_the_same_codes(rig, asked, found):
    url = put(rig, "filtered", filtered(*asked))
    assert rig.codes(url=url) == found
    valid = [code for code in ALL if rig.ask("/ValueSet/$validate-code", url=url, system=COLOURS, code=code)["result"]]
    assert sorted(valid) == sorted(found)


def test_includes_are_joined_in_order_and_excludes_taken_out(rig):
    listed = {"system": COLOURS, "concept": [{"code": "navy", "display": "Sailor"}, {"code": "red"}]}
    url = put(rig, "joined", listed, exclude=[{"system": COLOURS, "concept": [{"code": "red"}]}])
    found = rig.get("/ValueSet/$expand", url=url)["expansion"]
    assert found["contains"] == [{"system": COLOURS, "code": "navy", "display": "Sailor", "inactive": True}]
    assert found["total"] == 1


def test_imports_are_intersected_within_an_include_and_united_between_them(rig):
    red = put(rig, "reds", filtered("concept", "is-a", "red"))
    warm = put(rig, "warm", filtered("warm", "=", "true"))
    both = put(rig, "both", {"valueSet": [red, warm]})
    assert rig.codes(url=both) == ["red", "crimson"]
    within = put(
        rig, "within", {"system": COLOURS, "concept": [{"code": "blue"}, {"code": "scarlet"}], "valueSet": [red]}
    )
    assert rig.codes(url=within) == ["scarlet"]
    either = put(rig, "either", {"valueSet": [both]}, filtered("concept", "is-a", "blue"))
    assert rig.codes(url=either) == ["red", "crimson", "blue", "navy"]
    without = put(rig, "without", {"valueSet": [red]}, exclude=[{"valueSet": [warm]}])
    assert rig.codes(url=without) == ["scarlet"]


def test_pages_follow_one_another(rig):
    url = put(rig, "everything", {"system": COLOURS})
    pages = [rig.get("/ValueSet/$expand", url=url, offset=offset, count=3)["expansion"] for offset in (0, 3, 6, 9)]
    assert [[each["code"] for each in page.get("contains", [])] for page in pages] == [ALL[:3], ALL[3:6], ALL[6:], []]
    assert {page["total"] for page in pages} == {7}
    assert rig.get("/ValueSet/$expand", url=url, count=0)["expansion"]["total"] == 7


@pytest.mark.parametrize(
    ("typed", "found"),
    [("red", ["red", "crimson"]), ("cri re", ["crimson"]), ("红", ["red", "scarlet"]), ("猩红", ["scarlet"]), ("ROUGE", ["red"]), ("xyz", []),
     ("'", []), ("😀 none", ["no colour 😀"]), ("😀", []), ("no colour", ["no colour 😀"])],
)  # fmt: skip
def test_a_filter_finds_words_by_their_beginning_in_any_language(rig, typed, found):
    url = put(rig, "everything", {"system": COLOURS})
    assert sorted(rig.codes(url=url, filter=typed)) == sorted(found)
    listed = put(rig, "listed", {"system": COLOURS, "concept": [{"code": code} for code in ALL]})
    assert sorted(rig.codes(url=listed, filter=typed)) == sorted(found)


def test_inactive_codes_are_left_out_when_asked(rig):
    url = put(rig, "blues", filtered("concept", "is-a", "blue"))
    assert rig.codes(url=url, activeOnly="true") == ["blue"]
    assert rig.codes(url=put(rig, "active", filtered("concept", "is-a", "blue"), inactive=False)) == ["blue"]


def test_the_tree_is_nested_when_asked(rig):
    url = put(rig, "everything", {"system": COLOURS})
    top = rig.get("/ValueSet/$expand", url=url, excludeNested="false")["expansion"]["contains"]
    assert [each["code"] for each in top] == ["colour", "no colour 😀"]
    assert [[below["code"] for below in each.get("contains", [])] for each in top[0]["contains"]] == [
        ["crimson", "scarlet"],
        ["navy"],
    ]
    assert top[0]["abstract"] is True


def test_displays_and_designations_in_a_language(rig):
    url = put(rig, "reds", filtered("concept", "is-a", "red"))
    found = rig.get("/ValueSet/$expand", url=url, displayLanguage="zh-CN", includeDesignations="true")["expansion"][
        "contains"
    ]
    assert [each["display"] for each in found] == ["红色", "Crimson red", "猩红色"]
    assert found[0]["designation"][1] == {"language": "fr", "value": "Rouge"}


def test_versions_stand_side_by_side(rig):
    rig.put(
        {"resourceType": "CodeSystem", "url": COLOURS, "version": "0.9", "status": "active", "content": "complete",
         "concept": [{"code": "red", "display": "Old red"}]}, "old-colours",
    )  # fmt: skip
    url = put(rig, "everything", {"system": COLOURS})
    assert rig.codes(url=url) == ALL
    assert rig.codes(url=url, **{"system-version": f"{COLOURS}|0.9"}) == ["red"]
    pinned = put(rig, "pinned", {"system": COLOURS, "version": "1"})
    assert rig.codes(url=pinned, **{"system-version": f"{COLOURS}|0.9"}) == ALL
    assert rig.codes(url=pinned, **{"force-system-version": f"{COLOURS}|0.9"}) == ["red"]
    wrong = rig.get("/ValueSet/$expand", url=pinned, status=409, **{"check-system-version": f"{COLOURS}|0.9"})
    assert "version 1" in str(wrong)
    assert rig.ask("/CodeSystem/$lookup", system=COLOURS, version="0.9", code="red")["display"] == "Old red"


def test_circles_are_refused(rig):
    one, other = (f"http://example.org/ValueSet/circle-{n}" for n in (1, 2))
    put(rig, "circle-1", {"valueSet": [other]})
    put(rig, "circle-2", {"valueSet": [one]})
    assert "includes itself" in str(rig.get("/ValueSet/$expand", url=one, status=422))
    assert "includes itself" in str(
        rig.get("/ValueSet/$validate-code", url=one, system=COLOURS, code="red", status=422)
    )


def test_entangled_imports_are_bounded(rig):
    last = put(rig, "tangle-0", filtered("concept", "is-a", "red"))
    for level in range(1, 31):
        left = put(rig, f"tangle-{level}-l", {"valueSet": [last]}, filtered("code", "=", f"l{level}"))
        right = put(rig, f"tangle-{level}-r", {"valueSet": [last]}, filtered("code", "=", f"r{level}"))
        last = put(rig, f"tangle-{level}", {"valueSet": [left, right]})
    assert rig.get("/ValueSet/$expand", url=last, status=400)["issue"][0]["code"] == "too-costly"
    assert rig.ask("/ValueSet/$validate-code", url=last, system=COLOURS, code="crimson")["result"] is True


def test_what_cannot_be_listed_is_too_costly(rig):
    url = put(rig, "units", {"system": "http://unitsofmeasure.org"})
    assert rig.get("/ValueSet/$expand", url=url, status=400)["issue"][0]["code"] == "too-costly"
    assert rig.ask("/ValueSet/$validate-code", url=url, code="mg", system="http://unitsofmeasure.org")["result"] is True
    few = put(
        rig, "few-units", {"system": "http://unitsofmeasure.org", "concept": [{"code": "mg", "display": "milligram"}]}
    )
    assert rig.codes(url=few) == ["mg"]


def test_a_list_of_an_unknown_system_stands_for_itself(rig):
    url = put(rig, "foreign", {"system": "http://nowhere", "concept": [{"code": "b", "display": "Bee"}, {"code": "a"}]})
    assert rig.codes(url=url) == ["b", "a"]
    assert rig.ask("/ValueSet/$validate-code", url=url, system="http://nowhere", code="b")["display"] == "Bee"
    whole = put(rig, "foreign-whole", {"system": "http://nowhere"})
    assert "not known" in str(rig.get("/ValueSet/$expand", url=whole, status=404))


@pytest.mark.parametrize(
    ("include", "status"),
    [
        ({"system": COLOURS, "filter": [{"property": "code", "op": "regex", "value": "(("}]}, 422),
        ({"system": COLOURS, "filter": [{"property": "code", "op": "regex", "value": "(a*)*(a*)*b"}]}, 200),
        ({"valueSet": ["http://nowhere/vs"]}, 404),
    ],
)
def test_a_bad_composition_is_refused_in_time(rig, include, status):
    rig.get("/ValueSet/$expand", url=put(rig, "bad", include), status=status)


def test_a_value_set_may_be_sent_along(rig):
    value_set = {
        "resourceType": "ValueSet",
        "status": "active",
        "compose": {"include": [filtered("concept", "is-a", "blue")]},
    }
    body = {
        "resourceType": "Parameters",
        "parameter": [{"name": "valueSet", "resource": value_set}, {"name": "count", "valueInteger": 1}],
    }
    assert [each["code"] for each in rig.post("/ValueSet/$expand", body)["expansion"]["contains"]] == ["blue"]
    broken = {"resourceType": "ValueSet", "status": "active", "compose": {"include": "all"}}
    rig.post(
        "/ValueSet/$expand",
        {"resourceType": "Parameters", "parameter": [{"name": "valueSet", "resource": broken}]},
        status=422,
    )


@pytest.mark.parametrize(
    "query", [{"count": "-1"}, {"offset": "x"}, {"activeOnly": "yes"}, {"system-version": "a"}, {"count": "99999999"}]
)
def test_bad_parameters_are_refused(rig, query):
    url = put(rig, "everything", {"system": COLOURS})
    rig.get("/ValueSet/$expand", url=url, status=400, **query)


def test_hl7_value_sets_expand(rig):
    assert rig.codes(url="http://hl7.org/fhir/ValueSet/administrative-gender") == ["male", "female", "other", "unknown"]
    assert "WIFE" in rig.codes(url="http://terminology.hl7.org/ValueSet/v3-PersonalRelationshipRoleType")
    assert len(rig.codes(url="urn:oid:2.16.156.10011.2.3.3.3:all")) >= 56
