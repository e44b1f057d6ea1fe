"""The rows of senders, and the codes that were translated for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.intake.records import Db, text

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.model import Sender

_ALL = "SELECT id, name, state, facility, settings, names, certificate, secret IS NOT NULL FROM exchange_sender"
_CODES = "SELECT sender, system, code, answer FROM exchange_gap WHERE answer IS NOT NULL AND answer <> 'null'"
_TAKEN = "SELECT id FROM exchange_sender WHERE id = %s OR names && %s::text[]"
_ADD = """
INSERT INTO exchange_sender (id, name, state, facility, settings, names, certificate)
VALUES (%s, %s, %s, %s, %s::jsonb, %s::text[], %s)
"""
_COLUMNS = {
    "name": "name = %s", "state": "state = %s", "facility": "facility = %s", "names": "names = %s::text[]",
    "settings": "settings = %s::jsonb", "certificate": "certificate = %s", "secret": "secret = %s",
    "certified": "certified = %s",
}  # fmt: skip


def settings_of(sender: Sender) -> dict[str, Any]:
    """What is particular about a sender, as it is kept."""
    return {
        "zone": sender.zone, "charset": sender.charset, "authorities": dict(sender.authorities),
        "systems": dict(sender.systems),
    }  # fmt: skip


async def all_known(db: Db) -> list[Any]:
    """All senders."""
    from jiankang.capabilities.exchange.intake.senders import Known, sender_of

    codes: dict[str, dict[tuple[str, str], tuple[Any, ...]]] = {}
    for sender, system, code, answer in await (await db.execute(_CODES)).fetchall():
        codes.setdefault(sender, {})[system, code] = tuple(answer)
    return [
        Known(sender_of(id_, name, facility, settings, codes.get(id_, {})), state, tuple(names), certificate, has)
        for id_, name, state, facility, settings, names, certificate, has in await (await db.execute(_ALL)).fetchall()
    ]


async def add(db: Db, sender: Sender, names: Sequence[str], state: str, certificate: str) -> str | None:
    """Add a sender; the id of the one that has its id or a name already."""
    async with db.transaction():
        await db.execute("LOCK TABLE exchange_sender IN SHARE ROW EXCLUSIVE MODE")
        row = await (await db.execute(_TAKEN, (sender.id, list(names)))).fetchone()
        if row is not None:
            return str(row[0])
        settings = text(settings_of(sender))
        await db.execute(_ADD, (sender.id, sender.name, state, sender.facility, settings, list(names), certificate))
    return None


async def change(db: Db, id_: str, changes: Mapping[str, Any]) -> None:
    """Change columns of a sender."""
    sets = ", ".join(_COLUMNS[name] for name in changes)
    values = [text(value) if name == "settings" else value for name, value in changes.items()]
    await db.execute(f"UPDATE exchange_sender SET {sets} WHERE id = %s", (*values, id_))


async def secret(db: Db, id_: str) -> bytes | None:
    """The digest of a sender's secret."""
    row = await (await db.execute("SELECT secret FROM exchange_sender WHERE id = %s", (id_,))).fetchone()
    return None if row is None or row[0] is None else bytes(row[0])
