"""What a value set holds: as conditions on the tables, for expanding, and asked of one concept, for validating.

http://hl7.org/fhir/R4/valueset.html#compositions
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jiankang.foundation.terminology.filtering import ALL, NONE, Filter, Where, admits, read_filter, where
from jiankang.foundation.terminology.grammars import Grammar
from jiankang.foundation.terminology.model import Concept, Cyclic, System, UnknownSystem, split_canonical
from jiankang.kernel.errors import Conflict, TooCostly, Unprocessable

if TYPE_CHECKING:
    from jiankang.foundation.terminology.codes import AnySystem, Codes

MAX_DEPTH = 60
_LONGEST_SQL = 100_000


@dataclass(frozen=True, slots=True)
class Versions:
    """Which versions of code systems to use: where none is named, instead of what is named, and as a check."""

    default: Mapping[str, str] = field(default_factory=dict)
    force: Mapping[str, str] = field(default_factory=dict)
    check: Mapping[str, str] = field(default_factory=dict)

    def of(self, url: str, named: str | None) -> str | None:
        """The version to use. Raises Conflict where it is not the one to be checked for."""
        version = self.force.get(url) or named or self.default.get(url)
        wanted = self.check.get(url)
        if wanted is not None and version is None:
            return wanted
        if wanted is not None and version != wanted:
            raise Conflict(f"version {version} of {url} would be used, but version {wanted} is asked for")
        return version

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """The same as a key to remember by."""
        return tuple(
            (f"{kind}{url}", each[url])
            for kind, each in (("d", self.default), ("f", self.force), ("c", self.check))
            for url in sorted(each)
        )


@dataclass(frozen=True, slots=True)
class Include:
    """One include or exclude of a compose, read and checked."""

    system: str | None
    version: str | None
    listed: dict[str, dict[str, Any]] | None
    filters: tuple[Filter, ...]
    value_sets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compose:
    """The composition of a value set."""

    includes: tuple[Include, ...]
    excludes: tuple[Include, ...]
    with_inactive: bool


def read_compose(value_set: dict[str, Any]) -> Compose:
    """The compose of a value set; one that has only an expansion counts as the list of it. Raises Unprocessable."""
    compose = value_set.get("compose")
    if not isinstance(compose, dict) or not compose.get("include"):
        if value_set.get("expansion", {}).get("contains"):
            return Compose(tuple(_from_expansion(value_set["expansion"]["contains"])), (), True)
        raise Unprocessable(f"the value set {value_set.get('url', '')} has no definition that could be expanded")
    return Compose(
        tuple(_read_include(each) for each in compose["include"]),
        tuple(_read_include(each) for each in compose.get("exclude", [])),
        compose.get("inactive") is not False,
    )


def compose_of(codes: Codes, value_set: dict[str, Any]) -> Compose:
    """The same, read once for each value set that is remembered."""
    kept: tuple[dict[str, Any], Compose] | None = codes.memory.composes.get(id(value_set))
    if kept is None or kept[0] is not value_set:
        kept = codes.memory.composes.put(id(value_set), (value_set, read_compose(value_set)))
    return kept[1]


def _read_include(raw: dict[str, Any]) -> Include:
    concepts, filters = raw.get("concept"), raw.get("filter", [])
    system = raw.get("system")
    if (concepts or filters) and not system:
        raise Unprocessable("an include of the value set has concepts or filters but no system")
    if not system and not raw.get("valueSet"):
        raise Unprocessable("an include of the value set has neither a system nor a value set")
    return Include(
        system, raw.get("version"), {each["code"]: each for each in concepts} if concepts else None,
        tuple(read_filter(each) for each in filters), tuple(raw.get("valueSet", [])),
    )  # fmt: skip


def _from_expansion(contains: list[dict[str, Any]]) -> list[Include]:
    by_system: dict[tuple[str, str | None], dict[str, dict[str, Any]]] = {}
    stack = list(reversed(contains))
    while stack:
        each = stack.pop()
        if each.get("system") and each.get("code") and not each.get("abstract"):
            by_system.setdefault((each["system"], each.get("version")), {})[each["code"]] = each
        stack.extend(reversed(each.get("contains", [])))
    return [Include(system, version, listed, (), ()) for (system, version), listed in by_system.items()]


# ---- as conditions


@dataclass(slots=True)
class Part:
    """The codes of one system that a value set holds: a list in order, or a condition."""

    system: AnySystem | None
    url: str
    listed: dict[str, dict[str, Any]] | None = None
    where: Where = ALL

    def condition(self) -> Where:
        """The part as a condition."""
        return Where("code = ANY(%s::text[])", (list(self.listed),)) if self.listed is not None else self.where


Plan = dict[tuple[str, str], Part]
"""Parts by URL and version of the system."""


class Planner:
    """Turns value sets into plans; each value set once."""

    def __init__(self, codes: Codes, versions: Versions) -> None:
        self.codes = codes
        self.versions = versions
        self.named: dict[tuple[str, str], dict[str, Any]] = {}
        self._done: dict[str, Plan] = {}
        self._open: list[str] = []

    async def plan(self, value_set: dict[str, Any]) -> Plan:
        """What the value set holds. Raises Cyclic, UnknownValueSet, UnknownSystem, TooCostly."""
        compose = compose_of(self.codes, value_set)
        plan: Plan = {}
        for include in compose.includes:
            _join(plan, await self._included(include))
        for exclude in compose.excludes:
            _take_out(plan, await self._included(exclude))
        if not compose.with_inactive:
            for part in plan.values():
                if isinstance(part.system, System):
                    part.where, part.listed = _both(part.condition(), Where("flags & 1 = 0")), None
        return plan

    async def _included(self, include: Include) -> Plan:
        plans = [await self._imported(url) for url in include.value_sets]
        if include.system is not None:
            plans.insert(0, await self._of_system(include))
        plan = plans[0]
        for other in plans[1:]:
            plan = _in_both(plan, other)
        return plan

    async def _imported(self, canonical: str) -> Plan:
        if canonical in self._open:
            raise Cyclic(f"the value set {canonical} includes itself: {' > '.join([*self._open, canonical])[:500]}")
        if len(self._open) >= MAX_DEPTH:
            raise TooCostly(f"value sets include one another more than {MAX_DEPTH} levels deep")
        found = self._done.get(canonical)
        if found is None:
            self._open.append(canonical)
            found = self._done[canonical] = await self.plan(await self.codes.value_set(*split_canonical(canonical)))
            self._open.pop()
        return {key: Part(part.system, part.url, part.listed, part.where) for key, part in found.items()}

    async def _of_system(self, include: Include) -> Plan:
        url = include.system or ""
        version = self.versions.of(url, include.version)
        try:
            system: AnySystem | None = await self.codes.system(url, version)
        except UnknownSystem:
            if include.listed is None or include.filters:
                raise
            system = None  # a list of codes stands for itself
        if system is not None and system.content == "not-present":
            if include.listed is None or include.filters:
                raise UnknownSystem(f"the codes of {url} are not loaded here")
            system = None
        key = (url, system.version if system is not None else include.version or "")
        part = Part(system, url)
        if include.listed is not None:
            part.listed = dict(include.listed)
            for code, said in include.listed.items():
                self.named.setdefault((url, code), said)
        elif isinstance(system, Grammar):
            raise TooCostly(f"the codes of {url} are without end: they can be checked but not listed")
        if include.filters and isinstance(system, System):
            for asked in include.filters:
                part.where, part.listed = _both(part.condition(), await where(self.codes, system, asked)), None
        return {key: part}


def _join(plan: Plan, more: Plan) -> None:
    for key, part in more.items():
        mine = plan.get(key)
        if mine is None:
            plan[key] = part
        elif mine.listed is not None and part.listed is not None:
            mine.listed = {
                **mine.listed,
                **{code: said for code, said in part.listed.items() if code not in mine.listed},
            }
        else:
            mine.where, mine.listed = _either(mine.condition(), part.condition()), None


def _in_both(one: Plan, other: Plan) -> Plan:
    plan: Plan = {}
    for key, part in one.items():
        theirs = other.get(key)
        if theirs is None:
            continue
        if part.listed is not None and theirs.listed is not None:
            part.listed = {code: said for code, said in part.listed.items() if code in theirs.listed}
        else:
            part.where, part.listed = _both(part.condition(), theirs.condition()), None
        plan[key] = part
    return plan


def _take_out(plan: Plan, out: Plan) -> None:
    for (url, version), excluded in out.items():
        for key, part in plan.items():
            if key[0] != url or (version and key[1] and key[1] != version):
                continue
            if part.listed is not None and excluded.listed is not None:
                part.listed = {code: said for code, said in part.listed.items() if code not in excluded.listed}
            else:
                condition = excluded.condition()
                part.where = _both(part.condition(), Where(f"NOT ({condition.sql})", condition.values))
                part.listed = None


def _both(one: Where, other: Where) -> Where:
    if other in (one, ALL):
        return one
    if one == ALL or other == NONE:
        return other
    return _bounded(Where(f"({one.sql}) AND ({other.sql})", one.values + other.values))


def _either(one: Where, other: Where) -> Where:
    if one in (other, ALL) or other == NONE:
        return one
    if one == NONE or other == ALL:
        return other
    return _bounded(Where(f"({one.sql}) OR ({other.sql})", one.values + other.values))


def _bounded(made: Where) -> Where:
    if len(made.sql) > _LONGEST_SQL:
        raise TooCostly("the value sets that this one includes are too many and too entangled")
    return made


# ---- asked of one concept


class Members:
    """Answers whether value sets hold a code, reading no more than the concept."""

    def __init__(self, codes: Codes, versions: Versions) -> None:
        self.codes = codes
        self.versions = versions
        self._done: dict[tuple[str, str, str], bool] = {}
        self._open: list[str] = []
        self.unknown: list[UnknownSystem] = []
        self.abstract_matters = False

    async def holds(self, value_set: dict[str, Any], url: str, code: str, version: str | None) -> bool:
        """Whether the value set holds the code of the system. Systems that are not known are noted in `unknown`."""
        compose = compose_of(self.codes, value_set)
        included = False
        for include in compose.includes:
            if await self._matches(include, url, code, version):
                included = True
                break
        if not included:
            return False
        for exclude in compose.excludes:
            if await self._matches(exclude, url, code, version):
                return False
        if not compose.with_inactive:
            concept = await self._concept(url, code, version)
            return concept is None or not concept.inactive
        return True

    async def _matches(self, include: Include, url: str, code: str, version: str | None) -> bool:
        if include.system is not None:
            if include.system != url:
                return False
            used = self.versions.of(url, include.version)
            if used is not None and version is not None and used != version:
                return False
            if not await self._in_system(include, url, code, used or version):
                return False
        for canonical in include.value_sets:
            if not await self._imported(canonical, url, code, version):
                return False
        return True

    async def _imported(self, canonical: str, url: str, code: str, version: str | None) -> bool:
        key = (canonical, url, code)
        found = self._done.get(key)
        if found is None:
            if canonical in self._open:
                raise Cyclic(f"the value set {canonical} includes itself: {' > '.join([*self._open, canonical])[:500]}")
            if len(self._open) >= MAX_DEPTH:
                raise TooCostly(f"value sets include one another more than {MAX_DEPTH} levels deep")
            self._open.append(canonical)
            value_set = await self.codes.value_set(*split_canonical(canonical))
            found = self._done[key] = await self.holds(value_set, url, code, version)
            self._open.pop()
        return found

    async def _in_system(self, include: Include, url: str, code: str, version: str | None) -> bool:
        if include.listed is not None and code not in include.listed:
            system = await self._system_or_none(url, version)
            if system is None or system.case_sensitive or not _listed_in_other_case(include.listed, code):
                return False
        if include.listed is not None and not include.filters:
            return True
        concept = await self._concept(url, code, version)
        if concept is None:
            return False
        system = await self.codes.system(url, version)
        if not isinstance(system, System):
            return not include.filters
        for asked in include.filters:
            if not await admits(self.codes, system, concept, asked):
                return False
        return True

    async def _system_or_none(self, url: str, version: str | None) -> AnySystem | None:
        try:
            system = await self.codes.system(url, version)
        except UnknownSystem:
            return None
        return None if system.content == "not-present" else system

    async def _concept(self, url: str, code: str, version: str | None) -> Concept | None:
        try:
            system = await self.codes.system(url, version)
        except UnknownSystem as unknown:
            self._note(unknown)
            return None
        if system.content == "not-present":
            self._note(UnknownSystem(f"the codes of {url} are not loaded here"))
            return None
        return await self.codes.concept(system, code)

    def _note(self, unknown: UnknownSystem) -> None:
        if str(unknown) not in map(str, self.unknown):
            self.unknown.append(unknown)


def _listed_in_other_case(listed: Iterable[str], code: str) -> bool:
    folded: Callable[[str], str] = str.casefold
    return folded(code) in map(folded, listed)
