"""What the facts of a resource tell about a condition."""

from __future__ import annotations

import pytest

from jiankang.foundation.record.search.criteria import Every, Keys, Not, Some, Text
from jiankang.foundation.record.search.facts import Condition

A, B = Keys((1,)), Keys((2, 3))
UNKNOWN = Text(9, "starts", "x")


@pytest.mark.parametrize(
    ("criteria", "keys", "fits"),
    [
        ((), {1}, True),
        ((A,), {1, 7}, True),
        ((A,), {7}, False),
        ((A, B), {1, 3}, True),
        ((A, B), {1}, False),
        ((Not(A),), {1}, False),
        ((Not(A),), {2}, True),
        ((Some((A, B)),), {2}, True),
        ((Some((A, B)),), set(), False),
        ((Every((A, Not(B))),), {1}, True),
        ((UNKNOWN,), {1}, None),
        ((A, UNKNOWN), {1}, None),
        ((A, UNKNOWN), {2}, False),
        ((Some((A, UNKNOWN)),), {1}, True),
        ((Some((A, UNKNOWN)),), {2}, None),
        ((Not(UNKNOWN),), {1}, None),
        ((Some(()),), {1}, False),
    ],
)
def test_facts_decide_what_they_can_and_no_more(criteria, keys, fits):
    assert Condition(criteria).fits(keys) is fits


def test_what_is_needed_is_the_criterion_that_fewest_fulfil():
    rare = Keys((5,), "identifier", unique=True)
    assert Condition((A, rare)).needed() == {5}
    assert Condition((B, A)).needed() == {1}
    assert Condition((Some((A, UNKNOWN)), UNKNOWN)).needed() is None
