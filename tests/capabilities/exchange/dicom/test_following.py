"""Nothing is lost and nothing is told twice, whoever is started again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from pathlib import Path

import httpx
import pytest

from jiankang.capabilities.exchange.dicom import records
from jiankang.capabilities.exchange.dicom.archive import Archive
from jiankang.capabilities.exchange.dicom.following import Follower, Pace
from jiankang.capabilities.exchange.dicom.orthanc import MISSING, Orthanc, is_installed
from jiankang.kernel.errors import Unavailable

FAST = Pace(0.02, 0.0, 60.0)


def put(archive, file):
    url = httpx.URL(archive.url)
    sent = httpx.post(f"http://127.0.0.1:{url.port}/instances", content=file, auth=(url.username, url.password))
    assert sent.status_code == 200


@pytest.fixture
def second():
    """Another archive, which may be killed."""
    if not is_installed():
        pytest.skip(MISSING)
    folder = Path("/tmp") / f"jiankang-orthanc-second-{os.getpid()}"
    yield Orthanc.start(folder, quiet_seconds=600)
    running = Orthanc.start(folder)
    os.kill(running.pid, signal.SIGKILL)
    while running.pid is not None:
        time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)


def execute(hospital, query, *values):
    async def asked():
        async with hospital.intake.record.pool.connection() as db:
            await db.execute(query, values)

    hospital.platform.run(asked())


def test_a_letter_that_was_kept_but_not_noted_is_not_told_twice(hospital, images):
    hospital.told(images.encoded(images.image(501)), uid=images.uid(501))
    letters = hospital.letters()
    execute(hospital, "UPDATE exchange_dicom_study SET due = now(), told = NULL WHERE uid = %s", images.uid(501))
    assert hospital.follow() == []
    assert hospital.letters() == letters


def test_a_study_whose_teller_died_is_told_of_by_another(hospital, images):
    uid = images.uid(503)
    hospital.note(uid)
    hospital.put(images.encoded(images.image(503)))

    async def claimed_by_somebody_who_dies(seconds):
        async with hospital.intake.record.pool.connection() as db:
            return [one.uid for one in await records.claim(db, 8, seconds)]

    hospital.platform.run(hospital.follower.look())
    assert hospital.platform.run(claimed_by_somebody_who_dies(60.0)) == [uid]
    assert hospital.follow() == []
    execute(hospital, "UPDATE exchange_dicom_study SET due = now() WHERE uid = %s", uid)
    assert [one.state for one in hospital.follow()] == ["landed"]


def test_a_study_that_changed_while_it_was_told_of_is_told_of_again(hospital, images):
    uid = images.uid(504)
    hospital.note(uid)
    hospital.put(images.encoded(images.image(504, 1, 1)))

    async def told_of_late():
        await hospital.follower.look()
        async with hospital.intake.record.pool.connection() as db:
            (study,) = await records.claim(db, 8, 60.0)
        await asyncio.to_thread(hospital.put, images.encoded(images.image(504, 1, 2)))
        await hospital.follower.look()
        async with hospital.intake.record.pool.connection() as db:
            await records.told(db, study, 0)

    hospital.platform.run(told_of_late())
    hospital.follow()
    assert hospital.study(uid)["numberOfInstances"] == 2


def test_a_list_of_changes_that_is_read_again_tells_nothing_twice(hospital, images):
    hospital.told(images.encoded(images.image(502)), uid=images.uid(502))
    execute(hospital, "UPDATE exchange_dicom_place SET seq = 0")
    hospital.follow()
    assert len(hospital.letters(f"key LIKE '{images.uid(502)} %'")) == 1


def test_a_number_that_two_patients_have_stops_nobody(hospital, images):
    for number in (506, 507):
        hospital.note(images.uid(number))
    hospital.put(images.encoded(images.image(506, 1)), images.encoded(images.image(506, 2, PatientID="ANOTHER")))
    hospital.put(images.encoded(images.image(507)))
    assert sorted(one.state for one in hospital.follow()) == ["dead", "landed"]


def test_several_followers_tell_of_each_study_once(hospital, images):
    uids = [images.uid(number) for number in range(510, 516)]
    for number, uid in enumerate(uids, 510):
        hospital.note(uid)
        hospital.put(images.encoded(images.image(number)))
    before = hospital.letters()

    async def followed():
        others = [Follower(hospital.intake, hospital.archive, "", pace=FAST) for _ in range(3)]
        for _ in range(6):
            await asyncio.gather(*(one.once() for one in others))

    hospital.platform.run(followed())
    assert len(hospital.letters()) - len(before) == len(uids)


def test_an_archive_that_is_killed_loses_nothing_that_it_acknowledged(hospital, images, second):
    """It never calls the study stable, and is killed between two instances: both are told of."""

    async def followed(url):
        async with Archive(url) as archive:
            follower = Follower(hospital.intake, archive, "", pace=FAST)
            while await follower.once():
                pass

    hospital.note(images.uid(520))
    put(second, images.encoded(images.image(520, 1, 1)))
    os.kill(second.pid, signal.SIGKILL)
    again = Orthanc.start(second.folder, quiet_seconds=600)
    assert again.dicom_port == second.dicom_port
    put(again, images.encoded(images.image(520, 1, 2)))
    hospital.platform.run(followed(again.url))
    for one in hospital.letters("state = 'waiting'"):
        hospital.platform.run(hospital.intake.land(one))
    assert hospital.study(images.uid(520))["numberOfInstances"] == 2


def test_a_study_that_the_archive_calls_stable_is_told_of_at_once(hospital, images, second):
    """Nobody waits for the ten minutes of rest that this follower would grant."""
    os.kill(second.pid, signal.SIGKILL)
    archive = Orthanc.start(second.folder, quiet_seconds=1)
    hospital.note(images.uid(525))
    put(archive, images.encoded(images.image(525)))

    async def followed():
        async with Archive(archive.url) as there:
            follower = Follower(hospital.intake, there, "", pace=Pace(0.02, 600.0, 600.0))
            for _ in range(150):
                await follower.look()
                if await follower.tell():
                    return True
                await asyncio.sleep(0.03)
        return False

    assert hospital.platform.run(followed())


def test_while_the_archive_is_away_studies_wait(hospital, images, second):
    uid = images.uid(530)
    hospital.note(uid)

    async def asked(url):
        async with Archive(url) as archive:
            return await Follower(hospital.intake, archive, "", pace=FAST).look()

    os.kill(second.pid, signal.SIGKILL)
    with pytest.raises(Unavailable):
        hospital.platform.run(asked(second.url))
    hospital.put(images.encoded(images.image(530)))
    hospital.follow()
    assert hospital.study(uid)["numberOfInstances"] == 1


def test_a_follower_that_runs_tells_of_studies_by_itself(hospital, images):
    uid = images.uid(540)
    hospital.note(uid)
    before = hospital.letters()

    async def followed():
        async with Follower(hospital.intake, hospital.archive, "", pace=FAST):
            await asyncio.to_thread(hospital.put, images.encoded(images.image(540)))
            for _ in range(200):
                await asyncio.sleep(0.02)
                async with hospital.intake.record.pool.connection() as db:
                    query = "SELECT count(*) FROM exchange_letter WHERE key LIKE %s"
                    if (await (await db.execute(query, (f"{uid} %",))).fetchone())[0]:
                        return

    hospital.platform.run(followed())
    assert len(hospital.letters()) == len(before) + 1


def test_a_study_that_was_taken_away_before_it_was_told_of_is_passed_over(hospital, images):
    hospital.note(images.uid(550))
    hospital.put(images.encoded(images.image(550)))
    hospital.platform.run(hospital.follower.look())
    url = httpx.URL(hospital.orthanc.url)
    with httpx.Client(base_url=hospital.orthanc.url, auth=(url.username, url.password)) as client:
        (found,) = client.post("/tools/lookup", content=images.uid(550)).json()
        client.delete(f"/studies/{found['ID']}").raise_for_status()
    assert hospital.follow() == []
    assert hospital.study(images.uid(550))["resourceType"] == "OperationOutcome"
