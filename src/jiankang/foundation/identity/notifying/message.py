"""The message of ITI-93: https://profiles.ihe.net/ITI/PMIR/ITI-93.html#2393414-message-semantics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.foundation.identity.persons import person_id
from jiankang.kernel.clock import instant
from jiankang.kernel.ids import new_uuid7
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jiankang.foundation.record.store import Stored

Json = dict[str, Any]
EVENT = "urn:ihe:iti:pmir:2019:patient-feed"


def message(persons: Sequence[tuple[str, Stored | None]], *, base_url: str, endpoint: str, now: datetime) -> bytes:
    """A message Bundle that tells what persons have become: (person, its Patient, or None when nothing is left of it)."""
    history = f"urn:uuid:{new_uuid7()}"
    header: Json = {
        "resourceType": "MessageHeader",
        "id": new_uuid7(),
        "eventUri": EVENT,
        "source": {"endpoint": base_url},
        "destination": [{"endpoint": endpoint}],
        "focus": [{"reference": history}],
    }
    bundle: Json = {
        "resourceType": "Bundle",
        "id": new_uuid7(),
        "type": "message",
        "timestamp": instant(now),
        "entry": [
            {"fullUrl": f"urn:uuid:{header['id']}", "resource": header},
            {
                "fullUrl": history,
                "resource": {
                    "resourceType": "Bundle",
                    "type": "history",
                    "entry": [_entry(person, stored, base_url) for person, stored in persons],
                },
            },
        ],
    }
    return encode(bundle)


def _entry(person: str, stored: Stored | None, base_url: str) -> Json:
    address = f"Patient/{person_id(person)}"
    if stored is None:
        return {
            "fullUrl": f"{base_url}/{address}",
            "request": {"method": "DELETE", "url": address},
            "response": {"status": "204"},
        }
    return {
        "fullUrl": f"{base_url}/{address}",
        "resource": stored.resource,
        "request": {"method": "PUT", "url": address},
        "response": {"status": "200", "etag": stored.etag, "lastModified": instant(stored.updated)},
    }
