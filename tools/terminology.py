"""Packs HL7's code systems, value sets and naming systems, and our own, into the table the terminology room reads.

    python tools/terminology.py          # from node_modules and src/jiankang/foundation/terminology/systems

`hl7.terminology.r4` (THO, CC0) goes before the older copies of the same systems in R4 core. Written again only when
a source or this program changed.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import zstandard

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from jiankang.foundation.terminology.builtin import TABLE  # noqa: E402 - the source tree may not be installed yet
from jiankang.foundation.terminology.keeping import names_of  # noqa: E402
from jiankang.foundation.terminology.systems import own_resources  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
PACKAGES = ("hl7.terminology.r4", "hl7.fhir.r4.examples")
DROPPED = frozenset({"text", "meta", "contact", "useContext", "jurisdiction", "extension", "contained", "publisher"})


def main() -> int:
    """Pack, or say what is missing."""
    folders = [ROOT / "node_modules" / name for name in PACKAGES]
    missing = [folder.name for folder in folders if not folder.is_dir()]
    if missing:
        print(f"terminology: {', '.join(missing)} not found: run `npm ci`", file=sys.stderr)
        return 1
    stamp = _fingerprint(folders)
    marker = TABLE.with_name("READY")
    if TABLE.exists() and marker.exists() and marker.read_text() == stamp:
        print("terminology: up to date")
        return 0
    began = time.perf_counter()
    table = pack([*_own(), *_currencies(), *(resource for folder in folders for resource in _resources(folder))])
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_bytes(msgspec.msgpack.encode(table))
    marker.write_text(stamp)
    told = f"{len(table['CodeSystem'])} code systems, {len(table['ValueSet'])} value sets, {len(table['names'])} names"
    print(f"terminology: {told}, {TABLE.stat().st_size / 1e6:.1f} MB in {time.perf_counter() - began:.1f} s")
    return 0


def _fingerprint(folders: list[Path]) -> str:
    digest = hashlib.sha256()
    systems = ROOT / "src" / "jiankang" / "foundation" / "terminology" / "systems"
    for path in (Path(__file__), *(folder / "package.json" for folder in folders), *sorted(systems.rglob("*.*"))):
        if path.suffix != ".pyc":
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _own() -> Iterator[Json]:
    yield from own_resources()


def _currencies() -> Iterator[Json]:
    """ISO 4217, which R4 has as the expansion of a value set only."""
    path = ROOT / "node_modules" / "hl7.fhir.r4.expansions" / "ValueSet-currencies.json"
    if path.is_file():
        contains = json.loads(path.read_bytes())["expansion"]["contains"]
        concepts = [{"code": each["code"], "display": each["display"]} for each in contains]
        yield {
            "resourceType": "CodeSystem", "url": "urn:iso:std:iso:4217", "name": "Currencies", "title": "ISO 4217",
            "status": "active", "content": "complete", "concept": concepts,
        }  # fmt: skip


def _resources(folder: Path) -> Iterator[Json]:
    for kind in ("CodeSystem", "ValueSet", "NamingSystem"):
        for path in sorted(folder.glob(f"{kind}-*.json")):
            yield json.loads(path.read_bytes(), parse_float=str)


def pack(resources: list[Json]) -> Json:
    """The table: by kind and URL a list of [version, title, concepts, packed JSON], one for each version, best first."""
    table: Json = {"CodeSystem": {}, "ValueSet": {}, "names": {}}
    packer = zstandard.ZstdCompressor(level=12)
    there = {(each.get("url"), each.get("version", "")) for each in resources if each["resourceType"] == "CodeSystem"}
    for resource in resources:
        _unpin(resource, there)
        if resource["resourceType"] == "NamingSystem":
            names, url = names_of(resource)
            for name in sorted(names):
                table["names"].setdefault(name, url)
            continue
        kind, url = resource["resourceType"], resource.get("url")
        known = table[kind].setdefault(url, []) if url else []
        version = resource.get("version", "")
        if not url or resource.get("content") == "supplement" or any(each[0] == version for each in known):
            continue
        short = {name: value for name, value in resource.items() if name not in DROPPED}
        count = _count(resource.get("concept", []))
        title = resource.get("title") or resource.get("name", "")
        body = packer.compress(json.dumps(short, ensure_ascii=False, separators=(",", ":")).encode())
        known.append([version, title, count, body])
        for each in resource.get("identifier", []):
            if str(each.get("value", "")).startswith("urn:oid:") and kind == "CodeSystem":
                table["names"].setdefault(each["value"], url)
    table["CodeSystem"] = {url: found for url, found in table["CodeSystem"].items() if found}
    return table


def _unpin(resource: Json, there: set[tuple[str, str]]) -> None:
    """THO's value sets name versions of code systems that no package holds: then the one that is there is meant."""
    known = {url for url, _ in there}
    compose = resource.get("compose", {}) if resource["resourceType"] == "ValueSet" else {}
    for include in (*compose.get("include", []), *compose.get("exclude", [])):
        system = include.get("system")
        if "version" in include and system in known and (system, include["version"]) not in there:
            del include["version"]


def _count(concepts: list[Json]) -> int:
    return sum(1 + _count(each.get("concept", [])) for each in concepts)


if __name__ == "__main__":
    raise SystemExit(main())
