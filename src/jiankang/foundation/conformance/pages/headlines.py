"""What kind of problem each rule of validation tells of, in a few words that are translated."""

from __future__ import annotations

import re

from jiankang.ui import N_

RULE = N_("The rule %(rule)s is not kept")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9]*-[A-Za-z0-9-]+")

HEADLINES = {
    "shape-structure": N_("The structure is not right here"),
    "shape-required": N_("Something required is missing"),
    "shape-value": N_("A value that is not of the form its type asks for"),
    "shape-invalid": N_("This is not what FHIR has here"),
    "shape-too-long": N_("There is more than is taken"),
    "shape-not-supported": N_("FHIR R4 does not know this"),
    "shape-code-invalid": N_("This code is not one of the codes allowed here"),
    "shape-too-costly": N_("This is nested too deep"),
    "binding-required": N_("A code outside the value set that is required here"),
    "binding-extensible": N_("A code outside the value set, which may only be left where no code of it fits"),
    "binding-preferred": N_("A code outside the value set that is preferred here"),
    "binding-not-checked": N_("Codes that nobody here knows were not checked"),
    "coding-unknown": N_("A code that its system does not have"),
    "coding-value-set": N_("A value set is named where a code system is meant"),
    "coding-display": N_("The display is not one of this code"),
    "coding-no-system": N_("A code without its system"),
    "quantity-ucum": N_("The unit is not a UCUM unit"),
    "reference-type": N_("A reference to a resource type that is not allowed here"),
    "reference-target": N_("A reference to something that is not allowed here"),
    "reference-unresolved": N_("A reference that leads nowhere"),
    "contained-id": N_("A contained resource without an id"),
    "contained-id-twice": N_("Two contained resources have the same id"),
    "element-id-twice": N_("Two elements have the same id"),
    "extension-context": N_("An extension in a place where it may not be"),
    "extension-not-modifier": N_("An ordinary extension among modifier extensions"),
    "extension-is-modifier": N_("A modifier extension among ordinary ones"),
    "extension-url": N_("An extension without a right address"),
    "extension-unknown": N_("An extension that nobody here knows"),
    "extension-modifier-unknown": N_("A modifier extension that nobody here knows"),
    "txt-1": N_("The narrative has something that is not allowed"),
    "txt-2": N_("The narrative is empty"),
    "narrative-namespace": N_("The narrative is not XHTML"),
    "attachment-size": N_("The size is not that of the data"),
    "attachment-hash": N_("The digest is not that of the data"),
    "uri-relative": N_("The address is not absolute"),
    "canonical-syntax": N_("The canonical address is not written rightly"),
    "canonical-fragment": N_("The canonical address points to a part that is not there"),
    "canonical-target": N_("The canonical address is of something else"),
    "bundle-full-url": N_("The fullUrl of an entry is not right"),
    "bundle-full-url-missing": N_("An entry without a fullUrl"),
    "bundle-request": N_("The request of an entry is not right"),
    "profile-min": N_("The profile asks for more of this element"),
    "profile-max": N_("The profile allows fewer of this element"),
    "profile-type": N_("The profile does not allow this type"),
    "profile-of-type": N_("The profile is for another type"),
    "profile-other-type": N_("The profile is for another resource type"),
    "profile-fixed": N_("The profile fixes another value"),
    "profile-pattern": N_("The value does not fit the profile's pattern"),
    "profile-target": N_("What is referred to does not fit the profile"),
    "profile-aggregation": N_("The profile wants this reference to be of another kind"),
    "profile-slicing-closed": N_("The profile has no place for this item"),
    "profile-slicing-open-at-end": N_("The profile wants this item at the end"),
    "profile-slicing-order": N_("The profile wants another order"),
    "profile-range": N_("The value is outside the profile's range"),
    "profile-max-length": N_("The text is longer than the profile allows"),
    "profile-unknown": N_("A profile that nobody here knows"),
    "profile-unusable": N_("A profile that cannot be used"),
    "profile-contradiction": N_("The profile contradicts what it is based on"),
    "expression-syntax": N_("The expression is not FHIRPath"),
    "search-parameter-type": N_("The search parameter does not fit its type"),
    "search-parameter-derived": N_("The search parameter does not fit what it is derived from"),
    "too-many": N_("There is more that is not told"),
    "too-deep": N_("This is nested too deep"),
    "too-costly": N_("This takes too much work to be judged"),
    "too-long": N_("There is more than is told"),
}
OTHER = N_("A rule of the norm or a profile")


def headline(message_id: str) -> str:
    """A sentence, to be translated, for a rule; `RULE` for rules that have a key of the norm or a profile (per-1)."""
    return HEADLINES.get(message_id) or (RULE if _KEY.fullmatch(message_id) else OTHER)
