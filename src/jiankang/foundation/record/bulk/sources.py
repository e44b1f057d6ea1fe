"""Where imports may read from: bodies that were sent, one folder, and addresses on a list; nothing else is touched.

A source is kept as text: `sent:NAME` (a file of the job), `folder:PATH` (below `import_dir`), `url:ADDRESS` (below one
of `import_urls`), `local:PATH` (only for `jiankang import`, never for a request).
"""

from __future__ import annotations

import asyncio
import http.client
import posixpath
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from jiankang.foundation.record.bulk.files import job_folder
from jiankang.kernel.errors import Forbidden, Invalid, NotFound, TooLarge, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jiankang.foundation.record.bulk.jobs import Job
    from jiankang.kernel.settings import Settings

_BLOCK = 1 << 20
_SECONDS = 60


def source_of(address: str, settings: Settings) -> tuple[str, int]:
    """The source that an address in a request means, and its size (0 when it is not known yet).

    Raises Forbidden for what is neither in the folder nor on the list, and NotFound for a file that is not there.
    """
    parts = urlsplit(address)
    if parts.scheme in {"http", "https"}:
        if not _is_listed(address, settings.import_urls):
            raise Forbidden(f"{parts.scheme}://{parts.hostname or ''} is not among the addresses that imports may read")
        return f"url:{address}", 0
    if parts.scheme not in {"", "file"} or parts.netloc:
        raise Invalid(f"inputs are files of the import folder or https addresses, not {parts.scheme}:")
    path = _inside(settings.import_dir, unquote(parts.path))
    return f"folder:{path.relative_to(settings.import_dir.resolve())}", path.stat().st_size


def _inside(folder: Path, name: str) -> Path:
    root = folder.resolve()
    if not root.is_dir():
        raise Forbidden("this server reads no files for imports: send the lines themselves")
    path = (root / name.lstrip("/")).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        raise NotFound(f"there is no {name} in the import folder")
    return path


def _is_listed(address: str, listed: str) -> bool:
    """Whether the address lies below one of the listed ones: same scheme, host and port, and a path within."""
    asked = urlsplit(address)
    path = posixpath.normpath(unquote(asked.path) or "/")
    if asked.username or asked.password or "\\" in address or path != (unquote(asked.path).rstrip("/") or "/"):
        return False
    for one in listed.split(","):
        known = urlsplit(one.strip())
        if not known.hostname or _origin(known) != _origin(asked):
            continue
        root = known.path.rstrip("/")
        if path == root or path.startswith(f"{root}/"):
            return True
    return False


def _origin(parts: Any) -> tuple[str, str, int]:
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, parts.hostname or "", port or (443 if parts.scheme == "https" else 80)


async def located(job: Job, number: int, source: str, settings: Settings) -> Path:
    """The file to read, fetched first where it is elsewhere. Raises NotFound, Forbidden, Unavailable."""
    kind, _, name = source.partition(":")
    match kind:
        case "sent":
            path = job_folder(settings, job.id) / name
            if not path.is_file():
                raise Unavailable("what was sent lies on another machine: let all servers share one `data` folder")
            return path
        case "folder":
            return _inside(settings.import_dir, name)
        case "local" if job.place == "shell":
            return Path(name)
        case "url" if _is_listed(name, settings.import_urls):
            return await asyncio.to_thread(
                _fetched, job_folder(settings, job.id), number, name, settings.max_import_bytes
            )
    raise Forbidden(f"the input {number + 1} may not be read")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An address on the list cannot send us to one that is not."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _fetched(folder: Path, number: int, address: str, most: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ending = "".join(Path(urlsplit(address).path).suffixes[-2:]) or ".ndjson"
    path = folder / f"input-{number}{ending}"
    if path.exists():
        return path
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
    fresh = path.with_name(f"{path.name}.part")
    try:
        with opener.open(address, timeout=_SECONDS) as answer, fresh.open("wb") as sink:
            size = 0
            while block := answer.read(_BLOCK):
                size += len(block)
                if size > most:
                    raise TooLarge(f"input {number + 1} has more than the {most} bytes that are taken")
                sink.write(block)
    except urllib.error.HTTPError as error:
        error.close()
        raise NotFound(f"input {number + 1} cannot be fetched: its server answered {error.code}") from None
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"input {number + 1} cannot be fetched: {type(error).__name__}") from None
    fresh.rename(path)
    return path


def local_sources(paths: Sequence[Path]) -> list[tuple[str, str | None, int]]:
    """Files of this machine as parts of an import from the shell."""
    return [(f"local:{path.resolve()}", None, path.stat().st_size) for path in paths]
