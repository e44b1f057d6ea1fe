"""What every interaction is handed: the record, the search parameters in force, and the limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jiankang.fhir.search import Registry, default_registry
from jiankang.foundation.access import LOCAL_OPERATOR, Actor
from jiankang.foundation.record import search as searching
from jiankang.kernel.errors import Gone, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from psycopg import AsyncConnection
    from starlette.types import Scope

    from jiankang.foundation.record.judging import Judge
    from jiankang.foundation.record.search import SearchResult
    from jiankang.foundation.record.store import Record, Stored
    from jiankang.foundation.record.wire.http import Request, Response
    from jiankang.kernel.settings import Settings

Authenticate = Callable[["Scope"], Actor]


def _local_operator(_: Scope) -> Actor:
    return LOCAL_OPERATOR


@dataclass(slots=True)
class Server:
    """One FHIR server over one record."""

    record: Record
    settings: Settings
    secret: bytes
    registry: Registry = field(default_factory=default_registry)
    authenticate: Authenticate = _local_operator
    judge: Judge | None = None
    terminology: Callable[[Request], Awaitable[dict[str, Any]]] | None = None
    dispatch: Callable[[Request], Awaitable[Response]] = field(init=False)
    route: Callable[[str, tuple[str, ...]], Any] = field(init=False)
    routes: tuple[list[Any], list[Any]] = field(init=False)

    @asynccontextmanager
    async def db(self, request: Request) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection to read through: the request's transaction when it has one."""
        async with self.record.reading(request.tx) as db:
            yield db

    async def read(self, request: Request, type_name: str, id_: str) -> Stored:
        """The current version. Raises NotFound or Gone."""
        if request.tx is None:
            return await self.record.read(request.actor, type_name, id_)
        stored = await request.tx.get(type_name, id_)
        if stored is None:
            raise NotFound(f"{type_name}/{id_} is not known")
        if stored.deleted:
            raise Gone(f"{type_name}/{id_} was deleted")
        await self.record.shown(request.actor, "read", [(type_name, id_)], request.tx.db)
        return stored

    async def vread(self, request: Request, type_name: str, id_: str, version: int) -> Stored:
        """One version. Raises NotFound or Gone."""
        stored = await self.record.vread(request.actor, type_name, id_, version, request.tx)
        if request.tx is not None:
            await self.show(request, "read", [stored])
        return stored

    async def search(
        self,
        request: Request,
        type_name: str | None,
        params: Sequence[tuple[str, str]],
        compartment: tuple[str, str] | None = None,
    ) -> SearchResult:
        """A page of a search, as far as the actor may see it."""
        async with self.db(request) as db:
            result = await searching.search(
                db, request.actor, type_name, params, registry=self.registry, base_url=request.base_url,
                secret=self.secret, payload=self.record.payload, handling=request.handling, compartment=compartment,
                clock=self.record.clock,
            )  # fmt: skip
        await self.show(request, "search", [*result.matches, *result.includes])
        return result

    async def show(self, request: Request, action: str, found: Sequence[Stored]) -> None:
        """Have it written down what the request is answered with."""
        targets = [(one.type, one.id) for one in found]
        await self.record.shown(request.actor, action, targets, request.tx.db if request.tx is not None else None)

    async def match_ids(
        self, db: AsyncConnection[Any], actor: Actor, type_name: str, params: Sequence[tuple[str, str]], limit: int = 2
    ) -> list[str]:
        """Ids that a condition means, inside the transaction of `db`."""
        return await searching.match_ids(
            db, actor, type_name, params, limit, registry=self.registry, clock=self.record.clock
        )
