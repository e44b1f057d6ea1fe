"""Whatever is sent to be kept, it is kept as it is or refused in FHIR; nothing in between."""

from __future__ import annotations

import copy
import gzip
import json
import random

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from jiankang.kernel.errors import Invalid, TooLarge
from jiankang.kernel.jsontext import decode, encode

pytestmark = pytest.mark.slow
LONG = settings.default.max_examples > 1000
TRIES = settings(max_examples=3_000 if LONG else 60)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.text(max_size=12)
    | st.floats(allow_nan=False, allow_infinity=False, width=32),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NASTY = [
    None, True, 0, -1, 1.5, 10**40, 1e-300, "", " ", "\x00", "\x08", "a\nb", "²", "9" * 500, [], {}, [None], [[]], {"a": None}, "Patient/1",
    "#in", "#nowhere", "urn:uuid:x", "http://[", "Patient?identifier=1", "2020-02-30", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "9999", "10:00:00", "a" * 100_000, "张" * 20_000, "\U0010ffff", "<div>", '<div xmlns="http://www.w3.org/1999/xhtml"><p>',
    '<div xmlns="http://www.w3.org/1999/xhtml">' + "<b>" * 3_000 + "</b>" * 3_000 + "</div>", "<!DOCTYPE x [<!ENTITY a 'b'>]><div>&a;</div>",
    {"resourceType": "Patient"}, {"extension": [{"url": "x", "valueString": "y"}]}, {"reference": "#"}, {"value": 1e300, "code": "Ym10", "system": "http://unitsofmeasure.org"},
    {"value": 1, "code": "((((", "system": "http://unitsofmeasure.org"}, {"start": "2021", "end": "2020"}, {"text": "x" * 5_000}, {"coding": [{"code": "c" * 6_000}]},
    [{"system": "s" * 6_000, "value": "v" * 6_000}], {"reference": "Patient/" + "a" * 64}, {"resourceType": "Bundle", "type": "batch"},
]  # fmt: skip


def places(value, path=()):
    """Every place inside a value."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            found += places(inner, (*path, number))
    return found


def mutated(value, dice, others):
    """The value with one to three places changed, doubled, taken away or added to."""
    changed = copy.deepcopy(value)
    for _ in range(dice.randint(1, 3)):
        path = dice.choice(places(changed) or [()])
        if not path:
            continue
        holder = changed
        for part in path[:-1]:
            holder = holder[part]
        last, act = path[-1], dice.randrange(5)
        if act == 0:
            holder[last] = copy.deepcopy(dice.choice(others))
        elif act == 1:
            del holder[last]
        elif act == 2:
            holder[last] = [holder[last], copy.deepcopy(holder[last])]
        elif act == 3 and isinstance(holder, dict):
            holder[dice.choice([f"_{last}", f"{last}x", "id", "extension", "contained", "meta", "value", "²", ""])] = (
                copy.deepcopy(dice.choice(others))
            )
        else:
            target = dice.choice(places(changed) or [path])
            inner = changed
            for part in target:
                inner = inner[part]
            holder[last] = copy.deepcopy(inner)
    return changed


def material(samples, shared_folder):
    """Our samples, and where they are at hand the resources of a real bundle."""
    found = list(samples)
    files = sorted(shared_folder.glob("data/synthea/*.json.bz2")) if shared_folder.is_dir() else []
    if files:
        import bz2

        bundle = json.loads(bz2.decompress(files[0].read_bytes()))
        by_type = {entry["resource"]["resourceType"]: entry["resource"] for entry in bundle["entry"]}
        found += [one for one in by_type.values() if len(json.dumps(one)) < 20_000]
    return found


def text_of(value):
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def test_a_mutated_resource_is_kept_as_it_is_or_refused(platform, decent, samples):
    from pathlib import Path

    dice = random.Random(None if LONG else 11)
    pool = material(samples, Path(__file__).resolve().parents[3] / "shared")
    kept = 0
    for number in range(6_000 if LONG else 500):
        changed = mutated(dice.choice(pool), dice, NASTY)
        kind = changed.get("resourceType") if isinstance(changed, dict) else None
        kind = kind if isinstance(kind, str) and kind.isalpha() else "Patient"
        changed["id"] = f"m{number % 40}" if dice.random() < 0.9 else changed.get("id")
        body = text_of(changed)
        answer = decent(platform("PUT", f"/{kind}/m{number % 40}", body), (kind, body))
        if answer.status in {200, 201}:
            kept += 1
            back = decent(platform("GET", f"/{kind}/m{number % 40}"), body).value
            back["meta"] = {k: v for k, v in back["meta"].items() if k not in {"versionId", "lastUpdated"}}
            sent = decode(body)
            sent["meta"] = {k: v for k, v in sent.get("meta", {}).items() if k not in {"versionId", "lastUpdated"}}
            assert back == sent
            decent(platform("GET", f"/{kind}", query=f"_id=m{number % 40}&_summary=true".encode()), body)
    assert kept > 20


def test_mutated_text_never_breaks_us(platform, decent, samples):
    dice = random.Random(None if LONG else 5)
    for _ in range(3_000 if LONG else 300):
        text = bytearray(text_of(dice.choice(samples)))
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(text))
            act = dice.randrange(4)
            if act == 0:
                text[at] = dice.randrange(256)
            elif act == 1:
                del text[at : at + dice.randint(1, 40)]
            elif act == 2:
                text[at:at] = dice.choice(
                    [b'"', b"\\", b"{", b"[", b"\\ud800", b"\\u0000", b"\x00", b"\xff", b"1e999", b"[" * 99, b","]
                )
            else:
                text[at:at] = text[at : at + dice.randint(1, 60)]
        decent(platform("POST", "/Patient", bytes(text)), bytes(text))
        decent(platform("POST", "", bytes(text)), bytes(text))


@TRIES
@given(JSON, st.sampled_from(["Patient", "Observation", "Basic", "Parameters", "Binary", "Bundle"]), st.booleans())
def test_any_json_at_all_is_answered(platform, decent, value, kind, typed):
    if typed and isinstance(value, dict):
        value = {**value, "resourceType": kind}
    decent(platform("POST", f"/{kind}", text_of(value)), value)
    decent(platform("POST", f"/{kind}/$validate", text_of(value)), value)
    decent(platform("POST", "", text_of(value)), value)


POINTERS = st.sampled_from(
    ["", "/", "/active", "/name", "/name/0", "/name/-", "/name/0/family", "/name/99", "/id", "/resourceType", "/meta", "/meta/versionId",
     "/²", "/name/²", "/name/00", "/name/-1", "~", "/~2", "/identifier/0/value", "/contained/0", "name", "/text/div", "/name/0/given/0"]
)  # fmt: skip
OPERATIONS = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "spin", None, 1]),
        "path": POINTERS | st.text(max_size=6) | st.none(),
        "from": POINTERS | st.none(),
        "value": st.sampled_from(NASTY[:20]) | JSON,
    },
)
PATHS = st.sampled_from(
    ["Patient", "Patient.name", "Patient.name[0]", "Patient.name.given", "Patient.id", "Patient.birthDate", "name.where(", "1/0", "''", "Patient.where(true)",
     "Patient.name.matches('(a+)+$')", "Patient.descendants()", "Patient.repeat(children())", "Patient.name.first().family", "%x", "Patient.extension('a')", "²"]
) | st.text(max_size=10)  # fmt: skip
PARTS = st.lists(
    st.one_of(
        st.builds(
            lambda v: {"name": "type", "valueCode": v},
            st.sampled_from(["add", "insert", "delete", "replace", "move", "x"]),
        ),
        st.builds(lambda v: {"name": "path", "valueString": v}, PATHS),
        st.builds(
            lambda v: {"name": "name", "valueString": v},
            st.sampled_from(["birthDate", "name", "active", "id", "²", ""]),
        ),
        st.builds(lambda v: {"name": "value", "valueString": v}, st.text(max_size=5)),
        st.just({"name": "value", "valueHumanName": {"family": "New"}}),
        st.just({"name": "value", "part": [{"name": "family", "valueString": "x"}]}),
        st.builds(lambda v: {"name": "index", "valueInteger": v}, st.integers(-3, 10**12)),
        st.builds(lambda v: {"name": "source", "valueInteger": v}, st.integers(-3, 5)),
        st.builds(lambda v: {"name": "destination", "valueInteger": v}, st.integers(-3, 5)),
    ),
    max_size=6,
)


@TRIES
@given(st.lists(OPERATIONS, max_size=4))
def test_any_json_patch_is_done_or_refused(platform, decent, samples, operations):
    assert decent(platform("PUT", "/Patient/p1", text_of(samples[0]))).status in {200, 201}
    content = {"content-type": "application/json-patch+json"}
    decent(platform("PATCH", "/Patient/p1", text_of(operations), headers=content), operations)


@TRIES
@given(st.lists(PARTS, max_size=3))
def test_any_fhirpath_patch_is_done_or_refused(platform, decent, samples, operations):
    assert decent(platform("PUT", "/Patient/p1", text_of(samples[0]))).status in {200, 201}
    patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts} for parts in operations]}
    decent(platform("PATCH", "/Patient/p1", text_of(patch)), patch)


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_a_bomb_or_a_broken_archive_is_refused(platform, decent, packing):
    bomb = b'{"resourceType":"Patient"' + b" " * 300_000_000 + b"}"
    if packing == "gzip":
        packed, good = gzip.compress(bomb, 9), gzip.compress(b'{"resourceType":"Patient"}')
    else:
        packed, good = zstandard.compress(bomb), zstandard.compress(b'{"resourceType":"Patient"}')
    answer = decent(platform("POST", "/Patient", packed, headers={"content-encoding": packing}), "bomb")
    assert answer.status == 413
    assert decent(platform("POST", "/Patient", good, headers={"content-encoding": packing})).status == 201
    for cut in range(0, len(good), 3):
        broken = good[:cut] + b"\x00" + good[cut + 1 :]
        decent(platform("POST", "/Patient", broken, headers={"content-encoding": packing}), (packing, broken))
        decent(platform("POST", "/Patient", good[:cut] or b"x", headers={"content-encoding": packing}), (packing, cut))


@TRIES
@given(JSON)
def test_what_is_written_as_json_reads_as_the_same_elsewhere(value):
    try:
        text = encode(value)
    except Invalid:
        return
    assert json.loads(text) == json.loads(json.dumps(value))


@TRIES
@given(
    st.text(alphabet='{}[]":,0123456789.eE+-truefalsnl\\u \n\té\ud83d', max_size=24).map(
        lambda t: t.encode("utf-8", "surrogatepass")
    )
)
def test_what_we_take_as_json_the_standard_library_takes_too(text):
    try:
        ours = decode(text)
    except (Invalid, TooLarge):
        return
    theirs = json.loads(text)
    assert json.loads(encode(ours)) == theirs


@pytest.mark.parametrize("size", [2_000, 20_000, *([100_000] if LONG else [])])
def test_long_texts_are_kept_wherever_they_stand(platform, decent, size):
    """No index of the database may be too narrow for a value; random letters cannot be packed small."""
    dice = random.Random(size)

    def long():
        return "".join(chr(dice.randrange(0x4E00, 0x9FA0)) for _ in range(size // 3))

    def ascii_():
        return "".join(dice.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(size))

    patient = {
        "resourceType": "Patient",
        "meta": {"profile": ["http://x/" + ascii_()], "source": "urn:" + ascii_(), "tag": [{"system": "urn:" + ascii_(), "code": ascii_()}]},
        "identifier": [{"system": "urn:" + ascii_(), "value": long(), "type": {"text": long(), "coding": [{"code": ascii_()}]}}],
        "name": [{"family": long(), "given": [long()]}], "address": [{"city": long(), "line": [long()]}],
        "telecom": [{"system": "phone", "value": ascii_()}], "communication": [{"language": {"text": long(), "coding": [{"code": ascii_(), "display": long()}]}}],
        "managingOrganization": {"reference": "http://x/Organization/" + ascii_(), "identifier": {"value": ascii_()}},
    }  # fmt: skip
    observation = {
        "resourceType": "Observation", "status": "final", "code": {"text": long(), "coding": [{"system": "urn:" + ascii_(), "code": ascii_(), "display": long()}]},
        "valueQuantity": {"value": 1, "unit": long(), "system": "urn:" + ascii_(), "code": ascii_()}, "note": [{"text": long()}],
    }  # fmt: skip
    conformance = {
        "resourceType": "ActivityDefinition",
        "status": "active",
        "url": "http://x/" + ascii_(),
        "name": long(),
        "title": long(),
        "description": long(),
    }
    for one in (patient, observation, conformance, {**observation, "valueQuantity": None, "valueString": long()}):
        sent = {key: value for key, value in one.items() if value is not None}
        answer = decent(platform("POST", f"/{sent['resourceType']}", text_of(sent)), sent["resourceType"])
        assert answer.status == 201, answer.body[:500]
