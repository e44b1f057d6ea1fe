"""What all parts of a guide have in common: its names, aliases and sources, and how both languages are written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from guides.source import Table

Json = dict[str, Any]
HL7 = "http://hl7.org/fhir/StructureDefinition/"
UCUM = "http://unitsofmeasure.org"


@dataclass(frozen=True)
class Words:
    """What `guide.yaml` says."""

    table: Table
    id: str
    version: str
    date: str
    canonical: str
    publisher: str

    @classmethod
    def of(cls, table: Table) -> Words:
        """The words of a guide."""
        table.only("id", "version", "date", "canonical", "publisher", "license", "title", "description", "profiles", "aliases", "sources")  # fmt: skip
        return cls(table, *(str(table.need(key)) for key in ("id", "version", "date", "canonical", "publisher")))

    def url(self, kind: str, own_id: str) -> str:
        """The canonical URL of a resource of the guide."""
        return f"{self.canonical}:{kind}:{own_id}"

    def head(self, kind: str, own_id: str, table: Table) -> Json:
        """What each resource of the guide begins with."""
        return {
            "resourceType": kind, "id": own_id, "language": "zh-CN", "url": self.url(kind, own_id),
            "version": self.version, "name": camel(own_id), "title": both(table), "status": "active",
            "experimental": False, "date": self.date, "publisher": self.publisher, "description": self.told(table),
        }  # fmt: skip

    def system(self, alias: str, table: Table, key: str | None = None) -> str:
        """The URL that an alias stands for."""
        if ":" in alias:
            return alias
        known: Table = self.table.need("aliases")
        if alias not in known:
            raise table.error(f"the alias `{alias}` is not in guide.yaml", key)
        return str(known[alias])

    def source(self, key: str, table: Table) -> str:
        """A source in full: its tag and what it is."""
        known: Table = self.table.need("sources")
        if key not in known:
            raise table.error(f"the source `{key}` is not in guide.yaml", "source")
        return str(known[key])

    def told(self, table: Table, default: str = "") -> str:
        """A definition: in Chinese, in English, the note, and where it comes from."""
        parts = [f"{table['zh']}。{table['en']}." if "zh" in table else ""]
        parts.append(table.get("note", "").strip())
        source = table.get("source", default)
        if source:
            parts.append(f"来源 Source: {self.source(source, table)}")
        return " ".join(part for part in parts if part)


def both(table: Table) -> str:
    """Chinese and English beside each other."""
    return f"{table.need('zh')} {table.need('en')}"


def laid_out(value: Any, indent: int = 0, width: int = 110) -> str:
    """JSON that people read: what fits into a line stands in one."""
    short = encode(value).decode()
    short = json.dumps(json.loads(short), ensure_ascii=False) if len(short) <= width else short
    if len(short) + indent <= width or not isinstance(value, dict | list):
        return short
    inner, end = "\n" + " " * (indent + 1), "\n" + " " * indent
    if isinstance(value, list):
        return "[" + inner + f",{inner}".join(laid_out(each, indent + 1) for each in value) + end + "]"
    members = (f"{json.dumps(key)}: {laid_out(each, indent + 1)}" for key, each in value.items())
    return "{" + inner + f",{inner}".join(members) + end + "}"


def camel(own_id: str) -> str:
    """A computer's name for an id: infectious-disease-card is InfectiousDiseaseCard."""
    return "".join(part[:1].upper() + part[1:] for part in own_id.split("-"))


def spaced(value: Any) -> list[str]:
    """The words of a scalar."""
    return str(value).split()
