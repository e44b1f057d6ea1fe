"""What an import reads: something with the header of a CodeSystem and concepts that can be gone through twice."""

from __future__ import annotations

import csv
import gzip
import io
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

from jiankang.kernel.errors import Invalid

if TYPE_CHECKING:
    from jiankang.foundation.terminology.model import Draft

csv.field_size_limit(min(sys.maxsize, 1 << 24))


@dataclass(frozen=True, slots=True)
class Named:
    """What the person who imports says about the system, where the file does not or says otherwise."""

    url: str | None = None
    version: str | None = None
    name: str | None = None
    language: str | None = None

    def header(self, url: str | None, version: str | None, **more: Any) -> dict[str, Any]:
        """The header of a CodeSystem from what the file says. Raises Invalid when nobody says the URL."""
        url = self.url or url
        if not url:
            raise Invalid("the file does not say which code system it is: name its URL with --url")
        header = {"resourceType": "CodeSystem", "url": url, "status": "active", "content": "complete", **more}
        version = self.version or version
        if version:
            header["version"] = version
        if self.name:
            header["name"] = self.name
        if self.language:
            header["language"] = self.language
        return header


class Source(Protocol):
    """A code system in a file."""

    header: dict[str, Any]

    def drafts(self) -> Iterator[Draft]:
        """All concepts, in the same order each time."""
        ...


@contextmanager
def open_text(path: Path, encoding: str = "utf-8-sig") -> Iterator[IO[str]]:
    """A text file, unpacked when its name ends in .gz, or the only file of a .zip."""
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding=encoding, newline="") as file:
            yield file
    elif path.suffix == ".zip":
        with Folder(path) as folder:
            names = [name for name in folder.names() if not name.endswith("/")]
            if len(names) != 1:
                raise Invalid(f"{path.name} holds {len(names)} files; one is expected for this format")
            with folder.text(names[0], encoding) as file:
                yield file
    else:
        with path.open(encoding=encoding, newline="") as file:
            yield file


class Folder:
    """The files of a folder or of a zip archive, by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip: zipfile.ZipFile | None = None

    def __enter__(self) -> Self:
        if not self.path.is_dir():
            try:
                self._zip = zipfile.ZipFile(self.path)
            except zipfile.BadZipFile:
                raise Invalid(f"{self.path.name} is neither a folder nor a zip archive") from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._zip is not None:
            self._zip.close()

    def names(self) -> list[str]:
        """All files, with / between folders."""
        if self._zip is not None:
            return sorted(self._zip.namelist())
        return sorted(path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file())

    @contextmanager
    def text(self, name: str, encoding: str = "utf-8-sig") -> Iterator[IO[str]]:
        """A file as text."""
        if self._zip is not None:
            with self._zip.open(name) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as file:
                yield file
        else:
            with (self.path / name).open(encoding=encoding, newline="") as file:
                yield file


def text_property(code: str, value: str) -> dict[str, Any]:
    """A property whose value is a text."""
    return {"code": code, "valueString": value}


def code_property(code: str, value: str) -> dict[str, Any]:
    """A property whose value is a code."""
    return {"code": code, "valueCode": value}


INACTIVE_PROPERTY = {"code": "inactive", "valueBoolean": True}
