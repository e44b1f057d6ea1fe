"""What generated code calls when something is, or may be, wrong. Only here are paths and sentences made.

A problem is (path below the element, issue code, sentence). A check answers None or a list of them, so that
resources in order pay nothing for paths. Lists stop at MAX_PROBLEMS: bad input is answered in bounded time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jiankang.fhir.structure.primitives import Explain

MAX_PROBLEMS = 101

Problem = tuple[str, str, str]
Found = list[Problem] | None
Check = Callable[[Any], Found]


def note(found: Found, path: str, code: str, text: str) -> Found:
    """`found` and one more."""
    if found is None:
        return [(path, code, text)]
    if len(found) < MAX_PROBLEMS:
        found.append((path, code, text))
    return found


def under(found: Found, step: str, inner: Iterable[Problem]) -> Found:
    """`found` and those of a child, whose path is one `step` longer."""
    for path, code, text in inner:
        found = note(found, step + path, code, text)
    return found


def full(found: Found) -> bool:
    """Whether there are so many that nobody reads further."""
    return found is not None and len(found) >= MAX_PROBLEMS


def not_an_object(value: Any) -> Found:
    """A complex type that is not a JSON object, or an empty one."""
    if isinstance(value, dict):
        return [("", "structure", "must not be empty; leave the element out instead")]
    if value is None:
        return [("", "structure", "must not be null; leave the element out instead")]
    if isinstance(value, list):
        return [("", "structure", "takes one value, not a list: leave out the square brackets")]
    return [("", "structure", "must be a JSON object { … }")]


def missing(found: Found, name: str) -> Found:
    """A required element is absent."""
    return note(found, f".{name}", "required", "is required")


def items(found: Found, name: str, value: Any, check: Check, limit: int | None = None) -> Found:
    """The problems of a repeating complex element."""
    if (wrong := _not_items(value, limit)) is not None:
        found = note(found, f".{name}", "structure", wrong)
        return found if not isinstance(value, list) else _each(found, name, value, check)
    return _each(found, name, value, check)


def items_from(found: Found, name: str, value: list[Any], check: Check, first: Any, inner: Iterable[Problem]) -> Found:
    """The problems of a repeating element of which `first` is the first bad item, with the problems `inner`.

    Nothing is checked twice: in deeply nested lists that would double the work at each level.
    """
    index = next(index for index, item in enumerate(value) if item is first)
    found = under(found, f".{name}[{index}]", inner)
    return _each(found, name, value, check, index + 1)


def _each(found: Found, name: str, value: list[Any], check: Check, start: int = 0) -> Found:
    for index in range(start, len(value)):
        if full(found):
            break
        if (inner := check(value[index])) is not None:
            found = under(found, f".{name}[{index}]", inner)
    return found


def _not_items(value: Any, limit: int | None) -> str | None:
    if not isinstance(value, list):
        return "takes a list: write [ … ] around it"
    if not value:
        return "must not be an empty list; leave the element out instead"
    if limit is not None and len(value) > limit:
        return f"takes at most {limit}, there are {len(value)}"
    return None


def primitive(found: Found, name: str, value: Any, explain: Explain) -> Found:
    """The problem of a single primitive, if the exact test finds one."""
    if isinstance(value, list):
        return note(found, f".{name}", "structure", "takes one value, not a list: leave out the square brackets")
    wrong = explain(value)
    return found if wrong is None else note(found, f".{name}", "value", wrong)


def primitive_items(
    found: Found, name: str, value: Any, explain: Explain, beside: Any, limit: int | None = None
) -> Found:
    """The problems of a repeating primitive; null holds the place of an item that only `beside` has."""
    if (wrong := _not_items(value, limit)) is not None:
        found = note(found, f".{name}", "structure", wrong)
        if not isinstance(value, list):
            return found
    for index, item in enumerate(value):
        if full(found):
            break
        if item is None:
            if not (isinstance(beside, list) and index < len(beside) and isinstance(beside[index], dict)):
                found = note(found, f".{name}[{index}]", "structure", f"is null, and _{name}[{index}] says nothing")
        elif (wrong := explain(item)) is not None:
            found = note(found, f".{name}[{index}]", "value", wrong)
    return found


def aligned(found: Found, name: str, values: Any, beside: Any) -> Found:
    """`_name` of a repeating primitive has one place for each value."""
    if isinstance(values, list) and isinstance(beside, list) and len(values) != len(beside):
        text = f"has {len(values)} values, but _{name} has {len(beside)}: fill up with null so that they match"
        found = note(found, f".{name}", "structure", text)
    return found


def unknown(found: Found, name: str, known: Iterable[str], owner: str) -> Found:
    """An element that the type does not have; suggests the nearest name that it has."""
    shown = name if len(name) <= 64 else name[:61] + "..."
    near = get_close_matches(shown, list(known), 1, 0.7) if len(name) <= 64 else []
    hint = f"; did you mean {near[0]}?" if near else ""
    return note(found, f".{shown}", "structure", f"is not an element of {owner}{hint}")


def twice(found: Found, name: str, names: Mapping[str, str], present: Iterable[str]) -> Found:
    """More than one form of a choice is there."""
    forms = ", ".join(each for each in present if each in names)
    return note(found, f".{name}", "structure", f"takes one of its forms only, there are {forms}")


def null(found: Found, name: str) -> Found:
    """A null where an element should be."""
    return note(found, f".{name}", "structure", "must not be null; leave the element out instead")


def unknown_type(name: Any, known: Iterable[str]) -> Found:
    """A resourceType that FHIR R4 does not have."""
    if not isinstance(name, str):
        return [(".resourceType", "structure", "must be a string: the name of a resource type")]
    near = get_close_matches(name, list(known), 1, 0.7) if len(name) <= 64 else []
    hint = f"; did you mean {near[0]}?" if near else ""
    return [(".resourceType", "structure", f"{name[:64]!r} is no resource type of FHIR R4{hint}")]
