"""JSON Patch (RFC 6902) on decoded JSON, exact: decimals keep their digits, the input is never changed."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from jiankang.kernel.errors import Invalid, Unprocessable

MAX_OPERATIONS = 10_000
MAX_GROWTH = 200_000

_INDEX = re.compile(r"0|[1-9]\d{0,9}", re.ASCII)
_BAD_ESCAPE = re.compile(r"~(?![01])")
_NEEDS = {
    "add": ("path", "value"),
    "remove": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "from"),
    "copy": ("path", "from"),
    "test": ("path", "value"),
}


def apply_json_patch(resource: Any, operations: Any) -> Any:
    """`resource` with all operations applied, one after the other; the input stays as it is.

    Raises Invalid (400) for what is no JSON Patch, Unprocessable (422) where an operation does not fit the resource or
    a test fails; both name the operation by its number from 0. https://www.rfc-editor.org/rfc/rfc6902
    """
    if not isinstance(operations, list):
        raise Invalid("A JSON Patch is an array of operations.")
    if len(operations) > MAX_OPERATIONS:
        raise Invalid(f"A JSON Patch has {len(operations)} operations; at most {MAX_OPERATIONS} are taken.")
    document = _Document(copied(resource))
    for number, operation in enumerate(operations):
        document.apply(number, operation)
    return document.whole


def copied(value: Any) -> Any:
    """A deep copy of decoded JSON; scalars are shared, they never change."""
    if value.__class__ is dict:
        return {name: copied(child) for name, child in value.items()}
    if value.__class__ is list:
        return [copied(child) for child in value]
    return value


class _Document:
    """The JSON while it is being patched. Objects in it belong to it alone."""

    def __init__(self, whole: Any) -> None:
        self.whole = whole
        self.number = 0
        self.grown = 0

    def apply(self, number: int, operation: Any) -> None:
        """Do one operation."""
        self.number = number
        if not isinstance(operation, dict):
            raise Invalid(f"Operation {number} is not an object.", expression=[f"[{number}]"])
        name = operation.get("op")
        if not isinstance(name, str) or name not in _NEEDS:
            raise self.malformed("'op' is one of add, remove, replace, move, copy, test")
        for member in _NEEDS[name]:
            if member not in operation:
                raise self.malformed(f"'{name}' needs '{member}'")
        path = self.pointer(operation["path"], "path")
        getattr(self, name)(path, operation)

    def malformed(self, why: str) -> Invalid:
        return Invalid(f"Operation {self.number}: {why}.", expression=[f"[{self.number}]"])

    def refused(self, why: str) -> Unprocessable:
        return Unprocessable(f"Operation {self.number}: {why}.", expression=[f"[{self.number}]"])

    def pointer(self, text: Any, member: str) -> list[str]:
        """The names of a JSON Pointer, escapes undone (https://www.rfc-editor.org/rfc/rfc6901)."""
        if not isinstance(text, str) or (text and text[0] != "/") or _BAD_ESCAPE.search(text):
            raise self.malformed(f"'{member}' is not a JSON Pointer like /name/0/family")
        return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]

    # ---- finding

    def child(self, holder: Any, name: str) -> Any:
        """The value called `name` in an object or array."""
        if isinstance(holder, dict) and name in holder:
            return holder[name]
        if isinstance(holder, list):
            return holder[self.place(holder, name, len(holder) - 1)]
        raise self.refused(f"there is no '{name}' where the path says")

    def place(self, holder: list[Any], name: str, highest: int) -> int:
        """The index that `name` says."""
        if not _INDEX.fullmatch(name):
            raise self.refused(f"'{name}' is not the number of an item")
        if int(name) > highest:
            raise self.refused(f"there is no item {name}: the array has {len(holder)}")
        return int(name)

    def at(self, path: list[str]) -> Any:
        """The value at a path."""
        value = self.whole
        for name in path:
            value = self.child(value, name)
        return value

    # ---- operations

    def add(self, path: list[str], operation: dict[str, Any]) -> None:
        self.put(path, copied(operation["value"]))

    def put(self, path: list[str], value: Any) -> None:
        """Set a member, insert into an array, append for '-', or replace the whole."""
        if not path:
            self.whole = value
            return
        holder, name = self.at(path[:-1]), path[-1]
        if isinstance(holder, dict):
            holder[name] = value
        elif isinstance(holder, list):
            holder.insert(len(holder) if name == "-" else self.place(holder, name, len(holder)), value)
        else:
            raise self.refused(f"'{name}' cannot be added to a plain value")

    def take(self, path: list[str]) -> Any:
        """Remove what is at a path, and give it."""
        if not path:
            raise self.refused("the whole resource cannot be removed")
        holder, name = self.at(path[:-1]), path[-1]
        value = self.child(holder, name)
        if isinstance(holder, dict):
            del holder[name]
        else:
            del holder[int(name)]
        return value

    def remove(self, path: list[str], _operation: dict[str, Any]) -> None:
        self.take(path)

    def replace(self, path: list[str], operation: dict[str, Any]) -> None:
        value = copied(operation["value"])
        if not path:
            self.whole = value
            return
        holder, name = self.at(path[:-1]), path[-1]
        self.child(holder, name)
        holder[name if isinstance(holder, dict) else int(name)] = value

    def move(self, path: list[str], operation: dict[str, Any]) -> None:
        source = self.pointer(operation["from"], "from")
        if path[: len(source)] == source and len(path) > len(source):
            raise self.refused("a value cannot be moved into itself")
        if path == source:
            self.at(source)
            return
        self.put(path, self.take(source))

    def copy(self, path: list[str], operation: dict[str, Any]) -> None:
        value = self.at(self.pointer(operation["from"], "from"))
        self.grown += _size(value)
        if self.grown > MAX_GROWTH:
            raise self.refused("the copies make the resource too large")
        self.put(path, copied(value))

    def test(self, path: list[str], operation: dict[str, Any]) -> None:
        if not same(self.at(path), operation["value"]):
            raise self.refused("the test failed: the value is another")


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values: numbers by value, true apart from 1 (RFC 6902 §4.6)."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        return one == other
    return type(one) is type(other) and bool(one == other)
