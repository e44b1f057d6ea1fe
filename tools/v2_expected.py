"""Write what the sample messages of each structure become: `python tools/v2_expected.py`. Read the difference before you keep it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jiankang.capabilities.exchange.hl7v2 import Hl7v2
from jiankang.capabilities.exchange.merging import Known, merge
from jiankang.capabilities.exchange.model import Letter, Sender
from jiankang.kernel.jsontext import encode

FOLDER = Path(__file__).resolve().parent.parent / "src" / "jiankang" / "capabilities" / "exchange" / "hl7v2"
SENDER = Sender(
    "sample", "Sample", authorities={"CMRMYY": "urn:jiankang:facility:CMRMYY", "NID": "urn:oid:2.16.156.10011.1.3"}
)
_MOMENT = datetime(2026, 11, 23, tzinfo=UTC)


def become(raw: bytes) -> list[dict[str, Any]]:
    """The resources that a message makes where nothing was known before, by type and id."""
    reading = Hl7v2().read(Letter("hl7v2", raw, _MOMENT), SENDER)
    found: dict[tuple[str, str], tuple[dict[str, Any] | None, Known]] = {}
    for telling in sorted(reading.tellings, key=lambda one: one.at):
        resource, known = found.get((telling.type, telling.id), (None, Known()))
        found[telling.type, telling.id] = merge(resource, known, telling, "sample"), known
    return [resource for _, (resource, _) in sorted(found.items()) if resource is not None]


def lines(resources: list[dict[str, Any]]) -> str:
    """Resources as text, one to a line, so that a difference is read easily."""
    return "[\n" + ",\n".join(encode(one).decode() for one in resources) + "\n]\n"


def main() -> int:
    """Write all; the exit code."""
    for path in sorted(FOLDER.glob("*/samples/*.hl7")):
        target = path.parent.parent / "expected" / f"{path.stem}.json"
        target.parent.mkdir(exist_ok=True)
        target.write_text(lines(become(path.read_bytes())), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
