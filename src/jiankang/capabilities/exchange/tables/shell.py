"""`jiankang exchange …` for tables: upload a file, look at databases, export report cards."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.intake import Intake
from jiankang.capabilities.exchange.tables.diseases import export_diseases, write_export
from jiankang.capabilities.exchange.tables.format import NAME, TableFormat
from jiankang.capabilities.exchange.tables.sources import Source, Sources
from jiankang.capabilities.exchange.tables.uploads import Uploads
from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.kernel.errors import Invalid

if TYPE_CHECKING:
    from pathlib import Path

    from jiankang.foundation.record.wire.server import Server

Say = Callable[[str], None]
Opening = Callable[[], AbstractAsyncContextManager["Server"]]
"""Opens a server with all its rooms."""


def _run(opening: Opening, work: Callable[[Intake], Awaitable[int]]) -> int:
    async def opened() -> int:
        async with opening() as server:
            return await work(Intake(server, {NAME: TableFormat()}))

    return asyncio.run(opened())


def cli_upload(opening: Opening, path: Path, sender: str, say: Say, *, mapping: str = "", confirm: bool = False) -> int:
    """Print what a file would become, and have it taken with `confirm`; 1 when it cannot be. Raises WrongFile, NotFound."""
    body = path.read_bytes()

    async def work(intake: Intake) -> int:
        uploads = Uploads(intake)
        found = await uploads.look(sender, path.name, body, mapping=mapping, by=LOCAL_OPERATOR.id)
        _tell(found.preview, say)
        if not found.mapping or found.preview["missing"]:
            return 1
        if confirm:
            await uploads.confirm(found.id)
            while await uploads.work():
                pass
            result = await uploads.result(found.id)
            say(f"{result.upload.done} rows are kept, {result.upload.unchanged} said nothing new: {found.id}")
        return 0

    return _run(opening, work)


def _tell(preview: Mapping[str, Any], say: Say) -> None:
    say(f"{preview['name'] or 'headings are not understood'}: {preview['total']} rows")
    for head, fate, where in preview["columns"]:
        say(f"  {head:<16} {fate:<8} {where}")
    for head in preview["missing"]:
        say(f"  {head:<16} is missing")
    for row, place, text, fatal in preview["wrong"]:
        say(f"  row {row}, {place}: {text}{'' if fatal else ' (kept as it is)'}")


def cli_sources(opening: Opening, say: Say) -> int:
    """Print the databases that are looked at, without their passwords."""

    async def work(intake: Intake) -> int:
        for source, state in await Sources(intake).all():
            when = f"{state.looked:%Y-%m-%d %H:%M}" if state.looked else "not yet"
            say(f"{source.name:<20} {source.sender:<16} {when:<16} {state.rows:>8}  {source.shown_url}")
            if state.problem:
                say(f"{'':<20} {state.problem}")
        return 0

    return _run(opening, work)


def cli_add_source(opening: Opening, source: Source, say: Say) -> int:
    """Look at a database from now on; with `-` its address is the first line of standard input. Raises Invalid, Conflict."""
    if source.url == "-":
        source = replace(source, url=sys.stdin.readline().strip())

    async def work(intake: Intake) -> int:
        sources = Sources(intake)
        await sources.add(source)
        say(f"{source.name} is looked at every {source.every_seconds} s: {source.shown_url}")
        return 0

    return _run(opening, work)


def cli_remove_source(opening: Opening, name: str, say: Say) -> int:
    """Look at a database no more. Raises NotFound."""

    async def work(intake: Intake) -> int:
        await Sources(intake).remove(name)
        say(f"{name} is not looked at any more")
        return 0

    return _run(opening, work)


def cli_export_diseases(
    opening: Opening, out: Path, say: Say, *, since: str, until: str = "", county: str = "", again: bool = False
) -> int:
    """Write report cards of notifiable diseases as .xlsx or .csv. Raises Invalid."""

    async def work(intake: Intake) -> int:
        server = intake.server
        export = await export_diseases(
            server, LOCAL_OPERATOR, since=_day(since), until=_day(until) if until else None, county=county, again=again
        )
        await write_export(server, export, out)
        say(f"{len(export.rows)} cards in {out}; {export.known} cases were handed over before and have not changed")
        return 0

    return _run(opening, work)


def _day(written: str) -> date:
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise Invalid(f"a day is written as 2026-11-23, not as {written}") from None
