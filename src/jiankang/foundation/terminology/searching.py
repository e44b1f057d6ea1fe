"""What search asks of terminology: the codes that `:in`, `:not-in`, `:below` and `:above` mean.

http://hl7.org/fhir/R4/search.html#token
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.foundation.terminology.composing import Planner, Versions
from jiankang.foundation.terminology.filtering import OTHERS
from jiankang.foundation.terminology.model import System, split_canonical
from jiankang.kernel.errors import TooCostly

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from jiankang.foundation.record.search.meaning import Pair
    from jiankang.foundation.terminology.codes import Codes, Terminology
    from jiankang.foundation.terminology.composing import Part

MAX_CODES = 50_000


class SearchCodes:
    """`record.search.meaning.CodeSets` by the terminology room; inside the transaction of `db` when one is given."""

    def __init__(self, room: Terminology, db: AsyncConnection[object] | None = None) -> None:
        self._room = room
        self._db = db

    async def codes_in(self, value_set: str) -> list[Pair]:
        """System and code of all that a value set holds. Raises TooCostly above MAX_CODES."""
        url, version = split_canonical(value_set)
        async with self._room.asking(self._db) as codes:
            key = ("codes-in", url, version)
            found: list[Pair] | None = codes.memory.others.get(key)
            if found is None:
                plan = await Planner(codes, Versions()).plan(await codes.value_set(url, version))
                found = []
                for part in plan.values():
                    found += await _codes_of(codes, part)
                    if len(found) > MAX_CODES:
                        raise TooCostly(
                            f"the value set {url[:300]} has more than {MAX_CODES} codes: too many to search by"
                        )
                codes.memory.others.put(key, found)
            return found

    async def descendants(self, system: str, code: str) -> list[Pair]:
        """The code and all that it subsumes; the code alone when its system does not have it."""
        async with self._room.asking(self._db) as codes:
            known = await codes.system(system)
            concept = await codes.concept(known, code)
            if concept is None or not isinstance(known, System):
                return [(system, code)]
            statement = "SELECT code FROM concept WHERE system = %s AND n BETWEEN %s AND %s LIMIT %s"
            values: tuple[object, ...] = (known.id, concept.n, concept.last, MAX_CODES + 1)
            if known.polyhierarchy:
                statement = (
                    f"SELECT code FROM concept WHERE system = %s AND (n BETWEEN %s AND %s OR n IN ({OTHERS})) LIMIT %s"
                )
                values = (known.id, concept.n, concept.last, known.id, concept.n, MAX_CODES + 1)
            rows = await codes.rows(statement, values)
            if len(rows) > MAX_CODES:
                raise TooCostly(f"the code {code[:100]!r} has more than {MAX_CODES} below it: too many to search by")
            return [(known.url, row[0]) for row in rows]

    async def ancestors(self, system: str, code: str) -> list[Pair]:
        """The code and all that subsume it; the code alone when its system does not have it."""
        async with self._room.asking(self._db) as codes:
            known = await codes.system(system)
            concept = await codes.concept(known, code)
            if concept is None or not isinstance(known, System):
                return [(system, code)]
            above = await codes.at(known, sorted(concept.ancestors))
            return [(known.url, code), *((known.url, each.code) for each in above)]


async def _codes_of(codes: Codes, part: Part) -> list[Pair]:
    if part.listed is not None:
        return [(part.url, code) for code in part.listed]
    if not isinstance(part.system, System):
        return []
    rows = await codes.rows(
        f"SELECT code FROM concept WHERE system = %s AND ({part.where.sql}) LIMIT %s",
        (part.system.id, *part.where.values, MAX_CODES + 1),
    )
    return [(part.url, row[0]) for row in rows]
