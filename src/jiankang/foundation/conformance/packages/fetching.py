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
from jiankang.fhir.validation.profiles.packages import version_order
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
        host = urlsplit(registry).hostname or registry
        try:
            chosen = _chosen(_read(f"{registry.rstrip('/')}/{quote(name)}"), name, version)
        except NotFound:
            continue
        except Unavailable as problem:
            silent.append(f"{host} could not be asked: {problem}")
        except Invalid:
            silent.append(f"what {host} says is not understood")
        else:
            if chosen is not None:
                progress(f"-- fetching {name}@{chosen['version']} from {host}")
                return _promised(chosen, name)
    label = f"{name}@{version}" if version else name
    if silent:
        raise Unavailable(f"{label} was not found; {'; '.join(silent)}")
    raise NotFound(f"no registry has {label}")


def _promised(chosen: dict[str, Any], name: str) -> Package:
    """The package that a registry describes. Raises Invalid where what comes is something else."""
    label = f"{name}@{chosen['version']}"
    said = chosen.get("dist")
    dist: dict[str, Any] = said if isinstance(said, dict) else {}
    archive = _read(str(dist.get("tarball") or chosen.get("url") or ""))
    _check(archive, dist, label)
    package = read_package(io.BytesIO(archive), label)
    if package.label != label:
        raise Invalid(f"what came for {label} calls itself {package.label}: nothing was installed")
    return package


def _chosen(answer: bytes, name: str, version: str | None) -> dict[str, Any] | None:
    """What a registry says of the version asked for; of the latest when none is, or of the newest "1.0.x"."""
    listed = decode(answer)
    versions = listed.get("versions") if isinstance(listed, dict) else None
    if not isinstance(versions, dict):
        raise Invalid(f"the registry's answer about {name} is not understood")
    tags = listed.get("dist-tags")
    version = version or "latest"
    if version not in versions and isinstance(tags, dict) and isinstance(tags.get(version), str):
        version = tags[version]
    if version not in versions and (version == "latest" or version.endswith(".x")):
        start = "" if version == "latest" else version[:-1]
        version = max((each for each in versions if each.startswith(start)), key=version_order, default=version)
    found = versions.get(version)
    return {"version": version, **found} if isinstance(found, dict) else None


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
