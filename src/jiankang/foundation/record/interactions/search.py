"""search of a type, a compartment, or everything: http://hl7.org/fhir/R4/http.html#search."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from jiankang.fhir.definitions import load
from jiankang.fhir.outcome import outcome
from jiankang.foundation.record import search as searching
from jiankang.foundation.record.interactions.answers import expect_content, shape
from jiankang.foundation.record.search import Compartment
from jiankang.foundation.record.wire.bundles import Shape, bundle, outcome_entry, search_entry
from jiankang.foundation.record.wire.http import FORM, Request, Response, query_pairs
from jiankang.kernel.errors import Invalid, NotFound
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from jiankang.foundation.record.search import SearchResult


async def search_system(request: Request) -> Response:
    """Search over the types named by `_type`, or all."""
    return await _search(request, None)


async def search_type(request: Request) -> Response:
    """Search among the resources of a type."""
    return await _search(request, request.segments[0])


async def search_compartment(request: Request) -> Response:
    """Search in the compartment of one resource: Patient/123/Observation, Patient/123/*."""
    owner, id_, member = request.segments[:3]
    if owner not in load().compartment_names:
        raise NotFound(
            f"{owner} has no compartment; {', '.join(sorted(load().compartment_names))} have", code="not-supported"
        )
    if member != "*" and not load().is_resource(member):
        raise NotFound(f"{member} is no resource type of FHIR R4", code="not-supported")
    ids = await request.server.meant(request, id_) if owner == "Patient" else (id_,)
    return await _search(request, None if member == "*" else member, Compartment(owner, id_, ids))


def _asked(request: Request) -> list[tuple[str, str]]:
    if request.method != "POST":
        return request.params
    if request.body:
        expect_content(request, {FORM})
        try:
            text = request.body.decode()
        except UnicodeDecodeError:
            raise Invalid("the form is not UTF-8") from None
        request.params = [*request.params, *query_pairs(text)]
    return request.params


async def _search(request: Request, type_name: str | None, compartment: Compartment | None = None) -> Response:
    params = await request.server.spelled_out(request, _asked(request))
    if request.param("_explain") is not None:
        return await _explain(request, type_name, [p for p in params if p[0] != "_explain"], compartment)
    result = await request.server.search(request, type_name, params, compartment)
    return Response(200, _searchset(request, result))


def _searchset(request: Request, result: SearchResult) -> bytes:
    shown = shape(request) if request.param("_summary") or request.param("_elements") else Shape()
    base = request.base_url
    entries = [search_entry(one, base, "match", shown) for one in result.matches]
    entries += [search_entry(one, base, "include", Shape()) for one in result.includes]
    if result.warnings:
        entries.append(outcome_entry(outcome(result.warnings)))
    return bundle("searchset", entries, total=result.total, links=_links(request, result.links))


def _links(request: Request, links: dict[str, str]) -> dict[str, str]:
    """Links that ask for the same form as the request did."""
    asked = urlencode([pair for pair in request.params if pair[0] in {"_format", "_pretty"}])
    return {name: f"{url}{'&' if '?' in url else '?'}{asked}" for name, url in links.items()} if asked else links


async def _explain(
    request: Request, type_name: str | None, params: list[tuple[str, str]], compartment: Compartment | None
) -> Response:
    """How the search would be carried out, for whoever looks after the server."""
    async with request.server.db(request) as db:
        plan = await searching.explain(
            db, request.actor, type_name, params, registry=request.server.registry, base_url=request.base_url,
            compartment=compartment, clock=request.server.record.clock,
        )  # fmt: skip
    return Response(200, encode(plan), content_type="application/json;charset=utf-8")
