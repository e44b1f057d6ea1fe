"""One concept: its names, properties, what is above and below it, and where it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.foundation.terminology.asking import with_supplements
from jiankang.foundation.terminology.model import Coding, Concept, System, value_text
from jiankang.foundation.terminology.pages.asking import actor_for, named, needed, room_of, said, server_of, tag, told
from jiankang.foundation.terminology.pages.using import holding, mapped, uses
from jiankang.kernel.errors import NotFound
from jiankang.ui import page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from jiankang.foundation.terminology.codes import AnySystem, Codes

_SHOWN = 200
_STRUCTURE = frozenset({"parent", "child", "inactive", "notSelectable", "abstract"})


async def _asked_for(request: Request, codes: Codes) -> tuple[AnySystem, Concept]:
    url, version, code = needed(request, "system"), said(request, "version"), needed(request, "code")
    system = await codes.system(url, version or None)
    concept = await codes.concept(system, code)
    if concept is None:
        raise NotFound(f"the code {code[:100]!r} is not in {system.canonical}")
    return system, concept


async def show_concept(request: Request) -> Response:
    """The page of a concept. Where it is used is asked for by the page itself, or by `used=yes` without a script."""
    actor_for(request, "CodeSystem")
    used: dict[str, Any] = {}
    async with room_of(request).asking() as codes:
        system, concept = await _asked_for(request, codes)
        facts = await _facts(request, codes, system, concept)
        if said(request, "used"):
            used = await _used(request, codes, Coding(system.url, concept.code))
    return page(
        request, "terminology/concept.html", system=system, version=said(request, "version"), concept=concept,
        used=used, header=told(system.header), is_list=isinstance(system, System), shown=_SHOWN, **facts,
    )  # fmt: skip


async def show_used(request: Request) -> Response:
    """Where a code is used, for pages that are open already."""
    actor_for(request, "CodeSystem")
    async with room_of(request).asking() as codes:
        system, concept = await _asked_for(request, codes)
        used = await _used(request, codes, Coding(system.url, concept.code))
    return page(request, "terminology/used.html", used=used)


async def _facts(request: Request, codes: Codes, system: AnySystem, concept: Concept) -> dict[str, Any]:
    names: list[dict[str, Any]] = []
    properties: list[dict[str, Any]] = []
    parents: list[Concept] = []
    children: list[Concept] = []
    if isinstance(system, System):
        names, properties = await with_supplements(codes, system, concept)
        parents = await codes.at(system, concept.parents)
        children = await codes.children(system, concept, _SHOWN + 1)
    return {
        "name": await named(request, codes, system, concept), "tag": tag,
        "names": [each for each in names if each.get("value")],
        "definition": concept.more.get("definition", ""),
        "properties": [await _property(codes, system, each) for each in properties if each.get("code") not in _STRUCTURE],
        "parents": await _named_all(request, codes, system, parents),
        "children": await _named_all(request, codes, system, children),
    }  # fmt: skip


async def _named_all(request: Request, codes: Codes, system: AnySystem, concepts: list[Concept]) -> list[Any]:
    return [(each.code, await named(request, codes, system, each)) for each in concepts]


async def _property(codes: Codes, system: AnySystem, item: dict[str, Any]) -> dict[str, Any]:
    """A property with what its code means, and the address of the concept where its value is one of this system."""
    code, text = str(item.get("code", "")), value_text(item)
    described: dict[str, Any] = next(
        (each for each in system.header.get("property", ()) if each.get("code") == code), {}
    )
    coding = item.get("valueCoding", {})
    target = coding.get("system", "")
    if "valueCode" in item and described.get("type") == "code" and await codes.concept(system, text) is not None:
        target = system.url
    return {
        "code": code, "text": coding.get("display") or text, "described": described.get("description", ""),
        "target": target, "target_code": coding.get("code") or text,
    }  # fmt: skip


async def _used(request: Request, codes: Codes, coding: Coding) -> dict[str, Any]:
    server = server_of(request)
    actor = server.authenticate(request.scope)
    permits = actor.restriction.permits
    return {
        "holding": await holding(codes, coding) if permits("ValueSet", ()) else None,
        "mapped": await mapped(codes, coding) if permits("ConceptMap", ()) else None,
        "uses": await uses(codes, server, actor, coding),
        "coding": coding,
    }
