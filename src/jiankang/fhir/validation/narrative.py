"""Says which part of a narrative breaks the rules (http://hl7.org/fhir/R4/narrative.html#rules)."""

from __future__ import annotations

import re

from jiankang.fhir.path.narrative import is_safe_narrative

_ACTIVE = re.compile(
    r"<\s*(script|style|link|object|embed|iframe|form|input|button|base|frame|applet|meta|head|body)\b", re.IGNORECASE
)
_EVENT = re.compile(r"<[^<>]*\s(on[a-z]+)\s*=", re.IGNORECASE)
_LOOKED_AT = 20_000
_TAGS = re.compile(r"<[^<>]*>")


def explain_narrative(div: str) -> str:
    """A sentence about a narrative that is not safe."""
    div = div[:_LOOKED_AT]
    if (active := _ACTIVE.search(div)) is not None:
        return f"The narrative must not hold <{active[1].lower()}>: formatting only, nothing active."
    if (event := _EVENT.search(div)) is not None:
        return f"The narrative must not hold the attribute {event[1].lower()}: nothing active."
    if not _TAGS.sub("", div).strip() and "<img" not in div:
        return "The narrative must have some content besides white space."
    if not div.lstrip().startswith("<div"):
        return "The narrative must be one <div>."
    tag = next((each for each in sorted(set(re.findall(r"<\s*([a-zA-Z0-9:]+)", div))) if not _allowed(each)), None)
    if tag is not None:
        return f"The narrative must not hold <{tag}>: only elements of basic formatting."
    return (
        "The narrative must be one well-formed <div> with the elements, attributes and links that a narrative may have."
    )


def _allowed(tag: str) -> bool:
    return is_safe_narrative(f"<div><{tag}/>x</div>") or is_safe_narrative(f"<div><{tag}>x</{tag}></div>")
