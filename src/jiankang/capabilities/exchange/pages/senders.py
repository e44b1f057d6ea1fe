"""Connected systems: add one, watch it on probation, connect it, stop it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse

from jiankang.capabilities.exchange.intake.senders import STATES
from jiankang.capabilities.exchange.model import Sender
from jiankang.capabilities.exchange.onboarding import checklist
from jiankang.capabilities.exchange.pages import records
from jiankang.capabilities.exchange.pages.asking import PATH, intake_of, server_of
from jiankang.capabilities.exchange.pages.overview import common
from jiankang.kernel.errors import Conflict, Invalid
from jiankang.ui import N_, Mistake, expect_same_site, gettext, page, read_form

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_FORM_BYTES = 50_000
_ID = re.compile(r"[a-z0-9][a-z0-9-]{1,39}")


async def show_senders(request: Request) -> Response:
    """All systems, and a form for one more."""
    return await _show(request)


async def add_sender(request: Request) -> Response:
    """Register a system; it begins on probation."""
    expect_same_site(request)
    form = await read_form(request, _FORM_BYTES)
    mistakes = _mistakes(request, form)
    if not mistakes:
        sender = Sender(
            form["id"], form["name"].strip(), form.get("facility", "").strip(), charset=form.get("charset", "").strip(),
            authorities=_pairs(form.get("authorities", "")), systems=_pairs(form.get("systems", "")),
        )  # fmt: skip
        names = [line.strip() for line in form["names"].splitlines() if line.strip()]
        try:
            await intake_of(request).senders.add(
                sender, names=names, certificate=_fingerprint(form.get("certificate", ""))
            )
            return RedirectResponse(f"{PATH}/senders/{sender.id}", 303)
        except Conflict as problem:
            mistakes = [Mistake("id", str(problem))]
    return await _show(request, status=422, mistakes=mistakes, filled=form)


def _mistakes(request: Request, form: dict[str, str]) -> list[Mistake]:
    found = []
    if not _ID.fullmatch(form.get("id", "")):
        found.append(
            Mistake("id", gettext(request, N_("Enter an id of small letters, digits and hyphens, such as cm-rmyy-his")))
        )
    if not form.get("name", "").strip():
        found.append(Mistake("name", gettext(request, N_("Enter what people call the system"))))
    lines = [line for line in form.get("names", "").splitlines() if line.strip()]
    if not lines or any("|" not in line for line in lines):
        found.append(
            Mistake(
                "names", gettext(request, N_("Enter application|facility as MSH-3 and MSH-4 say it, one to a line"))
            )
        )
    found += [
        Mistake(name, gettext(request, N_("Write name=address, one to a line")))
        for name in ("authorities", "systems")
        if any("=" not in line for line in form.get(name, "").splitlines() if line.strip())
    ]
    return found


def _pairs(text: str) -> dict[str, str]:
    told = [line.partition("=") for line in text.splitlines() if "=" in line]
    return {name.strip(): uri.strip() for name, _, uri in told if name.strip() and uri.strip()}


def _fingerprint(text: str) -> str:
    return re.sub(r"[^0-9a-f]", "", text.lower())


async def show_sender(request: Request) -> Response:
    """One system: what was agreed with it, and what it still has to show on probation."""
    return await _show_one(request)


async def act_on_sender(request: Request) -> Response:
    """Connect a system, stop it, put it on probation, or give it a new secret."""
    expect_same_site(request)
    form = await read_form(request, _FORM_BYTES)
    intake, id_ = intake_of(request), request.path_params["id"]
    what = form.get("do", "")
    if what == "secret":
        return await _show_one(request, secret=await intake.senders.new_secret(id_))
    if what not in STATES:
        raise Invalid(f"{what!r} is nothing that a sender can be")
    changes: dict[str, Any] = {"state": what}
    if what == "connected":
        changes["certified"] = server_of(request).record.clock()
    await intake.senders.change(id_, **changes)
    return RedirectResponse(f"{PATH}/senders/{id_}", 303)


async def _show_one(request: Request, secret: str = "") -> Response:
    intake = intake_of(request)
    known = await intake.senders.get(request.path_params["id"])
    async with intake.record.pool.connection() as db:
        hour = (await records.hours(db)).get(known.sender.id, records.Hour())
        steps = await checklist(db, known)
    return page(
        request, "exchange/sender.html", fragment=None, known=known, hour=hour, steps=steps, secret=secret,
        ready=all(step.done for step in steps), **common(request, "senders"),
    )  # fmt: skip


async def _show(
    request: Request, *, status: int = 200, mistakes: list[Mistake] | None = None, filled: dict[str, str] | None = None
) -> Response:
    known = await intake_of(request).senders.all()
    return page(
        request, "exchange/senders.html", fragment=None, status=status, known=known, mistakes=mistakes or [],
        filled=filled or {}, **common(request, "senders"),
    )  # fmt: skip
