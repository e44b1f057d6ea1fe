"""DICOMweb behind the policy gate: searches (QIDO-RS) and images (WADO-RS) of the studies that the asker may see.

https://dicom.nema.org/medical/dicom/current/output/html/part18.html#chapter_10. Only what is listed here is passed on.
"""

from __future__ import annotations

import asyncio
import functools
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.responses import Response, StreamingResponse

from jiankang.capabilities.exchange.dicom.archive import JSON
from jiankang.capabilities.exchange.dicom.dataset import Dataset
from jiankang.capabilities.exchange.dicom.gate import actor_of, imaging_of, series_of, server_of, study_for, visible
from jiankang.kernel.errors import Conflict, Invalid, NotAcceptable, NotFound, Problem, Unavailable

if TYPE_CHECKING:
    import httpx
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

Json = dict[str, Any]
PAGE = 100
MOST = 1_000
MOST_LOOKED_AT = 5_000
"""Results that are looked at to find those that the asker may see."""
_SERIES = "series/[0-9.]{1,64}"
_FORMS = "metadata|rendered|thumbnail"
_PARTS = rf"{_FORMS}|frames/[0-9]+(,[0-9]+)*(/rendered)?|bulk/[0-9a-fA-F/]+"
_IMAGES = re.compile(rf"({_FORMS}|{_SERIES}(/({_FORMS}))?|{_SERIES}/instances/[0-9.]{{1,64}}(/({_PARTS}))?)?")
_SERIES_OF = re.compile("series/([0-9.]{1,64})(?:/|$)")
_LISTS = re.compile(rf"(series|instances|{_SERIES}/instances)")
_NAME = re.compile(r"[A-Za-z0-9.]{1,128}")
_OF_STUDY = frozenset({"studyinstanceuid", "0020000d"})
_PASSED = ("content-type", "content-length", "etag", "last-modified")
_ANY_PART = re.compile(r""";\s*type="?\*/\*"?""")
"""What says that parts of any kind will do; the archive understands that only when it is not said."""
_PART_TYPE = re.compile(r"""(type="[^";]*);[^"]*(")""")
"""The kind of parts, where the archive puts more into it than its kind."""
_THUMBNAIL = "128,128"

Handler = Callable[["Request"], Awaitable[Response]]


def told_plainly(handler: Handler) -> Handler:
    """The handler, whose problems are answered as programs read them."""

    @functools.wraps(handler)
    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except Problem as problem:
            text = json.dumps({"status": problem.status, "message": str(problem)}, ensure_ascii=False)
            return Response(text, problem.status, media_type="application/json")

    return answered


# -- searches -----------------------------------------------------------------------------------------------------


@told_plainly
async def search(request: Request) -> Response:
    """Studies, series or instances that the asker may see: PS3.18, 10.6."""
    level = request.url.path.rsplit("/", 1)[-1]
    return await _searched(request, level, lambda _: True)


@told_plainly
async def of_study(request: Request) -> Response:
    """What is below a study: its series and instances as a search, its images as they are asked for."""
    study, rest = request.path_params["study"], request.path_params.get("rest", "").rstrip("/")
    told = series_of(await study_for(server_of(request), actor_of(request), study))
    if (named := _SERIES_OF.match(rest)) and named[1] not in told:
        raise NotFound("there is no such series")
    if _LISTS.fullmatch(rest):
        return await _searched(request, f"studies/{study}/{rest}", lambda one: one.uid("StudyInstanceUID") == study)
    if not _IMAGES.fullmatch(rest):
        raise NotFound("there is nothing at this address")
    if named is None:
        await _expect_told(request, study, told)
    return await _images(request, f"studies/{study}/{rest}".rstrip("/"))


async def _searched(request: Request, path: str, belongs: Callable[[Dataset], bool]) -> Response:
    if not _accepts_json(request.headers.get("accept", "")):
        raise NotAcceptable(f"results are told as {JSON} only")
    query, offset, limit = _asked(request)
    if "/" in path:
        query = [(name, value) for name, value in query if name.lower() not in _OF_STUDY]
    found: list[Json] = []
    looked, passed, more = 0, 0, False
    while looked < MOST_LOOKED_AT and not more:
        page = [("limit", str(PAGE)), ("offset", str(looked))]
        results = await imaging_of(request).archive.query(path, [*query, *page], _asker(request))
        may_see = await _visible(request, [one for one in results if belongs(Dataset(one))])
        for one in may_see[max(0, offset - passed) :]:
            more = len(found) == limit
            if more:
                break
            found.append(one)
        passed += len(may_see)
        looked += len(results)
        if len(results) < PAGE:
            break
    else:
        more = True
    headers = {
        "warning": f'299 {request.headers.get("host", "jiankang")} "there are additional results that can be requested"'
    }
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    return Response(text, 200, headers if more else None, media_type=JSON)


async def _visible(request: Request, results: list[Json]) -> list[Json]:
    read = [Dataset(one) for one in results]
    of = Counter(one.uid("StudyInstanceUID") for one in read)
    seen = await visible(server_of(request), actor_of(request), of)
    told = {uid: series_of(one) for uid, one in seen.items()} if any("0020000E" in one for one in results) else {}
    return [one for one, study in zip(results, read, strict=True) if _is_told(study, of, seen, told)]


def _is_told(one: Dataset, of: Mapping[str, int], seen: Collection[str], told: Mapping[str, Collection[str]]) -> bool:
    """Whether the record tells of a result. Two studies of one number are of two people: neither is shown."""
    study, series = one.uid("StudyInstanceUID"), one.uid("SeriesInstanceUID")
    return study in seen and (series in told[study] if series else of[study] == 1)


def _asked(request: Request) -> tuple[list[tuple[str, str]], int, int]:
    """Conditions, offset and limit of a search. Raises Invalid."""
    query, offset, limit = [], 0, PAGE
    for name, value in request.query_params.multi_items():
        if name in {"limit", "offset"}:
            if not (value.isascii() and value.isdigit() and len(value) < 7):
                raise Invalid(f"{name} is a whole number")
            offset, limit = (int(value), limit) if name == "offset" else (offset, min(int(value), MOST))
        elif not _NAME.fullmatch(name) or len(value) > 1_000:
            raise Invalid("a condition is an attribute and what it is to be")
        else:
            query.append((name, value))
    return query, offset, limit


def _accepts_json(accept: str) -> bool:
    named = [part.split(";")[0].strip().lower() for part in accept.split(",") if part.strip()]
    return not named or any(one in {"*/*", "application/*", "application/json", JSON} for one in named)


def _asker(request: Request) -> dict[str, str]:
    """What the archive must know to name addresses as the asker sees them (RFC 7239)."""
    public = urlsplit(server_of(request).settings.base_url)
    host = public.netloc or request.headers.get("host", "")
    if not re.fullmatch(r"[A-Za-z0-9.:\[\]-]{1,255}", host):
        raise Invalid("the Host header is no host")
    return {"forwarded": f"host={host};proto={public.scheme or request.url.scheme}"}


async def _expect_told(request: Request, study: str, told: Collection[str]) -> None:
    """A study as a whole is given when the record tells of all its series. Raises Conflict for one that does not yet."""
    there = await imaging_of(request).archive.query(f"studies/{study}/series", [("limit", str(MOST))])
    if not {Dataset(one).uid("SeriesInstanceUID") for one in there} <= set(told):
        raise Conflict("the study has series that are not in the record (yet): ask series by series, or later")


# -- images -------------------------------------------------------------------------------------------------------


async def _images(request: Request, path: str) -> Response:
    """What the archive answers, passed on as it comes."""
    query = [(name, value) for name, value in request.query_params.multi_items() if _NAME.fullmatch(name)]
    if path.endswith("/thumbnail"):
        path, query = path.removesuffix("thumbnail") + "rendered", [("viewport", _THUMBNAIL)]
    accept = request.headers.get("accept", "*/*")
    accept = _picture(accept) if path.endswith("/rendered") else _ANY_PART.sub("", accept)
    headers = {"accept": accept, "accept-encoding": "identity", **_asker(request)}
    stack = AsyncExitStack()
    try:
        response = await stack.enter_async_context(imaging_of(request).archive.fetched(path, query, headers))
        _expect_found(response, path)
    except BaseException:
        await stack.aclose()
        raise
    passed = {name: _PART_TYPE.sub(r"\1\2", response.headers[name]) for name in _PASSED if name in response.headers}
    passed |= {"content-encoding": "identity", "cache-control": "private, no-cache"}
    return _Passing(stack, response, passed)


def _picture(accept: str) -> str:
    """The kind of picture for what a browser accepts: PNG loses nothing. Raises NotAcceptable."""
    named = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    for kind in ("image/png", "image/jpeg", "image/gif"):
        if kind in named:
            return kind
    if any(one in {"*/*", "image/*", ""} for one in named):
        return "image/png"
    raise NotAcceptable("pictures are image/png, image/jpeg or image/gif")


def _expect_found(response: httpx.Response, path: str) -> None:
    if response.status_code in {200, 206, 304}:
        return
    if response.status_code == 404:
        raise NotFound("the image archive has no such thing (any more)")
    if response.status_code in {400, 406, 415}:
        what = "images" if path.endswith("rendered") else "what is asked for"
        raise NotAcceptable(f"the image archive cannot give {what} in this form, or there is no such frame")
    raise Unavailable(f"the image archive failed ({response.status_code})")


class _Passing(StreamingResponse):
    """Passes an answer of the archive on, and lets go of it whatever becomes of whom it is for."""

    def __init__(self, stack: AsyncExitStack, response: httpx.Response, headers: Mapping[str, str]) -> None:
        super().__init__(response.aiter_raw(), response.status_code, headers)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await asyncio.shield(asyncio.ensure_future(self._stack.aclose()))
