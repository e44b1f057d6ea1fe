"""What the archive refuses of what peers send by DICOM: it tells the peer by a status, and us by its log."""

from __future__ import annotations

import re
from pathlib import Path

MOST_BYTES = 256 * 1024
_LINE = re.compile(r"[EW][0-9]{4} [0-9:.]+ [A-Za-z]+\.cpp:[0-9]+\] (.*)")
_REFUSALS = re.compile(
    r"Store has failed|Exception while storing|Rejected [A-Za-z]+ request|C-STORE|DICOM file|[Aa]ssociation|DIMSE|[Bb]ad file|PDU",
    re.ASCII,
)
_PERSONAL = re.compile(r"(for the following instance|Patient[A-Za-z]*\s*=).*")


def refusals(log: Path, read: int) -> tuple[list[str], int]:
    """What was refused since `read` bytes of the log, each once, and how far it was read now. Names nobody."""
    try:
        size = log.stat().st_size
        with log.open("rb") as file:
            start = read if read <= size else 0
            file.seek(max(start, size - MOST_BYTES))
            body = file.read(MOST_BYTES)
            end = file.tell()
    except OSError:
        return [], read
    whole = body.rfind(b"\n") + 1
    lines = body[:whole].decode("utf-8", "replace").splitlines()
    said = [found[1] for line in lines if (found := _LINE.match(line)) and _REFUSALS.search(found[1])]
    return list(dict.fromkeys(_PERSONAL.sub("", one).strip(" :") for one in said)), end - len(body) + whole
