"""docs/guides/first-hour.md works: every command is run in its order, every answer it promises is looked for."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guides" / "first-hour.md"


def sections() -> list[tuple[str, list[str]]]:
    """Each block of commands, with the pieces of answers that the page shows after it."""
    found: list[tuple[str, list[str]]] = []
    for kind, text in re.findall(r"^```(sh|text)\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL):
        if kind == "sh":
            found.append((text, []))
        elif found:
            found[-1][1].extend(text.splitlines())
    return found


@pytest.fixture
def checkout(tmp_path, served):
    """A folder that looks like the checkout to the commands, and the guide's server running."""
    tmp_path.chmod(0o755)
    for name in ("tools", "src"):
        (tmp_path / name).symlink_to(ROOT / name)
    bin_ = tmp_path / ".venv" / "bin"
    bin_.mkdir(parents=True)
    (bin_ / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (bin_ / "jiankang").write_text(f'#!/bin/sh\nexec {sys.executable} -m jiankang.cli "$@"\n')
    for path in bin_.iterdir():
        path.chmod(0o755)
    data = tmp_path / ".jiankang" / "first-hour"
    data.parent.mkdir()
    server = served.Served(data, {"workers": "1"}).start()
    yield tmp_path, server.port
    server.stop()


def test_every_command_of_the_first_hour_does_what_the_page_says(checkout):
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    folder, port = checkout
    told = sections()
    assert len(told) >= 8
    for commands, promised in told:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands.replace("127.0.0.1:8000", f"127.0.0.1:{port}")],
            cwd=folder, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, (commands, done.stdout[-800:], done.stderr[-800:])
        for piece in promised:
            assert piece in done.stdout, (piece, commands, done.stdout[:2000])
        answers = re.findall(r'"resourceType":\s*"OperationOutcome"', done.stdout)
        refused = [line for line in promised if line in {"Did you mean name?", "Observation.code", "read it again"}]
        assert bool(answers) == bool(refused), (commands, done.stdout[:1000])
