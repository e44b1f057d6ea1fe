"""What validation found: issues that also say which rule was broken, what was expected and what kind of value is there.

http://hl7.org/fhir/R4/operationoutcome.html. Inside a check a problem is a tuple, so that resources in order pay
nothing for paths: (path below the element, severity, issue code, message id, sentence, what was expected).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jiankang.kernel.errors import Issue

MAX_PROBLEMS = 200  # besides errors; as many errors again are told after them

Problem = tuple[str, str, str, str, str, str]
Found = list[Problem] | None

ERROR, WARNING, INFORMATION = "error", "warning", "information"
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


Finding = Issue
"""An issue of validation: rule, expectation and kind are always said."""


def note(found: Found, path: str, rule: tuple[str, str, str], text: str, expected: str = "") -> Found:
    """`found` and one more; `rule` is severity, issue code and message id."""
    severity, code, message_id = rule
    made = (path, severity, code, message_id, text, expected)
    if found is None:
        return [made]
    if _has_room(found, severity):
        found.append(made)
    return found


def under(found: Found, step: str, inner: Iterable[Problem]) -> Found:
    """`found` and the problems of a child, whose path is one `step` longer."""
    longer = [(step + path, *rest) for path, *rest in inner]
    if found is None:
        return longer  # type: ignore[return-value]
    if len(found) + len(longer) <= MAX_PROBLEMS:
        found.extend(longer)  # type: ignore[arg-type]
    else:
        for each in longer:
            if _has_room(found, each[1]):
                found.append(each)  # type: ignore[arg-type]
    return found


def _has_room(found: list[Problem], severity: str) -> bool:
    """Warnings and information never keep errors from being told."""
    return len(found) < MAX_PROBLEMS or (severity == ERROR and len(found) < 2 * MAX_PROBLEMS)


def findings(resource: Any, root: str, problems: Iterable[Problem]) -> list[Finding]:
    """The problems of a resource, each once, told with their places."""
    told: dict[tuple[str, str, str], Finding] = {}
    for path, severity, code, message_id, text, expected in problems:
        place = root + path
        key = (place, message_id, text)
        if key not in told:
            kind = kind_of(value_at(resource, path))
            told[key] = Finding(code, f"{place}: {text}", (place,), severity, message_id, expected, kind)
    return list(told.values())


def value_at(resource: Any, path: str) -> Any:
    """The JSON value at a path below the resource (`.name[0].value`), ... where there is none."""
    here = resource
    for name, number in _steps(path):
        if number:
            here = here[int(number)] if isinstance(here, list) and int(number) < len(here) else ...
        elif isinstance(here, dict):
            here = here[name] if name in here else _choice(here, name)
        else:
            return ...
    return here


@lru_cache(maxsize=4096)
def _steps(path: str) -> tuple[tuple[str, str], ...]:
    """Names and numbers of a path, taken apart once: problems come again in the same places."""
    return tuple(_STEP.findall(path))


def _choice(holder: dict[str, Any], name: str) -> Any:
    """A choice is written with its type in JSON, without it in paths."""
    forms = [
        value for key, value in holder.items() if key.startswith(name) and key[len(name) : len(name) + 1].isupper()
    ]
    return forms[0] if forms else ...


def kind_of(value: Any) -> str:
    """The kind of a JSON value in words that hold nothing of it."""
    if value is ...:
        return "absent"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return f"string of {len(value)} characters"
    if isinstance(value, int | Decimal | float):
        return "number"
    return f"list of {len(value)}" if isinstance(value, list) else "object"
