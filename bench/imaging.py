"""Images from the door to the record, and back to a page. `python bench/imaging.py [--people 600]`; needs Orthanc.

The images are those of tools/region (small, of fictitious people). Floors: the same bytes put into Orthanc, and pictures
fetched from it, without the gate.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

from jiankang.capabilities.exchange.dicom import PAGES, Archive, DicomFormat, Follower, Imaging, Orthanc, Pace
from jiankang.capabilities.exchange.intake import Intake, Worker
from jiankang.capabilities.exchange.model import Sender
from jiankang.foundation.record.api import create_fhir_app
from jiankang.foundation.record.store import Record
from jiankang.kernel.migrations import migrate
from jiankang.kernel.postgres import start_embedded
from jiankang.kernel.settings import Settings
from jiankang.main import MIGRATIONS, compose
from jiankang.ui import Site
from region.images import ARCHIVES, Study, studies

KIND = {"content-type": "application/dicom"}


def tell(name: str, unit: str, ours: float, floor: float | None = None) -> None:
    print(f"{name:44} {unit:>12} {ours:10,.1f}" + (f" {floor:10,.1f} {ours / floor:6.2f}" if floor else ""), flush=True)


async def timed(work: Awaitable[Any]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def all_of(things: list[Any], work: Callable[[Any], Awaitable[Any]], lanes: int = 4) -> None:
    coming = iter(things)

    async def lane() -> None:
        for one in coming:
            await work(one)

    await asyncio.gather(*(lane() for _ in range(lanes)))


async def until_none(work: Callable[[], Awaitable[int]]) -> None:
    while await work():
        pass


async def measured(intake: Intake, orthanc: Orthanc, made: list[Study]) -> None:
    for one in ARCHIVES:
        await intake.senders.add(
            Sender(one.id, one.name, authorities=one.authorities), names=one.names, state="connected"
        )
    app = Starlette(routes=Site((PAGES,)).routes)
    files = [(study, file) for study in made for file in study.files]
    url = httpx.URL(orthanc.url)
    async with (
        Archive(orthanc.url) as archive,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bench", timeout=60) as web,
        httpx.AsyncClient(
            base_url=url.copy_with(username=None, password=None), auth=(url.username, url.password)
        ) as bare,
    ):
        app.state.server, app.state.imaging = intake.server, Imaging(archive, intake)

        async def stored(one: tuple[Study, bytes]) -> None:
            path = f"/dicomweb/studies?sender={one[0].archive.id}"
            (await web.post(path, content=one[1], headers=KIND)).raise_for_status()

        async def put(one: tuple[Study, bytes]) -> None:
            (await bare.post("/instances", content=one[1], headers=KIND)).raise_for_status()

        ours = len(files) / await timed(all_of(files, stored))
        tell("STOW-RS, walked through, judged, kept", "objects/s", ours, len(files) / await timed(all_of(files, put)))
        follower = Follower(intake, archive, pace=Pace(0.01, 0.0, 60.0))

        async def followed() -> int:
            return await follower.look() + await follower.tell()

        tell("followed: described, letter on disk", "studies/s", len(made) / await timed(until_none(followed)))
        tell(
            "landed: identity resolved, searchable",
            "studies/s",
            len(made) / await timed(until_none(Worker(intake).once)),
        )
        picture = [f"/studies/{one.uid}/series/{one.uid}.1/instances/{one.uid}.1.1/frames/1/rendered" for one in made]

        async def shown(client: httpx.AsyncClient, path: str) -> None:
            (await client.get(f"/dicomweb{path}", headers={"accept": "image/png"})).raise_for_status()

        ours = len(picture) / await timed(all_of(picture, lambda path: shown(web, path)))
        floor = len(picture) / await timed(all_of(picture, lambda path: shown(bare, path)))
        tell("a frame rendered as PNG through the gate", "pictures/s", ours, floor)


async def run(url: str, orthanc: Orthanc, made: list[Study]) -> None:
    async with Record.open(url, connections=8) as record:
        app: Any = create_fhir_app(record, settings=Settings(), secret=b"k" * 32)
        compose(app.server)
        await measured(Intake(app.server, {"dicom": DicomFormat()}), orthanc, made)


def main(people: int) -> None:
    made = list(studies(7, people))
    print(f"{len(made)} studies, {sum(len(one.files) for one in made)} objects")
    print(f"{'':44} {'':>12} {'ours':>10} {'floor':>10} {'ratio':>6}")
    with tempfile.TemporaryDirectory(prefix="jk-bench-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        database = start_embedded(Path(folder) / "data")
        orthanc = Orthanc.start(Path(folder) / "images", quiet_seconds=600)
        try:
            migrate(database.dsn, MIGRATIONS)
            asyncio.run(run(database.dsn, orthanc, made))
        finally:
            orthanc.stop()
            database.stop()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--people", type=int, default=600)
    main(options.parse_args().people)
