"""SNOMED CT in Release Format 2: the snapshot files of a release, as a folder or zip.

https://confluence.ihtsdotools.org/display/DOCRELFMT
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jiankang.foundation.terminology.importing.sources import INACTIVE_PROPERTY, Folder, Named, code_property
from jiankang.foundation.terminology.model import Draft
from jiankang.kernel.errors import Invalid

URL = "http://snomed.info/sct"
IS_A, FSN, PREFERRED = "116680003", "900000000000003001", "900000000000548007"
_FILES = {
    "concepts": re.compile(r"x?sct2_Concept_Snapshot_.*\.txt$"),
    "descriptions": re.compile(r"x?sct2_Description_Snapshot.*\.txt$"),
    "relations": re.compile(r"x?sct2_Relationship_Snapshot.*\.txt$"),
    "languages": re.compile(r"x?der2_cRefset_LanguageSnapshot.*\.txt$"),
    "refsets": re.compile(r"x?der2_Refset_Simple(Refset)?Snapshot.*\.txt$"),
}
_DATE = re.compile(r"_([A-Z]{2,3}\d*)_(\d{8})\.txt$")
_DEFINED = "900000000000073002"
_USE_FSN = {"system": URL, "code": FSN, "display": "Fully specified name"}
_USE_SYNONYM = {"system": URL, "code": "900000000000013009", "display": "Synonym"}


class Rf2:
    """A snapshot release of SNOMED CT or an extension."""

    def __init__(self, path: Path, named: Named) -> None:
        self.path = path
        self._names: dict[str, list[str]] = {}
        with Folder(path) as folder:
            for name in folder.names():
                for kind, pattern in _FILES.items():
                    if pattern.search(name.rpartition("/")[2]):
                        self._names.setdefault(kind, []).append(name)
            missing = {"concepts", "descriptions", "relations"} - self._names.keys()
            if missing:
                raise Invalid(f"{path.name} holds no snapshot of {', '.join(sorted(missing))}")
            date = _DATE.search(self._names["concepts"][0])
            module = self._module(folder)
            version = f"{URL}/{module}/version/{date[2]}" if date else None
            self.header = named.header(
                URL, version, name="SNOMED_CT", title="SNOMED CT", language="en", hierarchyMeaning="is-a"
            )
            self._preferred = {
                row[5] for row in self._rows(folder, "languages", 7) if row[2] == "1" and row[6] == PREFERRED
            }  # fmt: skip
            self._terms = self._read_terms(folder)
            self._above, self._attributes = self._read_relations(folder)
            self._refsets: dict[str, list[str]] = {}
            for row in self._rows(folder, "refsets", 6):
                if row[2] == "1":
                    self._refsets.setdefault(row[5], []).append(row[4])

    def _module(self, folder: Folder) -> str:
        """The module that the root concept, or else the first one, belongs to."""
        first = ""
        for row in self._rows(folder, "concepts", 5):
            first = first or row[3]
            if row[0] == "138875005":
                return row[3]
        return first

    def _rows(self, folder: Folder, kind: str, width: int) -> Iterator[list[str]]:
        for name in self._names.get(kind, ()):
            with folder.text(name) as file:
                next(file, None)
                for number, line in enumerate(file, 2):
                    row = line.rstrip("\r\n").split("\t")
                    if len(row) < width:
                        raise Invalid(f"line {number} of {name} has {len(row)} fields instead of {width}")
                    yield row

    def _read_terms(self, folder: Folder) -> dict[str, list[tuple[str, str, str, bool]]]:
        """By concept: (type, language, term, whether preferred) of the active descriptions."""
        found: dict[str, list[tuple[str, str, str, bool]]] = {}
        for row in self._rows(folder, "descriptions", 9):
            if row[2] == "1":
                found.setdefault(row[4], []).append((row[6], row[5], row[7], row[0] in self._preferred))
        return found

    def _read_relations(self, folder: Folder) -> tuple[dict[str, list[str]], dict[str, list[tuple[str, str]]]]:
        above: dict[str, list[str]] = {}
        attributes: dict[str, list[tuple[str, str]]] = {}
        for row in self._rows(folder, "relations", 10):
            if row[2] != "1":
                continue
            if row[7] == IS_A:
                above.setdefault(row[4], []).append(row[5])
            else:
                attributes.setdefault(row[4], []).append((row[7], row[5]))
        return above, attributes

    def drafts(self) -> Iterator[Draft]:
        """A concept for each line of the concept file."""
        with Folder(self.path) as folder:
            for code, _, active, module, status, *_ in self._rows(folder, "concepts", 5):
                properties: list[dict[str, Any]] = [
                    code_property("moduleId", module), {"code": "sufficientlyDefined", "valueBoolean": status == _DEFINED},
                ]  # fmt: skip
                if active != "1":
                    properties.append(INACTIVE_PROPERTY)
                properties += [
                    code_property(kind, value) for kind, value in dict.fromkeys(self._attributes.get(code, ()))
                ]
                properties += [code_property("refset", refset) for refset in self._refsets.get(code, ())]
                display, designations = _named(self._terms.get(code, []))
                yield Draft(
                    code, display, None, designations, properties, tuple(dict.fromkeys(self._above.get(code, ())))
                )


def _named(terms: list[tuple[str, str, str, bool]]) -> tuple[str, list[dict[str, Any]]]:
    """The display (the preferred English synonym, else the fully specified name) and all names."""
    designations = [
        {"language": language, "use": _USE_FSN if kind == FSN else _USE_SYNONYM, "value": term}
        for kind, language, term, _ in terms
    ]
    ranked = sorted(terms, key=lambda term: (term[1] != "en", term[0] == FSN, not term[3]))
    return (ranked[0][2] if ranked else ""), designations
