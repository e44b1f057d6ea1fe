"""Notifications of topics, as text: a history Bundle that opens with how the subscription stands.

http://hl7.org/fhir/uv/subscriptions-backport/notifications.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.subscriptions.model import (
    EMPTY,
    FAILED,
    FAILING,
    FULL,
    GREETING,
    GUIDE,
    Event,
    Json,
    Subscriber,
)
from jiankang.kernel.clock import instant
from jiankang.kernel.ids import new_uuid7

if TYPE_CHECKING:
    from datetime import datetime

    from jiankang.foundation.record.store import Stored

HANDSHAKE, HEARTBEAT, NOTIFICATION = "handshake", "heartbeat", "event-notification"
QUERY_STATUS, QUERY_EVENT = "query-status", "query-event"
_TOLD = frozenset({HANDSHAKE, HEARTBEAT, NOTIFICATION})
_STATUS = {GREETING: "requested", FAILING: "error", FAILED: "error"}


def status_code(one: Subscriber) -> str:
    """How a subscriber stands, in the words of Subscription.status."""
    return _STATUS.get(one.state, "active")


def status_of(one: Subscriber, kind: str, base_url: str, events: Sequence[Sequence[Json]] = ()) -> Json:
    """The SubscriptionStatus of R4: Parameters. Whoever asked for `empty` notifications is not sent the topic either."""
    named = one.wish.topic and not (kind in _TOLD and one.wish.content == EMPTY)
    parameters: list[Json] = [
        {"name": "subscription", "valueReference": {"reference": f"{base_url}/Subscription/{one.id}"}},
        *([{"name": "topic", "valueCanonical": one.wish.topic}] if named else []),
        {"name": "status", "valueCode": status_code(one)},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(one.events)},
        *({"name": "notification-event", "part": part} for part in events),
    ]
    if one.error:
        parameters.append({"name": "error", "valueCodeableConcept": {"text": one.error}})
    return {
        "resourceType": "Parameters",
        "id": new_uuid7(),
        "meta": {"profile": [f"{GUIDE}backport-subscription-status-r4"]},
        "parameter": parameters,
    }


def notification(
    one: Subscriber,
    kind: str,
    base_url: str,
    events: Sequence[Event] = (),
    *,
    now: datetime,
    content: str = EMPTY,
    found: Mapping[int, Stored] | None = None,
) -> Json:
    """A notification Bundle. `found` are the versions that events are about, by number, where they may be told of."""
    found = found or {}
    told = [_event(each, content, base_url, known=each.number in found) for each in events]
    status = status_of(one, kind, base_url, told)
    entries = [
        {
            "fullUrl": f"urn:uuid:{status['id']}",
            "resource": status,
            "request": {"method": "GET", "url": f"{base_url}/Subscription/{one.id}/$status"},
            "response": {"status": "200"},
        }
    ]
    if content != EMPTY:
        entries += [_entry(each, found[each.number], content, base_url) for each in events if each.number in found]
    return {
        "resourceType": "Bundle",
        "id": new_uuid7(),
        "meta": {"profile": [f"{GUIDE}backport-subscription-notification-r4"]},
        "type": "history",
        "timestamp": instant(now),
        "entry": entries,
    }


def _event(event: Event, content: str, base_url: str, *, known: bool) -> list[Json]:
    part: list[Json] = [
        {"name": "event-number", "valueString": str(event.number)},
        {"name": "timestamp", "valueInstant": instant(event.at)},
    ]
    if content != EMPTY and known:
        part.append({"name": "focus", "valueReference": {"reference": f"{base_url}/{event.type}/{event.id}"}})
    return part


def _entry(event: Event, stored: Stored, content: str, base_url: str) -> dict[str, Any]:
    address = f"{event.type}/{event.id}"
    method = "DELETE" if event.deleted else "POST" if event.version == 1 else "PUT"
    entry: dict[str, Any] = {
        "fullUrl": f"{base_url}/{address}",
        "request": {"method": method, "url": event.type if method == "POST" else address},
        "response": {"status": "204" if event.deleted else "201" if method == "POST" else "200"},
    }
    if content == FULL and not event.deleted:
        entry["resource"] = stored.resource
        entry["response"] |= {"etag": stored.etag, "lastModified": instant(stored.updated)}
    return entry
