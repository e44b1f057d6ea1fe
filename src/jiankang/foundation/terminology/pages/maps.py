"""One concept map: what it is between, and its mappings in pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.foundation.terminology.browsing import PAGE
from jiankang.foundation.terminology.pages.asking import actor_for, needed, room_of, said, told
from jiankang.kernel.errors import NotFound
from jiankang.kernel.jsontext import decode
from jiankang.ui import page, page_number

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_MAP = "SELECT id, header FROM concept_map WHERE url = %s AND (%s = '' OR version = %s) ORDER BY id DESC LIMIT 1"
_ROWS = """SELECT source_system, source, target_system, target, body, count(*) OVER () FROM mapping
WHERE map = %s ORDER BY n LIMIT %s OFFSET %s"""


async def show_map(request: Request) -> Response:
    """The page of a concept map."""
    actor_for(request, "ConceptMap")
    url, version = needed(request, "url"), said(request, "version")
    number = page_number(request.query_params.get("page"))
    async with room_of(request).asking() as codes:
        found = await codes.rows(_MAP, (url, version, version))
        if not found:
            raise NotFound(f"the concept map {url[:300]} is not known here")
        rows = await codes.rows(_ROWS, (found[0][0], PAGE, (number - 1) * PAGE))
    total = rows[0][5] if rows else 0
    mappings = [(source, code, target, other, *decode(body)) for source, code, target, other, body, _ in rows]
    return page(
        request, "terminology/map.html", header=told(decode(found[0][1])), url=url, version=version, mappings=mappings,
        number=number, total=total, pages=-(-total // PAGE),
    )  # fmt: skip
