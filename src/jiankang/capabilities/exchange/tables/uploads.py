"""Files that people upload: looked at first, then confirmed; each row becomes a letter, and what is refused can be mended."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.tables import looking, records
from jiankang.capabilities.exchange.tables.catalogue import Catalogue
from jiankang.capabilities.exchange.tables.format import read_row
from jiankang.capabilities.exchange.tables.keeping import keep_changed
from jiankang.capabilities.exchange.tables.mapping import NUMBER_HEAD, REASON_HEAD
from jiankang.capabilities.exchange.tables.parsing import read_mapping
from jiankang.capabilities.exchange.tables.sheets import Sheet, WrongFile, read_sheet, write_sheet
from jiankang.kernel.errors import Conflict, NotFound, Unprocessable
from jiankang.kernel.ids import new_uuid7

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.intake import Intake
    from jiankang.capabilities.exchange.model import Letter
    from jiankang.capabilities.exchange.tables.records import Upload

CHUNK = 500
MOST_AT_ONCE = 2
"""Files that one process reads at the same time; others wait."""
MOST_CORRECTED = 20_000
_log = logging.getLogger("jiankang.exchange.tables")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the rows of a file."""

    upload: Upload
    landed: int = 0
    waiting: int = 0
    dead: int = 0
    """Refused: to be corrected and uploaded again."""
    tested: int = 0
    """Read, but not written: the sender is on probation."""
    dropped: int = 0

    @property
    def over(self) -> bool:
        """Whether nothing more will change by itself."""
        return self.upload.state != "confirmed" and not self.waiting


class Uploads:
    """The files of one platform."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.record = intake.record
        self.catalogue = Catalogue(intake.record)
        self._reading = asyncio.Semaphore(MOST_AT_ONCE)

    async def look(self, sender: str, title: str, body: bytes, *, mapping: str = "", by: str = "") -> Upload:
        """Keep a file to be looked at; `mapping` is the name of one, empty: the one that suits best.

        Nothing is written into the record. Raises WrongFile, NotFound for a sender that is unknown or shut out.
        """
        found = await self.intake.senders.get(sender)
        if found.state == "stopped":
            raise NotFound(f"{sender} is shut out")
        known = found.sender
        sheet = await self._parsed(body, known.charset)
        now = self.record.clock()
        chosen = looking.choose(sheet, (await self.catalogue.of(sender)).values(), mapping)
        preview = await asyncio.to_thread(looking.look, sheet, chosen, known, now)
        digest = hashlib.sha256(body).hexdigest()
        async with self.record.pool.connection() as db:
            before = await records.uploaded_before(db, sender, digest)
        preview |= {"digest": digest, "before": before.isoformat() if before else ""}
        text = chosen.text if chosen is not None and preview["total"] else ""
        made = records.Upload(
            new_uuid7(), sender, title, text, preview, "looked", preview["total"], 0, 0, (), now, by, ""
        )
        async with self.record.pool.connection() as db:
            await records.add_upload(db, made, body)
        return made

    async def get(self, id_: str) -> Upload:
        """A file. Raises NotFound."""
        async with self.record.pool.connection() as db:
            found = await records.upload(db, id_)
        if found is None:
            raise NotFound("there is no such upload")
        return found

    async def latest(self, count: int = 20) -> list[Upload]:
        """The latest files."""
        async with self.record.pool.connection() as db:
            return await records.latest(db, count)

    async def choose(self, id_: str, mapping: str) -> Upload:
        """Look at a file by another mapping. Raises NotFound, Conflict when it was confirmed meanwhile."""
        found = await self.get(id_)
        known = (await self.intake.senders.get(found.sender)).sender
        sheet = await self._sheet(found)
        chosen = looking.choose(sheet, (await self.catalogue.of(found.sender)).values(), mapping)
        if chosen is None:
            raise NotFound(f"there is no mapping {mapping}")
        preview = await asyncio.to_thread(looking.look, sheet, chosen, known, found.uploaded)
        preview |= {name: found.preview.get(name, "") for name in ("digest", "before")}
        text = chosen.text if preview["total"] else ""
        async with self.record.pool.connection() as db:
            if not await records.change_mapping(db, id_, text, preview, preview["total"]):
                raise Conflict("its rows are being taken already")
        return await self.get(id_)

    async def confirm(self, id_: str) -> None:
        """Have the rows of a file taken. Raises NotFound, Unprocessable while columns are missing, Conflict."""
        found = await self.get(id_)
        if not found.mapping or found.preview.get("missing"):
            raise Unprocessable(
                "its columns are not understood yet: choose another mapping, or add the missing columns"
            )
        async with self.record.pool.connection() as db:
            if not await records.move(db, id_, "looked", "confirmed"):
                raise Conflict("its rows are being taken already")

    async def withdraw(self, id_: str) -> None:
        """Leave a file that was only looked at. Raises Conflict when it was confirmed."""
        async with self.record.pool.connection() as db:
            if not await records.move(db, id_, "looked", "withdrawn"):
                raise Conflict("its rows are being taken already")

    async def work(self) -> bool:
        """Keep the rows of one confirmed file as letters; False when none waits. Whoever dies meanwhile, no row is kept twice."""
        async with self.record.pool.connection() as db:
            id_ = await records.claim(db)
            if id_ is None:
                await records.forget(db)
                return False
        try:
            await self._keep(await self.get(id_))
            problem = ""
        except WrongFile as error:
            problem = str(error)
        async with self.record.pool.connection() as db:
            await records.move(db, id_, "confirmed", "kept", problem)
        return True

    async def result(self, id_: str) -> Result:
        """What became of the rows of a file so far. Raises NotFound."""
        found = await self.get(id_)
        async with self.record.pool.connection() as db:
            counts = await records.counts(db, found)
        named = ("landed", "waiting", "dead", "tested", "dropped")
        return Result(found, **{name: counts.get(name, 0) for name in named})

    async def refused(self, id_: str, count: int = 100) -> list[records.Refused]:
        """Rows that were not taken, with what is wrong with each. Raises NotFound."""
        found = await self.get(id_)
        async with self.record.pool.connection() as db:
            return await records.refused(db, found, count)

    async def corrected(self, id_: str) -> tuple[bytes, str, str]:
        """The file to be corrected: rows that were refused and why, as the file was; its kind and charset.

        Uploaded again, its rows mend the letters that their numbers name. Raises NotFound.
        """
        found = await self.get(id_)
        async with self.record.pool.connection() as db:
            rows = await records.refused(db, found, MOST_CORRECTED)
        kind = "csv" if found.preview.get("kind") == "csv" else "xlsx"
        charset = str(found.preview.get("charset") or "utf-8-sig")
        delimiter = str(found.preview.get("delimiter") or ",")
        body = await asyncio.to_thread(
            write_sheet, corrected_rows(rows), kind, charset=charset, delimiter=delimiter, name="退回"
        )
        return body, kind, charset

    # -- rows become letters ----------------------------------------------------------------------------------------

    async def _sheet(self, upload: Upload) -> Sheet:
        async with self.record.pool.connection() as db:
            body = await records.body(db, upload.id)
        known = (await self.intake.senders.get(upload.sender)).sender
        return await self._parsed(body, known.charset)

    async def _parsed(self, body: bytes, charset: str) -> Sheet:
        async with self._reading:
            return await asyncio.to_thread(read_sheet, body, charset)

    async def _keep(self, upload: Upload) -> None:
        mapping = read_mapping(upload.mapping)
        rows = looking.rows_of(await self._sheet(upload), mapping)
        if rows is None:
            return
        done, unchanged, mended = upload.done, upload.unchanged, list(upload.mended)
        for start in range(done, len(rows.rows), CHUNK):
            chunk = rows.rows[start : start + CHUNK]
            plain = []
            for number, cells in chunk:
                received = upload.uploaded + timedelta(microseconds=number)  # later rows of a file are newer
                letter = looking.letter(
                    mapping, rows.heads, cells, received, f"{mapping.name}:{upload.id}:{number:06}",
                    upload=upload.id, title=upload.title, row=number,
                )  # fmt: skip
                if number in rows.numbers and await self._mend(upload, rows.numbers[number], letter):
                    mended.append(rows.numbers[number])
                else:
                    plain.append((letter, cells))
            changed = await keep_changed(self.intake, upload.sender, mapping, rows.heads, plain)
            unchanged += changed.unchanged
            mended += changed.again
            async with self.record.pool.connection() as db:
                await records.advance(db, upload.id, start + len(chunk), unchanged, mended)

    async def _mend(self, upload: Upload, number: int, letter: Letter) -> bool:
        """Put a corrected row in the place of the one that was refused; False when that is not (any more) refused."""
        async with self.record.pool.connection() as db:
            if not await records.is_dead(db, upload.sender, number):
                return False
        try:
            await self.intake.mend(number, letter.body, upload.uploaded_by)
        except Conflict:
            return False
        return True


def corrected_rows(refused: Sequence[records.Refused]) -> list[list[str]]:
    """The rows of a file to be corrected: headings of all, their cells, why each was refused, its number."""
    read = [(one, *read_row(one.body)) for one in refused]
    heads = list(dict.fromkeys(head for _, names, _ in read for head in names))
    rows = [[*heads, REASON_HEAD, NUMBER_HEAD]]
    for one, names, cells in read:
        said = dict(zip(names, cells, strict=True))
        rows.append([*(said.get(head, "") for head in heads), reason(one.complaints), str(one.number)])
    return rows


def reason(complaints: Sequence[Mapping[str, Any]]) -> str:
    """Complaints as one sentence."""
    return "；".join(f"{one['place']}: {one['text']}" if one.get("place") else str(one["text"]) for one in complaints)
