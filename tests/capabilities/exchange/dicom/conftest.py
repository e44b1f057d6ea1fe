"""A real Orthanc for all tests of this folder, and the exchange room beside it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from jiankang.capabilities.exchange.dicom.archive import Archive
from jiankang.capabilities.exchange.dicom.following import Follower, Pace
from jiankang.capabilities.exchange.dicom.format import DicomFormat
from jiankang.capabilities.exchange.dicom.gate import Imaging
from jiankang.capabilities.exchange.dicom.orthanc import MISSING, Orthanc, is_installed
from jiankang.capabilities.exchange.dicom.pages import PAGES
from jiankang.capabilities.exchange.dicom.studies import study_id
from jiankang.capabilities.exchange.intake import Intake
from jiankang.capabilities.exchange.model import Sender
from jiankang.foundation.access import LOCAL_OPERATOR, Actor
from jiankang.ui import HANDLERS, MIDDLEWARE, Site

HERE = Path(__file__).parent
BASE = "https://health.example"


@pytest.fixture(scope="session")
def images() -> Any:
    """The module that draws images."""
    spec = importlib.util.spec_from_file_location("dicom_images", HERE / "images.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def orthanc():
    """An archive of our own, empty at first."""
    if not is_installed():
        pytest.skip(MISSING)
    folder = Path("/tmp") / f"jiankang-orthanc-{os.getpid()}"
    archive = Orthanc.start(folder, quiet_seconds=600)  # else it calls studies of other tests stable
    yield archive
    archive.stop()
    shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Hospital:
    """The exchange room and the archive, as tests use them."""

    platform: Any
    orthanc: Orthanc
    intake: Intake
    archive: Archive
    follower: Follower

    @property
    def server(self) -> Any:
        return self.platform.app.server

    def put(self, *files: bytes) -> None:
        """Have files in the archive, as a peer that the archive trusts does."""
        url = httpx.URL(self.orthanc.url)
        with httpx.Client(base_url=self.orthanc.url, auth=(url.username, url.password)) as client:
            for file in files:
                client.post("/instances", content=file).raise_for_status()

    def note(self, uid: str, sender: str = "pacs") -> None:
        """Say who sends a study."""
        from jiankang.capabilities.exchange.dicom import records

        async def noted() -> None:
            async with self.intake.record.pool.connection() as db:
                await records.sent(db, uid, sender)

        self.platform.run(noted())

    def follow(self) -> list[Any]:
        """Follow until there is nothing to do; what became of all new letters."""
        before = self.letters()

        async def followed() -> None:
            await self.follower.look()
            while await self.follower.tell() or await self.follower.look():
                pass

        self.platform.run(followed())
        for one in self.letters("state = 'waiting'"):
            self.platform.run(self.intake.land(one))
        return [self.platform.run(self.intake.state(one)) for one in self.letters() if one not in before]

    def letters(self, where: str = "true") -> list[int]:
        """Numbers of letters."""

        async def asked() -> list[int]:
            async with self.intake.record.pool.connection() as db:
                query = f"SELECT number FROM exchange_letter WHERE {where} ORDER BY 1"
                return [row[0] for row in await (await db.execute(query)).fetchall()]

        return self.platform.run(asked())

    def connect(self, sender: str) -> None:
        """Make a sender known."""
        self.platform.run(self.intake.senders.add(Sender(sender, sender), state="connected"))

    def alerts(self) -> list[str]:
        """What stands on the console."""

        async def asked() -> list[str]:
            async with self.intake.record.pool.connection() as db:
                return [row[0] for row in await (await db.execute("SELECT text FROM exchange_alert")).fetchall()]

        return self.platform.run(asked())

    def complaints(self, number: int) -> str:
        """What is said of a letter when it was kept."""

        async def asked() -> str:
            async with self.intake.record.pool.connection() as db:
                query = "SELECT complaints::text FROM exchange_letter WHERE number = %s"
                return (await (await db.execute(query, (number,))).fetchone())[0]

        return self.platform.run(asked())

    def person(self, patient: str) -> Any:
        """The person whom the index takes a Patient to be."""

        async def asked() -> Any:
            async with self.intake.record.pool.connection() as db:
                query = "SELECT person FROM identity_record WHERE id = %s"
                return (await (await db.execute(query, (patient,))).fetchone())[0]

        return self.platform.run(asked())

    def study(self, uid: str) -> dict[str, Any]:
        """The ImagingStudy."""
        return self.platform("GET", f"/ImagingStudy/{study_id(uid)}").value

    def told(self, *files: bytes, uid: str, sender: str = "pacs") -> dict[str, Any]:
        """The ImagingStudy that files become."""
        self.note(uid, sender)
        self.put(*files)
        self.follow()
        return self.study(uid)


@pytest.fixture(scope="module")
def hospital(open_platform: Any, orthanc: Orthanc):
    """The exchange room with one connected image archive system."""

    async def opened() -> tuple[Intake, Archive]:
        intake = Intake(open_platform.app.server, {"dicom": DicomFormat()})
        authorities = {"HKRMYY": "urn:oid:2.16.156.10011.0.1.46.1"}
        await intake.senders.add(
            Sender("pacs", "海口示例 PACS", authorities=authorities), names=["MODALITY|"], state="connected"
        )
        return intake, Archive(orthanc.url)

    intake, archive = open_platform.run(opened())
    follower = Follower(intake, archive, BASE, log=orthanc.log, pace=Pace(0.05, 0.0, 60.0))

    async def caught_up() -> None:
        """Studies of other files' tests are none of this one's."""
        while await follower.look():
            pass
        async with intake.record.pool.connection() as db:
            await db.execute("UPDATE exchange_dicom_study SET due = NULL")

    open_platform.run(caught_up())
    yield Hospital(open_platform, orthanc, intake, archive, follower)
    open_platform.run(archive.__aexit__())


class Web:
    """DICOMweb and the pages of this room, asked by an actor."""

    def __init__(self, hospital: Hospital) -> None:
        site = Site((PAGES,), [])
        self.app = Starlette(routes=site.routes, middleware=MIDDLEWARE, exception_handlers=HANDLERS)
        self.app.state.site, self.app.state.server = site, hospital.server
        self.app.state.imaging = Imaging(hospital.archive, hospital.intake)
        self.hospital = hospital

    def __call__(
        self, method: str, path: str, content: Any = None, *, actor: Actor = LOCAL_OPERATOR, **headers: str
    ) -> httpx.Response:
        async def asked() -> httpx.Response:
            server, before = self.hospital.server, self.hospital.server.authenticate
            server.authenticate = lambda _: actor
            transport = httpx.ASGITransport(self.app)
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            try:
                async with httpx.AsyncClient(transport=transport, base_url="https://here.example") as client:
                    return await client.request(method, path, content=content, headers=named)
            finally:
                server.authenticate = before

        return self.hospital.platform.run(asked())

    def store(self, *objects: bytes, path: str = "/dicomweb/studies?sender=pacs", **more: Any) -> httpx.Response:
        """STOW-RS."""
        parts = [b"--part\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in objects]
        kind = 'multipart/related; type="application/dicom"; boundary=part'
        return self("POST", path, b"".join(parts) + b"--part--\r\n", content_type=kind, **more)


@pytest.fixture(scope="module")
def web(hospital: Hospital) -> Web:
    """DICOMweb and the pages."""
    return Web(hospital)
