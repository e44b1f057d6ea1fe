"""Official and custom search parameters together, with the compiled function of each type."""

from __future__ import annotations

import re
from datetime import UTC, tzinfo
from functools import cache
from threading import RLock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import Component, SearchParameter, load
from jiankang.fhir.search.compiler import Extractor, compile_extractor
from jiankang.fhir.search.parameters import parameter, parameters
from jiankang.kernel.errors import Invalid, Unprocessable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jiankang.fhir.search.model import Extracted, Parameter

_TYPES = frozenset({"number", "date", "string", "token", "reference", "composite", "quantity", "uri"})

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9\-_]{0,63}")

_MAX_EXPRESSION = 4000

CUSTOM_BIT = 128
"""The first bit of custom parameters in `Extracted.present`; each has two: that there is a value, that it was looked for."""

_LEADING = "token"
_TRAILING = frozenset({"token", "quantity", "number", "date", "string", "reference", "uri"})


def _taken(base: str, code: str, existing: Parameter) -> str:
    return f"{base} has a search parameter '{code}' already: {existing.url}. Choose another code."


class Registry:
    """The search parameters in force in one process; dates without an offset are read in `zone`.

    `version` goes up with every change. `withheld` tells why results cannot be had by a custom parameter just now,
    None when they can. `meaning` is how searches ask terminology, set by whoever brings it; None while nobody does.
    """

    def __init__(self, zone: tzinfo = UTC) -> None:
        self._zone = zone
        self._lock = RLock()
        self.version = 0
        self.withheld: Callable[[str, Parameter], str | None] = lambda _type_name, _parameter: None
        self.meaning: Callable[[Any], Any] | None = None
        self._custom: dict[str, dict[str, Parameter]] = {}
        self._extractors: dict[str, Extractor] = {}
        self._merged: dict[str, Mapping[str, Parameter]] = {}

    @property
    def zone(self) -> tzinfo:
        """Where dates that name no offset are read."""
        return self._zone

    def parameters(self, type_name: str) -> Mapping[str, Parameter]:
        """Search parameters of a type by code, custom ones included."""
        custom = self._custom.get(type_name)
        if not custom:
            return parameters(type_name)
        found = self._merged.get(type_name)
        if found is None:
            found = self._merged[type_name] = MappingProxyType({**parameters(type_name), **custom})
        return found

    def extractor(self, type_name: str) -> Extractor:
        """The compiled function from a resource of this type to its search values."""
        found = self._extractors.get(type_name)
        if found is None:
            with self._lock:
                found = self._extractors[type_name] = compile_extractor(
                    type_name, self.parameters(type_name).values(), self._zone
                )
        return found

    def searchable(self, type_name: str) -> Mapping[str, Parameter]:
        """Search parameters of a type by which results can be had now."""
        return {
            code: one
            for code, one in self.parameters(type_name).items()
            if not one.custom or self.withheld(type_name, one) is None
        }

    def extract(self, resource: dict[str, Any]) -> Extracted:
        """The search values of a resource that passed the structure check."""
        kind = resource["resourceType"]
        found = self._extractors.get(kind)
        return (found or self.extractor(kind))(resource)

    def register(
        self, resource: dict[str, Any], numbers: Mapping[str, int] | None = None
    ) -> tuple[tuple[str, Parameter], ...]:
        """Take a SearchParameter resource into force; gives (type, parameter) for each type it is for.

        `numbers` are the bits it had before, by type; without them it gets the next free ones. One with the
        same url is replaced. Raises Unprocessable when it cannot be searched by: no expression, a code that
        is taken, an expression that leads nowhere. http://hl7.org/fhir/R4/searchparameter.html
        """
        definition = custom_definition(resource)
        with self._lock:
            bases = [base for base in definition.base if not numbers or base in numbers]
            added = tuple((base, self._numbered(base, definition, numbers or {})) for base in bases)
            for base, made in added:
                self._try(base, made)
            self.unregister(definition.url)
            for base, made in added:
                self._custom.setdefault(base, {})[made.code] = made
                self._forget(base)
        return added

    def inspect(self, resource: dict[str, Any]) -> SearchParameter:
        """What a SearchParameter resource defines, without taking it into force. Raises Unprocessable as `register`."""
        definition = custom_definition(resource)
        for base in definition.base:
            existing = parameters(base).get(definition.code)
            if existing is not None:
                raise Unprocessable(_taken(base, definition.code, existing), expression=["SearchParameter.code"])
            self._try(base, parameter(definition, CUSTOM_BIT, custom=True))
        return definition

    def unregister(self, url: str) -> None:
        """Take the custom parameter with this url out of force; nothing happens when there is none."""
        with self._lock:
            for base, custom in self._custom.items():
                for code in [code for code, made in custom.items() if made.url == url]:
                    del custom[code]
                    self._forget(base)

    def _forget(self, base: str) -> None:
        self.version += 1
        self._extractors.pop(base, None)
        self._merged.pop(base, None)

    def _numbered(self, base: str, definition: SearchParameter, numbers: Mapping[str, int]) -> Parameter:
        existing = self.parameters(base).get(definition.code)
        if existing is not None and existing.url != definition.url:
            raise Unprocessable(_taken(base, definition.code, existing), expression=["SearchParameter.code"])
        mine = self._custom.get(base, {})
        same = next((made.number for made in mine.values() if made.url == definition.url), None)
        free = max((made.number + 2 for made in mine.values()), default=CUSTOM_BIT)
        number = numbers.get(base, free if same is None else same)
        return parameter(definition, number, custom=True)

    def _try(self, base: str, made: Parameter) -> None:
        """Compile the new parameter alone, so that what is wrong with it is said now."""
        try:
            compile_extractor(base, [made], self._zone)
        except Invalid as problem:
            raise Unprocessable(
                f"The search parameter '{made.code}' of {base} cannot be used: {problem}",
                expression=["SearchParameter.expression"],
            ) from problem


def custom_definition(resource: dict[str, Any]) -> SearchParameter:
    """What a SearchParameter resource defines.

    A base of Resource or DomainResource stands for all such types. Raises Unprocessable when a member that search
    needs is missing.
    """
    problems = [
        f"SearchParameter.{name} is needed to search by it."
        for name in ("url", "code", "type", "base")
        if not resource.get(name)
    ]
    if resource.get("type") not in _TYPES:
        problems.append(
            f"SearchParameter.type '{resource.get('type')}' cannot be defined: use {', '.join(sorted(_TYPES))}."
        )
    if resource.get("code") and not _CODE.fullmatch(resource["code"]):
        problems.append(f"SearchParameter.code '{resource['code'][:64]}' is not made of letters, digits, - and _.")
    if not resource.get("expression"):
        problems.append("SearchParameter.expression is needed: values are found by FHIRPath only.")
    elif len(resource["expression"]) > _MAX_EXPRESSION:
        problems.append(f"SearchParameter.expression has more than {_MAX_EXPRESSION} characters.")
    if problems:
        raise Unprocessable(" ".join(problems))
    components = _components(resource)
    return SearchParameter(
        url=resource["url"],
        code=resource["code"],
        type=resource["type"],
        base=_bases(resource["base"]),
        expression=resource["expression"],
        target=tuple(resource.get("target") or ()),
        components=components,
        multiple_or=resource.get("multipleOr", True),
        multiple_and=resource.get("multipleAnd", True),
        comparators=tuple(resource.get("comparator") or ()),
        modifiers=tuple(resource.get("modifier") or ()),
        description=resource.get("description", ""),
    )


def _components(resource: dict[str, Any]) -> tuple[Component, ...]:
    """The parts of a composite: two, each written like an official parameter, the first one a token."""
    found = tuple(
        Component(entry["definition"].partition("|")[0], entry["expression"])
        for entry in resource.get("component") or ()
    )
    if resource["type"] != "composite":
        return ()
    where = ["SearchParameter.component"]
    if len(found) != 2:
        raise Unprocessable(f"a composite of {len(found)} parts cannot be searched by: it has two", expression=where)
    meant = [load().search_parameter_by_url(one.definition) for one in found]
    for one, like in zip(found, meant, strict=True):
        if like is None:
            raise Unprocessable(f"{one.definition} is not an official search parameter of R4", expression=where)
    kinds = [like.type for like in meant if like is not None]
    if kinds[0] != _LEADING or kinds[1] not in _TRAILING:
        raise Unprocessable(
            f"a composite of {' and '.join(kinds)} cannot be searched by: a token comes first", expression=where
        )
    return found


def _bases(bases: list[str]) -> tuple[str, ...]:
    """The concrete types that the given ones stand for."""
    definitions = load()
    found: dict[str, None] = {}
    for base in bases:
        if base not in definitions.types:
            raise Unprocessable(f"SearchParameter.base '{base}' is not a resource type of R4.")
        for name in definitions.resource_names:
            if base in definitions.ancestry(name):
                found[name] = None
    return tuple(found)


@cache
def default_registry() -> Registry:
    """The registry that `extract` uses: official parameters, dates without an offset read in UTC."""
    return Registry()


def extract(resource: dict[str, Any]) -> Extracted:
    """The search values of a resource by the official parameters of its type.

    The resource passed the structure check.
    http://hl7.org/fhir/R4/search.html
    """
    return default_registry().extract(resource)
