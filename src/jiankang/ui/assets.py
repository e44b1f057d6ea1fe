"""Style sheets and scripts: read once, named by what is in them, so that browsers may keep them for ever."""

from __future__ import annotations

import gzip
import hashlib
import logging
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from starlette.responses import Response

from jiankang.kernel.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from starlette.requests import Request

_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_YEAR = 31_536_000
_log = logging.getLogger("jiankang.pages")


@dataclass(frozen=True)
class Asset:
    """A file that pages refer to."""

    name: str
    kind: str
    body: bytes

    @cached_property
    def digest(self) -> str:
        """Twelve characters that change with the content."""
        return hashlib.sha256(self.body).hexdigest()[:12]

    @cached_property
    def packed(self) -> bytes:
        """Its gzip form."""
        return gzip.compress(self.body, 9, mtime=0)

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"/-/static/{self.digest}/{self.name}"


class Assets:
    """All files of some folders, by name; of two with one name the later counts."""

    def __init__(self, folders: Iterable[Path]) -> None:
        paths = (path for folder in folders for path in sorted(folder.glob("*.*")))
        self._by_name = {
            path.name: Asset(path.name, _KINDS[path.suffix], path.read_bytes())
            for path in paths
            if path.suffix in _KINDS
        }

    def url(self, name: str) -> str:
        """The address of a file; of one that is not here (the set-up copies it), an address where nothing is."""
        asset = self._by_name.get(name)
        if asset is None:
            _log.warning("the file %s of the pages is not here, so they look plain: run `make setup`", name)
            return f"/-/static/missing/{name}"
        return asset.url

    async def serve(self, request: Request) -> Response:
        """The file, for a year where the address has its digest, else not at all."""
        asset = self._by_name.get(request.path_params["name"])
        if asset is None or asset.digest != request.path_params["digest"]:
            raise NotFound("there is no such file")
        headers = {"cache-control": f"public, max-age={_YEAR}, immutable", "vary": "Accept-Encoding"}
        body = asset.body
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"], body = "gzip", asset.packed
        return Response(body, headers=headers, media_type=asset.kind)
