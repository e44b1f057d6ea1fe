"""Opens the room over a server: the guard of Subscription, and its operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.capabilities.exchange.subscriptions.guarding import Deciding
from jiankang.capabilities.exchange.subscriptions.model import GUIDE, Json
from jiankang.capabilities.exchange.subscriptions.operations import add_operations, socket_address
from jiankang.capabilities.exchange.subscriptions.topics import TOPICS
from jiankang.foundation.identity.notifying import TYPE

if TYPE_CHECKING:
    from jiankang.foundation.record.wire.server import Server

_SOCKET = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket"


def open_subscriptions(server: Server) -> None:
    """Have every Subscription that is written decided about, and the operations answered. After the identity room."""
    guards = server.record.guards
    before = guards.get(TYPE)
    if not isinstance(before, Deciding):
        guards[TYPE] = Deciding(server, before)
    add_operations()
    server.described[TYPE] = _described()
    if server.settings.base_url:
        address = {"url": _SOCKET, "valueUri": socket_address(server.settings.base_url)}
        server.described[""] = {"extension": [address]}


def _described() -> Json:
    """What the CapabilityStatement says: which topics there are.

    http://hl7.org/fhir/uv/subscriptions-backport/components.html#subscription-discovery
    """
    topics = [{"url": f"{GUIDE}capability-subscriptiontopic-canonical", "valueCanonical": url} for url in TOPICS]
    return {"extension": topics, "supportedProfile": [f"{GUIDE}backport-subscription"]}
