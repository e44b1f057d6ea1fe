"""One value set: its definition in words, and its codes in pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.foundation.terminology.browsing import PAGE, clauses
from jiankang.foundation.terminology.expanding import Wish, expand
from jiankang.foundation.terminology.pages.asking import actor_for, needed, room_of, said, server_of, told
from jiankang.kernel.errors import Problem
from jiankang.ui import N_, language_of, page, page_number

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from jiankang.foundation.terminology.codes import Codes

OPERATORS = {
    "=": N_("%(property)s is %(value)s"),
    "is-a": N_("%(value)s and all below it"),
    "descendent-of": N_("all below %(value)s"),
    "is-not-a": N_("all that are not %(value)s nor below it"),
    "generalizes": N_("%(value)s and all above it"),
    "regex": N_("%(property)s fits the expression %(value)s"),
    "in": N_("%(property)s is one of %(value)s"),
    "not-in": N_("%(property)s is none of %(value)s"),
    "exists": N_("%(property)s is there: %(value)s"),
}
"""http://hl7.org/fhir/R4/valueset-filter-operator.html."""


async def show_value_set(request: Request) -> Response:
    """The page of a value set."""
    actor_for(request, "ValueSet")
    url, version, text = needed(request, "url"), said(request, "version"), said(request, "q")[:200].strip()
    number = page_number(request.query_params.get("page"))
    async with room_of(request).asking() as codes:
        value_set = await codes.value_set(url, version or None)
        expansion, problem = await _expanded(request, codes, value_set, text, number)
    total = expansion.get("total", 0)
    return page(
        request, "terminology/value-set.html", fragment="terminology/_expansion.html", value_set=told(value_set), url=url,
        version=version, text=text, number=number, total=total, pages=-(-total // PAGE), problem=problem,
        items=expansion.get("contains", []), clauses=clauses(value_set), operators=OPERATORS,
    )  # fmt: skip


async def _expanded(
    request: Request, codes: Codes, value_set: dict[str, Any], text: str, number: int
) -> tuple[dict[str, Any], str]:  # fmt: skip
    """A page of the expansion, or why there is none."""
    record = server_of(request).record
    wish = Wish(offset=(number - 1) * PAGE, count=PAGE, filter=text, language=language_of(request).code)
    try:
        answer = await expand(codes, value_set, wish, record.clock(), record.new_id())
    except Problem as problem:
        return {}, problem.issues[0].text
    found: dict[str, Any] = answer["expansion"]
    return found, ""
