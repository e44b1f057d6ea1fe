"""The mappings that a sender's tables can be read with: those that come with the platform, and its own, in versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.capabilities.exchange.tables import records
from jiankang.capabilities.exchange.tables.parsing import WrongMapping, read_mapping
from jiankang.capabilities.exchange.tables.shelf import shipped
from jiankang.kernel.errors import Conflict

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.tables.mapping import Mapped
    from jiankang.foundation.record.store import Record


class Catalogue:
    """The mappings of all senders."""

    def __init__(self, record: Record) -> None:
        self.record = record

    async def of(self, sender: str) -> dict[str, Mapped]:
        """What a sender's tables can be read with, by name; its own stand before those that are shipped."""
        async with self.record.pool.connection() as db:
            rows = await records.mappings(db, sender)
        own: dict[str, Mapped] = {}
        for name, _, text in rows:
            try:
                own[name] = read_mapping(text)
            except WrongMapping:  # written when the language allowed it: nothing is read with it until it is mended
                continue
        return {**own, **{name: one for name, one in shipped().items() if name not in own}}

    async def add(self, sender: str, text: str, by: str) -> Mapped:
        """Keep a mapping of a sender's own. Raises WrongMapping, and Conflict when its version is taken."""
        mapping = read_mapping(text)
        async with self.record.pool.connection() as db:
            kept = await records.add_mapping(db, sender, mapping.name, mapping.version, text, by)
        if not kept:
            raise Conflict(
                f"version {mapping.version} of {mapping.name} is kept already with another text: raise the version"
            )
        return mapping
