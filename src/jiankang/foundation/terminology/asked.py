"""The parameters of an operation, from a query or a Parameters resource, tamed.

http://hl7.org/fhir/R4/operations.html#executing
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.foundation.record.wire.http import FORM, JSON_TYPES, query_pairs
from jiankang.foundation.terminology.composing import Versions
from jiankang.foundation.terminology.model import Coding, split_canonical
from jiankang.kernel.errors import Invalid, UnsupportedMediaType
from jiankang.kernel.jsontext import decode

if TYPE_CHECKING:
    from jiankang.foundation.record.wire.http import Request

_MAX_TEXT = 2_000


class Asked:
    """Named values; texts where they came in a query, FHIR values where they came in a resource."""

    def __init__(self, values: list[tuple[str, Any]]) -> None:
        self.values: dict[str, list[Any]] = {}
        for name, value in values:
            self.values.setdefault(name, []).append(value)

    def texts(self, name: str) -> list[str]:
        """All values of a parameter that are texts. Raises Invalid for one that is not."""
        found = []
        for value in self.values.get(name, []):
            if isinstance(value, bool):
                value = "true" if value else "false"
            if isinstance(value, int):
                value = str(value)
            if not isinstance(value, str):
                raise Invalid(f"the parameter {name} is not a plain value", expression=[name])
            if len(value) > _MAX_TEXT or "\x00" in value:
                raise Invalid(
                    f"the parameter {name} is longer than {_MAX_TEXT} characters or holds a NUL", expression=[name]
                )
            found.append(value)
        return found

    def text(self, name: str) -> str | None:
        """The value of a parameter that comes once; an empty one counts as none."""
        found = self.texts(name)
        if len(found) > 1:
            raise Invalid(f"the parameter {name} comes {len(found)} times", expression=[name])
        return found[0] or None if found else None

    def flag(self, name: str, default: bool) -> bool:
        """A boolean."""
        text = self.text(name)
        if text not in {None, "true", "false"}:
            raise Invalid(f"the parameter {name} is true or false", expression=[name])
        return default if text is None else text == "true"

    def number(self, name: str) -> int | None:
        """A count: a whole number that is not negative."""
        text = self.text(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise Invalid(f"the parameter {name} is a whole number from 0 to 999999999", expression=[name])
        return int(text)

    def object(self, name: str) -> dict[str, Any] | None:
        """A resource or complex value."""
        found = self.values.get(name)
        if not found:
            return None
        if not isinstance(found[0], dict):
            raise Invalid(f"the parameter {name} has to be sent in a Parameters resource by POST", expression=[name])
        return found[0]

    def coding(self, name: str) -> Coding | None:
        """A Coding; in a query as system|code."""
        found = self.values.get(name)
        if not found:
            return None
        value = found[0]
        if isinstance(value, str):
            system, mark, code = value.rpartition("|")
            return Coding(system if mark else "", code)
        return read_coding(value, name)

    def concept(self, name: str) -> tuple[Coding, ...]:
        """The codings of a CodeableConcept."""
        found = self.object(name)
        codings = (found or {}).get("coding", [])
        if not isinstance(codings, list):
            raise Invalid(f"the parameter {name} is not a CodeableConcept", expression=[name])
        return tuple(read_coding(each, name) for each in codings)

    def versions(self) -> Versions:
        """`system-version`, `force-system-version` and `check-system-version`, each as url|version."""
        return Versions(
            self._canonicals("system-version"),
            self._canonicals("force-system-version"),
            self._canonicals("check-system-version"),
        )

    def _canonicals(self, name: str) -> dict[str, str]:
        found = {}
        for text in self.texts(name):
            url, version = split_canonical(text)
            if version is None:
                raise Invalid(f"the parameter {name} is written url|version", expression=[name])
            found[url] = version
        return found


def read_coding(value: Any, name: str) -> Coding:
    """A Coding from JSON. Raises Invalid for what has no code."""
    if not isinstance(value, dict):
        raise Invalid(f"the parameter {name} is not a Coding", expression=[name])
    system, code, version, display = (value.get(each) for each in ("system", "code", "version", "display"))
    if not isinstance(code, str) or any(
        part is not None and not isinstance(part, str) for part in (system, version, display)
    ):
        raise Invalid(f"a Coding in the parameter {name} has no code", expression=[name])
    if "\x00" in f"{system}{code}{version}":
        raise Invalid(f"a Coding in the parameter {name} holds a NUL character", expression=[name])
    return Coding(system or "", code, version or None, display)


def read_asked(request: Request) -> Asked:
    """What a request asks: its query, and the body of a POST. Raises Invalid, UnsupportedMediaType."""
    values: list[tuple[str, Any]] = [pair for pair in request.params if not pair[0].startswith("_")]
    if request.method != "POST" or not request.body:
        return Asked(values)
    kind = request.content_type
    if kind == FORM:
        return Asked([*values, *query_pairs(request.body.decode("latin-1"))])
    if kind and kind not in JSON_TYPES:
        raise UnsupportedMediaType(f"{kind} is not understood here: send application/fhir+json")
    return Asked([*values, *_from_body(decode(request.body))])


def _from_body(body: Any) -> list[tuple[str, Any]]:
    if not isinstance(body, dict) or not isinstance(body.get("resourceType"), str):
        raise Invalid("the body is a Parameters resource")
    if body["resourceType"] != "Parameters":
        name = body["resourceType"]
        return [(name[0].lower() + name[1:], body)]
    items = body.get("parameter", [])
    if not isinstance(items, list):
        raise Invalid("Parameters.parameter is a list", expression=["Parameters.parameter"])
    found: list[tuple[str, Any]] = []
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise Invalid("each of Parameters.parameter has a name", expression=["Parameters.parameter"])
        value = next((item[key] for key in item if key.startswith("value")), None)
        if value is None:
            value = item.get("resource", item.get("part"))
        if value is not None:
            found.append((item["name"], value))
    return found
