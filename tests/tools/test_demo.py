"""The demo where no real input lies beside the checkout: it makes its own people, and what it says to try works."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent.parent


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def text_until(process: subprocess.Popen[bytes], last: bytes, seconds: float = 60) -> str:
    text, deadline = b"", time.monotonic() + seconds
    while last not in text and time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 1)[0]:
            more = os.read(process.stdout.fileno(), 65536)
            if not more:
                break
            text += more
    return text.decode()


def test_the_demo_makes_people_and_what_it_says_to_try_finds_them(tmp_path: Path, database_url: str):
    checkout = tmp_path / "checkout"
    for part in ("src", "tools"):
        shutil.copytree(ROOT / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JIANKANG_")}
    environment["PYTHONPATH"] = str(checkout / "src")
    command = [
        sys.executable,
        "-m",
        "jiankang.cli",
        "demo",
        "--port",
        str(free_port()),
        "--data",
        str(tmp_path / "data"),
    ]
    process = subprocess.Popen(
        [*command, "--database-url", database_url], env=environment, cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        said = text_until(process, b"Ctrl-C")
        tried = re.findall(r"curl -s '([^']+)'", said)
        assert len(tried) >= 5, said
        answers = [json.loads(urlopen(url.replace("|", "%7C")).read()) for url in tried if "/ID/" not in url]
        patients, heights, diabetics, *_ = answers
        assert len(patients["entry"]) == 3
        assert len(heights["entry"]) == 5
        assert diabetics["total"] > 0
        everything = next(url for url in tried if "/ID/" in url).replace(
            "/ID/", f"/{patients['entry'][0]['resource']['id']}/"
        )
        assert len(json.loads(urlopen(everything).read())["entry"]) > 3
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()
