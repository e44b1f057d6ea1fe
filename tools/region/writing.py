"""Records as files: transaction bundles, or NDJSON with one file for each type."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from jiankang.kernel.jsontext import encode
from region.facilities import facilities, organization, practitioner, staff
from region.lives import Life, life, resources
from region.naming import Naming
from region.people import people

PER_FILE = 200
"""Facilities in a Bundle."""


def transaction(entries: Iterable[dict[str, Any]]) -> bytes:
    """The text of a transaction Bundle: http://hl7.org/fhir/R4/http.html#transaction."""
    return encode({"resourceType": "Bundle", "type": "transaction", "entry": list(entries)})


def region_resources() -> list[dict[str, Any]]:
    """The facilities, those that lead first, and all who work there."""
    return [organization(one) for one in facilities()] + [
        practitioner(who) for one in facilities() for who in staff(one)
    ]


def life_bundle(lived: Life) -> bytes:
    """A person's record as a transaction that does not register them twice."""
    entries = []
    for id_, resource in lived.entries:
        request = {"method": "POST", "url": resource["resourceType"]}
        if resource["resourceType"] == "Patient":
            system, value = lived.identity
            request["ifNoneExist"] = f"identifier={system}|{value}"
        entries.append({"fullUrl": f"urn:uuid:{id_}", "resource": resource, "request": request})
    return transaction(entries)


def write_bundles(out: Path, count: int, seed: int) -> int:
    """One Bundle of the facilities and staff, one for each person; how many resources were written."""
    out.mkdir(parents=True, exist_ok=True)
    written = 0
    region = region_resources()
    for number in range(0, len(region), PER_FILE):
        part = region[number : number + PER_FILE]
        entries = [
            {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}} for one in part
        ]
        (out / f"0-organizations-{number // PER_FILE:02d}.json").write_bytes(transaction(entries))
        written += len(part)
    naming = Naming(kept=False)
    for person in people(count, seed):
        lived = life(person, seed, naming)
        (out / f"person-{person.number:06d}.json").write_bytes(life_bundle(lived))
        written += len(lived.entries)
    return written


def write_ndjson(out: Path, count: int, seed: int) -> int:
    """One file for each type; how many resources were written."""
    out.mkdir(parents=True, exist_ok=True)
    files: dict[str, BinaryIO] = {}
    written = 0
    try:
        for resource in all_resources(count, seed):
            name = resource["resourceType"]
            if name not in files:
                files[name] = (out / f"{name}.ndjson").open("wb")
            files[name].write(encode(resource) + b"\n")
            written += 1
    finally:
        for one in files.values():
            one.close()
    return written


def all_resources(count: int, seed: int) -> Iterable[dict[str, Any]]:
    """Every resource with its id: the facilities, their staff, then person after person."""
    yield from region_resources()
    naming = Naming(kept=True)
    for person in people(count, seed):
        yield from resources(life(person, seed, naming))
