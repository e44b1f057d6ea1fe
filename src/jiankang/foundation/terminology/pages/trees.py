"""Trees of concepts, opened as far as a reader wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.foundation.terminology.browsing import above, leaves
from jiankang.foundation.terminology.pages.asking import PATH, named
from jiankang.ui import link

if TYPE_CHECKING:
    from starlette.requests import Request

    from jiankang.foundation.terminology.codes import Codes
    from jiankang.foundation.terminology.model import Concept, System

CHILDREN = 500
Twig = dict[str, Any]


class Tree:
    """Makes the nodes that `ui.tree` shows; `version` is the one that the address names, "" for the newest."""

    def __init__(self, request: Request, codes: Codes, system: System, version: str) -> None:
        self.request = request
        self.codes = codes
        self.system = system
        self.query = {"system": system.url, "version": version}

    async def nodes(self, concepts: list[Concept], way: list[Concept], here: str = "") -> list[Twig]:
        """Shut nodes of concepts, but open along the `way`; the concept with the code `here` is marked."""
        without = await leaves(self.codes, self.system, concepts)
        return [await self._node(each, way, here, is_leaf=each.n in without) for each in concepts]

    async def _node(self, concept: Concept, way: list[Concept], here: str, *, is_leaf: bool) -> Twig:
        """One node, open when it is on the way."""
        name = await named(self.request, self.codes, self.system, concept)
        is_open = not is_leaf and any(each.n == concept.n for each in way)
        inner: list[Twig] = []
        if is_open:
            below = await self.codes.children(self.system, concept, CHILDREN)
            inner = await self.nodes(below, way, here)
        return {
            "code": concept.code, "display": name.text, "lang": name.lang, "key": f"{concept.system}-{concept.n}",
            "here": concept.code == here, "open": is_open, "inner": inner,
            "href": link(f"{PATH}/concept", **self.query, code=concept.code),
            "opens": "" if is_leaf else self._opens(concept, way, is_open=is_open),
            "fetch": link(f"{PATH}/branch", **self.query, code=concept.code, open="" if is_open else "yes"),
        }  # fmt: skip

    def _opens(self, concept: Concept, way: list[Concept], *, is_open: bool) -> str:
        """The page with this node open; or, when it is, with the node above it as the last open one."""
        code = concept.code
        if is_open:
            before = [each.code for each in way[: next(i for i, each in enumerate(way) if each.n == concept.n)]]
            code = before[-1] if before else ""
        return link(f"{PATH}/system", **self.query, open=code) + f"#twig-{concept.system}-{concept.n}"

    async def way(self, code: str) -> list[Concept]:
        """The way down to a code; none when there is no such code."""
        concept = await self.codes.concept(self.system, code) if code else None
        return [] if concept is None else await above(self.codes, self.system, concept)
