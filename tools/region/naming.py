"""How resources name one another: within a transaction, or by ids that they keep."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from region.codes import FACILITY_SYSTEM, STAFF_SYSTEM

if TYPE_CHECKING:
    from region.facilities import Facility, Worker


def new_uuid(rng: Random) -> str:
    """A UUID version 4 (RFC 9562) made by this chance."""
    text = f"{rng.getrandbits(128) & ~(0xF << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@dataclass(frozen=True, slots=True)
class Naming:
    """With `kept` ids resources are named Type/id, else by urn:uuid and, beyond the Bundle, by their identifiers."""

    kept: bool

    def of(self, type_name: str, id_: str) -> dict[str, str]:
        """A reference to a resource of the same person."""
        return {"reference": f"{type_name}/{id_}" if self.kept else f"urn:uuid:{id_}"}

    def facility(self, one: Facility) -> dict[str, str]:
        """A reference to a facility."""
        text = f"Organization/{one.id}" if self.kept else f"Organization?identifier={FACILITY_SYSTEM}|{one.code}"
        return {"reference": text, "display": one.name}

    def worker(self, one: Worker) -> dict[str, str]:
        """A reference to somebody who gives care."""
        text = f"Practitioner/{one.id}" if self.kept else f"Practitioner?identifier={STAFF_SYSTEM}|{one.code}"
        return {"reference": text, "display": one.name}
