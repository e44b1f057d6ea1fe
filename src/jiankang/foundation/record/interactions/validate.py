"""$validate: http://hl7.org/fhir/R4/resource-operation-validate.html."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

from jiankang.fhir.outcome import outcome
from jiankang.fhir.validation import validate as by_the_norm
from jiankang.foundation.record.interactions.answers import expect_content
from jiankang.foundation.record.interactions.preparing import THREAD_BYTES
from jiankang.foundation.record.judging import findings_of
from jiankang.foundation.record.wire.http import JSON_TYPES, Request, Response
from jiankang.kernel.errors import Invalid, Issue
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

MODES = ("create", "update", "delete", "profile")


async def validate(request: Request) -> Response:
    """Every problem of the resource sent, alone or as the parameter `resource`, at once; nothing is stored.

    `mode` create and update ask for what these interactions ask; `profile` adds a profile. Advice (best practice) comes
    with `_best-practice=true`.
    """
    if request.body:
        expect_content(request, JSON_TYPES)
    body = decode(request.body) if request.body else None
    resource, asked = _parts(body)
    mode, profiles = _asked(request, asked)
    type_name = request.segments[0]
    id_ = request.segments[1] if len(request.segments) == 3 else None
    if mode == "delete":
        if id_ is None:
            raise Invalid("mode delete asks about one resource: POST Type/id/$validate", expression=["mode"])
        await request.server.read(request, type_name, id_)
        return _answer([], f"{type_name}/{id_} may be deleted.")
    if resource is None and id_ is not None:
        resource = (await request.server.read(request, type_name, id_)).resource
    if resource is None:
        raise Invalid(f"send the {type_name} to validate, alone or as the parameter `resource`")
    return _answer([*_as_written(resource, mode, id_), *await _found(request, resource, profiles)])


async def validate_stored(request: Request) -> Response:
    """Every problem of a resource of the record."""
    type_name, id_ = request.segments[:2]
    _, profiles = _asked(request, {})
    resource = (await request.server.read(request, type_name, id_)).resource
    return _answer(await _found(request, resource, profiles))


def _parts(body: Any) -> tuple[Any, dict[str, list[Any]]]:
    """The resource sent, and the other parameters by name."""
    if not isinstance(body, dict) or body.get("resourceType") != "Parameters":
        return body, {}
    asked: dict[str, list[Any]] = {}
    resource = None
    given = body.get("parameter", [])
    for parameter in given if isinstance(given, list) else []:
        if isinstance(parameter, dict) and parameter.get("name") == "resource":
            resource = parameter.get("resource")
        elif isinstance(parameter, dict):
            values = [value for name, value in parameter.items() if name.startswith("value")]
            asked.setdefault(str(parameter.get("name")), []).extend(values)
    return resource, asked


def _asked(request: Request, parameters: dict[str, list[Any]]) -> tuple[str | None, list[str]]:
    """Mode and profiles, from the address or the body."""
    mode = request.param("mode") or next((str(one) for one in parameters.get("mode", [])), None)
    if mode is not None and mode not in MODES:
        raise Invalid(f"mode={mode} is not known: use {', '.join(MODES)}", expression=["mode"])
    profiles = [value for name, value in request.params if name == "profile"]
    profiles += [str(one) for one in parameters.get("profile", [])]
    if mode == "profile" and not profiles:
        raise Invalid("mode profile needs a parameter `profile`", expression=["profile"])
    return mode, profiles


def _as_written(resource: Any, mode: str | None, id_: str | None) -> list[Issue]:
    """What an update would refuse besides."""
    if mode != "update" or id_ is None or not isinstance(resource, dict) or resource.get("id") == id_:
        return []
    place = f"{resource.get('resourceType')}.id"
    return [Issue("value", f"the resource's id is {resource.get('id')}, the address says {id_}", (place,), "error")]


async def _found(request: Request, resource: Any, profiles: Sequence[str]) -> list[Issue]:
    advice = request.param("_best-practice") == "true"

    aside, judge = len(request.body) > THREAD_BYTES, request.server.judge
    expected = request.segments[0]
    if not isinstance(resource, dict) or resource.get("resourceType") != expected or judge is None:
        work = functools.partial(by_the_norm, resource, profiles=profiles, best_practice=advice, expected_type=expected)
        return await asyncio.to_thread(work) if aside else work()
    await judge.refresh()
    found = await findings_of(judge, [resource], aside=aside, profiles=profiles, best_practice=advice)
    return list(found[0].findings)


def _answer(issues: list[Issue], said: str = "No problem was found.") -> Response:
    return Response(200, encode(outcome(issues or [Issue("informational", said, (), "information")])))
