"""The connected systems: who may send, how they are known, and what is particular about each."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.intake import sender_records as records
from jiankang.capabilities.exchange.model import Sender
from jiankang.kernel.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jiankang.foundation.record.store import Record

FRESH_SECONDS = 2.0
STATES = ("testing", "connected", "stopped")
"""A system on probation, whose letters are read but written nowhere; one that is connected; one that is shut out."""


@dataclass(frozen=True, slots=True)
class Known:
    """A sender with what the doors need to know of it."""

    sender: Sender
    state: str
    names: tuple[str, ...] = ()
    """`application|facility` as its messages say them (MSH-3|MSH-4)."""
    certificate: str = ""
    """Fingerprint (SHA-256, hex) that its TLS certificate must have; empty: any."""
    has_secret: bool = False


class Senders:
    """The senders of a record, remembered for a moment."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self._known: dict[str, Known] = {}
        self._by_name: dict[str, str] = {}
        self._looked = -FRESH_SECONDS

    async def get(self, id_: str) -> Known:
        """A sender. Raises NotFound."""
        await self._look(sure=id_ in self._known)
        if id_ not in self._known:
            raise NotFound(f"there is no sender {id_}")
        return self._known[id_]

    async def named(self, application: str, facility: str) -> Known | None:
        """The sender that says it is this application of this facility; None when nobody is known by these names."""
        names = (f"{application}|{facility}", f"{application}|", f"|{facility}")
        await self._look(sure=names[0] in self._by_name)
        found = next((self._by_name[name] for name in names if name in self._by_name), None)
        return None if found is None else self._known[found]

    async def all(self) -> list[Known]:
        """All senders, by name."""
        await self._look(sure=False)
        return sorted(self._known.values(), key=lambda one: one.sender.id)

    async def add(
        self, sender: Sender, *, names: Sequence[str] = (), state: str = "testing", certificate: str = ""
    ) -> Known:
        """Make a sender known. Raises Conflict when its id or one of its names is taken."""
        async with self.record.pool.connection() as db:
            taken = await records.add(db, sender, names, state, certificate)
        if taken:
            raise Conflict(f"{taken} is a connected system already: choose another name")
        self.forget()
        return await self.get(sender.id)

    async def change(self, id_: str, **changes: Any) -> Known:
        """Change what is known of a sender: name, state, names, certificate, facility, settings. Raises NotFound."""
        await self.get(id_)
        async with self.record.pool.connection() as db:
            await records.change(db, id_, changes)
        self.forget()
        return await self.get(id_)

    async def new_secret(self, id_: str) -> str:
        """A new secret for the doors that ask for one; told once, only its digest is kept."""
        await self.get(id_)
        secret = secrets.token_urlsafe(24)
        async with self.record.pool.connection() as db:
            await records.change(db, id_, {"secret": hashlib.sha256(secret.encode()).digest()})
        self.forget()
        return secret

    async def proves(self, id_: str, secret: str) -> bool:
        """Whether this is the sender's secret."""
        async with self.record.pool.connection() as db:
            kept = await records.secret(db, id_)
        return kept is not None and hmac.compare_digest(kept, hashlib.sha256(secret.encode()).digest())

    def forget(self) -> None:
        """Look again at the next question."""
        self._looked = -FRESH_SECONDS

    async def _look(self, *, sure: bool) -> None:
        """Know the senders as they are; what is known is trusted for a moment, what is not known is looked for."""
        age = time.monotonic() - self._looked
        if age < (FRESH_SECONDS if sure else FRESH_SECONDS / 10):
            return
        async with self.record.pool.connection() as db:
            self._known = {one.sender.id: one for one in await records.all_known(db)}
        self._by_name = {name: one.sender.id for one in self._known.values() for name in one.names}
        self._looked = time.monotonic()


def sender_of(id_: str, name: str, facility: str, settings: Mapping[str, Any], codes: Mapping[Any, Any]) -> Sender:
    """A sender of what is kept of it."""
    return Sender(
        id_, name, facility, settings.get("zone", "+08:00"), settings.get("charset", ""),
        settings.get("authorities", {}), settings.get("systems", {}), codes,
    )  # fmt: skip
