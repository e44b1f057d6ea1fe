"""Extensions: whether they are known, may stand where they stand, and hold what their definitions say.

http://hl7.org/fhir/R4/extensibility.html, http://hl7.org/fhir/R4/defining-extensions.html#context
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from jiankang.fhir.path.values import ancestors
from jiankang.fhir.validation.findings import ERROR, INFORMATION, WARNING, Found, note, under

if TYPE_CHECKING:
    from jiankang.fhir.validation.context import Context

NORM = "http://hl7.org/fhir/StructureDefinition/"
_INSIDE = "Extension.extension"
_RELATIVE = (ERROR, "value", "extension-url")
_WRONG_PLACE = (ERROR, "extension", "extension-context")
_NO_MODIFIER = (ERROR, "extension", "extension-not-modifier")
_IS_MODIFIER = (ERROR, "extension", "extension-is-modifier")


@dataclass(frozen=True, eq=False)
class Place:
    """Where extensions stand: the names by which a definition may call the element (its path, its type and what that is)."""

    path: str
    type_name: str
    names: frozenset[str]


@cache
def place_of(path: str, type_name: str) -> Place:
    """The place of an element by its path ("Patient.name") and type; backbones are called by their path."""
    names = {path, path.removesuffix("[x]"), type_name, *ancestors(type_name), "Element"}
    return Place(path, type_name, frozenset(names))


def extensions(found: Found, step: str, holder: dict[str, Any], place: Place, context: Context) -> Found:
    """The extensions of an element."""
    for number, each in enumerate(holder["extension"]):
        inner = _one(each, holder, place, context, modifier=False)
        if inner is not None:
            found = under(found, f"{step}.extension[{number}]", inner)
    return found


def modifiers(found: Found, step: str, holder: dict[str, Any], place: Place, context: Context) -> Found:
    """The modifier extensions of an element."""
    for number, each in enumerate(holder["modifierExtension"]):
        inner = _one(each, holder, place, context, modifier=True)
        if inner is not None:
            found = under(found, f"{step}.modifierExtension[{number}]", inner)
    return found


def _one(extension: dict[str, Any], holder: dict[str, Any], place: Place, context: Context, *, modifier: bool) -> Found:
    url = extension.get("url")
    if url.__class__ is not str:
        return None
    found: Found = context.profiles.extension_rules(extension, context)
    profile = context.profiles.extension(url)
    if profile is None:
        if ":" not in url and place.path != _INSIDE:
            return note(found, ".url", _RELATIVE, "The url of an extension is absolute.", "an absolute URL")
        if ":" not in url:  # a part of a complex extension, which the definition of the whole describes
            return found
        return _unknown(found, url, context, modifier=modifier)
    wrong = profile.wrong_place(place, context)
    if wrong is not None:
        found = note(found, "", _WRONG_PLACE, f"The extension {url} may not stand here: {wrong}.", wrong)
    if profile.is_modifier != modifier:
        rule = _NO_MODIFIER if modifier else _IS_MODIFIER
        said = "is no modifier extension" if modifier else "is a modifier extension, and belongs into modifierExtension"
        found = note(found, "", rule, f"The extension {url} {said}.")
    for rule in profile.broken_context_rules(extension, holder, place, context):
        found = note(found, "", _WRONG_PLACE, f"The extension {url} may stand only where {rule}.", rule)
    inner = profile.check(extension, context)
    return found if inner is None else under(found, "", inner)


def _unknown(found: Found, url: str, context: Context, *, modifier: bool) -> Found:
    least = context.unknown_extensions
    if modifier:
        text = f"The modifier extension {url} is not known, so this cannot be understood."
        return note(found, "", (_worse(least), "extension", "extension-modifier-unknown"), text)
    if url.startswith(NORM):
        return note(found, "", (_worse(least), "not-found", "extension-unknown"), f"The norm has no extension {url}.")
    text = f"The extension {url} is not known here, so it was not checked."
    return note(found, "", (least, "not-found", "extension-unknown"), text)


def _worse(severity: str) -> str:
    return WARNING if severity == INFORMATION else severity
