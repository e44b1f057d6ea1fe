"""Under which ids the resources of a package are written, and which of them stay as they are.

A resource is known by its canonical URL and version (http://hl7.org/fhir/R4/references.html#canonical), one that has
none (NamingSystem) by its id in the package.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jiankang.fhir.definitions import load
from jiankang.foundation.record.indexing import by_lane, uri_key
from jiankang.kernel.jsontext import decode

if TYPE_CHECKING:
    from jiankang.foundation.conformance.packages.reading import Content
    from jiankang.foundation.record.store import Stored, Transaction

Name = tuple[str, str, str, str]
"""Type, id, url and version of a resource that a package brought."""
Key = tuple[str, str]
"""Type and id."""


Facts = Mapping[Key, tuple[str, str] | None]
"""URL and version of what the record has; None where nothing is, or nothing any more."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a resource goes. It is not `written` where it is there already; without an `id` it is somebody else's."""

    id: str | None
    written: bool


async def placed(
    tx: Transaction, contents: Sequence[Content], mine: Collection[Name], others: Collection[Key]
) -> list[Place]:
    """A place for each resource of a package that has brought `mine` before, other packages having brought `others`."""
    there = await _there(tx, contents)
    wishes = _wishes(contents, mine)
    names = {(one.type, id_) for one, ids in zip(contents, wishes, strict=True) for id_ in ids}
    stored = await tx.lock(names | {key for keys in there.values() for key in keys})
    facts = {key: _facts(old) for key, old in stored.items()}
    own = {name[:2] for name in mine} - {*others}
    held = set(others)
    places = []
    for one, ids in zip(contents, wishes, strict=True):
        equal = [key for key in there.get((one.type, one.url), ()) if facts[key] == (one.url, one.version)]
        if equal and not any((one.type, id_) in own and _is_of(facts, one, id_) for id_ in ids):
            places.append(Place(next((key[1] for key in equal if key in others), None), written=False))
            continue
        id_ = _free(one, ids, facts, own, held)
        places.append(Place(id_, written=True))
        if id_ is not None:
            held.add((one.type, id_))
    return places


def _facts(old: Stored | None) -> tuple[str, str] | None:
    if old is None or old.deleted:
        return None
    value = decode(old.json)
    return str(value.get("url", "")), str(value.get("version", ""))


async def _there(tx: Transaction, contents: Iterable[Content]) -> Mapping[Key, list[Key]]:
    """What the record has, by type and URL."""
    wanted = {uri_key(one.type, "url", one.url): (one.type, one.url) for one in contents if one.url}
    found: dict[Key, list[Key]] = defaultdict(list)
    names = load().resource_names
    for lane, keys in by_lane(wanted).items():
        cursor = await tx.db.execute(
            f"SELECT i.h{lane}, r.type, r.id FROM idx AS i JOIN resource AS r ON r.rid = i.rid "
            f"WHERE i.h{lane} = ANY(%s::bigint[]) AND NOT r.deleted ORDER BY r.rid",
            (keys,),
        )
        for key, type_code, id_ in await cursor.fetchall():
            found[wanted[key]].append((names[type_code], id_))
    return found


def _wishes(contents: Sequence[Content], mine: Iterable[Name]) -> list[list[str]]:
    """The ids that each may be written under, best first: as before, its own, its own with a mark of its URL."""
    urls = Counter((one.type, one.url) for one in contents)
    before: dict[Key, list[tuple[str, str]]] = defaultdict(list)
    for type_name, id_, url, version in mine:
        before[type_name, url].append((id_, version))
    found = []
    for one in contents:
        known = before.get((one.type, one.url), []) if one.url else []
        same = [id_ for id_, version in known if version == one.version]
        if not same and len(known) == urls[one.type, one.url] == 1:
            same = [known[0][0]]
        found.append([*dict.fromkeys([*same, one.id, _marked(one)])])
    return found


def _marked(one: Content) -> str:
    digest = hashlib.blake2b(f"{one.url or one.id}|{one.version}".encode(), digest_size=4).hexdigest()
    return f"{one.id[:55]}-{digest}"


def _is_of(facts: Facts, one: Content, id_: str) -> bool:
    """Whether what the record has there is a version of this resource."""
    old = facts[one.type, id_]
    return old is not None and bool(one.url) and old[0] == one.url


def _free(one: Content, ids: Iterable[str], facts: Facts, own: Collection[Key], others: Collection[Key]) -> str | None:
    """The first id that is nobody else's."""
    for id_ in ids:
        key = (one.type, id_)
        free = facts[key] is None or _is_of(facts, one, id_) or (not one.url and key in own)
        if free and key not in others:
            return id_
    return None
