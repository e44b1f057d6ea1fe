"""From certain pairs to persons, with the decisions of registration: as if all had registered one after the other.

Registrations that certain pairs hold together, and none of which has anything against another, are one person. Where one
has, they are registered again by themselves, the oldest first, through `deciding.decide`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pyarrow as pa

from jiankang.foundation.identity.deciding import Known, decide, judged
from jiankang.foundation.identity.training.pairing import count, find_vetoed, put, records, score_pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

    from jiankang.foundation.identity.model import Record
    from jiankang.foundation.identity.weights import Weights

_EDGES = "SELECT id_l, id_r FROM judged WHERE verdict = 'certain'"
_LARGE = 100
"""Components of more registrations are not looked through pair by pair first."""
_UNSEEN = f"""
CREATE OR REPLACE TABLE pair AS
WITH small AS (
    SELECT * FROM component WHERE first IN (SELECT first FROM component GROUP BY first HAVING count(*) <= {_LARGE}))
SELECT l.id AS a, r.id AS b FROM small AS l JOIN small AS r USING (first)
ANTI JOIN ({_EDGES}) AS seen ON seen.id_l = l.id AND seen.id_r = r.id
WHERE l.id < r.id
"""
_CONTESTED = f"""
CREATE OR REPLACE TEMP TABLE contested AS SELECT first FROM component JOIN vetoed ON vetoed.id_l = component.id
UNION SELECT first FROM component GROUP BY first HAVING count(*) > {_LARGE}
"""
_MEMBERS = "SELECT first, id FROM component SEMI JOIN contested USING (first) ORDER BY first, id"
_NEIGHBOURS = (
    f"SELECT id_r, id_l FROM ({_EDGES}) SEMI JOIN (FROM component SEMI JOIN contested USING (first)) ON id = id_r"
)
_PERSONS = """
CREATE OR REPLACE TABLE person AS SELECT record.id, coalesce(again.person, component.first, record.id) AS person
FROM record LEFT JOIN again ON again.id = record.id LEFT JOIN component ON component.id = record.id
"""


def cluster(db: duckdb.DuckDBPyConnection, weights: Weights) -> int:
    """Fill `person` (id, person: the lowest id of it) by the table `judged`; how many persons there are.

    Leaves other pairs in `pair`, `scored` and `flagged` than were there.
    """
    _put_pairs(db, "component", ("id", "first"), components(db.execute(_EDGES).fetchall()))
    db.execute(_UNSEEN)
    score_pairs(db, weights)
    find_vetoed(db)
    db.execute(_CONTESTED)
    _put_pairs(db, "again", ("id", "person"), _again(db, weights))
    db.execute(_PERSONS)
    return count(db, "(SELECT DISTINCT person FROM person)")


def _put_pairs(db: duckdb.DuckDBPyConnection, name: str, columns: tuple[str, str], pairs: Mapping[int, int]) -> None:
    values = (list(pairs), list(pairs.values()))
    put(db, name, pa.table([pa.array(each, pa.int64()) for each in values], list(columns)))


def components(edges: Iterable[tuple[int, int]]) -> dict[int, int]:
    """The lowest member of what is connected, for everything that an edge touches."""
    above: dict[int, int] = {}

    def root(one: int) -> int:
        while (up := above.setdefault(one, one)) != one:
            above[one] = above[up]
            one = up
        return one

    for left, right in edges:
        low, high = sorted((root(left), root(right)))
        above[high] = low
    return {one: root(one) for one in above}


def _again(db: duckdb.DuckDBPyConnection, weights: Weights) -> dict[int, int]:
    """The persons of contested components, registered one after the other."""
    earlier: dict[int, list[int]] = defaultdict(list)
    for one, other in db.execute(_NEIGHBOURS).fetchall():
        earlier[one].append(other)
    groups: dict[int, list[int]] = defaultdict(list)
    for first, one in db.execute(_MEMBERS).fetchall():
        groups[first].append(one)
    known = records(db, {one for ids in groups.values() for one in ids})
    found: dict[int, int] = {}
    for ids in groups.values():
        found |= registered(ids, known, earlier, weights)
    return found


def registered(
    ids: Iterable[int], known: Mapping[int, Record], earlier: Mapping[int, list[int]], weights: Weights
) -> dict[int, int]:
    """The person of each, as registration decides it for one after the other; `earlier` are those each is certain with."""
    person: dict[int, int] = {}
    members: dict[str, list[Known]] = {}
    for one in ids:
        candidates = [Known(other, str(person[other]), known[other]) for other in earlier.get(one, ())]
        decision = decide(known[one], judged(known[one], candidates, weights), members, weights)
        mine = decision.person or str(one)
        for name in (mine, *decision.joined):
            for each in members.pop(name, ()) if name != mine else ():
                members.setdefault(mine, []).append(each._replace(person=mine))
                person[each.rid] = int(mine)
        members.setdefault(mine, []).append(Known(one, mine, known[one]))
        person[one] = int(mine)
    return person
