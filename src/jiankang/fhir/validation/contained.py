"""Contained resources (http://hl7.org/fhir/R4/references.html#contained): dom-2 to dom-5 by code."""

from __future__ import annotations

from typing import Any

from jiankang.fhir.validation.findings import ERROR, Found, note

Json = dict[str, Any]

_DOM_2 = (ERROR, "invariant", "dom-2")
_DOM_3 = (ERROR, "invariant", "dom-3")
_DOM_4 = (ERROR, "invariant", "dom-4")
_DOM_5 = (ERROR, "invariant", "dom-5")
_NO_ID = (ERROR, "required", "contained-id")
_TWICE = (ERROR, "duplicate", "contained-id-twice")


def container_rules(o: Json) -> Found:
    """Of a resource that contains others: not in one another, each referred to, without history or security of their own."""
    found: Found = None
    said = None
    seen: set[str] = set()
    for number, each in enumerate(o["contained"]):
        step = f".contained[{number}]"
        if "contained" in each:
            found = note(found, step, _DOM_2, "A contained resource shall not contain others.")
        meta = each.get("meta") or {}
        if "versionId" in meta or "lastUpdated" in meta:
            found = note(found, step + ".meta", _DOM_4, "A contained resource shall have no versionId or lastUpdated.")
        if meta.get("security"):
            found = note(
                found, step + ".meta", _DOM_5, "A contained resource shall have no security labels of its own."
            )
        own = each.get("id")
        if own is None:
            found = note(found, step, _NO_ID, "A contained resource has an id, by which #id refers to it.", "an id")
            continue
        if own in seen:
            found = note(found, step + ".id", _TWICE, "Another contained resource has the same id.", "an id of its own")
        seen.add(own)
        said = local_references(o) if said is None else said
        if "#" + own not in said and "#" not in local_references(each):
            text = "A contained resource shall be referred to from the resource, or refer to it."
            found = note(found, step, _DOM_3, text, f"a reference #{own}")
    return found


def local_references(value: Any) -> set[str]:
    """All texts in a resource that begin with #."""
    found: set[str] = set()
    stack = [value]
    while stack:
        here = stack.pop()
        for each in here.values() if here.__class__ is dict else here:
            if each.__class__ is str:
                if each[:1] == "#":
                    found.add(each)
            elif each.__class__ in (dict, list):
                stack.append(each)
    return found
