"""Writes docs/reference from the code, so that it cannot say anything else. `make docs` runs it, a test compares."""

from __future__ import annotations

import argparse
from pathlib import Path

from jiankang.cli import command_reference
from jiankang.kernel.settings import reference

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"


def pages() -> dict[str, str]:
    """Every page and its text."""
    return {"settings.md": reference(), "commands.md": command_reference()}


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
        print(f"wrote docs/reference/{name}")


if __name__ == "__main__":
    main()
