"""What codes of HL7 v2 tables mean in FHIR: `vocabularies.tsv`, of HL7's v2-to-FHIR concept maps, and ours beside them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("vocabularies.tsv")
_OWN = Path(__file__).with_name("own_vocabularies.tsv")
_V2 = "http://terminology.hl7.org/CodeSystem/v2-"


@cache
def _tables() -> dict[str, dict[str, dict[str, str]]]:
    """Table → code → Coding. Where a code has several meanings, the first holds; ours come before HL7's."""
    tables: dict[str, dict[str, dict[str, str]]] = {}
    for path in (_OWN, _FILE):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("#") or not line.strip():
                continue
            table, code, meant, system, display = [*line.split("\t"), "", ""][:5]
            coding = {"system": system, "code": meant, **({"display": display} if display else {})}
            tables.setdefault(table, {}).setdefault(code.upper(), coding)
    return tables


def translate(table: str, code: str) -> dict[str, Any] | None:
    """The Coding that a code of a table means; None when the table has no such code.

    A table named by four digits is one of HL7's own: its codes stay what they are, in that table's system.
    """
    code = code.strip()
    if not code:
        return None
    if len(table) == 4 and table.isdigit():
        return {"system": f"{_V2}{table}", "code": code}
    return _tables().get(table, {}).get(code.upper())
