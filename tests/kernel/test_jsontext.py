"""Exact JSON text: what goes in comes out, and nothing ambiguous or unbounded gets in."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiankang.kernel.errors import Invalid, TooLarge
from jiankang.kernel.jsontext import decode, encode, top_members

REFUSED = {
    "nothing at all": (b"", "complete"),
    "an unfinished object": (b'{"a":1', "complete"),
    "a trailing comma": (b'{"a":1,}', "line 1, column 8"),
    "something after the end": (b"{} x", "trailing characters"),
    "NaN": (b'{"a":NaN}', "line 1, column 6"),
    "Infinity": (b'{"a":Infinity}', "line 1, column 6"),
    "a leading zero": (b'{"a":01}', "line 1"),
    "a lone high surrogate": (b'{"a":"\\ud83d"}', "surrogate"),
    "a lone low surrogate": (b'{"a":"\\ude00"}', "surrogate"),
    "a mistake beside an escaped backslash": (b'{"a":"\\\\ud800",}', "trailing comma"),
    "a surrogate in a name": (b'{"\\ud83d":1}', "surrogate"),
    "an escaped NUL": (b'{"a":"x\\u0000"}', "NUL"),
    "an escaped NUL after an escaped backslash": (b'{"a":"x\\\\\\u0000"}', "NUL"),
    "an escaped NUL in a name": (b'{"\\u0000":1}', "NUL"),
    "a raw control character": (b'{"a":"\x00"}', "line 1"),
    "bytes that are not UTF-8": (b'{"a":"\xff"}', "not UTF-8"),
    "an overlong encoding": (b'{"a":"\xc0\x80"}', "not UTF-8"),
    "a surrogate encoded in UTF-8": (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "byte order mark"),
    "a huge exponent": (b'{"a":1e999999999}', "outside"),
    "a tiny exponent": (b'{"a":1e-999999999}', "outside"),
    "an endless decimal": (b'{"a":1.' + b"0" * 100_000 + b"}", "characters"),
    "an endless integer": (b'{"a":' + b"1" * 100_000 + b"}", "digits"),
    "a long integer": (b'{"a":[' + b"1" * 65 + b"]}", "digits"),
    "a thousand arrays": (b"[" * 1_000 + b"]" * 1_000, "deeper"),
    "a million arrays": (b"[" * 1_000_000, "deeper"),
    "a million objects": (b'{"a":' * 1_000_000, "deeper"),
    "a member twice": (b'{"a":1,"a":1}', 'the member "a" twice (line 1, column 8)'),
    "a member twice on another line": (b'{"a":1,\n "b": {"c":1,\n  "c":2}}', "line 3, column 3"),
    "a member twice, once escaped": (b'{"a":1,"\\u0061":1}', "twice"),
    "a member twice, a space before a colon": (b'{"a" :1,"a":2}', "twice"),
    "a member twice, a tab before each colon": (b'{"a"\t:1,"a"\t:2}', "twice"),
    "a member twice, hidden by a string": (b'{"a" :1,"a":"\\":"}', "twice"),
    "a member twice, hidden by an escaped quote": (b'{"a":1,"a":"\\u0022:"}', "twice"),
    "a member twice, deep in arrays": (b'[[[{"a":[{"b":1,"b":2}]}]]]', "twice"),
}


@pytest.mark.parametrize(("text", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses_with_a_reason_and_a_place(text, told):
    with pytest.raises(Invalid) as refusal:
        decode(text)
    assert told in str(refusal.value)


ACCEPTED = {
    "a string that looks like members": b'{"a":"{\\"a\\":1,\\"a\\":2}"}',
    "the same name in different objects": b'{"a":{"a":[{"a":1},{"a":2}]}}',
    "spaces before colons": b'{ "a" : 1 ,\n "b"\t: [ ] }',
    "an escaped backslash before u0000": b'{"a":"\\\\u0000"}',
    "a surrogate pair": b'{"a":"\\ud83d\\ude00"}',
    "Chinese": '{"姓名":"张伟"}'.encode(),
    "empty name": b'{"":1}',
    "a list": b"[1,null,true]",
    "64 levels": b"[" * 64 + b"]" * 64,
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_takes_all_that_is_well_formed(text):
    assert decode(text) == json.loads(text)


def test_takes_a_text_that_is_already_decoded_from_utf8():
    assert decode('{"姓":"张"}') == {"姓": "张"}
    with pytest.raises(Invalid, match="surrogate"):
        decode('{"a":"\ud83d"}')


def test_counts_depth_exactly():
    assert decode(b'{"a":[{}]}', max_depth=3) == {"a": [{}]}
    with pytest.raises(Invalid, match="deeper than 2"):
        decode(b'{"a":[{}]}', max_depth=2)


def test_counts_bytes_before_it_reads_them():
    with pytest.raises(TooLarge, match="11 bytes; at most 10"):
        decode(b'{"a":12345}', max_bytes=10)


@pytest.mark.parametrize(
    "digits", ["1.00", "0.10", "-0.0", "3.14159265358979323846", "0.00000001", "100", "1E+5", "0.0000000000"]
)
def test_a_decimal_keeps_its_digits(digits):
    assert encode(decode(f"[{digits}]")) == f"[{digits}]".encode()


def test_an_exponent_is_the_same_number_again():
    value = decode(b"[1e-8, 1.50e2, 2e300]")
    assert decode(encode(value)) == value
    assert encode(Decimal("1e-8")) == b"0.00000001"


def test_a_string_like_an_exponent_is_left_alone():
    assert encode({"a": "E-5", "b": Decimal("1e-8")}) == b'{"a":"E-5","b":0.00000001}'


def test_top_members_are_the_exact_text():
    raw = b'{ "resourceType" : "Basic",\n"x":{ "a" : 1.0 },"y":[1.00, 2 ] , "z":"\\u00e9"}'
    assert top_members(raw) == {
        "resourceType": b'"Basic"',
        "x": b'{ "a" : 1.0 }',
        "y": b"[1.00, 2 ]",
        "z": b'"\\u00e9"',
    }
    with pytest.raises(Invalid, match="not an object"):
        top_members(b"[1]")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('":\\ab{', max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.sampled_from([(",", ":"), (", ", " : "), (",\n", "\t:")]), st.booleans())
@settings(max_examples=300, deadline=None)
def test_agrees_with_the_plain_decoder_on_any_value(value, separators, ascii_only):
    text = json.dumps(value, separators=separators, ensure_ascii=ascii_only)
    if "\\u0000" in text:
        return
    assert decode(text) == value
    assert decode(encode(value)) == value


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", '"', ":", '":']), JSON), min_size=2, max_size=4),
    st.sampled_from([":", " :"]),
)
@settings(max_examples=300, deadline=None)
def test_finds_a_second_member_of_one_name_wherever_it_is(members, colon):
    text = "{" + ",".join(json.dumps(name) + colon + json.dumps(value) for name, value in members) + "}"
    names = [name for name, _ in members]
    if "\\u0000" in text:
        return
    if len(set(names)) == len(names):
        assert decode(text) == dict(members)
    else:
        with pytest.raises(Invalid, match="twice"):
            decode(text)
