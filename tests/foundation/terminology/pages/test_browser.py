"""The terminology browser: lists, trees, concepts, value sets, maps."""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

import pytest

from jiankang.foundation.access import NOTHING, Actor, TypeIn
from jiankang.foundation.terminology.grammars import GRAMMARS

PATH = "/-/terminology"
FOODS = "https://example.org/CodeSystem/foods"
SET = "https://example.org/ValueSet/sweet-things"
WIDER = "https://example.org/ValueSet/all-things"
MAP = "https://example.org/ConceptMap/foods"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
SEX = "urn:oid:2.16.156.10011.2.3.3.4"


def concept(code, display, chinese, *inner, **more):
    names = [{"language": "zh-CN", "value": chinese}]
    return {
        "code": code,
        "display": display,
        "designation": names,
        **({"concept": list(inner)} if inner else {}),
        **more,
    }


SYSTEM = {
    "resourceType": "CodeSystem", "url": FOODS, "version": "2", "name": "Foods", "title": "Foods <b>", "status": "active",
    "content": "complete", "language": "en", "publisher": "The Kitchen", "copyright": "Free for all", "hierarchyMeaning": "is-a",
    "property": [{"code": "colour", "type": "string", "description": "What it looks like"}, {"code": "goes-with", "type": "code"}],
    "concept": [
        concept("fruit", "Fruit", "水果",
            concept("apple", "Apple", "苹果", concept("red-apple", "Red apple", "红苹果",
                property=[{"code": "colour", "valueString": "red"}, {"code": "goes-with", "valueCode": "bread"}])),
            concept("pear", "Pear", "梨子", definition="What is not an apple.")),
        concept("bread", "Bread", "面包"),
    ],
}  # fmt: skip
VALUE_SETS = [
    {"resourceType": "ValueSet", "url": SET, "name": "Sweet", "title": "Sweet things", "status": "active", "compose": {
        "include": [{"system": FOODS, "filter": [{"property": "concept", "op": "is-a", "value": "fruit"}]}],
        "exclude": [{"system": FOODS, "concept": [{"code": "pear"}]}]}},
    {"resourceType": "ValueSet", "url": WIDER, "name": "All", "title": "All things", "status": "draft", "compose": {
        "include": [{"valueSet": [SET]}]}},
    {"resourceType": "ValueSet", "url": f"{WIDER}-lost", "name": "Lost", "status": "draft", "compose": {
        "include": [{"system": "urn:no-such-system"}, {"system": FOODS, "filter": [{"property": "concept", "op": "is-a", "value": "nothing"}]}]}},
]  # fmt: skip
CONCEPT_MAP = {
    "resourceType": "ConceptMap", "url": MAP, "version": "1", "name": "FoodsToSex", "title": "Foods mapped", "status": "active",
    "group": [{"source": FOODS, "target": SEX, "element": [
        {"code": "apple", "target": [{"code": "1", "equivalence": "wider", "comment": "as good as any"}]},
        {"code": "bread", "target": [{"equivalence": "unmatched"}]}]}],
}  # fmt: skip


def at(page, /, **query):
    return f"{PATH}{page}?{urlencode(query)}"


@pytest.fixture(scope="module", autouse=True)
def stored(pages):
    """What the tests look at, in the record."""
    observation = {
        "resourceType": "Observation", "status": "final", "code": {"coding": [{"system": FOODS, "code": "apple"}]},
        "valueCodeableConcept": {"coding": [{"system": FOODS, "code": "apple"}]},
    }  # fmt: skip
    for resource in (SYSTEM, *VALUE_SETS, CONCEPT_MAP, observation, observation):
        answer = pages.platform("POST", f"/{resource['resourceType']}", json.dumps(resource).encode())
        assert answer.status == 201, answer.body


ADDRESSES = [
    at(""), at("", kind="value-sets"), at("", kind="maps"), at("", q="Kitchen"), at("", q="苹果", kind="codes"), at("", kind="codes"), at("", q="AMB", kind="codes"), at("", q="a", kind="codes", page=2), at("", q="no such thing"), at("", page=3),
    at("/system", system=FOODS), at("/system", system=FOODS, open="red-apple"), at("/system", system=FOODS, q="苹果"),
    at("/system", system=FOODS, q="no such thing"), at("/system", system=ACT), at("/system", system=ACT, open="AMB"),
    at("/system", system=SEX), at("/system", system="http://snomed.info/sct"), at("/system", system="http://unitsofmeasure.org"),
    at("/system", system="http://unitsofmeasure.org", q="mg"), at("/concept", system=FOODS, code="red-apple"),
    at("/concept", system=FOODS, code="apple", used="yes"), at("/concept", system=ACT, code="AMB", used="yes"),
    at("/concept", system="http://unitsofmeasure.org", code="mg"), at("/concept", system=SEX, code="1"),
    at("/value-set", url=SET), at("/value-set", url=WIDER, q="apple"), at("/value-set", url=f"{WIDER}-lost"),
    at("/value-set", url="http://hl7.org/fhir/ValueSet/languages"), at("/value-set", url="http://hl7.org/fhir/ValueSet/mimetypes"),
    at("/map", url=MAP),
]  # fmt: skip


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_every_page_of_the_browser_is_whole(pages, complaints, address, language):
    assert complaints(pages.get(address, language), language) == []


def test_systems_are_found_by_words_of_title_address_and_publisher(pages):
    for words in ("foods", "kitchen", "example.org foods", "FOODS kitch"):
        shown = pages.get(at("", q=words))
        assert shown.words("//td[1]//a") == ["Foods <b>"], words
        assert shown.words("//td[3]") == ["5"]
        assert shown.words("//td[4]") == ["Written hereThe Kitchen"]
    assert pages.get(at("", q="性别"), "zh").all(f"//a[contains(@href, '{quote(SEX, safe='')}')]")


def test_lists_come_in_pages_and_tell_how_much_there_is(pages):
    first, second = pages.get(at("")), pages.get(at("", page=2))
    assert len(first.all("//tbody/tr")) == len(second.all("//tbody/tr")) == 50
    assert not set(first.words("//td[1]//a")) & set(second.words("//td[1]//a"))
    numbers = [int(each.replace(",", "")) for each in first.words("//*[@class='jk-count']")]
    assert numbers[0] > 1_000
    assert numbers[1] > 1_000
    assert numbers[2] == 1


def test_codes_are_found_in_all_systems_at_once(pages):
    shown = pages.get(at("", kind="codes", q="苹果"), "zh")
    assert shown.words("//tbody/tr") == ["apple 苹果 Foods <b>", "red-apple 红苹果 Foods <b>"]
    assert pages.get(at("", kind="codes", q="apple"), "en").words("//td[2]")[0] == "Apple"
    women = pages.get(at("", kind="codes", q="女性"), "zh")
    assert any("2261.1" in each for each in women.words("//td[3]"))
    assert women.words("//*[@aria-current='page']/*[@class='jk-count']") == [str(len(women.all("//tbody/tr")))]
    first = pages.get(at("", kind="codes", q="AMB")).words("//tbody/tr")[0]
    assert first.startswith("AMB ")
    many = pages.get(at("", kind="codes", q="a"))
    assert "The first 200" in many.words("//*[@id='results']")[0]
    assert "codes" not in " ".join(pages.get(at("")).all("//*[@class='jk-tabs']//@href"))


def test_what_was_loaded_here_is_listed_first(pages):
    assert pages.get(at("")).words("//td[1]//a")[0] == "Foods <b>"
    assert pages.get(at("", kind="value-sets")).words("//td[1]//a")[0] == "All things"


def test_a_search_in_an_open_page_answers_the_list_alone(pages):
    whole = pages.get(at("", q="foods"))
    part = pages.get(at("", q="foods"), hx_request="true")
    assert "<html" not in part.text
    assert (
        part.all("//*[@id='results']")[0].text_content().split()
        == whole.all("//*[@id='results']")[0].text_content().split()
    )
    assert "HX-Request" in whole.headers["vary"]
    restored = {"hx-request": "true", "hx-history-restore-request": "true"}
    assert "<html" in pages.ask("GET", at("", q="foods"), **restored).text


def test_a_system_says_what_it_is(pages):
    about = pages.get(at("/system", system=FOODS)).words("//*[@id='about']")[0]
    for text in (FOODS, "The Kitchen", "Free for all", "All of its codes are here", "Active", "Written here"):
        assert text in about


def nodes(shown):
    return [each.split(" ", 1)[0] for each in shown.words("//*[@class='jk-tree']//*[contains(@class, 'jk-node')]")]


def test_a_tree_opens_by_plain_links_as_far_as_one_likes(pages):
    shown = pages.get(at("/system", system=FOODS))
    assert nodes(shown) == ["fruit", "bread"]
    shown = pages.get(twig(shown, "fruit"))
    assert nodes(shown) == ["fruit", "apple", "pear", "bread"]
    shown = pages.get(twig(shown, "apple"))
    assert nodes(shown) == ["fruit", "apple", "red-apple", "pear", "bread"]
    assert shown.words("//*[@class='jk-node' and @aria-current]") == ["apple Apple"]
    shown = pages.get(twig(shown, "apple"))
    assert nodes(shown) == ["fruit", "apple", "pear", "bread"]
    shown = pages.get(twig(shown, "fruit"))
    assert nodes(shown) == ["fruit", "bread"]


def twig(shown, code, attribute="href"):
    node = next(each for each in shown.all("//*[@class='jk-node']") if each.text_content().split()[0] == code)
    return node.xpath("./a[@class='jk-twig']")[0].get(attribute).partition("#")[0]


def test_an_open_page_fetches_one_node_at_a_time(pages):
    shown = pages.get(at("/system", system=FOODS), "zh")
    opened = pages.get(twig(shown, "fruit", "hx-get"), "zh", hx_request="true")
    assert "<html" not in opened.text
    assert nodes_of_part(opened) == ["fruit 水果", "apple 苹果", "pear 梨子"]
    assert opened.all("//a[@aria-expanded='true']")
    shut = pages.get(twig(opened, "fruit", "hx-get"), "zh", hx_request="true")
    assert nodes_of_part(shut) == ["fruit 水果"]
    leaf = opened.all("//*[@class='jk-node'][contains(., 'pear')]")[0]
    assert not leaf.xpath("./a[@class='jk-twig']")


def nodes_of_part(shown):
    return shown.words("//*[contains(@class, 'jk-node')]")


def test_what_has_several_parents_is_found_below_each(pages):
    shown = pages.get(at("/system", system=ACT, open="AMB"))
    assert "AMB" in nodes(shown)
    leaf = next(
        each for each in shown.all("//*[contains(@class, 'jk-node')]") if each.text_content().split()[0] == "EMER"
    )
    assert not leaf.xpath("./a[@class='jk-twig']")


@pytest.mark.parametrize(("words", "found"), [("apple", ["apple", "red-apple"]), ("苹果", ["apple", "red-apple"]), ("红苹果", ["red-apple"]), ("red-app", ["red-apple"]), ("梨", ["pear"])])  # fmt: skip
def test_codes_are_found_by_words_in_either_language_and_by_code(pages, words, found):
    for language in ("zh", "en"):
        shown = pages.get(at("/system", system=FOODS, q=words), language)
        assert sorted(shown.words("//td[1]")) == found


def test_names_are_in_the_readers_language_and_say_which_they_are_in(pages):
    for language, name, tag in (("zh", "红苹果", "zh-Hans"), ("en", "Red apple", "en")):
        shown = pages.get(at("/concept", system=FOODS, code="red-apple"), language)
        assert shown.words("//h1/span") == [name]
        assert shown.all("//h1/span")[0].get("lang") == tag


def test_a_concept_has_names_properties_and_neighbours(pages):
    shown = pages.get(at("/concept", system=FOODS, code="red-apple"))
    rows = shown.words("//tr[td]")
    assert "红苹果 Chinese –" in rows
    assert {"colourWhat it looks like red", "goes-with bread"} <= set(rows)
    assert f"{PATH}/concept?{urlencode({'system': FOODS, 'code': 'bread'})}" in shown.links()
    assert shown.words("//*[@id='relations']//li") == ["apple Apple"]
    above = pages.get(at("/concept", system=FOODS, code="fruit"))
    assert above.words("//*[@id='relations']//li") == ["apple Apple", "pear Pear"]


def test_where_a_code_is_used(pages):
    shown = pages.get(at("/concept", system=FOODS, code="apple", used="yes"))
    used = shown.words("//*[@id='used']")[0]
    assert f"Sweet things{SET}" in used
    assert f"All things{WIDER}" in used
    assert "wider" in used
    assert f"{MAP}|1" in used
    assert "Observation.code: 2 resources" in used
    assert "Observation.value-concept: 2 resources" in used
    part = pages.get(at("/used", system=FOODS, code="apple"), hx_request="true")
    assert part.words("//*[@id='used']")[0] == used
    assert "Sweet things" not in pages.get(at("/used", system=FOODS, code="pear")).text
    assert "apple" in pages.get(at("/used", system=SEX, code="1")).words("//*[@id='used']")[0]


def test_a_value_set_is_told_in_words_and_in_codes(pages):
    shown = pages.get(at("/value-set", url=SET))
    definition = shown.words("//*[@id='definition']")[0]
    assert f"Codes with conditions, of {FOODS}" in definition
    assert "fruit and all below it" in definition
    assert f"But not: 1 code that is listed, of {FOODS}" in definition
    assert shown.words("//td[1]") == ["fruit", "apple", "red-apple"]
    assert pages.get(at("/value-set", url=SET, q="red")).words("//td[1]") == ["red-apple"]
    assert pages.get(at("/value-set", url=SET), "zh").words("//td[2]") == ["水果", "苹果", "红苹果"]


def test_a_value_set_that_cannot_be_listed_says_why(pages):
    shown = pages.get(at("/value-set", url=f"{WIDER}-lost"))
    assert "urn:no-such-system" in shown.words("//*[@id='results']")[0]


def test_a_map_shows_its_mappings(pages):
    rows = pages.get(at("/map", url=MAP)).words("//tr[td]")
    assert rows == ["apple wider 1 as good as any", "bread unmatched –"]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (at("/system", system="urn:none"), 404),
        (at("/system", system=FOODS, version="9"), 404),
        (at("/system"), 400),
        (at("/concept", system=FOODS, code="none"), 404),
        (at("/concept", system=FOODS), 400),
        (at("/branch", system=FOODS, code="none"), 404),
        (at("/branch", system="http://unitsofmeasure.org", code="mg"), 404),
        (at("/value-set", url="urn:none"), 404),
        (at("/map", url="urn:none"), 404),
        (at("/system", system="x" * 3_000), 400),
        (f"{PATH}/concept?system={quote(FOODS)}&code=%00", 400),
    ],
)
def test_what_is_not_there_is_told_on_a_page(pages, complaints, address, status):
    shown = pages.get(address, "zh", status=status)
    assert complaints(shown, "zh") == []


@pytest.mark.parametrize("text", ["'", '"><script>', "%", "a' | b", "\\", "  ", "🍎", "a" * 250, "&", "():*!<->"])
def test_any_words_may_be_searched_for(pages, complaints, text):
    for address in (at("", q=text), at("/system", system=FOODS, q=text), at("/value-set", url=SET, q=text), at("/system", system=FOODS, open=text)):  # fmt: skip
        assert complaints(pages.get(address), "en") == []


def test_who_may_not_ask_is_not_told(pages):
    server = pages.server
    before = server.authenticate
    try:
        server.authenticate = lambda _: Actor("nobody", NOTHING)
        for address in ADDRESSES:
            pages.get(address, status=403)
        pages.get(at("/used", system=FOODS, code="apple"), status=403)
        server.authenticate = lambda _: Actor("reader", TypeIn(frozenset({"CodeSystem"})))
        assert len(pages.get(at("")).all("//*[@class='jk-count']")) == 1
        assert len(pages.get(at("", q="apple")).all("//*[@class='jk-count']")) == 2
        used = pages.get(at("/used", system=FOODS, code="apple")).words("//*[@id='used']")[0]
        assert not any(text in used for text in (SET, MAP, "Observation"))
        pages.get(at("/value-set", url=SET), status=403)
    finally:
        server.authenticate = before


def test_a_grammar_tells_whether_something_is_one_of_its_codes(pages):
    url = next(iter(GRAMMARS))
    assert pages.get(at("/system", system=url, q="mg/dL")).words("//td[1]") == ["mg/dL"]
    assert "No code has these words." in pages.get(at("/system", system=url, q="pints of")).text
