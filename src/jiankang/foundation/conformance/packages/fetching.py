"""Packages from where people name them: a file, an address, or a name at a registry.

Registries speak the protocol of npm: https://confluence.hl7.org/display/FHIR/FHIR+Package+Registry+User+Documentation
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from jiankang.fhir.guides import own_packages
from jiankang.foundation.conformance.packages.reading import MOST_BYTES, Package, read_package
from jiankang.kernel.errors import Invalid, NotFound, TooLarge, Unavailable
from jiankang.kernel.jsontext import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SECONDS = 60
_PACKED_BYTES = 512 * 1024 * 1024
_NAMED = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]*)(?:[@#](?P<version>[0-9A-Za-z][0-9A-Za-z.+-]*))?")
_ALGORITHMS = ("sha512", "sha384", "sha256", "sha1")


def fetched(
    wanted: str, *, registries: Sequence[str], offline: bool = False, progress: Callable[[str], None] = lambda _: None
) -> Package:
    """The package that `wanted` names: a path, an https address, or name[@version], first of those that come along.

    Raises NotFound, Invalid for what is no package or is not what the registry promised, Unavailable when no registry answers.
    """
    path = Path(wanted)
    if path.is_file():
        with path.open("rb") as archive:
            return read_package(archive, path.name)
    if urlsplit(wanted).scheme in {"http", "https"}:
        if offline:
            raise Invalid(f"{wanted} would have to be fetched, but --offline was said")
        progress(f"-- fetching {wanted}")
        return read_package(io.BytesIO(_read(wanted)), wanted.rsplit("/", 1)[-1])
    named = _NAMED.fullmatch(wanted)
    if named is None or wanted.endswith((".tgz", ".gz", ".tar")):
        raise NotFound(f"there is no file {wanted}")
    own = own_packages().get(named["name"])
    if own is not None:
        with own.open("rb") as archive:
            package = read_package(archive, own.name)
        if named["version"] in {None, package.version}:
            return package
    if offline:
        raise NotFound(f"{wanted} is not a file, and --offline was said: give the .tgz itself")
    return _from_registry(named["name"], named["version"], registries, progress)


def _from_registry(
    name: str, version: str | None, registries: Sequence[str], progress: Callable[[str], None]
) -> Package:  # fmt: skip
    silent: list[str] = []
    for registry in registries:
        try:
            listed = decode(_read(f"{registry.rstrip('/')}/{quote(name)}"))
        except Unavailable as problem:
            silent.append(f"{registry}: {problem}")
            continue
        except NotFound:
            continue
        chosen = _chosen(listed, name, version)
        if chosen is None:
            continue
        progress(f"-- fetching {name}@{chosen['version']} from {registry}")
        address = str(chosen.get("dist", {}).get("tarball") or chosen.get("url") or "")
        archive = _read(address)
        _check(archive, chosen.get("dist", {}), f"{name}@{chosen['version']}")
        return read_package(io.BytesIO(archive), f"{name}@{chosen['version']}")
    if silent:
        raise Unavailable("no registry could be asked: " + "; ".join(silent))
    raise NotFound(f"no registry has {name}{'@' + version if version else ''}")


def _chosen(listed: Any, name: str, version: str | None) -> dict[str, Any] | None:
    """What a registry says of the version asked for; of the latest when none is, or of the newest "1.0.x"."""
    versions = listed.get("versions") if isinstance(listed, dict) else None
    if not isinstance(versions, dict):
        raise Invalid(f"the registry's answer about {name} is not understood")
    if version is None:
        version = str(listed.get("dist-tags", {}).get("latest") or max(versions, default=""))
    found = versions.get(version)
    if found is None and version.endswith(".x"):
        fitting = sorted((each for each in versions if each.startswith(version[:-1])), key=_numbers)
        found = versions.get(fitting[-1]) if fitting else None
    return found if isinstance(found, dict) else None


def _numbers(version: str) -> list[int]:
    return [int(part) if part.isdigit() else -1 for part in re.split(r"[.-]", version)]


def _check(archive: bytes, promised: dict[str, Any], label: str) -> None:
    """Compare with the digests that the registry gives (https://www.w3.org/TR/SRI/)."""
    integrity = str(promised.get("integrity") or "")
    algorithm, _, digest = integrity.partition("-")
    if algorithm in _ALGORITHMS:
        right = base64.b64encode(hashlib.new(algorithm, archive).digest()).decode() == digest.split("?")[0]
    elif promised.get("shasum"):
        right = hashlib.sha1(archive, usedforsecurity=False).hexdigest() == promised["shasum"]
    else:
        return
    if not right:
        raise Invalid(
            f"what came for {label} is not what the registry promised (digests differ): nothing was installed"
        )


def _read(address: str) -> bytes:
    if urlsplit(address).scheme not in {"http", "https"}:
        raise Invalid(f"{address[:200]} is not an http address")
    asked = urllib.request.Request(address, headers={"User-Agent": "jiankang", "Accept": "*/*"})  # noqa: S310
    try:
        with urllib.request.urlopen(asked, timeout=SECONDS) as answer:  # noqa: S310 - http(s) only, see above
            found: bytes = answer.read(_PACKED_BYTES + 1)
    except urllib.error.HTTPError as error:
        if error.code in {404, 410}:
            raise NotFound(f"{address} is not there") from None
        raise Unavailable(f"it answered {error.code}") from None
    except (OSError, ValueError) as error:
        raise Unavailable(str(getattr(error, "reason", error))) from None
    if len(found) > min(_PACKED_BYTES, MOST_BYTES):
        raise TooLarge(f"{address} is larger than {_PACKED_BYTES} bytes")
    return found
