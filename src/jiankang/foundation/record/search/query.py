"""The text of a search, read: names and values of parameters to criteria, order, includes and how to answer.

http://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jiankang.fhir.definitions import load
from jiankang.fhir.search import Parameter, principal_dates
from jiankang.foundation.access import compartment_key
from jiankang.foundation.record import indexing
from jiankang.foundation.record.search.criteria import (
    Chain,
    Criterion,
    Has,
    Member,
    either,
)
from jiankang.foundation.record.search.sorting import SortKey
from jiankang.foundation.record.search.values import Values, leaf_types
from jiankang.kernel.errors import Invalid, Issue, NotSupported, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jiankang.fhir.search import Registry

DEFAULT_COUNT = 50
MOST_COUNT = 1_000
_MOST_DEEP = 8
_MOST_CHAIN_TARGETS = 12
_MOST_VALUES = 2_000

RESULT_PARAMETERS = (
    "_count", "_sort", "_total", "_include", "_revinclude", "_summary", "_elements", "_contained", "_containedType",
    "_type", "_filter", "_has", "_list", "_format", "_pretty",
)  # fmt: skip
_IGNORED = frozenset({"_format", "_pretty"})
_LIST = Parameter("_list", "special", -1)


@dataclass(frozen=True, slots=True)
class Include:
    """One `_include` or `_revinclude`: source type ("*" any), parameter code ("*" all), target type or None."""

    source: str
    code: str
    target: str | None
    iterate: bool
    reverse: bool


@dataclass(slots=True)
class Query:
    """A search that was read."""

    types: tuple[str, ...]
    criteria: list[Criterion] = field(default_factory=list)
    order: tuple[SortKey, ...] = ()
    count: int = DEFAULT_COUNT
    total: str | None = None
    summary: str | None = None
    elements: tuple[str, ...] = ()
    includes: list[Include] = field(default_factory=list)
    used: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[Issue] = field(default_factory=list)
    cursor: str | None = None


class Reader:
    """Reads parameters against those in force; `lenient` leaves out what is not understood, with a warning."""

    def __init__(self, registry: Registry, values: Values, *, lenient: bool) -> None:
        self.registry = registry
        self.values = values
        self.lenient = lenient
        self.definitions = load()

    def read(self, type_name: str | None, params: Sequence[tuple[str, str]]) -> Query:
        """The query, for a type or for all (then `_type` may name some). Raises Invalid with every problem at once."""
        if type_name is not None and not self.definitions.is_resource(type_name):
            raise Invalid(f"'{type_name}' is not a resource type of FHIR R4")
        query = Query(self._types(type_name, params))
        problems: list[Issue] = []
        for name, value in params:
            try:
                self._take(query, name, value)
            except Problem as problem:
                if self.lenient and isinstance(problem, Invalid | NotSupported):
                    query.warnings.extend(
                        Issue(i.code, f"ignored: {i.text}", i.expression, "warning") for i in problem.issues
                    )
                else:
                    problems.extend(problem.issues)
            else:
                if name != "_cursor" and name not in _IGNORED and value.strip():
                    query.used.append((name, value))
        if problems:
            raise Invalid(issues=problems)
        return query

    def _types(self, type_name: str | None, params: Sequence[tuple[str, str]]) -> tuple[str, ...]:
        if type_name is not None:
            return (type_name,)
        named = [one.strip() for name, value in params if name == "_type" for one in value.split(",") if one.strip()]
        for one in named:
            if not self.definitions.is_resource(one):
                raise Invalid(f"'{one}' is not a resource type of FHIR R4", expression=["_type"])
        return tuple(dict.fromkeys(named)) or self.definitions.resource_names

    def _take(self, query: Query, name: str, value: str) -> None:
        if name in _IGNORED:
            return
        if "\x00" in name or "\x00" in value:
            raise Invalid("the character U+0000 cannot be part of a search", expression=[name.replace("\x00", "")])
        if name == "_cursor":
            query.cursor = value
            return
        if not value.strip():
            return
        taker = _TAKERS.get(name.partition(":")[0])
        if taker is not None:
            taker(self, query, name, value)
            return
        if len(query.types) == 1:
            query.criteria.append(self.condition(query.types[0], name, value))
        else:
            query.criteria.append(self._of_several(query.types, name, value))

    def _of_several(self, types: Sequence[str], name: str, value: str) -> Criterion:
        """A criterion over several types: only parameters that all of them have."""
        code = name.partition(":")[0].partition(".")[0]
        if code not in _COMMON and not all(code in self.registry.parameters(one) for one in types):
            shared = [
                c for c in self.registry.parameters(types[0]) if all(c in self.registry.parameters(t) for t in types)
            ]
            raise Invalid(
                f"'{name}' is not a search parameter of every type searched; these are: {', '.join(sorted({*shared, *_COMMON}))}",
                expression=[name],
                code="not-supported",
            )
        return either([self.condition(one, name, value) for one in types])

    # -- names

    def condition(self, type_name: str, name: str, value: str, depth: int = 0) -> Criterion:
        """What `name=value` asks of resources of a type: a parameter, a chain, or `_has`."""
        if depth > _MOST_DEEP:
            raise Invalid(f"chains of more than {_MOST_DEEP} references are not followed")
        if value.count(",") > _MOST_VALUES:
            raise Invalid(f"'{name}' has more than {_MOST_VALUES} values", code="too-costly")
        if name.startswith("_has:"):
            return self._has(type_name, name, value, depth)
        if name == "_filter":
            from jiankang.foundation.record.search.filtering import filter_criterion

            return filter_criterion(self, type_name, value)
        head, dot, rest = name.partition(".")
        if dot:
            return self._chain(type_name, head, rest, value, depth)
        code, _, modifier = name.partition(":")
        return self.values.criterion(type_name, self.parameter(type_name, code), modifier, value)

    def parameter(self, type_name: str, code: str) -> Parameter:
        """A search parameter of the type. Raises Invalid naming those there are, the closest first."""
        known = self.registry.parameters(type_name)
        found = known.get(code)
        if found is not None and code != "_query":
            why = self.registry.withheld(type_name, found) if found.custom else None
            if why is not None:
                raise NotSupported(f"{type_name} cannot be searched by '{code}' yet: {why}", expression=[code])
            return found
        if code == "_list":
            return _LIST
        if code == "_query":
            raise NotSupported("no named queries are defined on this server", expression=["_query"])
        raise Invalid(unknown(type_name, code, known), expression=[code], code="not-supported")

    def _has(self, type_name: str, name: str, value: str, depth: int) -> Criterion:
        parts = name.split(":", 3)
        if len(parts) != 4 or not all(parts):
            raise Invalid(
                f"'{name}' is written _has:Type:reference:parameter, as _has:Observation:patient:code",
                expression=[name],
            )
        _, source, code, rest = parts
        if not self.definitions.is_resource(source):
            raise Invalid(f"'{source}' in '{name}' is not a resource type of FHIR R4", expression=[name])
        parameter = self._reference(source, code)
        only = parameter.alias_of.target if parameter.alias_of else None
        if (only and only != type_name) or (parameter.targets and type_name not in parameter.targets):
            raise Invalid(f"{source}.{code} never refers to a {type_name}", expression=[name])
        inner = self.condition(source, rest, value, depth + 1)
        number = self.definitions.type_code(source)
        constants = [indexing.reference_constant(source, one) for one in codes(parameter)]
        return either([Has(constant, number, inner) for constant in constants])

    def _chain(self, type_name: str, head: str, rest: str, value: str, depth: int) -> Criterion:
        code, _, wanted = head.partition(":")
        parameter = self._reference(type_name, code)
        targets = self.targets(parameter, wanted, f"{head}.{rest}")
        constants = tuple(indexing.reference_constant(type_name, one) for one in codes(parameter))
        single = len(constants) == 1 and self._single(type_name, codes(parameter)[0])
        found: list[Criterion] = []
        problem: Problem | None = None
        for target in targets:
            try:
                inner = self.condition(target, rest, value, depth + 1)
            except (Invalid, NotSupported) as one:
                problem = problem if problem is not None and problem.issues[0].code != "not-supported" else one
                continue
            found.append(Chain(constants, self.definitions.type_code(target), inner, single))
        if not found:
            raise problem or Invalid(f"'{head}.{rest}' leads nowhere", expression=[head])
        if len(found) > _MOST_CHAIN_TARGETS:
            raise Invalid(
                f"'{code}' may refer to {len(found)} types that can be searched so: name one, as {code}:Patient.{rest}"
            )
        return either(found)

    def targets(self, parameter: Parameter, wanted: str, name: str) -> tuple[str, ...]:
        """The types that a chained reference may lead to; `wanted` narrows them to one."""
        only = parameter.alias_of.target if parameter.alias_of else None
        possible = (only,) if only else parameter.targets or self.definitions.resource_names
        if not wanted:
            return possible
        if wanted not in possible:
            raise Invalid(f"'{name}': {parameter.code} never refers to a {wanted}", expression=[name])
        return (wanted,)

    def _reference(self, type_name: str, code: str) -> Parameter:
        parameter = self.parameter(type_name, code)
        if parameter.type != "reference":
            raise Invalid(
                f"{type_name}.{code} is a {parameter.type}, not a reference: it cannot be chained", expression=[code]
            )
        return parameter

    def _single(self, type_name: str, code: str) -> bool:
        parameter = self.registry.parameters(type_name).get(code)
        return parameter is not None and all(one for _, _, one in leaf_types(type_name, parameter.expression))

    # -- how to answer

    def _take_type(self, query: Query, name: str, value: str) -> None:
        if len(query.types) == 1 and value.strip() not in query.types:
            raise Invalid("_type is for searches over all types; here the type is in the address", expression=[name])

    def _take_count(self, query: Query, name: str, value: str) -> None:
        if not value.isascii() or not value.isdigit():
            raise Invalid(f"_count is a number from 0 to {MOST_COUNT}", expression=[name])
        query.count = min(int(value[:9]), MOST_COUNT)

    def _take_total(self, query: Query, name: str, value: str) -> None:
        if value not in {"none", "estimate", "accurate"}:
            raise Invalid("_total is none, estimate or accurate", expression=[name])
        query.total = value

    def _take_summary(self, query: Query, name: str, value: str) -> None:
        if value not in {"true", "text", "data", "count", "false"}:
            raise Invalid("_summary is true, text, data, count or false", expression=[name])
        query.summary = value

    def _take_elements(self, query: Query, _name: str, value: str) -> None:
        query.elements = tuple(
            dict.fromkeys([*query.elements, *(one.strip() for one in value.split(",") if one.strip())])
        )

    def _take_contained(self, _query: Query, name: str, value: str) -> None:
        if value != "false":
            raise NotSupported(
                "contained resources are not searched on their own: leave _contained out", expression=[name]
            )

    def _take_include(self, query: Query, name: str, value: str) -> None:
        head, _, modifier = name.partition(":")
        if modifier not in {"", "iterate", "recurse"}:
            raise Invalid(f"'{name}': the only modifier is :iterate", expression=[name])
        for one in value.split(","):
            query.includes.append(self._include(one.strip(), head == "_revinclude", bool(modifier)))

    def _include(self, text: str, reverse: bool, iterate: bool) -> Include:
        name = "_revinclude" if reverse else "_include"
        parts = text.split(":")
        if parts == ["*"]:
            return Include("*", "*", None, iterate, reverse)
        if len(parts) not in {2, 3} or not all(parts):
            raise Invalid(
                f"{name} is written Type:reference or Type:reference:Target, as {name}=Observation:subject",
                expression=[name],
            )
        source, code = parts[0], parts[1]
        target = parts[2] if len(parts) == 3 else None
        for one in (source, target):
            if one is not None and not self.definitions.is_resource(one):
                raise Invalid(f"{name}: '{one}' is not a resource type of FHIR R4", expression=[name])
        if code != "*":
            parameter = self._reference(source, code)
            if target is not None:
                self.targets(parameter, target, f"{name}={text}")
        return Include(source, code, target, iterate, reverse)

    def _take_sort(self, query: Query, _name: str, value: str) -> None:
        keys = [self._sort_key(query, one.strip()) for one in value.split(",") if one.strip()]
        query.order = (*query.order, *keys)
        if len(query.order) > _MOST_DEEP:
            raise Invalid(f"_sort takes at most {_MOST_DEEP} keys", expression=["_sort"])

    def _sort_key(self, query: Query, text: str) -> SortKey:
        descending = text.startswith("-")
        name = text.lstrip("-")
        if name == "_lastUpdated":
            return SortKey("updated", descending)
        if name == "_id":
            return SortKey("id", descending)
        if len(query.types) != 1:
            raise Invalid("a search over several types is sorted by _lastUpdated or _id", expression=["_sort"])
        head, dot, rest = name.partition(".")
        if not dot:
            return self._plain_sort_key(query.types[0], name.partition(":")[0], descending)
        return self._chained_sort_key(query.types[0], head, rest, descending)

    def _plain_sort_key(self, type_name: str, code: str, descending: bool) -> SortKey:
        parameter = self.parameter(type_name, code)
        own = codes(parameter)
        if parameter.type == "date" and own == principal_dates(type_name):
            return SortKey("at", descending)
        kind = "token" if code in indexing.SHARED_URIS else _SORTABLE.get(parameter.type)
        if kind is None or (code.startswith("_") and code not in {"_profile", "_source", "_tag", "_security"}):
            raise NotSupported(f"results cannot be sorted by {code}", expression=["_sort"])
        if parameter.type == "token" and not any(
            kind_ in {"CodeableConcept", "Coding", "code", "boolean", "?"}
            for one in own
            for kind_, _, _ in leaf_types(type_name, self.registry.parameters(type_name)[one].expression)
        ):
            raise NotSupported(
                f"results cannot be sorted by {code}: identifiers are kept for equality only; sort by _id or a date",
                expression=["_sort"],
            )
        key = indexing.reference_constant if kind == "reference" else indexing.param_key
        return SortKey(kind, descending, tuple(key(type_name, one) for one in own))

    def _chained_sort_key(self, type_name: str, head: str, rest: str, descending: bool) -> SortKey:
        code, _, wanted = head.partition(":")
        parameter = self._reference(type_name, code)
        via = tuple(indexing.reference_constant(type_name, one) for one in codes(parameter))
        inner: dict[str, SortKey] = {}
        for target in self.targets(parameter, wanted, f"{head}.{rest}"):
            if rest.partition(":")[0] in self.registry.parameters(target):
                inner[target] = self._plain_sort_key(target, rest, descending)
        if not inner or len({key.kind for key in inner.values()}) != 1 or len(inner) > _MOST_CHAIN_TARGETS:
            raise Invalid(f"_sort={head}.{rest}: name the type, as {code}:Patient.{rest}", expression=["_sort"])
        kind = next(iter(inner.values())).kind
        hashes = tuple(h for key in inner.values() for h in key.hashes)
        targets = tuple(self.definitions.type_code(target) for target in inner)
        return SortKey(kind, descending, hashes, via, targets)

    # -- compartments

    def member(self, compartment: str, ids: Sequence[str], types: Sequence[str]) -> tuple[tuple[str, ...], Criterion]:
        """The types of which resources can be in a compartment, and that they are in that of one of these ids.

        http://hl7.org/fhir/R4/compartmentdefinition.html
        """
        if compartment not in self.definitions.compartment_names:
            raise Invalid(
                f"there is no {compartment} compartment; there are {', '.join(self.definitions.compartment_names)}"
            )
        rids = [indexing.resource_key(compartment, id_) for id_ in ids]
        hashes: list[int] = []
        members: list[str] = []
        for one in types:
            linking = self.definitions.compartment(compartment, one)
            if linking is None:
                continue
            members.append(one)
            known = self.registry.parameters(one)
            for code in linking:
                if code in known:
                    hashes.extend(indexing.reference_key(one, own, rid) for own in codes(known[code]) for rid in rids)
        owners = tuple(rids) if compartment in members else ()
        facts = tuple(compartment_key(compartment, rid) for rid in rids)
        return tuple(members), Member(facts, tuple(dict.fromkeys(hashes)), owners)


def codes(parameter: Parameter) -> tuple[str, ...]:
    """The codes under which the rows of a parameter are kept."""
    return parameter.alias_of.codes if parameter.alias_of else (parameter.code,)


def unknown(type_name: str, code: str, known: Mapping[str, Parameter]) -> str:
    """A sentence that says a parameter is not known, and which are."""
    names = sorted({*known, *_COMMON} - {"_query"})
    close = difflib.get_close_matches(code, names, 3, 0.6)
    rest = [name for name in names if name not in close]
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
    return f"'{code}' is not a search parameter of {type_name}. {hint}Known are: {', '.join([*close, *rest])}"


_COMMON = (
    "_id",
    "_lastUpdated",
    "_tag",
    "_profile",
    "_security",
    "_source",
    "_text",
    "_content",
    "_list",
    "_has",
    "_filter",
)
_SORTABLE = {
    "date": "span", "string": "str", "uri": "str", "number": "number", "quantity": "amount", "token": "token",
    "reference": "reference",
}  # fmt: skip

_TAKERS = {
    "_type": Reader._take_type,  # noqa: SLF001 - its own module
    "_count": Reader._take_count,  # noqa: SLF001
    "_total": Reader._take_total,  # noqa: SLF001
    "_summary": Reader._take_summary,  # noqa: SLF001
    "_elements": Reader._take_elements,  # noqa: SLF001
    "_contained": Reader._take_contained,  # noqa: SLF001
    "_containedType": Reader._take_contained,  # noqa: SLF001
    "_include": Reader._take_include,  # noqa: SLF001
    "_revinclude": Reader._take_include,  # noqa: SLF001
    "_sort": Reader._take_sort,  # noqa: SLF001
}

__all__ = ["DEFAULT_COUNT", "MOST_COUNT", "RESULT_PARAMETERS", "Include", "Query", "Reader"]
