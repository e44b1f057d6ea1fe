"""The set-up says plainly what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SETUP = Path(__file__).resolve().parents[2] / "tools" / "setup.py"


def test_a_python_that_is_too_old_is_told_plainly():
    script = f"import runpy, sys; sys.version_info = (3, 9, 1, 'final', 0); sys.argv = ['setup.py']; runpy.run_path({str(SETUP)!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode != 0
    assert "3.11" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
