"""Fixed values and patterns (http://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_)."""

from __future__ import annotations

from typing import Any


def is_same(value: Any, wanted: Any) -> bool:
    """Whether a value is exactly the fixed one, absent members included."""
    if isinstance(wanted, dict):
        return (
            isinstance(value, dict)
            and value.keys() == wanted.keys()
            and all(is_same(value[k], wanted[k]) for k in wanted)
        )
    if isinstance(wanted, list):
        return isinstance(value, list) and len(value) == len(wanted) and all(map(is_same, value, wanted))
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def fits(value: Any, pattern: Any) -> bool:
    """Whether a value has at least what the pattern has; each item of a list in the pattern is found in the value's."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(k in value and fits(value[k], pattern[k]) for k in pattern)
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(fits(each, wanted) for each in value) for wanted in pattern)
    return isinstance(value, bool) == isinstance(pattern, bool) and bool(value == pattern)


def valued(definition: dict[str, Any], start: str) -> tuple[str, Any] | None:
    """The `fixed[x]` or `pattern[x]` of an element definition: its member's name and value."""
    for name, value in definition.items():
        if name.startswith(start) and name[len(start) : len(start) + 1].isupper():
            return name, value
    return None
