"""Databases of others that are looked at on a schedule: each new or changed row of a view becomes a letter.

A column that only grows, the watermark (a change time, a counter), tells how far the view was read. SQLAlchemy speaks to
the database (`pip install 'jiankang[tables]'` and its driver); nothing is ever written there.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.tables import looking, source_records
from jiankang.capabilities.exchange.tables.catalogue import Catalogue
from jiankang.capabilities.exchange.tables.keeping import keep_changed, row_key
from jiankang.kernel.errors import Conflict, Invalid, NotFound, Unavailable

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.intake import Intake
    from jiankang.capabilities.exchange.tables.mapping import Mapped

PAGE = 1_000
MOST_PAGE = 64_000
"""Rows with one and the same watermark that can be read."""
MOST_CELL = 32_767
OVERLAP = timedelta(seconds=60)
"""Change times so much older than the last are read again: who wrote first may commit last."""
MASKED = "***"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,59}")
_COLUMN = re.compile(r"[^\W\d]\w{0,127}")
_VIEW = re.compile(r"[^\W\d]\w{0,127}(\.[^\W\d]\w{0,127}){0,2}")
_QUERY = re.compile(r"\s*(select|with)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """A view that is looked at."""

    name: str
    sender: str
    url: str
    """As SQLAlchemy reads it: `postgresql+psycopg://user:password@host/database`."""
    query: str
    """A SELECT, or the name of a table or view."""
    watermark: str
    """The column that only grows."""
    mapping: str
    every_seconds: int = 300

    @property
    def shown_url(self) -> str:
        """Its address without the password."""
        try:
            from sqlalchemy.engine import make_url
        except ImportError:
            return f"{self.url.partition('://')[0]}://{MASKED}"
        return make_url(self.url).render_as_string(hide_password=True)


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look brought."""

    rows: int = 0
    """Rows that were read."""
    new: int = 0
    """Those of them that said something new."""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows in the order of their watermark."""

    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    marks: Sequence[Any]


def checked(source: Source) -> Source:
    """The source, when it can be used. Raises Invalid with what is wrong, and never with its password."""
    if not _NAME.fullmatch(source.name):
        raise Invalid("the name of a source is small letters, digits and hyphens")
    if not _COLUMN.fullmatch(source.watermark):
        raise Invalid("the watermark is the name of a column")
    if not (_VIEW.fullmatch(source.query) or _QUERY.match(source.query)) or ";" in source.query:
        raise Invalid("the query is one SELECT, or the name of a view")
    if not 1 <= source.every_seconds <= 86_400:
        raise Invalid("it is looked at every 1 to 86,400 seconds")
    try:
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    except ImportError:
        raise Unavailable("databases need SQLAlchemy: pip install 'jiankang[tables]'") from None
    try:
        make_url(source.url).get_dialect()
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError):
        raise Invalid("the address of the database is not one that SQLAlchemy can read with the drivers here") from None
    return source


class Sources:
    """The databases that one platform looks at."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.record = intake.record
        self.catalogue = Catalogue(intake.record)

    async def add(self, source: Source) -> Source:
        """Look at a database from now on. Raises Invalid, NotFound (sender, mapping), Conflict for a name that is taken."""
        checked(source)
        await self.intake.senders.get(source.sender)
        if source.mapping not in await self.catalogue.of(source.sender):
            raise NotFound(f"there is no mapping {source.mapping}")
        async with self.record.pool.connection() as db:
            if not await source_records.add(db, source):
                raise Conflict(f"there is a source {source.name} already")
        return source

    async def all(self) -> list[tuple[Source, source_records.State]]:
        """All sources with how far each was read."""
        async with self.record.pool.connection() as db:
            return [(Source(*row), state) for row, state in await source_records.all_of(db)]

    async def remove(self, name: str) -> None:
        """Look at a database no more. Raises NotFound."""
        async with self.record.pool.connection() as db:
            if not await source_records.remove(db, name):
                raise NotFound(f"there is no source {name}")

    async def look(self, name: str) -> Looked:
        """Look at a database now. Raises NotFound."""
        found = next(((one, state) for one, state in await self.all() if one.name == name), None)
        if found is None:
            raise NotFound(f"there is no source {name}")
        source, state = found
        looked, reached = await self._read(source, state.reached)
        async with self.record.pool.connection() as db:
            await source_records.looked(db, name, looked.rows, looked.problem, reached)
        return looked

    async def work(self) -> bool:
        """Look at one database whose time has come; False when there is none."""
        async with self.record.pool.connection() as db:
            name = await source_records.claim(db)
        if name is None:
            return False
        await self.look(name)
        return True

    async def _read(self, source: Source, reached: Any) -> tuple[Looked, Any]:
        if (await self.intake.senders.get(source.sender)).state == "stopped":
            return Looked(problem=f"{source.sender} is shut out"), reached
        mapping = (await self.catalogue.of(source.sender)).get(source.mapping)
        if mapping is None:
            return Looked(problem=f"there is no mapping {source.mapping}"), reached
        rows = new = 0
        pages = _pages(source, _earlier(_thawed(reached)))
        thread = ThreadPoolExecutor(1)  # drivers want one thread for one connection
        loop = asyncio.get_running_loop()
        try:
            while (page := await loop.run_in_executor(thread, next, pages, None)) is not None:
                missing = mapping.missing(page.heads)
                if missing:
                    return Looked(problem=f"columns are missing: {', '.join(missing)}"), reached
                new += await self._keep(source, mapping, page)
                rows += len(page.rows)
                reached = _frozen(page.marks[-1])
        except Exception as error:  # noqa: BLE001 - whatever a driver raises, the source is what is wrong
            return Looked(rows, new, _told(source, error)), reached
        finally:
            thread.submit(pages.close)
            thread.shutdown(wait=False)
        return Looked(rows, new), reached

    async def _keep(self, source: Source, mapping: Mapped, page: Page) -> int:
        now = self.record.clock()
        letters = []
        for place, (cells, mark) in enumerate(zip(page.rows, page.marks, strict=True)):
            received = now + timedelta(microseconds=place)  # later rows are newer
            key = row_key(mapping, page.heads, cells).hex()
            said = hashlib.blake2b("\x1f".join(cells).encode(), digest_size=8).hexdigest()
            one = looking.letter(
                mapping,
                page.heads,
                cells,
                received,
                f"{source.name}:{cell_text(mark)}:{key}:{said}",
                source=source.name,
            )
            letters.append((one, cells))
        changed = await keep_changed(self.intake, source.sender, mapping, page.heads, letters, retry=False)
        return len(letters) - changed.unchanged


def _pages(source: Source, begin: Any) -> Generator[Page]:
    """The rows from a watermark on, some at a time. Runs in a thread of its own."""
    import sqlalchemy as sa

    engine = sa.create_engine(source.url, poolclass=sa.NullPool, hide_parameters=True)
    inner = source.query if _VIEW.fullmatch(source.query) else f"({source.query.strip()})"
    count = PAGE
    mark: Any = sa.column(source.watermark)
    try:
        with engine.connect() as db:
            while True:
                query: Any = sa.select(sa.literal_column("q.*")).select_from(sa.text(f"{inner} q".replace(":", "\\:")))
                query = query.where(mark.is_not(None) if begin is None else mark >= begin).order_by(mark).limit(count)
                result = db.execute(query)
                heads = tuple(result.keys())
                place = next(n for n, head in enumerate(heads) if head.casefold() == source.watermark.casefold())
                found = result.fetchall()
                db.rollback()
                if not found:
                    return
                yield Page(heads, [tuple(map(cell_text, row)) for row in found], [row[place] for row in found])
                if len(found) < count:
                    return
                if found[-1][place] == begin:
                    count *= 4
                if count > MOST_PAGE:
                    raise ValueError(f"more than {MOST_PAGE:,} rows have one and the same watermark")
                begin = found[-1][place]
    finally:
        engine.dispose()


def cell_text(value: Any) -> str:
    """A value of a database as a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value).strip()[: MOST_CELL + 1]


def _frozen(mark: Any) -> dict[str, str]:
    """A watermark as it is kept."""
    for kind, type_ in (("datetime", datetime), ("date", date), ("integer", int), ("number", Decimal)):
        if isinstance(mark, type_) and not isinstance(mark, bool):
            return {"kind": kind, "value": mark.isoformat() if isinstance(mark, date) else str(mark)}
    return {"kind": "float", "value": repr(mark)} if isinstance(mark, float) else {"kind": "text", "value": str(mark)}


def _thawed(kept: Any) -> Any:
    if not isinstance(kept, dict):
        return None
    value = kept["value"]
    makes: dict[str, Any] = {
        "datetime": datetime.fromisoformat, "date": date.fromisoformat, "integer": int, "number": Decimal, "float": float,
    }  # fmt: skip
    try:
        return makes[kept["kind"]](value) if kept["kind"] in makes else value
    except (ValueError, InvalidOperation):
        return None


def _earlier(mark: Any) -> Any:
    return mark - OVERLAP if isinstance(mark, datetime) else mark


def _told(source: Source, error: Exception) -> str:
    """What went wrong with a database, in one line, without its password."""
    from sqlalchemy.engine import make_url

    said = " ".join(str(getattr(error, "orig", None) or error).split())[:300] or type(error).__name__
    password = make_url(source.url).password
    return said.replace(str(password), MASKED) if password else said
