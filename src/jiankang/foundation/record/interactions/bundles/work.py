"""The entries of a transaction, understood: what each asks for, before anything is known of the record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jiankang.foundation.record.interactions.bundles.reading import Asked, Entry, address, patch_body
from jiankang.foundation.record.interactions.bundles.telling import renamed
from jiankang.foundation.record.interactions.update import check_id
from jiankang.foundation.record.wire.http import Request, Response, parse_versions, query_pairs
from jiankang.kernel.errors import Invalid, NotSupported, Problem
from jiankang.kernel.jsontext import decode

if TYPE_CHECKING:
    from jiankang.foundation.record.store import Prepared, Stored


@dataclass(slots=True)
class Work:
    """One entry of a transaction on its way: what was asked, what it means, what became of it."""

    number: int
    method: str
    segments: tuple[str, ...]
    params: list[tuple[str, str]]
    asked: Asked
    full_url: str | None
    raw: bytes | None
    id: str | None = None
    condition: list[tuple[str, str]] | None = None
    searches: frozenset[str] = frozenset()
    existing: Stored | None = None
    prepared: Prepared | None = None
    patch: Any = None
    result: Stored | None = None
    response: Response | None = None
    ids: list[str] = field(default_factory=list)

    @property
    def type(self) -> str:
        """The resource type in the address."""
        return self.segments[0]

    @property
    def changed(self) -> list[str]:
        """The ids of what this entry changes, as far as they are known."""
        if self.method == "GET" or self.existing is not None:
            return []
        return self.ids if self.id is None else [self.id]

    @property
    def written(self) -> bool:
        """Whether the entry's resource is stored as it is (not a patch, not what exists already)."""
        return self.raw is not None and self.method in {"POST", "PUT"} and self.existing is None


def work_of(request: Request, entry: Entry, number: int) -> Work:
    """An entry understood. Raises what is wrong with it, said of the entry."""
    try:
        return _understood(request, entry, number)
    except Problem as problem:
        raise renamed(problem, number) from None


def _understood(request: Request, entry: Entry, number: int) -> Work:
    asked = entry.request
    if asked is None:
        raise Invalid("the entry has no request", code="required", expression=["Bundle.entry.request"])
    method, segments, params = address(request, asked)
    interaction = request.server.route(method, segments).interaction
    raw = bytes(entry.resource) or None
    work = Work(number, method, segments, params, asked, entry.fullUrl, raw)
    if method == "GET":
        return work
    if interaction not in {"create", "update", "patch", "delete"}:
        raise NotSupported(f"{method} {asked.url} cannot be part of a transaction")
    if method != "DELETE" and raw is None:
        raise Invalid(f"{method} needs a resource", code="required", expression=["Bundle.entry.resource"])
    if len(segments) == 2:
        check_id(segments[1])
        work.id = segments[1]
    elif method == "POST":
        if asked.ifNoneExist is not None:
            work.condition = query_pairs(asked.ifNoneExist.removeprefix("?"))
        else:
            work.id = request.server.record.new_id()
    else:
        work.condition = params
    if method == "PATCH" and raw is not None:
        _, body = patch_body(raw)
        work.patch = decode(body)
    return work


def check_twice(works: list[Work]) -> None:
    """No resource may be named by two entries that change it."""
    seen: dict[tuple[str, str], int] = {}
    urls: dict[str, int] = {}
    for work in works:
        for id_ in work.changed:
            first = seen.setdefault((work.type, id_), work.number)
            if first != work.number:
                raise renamed(Invalid(f"entry {first} changes {work.type}/{id_} too", code="duplicate"), work.number)
        if work.full_url is not None and work.method == "POST":
            first = urls.setdefault(work.full_url, work.number)
            if first != work.number:
                raise renamed(Invalid(f"entry {first} has the same fullUrl", code="duplicate"), work.number)


def names_of(works: list[Work]) -> dict[str, str]:
    """What each fullUrl stands for."""
    return {
        work.full_url: f"{work.type}/{work.id}"
        for work in works
        if work.full_url is not None and work.id is not None and work.full_url != f"{work.type}/{work.id}"
    }


def own_id(work: Work) -> str | None:
    """The id that the resource of an update gives itself."""
    if work.method != "PUT" or work.raw is None:
        return None
    value = decode(work.raw)
    id_ = value.get("id") if isinstance(value, dict) else None
    return id_ if isinstance(id_, str) else None


def version_of(work: Work) -> frozenset[int] | None:
    """The versions of which one must be current, from ifMatch."""
    return None if work.asked.ifMatch is None else parse_versions(work.asked.ifMatch)
