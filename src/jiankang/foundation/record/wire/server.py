"""What every interaction is handed: the record, the search parameters in force, and the limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from jiankang.fhir.search import Registry, default_registry
from jiankang.foundation.access import LOCAL_OPERATOR, Actor
from jiankang.foundation.record import search as searching
from jiankang.kernel.errors import Gone, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from psycopg import AsyncConnection
    from starlette.types import Scope

    from jiankang.foundation.record.judging import Judge
    from jiankang.foundation.record.search import Compartment, Condition, SearchResult
    from jiankang.foundation.record.store import Record, Stored
    from jiankang.foundation.record.wire.http import Request, Response
    from jiankang.kernel.settings import Settings


class Persons(Protocol):
    """Who knows which Patients are registrations of one person, and makes the person's Patient of them."""

    def is_one(self, id_: str) -> bool:
        """Whether an id is a person's."""

    async def read(self, request: Request, id_: str) -> Stored:
        """The person's Patient, made of the registrations that the actor may see. Raises NotFound."""

    async def registrations(self, request: Request, id_: str) -> tuple[str, ...]:
        """The ids of these registrations; none for a person that is not known."""


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
    persons: Persons | None = None
    terminology: Callable[[Request], Awaitable[dict[str, Any]]] | None = None
    described: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What rooms say of a resource type in the CapabilityStatement: members of `rest.resource`; under "" those of `rest`."""
    dispatch: Callable[[Request], Awaitable[Response]] = field(init=False)
    route: Callable[[str, tuple[str, ...]], Any] = field(init=False)
    routes: tuple[Collection[Any], Collection[Any]] = field(init=False)

    @asynccontextmanager
    async def db(self, request: Request) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection to read through: the request's transaction when it has one."""
        async with self.record.reading(request.tx) as db:
            yield db

    async def read(self, request: Request, type_name: str, id_: str) -> Stored:
        """The current version. Raises NotFound or Gone."""
        if type_name == "Patient" and self.persons is not None and self.persons.is_one(id_):
            return await self.persons.read(request, id_)
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
        compartment: Compartment | None = None,
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

    async def meant(self, request: Request, id_: str) -> tuple[str, ...]:
        """The Patients that an id means: the registrations of a person, or the one that has it."""
        if self.persons is None or not self.persons.is_one(id_):
            return (id_,)
        return await self.persons.registrations(request, id_) or (id_,)

    async def spelled_out(self, request: Request, params: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """The parameters of a search with every person named by their registrations."""
        if self.persons is None:
            return list(params)
        return [(name, await self._spelled_out(request, value)) for name, value in params]

    async def _spelled_out(self, request: Request, value: str) -> str:
        parts = value.split(",")
        named = [part.rpartition("/") for part in parts]
        if self.persons is None or not any(self.persons.is_one(id_) for _, _, id_ in named):
            return value
        return ",".join(
            [f"{before}{mark}{one}" for before, mark, id_ in named for one in await self.meant(request, id_)]
        )

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

    def condition(self, type_name: str, params: Sequence[tuple[str, str]]) -> Condition:
        """A search of one type as a value that can be asked what facts tell of it. Raises Invalid."""
        return searching.read_condition(type_name, params, registry=self.registry, clock=self.record.clock)
