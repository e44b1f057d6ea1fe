"""References inside a Bundle, rewritten to the ids that its entries get; everything else stays as it was written.

http://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import load
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFERENCE = re.compile(rb'("reference"\s*:\s*")([^"\\]+)(")')
_SEARCH = re.compile(rb'"reference"\s*:\s*"([^"\\?]+\?[^"\\]+)"')
_QUOTED_URN = re.compile(rb'"(urn:(?:uuid|oid):[^"\\#]+)')
_LINK = re.compile(rb"""(?:href|src)=(?:\\"|')([^"'\\]+)""")
_TEXT_LINK = re.compile(r"""((?:href|src)=(["']))([^"']+)(?=\2)""")
_URI_TYPES = frozenset({"uri", "url", "oid", "uuid"})  # canonicals are not replaced
_ROOT = re.compile(r"^(https?://.+/)[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}$")


def conditional_references(raw: bytes) -> frozenset[str]:
    """The references of the resource that are searches: Practitioner?identifier=system|value."""
    if b"?" not in raw:
        return frozenset()
    return frozenset(
        text.decode("utf-8", "replace")
        for text in _SEARCH.findall(raw)
        if not text.startswith((b"http:", b"https:", b"urn:", b"#"))
    )


_PLAIN_CONDITIONAL = re.compile(
    rb'\{\s*"reference"\s*:\s*"([A-Z][A-Za-z]+\?[^"\\]+)"\s*(?:,\s*("display"\s*:\s*"(?:[^"\\]|\\.)*")\s*)?\}'
)


def logical(raw: bytes, identifiers: Mapping[str, tuple[str, str, str]]) -> bytes:
    """The resource's text with these conditional references replaced by logical ones.

    `identifiers` gives type, system and value of each. http://hl7.org/fhir/R4/references.html#logical
    """

    def replace(match: re.Match[bytes]) -> bytes:
        known = identifiers.get(match.group(1).decode())
        if known is None:
            return match.group(0)
        display = b"," + match.group(2) if match.group(2) else b""
        type_name, system, value = (encode(part) for part in known)
        return b'{"type":%s,"identifier":{"system":%s,"value":%s}%s}' % (type_name, system, value, display)

    text = _PLAIN_CONDITIONAL.sub(replace, raw)
    if any(name.encode() in text for name in identifiers):
        return encode(_made_logical(decode(text), identifiers))
    return text


def _made_logical(value: Any, identifiers: Mapping[str, tuple[str, str, str]]) -> Any:
    if isinstance(value, list):
        return [_made_logical(one, identifiers) for one in value]
    if not isinstance(value, dict):
        return value
    reference = value.get("reference")
    known = identifiers.get(reference) if isinstance(reference, str) else None
    kept = {
        key: _made_logical(inner, identifiers) for key, inner in value.items() if known is None or key != "reference"
    }
    if known is None:
        return kept
    return {"type": known[0], "identifier": {"system": known[1], "value": known[2]}} | kept


class Names:
    """What addresses stand for: fullUrls of entries and conditional references, with `Type/id` for each."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names
        self.quick = {name.encode(): target.encode() for name, target in names.items()}


def rewritten(raw: bytes, names: Names, full_url: str | None) -> bytes:
    """The resource's text with every reference to one of `names` replaced by the address it stands for."""
    quick = names.quick
    if not quick:
        return raw
    root = _ROOT.match(full_url) if full_url else None
    base = root.group(1).encode() if root else None

    def replace(match: re.Match[bytes]) -> bytes:
        before, text, after = match.groups()
        target = quick.get(text)
        if target is not None:
            return before + target + after
        plain, mark, fragment = text.partition(b"#")
        target = quick.get(plain) or (quick.get(base + plain) if base else None)
        return match.group(0) if target is None else before + target + mark + fragment + after

    text = _REFERENCE.sub(replace, raw)
    if any(one in quick for one in _QUOTED_URN.findall(text)) or (
        b"<div" in text and any(one in quick for one in _LINK.findall(text))
    ):
        value = decode(text)
        known = names.names
        changed = _walk(value, str(value.get("resourceType")), known) if isinstance(value, dict) else value
        return encode(changed) if changed != value else text
    return text


def _walk(value: Any, type_name: str, names: Mapping[str, str]) -> Any:
    """The same value with uris (by the definitions' types) and links in narrative replaced."""
    if isinstance(value, list):
        return [_walk(one, type_name, names) for one in value]
    if isinstance(value, str):
        if type_name in _URI_TYPES:
            return names.get(value, value)
        return _narrative(value, names) if type_name == "xhtml" else value
    if not isinstance(value, dict):
        return value
    if type_name in {"Resource", "DomainResource"} or "resourceType" in value:
        type_name = str(value.get("resourceType", type_name))
    known = load().types.get(type_name)
    if known is None:
        return value
    return {
        key: _walk(inner, known.elements[key].json_names[key], names) if key in known.elements else inner
        for key, inner in value.items()
    }


def _narrative(text: str, names: Mapping[str, str]) -> str:
    return _TEXT_LINK.sub(lambda match: match[1] + names.get(match[3], match[3]), text)
