"""STOW-RS behind the policy gate: https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_10.5.html.

Each object is put aside, walked through and judged before the archive sees a byte of it; what is refused is told to its
sender in DICOM's words, and on the console.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from jiankang.capabilities.exchange.dicom import records
from jiankang.capabilities.exchange.dicom.archive import JSON
from jiankang.capabilities.exchange.dicom.dataset import is_uid
from jiankang.capabilities.exchange.dicom.gate import actor_of, imaging_of, server_of
from jiankang.capabilities.exchange.dicom.multipart import Head, Parts, boundary_of, content_type
from jiankang.capabilities.exchange.dicom.proxy import told_plainly
from jiankang.capabilities.exchange.dicom.scanning import Scanned, scan
from jiankang.capabilities.exchange.dicom.studies import study_id
from jiankang.capabilities.exchange.model import Complaint, Letter, Unreadable
from jiankang.foundation.access import EVERYTHING, Actor, AllOf
from jiankang.kernel.errors import Forbidden, Invalid, NotFound, TooLarge, Unavailable

if TYPE_CHECKING:
    from starlette.requests import Request

    from jiankang.capabilities.exchange.dicom.gate import Imaging

Json = dict[str, Any]
_WITH_KEYS = Actor("exchange", AllOf(()))  # sees everything, and what decides who else does
OBJECT = "application/dicom"
MOST_OBJECT_BYTES = 2 << 30
MOST_OBJECTS = 5_000
MOST_KEPT_BYTES = 4 * 1024
"""Of what is refused, so much is kept for people to look at."""
_MOST_TOLD = 20
_IN_MEMORY = 4 << 20
_CHUNK = 256 << 10
NOT_UNDERSTOOD, NOT_AUTHORIZED, FAILED, WRONG_STUDY = 0xC000, 0x0124, 0x0110, 0xA900
"""Failure reasons: PS3.18, table 10.5.3-2 and PS3.7, annex C."""


@dataclass(slots=True)
class _Outcome:
    stored: list[Scanned] = field(default_factory=list)
    failed: list[tuple[Scanned | None, int]] = field(default_factory=list)
    allowed: dict[str, bool] = field(default_factory=dict)
    """Studies that were asked about already."""


@told_plainly
async def store(request: Request) -> Response:
    """Keep the objects of a request, of one study where the address names it.

    The sender is the system whose id the query names (`?sender=`), else the asker.
    """
    imaging, study = imaging_of(request), request.path_params.get("study", "")
    if study and not is_uid(study):
        raise NotFound("there is no such study")
    sender = await _sender(imaging, request)
    outcome = _Outcome()
    async with aclosing(_objects(request)) as objects:
        async for part in objects:
            await _judge_and_store(request, part, sender, study, outcome)
    if not outcome.stored and not outcome.failed:
        raise Invalid("the request holds no objects")
    return Response(
        json.dumps(_told(request, outcome), separators=(",", ":")), _status(outcome), media_type=JSON
    )  # fmt: skip


async def _sender(imaging: Imaging, request: Request) -> str:
    """Who sends. A system that was given a secret proves it by HTTP Basic, its id as the user (RFC 7617)."""
    user, secret = _basic(request.headers.get("authorization", ""))
    named = request.query_params.get("sender", "") or user
    if not named:
        return actor_of(request).id
    senders = imaging.intake.senders
    known = await senders.get(named)
    if known.state == "stopped":
        raise NotFound(f"there is no sender {named}")
    if known.has_secret and not (user == named and await senders.proves(named, secret)):
        raise Forbidden(f"{named} proves who it is by its secret (HTTP Basic)")
    return known.sender.id


def _basic(header: str) -> tuple[str, str]:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, secret = b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        raise Invalid("Authorization is not well-formed") from None
    return user, secret


# -- the objects of a request -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Object:
    kind: str
    file: Any
    size: int = 0


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes. Raises Unavailable when it does not go on."""
    seconds = server_of(request).settings.body_seconds
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(seconds):
                piece = await anext(stream, None)
        except TimeoutError:
            raise Unavailable(f"nothing arrived for {seconds} seconds", code="timeout") from None
        except ClientDisconnect:
            raise Unavailable("the sender hung up before the end of the body") from None
        if piece is None:
            return
        if piece:
            yield piece


async def _objects(request: Request) -> AsyncGenerator[_Object, None]:
    """The objects of a request, one at a time, each put aside as a whole."""
    kind = content_type(request.headers.get("content-type", ""))
    pieces = _pieces(request)
    if kind.name == OBJECT:
        whole = await _begun(OBJECT)
        with whole.file:
            async for piece in pieces:
                await _add(whole, piece)
            yield whole
        return
    current: _Object | None = None
    count = 0
    try:
        async for event in Parts(pieces, boundary_of(kind)):
            if isinstance(event, Head):
                if current is not None:
                    yield current
                    current.file.close()
                count += 1
                if count > MOST_OBJECTS:
                    raise TooLarge(f"a request holds at most {MOST_OBJECTS} objects")
                current = await _begun(event.kind.name)
            elif current is not None:
                await _add(current, event)
        if current is not None:
            yield current
    finally:
        if current is not None:
            current.file.close()


async def _begun(kind: str) -> _Object:
    return _Object(kind, SpooledTemporaryFile(_IN_MEMORY))


async def _add(one: _Object, piece: bytes) -> None:
    one.size += len(piece)
    if one.size > MOST_OBJECT_BYTES:
        raise TooLarge(f"an object has at most {MOST_OBJECT_BYTES >> 20} MB")
    if one.size > _IN_MEMORY:
        await asyncio.to_thread(one.file.write, piece)
    else:
        one.file.write(piece)


# -- one object ---------------------------------------------------------------------------------------------------


async def _judge_and_store(request: Request, one: _Object, sender: str, study: str, outcome: _Outcome) -> None:
    imaging = imaging_of(request)
    try:
        scanned = await asyncio.to_thread(_scanned, one)
    except Unreadable as problem:
        await _refuse(imaging, one, sender, problem.complaints, outcome)
        outcome.failed.append((None, NOT_UNDERSTOOD))
        return
    if scanned.study not in outcome.allowed and study in {"", scanned.study}:
        outcome.allowed[scanned.study] = await _may_store(request, scanned.study, sender)
    if study and scanned.study != study:
        outcome.failed.append((scanned, WRONG_STUDY))
    elif not outcome.allowed[scanned.study]:
        outcome.failed.append((scanned, NOT_AUTHORIZED))
    elif await imaging.archive.store(_read(one), one.size) != 200:
        told = [Complaint("the image archive does not take it", scanned.instance, fatal=True)]
        await _refuse(imaging, one, sender, told, outcome)
        outcome.failed.append((scanned, FAILED))
    else:
        outcome.stored.append(scanned)


def _scanned(one: _Object) -> Scanned:
    if one.kind != OBJECT:
        raise Unreadable([Complaint(f"{OBJECT} is expected, not {one.kind[:60]}", "Content-Type", fatal=True)])
    return scan(one.file, one.size)


async def _may_store(request: Request, uid: str, sender: str) -> bool:
    """Whether the asker may add to a study: to one that they may see and change and this sender sends, or to a new one.

    Who sends it is noted before the archive has it, so that it is told of under the right name.
    """
    server, actor, intake = server_of(request), actor_of(request), imaging_of(request).intake
    if actor.restriction is not EVERYTHING or actor.write_restriction is not None:
        there = await server.record.current(_WITH_KEYS, "ImagingStudy", study_id(uid))
        keys = () if there is None else there.keys
        if there is not None and not actor.restriction.permits("ImagingStudy", keys):
            return False
        if not actor.writes.permits("ImagingStudy", keys):
            return False
    async with intake.record.pool.connection() as db, db.transaction():
        await records.sent(db, uid, sender)
        return await records.sender_of(db, uid) == sender


async def _read(one: _Object) -> AsyncIterator[bytes]:
    one.file.seek(0)
    while piece := await asyncio.to_thread(one.file.read, _CHUNK):
        yield piece


async def _refuse(
    imaging: Imaging, one: _Object, sender: str, complaints: Any, outcome: _Outcome
) -> None:  # fmt: skip
    """Put on the console what was refused, and why."""
    if len(outcome.failed) >= _MOST_TOLD:
        return
    one.file.seek(0)
    begins = one.file.read(MOST_KEPT_BYTES)
    letter = Letter("dicom", begins, imaging.intake.record.clock(), "", "STOW-RS", OBJECT, context={"bytes": one.size})
    await imaging.intake.keep(sender, letter, state="refused", complaints=complaints)


# -- the answer ---------------------------------------------------------------------------------------------------


def _status(outcome: _Outcome) -> int:
    """PS3.18, table 10.5.3-1."""
    if not outcome.failed:
        return 200
    if outcome.stored:
        return 202
    return 400 if all(one is None for one, _ in outcome.failed) else 409


def _told(request: Request, outcome: _Outcome) -> Json:
    """PS3.18, table 10.5.3-2."""
    base = (server_of(request).settings.base_url.removesuffix("/fhir") or str(request.base_url)).rstrip("/")
    told: Json = {}
    studies = {one.study for one in outcome.stored}
    if len(studies) == 1:
        told["00081190"] = {"vr": "UR", "Value": [f"{base}/dicomweb/studies/{studies.pop()}"]}
    if outcome.failed:
        failed = [_named(one) | {"00081197": {"vr": "US", "Value": [why]}} for one, why in outcome.failed]
        told["00081198"] = {"vr": "SQ", "Value": failed}
    if outcome.stored:
        stored = [_named(one) | {"00081190": {"vr": "UR", "Value": [_address(base, one)]}} for one in outcome.stored]
        told["00081199"] = {"vr": "SQ", "Value": stored}
    return told


def _address(base: str, one: Scanned) -> str:
    return f"{base}/dicomweb/studies/{one.study}/series/{one.series}/instances/{one.instance}"


def _named(one: Scanned | None) -> Json:
    if one is None:
        return {}
    return {"00081150": {"vr": "UI", "Value": [one.kind]}, "00081155": {"vr": "UI", "Value": [one.instance]}}
