"""One code system: what it is, its tree, and search among its codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.foundation.terminology.browsing import PAGE, is_flat, roots
from jiankang.foundation.terminology.expanding import Wish, expand
from jiankang.foundation.terminology.model import System
from jiankang.foundation.terminology.pages.asking import actor_for, needed, room_of, said, server_of, told
from jiankang.foundation.terminology.pages.trees import Tree
from jiankang.kernel.errors import NotFound
from jiankang.ui import language_of, page, page_number

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from jiankang.foundation.terminology.codes import AnySystem, Codes


async def show_system(request: Request) -> Response:
    """The page of a code system; with `q` the codes that are found, else its tree."""
    actor_for(request, "CodeSystem")
    url, version, text = needed(request, "system"), said(request, "version"), said(request, "q")[:200].strip()
    async with room_of(request).asking() as codes:
        system = await codes.system(url, version or None)
        versions = await codes.versions(url) if isinstance(system, System) else []
        tree = await _tree(request, codes, system, version) if not text else {}
        found = await _found(request, codes, system, text) if text else {}
    return page(
        request, "terminology/system.html", fragment="terminology/_codes.html", system=system, version=version,
        versions=[each.version for each in versions if each.version], text=text, header=told(system.header), tree=tree,
        found=found, is_list=isinstance(system, System),
    )  # fmt: skip


async def _tree(request: Request, codes: Codes, system: AnySystem, version: str) -> dict[str, Any]:
    if not isinstance(system, System):
        return {}
    start = page_number(request.query_params.get("from"), 100_000_000) if "from" in request.query_params else 0
    tree = Tree(request, codes, system, version)
    opened = said(request, "open")
    way = await tree.way(opened)
    if way and way[0].n < start:
        start = 0
    concepts = await roots(codes, system, start)
    following = concepts.pop().n if len(concepts) > 100 else None
    if way and all(each.n != way[0].n for each in concepts):
        concepts.append(way[0])
    nodes = await tree.nodes(concepts, way, opened)
    return {"nodes": nodes, "flat": is_flat(system, concepts), "following": following, "start": start}


async def _found(request: Request, codes: Codes, system: AnySystem, text: str) -> dict[str, Any]:
    """A page of the codes whose words begin with those of `text`; of a grammar, the text itself when it is a code."""
    if not isinstance(system, System):
        concept = system.concept(text)
        items = [] if concept is None else [{"code": concept.code, "display": concept.display}]
        return {"items": items, "total": len(items), "number": 1, "pages": 1, "others": False}
    number = page_number(request.query_params.get("page"))
    record = server_of(request).record
    wish = Wish(
        offset=(number - 1) * PAGE, count=PAGE, filter=text, designations=True, language=language_of(request).code
    )
    whole = {"include": [{"system": system.url, "version": system.version}]}
    if not system.version:
        del whole["include"][0]["version"]
    answer = await expand(codes, {"resourceType": "ValueSet", "compose": whole}, wish, record.clock(), record.new_id())
    total = answer["expansion"]["total"]
    items = answer["expansion"].get("contains", [])
    for each in items:
        each["others"] = [
            one for one in each.get("designation", ()) if one.get("value") not in (None, each.get("display"))
        ]
    return {
        "items": items,
        "total": total,
        "number": number,
        "pages": -(-total // PAGE),
        "others": any(each["others"] for each in items),
    }


async def show_branch(request: Request) -> Response:
    """One node of a tree, open or shut, for pages that are open already."""
    actor_for(request, "CodeSystem")
    url, version, code = needed(request, "system"), said(request, "version"), needed(request, "code")
    async with room_of(request).asking() as codes:
        system = await codes.system(url, version or None)
        concept = await codes.concept(system, code)
        if concept is None or not isinstance(system, System):
            raise NotFound(f"the code {code[:100]!r} is not in {url[:300]}")
        tree = Tree(request, codes, system, version)
        way = await tree.way(code)
        node = (await tree.nodes([concept], way if said(request, "open") else way[:-1]))[0]
    return page(request, "terminology/branch.html", node=node)
