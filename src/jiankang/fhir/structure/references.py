"""The syntax of references, and which types they may point to (http://hl7.org/fhir/R4/references.html)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jiankang.fhir.structure.primitives import ID, match_oid, match_uuid

if TYPE_CHECKING:
    from collections.abc import Collection

match_local = re.compile(rf"([A-Z][A-Za-z]*+)/{ID}(?:/_history/{ID})?").fullmatch
_match_condition = re.compile(r"([A-Z][A-Za-z]*+)\?\S+").fullmatch
_match_contained = re.compile(r"#(?:\S{1,64})?").fullmatch
_match_absolute = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*+:\S+").fullmatch
_match_restful = re.compile(rf"https?://\S*?/([A-Z][A-Za-z]*+)/{ID}(?:/_history/{ID})?").fullmatch


def explain_reference(value: Any, known_types: Collection[str]) -> str | None:
    """What is wrong with a reference: Type/id, #id, an absolute URL, urn:uuid: and urn:oid: are right.

    `Type?query`, which a transaction resolves, is taken too (http://hl7.org/fhir/R4/http.html#transaction).
    """
    if not isinstance(value, str):
        return None  # said already: it is not a string
    local = match_local(value) or _match_condition(value)
    if local is not None:
        return None if local[1] in known_types else f"points to {local[1]}, which is no resource type of FHIR R4"
    if value.startswith("urn:uuid:"):
        return None if match_uuid(value) else "is not a UUID: urn:uuid: and 8-4-4-4-12 hexadecimal digits"
    if value.startswith("urn:oid:"):
        return None if match_oid(value) else "is not an OID: urn:oid: and numbers separated by dots"
    if _match_contained(value) or _match_absolute(value):
        return None
    return "is not a reference: write Type/id, #id, an absolute URL, urn:uuid:… or urn:oid:…"


def target_type(value: str) -> str | None:
    """The resource type that a reference names, None when its text does not tell."""
    found = match_local(value) or _match_condition(value) or _match_restful(value)
    return None if found is None else found[1]


def explain_target(reference: Any, allowed: tuple[str, ...], known_types: Collection[str]) -> str | None:
    """Whether the element may point to the type that the reference names, if it names one."""
    value = reference.get("reference") if isinstance(reference, dict) else None
    if not isinstance(value, str):
        return None
    named = target_type(value)
    if named is None or named in allowed or named not in known_types:
        return None
    return f"points to a {named}; here it may be {_listed(allowed)}"


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
