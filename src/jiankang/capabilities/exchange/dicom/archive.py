"""What we ask of the image archive: its changes, what a study holds, its images.

https://orthanc.uclouvain.be/api/, https://dicom.nema.org/medical/dicom/current/output/html/part18.html
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterable, AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, urlencode

import httpx

from jiankang.capabilities.exchange.dicom.dataset import Dataset, is_uid
from jiankang.capabilities.exchange.dicom.tags import KEYWORDS
from jiankang.kernel.errors import NotFound, TooLarge, Unavailable

Json = dict[str, Any]
JSON = "application/dicom+json"
PAGE = 1_000
MOST_METADATA_BYTES = 32 * 1024 * 1024
MOST_DESCRIBED_BYTES = 32 * 1024 * 1024
"""Of a study that says more, the rest is told by the attributes that are read; all of it is in the archive."""
MOST_INSTANCES = 20_000
"""Instances that an ImagingStudy lists; of a larger study it lists the first, and all are in the archive."""
_TOLD_APART_BY = ("00080016", "00080018", "0020000D", "0020000E", "00200013", "00280008")
_TOO_MUCH = frozenset({"52009230"})
"""Per-frame Functional Groups: thousands of items that only say how each frame was made."""
_BULK = "BulkDataURI"
_PEER = "jiankang-"
_TITLE = re.compile(r"[!-\[\]-~](?:[ -\[\]-~]{0,14}[!-\[\]-~])?")
_RIGHTS = {"AllowEcho": True, "AllowStore": True} | dict.fromkeys(
    ("AllowFind", "AllowFindWorklist", "AllowGet", "AllowMove"), False
)


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed in the archive since a place in its list."""

    resources: tuple[str, ...]
    """Its ids of instances, series and studies."""
    stable: frozenset[str]
    """Ids of the studies to which nothing was added for a while."""
    last: int
    done: bool


@dataclass(frozen=True, slots=True)
class Archived:
    """A study in the archive."""

    id: str
    """The archive's own id."""
    uid: str


@contextlib.contextmanager
def _reached() -> Any:
    try:
        yield
    except httpx.HTTPError as error:
        raise Unavailable(f"the image archive cannot be reached ({type(error).__name__}): try again later") from None


class Archive:
    """The image archive at `url` (`http://user:password@host:port`). Every question raises Unavailable when it is not there."""

    def __init__(self, url: str) -> None:
        parts = httpx.URL(url)
        self._http, self._others = _client(parts), _client(parts)  # slow readers of images must not keep us waiting

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()
        await self._others.aclose()

    async def _json(self, path: str, **query: Any) -> Any:
        with _reached():
            response = await self._http.get(path, params=query, headers={"accept": "application/json"})
            if response.status_code == 404:
                raise NotFound("the image archive has no such thing (any more)")
            response.raise_for_status()
            return response.json()

    # -- what changed ---------------------------------------------------------------------------------------------

    async def changes(self, since: int, limit: int = PAGE) -> Changes:
        """What changed since a place in the archive's list."""
        found = await self._json("/changes", since=since, limit=limit)
        listed = [one for one in found.get("Changes", []) if one.get("ResourceType") in {"Instance", "Series", "Study"}]
        return Changes(
            tuple(dict.fromkeys(str(one["ID"]) for one in listed)),
            frozenset(str(one["ID"]) for one in listed if one.get("ChangeType") == "StableStudy"),
            int(found.get("Last", since)),
            bool(found.get("Done", True)),
        )

    async def first_change(self) -> str:
        """What the list of changes begins with: another archive begins otherwise, one that was cleared too."""
        found = await self._json("/changes", since=0, limit=1)
        return " ".join(f"{one.get('Seq')} {one.get('Date')} {one.get('ID')}" for one in found.get("Changes", []))

    async def studies_of(self, resources: Sequence[str]) -> list[Archived]:
        """The studies that these are of; what was deleted since is of none."""
        if not resources:
            return []
        asked = {"Resources": list(resources), "Level": "Study", "Short": True, "Metadata": False}
        with _reached():
            response = await self._http.post("/tools/bulk-content", json=asked)
            response.raise_for_status()
            found = response.json()
        named = ((str(one["ID"]), str(one.get("MainDicomTags", {}).get("0020,000d", "")).strip(" \0")) for one in found)
        return [Archived(id_, uid) for id_, uid in named if is_uid(uid)]

    async def title_of_sender(self, study: str) -> str:
        """The application entity title that sent the study's first instance; empty when it came by another door."""
        series = (await self._json(f"/studies/{study}")).get("Series") or [""]
        instances = (await self._json(f"/series/{series[0]}")).get("Instances") or [""]
        metadata = await self._json(f"/instances/{instances[0]}/metadata", expand="")
        return str(metadata.get("RemoteAET", "")).strip()

    async def let_send(self, titles: Collection[str]) -> None:
        """Take images by DICOM from peers of these titles, and from no others that we let send before."""
        listed = await self._json("/modalities", expand="")
        ours = {name: one.get("AET") for name, one in listed.items() if name.startswith(_PEER)}
        wanted = {f"{_PEER}{title.encode().hex()}": title for title in titles if _TITLE.fullmatch(title)}
        with _reached():
            for name in ours.keys() - wanted.keys():
                (await self._http.delete(f"/modalities/{name}")).raise_for_status()
            for name in wanted.keys() - ours.keys():
                peer = {"AET": wanted[name], "Host": "0.0.0.0", "Port": 104, **_RIGHTS}  # noqa: S104 - nothing is sent there
                (await self._http.put(f"/modalities/{name}", json=peer)).raise_for_status()

    # -- what a study holds ---------------------------------------------------------------------------------------

    async def described(self, uid: str) -> bytes:
        """A study as the body of a letter: see `studies`. The same study is described by the same bytes.

        Raises NotFound when it is not there (any more).
        """
        listed = [one async for one in self._listed(uid)]
        listed.sort(key=_place)
        described: list[Json] = []
        series, room = "", MOST_DESCRIBED_BYTES
        for one in listed:
            read = Dataset(one)
            if read.uid("SeriesInstanceUID") != series:
                series = read.uid("SeriesInstanceUID")
                whole = await self._whole(uid, series, read.uid("SOPInstanceUID"))
                room -= len(_text(whole))
                described.append(whole if room > 0 else {tag: whole[tag] for tag in KEYWORDS if tag in whole})
            else:
                described.append({tag: one[tag] for tag in _TOLD_APART_BY if tag in one})
        if not described:
            raise NotFound("the image archive has no such study (any more)")
        return _text(described)

    async def _listed(self, uid: str) -> AsyncIterator[Json]:
        """The instances of a study, with what tells them apart."""
        for offset in range(0, MOST_INSTANCES, PAGE):
            found = await self.query(
                f"studies/{uid}/instances",
                [("limit", str(PAGE)), ("offset", str(offset)), ("includefield", "00280008")],
            )
            for one in found:
                yield {tag: one[tag] for tag in (*_TOLD_APART_BY, "00200011") if tag in one}
            if len(found) < PAGE:
                return

    async def _whole(self, study: str, series: str, instance: str) -> Json:
        path = f"/dicomweb/studies/{study}/series/{series}/instances/{instance}/metadata"
        found = await self._bounded_json(path)
        return _placeless(found[0]) if isinstance(found, list) and found and isinstance(found[0], dict) else {}

    async def _bounded_json(
        self, path: str, query: Sequence[tuple[str, str]] = (), headers: Mapping[str, str] | None = None
    ) -> Any:  # fmt: skip
        headers = {**(headers or {}), "accept": JSON}
        with _reached():
            async with self._http.stream("GET", _asked(path, query), headers=headers) as response:
                if response.status_code in {400, 404}:
                    raise NotFound("the image archive has no such thing (any more)")
                response.raise_for_status()
                body = bytearray()
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > MOST_METADATA_BYTES:
                        raise TooLarge("that is more than is told at once: ask for less")
        return json.loads(body) if body else []

    # -- what others ask of it ------------------------------------------------------------------------------------

    async def query(
        self, path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str] | None = None
    ) -> list[Json]:  # fmt: skip
        """What a search (QIDO-RS) finds. Raises NotFound where the archive does not understand what is asked."""
        found = await self._bounded_json(f"/dicomweb/{path}", query, headers)
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    @contextlib.asynccontextmanager
    async def fetched(
        self, path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str]
    ) -> AsyncIterator[httpx.Response]:  # fmt: skip
        """What the archive answers (WADO-RS), not yet read."""
        with _reached():
            async with self._others.stream(
                "GET", _asked(f"/dicomweb/{path}", query), headers=dict(headers)
            ) as response:
                yield response

    async def store(self, content: AsyncIterable[bytes], size: int) -> int:
        """Have one instance of `size` bytes kept: the status of HTTP, 200 when it is on disk."""
        headers = {"content-type": "application/dicom", "content-length": str(size)}
        with _reached():
            response = await self._others.post("/instances", content=content, headers=headers)
        return response.status_code


def _asked(path: str, query: Sequence[tuple[str, str]]) -> str:
    """An address with a query; commas stay as they are, for the archive reads no others in lists."""
    return f"{path}?{urlencode(query, safe=',', quote_via=quote)}" if query else path


def _client(parts: httpx.URL) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=parts.copy_with(username=None, password=None),
        auth=(parts.username, parts.password) if parts.username else None,
        timeout=httpx.Timeout(60, connect=5),
        limits=httpx.Limits(max_connections=32, max_keepalive_connections=8, keepalive_expiry=0.5),
        trust_env=False,
    )


def _text(value: Any) -> bytes:
    """JSON that is the same for the same value."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _place(instance: Json) -> tuple[int, str, int, str]:
    """Where an instance stands in its study."""
    read = Dataset(instance)
    series, number = read.whole("SeriesNumber"), read.whole("InstanceNumber")
    last = 10**9
    return (
        last if series is None else series, read.uid("SeriesInstanceUID"), last if number is None else number,
        read.uid("SOPInstanceUID"),
    )  # fmt: skip


def _placeless(value: Any) -> Any:
    """Metadata without the archive's own address, and without what is only of single frames."""
    if isinstance(value, dict):
        return {
            name: inner[inner.find("/studies/") :] if name == _BULK and isinstance(inner, str) else _placeless(inner)
            for name, inner in value.items()
            if name not in _TOO_MUCH
        }
    return [_placeless(one) for one in value] if isinstance(value, list) else value
