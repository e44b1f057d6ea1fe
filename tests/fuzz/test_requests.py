"""Whatever is asked, the answer is FHIR, in time, and never a failure of ours."""

from __future__ import annotations

import json
import random
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiankang.fhir.definitions import load
from jiankang.fhir.search import default_registry

pytestmark = pytest.mark.slow
LONG = settings.default.max_examples > 1000
TRIES = settings(max_examples=3_000 if LONG else 120)

SHARED = [
    "_id", "_lastUpdated", "_tag", "_profile", "_security", "_source", "_list", "_has", "_type", "_filter", "_text",
    "_content", "_query", "_sort", "_count", "_include", "_revinclude", "_summary", "_elements", "_total", "_contained",
    "_containedType", "_format", "_pretty", "_since", "_at", "_before", "_page", "_explain", "_cursor", "start", "end",
    "_has:Observation:patient:code", "_has:Observation:patient:_has:Encounter:patient:status", "_has:::", "_has:X:y:z",
    "_include:iterate", "_revinclude:iterate",
]  # fmt: skip
MODIFIERS = [
    "", ":missing", ":exact", ":contains", ":text", ":not", ":above", ":below", ":of-type", ":identifier", ":Patient",
    ":in", ":not-in", ":iterate", ":²", ":", "::", ".name", ":Patient.name", ".identifier.x", ":Patient.organization.name",
    ".", "..",
]  # fmt: skip
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", ""]
HEADERS = [
    "if-match", "if-none-match", "if-none-exist", "if-modified-since", "prefer", "accept", "accept-encoding", "origin",
    "content-type", "content-encoding", "content-length", "host", "x-request-id", "x-forwarded-host",
]  # fmt: skip
HEADER_VALUES = [
    'W/"1"', 'W/"²"', '"1', "*", "identifier=urn:mrn|100", "identifier=", "²", "%zz", "a=b&a=c", "return=minimal", "return=",
    "handling=lenient", "respond-async", "application/xml", "json", "*/*;q=²", "gzip;q=x", "zstd", "gzip", "gzip, zstd", "br",
    "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 -0000", "Thu, 01 Jan 99999 00:00:00 GMT", "99", "-5", "\xff",
    "Thu, 31 Dec 9999 23:59:59 -1400", "application/json-patch+json", "application/x-www-form-urlencoded", "[::1", "a b",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def stocked(platform, samples):
    for one in samples[:3]:
        assert platform("PUT", f"/{one['resourceType']}/{one['id']}", json.dumps(one).encode()).status == 201
    platform("PUT", "/Patient/gone", b'{"resourceType":"Patient","id":"gone"}')
    platform("DELETE", "/Patient/gone")


def sweep(type_name, nasty):
    """Every parameter with every nasty value, and with each modifier; in the short form a part of them."""
    names = [*default_registry().parameters(type_name), *SHARED]
    asked = [(name, value) for name in names for value in nasty]
    asked += [
        (name + m, value) for name in names for m in MODIFIERS for value in ("a", "true", "2020", "5", "x|y", "²")
    ]
    return asked if LONG else random.Random(7).sample(asked, 400)


@pytest.mark.parametrize(
    "type_name", load().resource_names if LONG else ["Patient", "Observation", "ValueSet", "Location", "Encounter"]
)
def test_every_parameter_bears_every_value(platform, all_decent, nasty, type_name):
    async def ask_all():
        return [
            (
                pair,
                await platform.ask(
                    "GET", f"/{type_name}", query=f"{quote(pair[0], safe=':')}={quote_plus(pair[1])}".encode()
                ),
            )
            for pair in sweep(type_name, nasty)
        ]

    all_decent(platform.run(ask_all(), 3_000))


PATHS = st.lists(
    st.sampled_from(
        ["Patient", "Observation", "p1", "gone", "b1", "_history", "_search", "metadata", "1", "2", "$everything", "$validate",
         "$meta", "$meta-add", "$export", "$reindex", "patient", "Patients", "*", "²", "_", "$", "..", "a" * 65, "é", "\x00", "%2f"]
    ) | st.text(max_size=8),
    max_size=5,
).map(lambda parts: "/" + "/".join(parts))  # fmt: skip
QUERIES = st.lists(
    st.tuples(
        st.sampled_from([*SHARED, "name", "identifier", "code", "date", "subject:Patient.name"]), st.text(max_size=12)
    ),
    max_size=3,
).map(lambda pairs: "&".join(f"{quote(k, safe=':')}={quote(v)}" for k, v in pairs).encode()) | st.binary(max_size=20)
BODIES = st.sampled_from(
    [b"", b" ", b"{}", b"[]", b"null", b"1", b'"x"', b'{"resourceType":"Patient"}', b'{"resourceType":"Patient","id":"p1"}',
     b'{"resourceType":"Bundle","type":"batch"}', b'{"resourceType":"Parameters"}', b"name=a&_count=%C2%B2", b"\xff", b"<Patient/>",
     b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd", b'[{"op":"add","path":"/active","value":true}]']
) | st.binary(max_size=60)  # fmt: skip


@TRIES
@given(
    st.sampled_from(METHODS), PATHS, QUERIES, BODIES,
    st.dictionaries(st.sampled_from(HEADERS), st.sampled_from(HEADER_VALUES), max_size=3),
)  # fmt: skip
def test_any_request_is_answered_in_fhir(platform, decent, method, path, query, body, headers):
    answer = platform(method, path, body, query=query, headers=headers)
    decent(answer, (method, path, query, body, headers), headless=method == "HEAD")
    assert method != "HEAD" or not answer.body


@pytest.mark.parametrize("header", HEADERS)
def test_every_header_bears_every_value(platform, all_decent, header):
    answers = []
    patient = b'{"resourceType":"Patient","id":"p1","active":true}'
    patch = b'[{"op":"add","path":"/active","value":true}]'
    for value in HEADER_VALUES:
        for method, path, body in (
            ("GET", "/Patient/p1", b""), ("GET", "/Patient", b""), ("PUT", "/Patient/p1", patient), ("POST", "/Patient", patient),
            ("POST", "/Patient/_search", b"name=x"), ("PATCH", "/Patient/p1", patch), ("DELETE", "/Patient/none", b""),
        ):  # fmt: skip
            answers.append(((method, path, header, value), platform(method, path, body, headers={header: value})))
    all_decent(answers)


def test_history_and_reads_bear_every_value(platform, all_decent, nasty):
    asked = [
        (path, f"{name}={quote_plus(value)}".encode())
        for name in ("_since", "_at", "_count", "_before", "x")
        for value in [*nasty, "2020", "2020-01-01", "2020-01-01T00:00:00Z", "0", "1"]
        for path in ("/_history", "/Patient/_history", "/Patient/p1/_history")
    ]
    for value in nasty:
        asked += [(f"/Patient/p1/_history/{value}", b""), (f"/Patient/{value}", b""), (f"/{value}", b"")]
        asked += [
            ("/Patient/p1/$everything", f"{name}={quote_plus(value)}".encode())
            for name in ("_count", "start", "_type", "_since", "_after")
        ]
    all_decent([(one, platform("GET", one[0], query=one[1])) for one in asked])
