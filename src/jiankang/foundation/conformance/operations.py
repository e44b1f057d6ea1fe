"""What can be asked of profiles: $snapshot, and which elements have to be supported.

http://hl7.org/fhir/R4/structuredefinition-operation-snapshot.html, http://hl7.org/fhir/R4/profiling.html#mustsupport
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jiankang.fhir.structure import check
from jiankang.fhir.validation.profiles import ProfileError
from jiankang.foundation.conformance.judging import ConformanceJudge
from jiankang.foundation.record.api.routes import Route, add_operation
from jiankang.foundation.record.wire.http import Response
from jiankang.foundation.terminology.asked import read_asked
from jiankang.kernel.errors import Forbidden, Invalid, NotFound, NotSupported, Unprocessable
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from jiankang.foundation.record.wire.http import Request

Json = dict[str, Any]
_TYPE = "StructureDefinition"
_SNAPSHOT = "http://hl7.org/fhir/OperationDefinition/StructureDefinition-snapshot"
_MUST_SUPPORT = "urn:jiankang:OperationDefinition:must-support"


def add_operations() -> None:
    """Route the operations of profiles."""
    for operation, work, definition in (
        ("snapshot", _snapshot, _SNAPSHOT),
        ("must-support", _must_support, _MUST_SUPPORT),
    ):
        for method, shape in (
            ("GET", (_TYPE, f"${operation}")),
            ("POST", (_TYPE, f"${operation}")),
            ("GET", (_TYPE, "id", f"${operation}")),
        ):
            add_operation(Route(method, shape, operation, work, definition, (_TYPE,)))


async def _snapshot(request: Request) -> Response:
    """The StructureDefinition with its snapshot made anew: of one in the record, one sent along, or one named by `url`."""
    judge = await _judge(request)
    definition = await _definition(judge, request)
    return Response(200, encode(await _by(judge.profiles.snapshot, definition)))


async def _must_support(request: Request) -> Response:
    """The ids of the elements that a system has to support to use a profile, with what the profile says of each."""
    judge = await _judge(request)
    definition = await _definition(judge, request)
    made = await _by(judge.profiles.snapshot, definition)
    elements = [each for each in made["snapshot"]["element"] if each.get("mustSupport")]
    return Response(200, encode({"resourceType": "Parameters", "parameter": [_told(each) for each in elements]}))


def _told(element: Json) -> Json:
    parts = [{"name": "id", "valueString": element["id"]}]
    parts.append({"name": "cardinality", "valueString": f"{element.get('min', 0)}..{element.get('max', '*')}"})
    if element.get("short"):
        parts.append({"name": "short", "valueString": element["short"]})
    bound = element.get("binding", {}).get("valueSet")
    if bound:
        parts.append({"name": "valueSet", "valueCanonical": bound})
    return {"name": "element", "part": parts}


async def _judge(request: Request) -> ConformanceJudge:
    """The judge of the server, who knows the profiles as they are now."""
    if not request.actor.restriction.permits(_TYPE, ()):
        raise Forbidden(f"you may not ask about {_TYPE}")
    judge = request.server.judge
    if not isinstance(judge, ConformanceJudge):
        raise NotSupported("nobody knows profiles here")
    await judge.refresh()
    return judge


async def _definition(judge: ConformanceJudge, request: Request) -> Json:
    """The StructureDefinition that is meant. Raises Invalid, NotFound, Unprocessable."""
    if len(request.segments) == 3:
        return (await request.server.read(request, _TYPE, request.segments[1])).resource
    asked = read_asked(request)
    sent = asked.object("definition") or asked.object("structureDefinition")
    if sent is not None:
        issues = check(sent, expected_type=_TYPE)
        if issues:
            raise Unprocessable(issues=issues)
        return sent
    url = asked.text("url")
    if url is None:
        raise Invalid("send a StructureDefinition, or name one by `url`", code="required")
    found = judge.profiles.definition(url)
    if found is None:
        raise NotFound(f"the profile {url[:300]} is not known here")
    return found


async def _by(work: Callable[[Json], Json], definition: Json) -> Json:
    try:
        return await asyncio.to_thread(work, definition)
    except ProfileError as error:
        raise Unprocessable(str(error), code="invalid") from None
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError) as error:
        text = f"no snapshot can be made of it: {type(error).__name__} in its elements"
        raise Unprocessable(text, code="invalid") from None
