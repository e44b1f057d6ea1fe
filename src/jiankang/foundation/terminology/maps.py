"""Concept maps: their rows, and codes translated by them (http://hl7.org/fhir/R4/conceptmap.html)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jiankang.foundation.terminology.model import Coding, check_lengths, split_canonical, version_order
from jiankang.kernel.errors import NotFound
from jiankang.kernel.jsontext import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import AsyncConnection

    from jiankang.foundation.terminology.codes import Codes

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\x00": ""})


async def put_concept_map(db: AsyncConnection[Any], id_: str, resource: dict[str, Any]) -> None:
    """Write a ConceptMap and its mappings in the caller's transaction."""
    check_lengths("the URL of a concept map", resource.get("url", ""), resource.get("version", ""))
    header = {name: value for name, value in resource.items() if name not in {"text", "contained", "group"}}
    header["group"] = [
        {name: value for name, value in group.items() if name != "element"} for group in resource.get("group", [])
    ]
    row = await (
        await db.execute(
            "INSERT INTO concept_map (url, version, resource, header) VALUES (%s, %s, %s, %s) RETURNING id",
            (resource.get("url"), resource.get("version", ""), id_, encode(header).decode()),
        )
    ).fetchone()
    assert row is not None  # noqa: S101 - RETURNING
    async with db.cursor().copy(
        "COPY mapping (map, n, source_system, source, target_system, target, body) FROM STDIN"
    ) as copy:
        lines: list[str] = []
        for n, line in enumerate(_rows(resource)):
            lines.append(f"{row[0]}\t{n}\t{line}")
        await copy.write("".join(lines))


def _rows(resource: dict[str, Any]) -> Iterator[str]:
    for group in resource.get("group", []):
        source, target = group.get("source", ""), group.get("target", "")
        check_lengths("a system of the map", source, target)
        for element in group.get("element", []):
            short = {name: element[name] for name in ("code", "display") if name in element}
            check_lengths("a code of the map", element.get("code", ""), source)
            for each in element.get("target", []) or [None]:
                check_lengths("a code of the map", (each or {}).get("code", ""), target)
                code = "\\N" if each is None or "code" not in each else each["code"].translate(_ESCAPES)
                body = encode([short, each]).decode().translate(_ESCAPES)
                fields = (
                    source.translate(_ESCAPES),
                    element.get("code", "").translate(_ESCAPES),
                    target.translate(_ESCAPES),
                )
                yield "\t".join((*fields, code, body)) + "\n"


# ---- $translate

_RELATED = frozenset({
    "relatedto", "equivalent", "equal", "wider", "subsumes", "narrower", "specializes", "inexact",
})  # fmt: skip
_REVERSED = {"wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes"}
_FORWARD = """
SELECT m.map, m.source_system, m.source, m.target_system, m.target, m.body, c.url, c.version FROM mapping AS m
JOIN concept_map AS c ON c.id = m.map WHERE m.source = %s AND m.source_system = %s"""
_BACKWARD = _FORWARD.replace("m.source = %s AND m.source_system = %s", "m.target = %s AND m.target_system = %s")


@dataclass(frozen=True, slots=True)
class Translation:
    """What is asked: a code, by which map (all when None), to which system or value sets, in which direction."""

    coding: Coding
    map_url: str | None = None
    map_version: str | None = None
    map_id: int | None = None
    source: str | None = None
    target: str | None = None
    target_system: str | None = None
    reverse: bool = False
    dependencies: tuple[tuple[str, str, str], ...] = ()
    seen: tuple[str, ...] = ()


async def translate(codes: Codes, asked: Translation) -> dict[str, Any]:
    """Codes that a code is mapped to, as Parameters. Raises NotFound for an unknown map.

    http://hl7.org/fhir/R4/conceptmap-operation-translate.html
    """
    maps = await _maps(codes, asked)
    statement = _BACKWARD if asked.reverse else _FORWARD
    rows = await codes.rows(
        f"{statement} AND m.map = ANY(%s::integer[]) ORDER BY m.map, m.n",
        (asked.coding.code, asked.coding.system, list(maps)),
    )
    matches = [match for row in rows if (match := _match(row, asked)) is not None]
    if not rows and not asked.reverse:
        for header in maps.values():
            matches += await _unmapped(codes, asked, header)
    result = any(_equivalence(match) in _RELATED for match in matches)
    out: list[dict[str, Any]] = [{"name": "result", "valueBoolean": result}]
    if not matches:
        text = f"no map that is known here says what {asked.coding.code[:100]!r} of {asked.coding.system} is"
        out.append({"name": "message", "valueString": text})
    out += [{"name": "match", "part": match} for match in matches]
    return {"resourceType": "Parameters", "parameter": out}


async def _maps(codes: Codes, asked: Translation) -> dict[int, dict[str, Any]]:
    """The maps to look in, with their headers."""
    conditions: list[str] = ["true"]
    values: list[Any] = []
    if asked.map_id is not None:
        conditions, values = ["id = %s"], [asked.map_id]
    elif asked.map_url is not None:
        conditions, values = ["url = %s"], [asked.map_url]
        if asked.map_version is not None:
            conditions.append("version = %s")
            values.append(asked.map_version)
    rows = await codes.rows(
        f"SELECT id, version, header FROM concept_map WHERE {' AND '.join(conditions)} ORDER BY id", values
    )
    if not rows and (asked.map_url is not None or asked.map_id is not None):
        raise NotFound(f"the concept map {asked.map_url or ''} is not known here")
    if asked.map_url is not None and asked.map_version is None and len(rows) > 1:
        rows = [max(rows, key=lambda row: version_order(row[1]))]
    found = {row[0]: decode(row[2]) for row in rows}
    if asked.map_url is None and asked.map_id is None:
        found = {number: header for number, header in found.items() if _fits(header, asked)}
    return found


def _fits(header: dict[str, Any], asked: Translation) -> bool:
    """Whether a map is between the value sets that the question names."""
    ends = {"source": asked.source, "target": asked.target}
    if asked.reverse:
        ends = {"source": asked.target, "target": asked.source}
    for end, wanted in ends.items():
        if wanted is None:
            continue
        given = header.get(f"{end}Canonical") or header.get(f"{end}Uri")
        if given is not None and split_canonical(given)[0] != split_canonical(wanted)[0]:
            return False
    return True


def _match(row: tuple[Any, ...], asked: Translation) -> list[dict[str, Any]] | None:
    """One match as the parts of its parameter; None when it is not to the system asked for, or depends on something else."""
    _, source_system, _, target_system, _, body, url, version = row
    element, target = decode(body)
    if target is None:
        return None
    if asked.reverse:
        equivalence = target.get("equivalence", "relatedto")
        system, code, display = source_system, element.get("code"), element.get("display")
        equivalence = _REVERSED.get(equivalence, equivalence)
    else:
        equivalence = target.get("equivalence", "relatedto")
        system, code, display = target_system, target.get("code"), target.get("display")
    if asked.target_system and system != asked.target_system:
        return None
    if not _depends(target.get("dependsOn", []), asked.dependencies):
        return None
    parts: list[dict[str, Any]] = [{"name": "equivalence", "valueCode": equivalence}]
    if code is not None:
        concept = {"system": system, "code": code, "display": display}
        parts.append({"name": "concept", "valueCoding": {key: value for key, value in concept.items() if value}})
    if target.get("comment"):
        parts.append({"name": "comment", "valueString": target["comment"]})
    for product in target.get("product", []) if not asked.reverse else []:
        coding = {"system": product.get("system"), "code": product.get("value"), "display": product.get("display")}
        inner = [
            {"name": "element", "valueUri": product.get("property", "")},
            {"name": "concept", "valueCoding": {key: value for key, value in coding.items() if value}},
        ]
        parts.append({"name": "product", "part": inner})
    if url:
        parts.append({"name": "source", "valueUri": f"{url}|{version}" if version else url})
    return parts


def _depends(needed: list[dict[str, Any]], given: tuple[tuple[str, str, str], ...]) -> bool:
    """Whether all that a mapping depends on was said (http://hl7.org/fhir/R4/conceptmap-definitions.html#ConceptMap.group.element.target.dependsOn)."""
    return all(
        any(
            name == each.get("property")
            and code == each.get("value")
            and (not each.get("system") or not system or system == each["system"])
            for name, system, code in given
        )
        for each in needed
    )


def _equivalence(match: list[dict[str, Any]]) -> str:
    return str(match[0]["valueCode"])


async def _unmapped(codes: Codes, asked: Translation, header: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """What a map says of codes that it does not name (http://hl7.org/fhir/R4/conceptmap-definitions.html#ConceptMap.group.unmapped)."""
    found: list[list[dict[str, Any]]] = []
    for group in header.get("group", []):
        rule = group.get("unmapped")
        if not rule or group.get("source") != asked.coding.system:
            continue
        if asked.target_system and group.get("target") != asked.target_system:
            continue
        if rule.get("mode") == "provided":
            code, display, how = asked.coding.code, asked.coding.display, "equal"
        elif rule.get("mode") == "fixed":
            code, display, how = rule.get("code"), rule.get("display"), "inexact"
        else:
            if rule.get("url") and len(asked.seen) < 10 and rule["url"] not in asked.seen:
                other = replace(
                    asked, map_url=rule["url"], map_version=None, map_id=None, seen=(*asked.seen, rule["url"])
                )
                answer = await translate(codes, other)
                found += [each["part"] for each in answer["parameter"] if each["name"] == "match"]
            continue
        coding = {"system": group.get("target"), "code": code, "display": display}
        parts: list[dict[str, Any]] = [
            {"name": "equivalence", "valueCode": how},
            {"name": "concept", "valueCoding": {key: value for key, value in coding.items() if value}},
        ]
        if header.get("url"):
            parts.append({"name": "source", "valueUri": header["url"]})
        found.append(parts)
    return found
