"""The bulk operations over HTTP: what begins a job, tells of it, ends it and hands out its files.

https://hl7.org/fhir/uv/bulkdata/export.html, https://github.com/smart-on-fhir/bulk-import (ping and pull aside: inputs
are sent, lie in a folder or are on a list of addresses)
"""

from __future__ import annotations

import shutil
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jiankang.fhir.outcome import outcome, told
from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.bulk import jobs, links
from jiankang.foundation.record.bulk.asking import NDJSON, NDJSON_TYPES, posted, read_ask
from jiankang.foundation.record.bulk.downloading import file_response
from jiankang.foundation.record.bulk.files import clear, job_folder
from jiankang.foundation.record.bulk.parts import Part, load_parts, refusals
from jiankang.foundation.record.bulk.receiving import spool
from jiankang.foundation.record.bulk.sources import source_of
from jiankang.foundation.record.wire.http import JSON, JSON_TYPES, Request, Response, http_date
from jiankang.kernel.clock import instant
from jiankang.kernel.errors import Invalid, Issue, NotFound, UnsupportedMediaType
from jiankang.kernel.ids import new_uuid7
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from jiankang.foundation.record.bulk.asking import Ask
    from jiankang.foundation.record.bulk.jobs import Job

_MOST_GROUPS = 200
_RETRY_SECONDS = "2"


# -- export -------------------------------------------------------------------------------------------------------


async def export_system(request: Request) -> Response:
    """Export everything."""
    return await _begin_export(request, "system")


async def export_patients(request: Request) -> Response:
    """Export all patients' records."""
    if request.segments[0] != "Patient":
        raise NotFound(f"$export is not defined for {request.segments[0]}", code="not-supported")
    return await _begin_export(request, "patient")


async def export_one(request: Request) -> Response:
    """Export the records of a Group's members, or of one patient."""
    if request.segments[0] not in {"Group", "Patient"}:
        raise NotFound(f"$export is not defined for a {request.segments[0]}", code="not-supported")
    return await _begin_export(request, request.segments[0].lower(), request.segments[1])


async def _begin_export(request: Request, level: str, owner: str | None = None) -> Response:
    _expect_async(request)
    lenient = request.handling == "lenient"
    ask = read_ask(
        posted(request), level, owner, request.server.registry, lenient=lenient, post=request.method == "POST"
    )
    ask = await _narrowed(request, ask)
    job_id = await jobs.submit(request.server.record, request.actor, "export", _address(request), ask.kept())
    return _accepted(request, job_id)


def _expect_async(request: Request) -> None:
    if "respond-async" not in request.prefer:
        raise Invalid("this takes a while and is answered later: send the header `Prefer: respond-async`")
    if request.tx is not None:
        raise Invalid("this cannot be part of a transaction")


def _address(request: Request) -> str:
    address = "/".join((request.base_url, *request.segments))
    return f"{address}?{urlencode(request.params)}" if request.params else address


def _accepted(request: Request, job_id: str) -> Response:
    address = f"{request.base_url}/_bulk/{job_id}"
    body = encode(told(f"The work has begun; ask {address} how far it is."))
    return Response(202, body, [("Content-Location", address)])


async def _narrowed(request: Request, ask: Ask) -> Ask:
    """The export with the patients that it is about, each of whom the actor may know of."""
    if ask.owner is None:
        patients = ask.patients
    elif ask.level == "patient":
        await request.server.read(request, "Patient", ask.owner)
        patients = (ask.owner,)
    else:
        patients = await _members(request, ask.owner)
    if ask.patients is not None:
        await _check_patients(request, ask.patients, None if ask.owner is None else patients)
        patients = ask.patients
    return type(ask).restored({**ask.kept(), "patients": patients})


async def _check_patients(request: Request, asked: tuple[str, ...], members: tuple[str, ...] | None) -> None:
    for number, one in enumerate(asked):
        stored = await request.server.record.current(request.actor, "Patient", one)
        if stored is None or stored.deleted or (members is not None and one not in members):
            raise Invalid(f"Patient/{one} is not part of this export", expression=[f"patient[{number}]"])


async def _members(request: Request, group: str) -> tuple[str, ...]:
    """The patients of a Group and of the Groups in it; who is inactive is left out."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    waiting = [group]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        if len(seen) > _MOST_GROUPS:
            raise Invalid(f"more than {_MOST_GROUPS} Groups are nested in this one")
        if one == group:
            resource = (await request.server.read(request, "Group", one)).resource
        else:
            stored = await request.server.record.current(request.actor, "Group", one)
            if stored is None or stored.deleted:
                continue
            resource = stored.resource
        for member in resource.get("member", []):
            kind, _, id_ = str(member.get("entity", {}).get("reference", "")).partition("/")
            if member.get("inactive") is True or not id_:
                continue
            if kind == "Patient":
                found[id_.split("/")[0]] = None
            elif kind == "Group":
                waiting.append(id_.split("/")[0])
    return tuple(found)


# -- import -------------------------------------------------------------------------------------------------------


async def begin_import(request: Request) -> Response:
    """Import what is sent, or what the Parameters name."""
    _expect_async(request)
    unknown = sorted({name for name, _ in request.params} - {"_format", "_pretty"})
    if unknown and request.handling == "strict":
        raise Invalid(f"$import does not know {', '.join(unknown)}: say everything in the body")
    if request.receive is not None or request.content_type in NDJSON_TYPES:
        return await _import_sent(request, "sent-0.ndjson")
    if request.content_type not in JSON_TYPES:
        raise UnsupportedMediaType(f"send {NDJSON}, a Bundle, or Parameters that name inputs")
    body = decode(request.body)
    kind = body.get("resourceType") if isinstance(body, dict) else None
    if kind == "Bundle":
        return await _import_sent(request, "sent-0.json")
    if kind != "Parameters":
        raise Invalid("send Parameters that name inputs, a Bundle, or NDJSON", expression=["resourceType"])
    inputs = _inputs(body)
    parts = [(*source_of(address, request.server.settings), type_name) for type_name, address in inputs]
    asked = {"inputs": [address for _, address in inputs]}
    job_id = await jobs.submit(
        request.server.record, request.actor, "import", _address(request), asked,
        parts=[(source, type_name, size) for source, size, type_name in parts],
    )  # fmt: skip
    return _accepted(request, job_id)


async def _import_sent(request: Request, name: str) -> Response:
    job_id = new_uuid7()
    settings = request.server.settings
    path = job_folder(settings, job_id) / name
    try:
        if request.receive is not None:
            size = await spool(
                request.receive, request.headers, path, settings.max_import_bytes, float(settings.body_seconds)
            )
        else:
            path.parent.mkdir(parents=True, mode=0o700)
            size = path.write_bytes(request.body)
        await jobs.submit(
            request.server.record, request.actor, "import", _address(request), {"inputs": ["sent"]}, id_=job_id,
            parts=[(f"sent:{name}", None, size)],
        )  # fmt: skip
    except BaseException:
        shutil.rmtree(path.parent, ignore_errors=True)
        raise
    return _accepted(request, job_id)


def _inputs(body: dict[str, Any]) -> list[tuple[str | None, str]]:
    """The type (if said) and address of each input. Raises Invalid with all that is wrong."""
    issues: list[Issue] = []
    found: list[tuple[str | None, str]] = []
    for number, one in enumerate(_parameters(body)):
        place = (f"Parameters.parameter[{number}]",)
        name = one.get("name")
        if name == "inputFormat":
            if _value(one) not in NDJSON_TYPES | JSON_TYPES:
                issues.append(Issue("not-supported", f"inputFormat: only {NDJSON} and {JSON} are read", place))
        elif name == "input":
            values = {part.get("name"): _value(part) for part in one.get("part", []) if isinstance(part, dict)}
            if not values.get("url"):
                issues.append(Issue("required", "an input has a part `url`", place))
            found.append((values.get("type"), values.get("url") or ""))
        elif name not in {"inputSource", "storageDetail"}:
            issues.append(Issue("not-supported", f"$import does not know the parameter {name}", place))
    if not found:
        issues.append(Issue("required", "name at least one `input`", ("Parameters.parameter",)))
    if issues:
        raise Invalid(issues=issues)
    return found


def _parameters(body: dict[str, Any]) -> list[dict[str, Any]]:
    listed = body.get("parameter", [])
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Invalid("`parameter` is a list of objects", expression=["Parameters.parameter"])
    return listed


def _value(parameter: dict[str, Any]) -> str | None:
    return next((v for name, v in parameter.items() if name.startswith("value") and isinstance(v, str)), None)


# -- a job --------------------------------------------------------------------------------------------------------


async def status(request: Request) -> Response:
    """How far a job is; when it is done, what came of it."""
    job = await _job(request)
    if job.open:
        headers = [("X-Progress", await _progress(request, job)), ("Retry-After", _RETRY_SECONDS)]
        return Response(202, b"", headers)
    if job.state == "failed":
        issues = [Issue(one["code"], one["text"]) for one in job.problem or ()]
        return Response(422, encode(outcome(issues)))
    manifest = await (_exported if job.kind == "export" else _imported)(request, job)
    headers = [("Expires", http_date(job.expires))] if job.expires else []
    return Response(200, encode(manifest), headers, "application/json")


async def _job(request: Request) -> Job:
    job = await jobs.find(request.server.record, request.actor, request.segments[1])
    if job.state == "cancelled":
        raise NotFound("this job was cancelled")
    return job


async def _progress(request: Request, job: Job) -> str:
    if job.state == "queued":
        return "waiting"
    if job.kind == "export":
        count = sum(one["count"] for one in job.progress.get("files", []))
        at = (job.plan or {}).get("types", [])[job.progress.get("cursor", {}).get("type", 0) :][:1]
        return f"{count} resources written{', at ' + at[0] if at else ''}"
    parts = await load_parts(request.server.record, job.id)
    done = sum(one.stored + one.unchanged for one in parts)
    refused = sum(one.refused for one in parts)
    return (
        f"input {min(len(parts), sum(p.done for p in parts) + 1)} of {len(parts)}: {done} resources, {refused} refused"
    )


async def _exported(request: Request, job: Job) -> dict[str, Any]:
    """https://hl7.org/fhir/uv/bulkdata/export.html#response---complete-status."""
    until = datetime.fromisoformat((job.plan or {})["until"])
    lists: dict[str, list[dict[str, Any]]] = {"output": [], "deleted": [], "error": []}
    for one in job.progress.get("files", []):
        address = _link(request, job, one["name"])
        lists[one["kind"]].append({"type": one["type"], "url": address, "count": one["count"]})
    return {"transactionTime": instant(until), "request": job.url, "requiresAccessToken": _asks(request), **lists}


async def _imported(request: Request, job: Job) -> dict[str, Any]:
    output, error = [], []
    for part in await load_parts(request.server.record, job.id):
        shown = {"inputUrl": _shown(job, part), "extension": {"stored": part.stored, "unchanged": part.unchanged}}
        output.append({**({"type": part.type} if part.type else {}), "count": part.stored + part.unchanged, **shown})
        if part.refused:
            address = _link(request, job, f"refused-{part.number}.ndjson")
            error.append(
                {"type": "OperationOutcome", "inputUrl": _shown(job, part), "url": address, "count": part.refused}
            )
    return {
        "transactionTime": instant(job.finished or job.created), "request": job.url,
        "requiresAccessToken": _asks(request), "output": output, "error": error,
    }  # fmt: skip


def _shown(job: Job, part: Part) -> str:
    inputs = job.asked.get("inputs", [])
    return str(inputs[part.number]) if part.number < len(inputs) else ""


def _asks(request: Request) -> bool:
    """Whether the files are for signed-in people only."""
    return request.actor.id != LOCAL_OPERATOR.id


def _link(request: Request, job: Job, name: str) -> str:
    return links.link(request.base_url, request.server.secret, job.id, name, request.actor.id, time.time())


async def cancel(request: Request) -> Response:
    """Stop a job, or say that its files are not needed any more."""
    job = await _job(request)
    await jobs.cancel(request.server.record, job)
    await clear(request.server.settings, job.id)
    return Response(202, encode(told("The job is ended and its files are taken away.")))


async def file(request: Request) -> Response:
    """A file of a job, by its signed link."""
    job = await _job(request)
    name = request.segments[2]
    secret, actor = request.server.secret, request.actor.id
    links.check(secret, job.id, name, actor, request.param("until"), request.param("signature"), time.time())
    if job.kind == "import":
        number = name.removeprefix("refused-").removesuffix(".ndjson")
        stream = refusals(request.server.record, job.id, int(number))
        return Response(200, b"", [], NDJSON, stream=stream)
    one = next(one for one in job.progress["files"] if one["name"] == name)
    return await file_response(request, job_folder(request.server.settings, job.id) / name, one["bytes"], NDJSON)
