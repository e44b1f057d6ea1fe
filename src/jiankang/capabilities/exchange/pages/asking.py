"""What all pages of this room begin with: who asks, what the address says, moments and texts as people read them."""

from __future__ import annotations

import re
from datetime import timedelta, timezone
from typing import TYPE_CHECKING

from babel.dates import format_timedelta
from markupsafe import Markup

from jiankang.kernel.errors import NotFound
from jiankang.ui import N_, language_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.requests import Request

    from jiankang.capabilities.exchange.intake import Intake
    from jiankang.foundation.access import Actor
    from jiankang.foundation.record.wire.server import Server

PATH = "/-/exchange"
PAGE = 30
CHINA = timezone(timedelta(hours=8))
STATES = {
    "waiting": N_("Waiting to land"), "landed": N_("Landed"), "dead": N_("Cannot be used"), "refused": N_("Refused"),
    "tested": N_("Tested, nothing written"), "dropped": N_("Put away"),
}  # fmt: skip
"""What became of a letter, in words."""
STATE_KINDS = {
    "landed": "good",
    "dead": "bad",
    "refused": "bad",
    "waiting": "plain",
    "tested": "plain",
    "dropped": "plain",
}
FATES = {"mapped": N_("Mapped"), "kept": N_("Kept in the original"), "dropped": N_("Left out")}
SENDER_STATES = {"testing": N_("On probation"), "connected": N_("Connected"), "stopped": N_("Stopped")}


def server_of(request: Request) -> Server:
    """The FHIR server."""
    found: Server = request.app.state.server
    return found


def intake_of(request: Request) -> Intake:
    """The inbox."""
    found: Intake = request.app.state.exchange.intake
    return found


def actor_of(request: Request) -> Actor:
    """Who asks."""
    return server_of(request).authenticate(request.scope)


def number_in(request: Request) -> int:
    """The letter that an address names. Raises NotFound."""
    number: int = request.path_params["number"]
    if number > 2**63 - 1:
        raise NotFound("there is no such letter")
    return number


def number_of(text: str | None, without: int) -> int:
    """A number in an address; `without` where it is none."""
    return int(text) if text and re.fullmatch(r"[0-9]{1,18}", text) else without


def here(when: datetime) -> datetime:
    """A moment by the clocks of the region."""
    return when.astimezone(CHINA)


def age(request: Request, since: datetime) -> str:
    """How long ago something was."""
    passed = max(0, int((server_of(request).record.clock() - since).total_seconds()))
    return format_timedelta(passed, locale=language_of(request).locale, threshold=1.5)


def shown(body: bytes, most: int = 200_000) -> str:
    """A body as text, as far as it can be shown."""
    for codec in ("utf-8", "gb18030"):
        try:
            text = body[:most].decode(codec)
        except UnicodeDecodeError:
            continue
        return text.replace("\r\n", "\n").replace("\r", "\n")
    return body[:most].decode("utf-8", "replace").replace("\r", "\n")


def sparkline(minutes: Sequence[int], label: str) -> Markup:
    """Sixty minutes as a small drawing."""
    most = max([*minutes, 1])
    bars = "".join(
        f'<rect x="{place * 2}" y="{20 - max(1, round(20 * count / most))}" width="1.6" height="{max(1, round(20 * count / most))}"/>'
        for place, count in enumerate(minutes)
        if count
    )
    drawing = (
        f'<svg class="jk-spark" viewBox="0 0 120 20" role="img" aria-label="{{}}" width="120" height="20">{bars}</svg>'
    )
    return Markup(drawing).format(label)  # noqa: S704 - numbers only, and a label that is escaped
