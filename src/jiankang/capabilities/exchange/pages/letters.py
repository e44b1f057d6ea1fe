"""Letters: a list, the way of one from the wire into the record, and mending what cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse

from jiankang.capabilities.exchange.intake.previewing import preview
from jiankang.capabilities.exchange.model import Fate, Letter, Sender, Unreadable
from jiankang.capabilities.exchange.pages import records
from jiankang.capabilities.exchange.pages.asking import (
    FATES,
    PAGE,
    PATH,
    STATE_KINDS,
    STATES,
    actor_of,
    intake_of,
    number_in,
    number_of,
    shown,
)
from jiankang.capabilities.exchange.pages.overview import common
from jiankang.kernel.errors import Conflict, Invalid, NotFound
from jiankang.ui import Mistake, expect_same_site, page, read_form

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from jiankang.capabilities.exchange.intake import Intake

_FORM_BYTES = 40_000_000
_LAST = 2**62


async def show_letters(request: Request) -> Response:
    """Letters, the newest first, of a sender, a state, a kind or a key."""
    asked = request.query_params
    before = number_of(asked.get("before"), _LAST)
    wanted = {name: asked.get(name, "").strip()[:200] for name in ("sender", "state", "kind", "key")}
    if wanted["state"] not in STATES:
        wanted["state"] = ""
    intake = intake_of(request)
    async with intake.record.pool.connection() as db:
        found = await records.listed(db, before=before, count=PAGE + 1, **wanted)
    senders = [one.sender.id for one in await intake.senders.all()]
    return page(
        request, "exchange/letters.html", fragment=None, listed=found[:PAGE], more=len(found) > PAGE, wanted=wanted,
        first=before == _LAST, senders=senders, states=STATES, state_kinds=STATE_KINDS, **common(request, "letters"),
    )  # fmt: skip


async def show_letter(request: Request) -> Response:
    """One letter: what arrived, what each field became, what was made of it, what is wrong."""
    return await _show(request)


async def act_on_letter(request: Request) -> Response:
    """Check a mended text, land it, land the letter again, or put it away."""
    expect_same_site(request)
    form = await read_form(request, _FORM_BYTES)
    number, intake, by = number_in(request), intake_of(request), actor_of(request).id
    try:
        match form.get("do"):
            case "check":
                return await _show(request, text=form.get("text", ""), checked=True)
            case "mend":
                body = await _encoded(intake, number, form.get("text", ""))
                landed = await intake.mend(number, body, by)
                if landed.state == "dead":
                    return await _show(request, text=form.get("text", ""), status=422)
            case "again":
                await intake.land(number)
            case "drop":
                await intake.drop(number, by)
            case other:
                raise Invalid(f"{other!r} is nothing that can be done with a letter")
    except Conflict as problem:
        return await _show(request, mistakes=[Mistake("text", str(problem))], status=409)
    return RedirectResponse(f"{PATH}/letters/{number}", 303)


async def _show(
    request: Request, *, text: str | None = None, checked: bool = False, status: int = 200, **more: Any
) -> Response:
    intake, number = intake_of(request), number_in(request)
    async with intake.record.pool.connection() as db:
        found = await records.one(db, number)
    if found is None:
        raise NotFound("there is no such letter")
    sender = await _sender(intake, found.sender)
    body = found.mended or found.body
    edited = text if text is not None else shown(body)
    letter = _letter(found, body if text is None else _as_bytes(found, text))
    would = await preview(intake, sender, letter) if checked and found.format in intake.formats else None
    return page(
        request, "exchange/letter.html", fragment=None, status=status, one=found, sender=sender, text=edited,
        raw=shown(found.body), answer=shown(found.answer), fates=_fates(intake, sender, letter), fate_words=FATES,
        states=STATES, state_kinds=STATE_KINDS, would=would, binary=_is_binary(found.body), mistakes=more.pop("mistakes", []),
        **common(request, "letters"), **more,
    )  # fmt: skip


async def _sender(intake: Intake, id_: str) -> Sender:
    try:
        return (await intake.senders.get(id_)).sender
    except NotFound:
        return Sender(id_, id_)


def _letter(found: records.Full, body: bytes) -> Letter:
    return Letter(
        found.format, body, found.received, found.key, found.kind, found.media_type, found.number, found.context
    )


def _fates(intake: Intake, sender: Sender, letter: Letter) -> list[Fate]:
    language = intake.formats.get(letter.format)
    if language is None:
        return []
    try:
        return language.fates(letter, sender)
    except Unreadable:
        return []


async def _encoded(intake: Intake, number: int, text: str) -> bytes:
    async with intake.record.pool.connection() as db:
        found = await records.one(db, number)
    if found is None:
        raise NotFound("there is no such letter")
    return _as_bytes(found, text)


def _as_bytes(found: records.Full, text: str) -> bytes:
    """A text from a form in the character set and with the line ends of what arrived."""
    text = text.replace("\r\n", "\n")
    if found.format == "hl7v2":
        text = text.replace("\n", "\r")
    try:
        found.body.decode("utf-8")
    except UnicodeDecodeError:
        return text.encode("gb18030", "replace")
    return text.encode()


def _is_binary(body: bytes) -> bool:
    return b"\x00" in body[:4096]
