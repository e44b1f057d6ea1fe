"""A package read from its archive, safely: bounded in size and number, nothing written to disk.

https://hl7.org/fhir/packages.html, https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
"""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Self, cast

import zstandard

from jiankang.fhir.definitions import load
from jiankang.kernel.errors import Invalid, Problem, TooLarge, Unprocessable
from jiankang.kernel.jsontext import MAX_BYTES, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

MOST_FILES = 100_000
MOST_BYTES = 1024 * 1024 * 1024
MOST_FILE_BYTES = MAX_BYTES
MOST_HEADER_BYTES = 64 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,199}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,99}")
_MANIFEST = "package/package.json"
_MARK = b"\xef\xbb\xbf"
_HEADERS = frozenset({tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, b"X"})


@dataclass(frozen=True, slots=True)
class Content:
    """One conformance resource of a package, its text kept compressed: guides of hundreds of megabytes fit into memory."""

    type: str
    id: str
    url: str
    version: str
    packed: bytes = field(repr=False)

    @property
    def text(self) -> bytes:
        """Its JSON text."""
        return zstandard.decompress(self.packed)


@dataclass(frozen=True, slots=True)
class Package:
    """What a package says of itself, and its conformance resources; its examples are left out."""

    name: str
    version: str
    canonical: str
    title: str
    requires: dict[str, str]
    contents: list[Content] = field(repr=False)

    @property
    def label(self) -> str:
        """Name and version, as people write them."""
        return f"{self.name}@{self.version}"


def read_package(archive: BinaryIO, told: str) -> Package:
    """The package in an archive (.tgz), called `told` in errors.

    Raises Invalid for what is no package, TooLarge, Unprocessable for a package of another version of FHIR.
    """
    manifest: Json | None = None
    contents: dict[tuple[str, str], Content] = {}
    for name, text in _files(archive, told):
        if name == _MANIFEST:
            manifest = _object(text, f"{told}: {name}")
        elif name != "package/.index.json":
            content = _content(text, f"{told}: {name}")
            if content is not None:
                contents[content.type, content.id] = content
    if manifest is None:
        raise Invalid(f"{told} is not a FHIR package: {_MANIFEST} is missing")
    return _described(manifest, list(contents.values()), told)


class _Bounded:
    """What an archive unpacks to, read as far as may be."""

    def __init__(self, source: IO[bytes], told: str) -> None:
        self.source, self.told, self.size = source, told, 0

    def read(self, size: int) -> bytes:
        found = self.source.read(size)
        self.size += len(found)
        if self.size > MOST_BYTES:
            raise TooLarge(f"{self.told} unpacks to more than {MOST_BYTES} bytes")
        return found


class _Entry(tarfile.TarInfo):
    """An entry of an archive; long names and the like, which would be read at once, are bounded."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        found = super().frombuf(buf, encoding, errors)
        if found.type in _HEADERS and found.size > MOST_HEADER_BYTES:
            raise TooLarge(f"the archive has a header of {found.size} bytes; at most {MOST_HEADER_BYTES} are taken")
        return found


def _files(archive: BinaryIO, told: str) -> Iterator[tuple[str, bytes]]:
    """The JSON files that lie directly in `package/`, one after another."""
    try:
        with gzip.open(archive) as unpacked:
            source = cast("BinaryIO", _Bounded(cast("IO[bytes]", unpacked), told))
            with tarfile.open(fileobj=source, mode="r|", tarinfo=_Entry) as opened:
                yield from _wanted(opened, told)
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, OverflowError, RecursionError) as error:
        raise Invalid(f"{told} is not a readable .tgz archive: {type(error).__name__}") from None


def _wanted(opened: tarfile.TarFile, told: str) -> Iterator[tuple[str, bytes]]:
    count = 0
    while (member := opened.next()) is not None:
        opened.members, opened.pax_headers = [], {}  # type: ignore[attr-defined]  # else it keeps them all
        count += 1
        if count > MOST_FILES:
            raise TooLarge(f"{told} holds more than {MOST_FILES} files")
        parts = member.name.removeprefix("./").split("/")
        if not member.isfile() or len(parts) != 2 or parts[0] != "package" or not parts[1].endswith(".json"):
            continue
        if member.size > MOST_FILE_BYTES:
            raise TooLarge(f"{told}: {member.name[:200]} has more than {MOST_FILE_BYTES} bytes")
        source = opened.extractfile(member)
        if source is not None:
            yield "/".join(parts), source.read().removeprefix(_MARK)


def _object(text: bytes, told: str) -> Json:
    try:
        value = decode(text)
    except Problem as problem:
        raise Invalid(f"{told} is not JSON: {problem}") from None
    if not isinstance(value, dict):
        raise Invalid(f"{told} is not a JSON object")
    return value


def _content(text: bytes, told: str) -> Content | None:
    value = _object(text, told)
    type_name, id_, url = value.get("resourceType"), value.get("id"), value.get("url")
    if not isinstance(type_name, str) or not load().is_resource(type_name) or not isinstance(id_, str):
        return None
    if type_name != "NamingSystem" and not isinstance(url, str):
        return None
    version = value.get("version")
    return Content(
        type_name, id_, str(url or ""), version if isinstance(version, str) else "", zstandard.compress(text)
    )


def _described(manifest: Json, contents: list[Content], told: str) -> Package:
    name, version = manifest.get("name"), manifest.get("version")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Invalid(f"{told}: {_MANIFEST} has no name that a package may have")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise Invalid(f"{told}: {_MANIFEST} has no version")
    ours = manifest.get("fhirVersions") or manifest.get("fhir-version-list")
    if ours is None and not contents:
        raise Invalid(f"{name}@{version} is not a FHIR package: it names no version of FHIR and holds no resources")
    ours = ours or ["4.0.1"]
    if not isinstance(ours, list) or not any(str(each).startswith("4.0") for each in ours):
        listed = ", ".join(map(str, ours)) if isinstance(ours, list) else str(ours)
        raise Unprocessable(f"{name}@{version} is made for FHIR {listed[:100]}; this platform speaks 4.0.1 (R4)")
    requires = manifest.get("dependencies") or {}
    if not isinstance(requires, dict) or not all(isinstance(each, str) for each in requires.values()):
        raise Invalid(f"{told}: the dependencies in {_MANIFEST} are not names with versions")
    title = manifest.get("title") or manifest.get("description") or name
    return Package(name, version, str(manifest.get("canonical") or ""), str(title)[:500], requires, contents)
