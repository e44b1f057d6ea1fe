"""Bundles written straight as text, and resources in the shape that was asked for.

http://hl7.org/fhir/R4/bundle.html, http://hl7.org/fhir/R4/search.html#summary
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load
from jiankang.kernel.clock import instant
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jiankang.foundation.record.store import Stored

_SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
_STATUS = {"POST": "201 Created", "PUT": "200 OK", "PATCH": "200 OK", "DELETE": "204 No Content"}


def text(value: str) -> bytes:
    """A JSON string."""
    return encode(value)


def bundle(
    kind: str,
    entries: Iterable[bytes],
    *,
    total: int | None = None,
    links: dict[str, str] | None = None,
    made: str | None = None,
) -> bytes:
    """A Bundle of entries that are JSON text already."""
    head = [b'{"resourceType":"Bundle","type":"%s"' % kind.encode()]
    if made is not None:
        head.append(b',"timestamp":"%s"' % made.encode())
    if total is not None:
        head.append(b',"total":%d' % total)
    if links:
        each = (b'{"relation":"%s","url":%s}' % (name.encode(), text(url)) for name, url in links.items())
        head.append(b',"link":[' + b",".join(each) + b"]")
    body = b",".join(entries)
    return b"".join((*head, b',"entry":[' + body + b"]}" if body else b"}"))


def search_entry(stored: Stored, base_url: str, mode: str, shape: Shape) -> bytes:
    """One entry of a searchset."""
    url = text(f"{base_url}/{stored.type}/{stored.id}")
    return b'{"fullUrl":%s,"resource":%s,"search":{"mode":"%s"}}' % (url, shape.of(stored), mode.encode())


def outcome_entry(outcome: dict[str, Any]) -> bytes:
    """A searchset's entry of mode outcome."""
    return b'{"resource":%s,"search":{"mode":"outcome"}}' % encode(outcome)


def history_entry(stored: Stored, base_url: str, shape: Shape) -> bytes:
    """One entry of a history bundle (http://hl7.org/fhir/R4/http.html#history)."""
    address = f"{stored.type}/{stored.id}"
    status = "201 Created" if stored.created and not stored.deleted else _STATUS[stored.method]
    url = stored.type if stored.method == "POST" else address
    resource = b"" if stored.deleted else b',"resource":' + shape.of(stored)
    return (
        b'{"fullUrl":%s%s,"request":{"method":"%s","url":"%s"},"response":{"status":"%s","etag":%s,"lastModified":"%s"}}'
        % (
            text(f"{base_url}/{address}"), resource, stored.method.encode(), url.encode(), status.encode(),
            text(stored.etag), instant(stored.updated).encode(),
        )
    )  # fmt: skip


@cache
def _summary_members(type_name: str) -> frozenset[str]:
    elements = load().types[type_name].elements
    found = {name for name, element in elements.items() if element.is_summary}
    return frozenset(found | {"resourceType", "id", "meta"} | {f"_{name}" for name in found})


@cache
def _mandatory(type_name: str) -> frozenset[str]:
    return frozenset(name for name, element in load().types[type_name].elements.items() if element.min > 0)


class Shape:
    """How resources are to be shown: whole, summarised, or only some elements; on one line or on many."""

    def __init__(self, summary: str | None = None, elements: Sequence[str] = (), *, pretty: bool = False) -> None:
        self.summary = None if summary in {None, "false", "count"} else summary
        self.elements = tuple(elements)
        self.pretty = pretty

    @property
    def whole(self) -> bool:
        """Whether resources are shown exactly as they are kept."""
        return self.summary is None and not self.elements

    def of(self, stored: Stored) -> bytes:
        """The resource's JSON text in this shape."""
        return stored.json if self.whole else encode(self.cut(stored.resource))

    def cut(self, resource: dict[str, Any]) -> dict[str, Any]:
        """The members of `resource` that this shape shows, marked SUBSETTED."""
        name = resource["resourceType"]
        if self.elements:
            keep = self._chosen(name)
        elif self.summary == "true":
            keep = _summary_members(name)
        elif self.summary == "text":
            keep = frozenset({"resourceType", "id", "meta", "text"}) | _mandatory(name)
        else:
            keep = frozenset(resource) - {"text", "_text"}
        shown = {key: value for key, value in resource.items() if key in keep}
        meta = dict(shown.get("meta", {}))
        meta["tag"] = [*meta.get("tag", []), _SUBSETTED]
        return {"resourceType": name, **({"id": resource["id"]} if "id" in resource else {}), "meta": meta} | {
            key: value for key, value in shown.items() if key not in {"resourceType", "id", "meta"}
        }

    def _chosen(self, type_name: str) -> frozenset[str]:
        names: set[str] = {"resourceType", "id", "meta", *_mandatory(type_name)}
        elements = load().types[type_name].elements
        for asked in self.elements:
            owner, _, rest = asked.partition(".")
            name = rest.split(".")[0] if owner == type_name and rest else owner
            for json_name, element in elements.items():
                if name in {json_name, element.name, element.name.removesuffix("[x]")}:
                    names |= {json_name, f"_{json_name}"}
        return frozenset(names)


def indented(raw: bytes) -> bytes:
    """JSON text for people to read: two spaces a level, numbers as they were written."""
    import msgspec

    return msgspec.json.format(raw, indent=2)


__all__ = [
    "Shape", "bundle", "decode", "history_entry", "indented", "outcome_entry", "search_entry", "text",
]  # fmt: skip
