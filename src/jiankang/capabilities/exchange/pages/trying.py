"""Paste a message and watch where it would land; nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.capabilities.exchange.hl7v2.checking import check
from jiankang.capabilities.exchange.hl7v2.mapping.structures import structures
from jiankang.capabilities.exchange.hl7v2.wire import Malformed, Message
from jiankang.capabilities.exchange.intake.previewing import Preview, preview
from jiankang.capabilities.exchange.model import Letter, Sender
from jiankang.capabilities.exchange.pages.asking import FATES, intake_of, server_of
from jiankang.capabilities.exchange.pages.overview import common
from jiankang.kernel.errors import NotFound
from jiankang.kernel.jsontext import decode, encode
from jiankang.ui import expect_same_site, page, read_form

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

_FORM_BYTES = 4_000_000


async def show_try(request: Request) -> Response:
    """An empty form, or one with an example in it."""
    return await _show(request, _example(request.query_params.get("example", "")), "")


async def try_letter(request: Request) -> Response:
    """What the message in the form would become."""
    expect_same_site(request)
    form = await read_form(request, _FORM_BYTES)
    text = form.get("text", "").replace("\r\n", "\n").strip("\n")
    sender = form.get("sender", "")
    intake = intake_of(request)
    try:
        whose = (await intake.senders.get(sender)).sender
    except NotFound:
        whose = Sender("trial", "trial")
    xml = text.lstrip("\ufeff ").startswith("<")
    body = text.encode() if xml else (text.replace("\n", "\r") + "\r").encode()
    letter = Letter(
        "cda" if xml and "cda" in intake.formats else "hl7v2", body, server_of(request).record.clock(), "trial"
    )
    would = await preview(intake, whose, letter)
    if letter.format == "hl7v2":
        _check_first(would, body)
    return await _show(request, text, sender, would)


def _check_first(would: Preview, body: bytes) -> None:
    """What the door would say before anything else."""
    try:
        would.complaints = [*check(Message(body)), *would.complaints]
    except Malformed:
        return


async def _show(request: Request, text: str, sender: str, would: Preview | None = None) -> Response:
    senders = await intake_of(request).senders.all()
    return page(
        request, "exchange/try.html", fragment=None, text=text, sender=sender, would=would, senders=senders, fate_words=FATES,
        examples=[one.name for one in structures()], pretty=_pretty, **common(request, "try"),
    )  # fmt: skip


def _pretty(resource: dict[str, object]) -> str:
    import json

    return json.dumps(decode(encode(resource)), ensure_ascii=False, indent=2, default=str)


def _example(name: str) -> str:
    """A sample of a message structure."""
    if name not in {one.name for one in structures()}:
        return ""
    from jiankang.capabilities.exchange.hl7v2 import mapping

    folder: Path = _folder(mapping.__file__ or "") / name.lower() / "samples" / "first.hl7"
    raw = folder.read_bytes()
    return Message(raw).text.replace("\r", "\n").strip("\n")


def _folder(file: str) -> Path:
    from pathlib import Path

    return Path(file).parent.parent
