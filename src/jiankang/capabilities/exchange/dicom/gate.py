"""Who may see which study: those who may read its ImagingStudy in the record, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jiankang.capabilities.exchange.dicom.dataset import is_uid
from jiankang.capabilities.exchange.dicom.studies import study_id
from jiankang.kernel.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from starlette.requests import Request

    from jiankang.capabilities.exchange.dicom.archive import Archive
    from jiankang.capabilities.exchange.intake import Intake
    from jiankang.foundation.access import Actor
    from jiankang.foundation.record import Stored
    from jiankang.foundation.record.wire.server import Server


@dataclass(frozen=True, slots=True)
class Imaging:
    """The image archive behind the gate. It is `request.app.state.imaging`; None where none is connected."""

    archive: Archive
    intake: Intake


def imaging_of(request: Request) -> Imaging:
    """The image archive. Raises Unavailable where none is connected."""
    found: Imaging | None = getattr(request.app.state, "imaging", None)
    if found is None:
        raise Unavailable("no image archive is connected: set JIANKANG_DICOM")
    return found


def server_of(request: Request) -> Server:
    """The FHIR server whose record is asked."""
    found: Server = request.app.state.server
    return found


def actor_of(request: Request) -> Actor:
    """Who asks."""
    return server_of(request).authenticate(request.scope)


async def study_for(server: Server, actor: Actor, uid: str) -> Stored:
    """The ImagingStudy of a study. Raises NotFound for one that the actor may not know of."""
    found = await server.record.current(actor, "ImagingStudy", study_id(uid)) if is_uid(uid) else None
    if found is None or found.deleted:
        raise NotFound("there is no such study")
    return found


async def visible(server: Server, actor: Actor, uids: Iterable[str]) -> dict[str, Stored]:
    """Those of the studies that the actor may see, with their ImagingStudies."""
    asked = sorted({uid for uid in uids if is_uid(uid)})
    found = await asyncio.gather(*(server.record.current(actor, "ImagingStudy", study_id(uid)) for uid in asked))
    return {uid: one for uid, one in zip(asked, found, strict=True) if one is not None and not one.deleted}


def series_of(study: Stored) -> frozenset[str]:
    """The series that an ImagingStudy tells of. Others that came under the same number may be somebody else's."""
    return frozenset(str(one.get("uid", "")) for one in study.resource.get("series", []))
