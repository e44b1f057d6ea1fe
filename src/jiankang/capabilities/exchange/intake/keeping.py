"""Letters are on disk before anybody is told that they arrived.

Letters that come while others are being written wait together and are written together: the busier the doors, the fewer
commits each letter costs, and a lone letter waits for nobody.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jiankang.capabilities.exchange.intake import records
from jiankang.capabilities.exchange.intake.records import ToKeep, Traffic
from jiankang.kernel.errors import Unavailable

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.model import Complaint, Letter
    from jiankang.foundation.record.store import Record

MOST_TOGETHER = 500
MOST_WAITING = 20_000


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter that is on disk. `again`: it was there before, with this `answer`; `conflict`: another one was.

    A letter that conflicts is kept as refused, for people to look at, under a number of its own.
    """

    number: int
    again: bool = False
    conflict: bool = False
    answer: bytes = b""


def plain(complaints: Sequence[Complaint]) -> list[dict[str, object]]:
    """Complaints as JSON."""
    return [{"text": one.text, "place": one.place, "code": one.code, "fatal": one.fatal} for one in complaints]


def to_keep(
    sender: str, letter: Letter, answer: bytes, state: str = "waiting", complaints: Sequence[Complaint] = ()
) -> ToKeep:
    """The row of a letter."""
    digest = hashlib.sha256(letter.body).digest()
    return ToKeep(
        sender, letter.format, letter.key or digest.hex(), letter.kind, digest, letter.media_type, letter.context,
        letter.received, letter.body, answer, state, plain(complaints),
    )  # fmt: skip


class Keeper:
    """Writes letters into the inbox, many at once."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self._waiting: list[tuple[ToKeep, asyncio.Future[Kept]]] = []
        self._task: asyncio.Task[None] | None = None

    async def keep(self, one: ToKeep) -> Kept:
        """Have a letter on disk. Raises Unavailable when the database cannot be reached or too many wait for it."""
        if len(self._waiting) >= MOST_WAITING:
            raise Unavailable("too many letters are waiting to be kept: send it again later")
        future: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
            try:
                kept = await self._write([one for one, _ in batch])
            except Exception as problem:  # noqa: BLE001 - each of those who wait is told
                for _, future in batch:
                    if not future.done():
                        future.set_exception(_for_all(problem))
                continue
            for (_, future), result in zip(batch, kept, strict=True):
                if not future.done():
                    future.set_result(result)

    async def _write(self, letters: Sequence[ToKeep]) -> list[Kept]:
        from jiankang.kernel.database import translated

        with translated():
            async with self.record.pool.connection() as db, db.transaction():
                return await keep_all(db, letters)


def _for_all(problem: Exception) -> Exception:
    """The problem as each of several may raise it."""
    return type(problem)(*problem.args) if isinstance(problem, Unavailable) else Unavailable(str(problem))


async def keep_all(db: records.Db, letters: Sequence[ToKeep]) -> list[Kept]:
    """Write letters in the transaction of `db`; what became of each, in order."""
    firsts: dict[tuple[str, str, str], ToKeep] = {}
    for one in letters:
        if one.state != "refused":
            firsts.setdefault(_key(one), one)
    refused = [one for one in letters if one.state == "refused"]
    new = await records.keep(db, list(firsts.values())) if firsts else {}
    seen = [key for key in firsts if key not in new]
    old = await records.there(db, seen) if seen else {}
    results: list[Kept] = []
    traffic: dict[str, Traffic] = {}
    for one in letters:
        tally = traffic.setdefault(one.sender, Traffic())
        tally.received += 1
        if one.state == "refused":
            tally.refused += 1
            results.append(Kept(0))
            continue
        key = _key(one)
        if key in new and one is firsts[key]:
            results.append(Kept(new[key][0], answer=one.answer))
            tally.dead += one.state == "dead"
            continue
        number, digest, answer = old[key] if key in old else (*new[key], firsts[key].answer)
        if digest == one.digest:
            tally.repeated += 1
            results.append(Kept(number, again=True, answer=answer))
        else:
            tally.refused += 1
            refused.append(_contradicting(one, number))
            results.append(Kept(number, conflict=True))
    await _keep_refused(db, refused)
    await records.count(db, traffic)
    return results


async def _keep_refused(db: records.Db, refused: Sequence[ToKeep]) -> None:
    """Keep what was refused, for people to look at, and say so on the console."""
    if not refused:
        return
    await records.keep(db, refused)
    for one in refused:
        what = str(one.complaints[0]["text"]) if one.complaints else "refused"
        await records.alert(db, one.sender, "refused", what, None)


def _key(one: ToKeep) -> tuple[str, str, str]:
    return one.sender, one.format, one.key


def _contradicting(one: ToKeep, number: int) -> ToKeep:
    said = f"{one.key} was used for another letter (no. {number}) before, with other content"
    complaint = {"text": said, "place": "", "code": "205", "fatal": True}
    return ToKeep(
        one.sender, one.format, one.key, one.kind, one.digest, one.media_type, one.context, one.received, one.body,
        b"", "refused", [complaint],
    )  # fmt: skip
