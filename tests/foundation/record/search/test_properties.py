# ruff: noqa: PERF401 - the world is written down kind by kind
"""Whatever is asked, chained, reversed, filtered, sorted or included: the answer is that of a plain loop over all resources."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import json
import os
import random
import re
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import conninfo

from jiankang.fhir.search import parameters
from jiankang.foundation.record.search import plan
from jiankang.foundation.record.store import Record

HERE = Path(__file__).resolve().parent
NOW = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
UCUM = "http://unitsofmeasure.org"


def loaded(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ref = loaded("slow_reference", HERE.parents[2] / "fhir" / "search" / "reference.py")
rig_module = loaded("property_rig", HERE / "rig.py")

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
pytestmark = [pytest.mark.slow] if LONG else []
given_some = settings(
    max_examples=600 if LONG else 40, deadline=None, database=None, derandomize=not LONG,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip

# -- a small world

NAMES = ["张伟", "张丽", "欧阳娜", "Smith", "smithson", "Zhang Wei", "Müller"]
DAYS = ["2019-12-31", "2020-01-01", "2020-01-01T10:00:00+08:00", "2020-02", "2021", "2020-01-01T02:00:00.500Z"]
CODES = [("urn:a", "1"), ("urn:a", "2"), ("urn:b", "1"), (None, "1")]
URIS = ["http://e.org/a", "http://e.org/a/b", "http://e.org/ab", "urn:oid:1.2", "http://e.org/a/b/c|2"]
NUMBERS = ["0.5", "0.50", "0.1", "1", "0", "0.999", "1e-3"]


def concept(rng):
    system, code = rng.choice(CODES)
    return {"coding": [{"code": code, **({"system": system} if system else {})}]}


def meta(rng):
    found = {}
    if rng.random() < 0.6:
        found["profile"] = rng.sample(URIS, rng.randint(1, 2))
    if rng.random() < 0.4:
        found["tag"] = [{"system": "urn:tag", "code": rng.choice(["x", "y"])}]
    if rng.random() < 0.3:
        found["security"] = [{"system": "urn:sec", "code": rng.choice(["R", "N"])}]
    if rng.random() < 0.3:
        found["source"] = rng.choice(URIS)
    return {"meta": found} if found else {}


def maybe(rng, name, value, chance=0.7):
    return {name: value} if rng.random() < chance else {}


def to(rng, type_name, count):
    return {"reference": f"{type_name}/{type_name[:2].lower()}{rng.randrange(count)}"}


def world():
    rng = random.Random(20)
    made = []
    for n in range(4):
        made.append({"resourceType": "Organization", "id": f"or{n}", "name": rng.choice(NAMES), **meta(rng),
                     **maybe(rng, "partOf", to(rng, "Organization", 5))})  # fmt: skip
    for n in range(4):
        made.append(
            {"resourceType": "Practitioner", "id": f"pr{n}", "name": [{"family": rng.choice(NAMES)}], **meta(rng)}
        )
    for n in range(14):
        made.append({
            "resourceType": "Patient", "id": f"pa{n}", "gender": rng.choice(["male", "female"]), **meta(rng),
            **maybe(rng, "name", [{"family": rng.choice(NAMES)} for _ in range(rng.randint(1, 2))]),
            **maybe(rng, "birthDate", rng.choice(["1970", "1970-05", "1970-05-01", "2001-02-03"])),
            **maybe(rng, "managingOrganization", to(rng, "Organization", 5)),
            **maybe(rng, "generalPractitioner", [to(rng, "Practitioner", 5) for _ in range(2)]),
        })  # fmt: skip
    for n in range(40):
        made.append({
            "resourceType": "Observation", "id": f"ob{n}", "status": rng.choice(["final", "amended"]), "code": concept(rng),
            **meta(rng), **maybe(rng, "subject", to(rng, "Patient", 16)), **maybe(rng, "effectiveDateTime", rng.choice(DAYS)),
            **maybe(rng, "performer", [to(rng, rng.choice(["Practitioner", "Organization"]), 4) for _ in range(2)], 0.5),
            **maybe(rng, "valueQuantity", {"value": Decimal(rng.choice(["1", "1000", "1.0", "2.5"])), "system": UCUM,
                                           "code": rng.choice(["g", "mg", "kg"])}),
            **maybe(rng, "component", [{"code": concept(rng), "valueQuantity": {"value": rng.randint(1, 3)}} for _ in range(2)], 0.4),
        })  # fmt: skip
    for n in range(10):
        made.append({
            "resourceType": "RiskAssessment", "id": f"ri{n}", "status": "final", "subject": to(rng, "Patient", 14), **meta(rng),
            "prediction": [{"probabilityDecimal": Decimal(rng.choice(NUMBERS))} for _ in range(rng.randint(0, 2))] or
                          [{"probabilityRange": {"low": {"value": Decimal("0.1")}, "high": {"value": Decimal("0.6")}}}],
        })  # fmt: skip
    for n in range(8):
        made.append({"resourceType": "ValueSet", "id": f"va{n}", "status": "active", **meta(rng),
                     **maybe(rng, "url", rng.choice(URIS[:4])), **maybe(rng, "name", rng.choice(["A", "B"]))})  # fmt: skip
    return made


WORLD = world()
BY_NAME = {f"{one['resourceType']}/{one['id']}": one for one in WORLD}
TYPES = sorted({one["resourceType"] for one in WORLD})


@pytest.fixture(scope="module")
def rig(server_url, template):
    """One loop and one record for all examples."""
    name = f"jk_props_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server_url, autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    with asyncio.Runner() as runner:
        opened = Record.open(conninfo.make_conninfo(server_url, dbname=name))
        record = runner.run(opened.__aenter__())
        rig = rig_module.Rig(record)
        runner.run(rig.put(*WORLD))
        rig.run = runner.run
        yield rig
        runner.run(opened.__aexit__(None, None, None))
    with psycopg.connect(server_url, autocommit=True) as db:
        db.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


# -- questions

PREFIXED = st.sampled_from(["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"])
DAY = st.builds(
    str.__add__,
    PREFIXED,
    st.sampled_from([*[day.replace("+", "%2B").replace("%2B", "+") for day in DAYS], "1970", "1970-05-01", "2020"]),
)
TOKEN = st.sampled_from(["1", "2", "urn:a|1", "urn:a|", "|1", "urn:b|1", "9", "male", "final"])
SHOWN = st.sampled_from(["张", "张伟", "smith", "SMITH", "欧阳", "mull", "娜", "wei", "Smith"])
URI = st.sampled_from([*URIS, "http://e.org", "http://e.org/a/b/c", "http://e.org/a/b/c/d"])
AMOUNT = st.builds(
    str.__add__, PREFIXED,
    st.builds(str.__add__, st.sampled_from(["1", "1000", "1.0", "0.001", "2.5", "1e3"]),
              st.sampled_from(["", f"|{UCUM}|g", f"|{UCUM}|mg", "||kg", f"|{UCUM}|kg"])),
)  # fmt: skip
NUMBER = st.builds(str.__add__, PREFIXED, st.sampled_from([*NUMBERS, "5e-1", "0.55"]))
LEAVES = {
    "Patient": [("name", "string"), ("family", "string"), ("gender", "token"), ("birthdate", "date"), ("_profile", "uri"),
                ("_tag", "token"), ("organization", "reference"), ("general-practitioner", "reference"), ("_source", "uri")],
    "Observation": [("code", "token"), ("status", "token"), ("date", "date"), ("value-quantity", "quantity"), ("_profile", "uri"),
                    ("subject", "reference"), ("patient", "reference"), ("performer", "reference"), ("_security", "token"),
                    ("component-code-value-quantity", "composite"), ("combo-code", "token")],
    "Organization": [("name", "string"), ("partof", "reference"), ("_tag", "token"), ("_profile", "uri")],
    "Practitioner": [("name", "string"), ("_tag", "token")],
    "RiskAssessment": [("probability", "number"), ("subject", "reference")],
    "ValueSet": [("url", "uri"), ("name", "string"), ("_source", "uri")],
}  # fmt: skip
LINKS = {
    "Patient": [("organization", "Organization"), ("general-practitioner", "Practitioner")],
    "Observation": [("subject", "Patient"), ("patient", "Patient"), ("performer", "Practitioner"), ("performer", "Organization")],
    "Organization": [("partof", "Organization")],
    "RiskAssessment": [("subject", "Patient"), ("patient", "Patient")],
}  # fmt: skip
MODIFIERS = {
    "string": ["", "exact", "contains", "missing"], "token": ["", "not", "missing"], "uri": ["", "above", "below", "missing"],
    "reference": ["", "missing"], "date": ["", "missing"], "quantity": ["", "missing"], "number": ["", "missing"], "composite": [""],
}  # fmt: skip
VALUES = {
    "string": SHOWN, "token": TOKEN, "uri": URI, "date": DAY, "quantity": AMOUNT, "number": NUMBER,
    "reference": st.sampled_from(["Patient/pa1", "pa2", "Organization/or1", "pr1", "Patient/none", "Practitioner/pr2"]),
    "composite": st.builds(lambda a, b: f"{a}${b}", st.sampled_from(["1", "urn:a|1", "|1", "urn:b|2"]), st.builds(str.__add__, PREFIXED, st.sampled_from(["1", "2", "2.5"]))),
}  # fmt: skip


@st.composite
def leaf(draw, type_name):
    code, kind = draw(st.sampled_from(LEAVES[type_name]))
    modifier = draw(st.sampled_from(MODIFIERS[kind]))
    if modifier == "missing":
        return ("leaf", code, modifier, draw(st.sampled_from(["true", "false"])))
    values = draw(st.lists(VALUES[kind], min_size=1, max_size=2))
    if code in {"status", "gender"}:  # the reference does not know the systems that codes imply
        values = [value for value in values if "|" not in value] or ["male"]
    return ("leaf", code, modifier, ",".join(values))


@st.composite
def condition(draw, type_name, depth=3):
    ways = ["leaf"]
    if depth and type_name in LINKS:
        ways.append("chain")
    backward = [(s, c) for s, links in LINKS.items() for c, t in links if t == type_name]
    if depth and backward:
        ways.append("has")
    way = draw(st.sampled_from(ways))
    if way == "leaf":
        return draw(leaf(type_name))
    if way == "chain":
        code, target = draw(st.sampled_from(LINKS[type_name]))
        return ("chain", code, target, draw(condition(target, depth - 1)))
    source, code = draw(st.sampled_from(backward))
    return ("has", source, code, draw(condition(source, depth - 1)))


def written(asked):
    """The condition as name and value."""
    if asked[0] == "leaf":
        _, code, modifier, value = asked
        return (f"{code}:{modifier}" if modifier else code), value
    name, value = written(asked[3])
    if asked[0] == "chain":
        return f"{asked[1]}:{asked[2]}.{name}", value
    return f"_has:{asked[1]}:{asked[2]}:{name}", value


def links(resource, code, target):
    """Names of resources of `target` that the parameter refers to."""
    parameter = ref.load().search_parameters(resource["resourceType"])[code]
    found = [value.get("reference", "") for _, value in ref.values_of(resource, parameter)]
    return [name for name in found if name.startswith(f"{target}/")]


def holds(resource, asked):
    if asked[0] == "leaf":
        return ref.matches(resource, asked[1], asked[2] or None, asked[3], now=NOW)
    if asked[0] == "chain":
        _, code, target, inner = asked
        return any(name in BY_NAME and holds(BY_NAME[name], inner) for name in links(resource, code, target))
    _, source, code, inner = asked
    me = f"{resource['resourceType']}/{resource['id']}"
    return any(
        me in links(one, code, resource["resourceType"]) and holds(one, inner)
        for one in WORLD if one["resourceType"] == source
    )  # fmt: skip


def plainly(type_name, asked):
    return {one["id"] for one in WORLD if one["resourceType"] == type_name and all(holds(one, part) for part in asked)}


CONDITIONS = st.sampled_from(TYPES).flatmap(
    lambda name: st.tuples(st.just(name), st.lists(condition(name), min_size=1, max_size=3))
)


@pytest.mark.parametrize("tight", [False, True])
def test_any_conjunction_of_conditions_chains_and_reverse_chains(rig, tight, monkeypatch):
    if tight:
        monkeypatch.setattr(plan, "HOPS", 3)
        monkeypatch.setattr(plan, "_FEW", 2)

    @given_some
    @given(CONDITIONS)
    def check(question):
        type_name, asked = question
        pairs = [written(part) for part in asked]
        expected = plainly(type_name, asked)
        assert rig.run(rig.found(type_name, [*pairs, ("_count", "1000")], clock=lambda: NOW)) == expected
        assert sorted(rig.run(rig.all_pages(type_name, [*pairs, ("_count", "3")], clock=lambda: NOW))) == sorted(
            expected
        )
        total = rig.run(rig.search(type_name, [*pairs, ("_summary", "count")], clock=lambda: NOW)).total
        assert total == len(expected)

    check()


# -- _filter

FILTERS = {
    "string": ["eq", "ne", "co", "sw", "ew"], "token": ["eq", "ne"], "date": ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "po"],
    "number": ["eq", "gt", "lt", "ge", "le"], "quantity": ["gt", "lt"], "reference": ["eq", "re"], "uri": ["eq", "sw"],
}  # fmt: skip


@st.composite
def comparison(draw, type_name):
    code, kind = draw(st.sampled_from([pair for pair in LEAVES[type_name] if pair[1] in FILTERS]))
    if not code.startswith("_") and draw(st.booleans()) and draw(st.booleans()):
        return ("is", code, kind, "pr", draw(st.sampled_from(["true", "false"])))
    value = draw(VALUES[kind])
    if kind in {"date", "number", "quantity"}:
        value = re.sub("^[a-z]{2}", "", value)
    if code in {"status", "gender"} and "|" in value:  # the reference does not know the systems that codes imply
        value = "final"
    return ("is", code, kind, draw(st.sampled_from(FILTERS[kind])), value)


def sentences(type_name):
    base = st.one_of(comparison(type_name), comparison(type_name))
    through = [("thru", code, target) for code, target in LINKS.get(type_name, [])]
    if through:
        chained = st.sampled_from(through).flatmap(lambda one: comparison(one[2]).map(lambda inner: (*one, inner)))
        base = st.one_of(base, chained)
    return st.recursive(
        base,
        lambda more: st.one_of(st.tuples(st.just("and"), more, more), st.tuples(st.just("or"), more, more), st.tuples(st.just("not"), more)),
        max_leaves=4,
    )  # fmt: skip


def sentence(one):
    if one[0] == "is":
        _, code, _, operator, value = one
        return f"{code} {operator} {value if operator == 'pr' else json.dumps(value, ensure_ascii=False)}"
    if one[0] == "thru":
        return f"{one[1]}:{one[2]}.{sentence(one[3])}"
    if one[0] == "not":
        return f"not ({sentence(one[1])})"
    return f"({sentence(one[1])}) {one[0]} ({sentence(one[2])})"


def compared(resource, code, kind, operator, value):
    if operator == "pr":
        return ref.matches(resource, code, "missing", "false" if value == "true" else "true")
    if operator == "ne" and kind not in {"date", "number", "quantity"}:
        return ref.matches(resource, code, "missing", "false") and not compared(resource, code, kind, "eq", value)
    parameter = ref.load().search_parameters(resource["resourceType"])[code]
    if kind == "string":
        texts = [
            ref.folded(text) for found, one in ref.values_of(resource, parameter) for text in ref.texts(found, one)
        ]
        wanted = ref.folded(value)
        way = {"eq": str.__eq__, "co": str.__contains__, "sw": str.startswith, "ew": str.endswith}[operator]
        return any(way(text, wanted) for text in texts)
    if kind == "uri" and operator == "sw":
        found = [one for _, one in ref.values_of(resource, parameter)]
        return any(one.startswith(value) for one in found)
    if operator == "po":
        low, high = ref.moment(value)
        found = [span for kind_, one in ref.values_of(resource, parameter) for span in ref.times(kind_, one)]
        return any(start < high and low < end for start, end in found)
    operator = {"re": "eq"}.get(operator, operator)
    prefix = operator if kind in {"date", "number", "quantity"} else ""
    return ref.matches(resource, code, None, prefix + value, now=NOW)


def says(resource, one):
    if one[0] == "is":
        return compared(resource, *one[1:])
    if one[0] == "thru":
        return any(name in BY_NAME and says(BY_NAME[name], one[3]) for name in links(resource, one[1], one[2]))
    if one[0] == "not":
        return not says(resource, one[1])
    both = [says(resource, one[1]), says(resource, one[2])]
    return all(both) if one[0] == "and" else any(both)


SENTENCES = st.sampled_from(TYPES).flatmap(lambda name: st.tuples(st.just(name), sentences(name)))


def test_any_filter(rig):
    @given_some
    @given(SENTENCES)
    def check(question):
        type_name, one = question
        expected = {r["id"] for r in WORLD if r["resourceType"] == type_name and says(r, one)}
        found = rig.run(rig.found(type_name, [("_filter", sentence(one)), ("_count", "1000")], clock=lambda: NOW))
        assert found == expected, sentence(one)

    check()


# -- order

SORTS = {
    "Patient": ["family", "birthdate", "gender", "_id", "_lastUpdated", "_profile", "organization.name", "organization"],
    "Observation": ["date", "status", "value-quantity", "_id", "subject:Patient.family", "patient.birthdate", "performer:Practitioner.name"],
    "Organization": ["name", "_id", "partof.name"],
    "RiskAssessment": ["probability", "_id", "subject:Patient.family"],
    "ValueSet": ["url", "name", "_source", "status"],
    "Practitioner": ["name", "_id"],
}  # fmt: skip


def keys_of(resource, name):
    """Every value that a sort key may take for the resource."""
    if name == "_id":
        return [resource["id"]]
    head, dot, rest = name.partition(".")
    code, _, target = head.partition(":")
    if dot:
        target = target or {"patient": "Patient", "organization": "Organization", "partof": "Organization"}[code]
        return [key for one in links(resource, code, target) if one in BY_NAME for key in keys_of(BY_NAME[one], rest)]
    parameter = ref.load().search_parameters(resource["resourceType"])[code]
    found = ref.values_of(resource, parameter)
    kind = parameters(resource["resourceType"])[code].type
    if kind == "string":
        return [ref.folded(text) for kind_, one in found for text in ref.texts(kind_, one)]
    if kind == "date":
        return [start for kind_, one in found for start, _ in ref.times(kind_, one)]
    if kind == "token":
        return [one if isinstance(one, str) else str(one) for _, one in found]
    if kind == "uri":
        return [text for _, one in found for text in {one, one.partition("|")[0]}]
    if kind == "number":
        return [Decimal(str(one["low"]["value"] if isinstance(one, dict) else one)) for _, one in found]
    if kind == "quantity":
        return [one["value"] * {"g": 1, "mg": Decimal("0.001"), "kg": 1000}[one["code"]] for _, one in found]
    return [one["reference"].rpartition("/")[2] for _, one in found if one["reference"] in BY_NAME]


ORDERS = st.sampled_from(TYPES).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.lists(
            st.tuples(st.sampled_from([s for s in SORTS[name] if s != "_lastUpdated"]), st.booleans()),
            min_size=1,
            max_size=2,
        ),
        st.lists(condition(name, 1), max_size=1),
        st.integers(1, 7),
    )
)


def test_any_order_with_pages_of_any_size(rig):
    @given_some
    @given(ORDERS)
    def check(question):
        type_name, order, asked, size = question
        sort = ",".join(f"{'-' if down else ''}{name}" for name, down in order)
        pairs = [*(written(part) for part in asked), ("_sort", sort), ("_count", str(size))]
        ids = rig.run(rig.all_pages(type_name, pairs, clock=lambda: NOW))
        assert sorted(ids) == sorted(plainly(type_name, asked))
        row = [[_key(BY_NAME[f"{type_name}/{id_}"], name, down) for name, down in order] for id_ in ids]
        for here, there in itertools.pairwise(row):
            assert _in_order(here, there, order), (sort, ids, here, there)

    check()


def _key(resource, name, down):
    found = keys_of(resource, name)
    return (max if down else min)(found) if found else None


def _in_order(here, there, order):
    for one, other, (_, down) in zip(here, there, order, strict=True):
        if one == other:
            continue
        if one is None or other is None:
            return other is None
        return one > other if down else one < other
    return True


# -- includes

FORWARD = [f"{s}:{c}" for s, found in LINKS.items() for c, _ in found] + [
    f"{s}:{c}:{t}" for s, found in LINKS.items() for c, t in found
]
INCLUDES = st.lists(
    st.tuples(st.sampled_from(["_include", "_revinclude"]), st.booleans(), st.sampled_from(["*", *FORWARD, "Observation:*", "Patient:*"])),
    min_size=1, max_size=3,
)  # fmt: skip


def along(resource, name, include):
    """What one include brings of one resource."""
    source, _, rest = include.partition(":")
    code, _, target = rest.partition(":")
    found = set()
    if name == "_include":
        if source in {"*", resource["resourceType"]}:
            for link, to_type in LINKS.get(resource["resourceType"], []):
                if code in {"", "*", link} and target in {"", to_type}:
                    found |= {one for one in links(resource, link, to_type) if one in BY_NAME}
        return found
    me = f"{resource['resourceType']}/{resource['id']}"
    for one in WORLD:
        kind = one["resourceType"]
        if source in {"*", kind} and target in {"", resource["resourceType"]}:
            for link, to_type in LINKS.get(kind, []):
                if code in {"", "*", link} and me in links(one, link, to_type):
                    found.add(f"{kind}/{one['id']}")
    return found


def test_any_include_iterated_or_not(rig):
    @given_some
    @given(
        st.sampled_from(["Patient", "Observation", "Organization"]).flatmap(
            lambda n: st.tuples(st.just(n), condition(n, 0))
        ),
        INCLUDES,
    )
    def check(question, includes):
        type_name, asked = question
        matched = {f"{type_name}/{id_}" for id_ in plainly(type_name, [asked])}
        expected, fresh, wanted = set(), matched, includes
        while fresh:
            more = {one for r in fresh for name, _, text in wanted for one in along(BY_NAME[r], name, text)}
            fresh = more - matched - expected
            expected |= fresh
            wanted = [one for one in includes if one[1]]
        pairs = [(f"{name}:iterate" if again else name, text) for name, again, text in includes]
        result = rig.run(rig.search(type_name, [written(asked), *pairs, ("_count", "1000")], clock=lambda: NOW))
        assert {f"{one.type}/{one.id}" for one in result.includes} == expected
        assert {f"{one.type}/{one.id}" for one in result.matches} == matched
        assert len(result.includes) == len(expected)

    check()
