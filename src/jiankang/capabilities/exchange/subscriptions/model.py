"""What a subscriber wishes, and what happened that it is told of. No database, no clock.

http://hl7.org/fhir/R4/subscription.html, http://hl7.org/fhir/uv/subscriptions-backport/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

Json = dict[str, Any]

GUIDE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
REST_HOOK, WEBSOCKET, EMAIL = "rest-hook", "websocket", "email"
EMPTY, ID_ONLY, FULL = "empty", "id-only", "full-resource"
GREETING, ACTIVE, FAILING, FAILED = "greeting", "active", "failing", "failed"
"""How a subscriber stands: to be greeted first; served; found not to be servable; given up, and everything kept."""

Query = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """A search of one type: resources of it are told of when they fit."""

    type: str
    query: Query = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What a Subscription asks for."""

    channel: str
    endpoint: str
    headers: tuple[str, ...]
    payload: str
    """Media type of what is sent; empty: that something happened is all that is said."""
    filters: tuple[Filter, ...]
    """At most one for each type."""
    topic: str = ""
    """Canonical URL of the topic; empty: a subscription of R4 by criteria."""
    content: str = FULL
    """How much a notification of a topic holds: `empty`, `id-only` or `full-resource`."""
    heartbeat_seconds: int = 0
    """After so long without news it is said that there is none; 0: never."""
    timeout_seconds: int = 0
    """How long the endpoint may take to answer; 0: as long as usual."""
    most_events: int = 1
    """How many events one notification of a topic holds at most."""

    @property
    def types(self) -> tuple[str, ...]:
        """The resource types that it is about."""
        return tuple(dict.fromkeys(one.type for one in self.filters))

    def query(self, type_name: str) -> Query:
        """The search that a resource of a type has to fit."""
        return next((one.query for one in self.filters if one.type == type_name), ())


def keep_wish(wish: Wish) -> Json:
    """A wish as plain JSON."""
    return asdict(wish)


def restore_wish(value: Mapping[str, Any]) -> Wish:
    """The wish that `keep_wish` wrote down."""
    filters = tuple(Filter(one["type"], tuple((n, v) for n, v in one["query"])) for one in value["filters"])
    return Wish(**{**value, "filters": filters, "headers": tuple(value["headers"])})


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a subscriber is told of: which version of what. Numbers of one subscriber have no gaps."""

    number: int
    type: str
    id: str
    version: int
    method: str
    at: datetime

    @property
    def deleted(self) -> bool:
        """Whether it is that the resource was deleted."""
        return self.method == "DELETE"


@dataclass(frozen=True, slots=True)
class Fit:
    """A change that a subscriber is to be told of; it becomes an event when it gets its number."""

    subscriber: str
    type: str
    id: str
    version: int
    method: str
    at: datetime
    place: tuple[int, int]
    """Where it stands in the feed."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One that is to be told, as far as is known of it."""

    id: str
    wish: Wish
    actor: Json
    state: str
    events: int
    told: int
    failures: int = 0
    error: str = ""
    secret_number: int = 1
    ended: bool = False
    beating: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """Subscribers that wish the same and may see the same: they are asked for once."""

    ids: Sequence[str]
    wish: Wish
    actor: Json
    needs: frozenset[int] | None
    """Facts of which a resource has at least one if it is told of; None: not known."""
    since: int
    """Changes of transactions before this one happened before they subscribed; 0: all of what comes is later."""
