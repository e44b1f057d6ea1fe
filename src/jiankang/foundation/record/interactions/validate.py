"""$validate: http://hl7.org/fhir/R4/operation-resource-validate.html."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.fhir.outcome import outcome
from jiankang.fhir.structure import check
from jiankang.foundation.record.interactions.answers import expect_content
from jiankang.foundation.record.wire.http import JSON_TYPES, Request, Response
from jiankang.kernel.errors import Invalid
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from jiankang.kernel.errors import Issue


async def validate(request: Request) -> Response:
    """Every problem of the resource sent, alone or as the parameter `resource`, at once; nothing is stored."""
    expect_content(request, JSON_TYPES)
    resource = _resource(decode(request.body))
    return _answer(check(resource, expected_type=request.segments[0]))


async def validate_stored(request: Request) -> Response:
    """Every problem of a resource of the record."""
    type_name, id_ = request.segments[:2]
    return _answer(check((await request.server.read(request, type_name, id_)).resource))


def _resource(body: Any) -> Any:
    if isinstance(body, dict) and body.get("resourceType") == "Parameters":
        for parameter in body.get("parameter", []):
            if isinstance(parameter, dict) and parameter.get("name") == "resource":
                return parameter.get("resource")
        raise Invalid("Parameters of $validate need a parameter `resource`")
    return body


def _answer(issues: list[Issue]) -> Response:
    return Response(200, encode(outcome(issues)))
