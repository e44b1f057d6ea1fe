"""LOINC as Regenstrief publishes it: the table, with the Chinese names and the hierarchy when the whole release is there."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jiankang.foundation.terminology.importing.sources import (
    INACTIVE_PROPERTY,
    Folder,
    Named,
    code_property,
    open_text,
    text_property,
)
from jiankang.foundation.terminology.model import Draft
from jiankang.kernel.errors import Invalid

URL = "http://loinc.org"
_PROPERTIES = (
    "COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP", "CLASS", "CLASSTYPE", "ORDER_OBS",
    "STATUS", "EXAMPLE_UCUM_UNITS", "VersionLastChanged",
)  # fmt: skip
_TABLE = re.compile(r"(^|/)Loinc\.csv$", re.IGNORECASE)
_CHINESE = re.compile(r"zhCN\d+LinguisticVariant\.csv$")
_TREE = re.compile(r"(ComponentHierarchyBySystem|MultiAxialHierarchy)\.csv$", re.IGNORECASE)
_VERSION = re.compile(r"(\d\.\d\d)")


class Loinc:
    """A LOINC release (folder or zip), or its table alone."""

    def __init__(self, path: Path, named: Named) -> None:
        self.path = path
        self._whole = path.is_dir() or path.suffix == ".zip"
        self._table = ""
        self._chinese: dict[str, str] = {}
        self._above: dict[str, list[str]] = {}
        self._parts: dict[str, str] = {}
        version = _VERSION.search(path.name)
        if self._whole:
            with Folder(path) as folder:
                self._look(folder)
        self.header = named.header(
            URL, version[1] if version else None, name="LOINC", title="LOINC", language="en", hierarchyMeaning="is-a",
            property=[{"code": name, "type": "string"} for name in _PROPERTIES],
        )  # fmt: skip

    def _look(self, folder: Folder) -> None:
        for name in folder.names():
            if _TABLE.search(name):
                self._table = name
            elif _CHINESE.search(name):
                with folder.text(name) as file:
                    for row in csv.DictReader(file):
                        text = row.get("LONG_COMMON_NAME") or row.get("SHORTNAME") or row.get("COMPONENT")
                        if text:
                            self._chinese[row.get("LOINC_NUM", "")] = text
            elif _TREE.search(name):
                with folder.text(name) as file:
                    for row in csv.DictReader(file):
                        code, parent = row.get("CODE", ""), row.get("IMMEDIATE_PARENT", "")
                        if parent:
                            self._above.setdefault(code, []).append(parent)
                        if code.startswith("LP"):
                            self._parts[code] = row.get("CODE_TEXT", "")
        if not self._table:
            raise Invalid(f"{self.path.name} holds no Loinc.csv")

    def drafts(self) -> Iterator[Draft]:
        """The parts of the hierarchy, then the terms of the table."""
        for code, text in self._parts.items():
            yield Draft(code, text, parents=tuple(dict.fromkeys(self._above.get(code, ()))))
        if self._whole:
            with Folder(self.path) as folder, folder.text(self._table) as file:
                yield from self._terms(csv.DictReader(file))
        else:
            with open_text(self.path) as file:
                yield from self._terms(csv.DictReader(file))

    def _terms(self, rows: csv.DictReader[str]) -> Iterator[Draft]:
        if "LOINC_NUM" not in (rows.fieldnames or ()):
            raise Invalid(f"{self.path.name} has no column LOINC_NUM")
        for row in rows:
            code = row["LOINC_NUM"]
            properties: list[dict[str, Any]] = [
                (code_property if name == "STATUS" else text_property)(name, value)
                for name in _PROPERTIES
                if (value := row.get(name))
            ]
            if row.get("STATUS") == "DEPRECATED":
                properties.append(INACTIVE_PROPERTY)
            designations = [
                {"language": "en", "use": {"code": name}, "value": value}
                for name in ("SHORTNAME", "DisplayName", "CONSUMER_NAME")
                if (value := row.get(name))
            ]
            if code in self._chinese:
                designations.append({"language": "zh-CN", "value": self._chinese[code]})
            display = row.get("LONG_COMMON_NAME") or row.get("SHORTNAME") or row.get("COMPONENT") or ""
            parents = tuple(dict.fromkeys(self._above.get(code, ())))
            yield Draft(code, display, row.get("DefinitionDescription") or None, designations, properties, parents)
