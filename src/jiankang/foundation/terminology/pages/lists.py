"""The lists of code systems, value sets and concept maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.foundation.terminology.browsing import PAGE, concept_maps, matching, systems, value_sets
from jiankang.foundation.terminology.pages.asking import actor_for, room_of, said
from jiankang.foundation.terminology.pages.finding import MOST, find_codes
from jiankang.ui import language_of, page, page_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

KINDS = {
    "systems": ("CodeSystem", systems),
    "value-sets": ("ValueSet", value_sets),
    "maps": ("ConceptMap", concept_maps),
}


async def show_list(request: Request) -> Response:
    """One of the lists, searched by title, address and publisher; or the codes of all systems that have the words."""
    kind = said(request, "kind")
    kind = kind if kind in KINDS or kind == "codes" else "systems"
    text = said(request, "q")[:200].strip()
    found: dict[str, Sequence[Any]] = {}
    actor = actor_for(request, "CodeSystem" if kind == "codes" else KINDS[kind][0])
    async with room_of(request).asking() as codes:
        for name, (type_name, read) in KINDS.items():
            if actor.restriction.permits(type_name, ()):
                found[name] = matching(await read(codes), text)
        if actor.restriction.permits("CodeSystem", ()):
            found["codes"] = await find_codes(codes, text)
    listed = found[kind]
    number = page_number(request.query_params.get("page"))
    return page(
        request, "terminology/lists.html", fragment="terminology/_list.html", kind=kind, text=text, number=number,
        most=MOST, name=lambda hit: hit.name(language_of(request).code),
        counts={name: len(each) for name, each in found.items()}, total=len(listed), pages=-(-len(listed) // PAGE),
        listed=listed[(number - 1) * PAGE : number * PAGE],
    )  # fmt: skip
