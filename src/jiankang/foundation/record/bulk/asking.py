"""What an export was asked for, read and checked before anything is promised.

https://hl7.org/fhir/uv/bulkdata/export.html#query-parameters
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load
from jiankang.fhir.search import date_range
from jiankang.foundation.record.search.query import Reader
from jiankang.foundation.record.search.values import Values
from jiankang.foundation.record.wire.http import JSON_TYPES, query_pairs
from jiankang.kernel.errors import Invalid, Issue, NotSupported, UnsupportedMediaType
from jiankang.kernel.jsontext import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jiankang.fhir.search import Registry
    from jiankang.foundation.record.search.query import Query
    from jiankang.foundation.record.wire.http import Request

NDJSON = "application/fhir+ndjson"
NDJSON_TYPES = frozenset({NDJSON, "application/ndjson", "application/x-ndjson", "ndjson"})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_KNOWN = ("_since", "_until", "_type", "_typeFilter", "_elements", "_outputFormat", "patient")
_SHAPING = frozenset({"_format", "_pretty"})
_BETWEEN = re.compile(r",(?=[A-Z][A-Za-z]+\?)")
_ELEMENT = re.compile(r"(?:([A-Z][A-Za-z]+)\.)?[a-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Ask:
    """An export as it was asked for. `patients` are ids of those it is narrowed to; None: all of its level."""

    level: str
    owner: str | None = None
    types: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    filters: tuple[tuple[str, str], ...] = ()
    elements: tuple[str, ...] = ()
    patients: tuple[str, ...] | None = None
    ignored: tuple[str, ...] = field(default=())

    def kept(self) -> dict[str, Any]:
        """As a JSON value."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def restored(cls, value: dict[str, Any]) -> Ask:
        """What `kept` wrote down."""
        values: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in value.items()}
        values["filters"] = tuple((name, query) for name, query in value["filters"])
        return cls(**values)


def moment(text: str, name: str) -> datetime:
    """The instant that a date, dateTime or instant begins at. Raises Invalid."""
    try:
        return EPOCH + timedelta(microseconds=date_range(text.replace(" ", "+"))[0])
    except (Invalid, ValueError, OverflowError):
        raise Invalid(
            f"{name}={text} is no instant: write it as 2026-01-31T08:00:00+08:00", expression=[name]
        ) from None


def posted(request: Request) -> list[tuple[str, str]]:
    """The parameters in the address and, for POST, those of the Parameters in the body."""
    params = list(request.params)
    if request.method != "POST" or not request.body:
        return params
    if request.content_type not in JSON_TYPES:
        raise UnsupportedMediaType("send the parameters of an export as a Parameters resource (application/fhir+json)")
    body = decode(request.body)
    if not isinstance(body, dict) or body.get("resourceType") != "Parameters":
        raise Invalid("send the parameters of an export as a Parameters resource", expression=["resourceType"])
    listed = body.get("parameter", [])
    if not isinstance(listed, list):
        raise Invalid("`parameter` is a list", expression=["Parameters.parameter"])
    return params + [_pair(one, number) for number, one in enumerate(listed)]


def _pair(one: Any, number: int) -> tuple[str, str]:
    place = f"Parameters.parameter[{number}]"
    if not isinstance(one, dict) or not isinstance(one.get("name"), str):
        raise Invalid("a parameter has a name and a value", expression=[place])
    for name, value in one.items():
        if name.startswith("value") and isinstance(value, str):
            return one["name"], value
        if name == "valueReference" and isinstance(value, dict) and isinstance(value.get("reference"), str):
            return one["name"], value["reference"]
    raise Invalid(f"the parameter {one['name']} has no value that can be used", expression=[place])


def read_ask(
    params: Sequence[tuple[str, str]], level: str, owner: str | None, registry: Registry, *, lenient: bool, post: bool
) -> Ask:
    """The export that is asked for. Raises Invalid with every problem; `lenient` leaves unknown parameters out."""
    params = [pair for pair in params if pair[0] not in _SHAPING]
    known = [name for name in _KNOWN if name != "patient" or (post and level != "system")]
    unknown = sorted({name for name, _ in params} - set(known))
    if unknown and not lenient:
        text = f"$export does not know {', '.join(unknown)} here; it knows {', '.join(known)}"
        raise Invalid(issues=[Issue("not-supported", text, tuple(unknown))])
    values = {name: [value for found, value in params if found == name and value] for name in known}
    _check_format(values["_outputFormat"])
    for name in ("_since", "_until"):
        if len(values[name]) > 1:
            raise Invalid(f"{name} is given more than once", expression=[name])
        for value in values[name]:
            moment(value, name)
    types = _types(values["_type"], level)
    patients = _patients(values["patient"]) if values.get("patient") else None
    filters = _filters(values["_typeFilter"], types, level, registry)
    return Ask(
        level, owner, types, next(iter(values["_since"]), None), next(iter(values["_until"]), None), filters,
        _elements(values["_elements"]), patients, tuple(unknown),
    )  # fmt: skip


def _check_format(formats: Sequence[str]) -> None:
    for one in formats:
        if one.replace(" ", "+") not in NDJSON_TYPES:
            raise Invalid(f"_outputFormat={one} is not written: use {NDJSON}", expression=["_outputFormat"])


def _split(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(part.strip() for value in values for part in value.split(",") if part.strip()))


def level_types(level: str) -> tuple[str, ...]:
    """The types that an export of this level may hold."""
    names = load().resource_names
    if level == "system":
        return tuple(names)
    return tuple(name for name in names if name == "Patient" or load().compartment("Patient", name))


def _types(values: Sequence[str], level: str) -> tuple[str, ...]:
    asked = _split(values)
    unknown = [name for name in asked if not load().is_resource(name)]
    if unknown:
        raise Invalid(f"_type: {', '.join(unknown)}: no resource type of FHIR R4", expression=["_type"])
    outside = sorted(set(asked) - set(level_types(level)))
    if outside:
        text = f"_type: {', '.join(outside)}: never part of a patient's record, so not in an export of patients"
        raise Invalid(text, expression=["_type"])
    return tuple(asked)


def _patients(values: Sequence[str]) -> tuple[str, ...]:
    found = []
    for value in values:
        parts = value.split("/")
        if len(parts) < 2 or parts[-2] != "Patient" or not parts[-1]:
            raise Invalid(f"patient: {value} is no reference to a Patient", expression=["patient"])
        found.append(parts[-1])
    return tuple(dict.fromkeys(found))


def _elements(values: Sequence[str]) -> tuple[str, ...]:
    asked = _split(values)
    for one in asked:
        match = _ELEMENT.fullmatch(one)
        if match is None or (match[1] and not load().is_resource(match[1])):
            raise Invalid(f"_elements: {one} is no name of an element, as Patient.birthDate", expression=["_elements"])
    return tuple(asked)


def _filters(
    values: Sequence[str], types: Sequence[str], level: str, registry: Registry
) -> tuple[tuple[str, str], ...]:
    found = []
    for value in values:
        for part in _BETWEEN.split(value):
            name, mark, query = part.strip().partition("?")
            if not mark or not load().is_resource(name):
                raise Invalid(
                    f"_typeFilter: {part} is no search, as Observation?status=final", expression=["_typeFilter"]
                )
            if name not in (types or level_types(level)):
                raise Invalid(f"_typeFilter: {name} is not among the types of this export", expression=["_typeFilter"])
            read_filter(name, query, registry, EPOCH)
            found.append((name, query))
    return tuple(found)


def read_filter(type_name: str, query: str, registry: Registry, now: datetime) -> Query:
    """The criteria of one `_typeFilter`. Raises Invalid and NotSupported naming what is wrong with it."""
    reader = Reader(registry, Values(now, registry.zone, ""), lenient=False)
    pairs = query_pairs(query)
    shaping = [name for name, _ in pairs if name.split(":")[0] in _SHAPE_ONLY]
    if shaping:
        raise NotSupported(
            f"_typeFilter: {', '.join(shaping)} does not choose resources and cannot be used here",
            expression=["_typeFilter"],
        )
    return reader.read(type_name, pairs)


_SHAPE_ONLY = frozenset(
    {"_count", "_sort", "_total", "_include", "_revinclude", "_summary", "_elements", "_contained", "_containedType",
     "_cursor", "_explain", "_type"}
)  # fmt: skip
