"""Packages put into the record, wholly or not at all, and taken out of it.

What a package brings becomes resources of the record: found by search, and in force at once (profiles, codes, search
parameters) like everything written there. https://hl7.org/fhir/packages.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jiankang.fhir.validation.profiles.packages import version_order
from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.conformance.packages.placing import Name, placed
from jiankang.foundation.record.store import Change, Prepared, prepare
from jiankang.kernel.database import translated
from jiankang.kernel.errors import Conflict, NotFound, Problem, Unprocessable
from jiankang.kernel.ids import key64
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from jiankang.foundation.conformance.packages.reading import Content, Package
    from jiankang.foundation.record.store import Record, Transaction

NORM = ("hl7.fhir.r4.", "hl7.fhir.core")
"""Packages that are the norm itself."""
EXTENSIONS = "hl7.fhir.uv.extensions"
"""HL7's general extensions. Those of R4 are part of the norm; later ones are known once this package is installed."""
OURS = (*NORM, "hl7.terminology", EXTENSIONS)
"""Packages that nothing needs to wait for: what they bring is part of the platform."""

_LEANT_ON = frozenset({"StructureDefinition", "ValueSet", "CodeSystem", "ConceptMap", "SearchParameter"})
_ALONE = key64("conformance:packages")
_AT_ONCE = 250
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
    no valid R4 and were left out, `bare` those whose narrative was; `before` is the version that was installed.
    """

    package: Package
    written: int
    left: tuple[str, ...]
    unfit: tuple[str, ...]
    bare: tuple[str, ...]
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


def missing(package: Package, present: Mapping[str, str]) -> list[str]:
    """What the package leans on and is not `present` (versions by name), or only in an older version, as name@version."""
    return [
        f"{name}@{version}"
        for name, version in package.requires.items()
        if not is_ours(name) and (name not in present or newer(version, present[name]))
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
    if package.name.startswith(NORM):
        raise Unprocessable(f"{package.label} is the norm itself, which is built in: there is nothing to install")

    async def work(tx: Transaction) -> Outcome:
        await tx.db.execute("SELECT pg_advisory_xact_lock(%s)", (_ALONE,))
        known = {one.name: one for one in await _installed(tx.db)}
        _refuse(package, known, force=force, incomplete=incomplete)
        return await _put(tx, package, known.pop(package.name, None), known.values(), progress)

    return await record.run(LOCAL_OPERATOR, work)


def _refuse(package: Package, known: Mapping[str, Installed], *, force: bool, incomplete: bool) -> None:
    absent = [] if incomplete else missing(package, {one.name: one.version for one in known.values()})
    if absent:
        there = [known[name].label for name in (label.partition("@")[0] for label in absent) if name in known]
        note = f" ({', '.join(there)} is installed)" if there else ""
        raise Unprocessable(f"{package.label} leans on {', '.join(absent)}{note}: install that first")
    before = known.get(package.name)
    if before is not None and newer(before.version, package.version) and not force:
        raise Conflict(
            f"{before.label} is installed, which is newer than {package.label}; --force puts the older one in"
        )


async def _put(
    tx: Transaction,
    package: Package,
    before: Installed | None,
    others: Collection[Installed],
    progress: Callable[[str], None],
) -> Outcome:
    held = {name[:2] for one in others for name in one.brought}
    mine = before.brought if before else ()
    both = list(zip(package.contents, await placed(tx, package.contents, mine, held), strict=True))
    there = [(one, place.id) for one, place in both if not place.written or place.id is None]
    done = _Done()
    await _write(tx, package, [(one, place.id) for one, place in both if place.written and place.id], done, progress)
    brought = [*done.names, *((one.type, id_, one.url, one.version) for one, id_ in there if id_)]
    kept = {name[:2] for name in brought} | held
    gone = [name for name in mine if name[:2] not in kept]
    await tx.apply([Change("DELETE", type_name, id_) for type_name, id_, _, _ in gone])
    await tx.db.execute(
        _INSERT,
        (
            package.name, package.version, package.canonical, package.title,
            encode(package.requires).decode(), encode([list(name) for name in brought]).decode(),
        ),
    )  # fmt: skip
    left = tuple(f"{one.type} {one.url or one.id}|{one.version}" for one, _ in there)
    was = before.version if before else None
    return Outcome(package, len(done.names), left, tuple(done.unfit), tuple(done.bare), len(gone), was)


@dataclass(slots=True)
class _Done:
    """What came of writing: names of what is written, what is wrong with what is not, what lost its narrative."""

    names: list[Name] = field(default_factory=list)
    unfit: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)


async def _write(
    tx: Transaction,
    package: Package,
    wanted: Sequence[tuple[Content, str]],
    done: _Done,
    progress: Callable[[str], None],
) -> None:
    """Write resources under their ids, some hundred at a time: no more of them are in memory unpacked."""
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        progress(f"-- {package.label}: resources {start + 1} to {start + len(part)} of {len(wanted)}")
        await tx.apply([change for one, id_ in part if (change := _change(package, one, id_, done)) is not None])


def _change(package: Package, content: Content, id_: str, done: _Done) -> Change | None:
    """A resource to be written; None for one that is not valid and that nothing leans on."""
    label = f"{content.type}/{content.id}"
    try:
        prepared, whole = _prepared(content)
    except Problem as problem:
        text = f"{label} is not valid: {problem.issues[0].text}"
        if content.type in _LEANT_ON:
            raise Unprocessable(f"{package.label}: {text}") from None
        done.unfit.append(text)
        return None
    if not whole:
        done.bare.append(label)
    done.names.append((content.type, id_, content.url, content.version))
    prepared.id = prepared.resource["id"] = id_
    return Change("PUT", content.type, id_, prepared)


def _prepared(content: Content) -> tuple[Prepared, bool]:
    """The resource, without its narrative where only that is wrong; whether it is whole."""
    text = content.text
    try:
        return prepare(text, type_name=content.type), True
    except Unprocessable as problem:
        narrative = f"{content.type}.text"
        if not all(
            issue.expression and f"{issue.expression[0]}.".startswith(f"{narrative}.") for issue in problem.issues
        ):
            raise
    resource = decode(text)
    del resource["text"]
    return prepare(resource, type_name=content.type), False


async def remove(record: Record, name: str) -> Installed:
    """Take a package out, and what only it brought. Raises NotFound, Conflict while another one leans on it."""

    async def work(tx: Transaction) -> Installed:
        await tx.db.execute("SELECT pg_advisory_xact_lock(%s)", (_ALONE,))
        known = {one.name: one for one in await _installed(tx.db)}
        package = known.pop(name, None)
        if package is None:
            raise NotFound(f"{name} is not installed")
        leaning = [] if is_ours(name) else [one.label for one in known.values() if name in one.requires]
        if leaning:
            raise Conflict(f"{', '.join(leaning)} leans on {name}: remove that first")
        others = {each[:2] for one in known.values() for each in one.brought}
        await tx.apply([Change("DELETE", t, i) for t, i, _, _ in package.brought if (t, i) not in others])
        await tx.db.execute("DELETE FROM package WHERE name = %s", (name,))
        return package

    return await record.run(LOCAL_OPERATOR, work)


def newer(one: str, other: str) -> bool:
    """Whether version `one` comes after `other`."""
    return version_order(one) > version_order(other)
