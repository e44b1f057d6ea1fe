"""Plain tables: CSV or TSV with a header line.

Known columns: code, display, definition, parent (several with |), designation:LANGUAGE, inactive; their Chinese names
too. Every other column becomes a property.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jiankang.foundation.terminology.importing.sources import INACTIVE_PROPERTY, Named, open_text, text_property
from jiankang.foundation.terminology.model import Draft
from jiankang.kernel.errors import Invalid

_KNOWN = {
    "code": "code", "编码": "code", "代码": "code", "display": "display", "name": "display", "名称": "display",
    "definition": "definition", "说明": "definition", "定义": "definition", "parent": "parent", "上级": "parent",
    "上级代码": "parent", "inactive": "inactive", "停用": "inactive", "英文名称": "designation:en", "别名": "designation:",
}  # fmt: skip
_TRUE = frozenset({"true", "1", "yes", "y", "是"})


class Table:
    """A table as a code system."""

    def __init__(self, path: Path, named: Named) -> None:
        self.path = path
        self.header = named.header(None, None)
        self.header.setdefault("name", path.stem.partition(".")[0])
        with open_text(path) as file:
            first = file.readline()
        self._comma = "\t" if "\t" in first else ";" if first.count(";") > first.count(",") else ","
        self._columns = [_column(name) for name in next(csv.reader([first], delimiter=self._comma), [])]
        if "code" not in self._columns:
            raise Invalid(f"{path.name} has no column `code`; its columns are: {', '.join(self._columns)[:300]}")
        properties = [name for name in self._columns if not _is_known(name)]
        if properties:
            self.header["property"] = [{"code": name, "type": "string"} for name in properties]

    def drafts(self) -> Iterator[Draft]:
        """A concept for each line that has a code."""
        width = len(self._columns)
        with open_text(self.path) as file:
            reader = csv.reader(file, delimiter=self._comma)
            next(reader, None)
            try:
                for row in reader:
                    if len(row) > width:
                        raise Invalid(
                            f"line {reader.line_num} of {self.path.name} has {len(row)} fields instead of {width}"
                        )
                    if row and any(row):
                        yield self._draft(dict(zip(self._columns, row, strict=False)), reader.line_num)
            except (csv.Error, UnicodeDecodeError) as error:
                raise Invalid(f"{self.path.name} cannot be read after line {reader.line_num}: {error}") from None

    def _draft(self, row: dict[str, str], line: int) -> Draft:
        code = row.pop("code").strip()
        if not code:
            raise Invalid(f"line {line} of {self.path.name} has no code")
        designations: list[dict[str, Any]] = []
        properties: list[dict[str, Any]] = []
        display, definition, parents = row.pop("display", ""), row.pop("definition", None), row.pop("parent", "")
        for name, value in row.items():
            if not value:
                continue
            if name == "inactive":
                if value.strip().lower() in _TRUE:
                    properties.append(INACTIVE_PROPERTY)
            elif name.startswith("designation:"):
                language = name.partition(":")[2]
                designations.append({**({"language": language} if language else {}), "value": value})
            else:
                properties.append(text_property(name, value))
        above = tuple(part.strip() for part in parents.split("|") if part.strip())
        return Draft(code, display, definition, designations, properties, above)


def _column(name: str) -> str:
    name = name.strip()
    return _KNOWN.get(name.lower(), name)


def _is_known(name: str) -> bool:
    return name in {"code", "display", "definition", "parent", "inactive"} or name.startswith("designation:")
