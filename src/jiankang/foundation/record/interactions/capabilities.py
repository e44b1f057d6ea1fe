"""The CapabilityStatement, written from what is really routed: http://hl7.org/fhir/R4/capabilitystatement.html."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from jiankang import __version__
from jiankang.fhir.definitions import load
from jiankang.foundation.record.wire.http import Request, Response
from jiankang.kernel.clock import instant
from jiankang.kernel.errors import Invalid, NotSupported
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from jiankang.foundation.record.wire.server import Server

_SYSTEM = ("transaction", "history-system", "search-system")
_DATE = "2026-11-23"


async def capabilities(request: Request) -> Response:
    """What this server can do."""
    mode = request.param("mode") or "full"
    if mode not in {"full", "normative", "terminology"}:
        raise Invalid(f"mode={mode} is not known: use full, normative or terminology")
    if mode != "terminology":
        value = statement(request.server, request.base_url)
    elif request.server.terminology is not None:
        value = await request.server.terminology(request)
    else:
        raise NotSupported("there is no terminology service here")
    body = encode(value)
    etag = f'W/"{blake2b(body, digest_size=8).hexdigest()}"'
    if etag in request.headers.get("if-none-match", ""):
        return Response(304, b"", [("ETag", etag)])
    return Response(200, body, [("ETag", etag)])


def statement(server: Server, base_url: str) -> dict[str, Any]:
    """The CapabilityStatement of `server` at `base_url`."""
    routes, added = server.routes
    routed = {route.interaction for route in routes}
    per_type = sorted({route.interaction for route in routes if route.shape[:1] == ("Type",)})
    operations = [route for route in added if not route.shape[0].startswith("$")]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _DATE,
        "publisher": "Jiankang",
        "kind": "instance",
        "software": {"name": "Jiankang 健康", "version": __version__},
        "implementation": {"description": "A region's health record", "url": base_url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "application/fhir+xml", "json", "xml"],
        "patchFormat": ["application/json-patch+json", "application/fhir+json", "application/fhir+xml"],
        "rest": [
            {
                "mode": "server",
                "documentation": f"Times are of {instant(server.record.clock())[:4]}; partial dates without a zone are UTC.",
                "resource": [_resource(server, name, per_type, operations) for name in load().resource_names],
                "interaction": _system_interactions(routed),
                "searchParam": _common(),
                "operation": _operations([route for route in added if route.shape[:1] != ("Type",)]),
                "compartment": [
                    f"http://hl7.org/fhir/CompartmentDefinition/{name.lower()}"
                    for name in sorted(load().compartment_names)
                ],
                **server.described.get("", {}),
            }
        ],
    }


def _system_interactions(routed: set[str]) -> list[dict[str, str]]:
    codes = [code for code in _SYSTEM if code in routed]
    return [{"code": code} for code in (*codes, *(["batch"] if "transaction" in codes else []))]


def _operations(routes: Any, type_name: str = "") -> list[dict[str, str]]:
    """The operations that are routed, for a type those that it has."""
    found = {
        (route.interaction, route.definition)
        for route in routes
        if route.definition and (not route.types or type_name in route.types)
    }
    return [{"name": name, "definition": url} for name, url in sorted(found)]


def _resource(server: Server, name: str, interactions: list[str], operations: list[Any]) -> dict[str, Any]:
    parameters = server.registry.searchable(name)
    references = sorted(code for code, one in parameters.items() if one.type == "reference")
    compartments = load().compartment_names
    found = _operations(operations, name)
    shown = [one for one in found if one["name"] != "everything" or name in compartments]
    return {
        "type": name,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{name}",
        "interaction": [{"code": code} for code in interactions if code != "search-system"],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": server.settings.conditional_delete,
        "referencePolicy": ["literal", "logical", "local"],
        "searchInclude": ["*", *(f"{name}:{code}" for code in references)],
        "searchRevInclude": _reverse(server, name),
        "searchParam": [
            {"name": code, "type": one.type, **({"definition": one.url} if one.url else {})}
            for code, one in sorted(parameters.items())
        ],
        "operation": shown,
        **server.described.get(name, {}),
    }


def _reverse(server: Server, target: str) -> list[str]:
    cache = _reverse_cache.setdefault((id(server.registry), server.registry.version), {})
    if not cache:
        for name in load().resource_names:
            for code, one in server.registry.parameters(name).items():
                if one.type == "reference":
                    for to in one.targets or load().resource_names:
                        cache.setdefault(to, []).append(f"{name}:{code}")
    return sorted(cache.get(target, []))


_reverse_cache: dict[tuple[int, int], dict[str, list[str]]] = {}


def _common() -> list[dict[str, str]]:
    kinds = {"_id": "token", "_lastUpdated": "date", "_tag": "token", "_profile": "uri", "_security": "token",
             "_source": "uri", "_text": "string", "_content": "string", "_list": "special", "_has": "special",
             "_type": "special", "_filter": "special"}  # fmt: skip
    return [{"name": name, "type": kind} for name, kind in kinds.items()]
