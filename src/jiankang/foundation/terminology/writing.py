"""Code systems on their way into the tables: rows for COPY, and the order they are written in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from jiankang.foundation.terminology.hierarchy import Hierarchy, arrange
from jiankang.foundation.terminology.model import ABSTRACT, INACTIVE, POLY, Draft, check_lengths, value_text
from jiankang.foundation.terminology.words import lexemes
from jiankang.kernel.errors import Unprocessable
from jiankang.kernel.ids import key64
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from psycopg import AsyncConnection

LANES = 16
_CONCEPT = "system, n, last, flags, code, display, parents, ancestors, facts, more, words"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\x00": ""})
_INACTIVE = frozenset({"inactive", "retired"})
_BATCH = 100  # some ten kilobytes: PostgreSQL takes them in while the next are made
_REMEMBERED = 50_000


def drafts_of(concepts: Iterable[dict[str, Any]], parent: str | None = None) -> Iterator[Draft]:
    """The concepts of a CodeSystem, with the parents that nesting and the properties `parent` and `subsumedBy` say."""
    stack: list[tuple[Iterator[dict[str, Any]], str | None]] = [(iter(concepts), parent)]
    while stack:
        level, above = stack[-1]
        concept = next(level, None)
        if concept is None:
            stack.pop()
            continue
        properties = concept.get("property", [])
        named = [value_text(each) for each in properties if each.get("code") in {"parent", "subsumedBy"}]
        parents = tuple(dict.fromkeys(([above] if above is not None else []) + named))
        yield Draft(
            str(concept.get("code", "")), concept.get("display", ""), concept.get("definition"),
            concept.get("designation", []), properties, parents,
        )  # fmt: skip
        if concept.get("concept"):
            stack.append((iter(concept["concept"]), str(concept.get("code", ""))))


def escaped(text: str) -> str:
    """A text as COPY reads it."""
    return text if text.isprintable() and "\\" not in text else text.translate(_ESCAPES)


def _array(numbers: Iterable[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}" if numbers else "{}"


def fact(system: int, name: str, value: str | None = None) -> int:
    """The digest by which a property, or one value of it, is found."""
    return key64(f"{system}|{name}" if value is None else f"{system}|{name}={value}")


def flags_of(properties: Sequence[dict[str, Any]]) -> int:
    """Whether a concept is inactive or abstract (http://hl7.org/fhir/R4/codesystem.html#status)."""
    flags = 0
    for each in properties:
        name = each.get("code")
        if name == "inactive" or name == "retired":  # noqa: PLR1714 - quicker than a set
            flags |= INACTIVE if value_text(each) == "true" else 0
        elif name == "status":
            flags |= INACTIVE if value_text(each) in _INACTIVE else 0
        elif name in {"notSelectable", "abstract"}:
            flags |= ABSTRACT if value_text(each) == "true" else 0
    return flags


class Rows:
    """Makes the rows of one system. `hierarchy` has its places, `numbers` the number of a code as it comes."""

    def __init__(self, system: int, hierarchy: Hierarchy) -> None:
        self.system = system
        self.hierarchy = hierarchy
        self._names: dict[str, int] = {}
        self._values: dict[tuple[str, str], int] = {}

    def row(self, number: int, draft: Draft) -> str:
        """The COPY line of the concept that came as `number`."""
        tree, system = self.hierarchy, self.system
        more: dict[str, Any] = {}
        facts: set[int] = set()
        names = [draft.code, draft.display]
        flags = POLY if tree.polyhierarchy else 0
        if draft.definition:
            more["definition"] = draft.definition
        if draft.designations:
            more["designation"] = draft.designations
            names += [each.get("value", "") for each in draft.designations]
        if draft.properties:
            more["property"] = draft.properties
            facts = self._facts(draft.properties)
            flags |= flags_of(draft.properties)
        shown = encode(more).decode().replace("\\", "\\\\") if more else "\\N"
        words = lexemes(system, draft.code, names)
        return (
            f"{system}\t{tree.place[number]}\t{tree.last[number]}\t{flags}\t{escaped(draft.code)}\t{escaped(draft.display)}\t"
            f"{_array(tree.parents[number])}\t{_array(tree.ancestors[number])}\t{_array(facts)}\t{shown}\t{escaped(words)}\n"
        )

    def _facts(self, properties: Sequence[dict[str, Any]]) -> set[int]:
        facts: set[int] = set()
        names = self._names
        for each in properties:
            name = each.get("code", "")
            if name not in names:
                names[name] = fact(self.system, name)
            facts.add(names[name])
            value = (name, value_text(each))
            known = self._values.get(value)
            if known is None:
                known = fact(self.system, *value)
                if len(self._values) < _REMEMBERED:
                    self._values[value] = known
            facts.add(known)
        return facts


def others_below(hierarchy: Hierarchy) -> dict[int, list[int]]:
    """By place, the places that a concept subsumes outside its own branch of the tree."""
    found: dict[int, list[int]] = {}
    if not hierarchy.polyhierarchy:
        return found
    last = [hierarchy.last[number] for number in hierarchy.order]
    for place, number in enumerate(hierarchy.order):
        for ancestor in hierarchy.ancestors[number]:
            if ancestor > place or last[ancestor] < place:
                found.setdefault(ancestor, []).append(place)
    return found


async def write_closure(db: AsyncConnection[Any], system: int, hierarchy: Hierarchy) -> None:
    """Write what the tree does not tell of a hierarchy in which concepts have several parents."""
    others = others_below(hierarchy)
    if others:
        async with db.cursor().copy("COPY closure (system, ancestor, others) FROM STDIN") as copy:
            for ancestor, places in others.items():
                await copy.write(f"{system}\t{ancestor}\t{_array(places)}\n")


def hierarchy_of(drafts: Iterable[Draft]) -> Hierarchy:
    """Read all concepts for their codes and parents. Raises Unprocessable for a code that comes twice or is empty."""
    codes: list[str] = []
    parents: dict[int, Sequence[str]] = {}
    seen: set[str] = set()
    below: dict[str, list[str]] = {}
    for draft in drafts:
        if not draft.code:
            raise Unprocessable(f"the concept after {len(codes)} others has no code")
        if len(draft.code) > 200:
            check_lengths("a code", draft.code)
        if draft.code in seen:
            raise Unprocessable(f"the code {draft.code[:100]!r} comes twice in the code system")
        seen.add(draft.code)
        if draft.parents:
            parents[len(codes)] = draft.parents
        for each in draft.properties:
            if each.get("code") == "child":
                below.setdefault(value_text(each), []).append(draft.code)
        codes.append(draft.code)
    if below:
        for number, code in enumerate(codes):
            if code in below:
                parents[number] = tuple(dict.fromkeys((*parents.get(number, ()), *below[code])))
    return arrange(codes, parents)


async def write_concepts(
    db: AsyncConnection[Any],
    rows: Rows,
    drafts: Iterable[tuple[int, Draft]],
    progress: Callable[[int], None] | None = None,
) -> int:
    """Copy numbered concepts in; how many."""
    count = 0
    cursor = db.cursor()
    async with cursor.copy(f"COPY concept ({_CONCEPT}) FROM STDIN") as copy:
        lines: list[str] = []
        for number, draft in drafts:
            lines.append(rows.row(number, draft))
            count += 1
            if len(lines) >= _BATCH:
                await copy.write("".join(lines))
                lines.clear()
                if progress is not None:
                    progress(count)
        await copy.write("".join(lines))
    return count


async def drop_system(db: AsyncConnection[Any], system: int) -> None:
    """Take a system and its concepts away."""
    for table in ("concept", "closure"):
        await db.execute(f"DELETE FROM {table} WHERE system = %s", (system,))
    await db.execute("DELETE FROM code_system WHERE id = %s", (system,))


async def stamp(db: AsyncConnection[Any], name: str) -> None:
    """Say, in the transaction that changes something, that what was known before is old."""
    await db.execute("UPDATE terminology_stamp SET n = n + 1 WHERE lane = %s", (key64(name) % LANES,))


_NEW = """
INSERT INTO code_system (url, version, origin, resource, ready, polyhierarchy, concepts, supplements, all_codes, header, source)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
"""


async def new_system(
    db: AsyncConnection[Any], header: dict[str, Any], origin: str, *, resource: str | None = None,
    ready: bool = True, polyhierarchy: bool = False, count: int = 0, source: str | None = None,
) -> int:  # fmt: skip
    """The number of a new row for a system."""
    check_lengths("the URL of a code system", header["url"], header.get("version", ""))
    supplements = header.get("supplements") if header.get("content") == "supplement" else None
    row = await (
        await db.execute(
            _NEW,
            (
                header["url"], header.get("version", ""), origin, resource, ready, polyhierarchy, count,
                str(supplements).partition("|")[0] if supplements else None, header.get("valueSet"), encode(header).decode(), source,
            ),
        )
    ).fetchone()  # fmt: skip
    assert row is not None  # noqa: S101 - RETURNING
    return int(row[0])


def header_of(resource: dict[str, Any]) -> dict[str, Any]:
    """A CodeSystem without what is kept elsewhere."""
    return {name: value for name, value in resource.items() if name not in {"concept", "text", "meta", "contained"}}


async def put_code_system(
    db: AsyncConnection[Any], resource: dict[str, Any], origin: str, resource_id: str | None = None
) -> int:
    """Write a whole CodeSystem in the caller's transaction, in the place of one with the same URL and version."""
    header = header_of(resource)
    concepts = resource.get("concept", [])
    hierarchy = hierarchy_of(drafts_of(concepts))
    url, version = header["url"], header.get("version", "")
    old = await (
        await db.execute("SELECT id FROM code_system WHERE url = %s AND version = %s AND ready", (url, version))
    ).fetchall()
    for (system,) in old:
        await drop_system(db, system)
    system = await new_system(
        db, header, origin, resource=resource_id, polyhierarchy=hierarchy.polyhierarchy, count=len(hierarchy.order)
    )
    if hierarchy.order:  # what waits to be put in order in an index is read by every search
        await db.execute("SET LOCAL gin_pending_list_limit = '256kB'")
        await write_concepts(db, Rows(system, hierarchy), enumerate(drafts_of(concepts)))
        await write_closure(db, system, hierarchy)
        await db.execute("SET LOCAL gin_pending_list_limit TO DEFAULT")
    await stamp(db, url)
    return system
