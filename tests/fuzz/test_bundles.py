"""Any Bundle is done, or refused with the entry that is to blame."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow
LONG = settings.default.max_examples > 1000
TRIES = settings(max_examples=3_000 if LONG else 80)

URLS = st.sampled_from(
    ["Patient", "Patient/x1", "Patient/x2", "Basic/b", "Patient?identifier=urn:b|1", "Patient?name=²&_count=²", "", "/", "Patient/x1/_history/²", "_history",
     "metadata", "Patient/$validate", "Bundle", "https://elsewhere/Patient/1", "urn:uuid:1", "Patient/x1?_format=xml", "Patient/a b", "%zz", "?", "../Patient", "Patient/x1/$everything"]
)  # fmt: skip
REFERENCES = st.sampled_from(
    ["urn:uuid:00000000-0000-4000-8000-00000000000a", "urn:uuid:00000000-0000-4000-8000-00000000000b", "urn:uuid:00000000-0000-4000-8000-0000000000ff", "urn:oid:1.2", "Patient/x1", "Patient?identifier=urn:b|1", "Patient?", "Patient?x=y", "#", "#in",
     "http://h/Patient/1", "Organization?name=²", ""]
)  # fmt: skip
RESOURCES = st.builds(
    lambda kind, id_, reference, name: {
        "resourceType": kind,
        **({"id": id_} if id_ else {}),
        **({"link": [{"other": {"reference": reference}, "type": "seealso"}]} if kind == "Patient" else {"code": {"text": name or "x"}}),
    },
    st.sampled_from(["Patient", "Basic", "Nonsense"]), st.sampled_from([None, "x1", "x2", "b", "²"]), REFERENCES, st.text(max_size=5),
)  # fmt: skip
TEXTS = st.sampled_from(
    ['W/"1"', 'W/"²"', "*", "", "identifier=urn:b|1", "²", "Thu, 01 Jan 1970 00:00:00 -0000", None, 1]
)
REQUESTS = st.fixed_dictionaries(
    {"method": st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "", None]), "url": URLS},
    optional={"ifMatch": TEXTS, "ifNoneMatch": TEXTS, "ifNoneExist": TEXTS, "ifModifiedSince": TEXTS},
)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "fullUrl": st.sampled_from(
            [
                "urn:uuid:00000000-0000-4000-8000-00000000000a",
                "urn:uuid:00000000-0000-4000-8000-00000000000b",
                "urn:oid:1.2",
                "http://h/Patient/1",
                "",
                "²",
            ]
        ),
        "resource": RESOURCES,
        "request": REQUESTS,
    },
)


@TRIES
@given(st.sampled_from(["batch", "transaction", "transaction", "document", "", None]), st.lists(ENTRIES, max_size=5))
def test_any_bundle_is_done_or_refused(platform, decent, kind, entries):
    body = json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries}).encode()
    answer = decent(platform("POST", "", body), body)
    if kind == "batch" and answer.status == 200:
        statuses = [entry["response"]["status"][:3] for entry in answer.value.get("entry", ())]
        assert len(statuses) == len(entries)
        assert "500" not in statuses


def test_a_hundred_thousand_entries_are_refused_at_once(platform, decent):
    entry = b'{"resource":{"resourceType":"Basic","code":{"text":"x"}},"request":{"method":"POST","url":"Basic"}}'
    body = b'{"resourceType":"Bundle","type":"transaction","entry":[' + b",".join([entry] * 100_000) + b"]}"
    assert decent(platform("POST", "", body), "100,000 entries").status == 413


def test_resources_that_refer_to_each_other_are_stored_as_they_are(platform, decent):
    def one(name, other):
        patient = {
            "resourceType": "Patient",
            "link": [
                {"other": {"reference": f"urn:uuid:00000000-0000-4000-8000-00000000000{other}"}, "type": "seealso"}
            ],
        }
        return {
            "fullUrl": f"urn:uuid:00000000-0000-4000-8000-00000000000{name}",
            "resource": patient,
            "request": {"method": "POST", "url": "Patient"},
        }

    body = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [one("a", "b"), one("b", "c"), one("c", "a"), one("d", "d")],
    }
    answer = decent(platform("POST", "", json.dumps(body).encode()), body)
    assert answer.status == 200, answer.body
    ids = [entry["response"]["location"].split("/")[-3] for entry in answer.value["entry"]]
    told = [platform("GET", f"/Patient/{id_}").value["link"][0]["other"]["reference"] for id_ in ids]
    assert told == [f"Patient/{ids[n]}" for n in (1, 2, 0, 3)]
