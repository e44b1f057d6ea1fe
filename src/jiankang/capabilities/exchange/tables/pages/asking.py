"""What all pages of this part begin with: who asks, for which file; and how sentences of two languages are shown."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from jiankang.capabilities.exchange.room import open_exchange
from jiankang.capabilities.exchange.tables.sheets import MOST_BYTES
from jiankang.foundation.access import EVERYTHING
from jiankang.kernel.errors import Forbidden, Invalid, NotFound, TooLarge, Unavailable, UnsupportedMediaType
from jiankang.ui import language_of

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request

    from jiankang.capabilities.exchange.tables.uploads import Uploads
    from jiankang.foundation.access import Actor

PATH = "/-/exchange/tables"
UPLOAD_SECONDS = 600
_OVERHEAD = 100_000
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SENDER = re.compile(r"[^\s/]{1,100}")


def uploads_of(request: Request) -> Uploads:
    """The files of this platform. Raises Unavailable where the exchange is not open."""
    found: Uploads | None = getattr(request.app.state, "tables", None)
    if found is None:
        found = getattr(open_exchange(request.app.state.server), "tables", None)
    if found is None:
        raise Unavailable("the exchange is not open on this server")
    return found


def actor_of(request: Request) -> Actor:
    """Who asks: files hold rows of anybody, so it is one who may see everything. Raises Forbidden."""
    actor: Actor = request.app.state.server.authenticate(request.scope)
    if actor.restriction is not EVERYTHING or actor.write_restriction is not None:
        raise Forbidden("tables are uploaded by those who may see and write all records")
    return actor


def upload_id(request: Request) -> str:
    """The file that an address names. Raises NotFound for what names none."""
    written: str = request.path_params["upload"]
    if not _ID.fullmatch(written):
        raise NotFound("there is no such upload")
    return written


async def read_upload(request: Request) -> tuple[dict[str, str], str, bytes]:
    """The fields of a form with a file, the file's name and its bytes; within bounds.

    https://www.rfc-editor.org/rfc/rfc7578. Raises TooLarge, Invalid, Unavailable, UnsupportedMediaType.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UnsupportedMediaType("a file is sent as multipart/form-data")
    parser = MultiPartParser(request.headers, _bounded(request), max_files=1, max_fields=10, max_part_size=10_000)
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            form = await parser.parse()
    except TimeoutError:
        raise Unavailable("the file did not arrive in time") from None
    except (MultiPartException, KeyError, UnicodeDecodeError):
        raise Invalid("the form cannot be read") from None
    try:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        file = next((value for value in form.values() if isinstance(value, UploadFile)), None)
        body = await file.read() if file is not None else b""
        name = (file.filename or "") if file is not None else ""
    finally:
        await form.close()
    return fields, re.sub(r"[\x00-\x1f/\\]", "", name)[:120], body


async def _bounded(request: Request) -> AsyncGenerator[bytes, None]:
    came = 0
    async for piece in request.stream():
        came += len(piece)
        if came > MOST_BYTES + _OVERHEAD:
            raise TooLarge(f"the file has more than {MOST_BYTES // 2**20} MB: split it")
        yield piece


def said(request: Request, text: str) -> str:
    """A sentence that is written in both languages, `中文 / English`, in the reader's."""
    chinese, mark, english = text.partition(" / ")
    if not mark:
        return text
    return chinese if language_of(request).code == "zh" else english


def titled(request: Request, chinese: str, english: str) -> str:
    """A title that stands in both languages."""
    return chinese if language_of(request).code == "zh" else english


def helpers(request: Request) -> dict[str, Any]:
    """What templates of this part ask for words."""

    def when(moment: datetime) -> str:
        from datetime import timedelta, timezone

        return f"{moment.astimezone(timezone(timedelta(hours=8))):%Y-%m-%d %H:%M}"

    return {
        "said": lambda text: said(request, str(text)), "when": when, "path_": PATH,
        "titled": lambda one: titled(request, one.title_zh, one.title_en),
    }  # fmt: skip
