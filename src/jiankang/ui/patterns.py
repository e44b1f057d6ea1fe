"""All parts of pages in every state, on one page that people look at and tests photograph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jiankang.ui.forms import Mistake
from jiankang.ui.site import page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_TREE = [
    {
        "code": "46", "display": "海南省", "lang": "zh-Hans", "href": "#tree", "key": "46", "here": False, "open": True,
        "opens": "#tree", "fetch": "/-/patterns", "inner": [
            {"code": "4601", "display": "海口市", "lang": "zh-Hans", "href": "#tree", "key": "4601", "here": True,
             "open": False, "opens": "#tree", "fetch": "/-/patterns", "inner": []},
            {"code": "469023", "display": "澄迈县", "lang": "zh-Hans", "href": "#tree", "key": "469023", "here": False,
             "open": False, "opens": "", "fetch": "", "inner": []},
        ],
    },
]  # fmt: skip


async def show_patterns(request: Request) -> Response:
    """The page of patterns."""
    return page(request, "ui/patterns.html", nodes=_TREE, mistake=Mistake)
