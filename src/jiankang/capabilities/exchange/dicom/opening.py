"""The image archive of an installation, as its settings say."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jiankang.capabilities.exchange.dicom.archive import Archive
from jiankang.capabilities.exchange.dicom.following import Follower
from jiankang.capabilities.exchange.dicom.gate import Imaging
from jiankang.capabilities.exchange.dicom.orthanc import Orthanc, Tls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from jiankang.capabilities.exchange.intake import Intake
    from jiankang.kernel.settings import Settings

OWN = "own"


def start_archive(settings: Settings) -> Orthanc | None:
    """Start the archive of our own, once for all processes; None where the settings name another or none.

    Raises Unavailable when Orthanc is not installed or does not start.
    """
    if settings.dicom != OWN:
        return None
    return Orthanc.start(
        _folder(settings),
        dicom_port=settings.dicom_port,
        strangers=settings.unknown_senders == "accept",
        tls=_tls(settings),
    )


@contextmanager
def own_archive(settings: Settings) -> Iterator[Orthanc | None]:
    """The archive of our own for as long as we serve, also when it was started again meanwhile."""
    started = start_archive(settings)
    try:
        yield started
    finally:
        if started is not None and (running := Orthanc.running(_folder(settings))) is not None:
            running.stop()


def _tls(settings: Settings) -> Tls | None:
    if not settings.dicom_certificate:
        return None
    clients = Path(settings.dicom_clients) if settings.dicom_clients else None
    return Tls(Path(settings.dicom_certificate), Path(settings.dicom_key), clients)


def public_base(settings: Settings) -> str:
    """The address below which this platform's pages are."""
    return settings.base_url.rstrip("/").removesuffix("/fhir") or f"http://{settings.host}:{settings.port}"


@asynccontextmanager
async def open_imaging(intake: Intake) -> AsyncIterator[Imaging | None]:
    """The image archive for a process that answers requests; None where none is connected."""
    settings = intake.server.settings
    url = _address(settings)
    if not url:
        yield None
        return
    async with Archive(url) as archive:
        yield Imaging(archive, intake)


@asynccontextmanager
async def following(intake: Intake) -> AsyncIterator[None]:
    """Tell of studies until it is left; an archive of our own that ends is started again."""
    settings = intake.server.settings
    async with open_imaging(intake) as imaging:
        if imaging is None:
            yield
            return
        own = Orthanc.running(_folder(settings)) if settings.dicom == OWN else None
        log, revive = (own.log, partial(start_archive, settings)) if own is not None else (None, None)
        async with Follower(intake, imaging.archive, public_base(settings), log=log, revive=revive):
            yield


def _folder(settings: Settings) -> Path:
    return settings.data / "imaging"


def _address(settings: Settings) -> str:
    if settings.dicom != OWN:
        return settings.dicom
    own = Orthanc.running(_folder(settings))
    return "" if own is None else own.url
