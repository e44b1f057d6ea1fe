"""Follows the image archive: every study that comes or grows becomes a letter of the exchange room.

The place in the archive's list of changes moves in the transaction that notes which studies changed, and a study is
told of until its letter is on disk. So nothing is lost when either is started again, and nothing is told twice: a letter's
key says what it holds. Several processes may follow: each takes what no other has. No transaction waits for the archive,
for the feed would wait with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from jiankang.capabilities.exchange.dicom import records
from jiankang.capabilities.exchange.dicom.format import MEDIA_TYPE
from jiankang.capabilities.exchange.dicom.refusals import refusals
from jiankang.capabilities.exchange.model import Complaint, Letter, Sender
from jiankang.kernel.database import translated
from jiankang.kernel.errors import Conflict, NotFound, Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from jiankang.capabilities.exchange.dicom.archive import Archive
    from jiankang.capabilities.exchange.dicom.records import Db, Due
    from jiankang.capabilities.exchange.intake import Intake

KIND = "study"
POLL_SECONDS = 0.5
QUIET_SECONDS = 4.0
"""A study to which nothing was added for so long is told of, also when the archive forgot to call it stable."""
MOST_SECONDS = 60.0
"""A study to which something is added all the time is told of as far as it has come."""
AT_ONCE = 8
_TROUBLE_SECONDS = 2.0
_LONGEST = 600.0
_CLAIM_SECONDS = 120.0
_MANY = 5
_NAME = "orthanc"
_log = logging.getLogger("jiankang.exchange.dicom")


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the archive is asked, and how long a study may rest before it is told of (seconds)."""

    poll: float = POLL_SECONDS
    quiet: float = QUIET_SECONDS
    most: float = MOST_SECONDS


class Follower:
    """`async with Follower(intake, archive, base): …` tells of studies until it is left.

    `base` is the public address of this platform, below which images are shown. `log` is the archive's log where it is
    ours: what it refuses (C-STORE) is said there only, and it takes images of connected systems only. `revive` starts the archive again where it is ours and has ended.
    """

    def __init__(
        self, intake: Intake, archive: Archive, base: str = "", *, log: Path | None = None, pace: Pace | None = None, revive: Callable[[], object] | None = None,
    ) -> None:  # fmt: skip
        self.intake = intake
        self.archive = archive
        self.base = base
        self.log = log
        self.pace = pace or Pace()
        self.revive = revive
        self._let: frozenset[str] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            try:
                if not await self.once():
                    await asyncio.sleep(self.pace.poll)
            except Problem as problem:
                _log.warning("studies wait: %s", problem)
                await self._revive()
                await asyncio.sleep(_TROUBLE_SECONDS)
            except Exception:  # noqa: BLE001 - whatever it was, go on
                _log.exception("following the image archive")
                await asyncio.sleep(_TROUBLE_SECONDS)

    async def _revive(self) -> None:
        if self.revive is not None:
            try:
                await asyncio.to_thread(self.revive)
            except (Problem, OSError) as problem:
                _log.warning("the image archive cannot be started again: %s", problem)

    async def once(self) -> int:
        """Look for changes, tell of what is due; how much there was to do. Raises Unavailable."""
        return await self.look() + await self.tell()

    async def look(self) -> int:
        """Note which studies changed since the last look; how many. Nothing is held while the archive is asked."""
        async with self._db() as db:
            place = await records.place(db, _NAME)
        if self.log is not None:
            await self._let_send()
            await self._refusals(self.log, place.log)
        begins = await self.archive.first_change()
        found = await self.archive.changes(place.seq if begins == place.begins else 0)
        if (begins, found.last) == (place.begins, place.seq):
            return 0
        studies = await self.archive.studies_of(found.resources)
        async with self._db() as db:
            if await records.move(db, _NAME, place, begins, found.last):
                await records.changed(db, studies, found.stable, self.pace.quiet, self.pace.most)
        return max(1, len(studies))

    async def tell(self) -> int:
        """Keep a letter of each study that is due; how many."""
        async with self._db() as db:
            studies = await records.claim(db, AT_ONCE, _CLAIM_SECONDS)
        await asyncio.gather(*(self._tell(study) for study in studies))
        return len(studies)

    @contextlib.asynccontextmanager
    async def _db(self) -> AsyncIterator[Db]:
        with translated():
            async with self.intake.record.pool.connection() as db, db.transaction():
                yield db

    async def _tell(self, study: Due) -> None:
        try:
            body = await self.archive.described(study.uid)
            title = "" if study.sender else await self.archive.title_of_sender(study.archived)
        except NotFound:
            async with self._db() as db:
                await records.gone(db, study)
            return
        except (Problem, ValueError, TypeError, LookupError) as problem:
            await self._put_off(study, problem)
            return
        sender, complaints = await self._sender(study.sender, title)
        digest = hashlib.blake2b(body, digest_size=8).hexdigest()
        context = {"base": self.base, "title": title}
        letter = Letter(
            "dicom", body, self.intake.record.clock(), f"{study.uid} {digest}", KIND, MEDIA_TYPE, context=context
        )  # fmt: skip
        kept = await self.intake.keep(sender, letter, state="dead" if complaints else "waiting", complaints=complaints)
        async with self._db() as db:
            await records.told(db, study, kept.number)
            if not complaints:
                await records.sent(db, study.uid, sender)

    async def _put_off(self, study: Due, problem: Exception) -> None:
        _log.warning("study %s waits: %s", study.uid, problem)
        async with self._db() as db:
            await records.later(db, study, min(2.0**study.tries, _LONGEST))
            if study.tries == _MANY:
                await records.alert(db, _NAME, f"study {study.uid} could not be read {_MANY} times: {problem}")

    async def _sender(self, noted: str, title: str) -> tuple[str, list[Complaint]]:
        """Whose study it is: the system that is connected under the title that sent it."""
        known = None if noted else await self.intake.senders.named(title, "")
        if known is not None:
            return known.sender.id, []
        id_ = noted or slug(title)
        with contextlib.suppress(NotFound):
            await self.intake.senders.get(id_)
            return id_, []
        if self.intake.server.settings.unknown_senders == "accept":
            with contextlib.suppress(Conflict):
                await self.intake.senders.add(
                    Sender(id_, title or id_), names=[f"{title}|"] if title else [], state="connected"
                )
            return id_, []
        said = f"no system is connected as {title or id_}: connect one with the id {id_}, then land this again"
        return id_, [Complaint(said, "application entity title", fatal=True)]

    async def _let_send(self) -> None:
        """Have our archive take images from the systems that are connected."""
        connected = [one for one in await self.intake.senders.all() if one.state != "stopped"]
        titles = frozenset(name.removesuffix("|") for one in connected for name in one.names if name.endswith("|"))
        if titles != self._let:
            await self.archive.let_send(titles)
            self._let = titles

    async def _refusals(self, log: Path, read: int) -> None:
        """Put on the console what the archive refused."""
        found, end = await asyncio.to_thread(refusals, log, read)
        if end == read:
            return
        async with self._db() as db:
            if await records.move_log(db, _NAME, read, end):
                for text in found:
                    await records.alert(db, _NAME, text)


def slug(title: str) -> str:
    """The id that a sender of this title has while nobody gave it another."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "unknown"
