"""Closure tables that clients keep: what subsumes what among the codes they have met so far.

http://hl7.org/fhir/R4/conceptmap-operation-closure.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.foundation.terminology.model import Coding, Concept, UnknownSystem
from jiankang.kernel.errors import NotFound, Unprocessable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jiankang.foundation.terminology.codes import Codes

MAX_MEMBERS = 20_000


async def begin(codes: Codes, owner: str, name: str) -> dict[str, Any]:
    """Make the table, or empty it; the empty ConceptMap of version 0."""
    async with codes.transaction() as db:
        await db.execute("DELETE FROM closure_member WHERE owner = %s AND name = %s", (owner, name))
        await db.execute(
            "INSERT INTO closure_table (owner, name) VALUES (%s, %s) ON CONFLICT (owner, name) DO UPDATE SET version = 0",
            (owner, name),
        )
    return _concept_map(name, 0, {})


async def add(codes: Codes, owner: str, name: str, new: Sequence[Coding]) -> dict[str, Any]:
    """Add codes; a ConceptMap of the relations that are new by them. Raises NotFound for an unknown table or code."""
    async with codes.transaction() as db:
        version = await _version(codes, owner, name, lock=True) + 1
        for coding in new:
            if await codes.concept(await codes.system(coding.system, coding.version), coding.code) is None:
                raise NotFound(f"the code {coding.code[:100]!r} is not in {coding.system}")
            await db.execute(
                "INSERT INTO closure_member (owner, name, system, code, version) VALUES (%s, %s, %s, %s, %s) "
                "ON CONFLICT DO NOTHING",
                (owner, name, coding.system, coding.code, version),
            )
        await db.execute("UPDATE closure_table SET version = %s WHERE owner = %s AND name = %s", (version, owner, name))
        relations = await _relations(codes, owner, name, version - 1)
    return _concept_map(name, version, relations)


async def since(codes: Codes, owner: str, name: str, version: int) -> dict[str, Any]:
    """All relations that came after a version, for a client that lost its place."""
    current = await _version(codes, owner, name)
    return _concept_map(name, current, await _relations(codes, owner, name, version))


async def _version(codes: Codes, owner: str, name: str, *, lock: bool = False) -> int:
    rows = await codes.rows(
        f"SELECT version FROM closure_table WHERE owner = %s AND name = %s{' FOR UPDATE' if lock else ''}",
        (owner, name),
    )
    if not rows:
        raise NotFound(f"the closure table {name[:100]!r} is not known: begin it by $closure with its name alone")
    return int(rows[0][0])


async def _relations(codes: Codes, owner: str, name: str, after: int) -> dict[str, list[tuple[str, str]]]:
    """By system, the pairs (code, code that it is subsumed by) of which one came after a version."""
    rows = await codes.rows(
        "SELECT system, code, version FROM closure_member WHERE owner = %s AND name = %s ORDER BY system, code",
        (owner, name),
    )
    if len(rows) > MAX_MEMBERS:
        raise Unprocessable(f"a closure table holds at most {MAX_MEMBERS} codes")
    by_system: dict[str, list[tuple[str, int]]] = {}
    for system, code, version in rows:
        by_system.setdefault(system, []).append((code, version))
    found: dict[str, list[tuple[str, str]]] = {}
    for url, members in by_system.items():
        pairs = await _pairs(codes, url, members, after)
        if pairs:
            found[url] = pairs
    return found


async def _pairs(codes: Codes, url: str, members: list[tuple[str, int]], after: int) -> list[tuple[str, str]]:
    try:
        system = await codes.system(url)
    except UnknownSystem:
        return []
    known: list[tuple[Concept, int]] = []
    for code, version in members:
        concept = await codes.concept(system, code)
        if concept is not None:
            known.append((concept, version))
    places = {concept.n: (concept, version) for concept, version in known}
    return [
        (concept.code, places[place][0].code)
        for concept, version in known
        for place in sorted(places.keys() & set(concept.ancestors))
        if version > after or places[place][1] > after
    ]


def _concept_map(name: str, version: int, relations: dict[str, list[tuple[str, str]]]) -> dict[str, Any]:
    groups = []
    for system, pairs in relations.items():
        by_code: dict[str, list[dict[str, str]]] = {}
        for code, above in pairs:
            by_code.setdefault(code, []).append({"code": above, "equivalence": "subsumes"})
        elements = [{"code": code, "target": targets} for code, targets in by_code.items()]
        groups.append({"source": system, "target": system, "element": elements})
    made: dict[str, Any] = {
        "resourceType": "ConceptMap", "version": str(version), "name": name, "status": "active", "experimental": True,
    }  # fmt: skip
    if groups:
        made["group"] = groups
    return made
