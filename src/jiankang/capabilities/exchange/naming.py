"""Ids of what comes from elsewhere: the same thing of the same source has the same id, whichever letter tells of it.

So a result that arrives before its order, or an update before the admission, speaks of the same resource, and nobody
has to be asked for it.
"""

from __future__ import annotations

from base64 import b32encode
from hashlib import blake2b

_BYTES = 20


def identify(type_name: str, *parts: str) -> str:
    """The id of the resource of this type that `parts` tell apart from all others: 32 letters and digits.

    The first part is the namespace that the rest is unique in: the system of an identifier, or the sender's id.
    """
    text = "\x1f".join((type_name, *parts))
    return b32encode(blake2b(text.encode(), digest_size=_BYTES).digest()).decode().lower()


def patient(system: str, value: str) -> str:
    """The id of the Patient that a source knows by this identifier."""
    return identify("Patient", system, value.strip().upper())


def organization(system: str, value: str) -> str:
    """The id of an Organization."""
    return identify("Organization", system, value.strip().upper())


def practitioner(system: str, value: str) -> str:
    """The id of a Practitioner."""
    return identify("Practitioner", system, value.strip().upper())


def encounter(system: str, value: str) -> str:
    """The id of an Encounter by its visit number."""
    return identify("Encounter", system, value.strip().upper())


def reference(type_name: str, id_: str, display: str = "") -> dict[str, str]:
    """A literal reference."""
    return {"reference": f"{type_name}/{id_}", **({"display": display} if display else {})}
