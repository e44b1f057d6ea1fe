"""JSON Patch beyond the outside suite."""

from __future__ import annotations

import copy
from decimal import Decimal

import pytest

from jiankang.fhir.patch import apply_json_patch, need_same_identity
from jiankang.kernel.errors import Invalid, Unprocessable

RESOURCE = {"resourceType": "Patient", "id": "1", "name": [{"given": ["a", "b"]}], "n": Decimal("1.00"), "t": True}


@pytest.mark.parametrize(
    ("operations", "path", "expected"),
    [
        ([{"op": "add", "path": "/name/0/given/-", "value": "c"}], ["name", 0, "given"], ["a", "b", "c"]),
        ([{"op": "add", "path": "/name/0/given/0", "value": "c"}], ["name", 0, "given"], ["c", "a", "b"]),
        ([{"op": "copy", "from": "/name/0", "path": "/name/-"}], ["name", 1, "given"], ["a", "b"]),
        ([{"op": "test", "path": "/n", "value": 1}], ["n"], Decimal("1.00")),
        ([{"op": "replace", "path": "/name/0/given", "value": []}], ["name", 0, "given"], []),
        ([{"op": "add", "path": "/a~1b~0", "value": None}], ["a/b~"], None),
    ],
)
def test_operations_do_what_the_norm_says(operations, path, expected):
    before = copy.deepcopy(RESOURCE)
    found = apply_json_patch(RESOURCE, operations)
    assert before == RESOURCE
    for step in path:
        found = found[step]
    assert found == expected


def test_copies_do_not_share_what_they_hold():
    patched = apply_json_patch(
        RESOURCE,
        [{"op": "copy", "from": "/name/0", "path": "/name/1"}, {"op": "remove", "path": "/name/1/given/0"}],
    )
    assert patched["name"] == [{"given": ["a", "b"]}, {"given": ["b"]}]


def test_decimals_keep_their_digits():
    assert str(apply_json_patch(RESOURCE, [])["n"]) == "1.00"


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ({"op": "remove", "path": "/nothing"}, Unprocessable),
        ({"op": "remove", "path": ""}, Unprocessable),
        ({"op": "remove", "path": "/name/-"}, Unprocessable),
        ({"op": "remove", "path": "/name/01"}, Unprocessable),
        ({"op": "add", "path": "/name/9", "value": {}}, Unprocessable),
        ({"op": "add", "path": "/t/x", "value": {}}, Unprocessable),
        ({"op": "test", "path": "/t", "value": 1}, Unprocessable),
        ({"op": "move", "from": "/name", "path": "/name/0/x"}, Unprocessable),
        ({"op": "replace", "path": "/x", "value": 1}, Unprocessable),
        ({"op": "add", "path": "name", "value": 1}, Invalid),
        ({"op": "add", "path": "/a~2", "value": 1}, Invalid),
        ({"op": "add", "path": "/a"}, Invalid),
        ({"op": "move", "path": "/a"}, Invalid),
        ({"op": "spam", "path": "/a"}, Invalid),
        ({"path": "/a"}, Invalid),
        ({"op": ["add"], "path": "/a"}, Invalid),
        ("add", Invalid),
    ],
)
def test_a_refusal_names_the_operation(operation, error):
    with pytest.raises(error, match="Operation 1") as caught:
        apply_json_patch(RESOURCE, [{"op": "test", "path": "/id", "value": "1"}, operation])
    assert caught.value.issues[0].expression == ("[1]",)


def test_copies_cannot_grow_without_bound():
    doubling = [{"op": "copy", "from": "", "path": f"/x{n}"} for n in range(60)]
    with pytest.raises(Unprocessable, match="too large"):
        apply_json_patch(RESOURCE, doubling)


def test_a_patch_that_is_no_array_is_refused():
    with pytest.raises(Invalid):
        apply_json_patch(RESOURCE, {"op": "add"})


def test_identity_may_not_change():
    assert need_same_identity(RESOURCE, dict(RESOURCE)) == RESOURCE
    for after in ({**RESOURCE, "id": "2"}, {**RESOURCE, "resourceType": "Person"}, []):
        with pytest.raises(Unprocessable):
            need_same_identity(RESOURCE, after)
