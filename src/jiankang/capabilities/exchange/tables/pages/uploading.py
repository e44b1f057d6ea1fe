"""/-/exchange/tables: files, what one would become, what became of its rows, and the file to be corrected."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from jiankang.capabilities.exchange.tables.pages.asking import (
    PATH,
    actor_of,
    helpers,
    read_upload,
    said,
    upload_id,
    uploads_of,
)
from jiankang.capabilities.exchange.tables.sheets import WrongFile, media_type
from jiankang.capabilities.exchange.tables.shelf import shipped
from jiankang.capabilities.exchange.tables.sources import Sources
from jiankang.kernel.errors import Conflict, Invalid, NotFound, TooLarge
from jiankang.ui import N_, Mistake, expect_same_site, gettext, page, read_form

if TYPE_CHECKING:
    from starlette.requests import Request

    from jiankang.capabilities.exchange.tables.records import Upload
    from jiankang.capabilities.exchange.tables.uploads import Uploads

SHOWN_REFUSED = 100
_WORKING: set[asyncio.Task[None]] = set()
_log = logging.getLogger("jiankang.exchange.tables")

STATES = {
    "looked": N_("Not confirmed yet"), "confirmed": N_("Being taken"), "kept": N_("Taken"),
    "withdrawn": N_("Withdrawn"),
}  # fmt: skip
"""What a file's state is called."""
_CHOOSE = N_("Choose an Excel or CSV file.")
_SENDER = N_("Choose who sends it.")


async def show_list(request: Request) -> Response:
    """The latest files, and a form for another."""
    actor_of(request)
    return await _list(request, {}, [])


async def _list(request: Request, fields: dict[str, str], mistakes: list[Mistake], status: int = 200) -> Response:
    uploads = uploads_of(request)
    senders = [one for one in await uploads.intake.senders.all() if one.state != "stopped"]
    own = await uploads.catalogue.of(fields["sender"]) if fields.get("sender") else shipped()
    looked_at = await Sources(uploads.intake).all()
    return page(
        request, "tables/list.html", looked_at=looked_at, status=status, mistakes=mistakes, fields=fields, senders=senders,
        names={one.sender.id: one.sender.name for one in senders}, listed=await uploads.latest(), states=STATES,
        mappings=own.values(), **helpers(request),
    )  # fmt: skip


async def take_file(request: Request) -> Response:
    """Keep a file to be looked at."""
    expect_same_site(request)
    actor = actor_of(request)
    uploads = uploads_of(request)
    try:
        fields, title, body = await read_upload(request)
    except TooLarge as problem:
        return await _list(request, {}, [Mistake("file", str(problem))], 413)
    sender = fields.get("sender", "")
    mistakes = [] if sender else [Mistake("sender", gettext(request, _SENDER))]
    if not body:
        mistakes.append(Mistake("file", gettext(request, _CHOOSE)))
    if mistakes:
        return await _list(request, fields, mistakes, 422)
    try:
        made = await uploads.look(sender, title or "-", body, mapping=fields.get("mapping", ""), by=actor.id)
    except WrongFile as problem:
        return await _list(request, fields, [Mistake("file", said(request, str(problem)))], 422)
    except NotFound:
        return await _list(request, {}, [Mistake("sender", gettext(request, _SENDER))], 422)
    return RedirectResponse(f"{PATH}/{made.id}", 303)


async def show_upload(request: Request) -> Response:
    """A file: what it would become, until it is confirmed; then what became of its rows."""
    actor_of(request)
    found = await uploads_of(request).get(upload_id(request))
    return await _show(request, found)


async def _show(request: Request, found: Upload, mistake: str = "") -> Response:
    uploads = uploads_of(request)
    known = await uploads.intake.senders.get(found.sender)
    common = {"upload": found, "sender": known, "states": STATES, **helpers(request)}
    mappings = (await uploads.catalogue.of(found.sender)).values()
    if found.state in {"looked", "withdrawn"}:
        mistakes = [Mistake("mapping", mistake)] if mistake else []
        return page(
            request, "tables/preview.html", status=422 if mistake else 200, preview=found.preview, mappings=mappings,
            mistakes=mistakes, ready=bool(found.mapping) and not found.preview.get("missing"), **common,
        )  # fmt: skip
    result = await uploads.result(found.id)
    refused = await uploads.refused(found.id, SHOWN_REFUSED) if result.dead else []
    return page(
        request, "tables/result.html", fragment="tables/_result.html", result=result,
        refused=[(one.number, one.row, said_all(request, one.complaints)) for one in refused], **common,
    )  # fmt: skip


def said_all(request: Request, complaints: Any) -> list[tuple[str, str]]:
    """Complaints as pairs of place and sentence, in the reader's language."""
    return [(str(one.get("place", "")), said(request, str(one.get("text", "")))) for one in complaints]


async def take_step(request: Request) -> Response:
    """Confirm a file, leave it, or look at it by another mapping."""
    expect_same_site(request)
    actor_of(request)
    uploads, id_ = uploads_of(request), upload_id(request)
    form = await read_form(request, 10_000)
    step = form.get("step")
    try:
        if step == "confirm":
            await uploads.confirm(id_)
            _work(uploads)
        elif step == "withdraw":
            await uploads.withdraw(id_)
            return RedirectResponse(PATH, 303)
        elif step == "choose":
            await uploads.choose(id_, form.get("mapping", ""))
        else:
            raise Invalid("a step is confirm, withdraw or choose")
    except Conflict:  # somebody else took the step meanwhile: what there is now says so
        pass
    except NotFound as problem:
        if step != "choose":
            raise
        return await _show(request, await uploads.get(id_), str(problem))
    return RedirectResponse(f"{PATH}/{id_}", 303)


def _work(uploads: Uploads) -> None:
    """Begin with the rows at once; should this process die, a worker goes on."""

    async def work() -> None:
        try:
            while await uploads.work():
                pass
        except Exception:  # noqa: BLE001 - nobody waits for it: a worker will go on
            _log.exception("rows of a table")

    task = asyncio.create_task(work())
    _WORKING.add(task)
    task.add_done_callback(_WORKING.discard)


async def download_corrected(request: Request) -> Response:
    """The rows that were refused, each with the reason, to be mended and uploaded again."""
    actor_of(request)
    uploads, id_ = uploads_of(request), upload_id(request)
    found = await uploads.get(id_)
    body, kind, charset = await uploads.corrected(id_)
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", found.title) or "table"
    name = quote(f"{stem}-退回.{kind}")
    headers = {"content-disposition": f"attachment; filename=\"refused.{kind}\"; filename*=UTF-8''{name}"}
    return Response(body, media_type=media_type(kind, charset), headers=headers)
