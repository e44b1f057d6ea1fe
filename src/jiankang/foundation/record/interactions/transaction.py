"""batch and transaction: http://hl7.org/fhir/R4/http.html#transaction."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from jiankang.fhir.definitions import load
from jiankang.fhir.outcome import outcome
from jiankang.fhir.structure import check
from jiankang.foundation.record.indexing import by_lane, token_key
from jiankang.foundation.record.interactions.answers import expect_content, told_of
from jiankang.foundation.record.interactions.conditions import claims, matches, one_match
from jiankang.foundation.record.interactions.delete import ids_to_delete
from jiankang.foundation.record.interactions.preparing import THREAD_BYTES
from jiankang.foundation.record.interactions.rewriting import Names, conditional_references, logical, rewritten
from jiankang.foundation.record.interactions.update import check_id, expect_free, expect_none
from jiankang.foundation.record.judging import judged, prepared
from jiankang.foundation.record.store import Change, Prepared, Stored
from jiankang.foundation.record.wire.bundles import bundle, text
from jiankang.foundation.record.wire.http import (
    JSON,
    JSON_TYPES,
    Request,
    Response,
    http_date,
    parse_versions,
    path_segments,
    query_pairs,
)
from jiankang.kernel.clock import instant
from jiankang.kernel.errors import (
    Conflict,
    Invalid,
    Issue,
    NotFound,
    NotSupported,
    PreconditionFailed,
    Problem,
    TooLarge,
    Unprocessable,
)
from jiankang.kernel.ids import new_uuid7
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from jiankang.foundation.record.judging import Judge
    from jiankang.foundation.record.store import Transaction

_log = logging.getLogger("jiankang.api")
_MOST_ISSUES = 100


class _Asked(msgspec.Struct):
    method: str
    url: str
    ifNoneMatch: str | None = None  # noqa: N815 - FHIR's names
    ifModifiedSince: str | None = None  # noqa: N815
    ifMatch: str | None = None  # noqa: N815
    ifNoneExist: str | None = None  # noqa: N815


class _Entry(msgspec.Struct):
    fullUrl: str | None = None  # noqa: N815
    resource: msgspec.Raw = msgspec.Raw()
    request: _Asked | None = None


class _Bundle(msgspec.Struct):
    resourceType: str  # noqa: N815
    type: str = ""
    entry: list[_Entry] = []


_decoder = msgspec.json.Decoder(_Bundle)


@dataclass(slots=True)
class _Work:
    """One entry of a transaction on its way: what was asked, what it means, what became of it."""

    number: int
    method: str
    segments: tuple[str, ...]
    params: list[tuple[str, str]]
    asked: _Asked
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


async def process(request: Request) -> Response:
    """Do all of a Bundle's entries: a transaction wholly or not at all, a batch each for itself."""
    expect_content(request, JSON_TYPES)
    most = request.server.settings.max_bundle_entries
    if len(request.body) > THREAD_BYTES:
        parsed = await asyncio.to_thread(_read, request.body, most)
    else:
        parsed = _read(request.body, most)
    if parsed.type == "batch":
        return await _batch(request, parsed)
    if parsed.type == "transaction":
        return await _transaction(request, parsed)
    raise Invalid(
        f"a Bundle of type {parsed.type or '(none)'} cannot be processed here: send a batch or a transaction",
        expression=["Bundle.type"],
    )


def _read(body: bytes, most: int) -> _Bundle:
    """The Bundle's frame, its resources still as text. Raises Invalid or Unprocessable with what is wrong."""
    try:
        parsed = _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        value = decode(body)
        issues = check(value, expected_type="Bundle")
        raise Unprocessable(issues=issues or [Issue("structure", "this is not a Bundle of requests")]) from None
    if parsed.resourceType != "Bundle":
        raise Invalid(
            f"a {parsed.resourceType} cannot be posted here: send a Bundle, or post to /{parsed.resourceType}"
        )
    if len(parsed.entry) > most:
        raise TooLarge(f"the Bundle has {len(parsed.entry)} entries; at most {most} are taken: send it in parts")
    _check_frame(body, parsed)
    return parsed


def _check_frame(body: bytes, parsed: _Bundle) -> None:
    """Check the Bundle around the resources, which are checked one by one later."""
    parts: list[bytes] = []
    place = 0
    for entry in parsed.entry:
        raw = bytes(entry.resource)
        if not raw:
            continue
        found = body.index(raw, place)
        parts += [body[place:found], b'{"resourceType":"Basic","code":{"text":"-"}}']
        place = found + len(raw)
    frame = decode(b"".join((*parts, body[place:])))
    issues = check(frame, expected_type="Bundle")
    if issues:
        raise Unprocessable(issues=issues)


# -- batch --------------------------------------------------------------------------------------------------------


async def _batch(request: Request, parsed: _Bundle) -> Response:
    answers: list[bytes] = [b""] * len(parsed.entry)
    if await _together(request, parsed, answers):
        return Response(200, bundle("batch-response", answers))
    order = sorted(range(len(parsed.entry)), key=lambda n: _rank(parsed.entry[n].request))
    for number in order:
        answers[number] = await _alone(request, parsed.entry[number], number)
    return Response(200, bundle("batch-response", answers))


async def _together(request: Request, parsed: _Bundle, answers: list[bytes]) -> bool:
    """Do a batch of nothing but plain creates in one transaction; False when it is not one or something is wrong.

    What is wrong is then found by doing each entry for itself.
    """
    if len(parsed.entry) < 2 or not all(
        entry.request
        and entry.request.method == "POST"
        and entry.request.ifNoneExist is None
        and load().is_resource(entry.request.url)
        for entry in parsed.entry
    ):
        return False
    works = [_work(request, entry, number) for number, entry in enumerate(parsed.entry)]
    try:
        await _prepare_all(request, works, _NOTHING_RESOLVED, {})
        await request.server.record.run(request.actor, lambda tx: _write(request, tx, works))
    except Problem:
        return False
    for work in works:
        answers[work.number] = _entry_of_work(request, work)
    return True


def _rank(asked: _Asked | None) -> int:
    return {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2}.get(asked.method if asked else "", 3)


async def _alone(request: Request, entry: _Entry, number: int) -> bytes:
    """One entry of a batch: done as if it had been sent by itself."""
    try:
        if entry.request is None:
            return _entry_of(_refused(Invalid("the entry has no request", code="required"), number))
        return _entry_of(await _dispatched(request, entry.request, entry.resource))
    except Problem as problem:
        return _entry_of(_refused(problem, number))
    except Exception:  # noqa: BLE001 - one entry's bug does not spoil the others
        id_ = new_uuid7()
        _log.exception("batch entry failed, %s", id_)
        issue = Issue("exception", "something went wrong on our side")
        return _entry_of(Response(500, encode(outcome([issue], diagnostics=id_))))


async def _dispatched(
    request: Request, asked: _Asked, resource: msgspec.Raw, tx: Transaction | None = None
) -> Response:
    method, segments, params = _address(request, asked)
    if method not in {"GET", "POST", "PUT", "PATCH", "DELETE"}:
        raise NotSupported(f"the method {method} cannot be used in a Bundle")
    if not segments and method == "POST":
        raise NotSupported("a Bundle cannot hold another one to process")
    body = bytes(resource)
    route = request.server.route(method, segments)
    if route.begins and (tx is not None or asked.method == "HEAD"):
        raise NotSupported(f"{asked.method} {asked.url} begins work that goes on: it cannot be part of this Bundle")
    headers = {"content-type": JSON, "prefer": _prefer(request)}
    if method == "PATCH" and body:
        headers["content-type"], body = _patch_body(body)
    given = (
        ("if-none-match", asked.ifNoneMatch),
        ("if-modified-since", _as_http_date(asked.ifModifiedSince)),
        ("if-match", asked.ifMatch),
        ("if-none-exist", asked.ifNoneExist),
    )
    headers |= {name: value for name, value in given if value is not None}
    response = await request.server.dispatch(
        Request(request.server, request.actor, method, segments, params, headers, body, request.base_url, tx)
    )
    if response.stream is not None:
        raise NotSupported(f"{asked.url} is a file: ask for it by itself")
    if asked.method == "HEAD":
        response.body = b""
    return response


def _prefer(request: Request) -> str:
    """What the sender prefers for each entry: no resources of writes, unless they say so."""
    said = request.headers.get("prefer", "")
    return said if "return" in request.prefer else f"{said}, return=minimal"


def _as_http_date(moment: str | None) -> str | None:
    if moment is None:
        return None
    from datetime import datetime

    try:
        return http_date(datetime.fromisoformat(moment))
    except ValueError:
        raise Invalid(f"ifModifiedSince is {moment}, which is no instant") from None


def _patch_body(body: bytes) -> tuple[str, bytes]:
    """A patch in a Bundle: Parameters, or a Binary that holds a JSON Patch."""
    import base64

    value = decode(body)
    if isinstance(value, dict) and value.get("resourceType") == "Binary":
        try:
            return "application/json-patch+json", base64.b64decode(value.get("data", ""), validate=True)
        except ValueError:
            raise Invalid("the Binary's data is not base64") from None
    return JSON, body


def _address(request: Request, asked: _Asked) -> tuple[str, tuple[str, ...], list[tuple[str, str]]]:
    url = asked.url.removeprefix(request.base_url).split("#")[0]
    if url.startswith(("http:", "https:", "urn:")):
        raise Invalid(f"{asked.url} is not an address of this server")
    path, _, query = url.partition("?")
    method = "GET" if asked.method == "HEAD" else asked.method
    return method, path_segments(path), query_pairs(query) if query else []


def _refused(problem: Problem, number: int) -> Response:
    return Response(problem.status, encode(outcome(_placed(problem, number))))


def _placed(problem: Problem, number: int) -> list[Issue]:
    """The problem's issues, each saying which entry it is about."""
    entry = f"Bundle.entry[{number}]"

    def below(place: str) -> str:
        return f"{entry}.resource.{place.partition('.')[2]}" if "." in place else entry

    return [
        replace(issue, text=f"entry {number}: {issue.text}", expression=tuple(map(below, issue.expression)) or (entry,))
        for issue in problem.issues
    ]


_REASONS = {
    200: "OK", 201: "Created", 204: "No Content", 304: "Not Modified", 400: "Bad Request", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable", 409: "Conflict", 410: "Gone",
    412: "Precondition Failed", 413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable Content",
    500: "Internal Server Error", 503: "Service Unavailable", 507: "Insufficient Storage",
}  # fmt: skip


def _entry_of(response: Response) -> bytes:
    """A response as an entry of the answering Bundle."""
    found = dict(response.headers)
    status = f"{response.status} {_REASONS.get(response.status, '')}".strip()
    parts = [b'"status":%s' % text(status)]
    if "Location" in found:
        parts.append(b'"location":%s' % text(found["Location"]))
    if "ETag" in found:
        parts.append(b'"etag":%s' % text(found["ETag"]))
    if response.updated is not None:
        parts.append(b'"lastModified":"%s"' % instant(response.updated).encode())
    if response.status >= 400 or (response.body.startswith(b'{"resourceType":"OperationOutcome"')):
        parts.append(b'"outcome":%s' % response.body)
        return b'{"response":{%s}}' % b",".join(parts)
    if any(issue.severity == "error" for issue in response.findings):
        parts.append(b'"outcome":%s' % encode(outcome(response.findings)))
    resource = b'"resource":%s,' % response.body if response.body else b""
    return b'{%s"response":{%s}}' % (resource, b",".join(parts))


# -- transaction --------------------------------------------------------------------------------------------------


async def _transaction(request: Request, parsed: _Bundle) -> Response:
    works = [_work(request, entry, number) for number, entry in enumerate(parsed.entry)]
    _check_twice(works)
    for work in works:
        if work.raw is not None and work.written:
            work.searches = conditional_references(work.raw)
    plain = not any(work.condition is not None or work.searches for work in works)
    if plain:
        await _prepare_all(request, works, _NOTHING_RESOLVED, _names(works))

    async def do(tx: Transaction) -> None:
        for one in works:
            one.result = None  # it may be done a second time
        if not plain:
            await _resolve(request, tx, works)
        await _write(request, tx, works)
        await _check_conditions(request, tx, works)
        for one in works:
            if one.method == "GET":
                one.response = await _guarded(one, _dispatched(request, one.asked, msgspec.Raw(), tx))

    await request.server.record.run(request.actor, do)
    entries = [_entry_of_work(request, one) for one in works]
    return Response(200, bundle("transaction-response", entries))


async def _guarded(work: _Work, doing: Any) -> Any:
    """Await `doing`; a problem in it names the entry."""
    try:
        return await doing
    except Problem as problem:
        raise _renamed(problem, work.number) from None


def _renamed(problem: Problem, number: int) -> Problem:
    return type(problem)(issues=_placed(problem, number))


def _work(request: Request, entry: _Entry, number: int) -> _Work:
    try:
        return _understood(request, entry, number)
    except Problem as problem:
        raise _renamed(problem, number) from None


def _understood(request: Request, entry: _Entry, number: int) -> _Work:
    asked = entry.request
    if asked is None:
        raise Invalid("the entry has no request", code="required", expression=["Bundle.entry.request"])
    method, segments, params = _address(request, asked)
    interaction = request.server.route(method, segments).interaction
    raw = bytes(entry.resource) or None
    work = _Work(number, method, segments, params, asked, entry.fullUrl, raw)
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
        _, body = _patch_body(raw)
        work.patch = decode(body)
    return work


def _check_twice(works: list[_Work]) -> None:
    """No resource may be named by two entries that change it."""
    seen: dict[tuple[str, str], int] = {}
    urls: dict[str, int] = {}
    for work in works:
        for id_ in work.changed:
            first = seen.setdefault((work.type, id_), work.number)
            if first != work.number:
                raise _renamed(Invalid(f"entry {first} changes {work.type}/{id_} too", code="duplicate"), work.number)
        if work.full_url is not None and work.method == "POST":
            first = urls.setdefault(work.full_url, work.number)
            if first != work.number:
                raise _renamed(Invalid(f"entry {first} has the same fullUrl", code="duplicate"), work.number)


def _names(works: list[_Work]) -> dict[str, str]:
    """What each fullUrl stands for."""
    return {
        work.full_url: f"{work.type}/{work.id}"
        for work in works
        if work.full_url is not None and work.id is not None and work.full_url != f"{work.type}/{work.id}"
    }


async def _prepare_all(request: Request, works: list[_Work], resolved: _Resolved, names: dict[str, str]) -> None:
    """Prepare the resources of `works`, references to `names` and to what is `resolved` replaced."""
    size = sum(len(work.raw) for work in works if work.raw)
    limit = request.server.settings.max_resource_bytes
    judge, aside = request.server.judge, size > THREAD_BYTES
    if judge is not None:
        await judge.refresh()
    if aside:
        await asyncio.to_thread(_prepare_each, judge, works, resolved, names, limit)
    else:
        _prepare_each(judge, works, resolved, names, limit)
    ready = [(work, work.prepared) for work in works if work.written and work.prepared is not None]
    refused = await judged(judge, [prepared for _, prepared in ready], aside=aside)
    if refused:
        issues = [issue for place, one in refused.items() for issue in _placed(one, ready[place][0].number)]
        raise Unprocessable(issues=issues[:_MOST_ISSUES])


def _prepare_each(
    judge: Judge | None, works: list[_Work], resolved: _Resolved, known: dict[str, str], limit: int
) -> None:
    """Prepare every resource; all problems of all entries at once."""
    names = Names(known | resolved.addresses)
    issues: list[Issue] = []
    kind: type[Problem] = Unprocessable
    for work in works:
        if not work.written:
            continue
        try:
            work.prepared = _prepared(judge, work, names, resolved.identifiers, limit)
        except Problem as problem:
            kind = type(problem)
            issues += _placed(problem, work.number)
            if len(issues) > _MOST_ISSUES:
                break
    if issues:
        raise kind(issues=issues)


def _prepared(
    judge: Judge | None, work: _Work, names: Names, identifiers: dict[str, tuple[str, str, str]], limit: int
) -> Prepared:
    raw = work.raw or b""
    if len(raw) > limit:
        raise TooLarge(f"the resource has {len(raw)} bytes; at most {limit} are taken")
    raw = rewritten(raw, names, work.full_url)
    if not work.searches.isdisjoint(identifiers):
        raw = logical(raw, identifiers)
    ready = prepared(judge, raw, type_name=work.type)
    if work.method == "PUT" and work.id is not None and ready.id != work.id and work.condition is None:
        raise Invalid(f"the resource's id is {ready.id}, the address says {work.id}", expression=[f"{work.type}.id"])
    return ready


async def _resolve(request: Request, tx: Transaction, works: list[_Work]) -> None:
    """Find what conditions mean, waiting for others that decide about the same identities; then prepare."""
    conditional = [work for work in works if work.condition is not None]
    await tx.claim({claim for work in conditional for claim in claims(work.type, work.condition or [])})
    for work in conditional:
        work.id, work.existing, work.ids = None, None, []
    await _delete(request, tx, works)
    taken: dict[int, int] = {}
    for work in conditional:
        if work.method != "DELETE":
            await _guarded(work, _identify(request, tx, work))
            _check_identity(work, taken)
    _check_twice(works)
    names = _names(works)
    early = _made_first(works)
    if early:
        await _prepare_all(request, early, _NOTHING_RESOLVED, names)
        await _apply(tx, early)
    references = await _references(request, tx, works)
    await _prepare_all(request, [work for work in works if not early or work.searches], references, names)


async def _delete(request: Request, tx: Transaction, works: list[_Work]) -> None:
    """Do all deletes, which come before everything else; what they mean is decided before any is done."""
    deleting = [work for work in works if work.method == "DELETE"]
    for work in deleting:
        if work.condition is not None:
            work.ids = await _guarded(work, ids_to_delete(request, tx, work.type, work.condition))
    _check_twice([work for work in works if work.changed])
    await _apply(tx, [work for work in deleting if work.condition is None])
    for work in deleting:
        await _guarded(work, tx.apply([Change("DELETE", work.type, id_) for id_ in work.ids]))


async def _identify(request: Request, tx: Transaction, work: _Work) -> None:
    """Find what a condition means. Raises NotFound, PreconditionFailed, Invalid, Conflict where it cannot be done."""
    work.id = await one_match(request.server, tx, work.type, work.condition or [])
    own = _own_id(work)
    if work.method == "POST" and work.id is not None:
        work.existing = await tx.get(work.type, work.id)
    elif work.method == "PATCH" and work.id is None:
        raise NotFound(f"no {work.type} matches the condition")
    elif work.id is None:
        if own is not None:
            await expect_free(tx, work.type, own)
        work.id = own or request.server.record.new_id()
    elif own not in {None, work.id}:
        raise Invalid(f"the condition matches {work.type}/{work.id}, the resource says it is {own}")


def _made_first(works: list[_Work]) -> list[_Work]:
    """What conditional references of other entries may be about: it is written before they are resolved."""
    targets = {one.partition("?")[0] for work in works if work.written for one in work.searches}
    if not any(work.written and work.type in targets for work in works):
        return []
    return [work for work in works if work.written and not work.searches]


async def _check_conditions(request: Request, tx: Transaction, works: list[_Work]) -> None:
    """No entry may make what the condition of another one means: nobody could say which of them it is."""
    made = {work.type for work in works if work.written and work.condition is None}
    for work in works:
        if work.condition is None or work.method not in {"POST", "PUT"} or work.type not in made:
            continue
        found = await _guarded(work, one_match(request.server, tx, work.type, work.condition))
        if found not in {None, work.id}:
            raise _renamed(
                Conflict(f"its condition now means {work.type}/{found}, which another entry made"), work.number
            )


def _own_id(work: _Work) -> str | None:
    if work.method != "PUT" or work.raw is None:
        return None
    value = decode(work.raw)
    id_ = value.get("id") if isinstance(value, dict) else None
    return id_ if isinstance(id_, str) else None


def _check_identity(work: _Work, taken: dict[int, int]) -> None:
    """Two entries that would make, or mean, one identity cannot both be done."""
    for claim in claims(work.type, work.condition or []):
        first = taken.setdefault(claim, work.number)
        if first != work.number:
            raise _renamed(
                Conflict(f"entry {first} is about the same identity: send each identity once", code="duplicate"),
                work.number,
            )


@dataclass(frozen=True, slots=True)
class _Resolved:
    """What conditional references stand for: addresses, or identifiers of what is not known here."""

    addresses: dict[str, str]
    identifiers: dict[str, tuple[str, str, str]]


_NOTHING_RESOLVED = _Resolved({}, {})


async def _references(request: Request, tx: Transaction, works: list[_Work]) -> _Resolved:
    """What each conditional reference means. Raises PreconditionFailed where it is not exactly one resource.

    Of types that the setting `logical_references` names, one that is not known here becomes a logical reference.
    """
    wanted: dict[str, int] = {}
    for work in works:
        if work.existing is None:
            for one in work.searches:
                wanted.setdefault(one, work.number)
    known = await _by_identifier(request, tx, wanted)
    logical_types = {name.strip() for name in request.server.settings.logical_references.split(",")}
    resolved = _Resolved({}, {})
    for reference, number in wanted.items():
        type_name, params = _condition(reference, number)
        ids = known.get(reference)
        if ids is None:
            ids = await matches(request.server, tx, type_name, params, 2)
        identifier = _sole_identifier(params)
        if len(ids) == 1:
            resolved.addresses[reference] = f"{type_name}/{ids[0]}"
        elif not ids and identifier is not None and type_name in logical_types:
            resolved.identifiers[reference] = (type_name, *identifier)
        else:
            how = "more than one resource" if ids else "nothing"
            problem = PreconditionFailed(f"the reference {reference} matches {how}", code="not-found")
            raise _renamed(problem, number)
    return resolved


def _condition(reference: str, number: int) -> tuple[str, list[tuple[str, str]]]:
    type_name, _, query = reference.partition("?")
    if not load().is_resource(type_name):
        raise _renamed(Invalid(f"the reference {reference} names no resource type"), number)
    return type_name, query_pairs(query)


def _sole_identifier(params: list[tuple[str, str]]) -> tuple[str, str] | None:
    """System and value where the condition is one identifier and nothing else."""
    if len(params) != 1 or params[0][0] != "identifier":
        return None
    system, bar, value = params[0][1].partition("|")
    return (system, value) if bar and system and value and not set("|,\\") & set(value) else None


async def _by_identifier(request: Request, tx: Transaction, wanted: dict[str, int]) -> dict[str, list[str]]:
    """The ids behind all references that are one identifier, in one query."""
    keys: dict[int, str] = {}
    for reference, number in wanted.items():
        type_name, params = _condition(reference, number)
        identifier = _sole_identifier(params)
        if identifier is not None and "identifier" in request.server.registry.parameters(type_name):
            keys[token_key(type_name, "identifier", *identifier)] = reference
    if not keys:
        return {}
    allowed, bound = request.actor.restriction.sql("r")
    found: dict[str, list[str]] = {reference: [] for reference in keys.values()}
    for lane, members in by_lane(keys).items():
        rows = await tx.db.execute(
            f"SELECT i.h{lane}, r.id FROM idx AS i JOIN resource AS r ON r.rid = i.rid "
            f"WHERE i.h{lane} = ANY(%s::bigint[]) AND NOT r.deleted AND {allowed}",
            (members, *bound),
        )
        for key, id_ in await rows.fetchall():
            found[keys[key]].append(id_)
    return found


async def _write(request: Request, tx: Transaction, works: list[_Work]) -> None:
    from jiankang.foundation.record.interactions.patch import patch_in

    for work in works:
        if work.method == "PUT" and work.id is not None and (work.asked.ifNoneMatch or "").strip() == "*":
            await _guarded(work, expect_none(tx, work.type, work.id))
    doing = [work for work in works if work.written or (work.method == "DELETE" and work.condition is None)]
    await _apply(tx, [work for work in doing if work.result is None])
    for work in works:
        if work.method == "PATCH":
            doing_it = patch_in(request, tx, work.type, work.id or "", work.patch, _version(work))
            work.result = await _guarded(work, doing_it)


async def _apply(tx: Transaction, doing: list[_Work]) -> None:
    """Write, and say of what is refused which entry it is."""
    if not doing:
        return
    changes = [Change(w.method, w.type, w.id, w.prepared, _version(w)) for w in doing]
    created = {w.id for w in doing if w.method == "POST"}
    try:
        results = await tx.apply(changes, new=created)
    except Problem as problem:
        number = _culprit(problem, doing)
        if number is None:
            raise
        raise _renamed(problem, number) from None
    for work, result in zip(doing, results, strict=True):
        work.result = result


def _culprit(problem: Problem, doing: list[_Work]) -> int | None:
    """The entry that a refusal of the store is about: it names the resource."""
    said = str(problem)
    return next((work.number for work in doing if f"{work.type}/{work.id}" in said), None)


def _version(work: _Work) -> frozenset[int] | None:
    return None if work.asked.ifMatch is None else parse_versions(work.asked.ifMatch)


def _entry_of_work(request: Request, work: _Work) -> bytes:
    if work.response is not None:
        return _entry_of(work.response)
    if work.method == "DELETE":
        etag = b',"etag":%s' % text(work.result.etag) if work.result is not None and work.result.version else b""
        return b'{"response":{"status":"204 No Content"%s}}' % etag
    stored = work.existing or work.result
    if stored is None:
        return b'{"response":{"status":"204 No Content"}}'
    status = "201 Created" if work.existing is None and stored.created else "200 OK"
    location = f"{request.base_url}/{stored.type}/{stored.id}/_history/{stored.version}"
    response = b'"response":{"status":"%s","location":%s,"etag":%s,"lastModified":"%s"}' % (
        status.encode(), text(location), text(stored.etag), instant(stored.updated).encode(),
    )  # fmt: skip
    wanted = request.prefer.get("return")
    if wanted == "representation":
        return b'{"resource":%s,%s}' % (stored.json, response)
    if wanted == "OperationOutcome" or any(issue.severity == "error" for issue in stored.findings):
        return b'{%s,"outcome":%s}}' % (response[:-1], encode(told_of(stored, work.existing)))
    return b"{%s}" % response
