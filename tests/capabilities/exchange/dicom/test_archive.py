"""The archive of our own: started once, the same when it is started again, and as the settings say."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from jiankang.capabilities.exchange.dicom import following, open_imaging, orthanc, start_archive
from jiankang.capabilities.exchange.dicom.opening import public_base
from jiankang.capabilities.exchange.dicom.orthanc import MISSING, Orthanc, Tls, is_installed
from jiankang.kernel.errors import Unavailable
from jiankang.kernel.settings import Settings


@pytest.fixture
def folder():
    if not is_installed():
        pytest.skip(MISSING)
    made = Path("/tmp") / f"jiankang-orthanc-own-{os.getpid()}"
    yield made
    running = Orthanc.running(made / "imaging") or Orthanc.running(made)
    if running is not None:
        os.kill(running.pid, signal.SIGKILL)
        while running.pid is not None:
            time.sleep(0.02)
    shutil.rmtree(made, ignore_errors=True)


def test_it_is_started_once_and_is_the_same_when_it_is_started_again(folder):
    first = Orthanc.start(folder, quiet_seconds=1)
    assert Orthanc.start(folder).pid == first.pid
    os.kill(first.pid, signal.SIGKILL)
    again = Orthanc.start(folder)
    assert (again.url, again.dicom_port) == (first.url, first.dicom_port)
    assert again.pid is not None


def test_its_password_is_told_to_nobody(folder):
    archive = Orthanc.start(folder)
    settings = archive.folder / "orthanc.json"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    (password,) = json.loads(settings.read_text())["RegisteredUsers"].values()
    assert len(password) >= 32
    assert password not in repr(archive)
    assert password not in archive.log.read_text()
    assert password.encode() not in Path(f"/proc/{archive.pid}/cmdline").read_bytes()


def test_it_does_not_run_as_root(folder):
    archive = Orthanc.start(folder)
    (line,) = [one for one in Path(f"/proc/{archive.pid}/status").read_text().splitlines() if one.startswith("Uid:")]
    assert "0" not in line.split()[1:]


def test_it_is_missing_in_words(folder, monkeypatch):
    monkeypatch.setattr(orthanc, "_PROGRAMS", ())
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable, match="apt-get install orthanc"):
        Orthanc.start(folder)


def test_settings_say_which_archive_it_is(folder, hospital):
    server = hospital.server
    before = server.settings

    async def opened(**chosen):
        server.settings = dataclasses.replace(before, data=folder, dicom_port=0, **chosen)
        start_archive(server.settings)
        async with open_imaging(hospital.intake) as imaging:
            return imaging is None or (await imaging.archive.changes(0)).last

    try:
        assert hospital.platform.run(opened(dicom="")) is True
        assert hospital.platform.run(opened(dicom="own")) == 0
        assert hospital.platform.run(opened(dicom=hospital.orthanc.url)) >= 0
    finally:
        server.settings = before
    assert public_base(Settings(base_url="https://health.example/fhir")) == "https://health.example"
    assert public_base(Settings(port=8001)) == "http://127.0.0.1:8001"


def test_an_archive_of_our_own_that_ends_is_started_again(folder, hospital):
    server = hospital.server
    before = server.settings
    server.settings = dataclasses.replace(before, data=folder, dicom_port=0, dicom="own")
    archive = start_archive(server.settings)

    async def killed():
        async with following(hospital.intake):
            os.kill(archive.pid, signal.SIGKILL)
            for _ in range(200):
                await asyncio.sleep(0.03)
                if archive.pid is not None:
                    return True
        return False

    try:
        assert hospital.platform.run(killed())
    finally:
        server.settings = before


@pytest.fixture
def authority(tmp_path):
    """Certificates of a server, of a device that it trusts, and of one that it does not."""

    def openssl(*options):
        subprocess.run(["openssl", *map(str, options)], capture_output=True, check=True, timeout=30)

    def issued(name, by):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", tmp_path / f"{name}.key",
                "-out", tmp_path / f"{name}.csr", "-subj", f"/CN={name}")  # fmt: skip
        openssl("x509", "-req", "-in", tmp_path / f"{name}.csr", "-CA", tmp_path / f"{by}.pem", "-CAkey", tmp_path / f"{by}.key",
                "-CAcreateserial", "-out", tmp_path / f"{name}.pem", "-days", "2")  # fmt: skip

    for root in ("region", "stranger"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                f"/CN={root}", "-keyout", tmp_path / f"{root}.key", "-out", tmp_path / f"{root}.pem")  # fmt: skip
    for name, by in (("archive", "region"), ("device", "region"), ("unknown", "stranger")):
        issued(name, by)
    return tmp_path


@pytest.mark.skipif(shutil.which("echoscu") is None, reason="needs dcmtk: apt-get install dcmtk")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_by_tls_only_devices_with_a_certificate_of_the_region_are_listened_to(folder, authority):
    tls = Tls(authority / "archive.pem", authority / "archive.key", authority / "region.pem")
    archive = Orthanc.start(folder, tls=tls)

    def answers(name):
        command = ["echoscu", "+tls", authority / f"{name}.key", authority / f"{name}.pem", "+cf", authority / "region.pem",
                   "-to", "5", "127.0.0.1", str(archive.dicom_port)]  # fmt: skip
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0

    assert answers("device")
    assert not answers("unknown")
    plain = ["echoscu", "-to", "5", "127.0.0.1", str(archive.dicom_port)]
    assert subprocess.run(plain, capture_output=True, timeout=30, check=False).returncode != 0
    assert answers("device")
