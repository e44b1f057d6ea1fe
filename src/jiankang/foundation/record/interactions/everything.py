"""Patient/$everything: http://hl7.org/fhir/R4/operation-patient-everything.html."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jiankang.fhir.definitions import load
from jiankang.fhir.search import DATE_MAX, DATE_MIN, date_range
from jiankang.foundation.record.indexing import by_lane, reference_constant, resource_key
from jiankang.foundation.record.store import METHODS, Stored
from jiankang.foundation.record.wire.bundles import Shape, bundle, search_entry
from jiankang.foundation.record.wire.http import Request, Response
from jiankang.kernel.clock import moment
from jiankang.kernel.errors import Invalid, NotFound
from jiankang.kernel.jsontext import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jiankang.fhir.search import Registry

MOST = 5_000
_KNOWN = frozenset(
    {"start", "end", "_since", "_type", "_count", "_after", "_format", "_pretty", "_summary", "_elements"}
)
_SUPPORTING = frozenset(
    {
        "Device",
        "HealthcareService",
        "Location",
        "Medication",
        "Organization",
        "Practitioner",
        "PractitionerRole",
        "Substance",
    }
)

_MEMBERS = """
SELECT r.rid, r.type, r.id, r.version, r.updated, r.method, r.body
FROM ({found}
      UNION SELECT o.rid FROM unnest(%(owners)s::bigint[]) AS o(rid)) AS m
JOIN resource AS r ON r.rid = m.rid
WHERE NOT r.deleted AND r.rid > %(after)s AND {allowed}
  AND (%(types)s::smallint[] IS NULL OR r.type = ANY(%(types)s::smallint[]))
  AND (%(since)s::timestamptz IS NULL OR r.updated >= %(since)s::timestamptz)
  AND (r.at = 0 OR (r.at >= %(start)s AND r.at < %(end)s))
ORDER BY r.rid LIMIT %(limit)s
"""
_NAMED = """
SELECT r.rid, r.type, r.id, r.version, r.updated, r.method, r.body
FROM resource AS r WHERE r.rid = ANY(%(rids)s::bigint[]) AND NOT r.deleted AND {allowed}
"""


async def everything(request: Request) -> Response:
    """A person's whole record: all that is in their compartment, and who and what it refers to."""
    type_name, id_ = request.segments[:2]
    if type_name not in load().compartment_names:
        raise NotFound(f"$everything is not defined for {type_name} here", code="not-supported")
    unknown = sorted({name for name, _ in request.params} - _KNOWN)
    if unknown and request.handling == "strict":
        raise Invalid(f"$everything does not know {', '.join(unknown)}; it knows start, end, _since, _type and _count")
    first = await request.server.read(request, type_name, id_)
    ids = await request.server.meant(request, id_) if type_name == "Patient" else (id_,)
    count = _count(request)
    members = await _members(request, type_name, ids, count + 1)
    more, members = len(members) > count, members[:count]
    supporting = await _supporting(request, members)
    await request.server.show(request, "everything", [*members, *supporting])
    shape = Shape(request.param("_summary"), [e for e in (request.param("_elements") or "").split(",") if e])
    if first.rid == 0 and request.param("_after") is None:
        members = [first, *members]  # a person, made of registrations that are among the members
    entries = [search_entry(one, request.base_url, "match", shape) for one in members]
    entries += [search_entry(one, request.base_url, "include", shape) for one in supporting]
    address = f"{request.base_url}/{type_name}/{id_}/$everything"
    links = {"self": f"{address}?{urlencode(request.params)}" if request.params else address}
    if more:
        asked = [pair for pair in request.params if pair[0] != "_after"]
        links["next"] = f"{address}?{urlencode([*asked, ('_after', str(members[-1].rid))])}"
    total = None if more or request.param("_after") else len(members)
    return Response(200, bundle("searchset", entries, total=total, links=links))


def _count(request: Request) -> int:
    text = request.param("_count")
    if text is None:
        return MOST
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 0 < int(text) <= MOST:
        raise Invalid(f"_count={text} is not a number from 1 to {MOST}")
    return int(text)


@lru_cache(maxsize=8)
def _constants(compartment: str) -> tuple[tuple[str, str], ...]:
    """Type and parameter of every reference that puts a resource into the compartment."""
    definitions = load()
    return tuple(
        (name, code)
        for name in definitions.resource_names
        for code in definitions.compartment(compartment, name) or ()
        if not code.startswith("{")
    )


def compartment_keys(registry: Registry, compartment: str, id_: str) -> list[int]:
    """The `idx` hashes of every reference that puts a resource into the compartment of `compartment`/id."""
    rid = resource_key(compartment, id_)
    found: set[int] = set()
    for name, code in _constants(compartment):
        parameter = registry.parameters(name).get(code)
        codes: Iterable[str] = (code,) if parameter is None or parameter.alias_of is None else parameter.alias_of.codes
        found.update(rid ^ reference_constant(name, one) for one in codes)
    return sorted(found)


async def _members(request: Request, type_name: str, ids: Sequence[str], limit: int) -> list[Stored]:
    allowed, bound = _allowed(request)
    types = request.param("_type")
    since = request.param("_since")
    lanes = by_lane([key for id_ in ids for key in compartment_keys(request.server.registry, type_name, id_)])
    found = " UNION ".join(f"SELECT rid FROM idx WHERE h{lane} = ANY(%(h{lane})s::bigint[])" for lane in lanes)
    values: dict[str, Any] = {
        **{f"h{lane}": keys for lane, keys in lanes.items()},
        "owners": [resource_key(type_name, id_) for id_ in ids],
        "after": _after(request),
        "types": None if types is None else [_type_code(one) for one in types.split(",")],
        "since": None if since is None else _instant(since),
        "start": _date(request, "start", 0, DATE_MIN),
        "end": _date(request, "end", 1, DATE_MAX),
        "limit": limit,
        **bound,
    }
    return await _rows(request, _MEMBERS.format(allowed=allowed, found=found), values)


def _after(request: Request) -> int:
    """The cursor of a page, as our own links give it."""
    text = request.param("_after") or str(-(2**63))
    if not re.fullmatch(r"-?[0-9]{1,19}", text) or not -(2**63) <= int(text) < 2**63:
        raise Invalid(f"_after={text} is not one of ours: follow the link `next` as it was given")
    return int(text)


def _type_code(name: str) -> int:
    if not load().is_resource(name):
        raise Invalid(f"_type={name} is no resource type")
    return load().type_code(name)


def _instant(text: str) -> Any:
    return moment(date_range(text.replace(" ", "+"))[0])


def _date(request: Request, name: str, end: int, default: int) -> int:
    text = request.param(name)
    return default if text is None else date_range(text)[end]


def _allowed(request: Request) -> tuple[str, dict[str, Any]]:
    """The actor's restriction with named parameters."""
    text, values = request.actor.restriction.sql("r")
    named = {}
    for number, value in enumerate(values):
        named[f"allowed{number}"] = value
        text = text.replace("%s", f"%(allowed{number})s", 1)
    return text, named


async def _supporting(request: Request, members: list[Stored]) -> list[Stored]:
    """The practitioners, organisations, places, medicines and devices that the members refer to."""
    known = {one.rid for one in members}
    wanted: set[int] = set()
    for one in members:
        for type_name, id_ in _mentioned(decode(one.json)):
            rid = resource_key(type_name, id_)
            if rid not in known:
                wanted.add(rid)
    if not wanted:
        return []
    allowed, bound = _allowed(request)
    return await _rows(request, _NAMED.format(allowed=allowed), {"rids": sorted(wanted), **bound})


def _mentioned(value: Any) -> Iterable[tuple[str, str]]:
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            reference = one.get("reference")
            if isinstance(reference, str):
                parts = reference.split("/")
                if len(parts) >= 2 and parts[0] in _SUPPORTING:
                    yield parts[0], parts[1]
            stack.extend(inner for inner in one.values() if isinstance(inner, (dict, list)))
        else:
            stack.extend(inner for inner in one if isinstance(inner, (dict, list)))


async def _rows(request: Request, query: str, values: dict[str, Any]) -> list[Stored]:
    names = load().resource_names
    async with request.server.db(request) as db:
        cursor = db.cursor(binary=True)
        await cursor.execute(query, values)
        rows = await cursor.fetchall()
    payload = request.server.record.payload
    return [
        Stored(names[type_code], id_, version, updated, False, METHODS[method], await payload(body), rid)
        for rid, type_code, id_, version, updated, method, body in rows
    ]
