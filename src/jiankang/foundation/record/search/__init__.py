"""Search of the record: http://hl7.org/fhir/R4/search.html over the index tables, planned deliberately.

`search` answers a page, `match_ids` says which resources a condition means (for conditional interactions), `explain`
shows the plan. README.md in this folder says how pages stay stable and what each bound is.
"""

from __future__ import annotations

from jiankang.foundation.record.search.api import Compartment, SearchResult, explain, match_ids, read_condition, search
from jiankang.foundation.record.search.facts import Condition
from jiankang.foundation.record.search.query import DEFAULT_COUNT, MOST_COUNT, RESULT_PARAMETERS

__all__ = [
    "DEFAULT_COUNT",
    "MOST_COUNT",
    "RESULT_PARAMETERS",
    "Compartment",
    "Condition",
    "SearchResult",
    "explain",
    "match_ids",
    "read_condition",
    "search",
]
