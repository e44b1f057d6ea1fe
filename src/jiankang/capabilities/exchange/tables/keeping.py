"""Rows become letters when they say something else than they said last."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jiankang.capabilities.exchange.tables import records
from jiankang.kernel.errors import Conflict

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.intake import Intake
    from jiankang.capabilities.exchange.model import Letter
    from jiankang.capabilities.exchange.tables.mapping import Mapped


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of rows that arrived again."""

    unchanged: int
    """Rows that say what they said last."""
    again: tuple[int, ...]
    """Letters of unchanged rows that were refused, or only tested: they are tried again."""


async def keep_changed(
    intake: Intake,
    sender: str,
    mapping: Mapped,
    heads: Sequence[str],
    letters: Sequence[tuple[Letter, Sequence[str]]],
    *,
    retry: bool = True,
) -> Changed:
    """Keep the letters of rows that say something else than they said last; refused letters that these replace are put away.

    With `retry`, rows that say the same and were refused before are tried again.
    """
    marks = [(row_key(mapping, heads, cells), row_digest(mapping, one.body)) for one, cells in letters]
    async with intake.record.pool.connection() as db:
        last = await records.said_last(db, sender, mapping.name, [key for key, _ in marks])
    new: list[tuple[Letter, bytes, bytes]] = []
    again: list[int] = []
    replaced: list[int] = []
    seen: dict[bytes, bytes] = {key: one.digest for key, one in last.items()}
    for (one, _), (key, digest) in zip(letters, marks, strict=True):
        before = last.get(key)
        if seen.get(key) != digest:
            seen[key] = digest
            new.append((one, key, digest))
            replaced += [before.number] if before is not None and before.state == "dead" else []
        elif retry and before is not None and before.digest == digest and before.state in {"dead", "tested"}:
            again.append(before.number)
    if new:
        kept = await intake.keep_all(sender, [one for one, _, _ in new])
        said = [(key, digest, one.number) for one, (_, key, digest) in zip(kept, new, strict=True)]
        async with intake.record.pool.connection() as db:
            await records.say(db, sender, mapping.name, said)
    for number in replaced:
        with suppress(Conflict):  # somebody mended it meanwhile
            await intake.drop(number, "replaced")
    if again:
        await intake.again(again)
    return Changed(len(letters) - len(new) - len(again), tuple(again))


def row_key(mapping: Mapped, heads: Sequence[str], cells: Sequence[str]) -> bytes:
    """What tells a row apart from others of its table: the cells of the key columns, else all of it."""
    columns = mapping.match(heads)
    said = {column: cell for column, cell in zip(columns, cells, strict=True) if column}
    parts = [said.get(name, "") for name in mapping.key]
    return hashlib.blake2b("\x1f".join(parts if any(parts) else cells).encode(), digest_size=20).digest()


def row_digest(mapping: Mapped, body: bytes) -> bytes:
    """What a row says, by this version of its mapping."""
    return hashlib.blake2b(f"{mapping.name} {mapping.version}\n".encode() + body, digest_size=20).digest()
