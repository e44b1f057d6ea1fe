"""What the record asks about persons: the Patient made of their registrations, and who these are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.foundation.identity.persons import golden, is_person, person_of
from jiankang.kernel.errors import NotFound

if TYPE_CHECKING:
    from jiankang.foundation.record.store import Stored
    from jiankang.foundation.record.wire.http import Request

_REGISTRATIONS = """
SELECT r.id FROM identity_record AS i JOIN resource AS r ON r.rid = i.rid
WHERE i.person = %s AND NOT r.deleted AND {allowed} ORDER BY r.rid
"""


class Persons:
    """Persons as Patients (`jiankang.foundation.record.wire.server.Persons`)."""

    def is_one(self, id_: str) -> bool:
        """Whether an id is a person's."""
        return is_person(id_)

    async def read(self, request: Request, id_: str) -> Stored:
        """The person's Patient, made of the registrations that the actor may see. Raises NotFound."""
        person = person_of(id_)
        stored = None
        if person is not None:
            async with request.server.db(request) as db:
                stored = await golden(request.server.record, db, request.actor, person)
        if stored is None:
            raise NotFound(f"Patient/{id_} is not known")
        await request.server.show(request, "read", [stored])
        return stored

    async def registrations(self, request: Request, id_: str) -> tuple[str, ...]:
        """The ids of these registrations; none for a person that is not known."""
        person = person_of(id_)
        if person is None:
            return ()
        allowed, values = request.actor.restriction.sql("r")
        async with request.server.db(request) as db:
            rows = await db.execute(_REGISTRATIONS.format(allowed=allowed), (person, *values))
            return tuple(one for (one,) in await rows.fetchall())
