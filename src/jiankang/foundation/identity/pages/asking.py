"""What all pages of this room begin with: who asks, what the address says, and the words for scores, moments and kinds."""

from __future__ import annotations

import re
from datetime import timedelta, timezone
from typing import TYPE_CHECKING

from babel.dates import format_timedelta

from jiankang.foundation.identity.reasons import REASONS
from jiankang.foundation.identity.room import identity_of
from jiankang.kernel.errors import Invalid, NotFound
from jiankang.ui import N_, language_of

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request

    from jiankang.foundation.access import Actor
    from jiankang.foundation.identity.reasons import Reason
    from jiankang.foundation.identity.room import Identity
    from jiankang.foundation.record.wire.server import Server

PATH = "/-/identity"
PAGE = 20
KEYS_COOKIE = "identity-keys"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_OURS = re.compile(rf"{PATH}(/[A-Za-z0-9-][A-Za-z0-9.-]*)*")
_MOST = 2**63 - 1
_FULL_WIDTH = str.maketrans({",": "\uff0c", ":": "\uff1a", ";": "\uff1b", "(": "\uff08", ")": "\uff09"})
_ALMOST = 0.9999
CHINA = timezone(timedelta(hours=8))
"""The one time of China, without daylight saving since 1991."""

DONE = {
    "merge": N_("Linked: both are one person."), "always": N_("Said for good: both are one person."),
    "never": N_("Said for good: they are two people."), "move": N_("A registration was linked elsewhere."),
    "undo": N_("Taken back."),
}  # fmt: skip
"""What an operation did."""
KINDS = {
    "merge": N_("Linked two persons"), "always": N_("Always one person"), "never": N_("Never one person"),
    "move": N_("Moved a registration"), "undo": N_("Took back"),
}  # fmt: skip
"""What an operation is called in the history."""
MADE = {
    "register": N_("Linked when it was registered"), "update": N_("Linked when it was changed"),
    "join": N_("Two persons turned out to be one"),
}  # fmt: skip
"""What an automatic link is called."""


def server_of(request: Request) -> Server:
    """The FHIR server whose record is asked."""
    found: Server = request.app.state.server
    return found


def room_of(request: Request) -> Identity:
    """The identity room."""
    return identity_of(server_of(request).record)


def actor_of(request: Request) -> Actor:
    """Who asks."""
    return server_of(request).authenticate(request.scope)


def task_number(request: Request) -> int:
    """The question that an address names. Raises NotFound for numbers that none has."""
    number: int = request.path_params["task"]
    if number > _MOST:
        raise NotFound("there is no such question")
    return number


def number_of(text: str | None, without: int) -> int:
    """A key in an address; `without` where it is none."""
    found = int(text) if text and re.fullmatch(r"-?[0-9]{1,19}", text) else without
    return found if -_MOST - 1 <= found <= _MOST else without


def ids_of(request: Request) -> tuple[str, str]:
    """The two registrations that an address names. Raises NotFound where it names one twice."""
    left, right = request.path_params["left"], request.path_params["right"]
    if left == right or not (_ID.fullmatch(left) and _ID.fullmatch(right)):
        raise NotFound("there are no such two registrations")
    return left, right


def back_to(text: str | None) -> str:
    """The page of this room that a form was on."""
    return text if text and _OURS.fullmatch(text) else PATH


def operation_of(text: str | None) -> str:
    """The operation that an address or a form names, "" where there is none. Raises Invalid for what is no id."""
    if text and not _UUID.fullmatch(text):
        raise Invalid("an operation is named by its id")
    return text or ""


def reason_of(text: str | None) -> str:
    """The code of a reason that an address or a form names; "" for none that is known."""
    return text if text in REASONS else ""


def worded(request: Request, said: Reason) -> str:
    """A sentence of the identity room in the reader's language."""
    return in_words(request, said.zh, said.en)


def in_words(request: Request, zh: str, en: str) -> str:
    """Words that stand in both languages beside the rules; Chinese ones with the signs of Chinese print."""
    return zh.translate(_FULL_WIDTH) if language_of(request).code == "zh" else en


def reasons_in_words(request: Request, codes: tuple[str, ...]) -> list[str]:
    """The sentences of reasons; a code that nobody knows any more stands for itself."""
    return [worded(request, REASONS[code]) if code in REASONS else code for code in dict.fromkeys(codes)]


def age(request: Request, since: datetime) -> str:
    """How long ago something was: 3 days."""
    passed = max(0, int((server_of(request).record.clock() - since).total_seconds()))
    return format_timedelta(passed, locale=language_of(request).locale, threshold=1.5)


def keys_are_on(request: Request) -> bool:
    """Whether single keys decide; a reader can turn them off (WCAG 2.2, 2.1.4)."""
    return request.cookies.get(KEYS_COOKIE) != "off"


def here(when: datetime) -> datetime:
    """A moment by the clocks of the region."""
    return when.astimezone(CHINA)


def moment(when: datetime) -> str:
    """A moment by the clocks of the region, to the minute."""
    return f"{here(when):%Y-%m-%d %H:%M}"


def percent(share: float) -> str:
    """A share between 0 and 1 in words that never round doubt away."""
    if share in {0, 1}:
        return f"{share:.0%}"
    if share > _ALMOST:
        return "> 99.99%"
    if share < 1 - _ALMOST:
        return "< 0.01%"
    return f"{share * 100:.{2 if share > 0.99 or share < 0.01 else 1}f}%"
