"""Search parameters of a guide: http://hl7.org/fhir/R4/searchparameter.html."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guides.words import spaced
from jiankang.fhir.search import Registry
from jiankang.kernel.errors import Problem

if TYPE_CHECKING:
    from guides.source import Table
    from guides.words import Json, Words


def search_parameter(own_id: str, table: Table, words: Words) -> Json:
    """A search parameter, which the platform's own search must understand."""
    table.only("zh", "en", "note", "source", "base", "type", "target", "expression")
    made = words.head("SearchParameter", own_id, table)
    del made["title"]  # it has none in R4
    made.update(
        code=own_id, base=spaced(table.need("base")), type=table.need("type"),
        expression=" ".join(table.need("expression").split()),
    )  # fmt: skip
    if "target" in table:
        made["target"] = spaced(table["target"])
    try:
        Registry().inspect(made)
    except Problem as error:
        raise table.error(f"the search parameter `{own_id}`: {error}", "expression") from None
    return made
