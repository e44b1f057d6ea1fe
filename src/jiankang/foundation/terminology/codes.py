"""Code systems, concepts and value sets as they are known just now: read once, remembered until something changes.

Before a question is answered the count of changes is read (one query for all who ask at the same time), so that what
is remembered is never older than the question.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from psycopg.pq import TransactionStatus

from jiankang.foundation.terminology.builtin import Entry, builtin, chosen
from jiankang.foundation.terminology.gathering import BY_CODE, BY_PLACE, COLUMNS, Gathering
from jiankang.foundation.terminology.grammars import GRAMMARS, Grammar
from jiankang.foundation.terminology.model import (
    Concept,
    System,
    UnknownSystem,
    UnknownValueSet,
    split_canonical,
    version_order,
)
from jiankang.foundation.terminology.words import folded
from jiankang.foundation.terminology.writing import put_code_system
from jiankang.kernel.database import translated
from jiankang.kernel.ids import key64
from jiankang.kernel.jsontext import decode

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

V = TypeVar("V")

_SYSTEMS = "SELECT id, url, version, polyhierarchy, concepts, header, origin FROM code_system WHERE url = %s AND ready"
_CODES = f"SELECT {COLUMNS} FROM concept WHERE system = %s AND code = ANY(%s::text[])"
_PLACES = f"SELECT {COLUMNS} FROM concept WHERE system = %s AND n = ANY(%s::integer[])"
_FOLDED = f"SELECT {COLUMNS} FROM concept WHERE words @@ %s::tsquery AND system = %s AND lower(code) = lower(%s)"
_CHILDREN = (
    f"SELECT {COLUMNS} FROM concept WHERE system = %s AND n > %s AND n <= %s AND %s = ANY(parents) ORDER BY n LIMIT %s"
)
_CHILDREN_POLY = f"""SELECT {COLUMNS} FROM concept WHERE system = %s AND (n BETWEEN %s AND %s OR n IN (
    SELECT unnest(others) FROM closure WHERE system = %s AND ancestor = %s)) AND %s = ANY(parents) ORDER BY n LIMIT %s"""
_STAMP = "SELECT sum(n) FROM terminology_stamp"


AnySystem = System | Grammar


class Recent(Generic[V]):
    """What was used lately, up to a number of things."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, V] = OrderedDict()

    def get(self, key: Hashable) -> V | None:
        """What is remembered under `key`."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: Hashable, value: V) -> V:
        """Remember `value`, forget the longest unused."""
        self._kept[key] = value
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return value


class Memory:
    """What is known at one count of changes."""

    def __init__(self, stamp: int) -> None:
        self.stamp = stamp
        self.systems: Recent[System] = Recent(2_000)
        self.concepts: Recent[Concept] = Recent(30_000)
        self.value_sets: Recent[dict[str, Any]] = Recent(500)
        self.others: Recent[Any] = Recent(1_000)
        self.composes: Recent[Any] = Recent(500)
        self.answers: Recent[bytes] = Recent(2_000)


class Terminology:
    """The room: opens `Codes` for a question."""

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self.pool = pool
        self.memory = Memory(-1)
        self.by_code = Gathering(pool, BY_CODE)
        self.by_place = Gathering(pool, BY_PLACE)
        self._waiting: list[asyncio.Future[None]] = []
        self._busy = False

    @asynccontextmanager
    async def asking(self, db: AsyncConnection[Any] | None = None) -> AsyncIterator[Codes]:
        """What is known now; through `db` when one is given, then no other connection is waited for."""
        if db is not None:
            yield Codes(self, await self._seen_by(db), db)
            return
        await self._look()
        with translated():
            yield Codes(self, self.memory, None)

    async def _seen_by(self, db: AsyncConnection[Any]) -> Memory:
        """What may be remembered of what `db` sees: nothing inside a transaction, which may see what others do not."""
        if db.info.transaction_status != TransactionStatus.IDLE:
            return Memory(-1)
        row = await (await db.execute(_STAMP)).fetchone()
        stamp = int(row[0]) if row else 0
        if stamp != self.memory.stamp:
            self.memory = Memory(stamp)
        return self.memory

    async def _look(self) -> None:
        """Wait for a look at the count of changes that begins now or later."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if not self._busy:
            self._busy = True
            self._task = asyncio.create_task(self._work())
        await future

    async def _work(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                error: BaseException | None = None
                try:
                    with translated():
                        async with self.pool.connection() as db:
                            row = await (await db.execute(_STAMP)).fetchone()
                    stamp = int(row[0]) if row else 0
                    if stamp != self.memory.stamp:
                        self.memory = Memory(stamp)
                except BaseException as caught:  # noqa: BLE001 - it is the waiters' error
                    error = caught
                for future in waiting:
                    if future.done():
                        continue
                    if error is None:
                        future.set_result(None)
                    else:
                        future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
        finally:
            self._busy = False


class Codes:
    """What is known now. Nobody keeps a connection while waiting for something that needs another one."""

    def __init__(self, room: Terminology, memory: Memory, db: AsyncConnection[Any] | None) -> None:
        self._room = room
        self._db = db
        self.memory = memory

    async def rows(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        if self._db is not None:
            return await _rows(self._db, statement, values)
        async with self._room.pool.connection() as db:
            return await _rows(db, statement, values)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A transaction, through which all questions inside are asked."""
        if self._db is not None:
            async with self._db.transaction():
                yield self._db
            return
        async with self._room.pool.connection() as db, db.transaction():
            self._db = db
            try:
                yield db
            finally:
                self._db = None

    # -- code systems ---------------------------------------------------------------------------------------------

    async def system(self, url: str, version: str | None = None) -> System | Grammar:
        """A version of a code system, the newest when none is named. Raises UnknownSystem, which says what there is."""
        if url in GRAMMARS:
            return GRAMMARS[url]
        found = self.memory.systems.get((url, version))
        if found is None:
            found = self.memory.systems.put((url, version), await self._find_system(url, version))
        return found

    async def versions(self, url: str) -> list[System]:
        """All versions of a system in the tables, newest first."""
        rows = await self.rows(_SYSTEMS, (url,))
        found = [_as_system(row) for row in rows]
        return sorted(found, key=_preference, reverse=True)

    async def _find_system(self, url: str, version: str | None) -> System:
        known = await self.versions(url)
        entries = builtin().systems.get(url, [])
        entry = chosen(entries, version)
        found = _chosen(known, version)
        if version is None and entry is not None and (found is None or not _goes_before(found, entry)):
            found = _chosen(known, entry.version)
        if found is None and entry is not None:
            await self._install(url, entry.resource)
            found = _chosen(await self.versions(url), entry.version)
        if found is not None:
            return found
        if not known and not entries:
            other = await self.named(url)
            if other is not None and other != url:
                return await self._find_system(other, version)
            raise UnknownSystem(f"the code system {url[:300]} is not known here")
        there = sorted({each.version for each in known} | {each.version for each in entries})
        raise UnknownSystem(
            f"the code system {url[:300]} is not known in version {str(version)[:100]}; known are: {', '.join(there)}"
        )

    async def _install(self, url: str, resource: dict[str, Any]) -> None:
        async with self.transaction() as db:
            await db.execute("SELECT pg_advisory_xact_lock(%s)", (key64(f"terminology:{url}"),))
            if not _chosen(await self.versions(url), resource.get("version")):
                await put_code_system(db, resource, "built-in")

    async def named(self, name: str) -> str | None:
        """The URL of the system that an OID or another name means (http://hl7.org/fhir/R4/namingsystem.html)."""
        rows = await self.rows("SELECT url FROM system_name WHERE name = %s ORDER BY url LIMIT 1", (name,))
        return str(rows[0][0]) if rows else builtin().names.get(name)

    async def supplements(self, system: System) -> list[System]:
        """Supplements of a system, of any version or of just this one."""
        key = ("supplements", system.id)
        found: list[System] | None = self.memory.others.get(key)
        if found is None:
            rows = await self.rows(
                "SELECT id, url, version, polyhierarchy, concepts, header, origin FROM code_system WHERE supplements = %s AND ready",
                (system.url,),
            )
            all_ = [_as_system(row) for row in rows]
            found = self.memory.others.put(
                key, [each for each in all_ if split_canonical(each.header["supplements"])[1] in {None, system.version}]
            )
        return found

    # -- concepts -------------------------------------------------------------------------------------------------

    async def concept(self, system: System | Grammar, code: str) -> Concept | None:
        """The concept with this code; case matters where the system says so."""
        if isinstance(system, Grammar):
            return system.concept(code)
        found = self.memory.concepts.get((system.id, code))
        if found is not None:
            return found
        if "\x00" in code:
            return None
        row = await self._row(system, code)
        if row is None and not system.case_sensitive:
            word = folded(code)[:60].replace("\\", "\\\\").replace("'", "''")
            rows = await self.rows(_FOLDED, (f"'{system.id}:{word}'", system.id, code))
            row = rows[0] if rows else None
        return None if row is None else self.memory.concepts.put((system.id, code), as_concept(row))

    async def _row(self, system: System, code: str) -> Sequence[Any] | None:
        if self._db is not None:
            rows = await self.rows(_CODES, (system.id, [code]))
            return rows[0] if rows else None
        return await self._room.by_code.row(system.id, code)

    async def concepts(self, system: System, codes: Sequence[str]) -> dict[str, Concept]:
        """Those of `codes` that the system has, by code."""
        found = {code: kept for code in codes if (kept := self.memory.concepts.get((system.id, code))) is not None}
        missing = [code for code in codes if code not in found and "\x00" not in code]
        if missing:
            for row in await self.rows(_CODES, (system.id, missing)):
                found[row[4]] = self.memory.concepts.put((system.id, row[4]), as_concept(row))
        return found

    async def at(self, system: System, places: Sequence[int]) -> list[Concept]:
        """The concepts at these places."""
        known = {place: kept for place in places if (kept := self.memory.concepts.get((system.id, place))) is not None}
        missing = [place for place in places if place not in known]
        if missing:
            for row in await self._at(system, missing):
                known[row[1]] = self.memory.concepts.put((system.id, row[1]), as_concept(row))
        return [known[place] for place in places if place in known]

    async def _at(self, system: System, places: Sequence[int]) -> Sequence[Sequence[Any]]:
        if self._db is not None or len(places) > 1:
            return await self.rows(_PLACES, (system.id, list(places)))
        row = await self._room.by_place.row(system.id, places[0])
        return [] if row is None else [row]

    async def children(self, system: System, concept: Concept, limit: int = 1_000) -> list[Concept]:
        """The concepts right below one."""
        if system.polyhierarchy:
            values: tuple[Any, ...] = (system.id, concept.n, concept.last, system.id, concept.n, concept.n, limit)
            return [as_concept(row) for row in await self.rows(_CHILDREN_POLY, values)]
        if concept.last == concept.n:
            return []
        return [
            as_concept(row)
            for row in await self.rows(_CHILDREN, (system.id, concept.n, concept.last, concept.n, limit))
        ]

    # -- value sets -----------------------------------------------------------------------------------------------

    async def value_set(self, url: str, version: str | None = None) -> dict[str, Any]:
        """A value set, the newest when no version is named; also the implicit ones. Raises UnknownValueSet."""
        key = (url, version)
        found = self.memory.value_sets.get(key)
        if found is None:
            found = self.memory.value_sets.put(key, await self._find_value_set(url, version))
        return found

    async def _find_value_set(self, url: str, version: str | None) -> dict[str, Any]:
        rows = await self.rows("SELECT version, body FROM value_set WHERE url = %s", (url,))
        entries = builtin().value_sets.get(url, [])
        entry = chosen(entries, version)
        versions = {row[0]: row[1] for row in rows}
        if version is None and versions:
            newest: dict[str, Any] = decode(versions[max(versions, key=version_order)])
            return newest
        if version is not None and version in versions:
            exact: dict[str, Any] = decode(versions[version])
            return exact
        if entry is not None:
            return entry.resource
        implicit = await self._implicit(url, version)
        if implicit is not None:
            return implicit
        there = sorted({*versions, *(each.version for each in entries)})
        if there:
            raise UnknownValueSet(
                f"the value set {url[:300]} is not known in version {version}; known are: {', '.join(there)}"
            )
        raise UnknownValueSet(f"the value set {url[:300]} is not known here")

    async def _implicit(self, url: str, version: str | None) -> dict[str, Any] | None:
        """Value sets that a code system defines without a resource of their own (http://hl7.org/fhir/R4/snomedct.html#implicit)."""
        base, mark, query = url.partition("?fhir_vs")
        if mark:
            include: dict[str, Any] = {"system": base}
            if query.startswith("=isa/"):
                include["filter"] = [{"property": "concept", "op": "is-a", "value": query[5:]}]
            elif query.startswith("=refset/"):
                include["filter"] = [{"property": "refset", "op": "=", "value": query[8:]}]
            elif query:
                return None
        else:
            rows = await self.rows("SELECT url FROM code_system WHERE all_codes = %s AND ready LIMIT 1", (url,))
            owner = next((row[0] for row in rows), None)
            if owner is None:
                owner = next((name for name in (url.removesuffix("/vs"),) if url.endswith("/vs")), None)
                if owner is None or not await self._knows(owner):
                    return None
            include = {"system": owner}
            if version is not None:
                include["version"] = version
        return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [include]}}

    async def _knows(self, url: str) -> bool:
        try:
            await self.system(url)
        except UnknownSystem:
            return False
        return True


async def _rows(db: AsyncConnection[Any], statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    cursor = db.cursor(binary=True)
    await cursor.execute(statement, values)
    return await cursor.fetchall()


def _as_system(row: Sequence[Any]) -> System:
    id_, url, version, polyhierarchy, concepts, header, origin = row
    return System(id_, url, version, polyhierarchy, concepts, decode(header), origin)


def _preference(system: System) -> tuple[Any, ...]:
    """What makes a version the one to use: there, loaded by somebody, not retired, new."""
    return (
        system.content != "not-present", system.origin != "built-in", system.header.get("status") != "retired",
        version_order(system.version),
    )  # fmt: skip


def _goes_before(found: System, entry: Entry) -> bool:
    """Whether what somebody loaded is used instead of what comes along, where no version is named."""
    return found.origin != "built-in" and (found.content != "not-present" or entry.concepts == 0)


def _chosen(known: Sequence[System], version: str | None) -> System | None:
    if version is None:
        return next((each for each in known if each.content != "supplement"), None)
    return next((each for each in known if each.version == version), None)


def as_concept(row: Sequence[Any]) -> Concept:
    """A row of `COLUMNS` as a concept."""
    system, n, last, flags, code, display, parents, ancestors, more = row
    return Concept(system, n, last, flags, code, display, tuple(parents), tuple(ancestors), more)
