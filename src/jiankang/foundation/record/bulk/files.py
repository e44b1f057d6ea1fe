"""The files of a job: written piece by piece, each piece on disk before the database counts it.

A worker that takes a job over goes on in files of its own. What the worker before it wrote without counting is never
served, since only as many bytes of a file are served as were counted.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jiankang.kernel.settings import Settings

FILE_BYTES = 256 * 1024 * 1024
"""About how large a file becomes before the next is begun."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines for one of the manifest's lists (output, deleted or error), all of one type."""

    kind: str
    type: str
    lines: Sequence[bytes]


@dataclass(slots=True)
class Files:
    """The files of one job: `listed` is what was counted, for the manifest and for whoever goes on."""

    folder: Path
    worker: str
    listed: list[dict[str, Any]] = field(default_factory=list)

    async def add(self, pieces: Sequence[Piece]) -> list[dict[str, Any]]:
        """Put the pieces on disk; the list of files as it is once they count."""
        return await asyncio.to_thread(self._add, pieces)

    def _add(self, pieces: Sequence[Piece]) -> list[dict[str, Any]]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        listed = [dict(one) for one in self.listed]
        for piece in pieces:
            if piece.lines:
                self._append(listed, piece)
        return listed

    def _append(self, listed: list[dict[str, Any]], piece: Piece) -> None:
        one = self._file_for(listed, piece)
        data = b"".join(piece.lines)
        with (self.folder / one["name"]).open("ab") as sink:
            sink.truncate(one["bytes"])
            sink.write(data)
            sink.flush()
            os.fdatasync(sink.fileno())
        one["bytes"] += len(data)
        one["count"] += len(piece.lines)

    def _file_for(self, listed: list[dict[str, Any]], piece: Piece) -> dict[str, Any]:
        same = [one for one in listed if (one["kind"], one["type"]) == (piece.kind, piece.type)]
        if same and same[-1]["worker"] == self.worker and same[-1]["bytes"] < FILE_BYTES:
            return same[-1]
        name = f"{len(listed):04d}-{piece.type}-{self.worker[-8:]}.ndjson"
        fresh: dict[str, Any] = {"kind": piece.kind, "type": piece.type, "name": name, "count": 0, "bytes": 0}
        fresh["worker"] = self.worker
        listed.append(fresh)
        return fresh


def job_folder(settings: Settings, job_id: str) -> Path:
    """Where the files of a job are kept."""
    return settings.data / "bulk" / job_id


def old_folders(settings: Settings, seconds: float) -> list[str]:
    """Ids with files that nobody touched for so long; they may be left from a request that was broken off."""
    root = settings.data / "bulk"
    if not root.is_dir():
        return []
    before = time.time() - seconds
    return [one.name for one in root.iterdir() if one.stat().st_mtime < before]


async def clear(settings: Settings, job_id: str) -> None:
    """Take the files of a job away."""
    await asyncio.to_thread(shutil.rmtree, job_folder(settings, job_id), ignore_errors=True)
