"""The package: a .tgz as https://hl7.org/fhir/packages.html describes it, the same bytes for the same guide."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

from guides.words import Json, both
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from guides.building import Guide

_TOLD = ("resourceType", "id", "url", "version", "kind", "type")


def archive(guide: Guide) -> bytes:
    """The archive of a guide."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, body in files(guide).items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(body), 0o644
            tar.addfile(entry, io.BytesIO(body))
    return gzip.compress(raw.getvalue(), mtime=0)


def files(guide: Guide) -> dict[str, bytes]:
    """Names of files and what is in them, in the order of the archive."""
    resources = {f"{each['resourceType']}-{each['id']}.json": each for each in guide.resources}
    examples = {f"{each['resourceType']}-{each['id']}.json": each for each in guide.examples.right.values()}
    return {
        "package/package.json": _text(manifest(guide)),
        "package/.index.json": _text(_index(resources)),
        **{f"package/{name}": _text(each) for name, each in sorted(resources.items())},
        "package/example/.index.json": _text(_index(examples)),
        **{f"package/example/{name}": _text(each) for name, each in sorted(examples.items())},
    }


def manifest(guide: Guide) -> Json:
    """package.json."""
    words, table = guide.words, guide.words.table
    return {
        "name": words.id, "version": words.version, "date": words.date.replace("-", "") + "000000", "type": "IG",
        "canonical": words.canonical, "url": words.url("ImplementationGuide", words.id), "title": both(table["title"]),
        "description": both(table["description"]), "fhirVersions": ["4.0.1"],
        "dependencies": {"hl7.fhir.r4.core": "4.0.1"}, "author": words.publisher, "license": table["license"],
        "keywords": ["FHIR", "CN", "Hainan"], "directories": {"lib": "package", "example": "example"},
    }  # fmt: skip


def _index(resources: dict[str, Json]) -> Json:
    told = [
        {"filename": name, **{key: each[key] for key in _TOLD if isinstance(each.get(key), str)}}
        for name, each in sorted(resources.items())
    ]
    return {"index-version": 1, "files": told}


def _text(value: Json) -> bytes:
    return encode(value) + b"\n"
