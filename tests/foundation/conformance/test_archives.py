"""Archives that would fill the memory, or are made to break who reads them."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import random
import resource
import tarfile

import pytest

from jiankang.foundation.conformance.packages import read_package, reading
from jiankang.kernel.errors import Invalid, Problem, TooLarge

MANIFEST = {"name": "own.guide", "version": "1.0.0", "fhirVersions": ["4.0.1"]}


def header(size, kind):
    info = tarfile.TarInfo("x")
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def plain(files, kind=tarfile.PAX_FORMAT):
    """A tar, not compressed yet."""
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w", format=kind) as made:
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(text)
            made.addfile(info, io.BytesIO(text))
    return found.getvalue()


def read(raw):
    return read_package(io.BytesIO(raw), "bad.tgz")


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_that_claims_gigabytes_is_not_read(kind):
    claimed = 2_000_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TooLarge, match=f"header of {claimed} bytes"):
        read(gzip.compress(header(claimed, kind) + b"\0" * 50_000_000))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # kilobytes


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_headers_upon_headers_end_in_a_sentence(kind):
    one = header(512, kind) + b"11 a=bcdef\n".ljust(512, b"\0")
    with pytest.raises(Invalid, match="not a readable"):
        read(gzip.compress(one * 5000))


def test_what_unpacks_without_end_is_refused_wherever_it_lies(monkeypatch):
    monkeypatch.setattr(reading, "MOST_BYTES", 1_000_000)
    files = {"package/package.json": json.dumps(MANIFEST).encode(), "other/zeros.bin": b"\0" * 2_000_000}
    with pytest.raises(TooLarge, match="unpacks to more than"):
        read(gzip.compress(plain(files)))


def test_a_program_from_the_registry_is_no_guide():
    described = json.dumps({"name": "left-pad", "version": "1.3.0"}).encode()
    with pytest.raises(Invalid, match="not a FHIR package"):
        read(gzip.compress(plain({"package/package.json": described, "package/index.js": b""})))


def test_a_byte_order_mark_is_no_hindrance():
    text = json.dumps({"resourceType": "ValueSet", "id": "v", "url": "urn:test:v", "status": "active"}).encode()
    files = {"package/package.json": json.dumps(MANIFEST).encode(), "package/v.json": b"\xef\xbb\xbf" + text}
    [content] = read(gzip.compress(plain(files))).contents
    assert content.text == text


def test_a_broken_archive_never_ends_in_anything_but_a_sentence():
    value = {"resourceType": "ValueSet", "id": "v", "url": "urn:test:v", "status": "active"}
    files = {
        "package/package.json": json.dumps(MANIFEST).encode(),
        f"package/é{'x' * 120}.json": json.dumps(value).encode(),
    }
    raw = plain(files)[:6144]
    chance, readable = random.Random(7), 0
    for n in range(600):
        broken = bytearray(raw)
        for _ in range(chance.randint(1, 5)):
            broken[chance.randrange(len(broken))] = chance.choice([0, 255, 48, 57, 32, chance.randrange(256)])
        packed = bytearray(gzip.compress(bytes(broken), 1))
        if n % 3 == 0:
            packed[chance.randrange(len(packed))] ^= 1 << chance.randrange(8)
        with contextlib.suppress(Problem):
            read(bytes(packed))
            readable += 1
    assert 50 < readable < 550
