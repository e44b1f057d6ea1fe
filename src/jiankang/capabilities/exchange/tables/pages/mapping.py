"""/-/exchange/tables/mappings: how tables are read, and mappings of a sender's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse, Response

from jiankang.capabilities.exchange.tables.looking import columns_of
from jiankang.capabilities.exchange.tables.pages.asking import PATH, actor_of, helpers, uploads_of
from jiankang.capabilities.exchange.tables.parsing import MOST_BYTES, WrongMapping
from jiankang.capabilities.exchange.tables.shelf import shipped
from jiankang.kernel.errors import Conflict, NotFound
from jiankang.ui import N_, Mistake, expect_same_site, gettext, link, page, read_form

if TYPE_CHECKING:
    from starlette.requests import Request

_SENDER = N_("Choose whose tables are read with it.")
_WRONG = N_("The mapping is wrong in line %(line)s.")
_TAKEN = N_("This version is kept already with another text: raise the version.")


async def show_mappings(request: Request) -> Response:
    """All mappings that a sender's tables can be read with, and a form for one of its own."""
    actor_of(request)
    return await _show(request, {"sender": request.query_params.get("sender", "")}, [])


async def _show(
    request: Request, fields: dict[str, str], mistakes: list[Mistake], status: int = 200, reason: str = ""
) -> Response:
    uploads = uploads_of(request)
    sender = fields.get("sender", "")
    known = await uploads.intake.senders.all()
    listed = await uploads.catalogue.of(sender) if sender in {one.sender.id for one in known} else shipped()
    return page(
        request, "tables/mappings.html", status=status, reason=reason, mistakes=mistakes, fields=fields, senders=known,
        listed=[(one, one.name not in shipped() or shipped()[one.name].text != one.text) for one in listed.values()],
        **helpers(request),
    )  # fmt: skip


async def show_mapping(request: Request) -> Response:
    """One mapping: its columns, the headings that they may have, what becomes of each; its text."""
    actor_of(request)
    sender = request.query_params.get("sender", "")
    listed = await uploads_of(request).catalogue.of(sender) if sender else shipped()
    found = listed.get(request.path_params["name"])
    if found is None:
        raise NotFound("there is no such mapping")
    rows = [(column, *fate) for column, fate in zip(found.columns.values(), columns_of(found), strict=True)]
    return page(request, "tables/mapping.html", mapping=found, rows=rows, sender=sender, **helpers(request))


async def add_mapping(request: Request) -> Response:
    """Keep a mapping of a sender's own; a wrong one comes back with line and reason."""
    expect_same_site(request)
    actor = actor_of(request)
    form = await read_form(request, MOST_BYTES * 4)
    uploads, sender = uploads_of(request), form.get("sender", "")
    if sender not in {one.sender.id for one in await uploads.intake.senders.all()}:
        return await _show(request, form, [Mistake("sender", gettext(request, _SENDER))], 422)
    try:
        made = await uploads.catalogue.add(sender, form.get("text", "").replace("\r\n", "\n"), actor.id)
    except WrongMapping as problem:
        mistake = Mistake("text", gettext(request, _WRONG) % {"line": problem.line})
        return await _show(request, form, [mistake], 422, problem.reason)
    except Conflict:
        return await _show(request, form, [Mistake("text", gettext(request, _TAKEN))], 422)
    return RedirectResponse(link(f"{PATH}/mappings/{made.name}", sender=sender), 303)
