"""Write the facts of HL7's v2-to-FHIR tables that the maps lean on: `python tools/v2_tables.py` beside ../shared.

Source: HL7 v2-to-FHIR, https://build.fhir.org/ig/HL7/v2-to-fhir/ (Apache-2.0). Two files of our own come of it: what codes
mean in FHIR, and which fields of which segments have a place in FHIR, against which the coverage of our maps is told.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT.parent / "shared" / "reference" / "v2-to-fhir"
TARGET = ROOT / "src" / "jiankang" / "capabilities" / "exchange" / "hl7v2" / "mapping"
_HEADERS = 2
_MOST_CODES = 110


def vocabularies() -> str:
    """Table, code of v2, code of FHIR, its system, its display; tables whose codes stay what they are left out."""
    lines = []
    for path in sorted((SOURCE / "codesystems").glob("*.csv")):
        name = _between(path.name, "Concept Map_ ", " - ")
        rows = [row for row in _rows(path) if len(row) > 9 and row[0].strip() and row[6].strip()]
        changing = [row for row in rows if row[6].strip() != row[0].strip() or "v2-" not in row[9]]
        if not changing or len(rows) > _MOST_CODES:
            continue
        lines += ["\t".join([name, row[0].strip(), row[6].strip(), row[9].strip(), row[8].strip()]) for row in rows]
    return "".join(f"{line}\n" for line in dict.fromkeys(lines))


def official() -> str:
    """Lines of two kinds: `>`, message structure, table; and table, field, element that has a place in FHIR."""
    tables = {name: sorted(set(_targets(path))) for name, path in _named("segments")}
    lines = []
    for structure, path in _named("messages"):
        named = [row[10].strip() for row in _rows(path) if len(row) > 10 and row[9].strip()]
        lines += [f">\t{structure}\t{table}" for table in dict.fromkeys(named) if table in tables]
    lines += [f"{table}\t{field}\t{element}" for table, found in sorted(tables.items()) for field, element in found]
    return "".join(f"{line}\n" for line in lines)


def _targets(path: Path) -> Iterator[tuple[str, str]]:
    for row in _rows(path):
        if len(row) > 9 and row[9].strip():
            field = row[1].strip().rpartition("-")[2] if "-" in row[1] else "0"
            element = re.split(r"[.\[(]", row[9].strip())[0]
            yield field, element


def _named(folder: str) -> Iterator[tuple[str, Path]]:
    for path in sorted((SOURCE / folder).glob("*.csv")):
        yield _between(path.name, "FHIR R4_ ", " - "), path


def _between(text: str, before: str, after: str) -> str:
    return text.partition(before)[2].rpartition(after)[0]


def _rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[_HEADERS:]


def main() -> int:
    """Write both files; the exit code."""
    if not SOURCE.is_dir():
        print("needs ../shared/reference/v2-to-fhir", file=sys.stderr)
        return 1
    (TARGET / "vocabularies.tsv").write_text(vocabularies(), encoding="utf-8")
    (TARGET / "official.tsv").write_text(official(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
