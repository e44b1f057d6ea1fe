"""Chinese code systems that come with the platform: facts of public standards, in Chinese and English.

Each file holds systems as `{url, version, name, title, title_zh, source, concepts}`; a concept is
`[code, Chinese, English, parent, {property: value}]`, of which the last three may be missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
_WS364 = "WS 364-2011 卫生信息数据元值域代码; WS/T 364-2023 follows it, compare before use"
_COPYRIGHT = "Codes and names are facts of public Chinese standards; this compilation is under Apache-2.0. 代码与名称取自公开标准。"


def own_resources() -> Iterator[dict[str, Any]]:
    """Each system as a CodeSystem, and the value set of all its codes."""
    for path in sorted(FOLDER.glob("*.json")):
        for table in json.loads(path.read_text(encoding="utf-8")):
            yield code_system(table)
            yield _value_set(table)


def code_system(table: dict[str, Any]) -> dict[str, Any]:
    """A table as CodeSystem: displays in Chinese, English names as designations."""
    concepts = [_concept(*row) for row in table["concepts"]]
    names = sorted({each["code"] for concept in concepts for each in concept.get("property", [])})
    source = table.get("source", _WS364)
    resource: dict[str, Any] = {
        "resourceType": "CodeSystem", "url": table["url"], "version": table["version"],
        "name": table["name"].replace("-", "_"), "title": f"{table['title_zh']} {table['title']}", "status": "active",
        "language": "zh-CN", "description": f"{table['title_zh']}. {table['title']}. Source: {source}.",
        "copyright": _COPYRIGHT, "caseSensitive": True, "valueSet": f"{table['url']}:all", "content": "complete",
        "count": len(concepts),
    }  # fmt: skip
    if any(row[3:4] and row[3] for row in table["concepts"]):
        resource["hierarchyMeaning"] = table.get("hierarchy", "is-a")
    if names:
        resource["property"] = [{"code": name, "type": "code" if name == "parent" else "string"} for name in names]
    resource["concept"] = concepts
    return resource


def _concept(code: str, zh: str, en: str = "", parent: str = "", more: dict[str, str] | None = None) -> dict[str, Any]:
    concept: dict[str, Any] = {"code": code, "display": zh}
    if en:
        concept["designation"] = [{"language": "en", "value": en}]
    properties = [{"code": "parent", "valueCode": parent}] if parent else []
    properties += [{"code": name, "valueString": value} for name, value in (more or {}).items()]
    if properties:
        concept["property"] = properties
    return concept


def _value_set(table: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "ValueSet", "url": f"{table['url']}:all", "version": table["version"],
        "name": f"{table['name'].replace('-', '_')}_all", "title": table["title_zh"], "status": "active",
        "copyright": _COPYRIGHT, "compose": {"include": [{"system": table["url"]}]},
    }  # fmt: skip
