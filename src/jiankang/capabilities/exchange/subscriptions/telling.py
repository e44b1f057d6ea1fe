"""What a subscriber is sent, read from the record as it may see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jiankang.capabilities.exchange.subscriptions.notifications import NOTIFICATION, notification
from jiankang.capabilities.exchange.subscriptions.wishes import FHIR_XML
from jiankang.fhir.xml import to_xml
from jiankang.foundation.access import restore
from jiankang.foundation.record.store import Stored
from jiankang.kernel.errors import Gone, NotFound
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jiankang.capabilities.exchange.subscriptions.model import Event, Json, Subscriber
    from jiankang.foundation.access import Actor
    from jiankang.foundation.record.wire.server import Server


@dataclass(frozen=True, slots=True)
class Parcel:
    """One thing to be sent: how, where below the endpoint, and what. An empty `method`: nothing is to be sent."""

    method: str
    path: str = ""
    body: bytes = b""
    media_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


NOTHING = Parcel("")


def base_url(server: Server) -> str:
    """The public address of the API."""
    settings = server.settings
    return settings.base_url.rstrip("/") or f"http://{settings.host}:{settings.port}/fhir"


async def parcel(server: Server, one: Subscriber, events: Sequence[Event]) -> Parcel:
    """What tells a subscriber of events: of one alone, or by topic of several together."""
    if one.wish.topic:
        found = await find(server, restore(one.actor), events)
        told = notification(
            one,
            NOTIFICATION,
            base_url(server),
            events,
            now=server.record.clock(),
            content=one.wish.content,
            found=found,
        )
        return bundle_parcel(one, told)
    event = events[0]
    stored = (await find(server, restore(one.actor), events)).get(event.number)
    if stored is None:
        return NOTHING
    if not one.wish.payload:
        return Parcel("POST")
    body = to_xml(stored.resource) if one.wish.payload == FHIR_XML else stored.json
    return Parcel("PUT", f"/{event.type}/{event.id}", body, one.wish.payload)


def bundle_parcel(one: Subscriber, told: Json) -> Parcel:
    """A notification Bundle, in the form that the subscriber reads."""
    if not one.wish.payload:
        return Parcel("POST")
    body = to_xml(told) if one.wish.payload == FHIR_XML else encode(told)
    return Parcel("POST", "", body, one.wish.payload)


async def find(server: Server, actor: Actor, events: Sequence[Event]) -> dict[int, Stored]:
    """The versions that events are about, as far as the actor may see them now; a deletion has none to show."""
    found: dict[int, Stored] = {}
    for event in events:
        try:
            found[event.number] = await server.record.vread(actor, event.type, event.id, event.version)
        except NotFound:
            continue
        except Gone:
            found[event.number] = Stored(
                event.type, event.id, event.version, event.at, deleted=True, method="DELETE", payload=b""
            )
    return found
