"""Which faults are behind what was missed, asked or linked wrongly."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accuracy.registering import Index


def missed(index: Index) -> Counter[str]:
    """Pairs of one person that are apart, by the faults of both."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(index.rows):
        places[row.person_id].append(place)
    found: Counter[str] = Counter()
    for ones in places.values():
        for left, right in combinations(ones, 2):
            if index.person[left] != index.person[right]:
                found[" | ".join(sorted({index.rows[left].faults or "-", index.rows[right].faults or "-"}))] += 1
    return found


def wrong(index: Index) -> list[tuple[str, str]]:
    """Links that are wrong: both registrations, in short."""
    return [
        (_short(index, left), _short(index, other))
        for left, other in index.links
        if index.rows[left].person_id != index.rows[other].person_id
    ]


def _short(index: Index, place: int) -> str:
    row = index.rows[place]
    told = (
        row.person_id,
        row.name,
        row.latin_name,
        row.birth_date,
        row.citizen_id,
        row.passport,
        row.phone,
        row.address,
        row.faults,
    )
    return " ".join(one for one in told if one)
