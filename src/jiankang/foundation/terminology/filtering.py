"""Filters of ValueSet.compose, as SQL over `concept` and as a question about one concept.

http://hl7.org/fhir/R4/valueset-filter-operator.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import re2

from jiankang.foundation.terminology.model import ABSTRACT, INACTIVE, Concept, System, value_text
from jiankang.foundation.terminology.writing import fact
from jiankang.kernel.errors import NotSupported, Unprocessable

if TYPE_CHECKING:
    from jiankang.foundation.terminology.codes import Codes

OPERATORS = frozenset(
    {"=", "is-a", "descendent-of", "is-not-a", "regex", "in", "not-in", "generalizes", "exists", "child-of"}
)
_HIERARCHY = frozenset({"is-a", "descendent-of", "is-not-a", "generalizes", "child-of"})
_CODE = frozenset({"code", "concept"})
_FLAGS = {"inactive": INACTIVE, "notSelectable": ABSTRACT}
OTHERS = "SELECT unnest(others) FROM closure WHERE system = %s AND ancestor = %s"
_MOST_TEXTS = 2_000_000


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter: a property, an operator and a value."""

    property: str
    op: str
    value: str


@dataclass(frozen=True, slots=True)
class Where:
    """A condition on rows of `concept` of one system: SQL and its values; `span` when it is a range of places."""

    sql: str
    values: tuple[Any, ...] = ()
    span: tuple[int, int] | None = None


ALL = Where("true", (), (0, 1 << 30))
NONE = Where("false")


def read_filter(raw: dict[str, Any]) -> Filter:
    """A filter of a compose. Raises NotSupported for an operator of another version of FHIR, Unprocessable for half a filter."""
    found = Filter(str(raw.get("property", "")), str(raw.get("op", "")), str(raw.get("value", "")))
    if not found.property or not found.value:
        raise Unprocessable("a filter of the value set lacks its property or its value")
    if found.op not in OPERATORS:
        raise NotSupported(f"the filter operator {found.op[:50]!r} is not one of R4")
    return found


def _pattern(text: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 22
    try:
        return re2.compile(text, options)
    except re2.error as error:
        raise Unprocessable(f"the regular expression {text[:100]!r} of a filter cannot be read: {error}") from None


def _members(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


async def where(codes: Codes, system: System, asked: Filter) -> Where:
    """The rows that a filter admits."""
    name, op, value = asked.property, asked.op, asked.value
    if op in _HIERARCHY:
        return await _where_in_hierarchy(codes, system, op, value)
    if op == "regex":
        return await _where_matches(codes, system, name, value)
    if op in {"in", "not-in"}:
        inner = _where_in(system, name, _members(value))
        return inner if op == "in" else Where(f"NOT ({inner.sql})", inner.values)
    if op == "exists":
        return _where_exists(system, name, value == "true")
    if name in _CODE:
        return Where("code = %s", (value,))
    if name == "display":
        return Where("display = %s", (value,))
    if name in {"parent", "child"} and (known := await codes.concept(system, value)) is not None:
        return (
            Where("%s = ANY(parents)", (known.n,))
            if name == "parent"
            else Where("n = ANY(%s::integer[])", (list(known.parents),))
        )
    return _where_equals(system, name, value)


def _where_equals(system: System, name: str, value: str) -> Where:
    flag = _FLAGS.get(name)
    if flag is not None:
        return Where("flags & %s <> 0" if value == "true" else "flags & %s = 0", (flag,))
    return Where("facts @> ARRAY[%s::bigint]", (fact(system.id, name, value),))


def _where_in(system: System, name: str, members: list[str]) -> Where:
    if name in _CODE:
        return Where("code = ANY(%s::text[])", (members,))
    if name == "display":
        return Where("display = ANY(%s::text[])", (members,))
    return Where("facts && %s::bigint[]", ([fact(system.id, name, each) for each in members],))


def _where_exists(system: System, name: str, wanted: bool) -> Where:
    if name in _CODE or name == "display":
        return ALL if wanted else NONE
    if name == "parent":
        return Where("cardinality(parents) > 0" if wanted else "cardinality(parents) = 0")
    if name == "child":
        return Where("last > n" if wanted else "last = n")
    test = Where("facts @> ARRAY[%s::bigint]", (fact(system.id, name),))
    return test if wanted else Where(f"NOT ({test.sql})", test.values)


async def _where_in_hierarchy(codes: Codes, system: System, op: str, value: str) -> Where:
    root = await codes.concept(system, value)
    if root is None:
        return ALL if op == "is-not-a" else NONE
    if op == "generalizes":
        return Where("n = ANY(%s::integer[])", ([root.n, *sorted(root.ancestors)],))
    if op == "child-of":
        return Where("%s = ANY(parents)", (root.n,))
    first = root.n if op != "descendent-of" else root.n + 1
    inside = Where("n BETWEEN %s AND %s", (first, root.last), (first, root.last))
    if system.polyhierarchy:
        inside = Where(f"({inside.sql} OR n IN ({OTHERS}))", (*inside.values, system.id, root.n))
    return inside if op != "is-not-a" else Where(f"NOT ({inside.sql})", inside.values)


async def _where_matches(codes: Codes, system: System, name: str, text: str) -> Where:
    """Linear-time matching over all values, remembered as the places that match."""
    key = ("regex", system.id, name, text)
    found: list[int] | None = codes.memory.others.get(key)
    if found is None:
        if system.count > _MOST_TEXTS:
            raise NotSupported(f"{system.url} is too large for regular expressions")
        pattern = _pattern(text)
        if name in _CODE or name == "display":
            column = "display" if name == "display" else "code"
            rows = await codes.rows(f"SELECT n, {column} FROM concept WHERE system = %s ORDER BY n", (system.id,))
            found = [n for n, value in rows if pattern.fullmatch(value)]
        else:
            rows = await codes.rows(
                "SELECT n, more::jsonb->'property' FROM concept WHERE system = %s AND facts @> ARRAY[%s::bigint] ORDER BY n",
                (system.id, fact(system.id, name)),
            )
            found = [
                n
                for n, properties in rows
                if any(pattern.fullmatch(value_text(each)) for each in properties if each.get("code") == name)
            ]
        codes.memory.others.put(key, found)
    return Where("n = ANY(%s::integer[])", (found,))


async def admits(codes: Codes, system: System, concept: Concept, asked: Filter) -> bool:
    """Whether a filter admits one concept of the system."""
    name, op, value = asked.property, asked.op, asked.value
    if op in _HIERARCHY:
        return await _admits_in_hierarchy(codes, system, concept, op, value)
    if op == "exists":
        return _has(concept, name) == (value == "true")
    if op == "=" and name in {"parent", "child"} and (known := await codes.concept(system, value)) is not None:
        return known.n in concept.parents if name == "parent" else concept.n in known.parents
    flag = _FLAGS.get(name)
    if op == "=" and flag is not None:
        return bool(concept.flags & flag) == (value == "true")
    values = _values(concept, name)
    if op == "regex":
        pattern = _pattern(value)
        return any(pattern.fullmatch(each) is not None for each in values)
    wanted = {value} if op == "=" else set(_members(value))
    return bool(wanted.intersection(values)) != (op == "not-in")


async def _admits_in_hierarchy(codes: Codes, system: System, concept: Concept, op: str, value: str) -> bool:
    root = await codes.concept(system, value)
    if root is None:
        return op == "is-not-a"
    if op == "generalizes":
        return concept.n == root.n or concept.n in root.ancestors
    if op == "child-of":
        return root.n in concept.parents
    below = root.n in concept.ancestors
    if op == "descendent-of":
        return below
    return (below or concept.n == root.n) == (op == "is-a")


def _values(concept: Concept, name: str) -> list[str]:
    if name in _CODE:
        return [concept.code]
    if name == "display":
        return [concept.display]
    return concept.property_texts(name)


def _has(concept: Concept, name: str) -> bool:
    if name in _CODE or name == "display":
        return True
    if name == "parent":
        return bool(concept.parents)
    if name == "child":
        return concept.last > concept.n
    return any(each.get("code") == name for each in concept.properties)
