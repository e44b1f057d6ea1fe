"""Bundles: who is beside whom, and rules that the norm gives in words (http://hl7.org/fhir/R4/bundle.html).

The invariants bdl-1 to bdl-12 are run like all others; here is what they leave out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jiankang.fhir.structure.references import match_local
from jiankang.fhir.validation.findings import ERROR, WARNING, Found, note

if TYPE_CHECKING:
    from jiankang.fhir.validation.context import Context

Json = dict[str, Any]

_WITH_OWN_IDS = frozenset({"document", "transaction", "batch", "searchset", "history", "batch-response"})
_FULL_URL = (ERROR, "value", "bundle-full-url")
_NO_FULL_URL = (ERROR, "required", "bundle-full-url-missing")
_REQUEST = (ERROR, "value", "bundle-request")

_RESTFUL = re.compile(r"(https?://\S*/)([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_CLOSED = frozenset({"document", "message", "transaction", "batch", "collection"})
_WHOLE = frozenset({"document", "message"})
_TRANSACTIONS = frozenset({"transaction", "batch"})
_WITH_RESOURCE = frozenset({"POST", "PUT"})


class Neighbours:
    """The entries of a Bundle by their addresses (http://hl7.org/fhir/R4/bundle.html#references)."""

    def __init__(self, bundle: Json) -> None:
        self.type = bundle.get("type")
        self.by_url: dict[str, Json] = {}
        self.by_local: dict[str, Json] = {}
        self._urls: dict[int, str] = {}
        for entry in bundle.get("entry") or ():
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if not isinstance(resource, dict):
                continue
            url = entry.get("fullUrl")
            if isinstance(url, str):
                self.by_url[url] = resource
                self._urls[id(resource)] = url
            if isinstance(resource.get("id"), str):
                self.by_local[f"{resource.get('resourceType')}/{resource['id']}"] = resource

    def find(self, inside: Json, reference: str) -> Json | None:
        """What a reference of an entry's resource names."""
        plain = reference.partition("/_history/")[0]
        if ":" in plain.partition("/")[0]:
            return self.by_url.get(plain) or self.by_url.get(reference)
        base = _RESTFUL.fullmatch(self._urls.get(id(inside), ""))
        if base is not None and (found := self.by_url.get(base[1] + plain)) is not None:
            return found
        return self.by_local.get(plain)

    def explain(self, inside: Json, reference: str) -> tuple[str, str] | None:
        """What is wrong with a reference that should be found here: severity and sentence."""
        if self.type not in _CLOSED or "?" in reference:
            return None
        found = self.find(inside, reference)
        is_part = self.type == "document" and inside.get("resourceType") == "Composition"
        if reference.startswith("urn:"):
            if found is None:
                severity = ERROR if is_part or self.type in _TRANSACTIONS else WARNING
                return severity, "No entry of the Bundle has this fullUrl, and nobody else can know it."
            return None
        if found is None and is_part:
            severity = WARNING if ":" in reference.partition("/")[0] else ERROR
            return severity, "A document holds what its Composition refers to; this is not in the Bundle."
        if found is None:
            return (
                (WARNING, "The resource is not in the Bundle, which should be whole.") if self.type in _WHOLE else None
            )
        if match_local(reference) and self._urls.get(id(found), "").startswith("urn:") and self.type in _WHOLE:
            return WARNING, "A relative reference does not match an entry whose fullUrl is a urn."
        return None


def bundle_rules(o: Json, c: Context) -> Found:  # noqa: ARG001 - all rules are called alike
    """Full URLs and requests of entries."""
    found: Found = None
    kind = o.get("type")
    for number, entry in enumerate(o.get("entry") or ()):
        step = f".entry[{number}]"
        resource, url = entry.get("resource"), entry.get("fullUrl")
        if resource is not None and url is not None:
            found = _full_url(found, step, url, resource, kind)
        if resource is not None and url is None and kind in ("document", "message", "collection"):
            text = "An entry has a fullUrl, so that others can refer to it."
            found = note(found, step, _NO_FULL_URL if kind == "document" else (WARNING, *_NO_FULL_URL[1:]), text)
        if kind in ("transaction", "batch") and isinstance(entry.get("request"), dict):
            found = _request(found, step, entry["request"], resource)
    return found


def _full_url(found: Found, step: str, url: str, resource: Json, kind: Any) -> Found:
    if ":" not in url.partition("/")[0]:
        return note(found, step + ".fullUrl", _FULL_URL, "A fullUrl is absolute.", "an absolute URL or urn:uuid:…")
    parts, own = _RESTFUL.fullmatch(url), resource.get("id")
    if parts is None or own is None:
        return found
    expected = f"{resource.get('resourceType')}/{own}"
    if f"{parts[2]}/{parts[3]}" != expected:
        # In a message or a collection an entry may be a copy that its sender renamed; the norm's own examples do so.
        rule = _FULL_URL if kind in _WITH_OWN_IDS else (WARNING, *_FULL_URL[1:])
        return note(found, step + ".fullUrl", rule, f"The fullUrl names another resource than {expected}.", expected)
    return found


def _request(found: Found, step: str, request: Json, resource: Any) -> Found:
    method, url = request.get("method"), request.get("url") or ""
    if method in _WITH_RESOURCE and resource is None:
        found = note(found, step, _REQUEST, f"A {method} has a resource.", "a resource")
    if method in ("GET", "HEAD", "DELETE") and resource is not None:
        found = note(found, step, _REQUEST, f"A {method} has no resource.", "no resource")
    if not isinstance(resource, dict) or ":" in url or "$" in url:
        return found
    named, _, rest = url.partition("?")[0].partition("/")
    if method in _WITH_RESOURCE and named != resource.get("resourceType"):
        text = f"The url is about {named or 'nothing'}, the resource is a {resource.get('resourceType')}."
        found = note(found, step + ".request.url", _REQUEST, text, str(resource.get("resourceType")))
    if method == "PUT" and rest and resource.get("id") not in (None, rest):
        found = note(
            found, step + ".request.url", _REQUEST, "The id in the url is not that of the resource.", "the same id"
        )
    return found
