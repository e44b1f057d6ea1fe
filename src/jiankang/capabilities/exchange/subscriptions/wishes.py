"""Reads what a Subscription asks for, or says why it cannot be served. No database.

http://hl7.org/fhir/R4/subscription.html, http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition-backport-subscription.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from jiankang.capabilities.exchange.subscriptions.model import (
    EMAIL,
    EMPTY,
    FULL,
    GUIDE,
    ID_ONLY,
    REST_HOOK,
    WEBSOCKET,
    Filter,
    Json,
    Wish,
)
from jiankang.capabilities.exchange.subscriptions.topics import TOPICS, Topic, is_topic, topic_or_none
from jiankang.fhir.definitions import load
from jiankang.foundation.identity.notifying import TYPE, wrong
from jiankang.foundation.record.search import RESULT_PARAMETERS
from jiankang.foundation.record.wire.http import query_pairs
from jiankang.kernel.errors import Problem

FHIR_JSON, FHIR_XML = "application/fhir+json", "application/fhir+xml"
_PAYLOADS = {
    "": "", FHIR_JSON: FHIR_JSON, "application/json": FHIR_JSON,
    FHIR_XML: FHIR_XML, "application/xml": FHIR_XML, "text/xml": FHIR_XML,
}  # fmt: skip
_MOST_FILTERS = 20
_MOST_HEADERS = 20
MOST_EVENTS = 100
_SHORTEST_BEAT, _LONGEST_TIMEOUT = 5, 30
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x1f\x7f]*)")
_OURS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade", "te", "trailer"}
)
_SHAPING = frozenset(RESULT_PARAMETERS) - {"_has", "_filter", "_list"} | {"_cursor"}
_MAIL = re.compile(r"mailto:([^\s@<>,;:?\"]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)")


def read_wish(resource: Json) -> Wish:
    """What a Subscription asks for. Raises Unprocessable with what to change."""
    channel = resource.get("channel", {})
    kind = channel.get("type")
    if kind not in {REST_HOOK, WEBSOCKET, EMAIL}:
        raise wrong(
            f"the channel {kind!r} is not served: {REST_HOOK}, {WEBSOCKET} and {EMAIL} are, and message for persons "
            "(criteria `Patient`)",
            "Subscription.channel.type",
        )
    criteria = resource.get("criteria", "")
    topic = _topic(criteria) if is_topic(criteria) else None
    filters = _filters_of_topic(resource, topic) if topic is not None else (_filter(criteria, "Subscription.criteria"),)
    return Wish(
        kind, _endpoint(kind, channel), _headers(channel), _payload(kind, channel, topic), filters,
        "" if topic is None else topic.url, _content(channel),
        _number(channel, "backport-heartbeat-period", 0, _SHORTEST_BEAT, 86_400),
        _number(channel, "backport-timeout", 0, 1, _LONGEST_TIMEOUT),
        _number(channel, "backport-max-count", 1, 1, MOST_EVENTS),
    )  # fmt: skip


def mail_address(endpoint: str) -> str:
    """The address of a `mailto:`. Raises Unprocessable."""
    found = _MAIL.fullmatch(endpoint)
    if found is None:
        raise wrong("the endpoint is one address, as mailto:somebody@hospital.example", "Subscription.channel.endpoint")
    return found[1]


def _topic(url: str) -> Topic:
    topic = topic_or_none(url)
    if topic is None:
        known = ", ".join(TOPICS)
        raise wrong(f"{url} is no topic of this server; these are: {known}", "Subscription.criteria")
    return topic


def _filters_of_topic(resource: Json, topic: Topic) -> tuple[Filter, ...]:
    """One search for each type: several filters of a type hold together."""
    where = "Subscription.criteria.extension"
    texts = [one.get("valueString") for one in _extensions(resource.get("_criteria"), "backport-filter-criteria")]
    if len(texts) > _MOST_FILTERS:
        raise wrong(f"at most {_MOST_FILTERS} filters are taken", where)
    found: dict[str, Filter] = {}
    for text in texts:
        one = _filter(text or "", where)
        if topic.trigger(one.type) is None:
            raise wrong(f"the topic {topic.url} is not about {one.type}, but about {', '.join(topic.types)}", where)
        before = found.get(one.type)
        found[one.type] = one if before is None else Filter(one.type, before.query + one.query)
    if not topic.types and not found:
        raise wrong(f"the topic {topic.url} needs filters that name the types, as `Observation?code=…`", where)
    return tuple(found.values()) or tuple(_filter(one, where) for one in topic.types)


def _filter(text: str, where: str) -> Filter:
    type_name, _, query = text.partition("?")
    if not load().is_resource(type_name):
        raise wrong(f"{text!r} is no search of one resource type, as `Observation?code=…`", where)
    if type_name == TYPE:  # telling of it would change it again
        raise wrong(f"nobody is told of {TYPE}", where)
    try:
        pairs = tuple(query_pairs(query))
    except Problem as problem:
        raise wrong(str(problem), where) from None
    shaping = [name for name, _ in pairs if name.partition(":")[0] in _SHAPING]
    if shaping:
        raise wrong(f"{', '.join(shaping)} only shapes the answer to a search: nothing is told by it", where)
    return Filter(type_name, pairs)


def _endpoint(kind: str, channel: Json) -> str:
    endpoint = str(channel.get("endpoint", ""))
    if kind == EMAIL:
        mail_address(endpoint)
    return endpoint


def _headers(channel: Json) -> tuple[str, ...]:
    lines = tuple(channel.get("header", ()))
    if len(lines) > _MOST_HEADERS:
        raise wrong(f"at most {_MOST_HEADERS} headers are sent", "Subscription.channel.header")
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None:
            raise wrong("a header is written `Name: value`", "Subscription.channel.header")
        name = found[1].lower()
        if name in _OURS or name.startswith("x-jiankang-"):
            raise wrong(f"the header {found[1]} is written by this server itself", "Subscription.channel.header")
    return lines


def _payload(kind: str, channel: Json, topic: Topic | None) -> str:
    """What is sent; a mail's text may be named too, with what is attached: `text/plain;attach=application/fhir+json`."""
    given = str(channel.get("payload", "")).strip().lower()
    main, _, options = (part.strip() for part in given.partition(";"))
    if kind == EMAIL and main == "text/plain":
        main, topic = options.removeprefix("attach=").strip(), None
    payload = _PAYLOADS.get(main)
    if payload is None:
        raise wrong(f"{main} is not sent: {FHIR_JSON}, {FHIR_XML} or nothing is", "Subscription.channel.payload")
    return payload or (FHIR_JSON if topic is not None else "")


def _content(channel: Json) -> str:
    found = [one.get("valueCode") for one in _extensions(channel.get("_payload"), "backport-payload-content")]
    content = found[0] if found else EMPTY
    if content not in {EMPTY, ID_ONLY, FULL}:
        raise wrong(f"the content is {EMPTY}, {ID_ONLY} or {FULL}", "Subscription.channel.payload.extension")
    return content


def _number(channel: Json, name: str, missing: int, least: int, most: int) -> int:
    found = next(_extensions(channel, name), None)
    if found is None:
        return missing
    value: Any = found.get("valueUnsignedInt", found.get("valuePositiveInt"))
    if not isinstance(value, int):
        raise wrong(f"{name} is a whole number", "Subscription.channel.extension")
    return min(max(value, least), most)


def _extensions(element: Any, name: str) -> Iterator[Json]:
    given: Sequence[Any] = element.get("extension", ()) if isinstance(element, dict) else ()
    return (one for one in given if isinstance(one, dict) and one.get("url") == GUIDE + name)
