"""Extraction and value parsing together find what the slow reference search finds, on the norm's own examples."""

from __future__ import annotations

import importlib.util
import json
import re
from collections import Counter
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest

from jiankang.fhir.definitions import load
from jiankang.fhir.search import (
    date_matches,
    extract,
    is_conjunction,
    normalise_string,
    number_matches,
    parameters,
    parse_date,
    parse_number,
    parse_of_type,
    parse_quantity,
    parse_reference,
    parse_string,
    parse_token,
    parse_uri,
    split_composite,
)
from jiankang.fhir.search.parameters import KEPT_BY_THE_STORE

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[2] / "node_modules" / "hl7.fhir.r4.examples"
PER_TYPE = 4
PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")

spec = importlib.util.spec_from_file_location("search_reference", HERE / "reference.py")
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)


@pytest.fixture(scope="module")
def examples():
    if not EXAMPLES.is_dir():
        pytest.skip("the definition packages are not installed: run `make setup`")
    seen: Counter[str] = Counter()
    found = []
    for path in sorted(EXAMPLES.rglob("*.json"), key=lambda path: path.name):
        if path.stat().st_size > 100_000 or path.name in ("package.json", ".index.json"):
            continue
        kind = path.name.split("-")[0]
        if kind in load().resource_names and seen[kind] < PER_TYPE:
            seen[kind] += 1
            found.append(json.loads(path.read_text("utf-8"), parse_float=Decimal))
    return found


def found_by_rows(resource, code, modifier, text):
    """Whether the extracted rows answer a query value, as the planner's SQL asks them."""
    known = parameters(resource["resourceType"])
    alias = known[code].alias_of
    codes = alias.codes if alias is not None else (code,)
    target = alias.target if alias is not None else None
    found = extract(resource)
    return any(ANSWERS[known[code].type](found, known[name], modifier, text, target) for name in codes)


def rows_of(found, member, parameter):
    if member == "composites" and is_conjunction("Observation", parameter.code):
        return conjunction_rows(found, parameter)
    return [row[1:] for row in getattr(found, member) if row[0] == parameter.code]


def conjunction_rows(found, parameter):
    """What the rows of a composite would be whose parts are parameters of the whole resource."""
    sides = []
    for part in parameter.components:
        own = parameters("Observation")[part.code]
        codes = own.alias_of.codes if own.alias_of else (own.code,)
        member = {"token": "tokens", "quantity": "quantities", "date": "dates", "string": "strings"}[part.type]
        rows = [row for row in getattr(found, member) if row[0] in codes]
        sides.append([(part.type, *(row[2:5] if part.type == "token" else row[1:])) for row in rows])
    return [(pair,) for pair in product(*sides)]


def token_answer(found, parameter, modifier, text, _target):
    rows = rows_of(found, "tokens", parameter)
    if modifier == "of-type":
        asked = parse_of_type(text)
        return ("of-type", asked.system or None, asked.code, asked.value) in rows
    if modifier == "text":
        start = normalise_string(parse_string(text))
        return any(row[3] and normalise_string(row[3]).startswith(start) for row in rows if row[0] != "of-type")
    asked = parse_token(text)
    return any(token_is(asked, *row[1:3]) for row in rows if row[0] != "of-type")


def token_is(asked, system, code):
    if asked.system is not None and asked.system != (system or ""):
        return False
    return asked.code is None or asked.code == code


def string_answer(found, parameter, modifier, text, _target):
    asked = parse_string(text)
    folded = normalise_string(asked)
    for (raw,) in rows_of(found, "strings", parameter):
        own = normalise_string(raw)
        if {"exact": raw == asked, "contains": folded in own}.get(modifier, own.startswith(folded)):
            return True
    return False


def uri_answer(found, parameter, modifier, text, _target):
    asked = parse_uri(text)
    for (own,) in rows_of(found, "uris", parameter):
        if own == asked:
            return True
        if modifier == "below" and own.startswith(asked.rstrip("/") + "/"):
            return True
    return False


def reference_answer(found, parameter, modifier, text, target):
    if modifier == "identifier":
        asked = parse_token(text)
        return any(token_is(asked, *row) for row in rows_of(found, "reference_identifiers", parameter))
    asked = parse_reference(text)
    if asked.url is not None:
        return (asked.url,) in rows_of(found, "urls", parameter) + rows_of(found, "uris", parameter)
    for kind, id_, version in rows_of(found, "references", parameter):
        right_type = kind == (asked.type or kind) and kind == (target or kind) and kind == (modifier or kind)
        if right_type and id_ == asked.id and (asked.version is None or version == asked.version):
            return True
    return False


def date_answer(found, parameter, _modifier, text, _target):
    asked = parse_date(text)
    rows = rows_of(found, "dates", parameter)
    return any(date_matches(asked.prefix, lo, hi, asked.lo, asked.hi) for lo, hi in rows)


def number_answer(found, parameter, _modifier, text, _target):
    asked = parse_number(text)
    rows = rows_of(found, "numbers", parameter)
    return any(number_matches(asked.prefix, lo, hi, asked.value, asked.lo, asked.hi) for lo, hi in rows)


def quantity_is(asked, lo, hi, system, code, unit, canon_lo, canon_hi, canon_unit):
    if asked.canon_unit is not None:
        if asked.canon_unit != canon_unit:
            return False
        return number_matches(asked.prefix, canon_lo, canon_hi, asked.canon_value, asked.canon_lo, asked.canon_hi)
    if asked.system is not None and (asked.system, asked.code) != (system, code):
        return False
    if asked.code is not None and asked.code not in (code, unit):
        return False
    return number_matches(asked.prefix, lo, hi, asked.value, asked.lo, asked.hi)


def quantity_answer(found, parameter, _modifier, text, _target):
    asked = parse_quantity(text)
    return any(quantity_is(asked, *row) for row in rows_of(found, "quantities", parameter))


def composite_answer(found, parameter, _modifier, text, _target):
    parts = split_composite(text, len(parameter.components))
    return any(
        all(component_is(one, part) for one, part in zip(row, parts, strict=True))
        for (row,) in rows_of(found, "composites", parameter)
    )


def component_is(component, text):
    kind, *value = component
    if kind == "token":
        return token_is(parse_token(text), *value[:2])
    if kind == "quantity":
        return quantity_is(parse_quantity(text), *value)
    if kind == "date":
        asked = parse_date(text)
        return date_matches(asked.prefix, *value, asked.lo, asked.hi)
    if kind == "number":
        asked = parse_number(text)
        return number_matches(asked.prefix, *value, asked.value, asked.lo, asked.hi)
    if kind == "string":
        return normalise_string(value[0]).startswith(normalise_string(parse_string(text)))
    asked = parse_reference(text)
    return (asked.type, asked.id) == tuple(value[:2]) if kind == "reference" else asked.url == value[0]


ANSWERS = {
    "token": token_answer,
    "string": string_answer,
    "uri": uri_answer,
    "reference": reference_answer,
    "date": date_answer,
    "number": number_answer,
    "quantity": quantity_answer,
    "composite": composite_answer,
}


def escaped(text):
    return re.sub(r"([\\,$|])", r"\\\1", text)


def questions(type_, found, resource, parameter):
    """(modifier, value) that are near to what the resource has, and some that are far."""
    for kind, value in found:
        yield from ASK.get(type_, lambda *_: ())(kind, value)
    if type_ == "composite":
        for row in rows_of(extract(resource), "composites", parameter):
            yield None, "$".join(written(component) for component in row[0])


def written(component):
    kind, *value = component
    if kind == "token":
        return f"{escaped(value[0] or '')}|{escaped(value[1])}" if value[1] is not None else "none"
    if kind == "quantity":
        return f"{value[0]}"
    if kind == "date":
        return "ge1900"
    if kind == "reference":
        return f"{value[0]}/{value[1]}"
    return escaped(str(value[0]))


def ask_token(kind, value):
    if kind == "code":
        yield None, escaped(value)
    for system, code, texts in reference.codings(kind, value) if kind != "code" else ():
        if code is not None:
            yield None, escaped(code)
            yield None, f"{escaped(system or '')}|{escaped(code)}"
            yield None, f"|{escaped(code)}"
            yield None, f"urn:other|{escaped(code)}"
            yield None, escaped(code + "x")
        if system:
            yield None, f"{escaped(system)}|"
        for text in texts:
            if text.strip():
                yield "text", escaped(text[:9].upper())
    if kind == "Identifier" and "value" in value:
        for one in value.get("type", {}).get("coding", []):
            yield "of-type", f"{escaped(one.get('system', ''))}|{one.get('code', 'x')}|{escaped(value['value'])}"
            yield "of-type", f"urn:other|{one.get('code', 'x')}|{escaped(value['value'])}"


def ask_string(kind, value):
    for text in reference.texts(kind, value):
        if text.strip():
            for part in (text, text[:3], text[2:5], text.upper(), text + "x"):
                if part.strip():
                    yield from ((modifier, escaped(part)) for modifier in (None, "exact", "contains"))


def ask_uri(_kind, value):
    yield from ((modifier, escaped(text)) for modifier in (None, "below") for text in (value, value[:-1], value + "/x"))
    yield None, escaped(value.split("|")[0])


def ask_reference(kind, value):
    if kind != "Reference":
        if isinstance(value, str) and re.match(r"[a-z]+:|[A-Z]\w+/[\w.-]+$", value):
            yield None, escaped(value)
            yield None, escaped(value.split("|")[0])
        return
    text = value.get("reference", "")
    if text and not text.startswith("#"):
        yield None, escaped(text)
    if re.fullmatch(r"[A-Z]\w+/[\w.-]+", text):
        kind_, id_ = text.split("/")
        yield from (
            (None, id_),
            (None, f"{kind_}/x{id_}"[:64]),
            (None, f"Patient/{id_}"),
            ("Patient", id_),
            (kind_, id_),
        )
    if "value" in value.get("identifier", {}):
        yield "identifier", f"{escaped(value['identifier'].get('system', ''))}|{escaped(value['identifier']['value'])}"


def ask_date(kind, value):
    texts = {"Period": lambda: list(value.values()), "Timing": lambda: value.get("event", [])}.get(
        kind, lambda: [value]
    )()
    for text in texts:
        if isinstance(text, str):
            for cut in {text, text[:10], text[:7], text[:4]}:
                yield from ((None, prefix + cut) for prefix in PREFIXES)


def ask_number(_kind, value):
    if not isinstance(value, dict):
        for number in (value, value + 1, value - Decimal("0.3")):
            yield from ((None, f"{prefix}{number}") for prefix in PREFIXES)


def ask_quantity(kind, value):
    for least, most, system, code, unit in reference.amounts(kind, value):
        for number in {least, most} - {Decimal("-Infinity"), Decimal("Infinity")}:
            for prefix in PREFIXES:
                yield None, f"{prefix}{number}"
                if code:
                    yield None, f"{prefix}{number}|{escaped(system or '')}|{escaped(code)}"
                if unit:
                    yield None, f"{prefix}{number}||{escaped(unit)}"


ASK = {
    "token": ask_token,
    "string": ask_string,
    "uri": ask_uri,
    "reference": ask_reference,
    "date": ask_date,
    "number": ask_number,
    "quantity": ask_quantity,
}


def parameters_with_rows(resource):
    official = load().search_parameters(resource["resourceType"])
    return [(code, one) for code, one in official.items() if code not in KEPT_BY_THE_STORE and one.type != "special"]


def test_rows_answer_as_the_reference_does(examples):
    wrong, asked, true = [], Counter(), Counter()
    for resource in examples:
        for code, definition in parameters_with_rows(resource):
            found = reference.values_of(resource, definition)
            parameter = parameters(resource["resourceType"])[code]
            for modifier, text in set(questions(definition.type, found, resource, parameter)):
                expected = reference.matches(resource, code, modifier, text)
                asked[definition.type] += 1
                true[definition.type] += expected
                if found_by_rows(resource, code, modifier, text) != expected:
                    wrong.append((resource["resourceType"], resource.get("id"), code, modifier, text, expected))
    assert wrong == []
    assert all(asked[kind] > true[kind] > 0 for kind in ("token", "string", "uri", "reference", "date", "quantity"))
    assert sum(asked.values()) > 20_000


def test_presence_bits_say_what_the_reference_says(examples):
    wrong = []
    for resource in examples:
        present = extract(resource).present
        for code, definition in parameters_with_rows(resource):
            if definition.type == "composite":
                continue
            number = parameters(resource["resourceType"])[code].number
            said = bool(present[number >> 3] >> (number & 7) & 1)
            if said == reference.matches(resource, code, "missing", "true"):
                wrong.append((resource["resourceType"], resource.get("id"), code, said))
    assert wrong == []
