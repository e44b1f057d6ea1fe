"""All pages as one site: templates, languages, style sheets and routes of all rooms, and pages that tell of problems."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from jiankang.kernel.errors import Problem
from jiankang.kernel.ids import new_uuid7
from jiankang.ui.assets import Assets
from jiankang.ui.forms import read_form
from jiankang.ui.languages import COOKIE, LANGUAGES, Catalogue, catalogues, language_of
from jiankang.ui.protection import Protection, expect_same_site

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HERE = Path(__file__).parent
_YEAR = 31_536_000
_log = logging.getLogger("jiankang.pages")


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for it
    """Marks a sentence that is translated where it is shown."""
    return text


@dataclass(frozen=True)
class Entry:
    """A page that the menu and the front page lead to. Title and text are sentences to be translated."""

    path: str
    title: str
    text: str


@dataclass(frozen=True)
class Room:
    """What a room gives to the site: a folder with `templates`, `languages` and maybe `assets`, its routes and menu."""

    folder: Path
    routes: Sequence[BaseRoute] = ()
    menu: Sequence[Entry] = ()


State = Callable[["Request"], Any]


@dataclass
class Site:
    """The pages of all rooms. It is `request.app.state.site`."""

    rooms: Sequence[Room]
    more: Sequence[BaseRoute] = ()
    words: dict[str, Catalogue] = field(init=False)
    assets: Assets = field(init=False)
    menu: list[Entry] = field(init=False)

    def __post_init__(self) -> None:
        """Read templates, sentences and files."""
        folders = [HERE, *(room.folder for room in self.rooms)]
        self.words = catalogues(folders)
        self.assets = Assets([HERE / "static", *(folder / "assets" for folder in folders)])
        self.menu = [entry for room in self.rooms for entry in room.menu]
        self._environments = {code: self._environment(folders, words) for code, words in self.words.items()}

    def _environment(self, folders: Sequence[Path], words: Catalogue) -> Environment:
        loader = ChoiceLoader([FileSystemLoader(folder / "templates") for folder in folders])
        made = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )  # fmt: skip
        made.install_gettext_callables(words.gettext, words.ngettext, newstyle=True)  # type: ignore[attr-defined]
        made.filters["number"] = words.number
        made.globals.update(asset=self.assets.url, menu=self.menu, languages=LANGUAGES, link=link)
        return made

    def render(self, request: Request, template: str, **values: Any) -> str:
        """A template's text in the reader's language."""
        language = language_of(request)
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        template_ = self._environments[language.code].get_template(template)
        return template_.render(language=language, here=here, path=request.url.path, **values)

    @property
    def routes(self) -> list[BaseRoute]:
        """All addresses of the site."""
        own: list[BaseRoute] = [
            Route("/-/static/{digest}/{name}", self.assets.serve),
            Route("/-/language", choose_language, methods=["POST"]),
        ]
        return [*own, *self.more, *(route for room in self.rooms for route in room.routes)]


def site_of(request: Request) -> Site:
    """The site that a request is made of."""
    found: Site = request.app.state.site
    return found


def is_fragment(request: Request) -> bool:
    """Whether only the part that changes is asked for (https://htmx.org/reference/#request_headers)."""
    headers = request.headers
    return "hx-request" in headers and "hx-boosted" not in headers and "hx-history-restore-request" not in headers


def page(
    request: Request, template: str, *, status: int = 200, fragment: str | None = None, **values: Any
) -> HTMLResponse:  # fmt: skip
    """A page; or the `fragment` of it, where only that is asked for."""
    chosen = fragment if fragment is not None and is_fragment(request) else template
    text = site_of(request).render(request, chosen, status=status, **values)
    headers = {"vary": "Accept-Language, Cookie, HX-Request", "content-language": language_of(request).tag}
    return HTMLResponse(text, status, headers)


def gettext(request: Request, text: str) -> str:
    """A sentence in the reader's language."""
    return site_of(request).words[language_of(request).code].gettext(text)


def link(path: str, **query: Any) -> str:
    """An address with a query, whose empty parts are left out."""
    pairs = [(name, value) for name, value in query.items() if value not in (None, "", False)]
    return f"{path}?{urlencode(pairs)}" if pairs else path


async def choose_language(request: Request) -> Response:
    """Keep the language that a reader chose, and go back to where they were."""
    expect_same_site(request)
    form = await read_form(request, 10_000)
    back = form.get("back", "/")
    parts = urlsplit(back)
    if parts.scheme or parts.netloc or not back.startswith("/") or back.startswith(("//", "/\\")):
        back = "/"
    response = RedirectResponse(back, 303)
    if form.get("language") in LANGUAGES:
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, form["language"], max_age=_YEAR, httponly=True, samesite="lax", secure=secure)
    return response


async def show_problem(request: Request, error: Exception) -> Response:
    """A page that tells what went wrong."""
    issues: list[str] = []
    headers = dict(getattr(error, "headers", None) or {})
    if isinstance(error, Problem):
        status, issues = error.status, [issue.text for issue in error.issues]
    elif isinstance(error, HTTPException):
        status = error.status_code
    else:
        status = 500
        issues = [new_uuid7()]
        _log.error("page %s failed", issues[0], exc_info=error)
    response = page(request, "ui/problem.html", status=status, issues=issues)
    response.headers.update(headers)
    return response


class Telling:
    """Answers with a page when a page fails; the trace is in the log once, under the number that the page tells."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; what is raised before the answer has begun becomes one."""
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            response = await show_problem(Request(scope), error)
            await response(scope, receive, send)


HANDLERS: dict[Any, Any] = {Problem: show_problem, HTTPException: show_problem}
MIDDLEWARE = (
    Middleware(Protection),
    Middleware(GZipMiddleware, minimum_size=1_000, compresslevel=5),
    Middleware(Telling),
)
