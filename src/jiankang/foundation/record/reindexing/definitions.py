"""A SearchParameter that is written comes into force, changes or goes out of force in the same transaction.

http://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load
from jiankang.fhir.search.registry import CUSTOM_BIT
from jiankang.kernel.errors import Conflict
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg import AsyncConnection

    from jiankang.fhir.definitions import SearchParameter
    from jiankang.fhir.search import Registry
    from jiankang.foundation.record.store import Change, Coming, Transaction

CHANNEL = "jiankang_search"

# The members that decide what is found: a new version that differs in others only changes nothing here.
_MEANING = (
    "url",
    "code",
    "type",
    "base",
    "expression",
    "target",
    "component",
    "multipleOr",
    "multipleAnd",
    "comparator",
    "modifier",
)

_ASK = """
INSERT INTO reindex (type, state, since) SELECT t, 'waiting', (
    SELECT coalesce(min(xact_start), now()) FROM pg_stat_activity WHERE datname = current_database())
FROM unnest(%s::text[]) AS t
ON CONFLICT (type) DO UPDATE SET state = 'waiting', asked = clock_timestamp(), since = excluded.since, place_updated = '1970-01-01T00:00Z', place_rid = 0,
    done = 0, total = 0, rewritten = 0, finished = NULL
"""

_KNOWN = "SELECT url, base, code, resource, definition, state FROM search_parameter WHERE url = %s OR resource = %s"

_PUT = """
INSERT INTO search_parameter (url, base, code, bit, resource, definition, state)
SELECT %(url)s, %(base)s, %(code)s, coalesce(max(bit) + 2, %(first)s), %(resource)s, %(definition)s, 'building'
FROM search_parameter WHERE base = %(base)s
ON CONFLICT (url, base) DO UPDATE SET code = excluded.code, bit = excluded.bit, resource = excluded.resource,
    definition = excluded.definition, state = 'building', changed = clock_timestamp()
"""


class Definitions:
    """Keeps the table of custom parameters in step with the SearchParameter resources that are written."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    async def __call__(self, tx: Transaction, writes: Sequence[Coming]) -> None:
        """What writes of SearchParameters mean for searching, in their transaction.

        Raises Unprocessable for one that cannot be searched by, Conflict for a url or code that another one has.
        """
        tx.definitional = True
        for write in writes:
            await self._follow(tx, write.change, write.id)

    async def _follow(self, tx: Transaction, change: Change, id_: str) -> None:
        resource = None if change.prepared is None else change.prepared.resource
        definition = None
        if resource is not None and resource.get("status") == "active" and not _is_official(resource.get("url")):
            definition = self.registry.inspect(resource)
        await tx.db.execute("LOCK TABLE search_parameter IN SHARE ROW EXCLUSIVE MODE")
        url = "" if definition is None else definition.url
        known = await (await tx.db.execute(_KNOWN, (url, id_))).fetchall()
        mine = {(row[0], row[1]): row for row in known if row[3] == id_ and row[5] != "retired"}
        wanted: set[tuple[str, str]] = set()
        if definition is not None and resource is not None:
            _refuse_another(known, url, id_)
            wanted = {(url, base) for base in definition.base}
        touched = await self._retire(tx.db, [key for key in mine if key not in wanted])
        if definition is not None and resource is not None:
            touched |= await self._put(tx.db, definition, meaning(resource), id_, mine)
        if touched:
            await ask(tx.db, touched)

    async def _retire(self, db: AsyncConnection[Any], keys: list[tuple[str, str]]) -> set[str]:
        for url, base in keys:
            await db.execute(
                "UPDATE search_parameter SET state = 'retired', changed = clock_timestamp() WHERE url = %s AND base = %s",
                (url, base),
            )
        return {base for _, base in keys}

    async def _put(
        self,
        db: AsyncConnection[Any],
        definition: SearchParameter,
        text: str,
        id_: str,
        mine: dict[tuple[str, str], Any],
    ) -> set[str]:
        """Rows for the types where the definition is new or means something else now; these types."""
        touched: set[str] = set()
        for base in definition.base:
            before = mine.get((definition.url, base))
            if before is not None and before[4] == text:
                continue
            await self._refuse_same_code(db, definition, base)
            values = {"url": definition.url, "base": base, "code": definition.code, "first": CUSTOM_BIT,
                      "resource": id_, "definition": text}  # fmt: skip
            await db.execute(_PUT, values)
            touched.add(base)
        return touched

    async def _refuse_same_code(self, db: AsyncConnection[Any], definition: SearchParameter, base: str) -> None:
        row = await (
            await db.execute(
                "SELECT url FROM search_parameter WHERE base = %s AND code = %s AND url <> %s AND state <> 'retired'",
                (base, definition.code, definition.url),
            )
        ).fetchone()
        if row is not None:
            raise Conflict(
                f"{base} has a search parameter '{definition.code}' already: {row[0]}. Choose another code.",
                expression=["SearchParameter.code"],
            )


def meaning(resource: dict[str, Any]) -> str:
    """The part of a SearchParameter that decides what is found by it, as text."""
    kept = {name: resource[name] for name in _MEANING if name in resource}
    return encode(kept).decode()


def definition_of(text: str) -> dict[str, Any]:
    """The SearchParameter kept as `meaning`."""
    found: dict[str, Any] = decode(text.encode())
    return found


def _is_official(url: object) -> bool:
    return isinstance(url, str) and load().search_parameter_by_url(url) is not None


def _refuse_another(known: Iterable[tuple[Any, ...]], url: str, id_: str) -> None:
    for row in known:
        if row[0] == url and row[3] != id_ and row[5] != "retired":
            raise Conflict(
                f"SearchParameter/{row[3]} defines {url} already: change that one, or retire it first",
                expression=["SearchParameter.url"],
            )


async def ask(db: AsyncConnection[Any], types: Iterable[str]) -> None:
    """Ask for a pass over these types from their beginning, and wake those who make it, once this is committed."""
    await db.execute(_ASK, (sorted(types),))
    await db.execute("UPDATE search_generation SET number = number + 1")
    await db.execute(f"NOTIFY {CHANNEL}")
