"""A full disk: what cannot be kept is refused with 507, nothing is halved, and it heals when there is room again."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from pathlib import Path

import pytest


@pytest.fixture
def small(tmp_path_factory):
    """A folder on a disk of its own that is soon full."""
    folder = Path("/tmp") / f"jiankang-disk-{os.getpid()}"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.rmdir()
        pytest.skip("a small disk can be made by root only")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=150m,mode=755", "jiankang", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        folder.rmdir()
        pytest.skip(f"a small disk cannot be made here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
    folder.rmdir()


def test_a_full_disk_is_told_and_heals(small, served):
    server = served.Served(small / "data").start()
    try:
        dice = random.Random(1)
        ballast = small / "ballast"
        ballast.write_bytes(b"x" * (os.statvfs(small).f_bavail * 4096 - 6_000_000))
        kept, told = [], set()
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline and len(told & {507, 503}) == 0:
            text = "".join(chr(dice.randrange(0x4E00, 0x9FA0)) for _ in range(60_000))
            status, _, body = server.ask("POST", "/Basic", {"resourceType": "Basic", "code": {"text": text}})
            told.add(status)
            if status == 201:
                kept.append(body["id"])
        assert told & {507, 503}
        assert told <= {201, 503, 507}
        ballast.unlink()
        served.within(
            30, lambda: server.ask("POST", "/Basic", {"resourceType": "Basic", "code": {"text": "again"}})[0] == 201
        )
        for id_ in kept:
            assert server.ask("GET", f"/Basic/{id_}?_elements=id")[0] == 200
        assert server.ask("GET", "/Basic?_summary=count")[2]["total"] == len(kept) + 1
        assert json.dumps(sorted(told))
    finally:
        server.stop()
