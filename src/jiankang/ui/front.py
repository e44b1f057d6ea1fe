"""The front page: what this is, where it leads, and how the server is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jiankang.ui.site import page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class State:
    """How the server is: whether it answers, and figures by names that are to be translated."""

    up: bool
    version: str
    figures: Sequence[tuple[str, int]] = ()


def front_page(state: Callable[[Request], Awaitable[State]]) -> Callable[[Request], Awaitable[Response]]:
    """The page, with what `state` finds."""

    async def show(request: Request) -> Response:
        return page(request, "ui/front.html", state=await state(request))

    return show
