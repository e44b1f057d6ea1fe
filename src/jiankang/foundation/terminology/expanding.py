"""Value sets written out: pages of codes, filtered by what a person types, flat or as a tree.

http://hl7.org/fhir/R4/valueset-operation-expand.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jiankang.foundation.terminology.asking import shown_display, with_supplements
from jiankang.foundation.terminology.codes import Codes, as_concept
from jiankang.foundation.terminology.composing import Part, Plan, Planner, Versions
from jiankang.foundation.terminology.model import ABSTRACT, INACTIVE, Concept, System
from jiankang.foundation.terminology.words import folded, query_of, words_of
from jiankang.kernel.errors import TooCostly

if TYPE_CHECKING:
    from datetime import datetime

MAX_CODES = 10_000
_MAX_NESTED = 5_000


@dataclass(frozen=True, slots=True)
class Wish:
    """How a value set is to be expanded."""

    offset: int = 0
    count: int | None = None
    filter: str = ""
    active_only: bool = False
    designations: bool = False
    designation_languages: tuple[str, ...] = ()
    language: str | None = None
    nested: bool = False
    definition: bool = False
    without_systems: tuple[str, ...] = ()
    versions: Versions = field(default_factory=Versions)


@dataclass(slots=True)
class _Page:
    """What was found so far: concepts with what the value set says of them, and how many there are in all."""

    left: int
    skip: int
    total: int = 0
    items: list[dict[str, Any]] = field(default_factory=list)


async def expand(codes: Codes, value_set: dict[str, Any], wish: Wish, moment: datetime, new_id: str) -> dict[str, Any]:
    """The value set with its expansion. Raises TooCostly for more than MAX_CODES codes at once, Cyclic, UnknownSystem."""
    if wish.count is not None and wish.count > MAX_CODES:
        raise TooCostly(
            f"at most {MAX_CODES} codes are given at once: ask for less with `count` and go on with `offset`"
        )
    planner, plan = await _planned(codes, value_set, wish.versions)
    page = _Page(MAX_CODES + 1 if wish.count is None else wish.count, wish.offset)
    for (url, version), part in plan.items():
        if url in wish.without_systems or f"{url}|{version}" in wish.without_systems:
            continue
        await _fill(codes, page, part, planner, wish)
        if wish.count is None and page.total > MAX_CODES:
            raise TooCostly(
                f"the value set has more than {MAX_CODES} codes: ask for pages with `count` and `offset`, or use `filter`"
            )
    contains = page.items
    if wish.nested and not wish.filter and wish.offset == 0 and wish.count is None and page.total <= _MAX_NESTED:
        contains = _nested(contains)
    if wish.nested:
        for each in contains:
            _strip(each)
    expansion = {
        "identifier": f"urn:uuid:{new_id}", "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "total": page.total, "offset": wish.offset, "parameter": _parameters(wish, plan), "contains": contains,
    }  # fmt: skip
    if not contains:
        del expansion["contains"]
    if not expansion["parameter"]:
        del expansion["parameter"]
    hidden = {"text", "contained", "meta"} if wish.definition else {"text", "contained", "meta", "compose"}
    shown = {name: value for name, value in value_set.items() if name not in hidden and name != "expansion"}
    return {**shown, "resourceType": "ValueSet", "status": value_set.get("status", "active"), "expansion": expansion}


async def _planned(codes: Codes, value_set: dict[str, Any], versions: Versions) -> tuple[Planner, Plan]:
    """The plan of a value set, remembered by its URL when it is one that is known by it."""
    url, version = value_set.get("url"), value_set.get("version")
    key = ("plan", url, version, versions.key)
    known = (
        codes.memory.value_sets.get((url, version)) is value_set
        or codes.memory.value_sets.get((url, None)) is value_set
    )
    found: tuple[Planner, Plan] | None = codes.memory.others.get(key) if known else None
    if found is None:
        planner = Planner(codes, versions)
        found = (planner, await planner.plan(value_set))
        if known:
            codes.memory.others.put(key, found)
    return found


async def _fill(codes: Codes, page: _Page, part: Part, planner: Planner, wish: Wish) -> None:
    if part.listed is not None:
        await _fill_listed(codes, page, part, wish)
    elif isinstance(part.system, System):
        await _fill_selected(codes, page, part, part.system, planner, wish)


async def _fill_listed(codes: Codes, page: _Page, part: Part, wish: Wish) -> None:
    """Codes that the value set lists, in its order; those of a system that is not here go by the list alone."""
    listed = part.listed or {}
    known: dict[str, Concept] = {}
    if isinstance(part.system, System):
        known = await codes.concepts(part.system, list(listed))
    elif part.system is not None:
        known = {code: concept for code in listed if (concept := part.system.concept(code)) is not None}
    for code, said in listed.items():
        concept = known.get(code)
        if concept is None and part.system is not None and part.system.content == "complete":
            continue  # the list names a code that its system does not have
        if wish.active_only and concept is not None and concept.inactive:
            continue
        item = await _item(codes, part, concept, code, said, wish)
        if wish.filter and not _matches(wish.filter, item, concept):
            continue
        page.total += 1
        if page.skip:
            page.skip -= 1
        elif page.left:
            page.left -= 1
            page.items.append(item)


def _matches(text: str, item: dict[str, Any], concept: Concept | None) -> bool:
    names = [item.get("display", ""), item["code"], *(each.get("value", "") for each in item.get("designation", []))]
    if concept is not None:
        names += [concept.display, *(each.get("value", "") for each in concept.designations)]
    words = {word for name in names for word in words_of(name)} | {folded(item["code"])}
    wanted = words_of(text) or {folded(text).strip()}
    return all(any(word.startswith(each) for word in words) for each in wanted)


_LIGHT = "flags, code, display"
_FULL = "system, n, last, flags, code, display, parents, '{}'::integer[], more"


async def _fill_selected(codes: Codes, page: _Page, part: Part, system: System, planner: Planner, wish: Wish) -> None:
    """Codes that a condition selects, in tree order; those that match a filter with the shortest names first."""
    light = not (wish.designations or wish.language or wish.designation_languages or wish.nested)
    columns = _LIGHT if light else _FULL
    if part.where.span is not None and not wish.filter and not wish.active_only:
        matched, rows = await _between(codes, page, system, part.where.span, columns)
    else:
        matched, rows = await _matching(codes, page, part, system, wish, columns)
    page.total += matched
    page.skip = max(0, page.skip - matched)
    page.left -= len(rows)
    if light:
        page.items += _light_items(part.url, rows, planner.named)
        return
    for row in rows:
        concept = as_concept(row)
        said = planner.named.get((part.url, concept.code))
        page.items.append(await _item(codes, part, concept, concept.code, said, wish))


def _light_items(
    url: str, rows: list[tuple[Any, ...]], named: dict[tuple[str, str], dict[str, Any]]
) -> list[dict[str, Any]]:  # fmt: skip
    """The entries of `contains` when nothing but displays is asked for."""
    items: list[dict[str, Any]] = []
    for flags, code, display in rows:
        item: dict[str, Any] = {"system": url}
        if flags & ABSTRACT:
            item["abstract"] = True
        if flags & INACTIVE:
            item["inactive"] = True
        item["code"] = code
        if named and (said := named.get((url, code))) is not None and said.get("display"):
            display = said["display"]
        if display:
            item["display"] = display
        items.append(item)
    return items


async def _between(
    codes: Codes, page: _Page, system: System, span: tuple[int, int], columns: str
) -> tuple[int, list[tuple[Any, ...]]]:  # fmt: skip
    """A page of concepts whose places follow one another: their number is known without counting."""
    first, last = span[0], min(span[1], system.count - 1)
    start = first + page.skip
    stop = min(last, start + page.left - 1)
    rows: list[tuple[Any, ...]] = []
    if start <= stop:
        rows = await codes.rows(
            f"SELECT {columns} FROM concept WHERE system = %s AND n BETWEEN %s AND %s ORDER BY n",
            (system.id, start, stop),
        )
    return max(0, last - first + 1), rows


async def _matching(
    codes: Codes, page: _Page, part: Part, system: System, wish: Wish, columns: str
) -> tuple[int, list[tuple[Any, ...]]]:  # fmt: skip
    """A page of the concepts that meet the conditions, and how many do in all."""
    source, order = "concept", "n"
    values: list[Any] = []
    if wish.filter:  # the words name the system too, so that their index alone finds the rows
        source, order = "(SELECT * FROM concept WHERE words @@ %s::tsquery OFFSET 0) AS hit", "length(display), n"
        values.append(query_of(system.id, wish.filter))
    sql = f"system = %s AND ({part.where.sql})" + (" AND flags & 1 = 0" if wish.active_only else "")
    values += [system.id, *part.where.values]
    key = ("count", sql, repr(values))
    matched: int | None = codes.memory.others.get(key)
    rows: list[tuple[Any, ...]] = []
    if page.left:
        counted = "0" if matched is not None else "count(*) OVER ()"
        found = await codes.rows(
            f"SELECT {columns}, {counted} FROM {source} WHERE {sql} ORDER BY {order} LIMIT %s OFFSET %s",
            (*values, page.left, page.skip),
        )
        rows = [row[:-1] for row in found]
        if matched is None and (found or not page.skip):
            matched = int(found[0][-1]) if found else 0
    if matched is None:
        matched = int((await codes.rows(f"SELECT count(*) FROM {source} WHERE {sql}", values))[0][0])
    codes.memory.others.put(key, matched)
    return matched, rows


async def _item(
    codes: Codes, part: Part, concept: Concept | None, code: str, said: dict[str, Any] | None, wish: Wish
) -> dict[str, Any]:  # fmt: skip
    """One entry of `contains`, with `_n` and `_parents` for those who nest it."""
    item: dict[str, Any] = {"system": part.url}
    if concept is not None and concept.abstract:
        item["abstract"] = True
    if concept is not None and concept.inactive:
        item["inactive"] = True
    item["code"] = code if concept is None else concept.code
    designations: list[dict[str, Any]] = list((said or {}).get("designation", []))
    system = part.system
    if (
        concept is not None
        and isinstance(system, System)
        and (wish.designations or wish.language or wish.designation_languages)
    ):
        designations += (await with_supplements(codes, system, concept))[0]
    display = (said or {}).get("display")
    if concept is not None and system is not None and (display is None or wish.language):
        display = shown_display(concept, system, designations, wish.language) or display
    if display:
        item["display"] = display
    shown = designations if wish.designations else []
    if wish.designation_languages:
        shown = [each for each in designations if each.get("language") in wish.designation_languages]
    if shown:
        item["designation"] = [{key: value for key, value in each.items() if key != "extension"} for each in shown]
    if concept is not None and wish.nested:
        item["_n"], item["_parents"] = (
            (concept.system, concept.n),
            [(concept.system, place) for place in concept.parents],
        )
    return item


def _nested(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same entries as a tree: each under its first parent that is among them."""
    by_place = {item["_n"]: item for item in items if "_n" in item}
    roots: list[dict[str, Any]] = []
    for item in items:
        parent = next((by_place[place] for place in item.get("_parents", ()) if place in by_place), None)
        if parent is None:
            roots.append(item)
        else:
            parent.setdefault("contains", []).append(item)
    return roots


def _strip(item: dict[str, Any]) -> None:
    stack = [item]
    while stack:
        each = stack.pop()
        each.pop("_n", None)
        each.pop("_parents", None)
        stack.extend(each.get("contains", ()))


def _parameters(wish: Wish, plan: Plan) -> list[dict[str, Any]]:
    """How it was expanded, and from which versions."""
    found: list[dict[str, Any]] = []
    if wish.filter:
        found.append({"name": "filter", "valueString": wish.filter})
    if wish.active_only:
        found.append({"name": "activeOnly", "valueBoolean": True})
    if wish.language:
        found.append({"name": "displayLanguage", "valueCode": wish.language})
    if wish.count is not None:
        found.append({"name": "count", "valueInteger": wish.count})
    used = [part.system.canonical for part in plan.values() if part.system is not None]
    return [*found, *({"name": "version", "valueUri": canonical} for canonical in used)]
