"""Packages put into the record, wholly or not at all, and taken out of it.

What a package brings becomes resources of the record: found by search, and in force at once (profiles, codes, search
parameters) like everything written there. https://hl7.org/fhir/packages.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.indexing import column, uri_key
from jiankang.foundation.record.store import Change, Prepared, prepare
from jiankang.kernel.database import translated
from jiankang.kernel.errors import Conflict, NotFound, Problem, Unprocessable
from jiankang.kernel.ids import key64
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from jiankang.foundation.conformance.packages.reading import Content, Package
    from jiankang.foundation.record.store import Record, Transaction

Name = tuple[str, str, str, str]
"""Type, id, url and version of a resource that a package brought."""

OURS = ("hl7.fhir.r4.", "hl7.terminology", "hl7.fhir.uv.extensions")
"""Packages that are part of the platform: the norm itself, HL7's codes, its general extensions."""

_LEANT_ON = frozenset({"StructureDefinition", "ValueSet", "CodeSystem", "ConceptMap", "SearchParameter"})
_ALONE = key64("conformance:packages")
_INSERT = """
INSERT INTO package (name, version, canonical, title, requires, brought) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET version = excluded.version, canonical = excluded.canonical, title = excluded.title,
    requires = excluded.requires, brought = excluded.brought, installed = now()
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """A package that is in force."""

    name: str
    version: str
    canonical: str
    title: str
    requires: Mapping[str, str]
    brought: tuple[Name, ...]
    installed: datetime

    @property
    def label(self) -> str:
        """Name and version."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an installation did.

    `written` and `removed` are numbers of resources, `left` those that are there by other hands, `unfit` those that are
    no valid R4 and were left out; `before` is the version that was installed.
    """

    package: Package
    written: int
    left: tuple[str, ...]
    unfit: tuple[str, ...]
    removed: int
    before: str | None


async def installed(record: Record) -> list[Installed]:
    """All packages, by name."""
    with translated():
        async with record.pool.connection() as db:
            return await _installed(db)


async def _installed(db: AsyncConnection[Any]) -> list[Installed]:
    rows = await (
        await db.execute(
            "SELECT name, version, canonical, title, requires::text, brought::text, installed FROM package ORDER BY name"
        )
    ).fetchall()
    return [
        Installed(name, version, canonical, title, decode(requires), tuple(tuple(one) for one in decode(brought)), when)
        for name, version, canonical, title, requires, brought, when in rows
    ]


def is_ours(name: str) -> bool:
    """Whether the platform holds what this package would bring."""
    return name.startswith(OURS)


def missing(package: Package, present: Iterable[str]) -> list[str]:
    """What the package leans on and is not there, as name@version."""
    known = set(present)
    return [
        f"{name}@{version}" for name, version in package.requires.items() if name not in known and not is_ours(name)
    ]


async def install(
    record: Record,
    package: Package,
    *,
    force: bool = False,
    incomplete: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Put a package into the record, or bring it to this version.

    Raises Unprocessable when it leans on a package that is not there (unless `incomplete`) or holds a resource that is
    none, Conflict for an older version than the one installed (unless `force`). Nothing is half-installed.
    """
    progress(f"-- {package.label}: reading {len(package.contents)} resources")
    ready, unfit = _prepared(package)

    async def work(tx: Transaction) -> Outcome:
        await tx.db.execute("SELECT pg_advisory_xact_lock(%s)", (_ALONE,))
        known = {one.name: one for one in await _installed(tx.db)}
        absent = [] if incomplete else missing(package, known)
        if absent:
            raise Unprocessable(f"{package.label} leans on {', '.join(absent)}: install that first")
        before = known.get(package.name)
        if before is not None and newer(before.version, package.version) and not force:
            raise Conflict(
                f"{before.label} is installed, which is newer than {package.label}; --force puts the older one in"
            )
        return await _put(tx, package, ready, unfit, before, known)

    progress(f"-- {package.label}: writing")
    return await record.run(LOCAL_OPERATOR, work)


def _prepared(package: Package) -> tuple[list[tuple[Content, Prepared]], list[str]]:
    """The resources ready to be written; of those that nothing leans on, what is wrong with the ones left out."""
    ready: list[tuple[Content, Prepared]] = []
    unfit: list[str] = []
    for content in package.contents:
        try:
            ready.append((content, prepare(content.text, type_name=content.type)))
        except Problem as problem:
            text = f"{content.type}/{content.id} is not valid: {problem.issues[0].text}"
            if content.type in _LEANT_ON:
                raise Unprocessable(f"{package.label}: {text}") from None
            unfit.append(text)
    return ready, unfit


async def _put(
    tx: Transaction,
    package: Package,
    ready: list[tuple[Content, Prepared]],
    unfit: list[str],
    before: Installed | None,
    known: Mapping[str, Installed],
) -> Outcome:
    own = {(type_name, url): id_ for type_name, id_, url, _ in (before.brought if before else ())}
    changes: list[Change] = []
    brought: list[Name] = []
    left: list[str] = []
    for content, prepared in ready:
        id_ = own.get((content.type, content.url))
        if id_ is None and not await _is_there(tx, content):
            id_ = await _free_id(tx, content)
        if id_ is None:
            left.append(f"{content.type} {content.url}|{content.version}")
            continue
        prepared.id = prepared.resource["id"] = id_
        brought.append((content.type, id_, content.url, content.version))
        changes.append(Change("PUT", content.type, id_, prepared))
    kept = {name[:2] for name in brought} | {
        name[:2] for one in known.values() if one is not before for name in one.brought
    }
    gone = [name for name in (before.brought if before else ()) if name[:2] not in kept]
    changes += [Change("DELETE", type_name, id_) for type_name, id_, _, _ in gone]
    await tx.apply(changes)
    await tx.db.execute(
        _INSERT,
        (
            package.name, package.version, package.canonical, package.title,
            encode(package.requires).decode(), encode([list(name) for name in brought]).decode(),
        ),
    )  # fmt: skip
    was = before.version if before else None
    return Outcome(package, len(brought), tuple(left), tuple(unfit), len(gone), was)


async def _free_id(tx: Transaction, content: Content) -> str | None:
    """The id to write it under: its own where that is free, else one that goes by its URL."""
    for id_ in (content.id, _other_id(content)):
        old = await tx.get(content.type, id_)
        if old is None or old.deleted or old.resource.get("url", "") == content.url:
            return id_
    return None


def _other_id(content: Content) -> str:
    digest = hashlib.blake2b(content.url.encode(), digest_size=4).hexdigest()
    return f"{content.id[:55]}-{digest}"


async def _is_there(tx: Transaction, content: Content) -> bool:
    """Whether somebody else wrote this very version of it before: that is left as it is."""
    if not content.url:
        return False
    key = uri_key(content.type, "url", content.url)
    cursor = await tx.db.execute(
        f"SELECT r.id FROM idx AS i JOIN resource AS r ON r.rid = i.rid WHERE i.{column(key)} = %s AND NOT r.deleted",
        (key,),
    )
    for (id_,) in await cursor.fetchall():
        stored = await tx.get(content.type, id_)
        if stored is not None and str(stored.resource.get("version", "")) == content.version:
            return True
    return False


async def remove(record: Record, name: str) -> Installed:
    """Take a package out, and what only it brought. Raises NotFound, Conflict while another one leans on it."""

    async def work(tx: Transaction) -> Installed:
        await tx.db.execute("SELECT pg_advisory_xact_lock(%s)", (_ALONE,))
        known = {one.name: one for one in await _installed(tx.db)}
        package = known.pop(name, None)
        if package is None:
            raise NotFound(f"{name} is not installed")
        leaning = [one.label for one in known.values() if name in one.requires]
        if leaning:
            raise Conflict(f"{', '.join(leaning)} leans on {name}: remove that first")
        others = {each[:2] for one in known.values() for each in one.brought}
        await tx.apply([Change("DELETE", t, i) for t, i, _, _ in package.brought if (t, i) not in others])
        await tx.db.execute("DELETE FROM package WHERE name = %s", (name,))
        return package

    return await record.run(LOCAL_OPERATOR, work)


def newer(one: str, other: str) -> bool:
    """Whether version `one` comes after `other` (https://semver.org/#spec-item-11)."""
    return _order(one) > _order(other)


def _order(version: str) -> tuple[list[int], int, list[tuple[int, int, str]]]:
    core, _, before = version.partition("+")[0].partition("-")
    numbers = [int(part) if part.isdigit() else -1 for part in core.split(".")]
    parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in before.split(".")] if before else []
    return numbers, 0 if before else 1, parts
