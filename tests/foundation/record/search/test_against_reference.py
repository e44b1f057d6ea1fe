"""Hundreds of made-up searches over made-up resources answer exactly what the slow reference says."""

from __future__ import annotations

import importlib.util
import random
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from jiankang.fhir.search import parameters
from jiankang.foundation.record.search import plan
from jiankang.foundation.record.search import statistics as search_statistics
from jiankang.kernel.errors import Problem

ROOT = Path(__file__).resolve().parents[4]
NOW = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
UCUM = "http://unitsofmeasure.org"


def reference():
    spec = importlib.util.spec_from_file_location(
        "search_reference", ROOT / "tests" / "fhir" / "search" / "reference.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def some(rng, values, most=2):
    return [rng.choice(values) for _ in range(rng.randint(0, most))]


FAMILIES = [
    "Smith",
    "smithson",
    "Müller",
    "Muller",
    "O'Brien",
    "张",
    "欧阳",
    "Li Wei",
    "ＦＵＬＬ",
    "a\\b",
    "x,y",
    "50%_",
]
GIVEN = ["Anna", "ANNA", "Béla", "伟", "丽华", "A"]
SYSTEMS = ["urn:a", "urn:b", "http://example.org/c"]
CODES = ["1", "2", "a|b", "x$y", "c,d", "E"]
DATES = [
    "1970", "1999-12", "1999-12-31", "2000-01-01", "2000-02-29", "2000-01-01T00:00:00Z", "1999-12-31T23:30:00-01:00",
    "2000-01-01T08:00:00.250+08:00", "2024-06", "0001", "9999",
]  # fmt: skip
NUMBERS = ["0", "1", "1.0", "-5", "99.95", "100", "100.4", "1e2", "5.40", "0.001"]
UNITS = [
    {"unit": "mg", "system": UCUM, "code": "mg"}, {"unit": "g", "system": UCUM, "code": "g"},
    {"unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}, {"unit": "kPa", "system": UCUM, "code": "kPa"}, {"unit": "drop"},
    {"system": "urn:u", "code": "mg"}, {},
]  # fmt: skip


def coding(rng):
    """A code always has the same display: `:text` finds resources by the texts that their codes are known by."""
    made = {"code": rng.choice(CODES)}
    if rng.random() < 0.8:
        made["system"] = rng.choice(SYSTEMS)
    place = (CODES.index(made["code"]) + len(made.get("system", ""))) % 4
    if place:
        made["display"] = ["", "First One", "second", "第一"][place]
    return made


def concept(rng):
    codings = [coding(rng) for _ in range(rng.randint(0, 2))]
    return {"coding": codings} if codings else {"text": rng.choice(["First thing", "其他", "SECOND"])}


def period(rng):
    made = {}
    ends = sorted(some(rng, ["2000-01-01", "2000-02-29", "2024-06-01"], 2))
    if ends:
        made["start"] = ends[0]
    if len(ends) > 1:
        made["end"] = ends[1]
    return made or {"end": "2000-01-01"}


def quantity(rng):
    made = {"value": Decimal(rng.choice(NUMBERS)), **rng.choice(UNITS)}
    if rng.random() < 0.2:
        made["comparator"] = rng.choice(["<", "<=", ">", ">="])
    return made


def patient(rng, n):
    made = {"resourceType": "Patient", "id": f"p{n}"}
    names = []
    for _ in range(rng.randint(0, 2)):
        name = {"family": rng.choice(FAMILIES)}
        if given := some(rng, GIVEN):
            name["given"] = given
        names.append(name)
    if names:
        made["name"] = names
    identifiers = []
    for _ in range(rng.randint(0, 2)):
        one = {"value": rng.choice(CODES)}
        if rng.random() < 0.8:
            one["system"] = rng.choice(SYSTEMS)
        if rng.random() < 0.5:
            one["type"] = {"coding": [{"system": rng.choice(SYSTEMS), "code": rng.choice(["MR", "SS"])}]}
        identifiers.append(one)
    if identifiers:
        made["identifier"] = identifiers
    for member, values in (("gender", ["male", "female", "other"]), ("birthDate", ["1970", "1999-12", "2000-01-01"])):
        if rng.random() < 0.7:
            made[member] = rng.choice(values)
    if rng.random() < 0.5:
        made["active"] = rng.random() < 0.5
    if rng.random() < 0.4:
        made["managingOrganization"] = {
            "reference": rng.choice(
                ["Organization/o1", "Organization/o2", "urn:uuid:0198f7a2-1111-7222-8333-444455556666"]
            )
        }
    return made


def observation(rng, n):
    made = {
        "resourceType": "Observation",
        "id": f"b{n}",
        "status": rng.choice(["final", "amended"]),
        "code": concept(rng),
    }
    kind = rng.choice(["", "effectiveDateTime", "effectivePeriod", "effectiveInstant"])
    if kind == "effectiveDateTime":
        made[kind] = rng.choice(DATES)
    elif kind == "effectivePeriod":
        made[kind] = period(rng)
    elif kind == "effectiveInstant":
        made[kind] = "2000-01-01T00:00:00Z"
    value = rng.choice(["", "valueQuantity", "valueString", "valueCodeableConcept", "valueDateTime"])
    if value:
        makers = {
            "valueQuantity": quantity, "valueString": lambda r: r.choice(FAMILIES), "valueCodeableConcept": concept,
            "valueDateTime": lambda r: r.choice(DATES),
        }  # fmt: skip
        made[value] = makers[value](rng)
    if rng.random() < 0.7:
        made["subject"] = {
            "reference": rng.choice(["Patient/p1", "Patient/p2", "Group/p1", "http://else.org/Patient/p1"])
        }
    elif rng.random() < 0.5:
        made["subject"] = {"identifier": {"system": rng.choice(SYSTEMS), "value": rng.choice(CODES)}}
    if rng.random() < 0.4:
        made["component"] = [{"code": concept(rng), "valueQuantity": quantity(rng)} for _ in range(rng.randint(1, 2))]
    return made


def escaped(text):
    for mark in "\\,|$":
        text = text.replace(mark, f"\\{mark}")
    return text


def token(rng):
    code = escaped(rng.choice([*CODES, "male", "true", "final", "9"]))
    return rng.choice([code, f"{rng.choice(SYSTEMS)}|{code}", f"|{code}", f"{rng.choice(SYSTEMS)}|"])


def whole_token(rng):
    """In composites a token names a code."""
    while (found := token(rng)).endswith("|") and not found.endswith("\\|"):
        pass
    return found


def amount(rng):
    number = rng.choice(PREFIXES) + rng.choice([*NUMBERS, "99.9", "2e2"])
    unit = rng.choice(["", f"|{UCUM}|mg", f"|{UCUM}|g", "||mg", "||drop", f"|{UCUM}|kPa", "|urn:u|mg", "||mmHg"])
    return number + unit


def value_for(rng, parameter, modifier):
    if modifier == "missing":
        return rng.choice(["true", "false"])
    if modifier == "text":
        return rng.choice(["first", "FIRST THING", "second", "第", "其他"])
    if modifier == "of-type":
        return f"{rng.choice(SYSTEMS)}|{rng.choice(['MR', 'SS'])}|{escaped(rng.choice(CODES))}"
    if modifier == "identifier":
        return rng.choice([escaped(rng.choice(CODES)), f"{rng.choice(SYSTEMS)}|{escaped(rng.choice(CODES))}"])
    kind = parameter.type
    if kind == "string":
        text = rng.choice(FAMILIES + GIVEN)
        return escaped(text[: rng.randint(1, len(text))] if rng.random() < 0.5 else text)
    if kind == "token":
        return token(rng)
    if kind == "date":
        return rng.choice(PREFIXES) + rng.choice(DATES)
    if kind == "quantity":
        return amount(rng)
    if kind == "reference":
        return rng.choice(
            [
                "p1",
                "Patient/p1",
                "Group/p1",
                "Patient/p9",
                "http://else.org/Patient/p1",
                "Organization/o1",
                "urn:uuid:0198f7a2-1111-7222-8333-444455556666",
            ]
        )
    parts = [
        {"token": whole_token, "quantity": amount, "date": lambda r: r.choice(PREFIXES) + r.choice(DATES)}.get(
            component.type, lambda r: escaped(r.choice(FAMILIES))
        )(rng)
        for component in parameter.components
    ]
    return "$".join(parts)


MODIFIERS = {
    "string": ["", "", "exact", "contains", "missing"],
    "token": ["", "", "not", "text", "missing"],
    "date": ["", "", "", "missing"],
    "quantity": ["", "", "", "missing"],
    "reference": ["", "", "identifier", "missing"],
    "composite": [""],
}
ASKED = {
    "Patient": ["name", "family", "given", "identifier", "gender", "birthdate", "active", "organization"],
    "Observation": [
        "code", "status", "date", "subject", "patient", "value-quantity", "value-string", "value-concept", "value-date",
        "combo-code", "component-code", "component-value-quantity", "combo-value-quantity", "code-value-quantity",
        "code-value-concept", "code-value-string", "code-value-date", "component-code-value-quantity",
        "combo-code-value-quantity",
    ],
}  # fmt: skip


def query(rng, type_name):
    code = rng.choice(ASKED[type_name])
    parameter = parameters(type_name)[code]
    modifier = rng.choice(MODIFIERS[parameter.type])
    if modifier == "not" and code == "identifier":
        modifier = "of-type"
    values = [value_for(rng, parameter, modifier) for _ in range(1 if modifier == "missing" else rng.choice([1, 1, 2]))]
    return f"{code}:{modifier}" if modifier else code, ",".join(values)


def comparable(name, value):
    """Whether the reference decides this exactly.

    It only looks at a plain code, not at the system that it implies; and its calendar ends at both ends of `ap`.
    """
    if name.partition(":")[0] in {"gender", "status"} and "|" in value:
        return False
    if name == "patient:identifier":  # a logical reference need not say that it is to a patient
        return False
    if "$" in value and "a\\|b" in value:  # codes with a bar are not told apart in composites
        return False
    return not re.search(r"ap(0001|9999)", value)


def expected(ref, resources, queries):
    found = set()
    for one in resources:
        fits = True
        for name, value in queries:
            code, _, modifier = name.partition(":")
            if not ref.matches(one, code, modifier or None, value, now=NOW):
                fits = False
                break
        if fits:
            found.add(one["id"])
    return found


@pytest.mark.parametrize(("seed", "tight"), [(1, False), (2, False), (3, True), (4, True)])
async def test_made_up_searches_answer_what_the_reference_says(rig, seed, tight, monkeypatch):
    if tight:  # small bounds, so that the shapes for large records are used
        monkeypatch.setattr(plan, "CANDIDATES", 5)
        monkeypatch.setattr(plan, "HOPS", 3)
        monkeypatch.setattr(plan, "_FEW", 2)
        monkeypatch.setattr(search_statistics, "PROBED", 6)
    ref = reference()
    rng = random.Random(seed)
    resources = {
        "Patient": [patient(rng, n) for n in range(40)],
        "Observation": [observation(rng, n) for n in range(80)],
    }
    for batch in resources.values():
        await rig.put(*batch)
    wrong = []
    for _ in range(400):
        type_name = rng.choice(["Patient", "Observation", "Observation"])
        queries = [query(rng, type_name) for _ in range(rng.choice([1, 1, 2]))]
        if not all(comparable(*one) for one in queries):
            continue
        answer = expected(ref, resources[type_name], queries)
        try:
            found = await rig.found(type_name, [*queries, ("_count", "1000")], clock=lambda: NOW)
            pages = await rig.all_pages(type_name, [*queries, ("_count", "9")], clock=lambda: NOW)
        except Problem as problem:
            wrong.append((type_name, queries, str(problem)))
            continue
        if found != answer:
            wrong.append((type_name, queries, {"missing": answer - found, "too many": found - answer}))
        elif sorted(pages) != sorted(answer):
            wrong.append((type_name, queries, "pages", pages, answer))
    assert not wrong, "\n".join(map(str, wrong[:40]))
