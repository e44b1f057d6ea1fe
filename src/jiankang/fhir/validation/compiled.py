"""Compiles the rules of each type when it is first needed, and runs them over resources of any depth."""

from __future__ import annotations

import linecache
from functools import cache
from typing import TYPE_CHECKING, Any

from jiankang.fhir.definitions import Definitions, load
from jiankang.fhir.path.values import Node
from jiankang.fhir.validation import bindings, contained, extensions, specials
from jiankang.fhir.validation.bundles import Neighbours
from jiankang.fhir.validation.definitional import RULES
from jiankang.fhir.validation.emit import SPECIAL, RulesEmitter, rules_name
from jiankang.fhir.validation.findings import Found, note, under
from jiankang.fhir.validation.guards import in_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from jiankang.fhir.validation.context import Context

    Rules = Callable[[Any, Context], Found]

Json = dict[str, Any]
# Types that say nothing of their own and whose children are looked at where they stand.
_SHARED: dict[str, Any] = {
    "beside": specials.beside,
    "bound_code": bindings.bound_code,
    "bound_coding": bindings.bound_coding,
    "bound_concept": bindings.bound_concept,
    "canonical_rules": specials.canonical_rules,
    "canonical_target": specials.canonical_target,
    "element_id": specials.element_id,
    "extensions": extensions.extensions,
    "in_order": in_order,
    "good_canonicals": specials.good_canonicals,
    "modifiers": extensions.modifiers,
    "no_comparator": specials.no_comparator,
    "node": Node,
    "note": note,
    "only_id": specials.only_id,
    "target": specials.target,
    "under": under,
    **{
        f"special_{name.lower()}": getattr(specials, f"special_{name.lower()}", specials.special_quantity)
        for name in SPECIAL
    },
}


@cache
def rules(*, tolerant: bool = False) -> RuleBook:
    """The rules of the norm; `tolerant` ones are for resources whose shape is not in order."""
    return RuleBook(load(), tolerant=tolerant)


class RuleBook:
    """The rules of all types, in one namespace in which they find each other."""

    def __init__(self, definitions: Definitions, *, tolerant: bool = False) -> None:
        self._definitions = definitions
        self._tolerant = tolerant
        self._by_resource: dict[str, Rules] = {}
        self.namespace: dict[str, Any] = {
            **_SHARED,
            "contained_rules": self._contained,
            "entry_rules": self.standalone,
        }
        for name in definitions.types:
            self.namespace.setdefault(rules_name(name), self._compile_later(name))

    def resource(self, o: Json, c: Context) -> Found:
        """All rules of the norm for a resource that `c` has entered already."""
        name: Any = o.get("resourceType")
        run = self._by_resource.get(name)
        if run is None:
            if not self._definitions.is_resource(name):
                return None  # said already by the check of structure
            run = self._by_resource[name] = self._whole(name)
        return run(o, c)

    def standalone(self, o: Any, c: Context) -> Found:
        """A resource inside a Bundle or Parameters, whose `#id` are its own; with its profiles."""
        if o.__class__ is not dict:
            return None
        before, neighbours = c.enter(o), c.neighbours
        if o.get("resourceType") == "Bundle":
            c.neighbours = Neighbours(o)
        try:
            found = self.resource(o, c)
            return c.profiles.resource_rules(found, o, c) if c.profiles.wants(o) else found
        finally:
            c.leave(before)
            c.neighbours = neighbours

    def _contained(self, o: Any, c: Context) -> Found:
        """A contained resource: `%resource` is it, `#id` those of its container."""
        if o.__class__ is not dict:
            return None
        before, ids = c.resource, c.ids
        c.resource, c.ids = o, set()
        try:
            found = self.resource(o, c)
            return c.profiles.resource_rules(found, o, c) if c.profiles.wants(o) else found
        finally:
            c.resource, c.ids = before, ids

    def _whole(self, name: str) -> Rules:
        """The rules of a resource type with those of its own extensions, contained resources and entries."""
        namespace, key = self.namespace, rules_name(name)
        place = extensions.place_of(name, name)
        more = RULES.get(name)
        guarded = _passed_over if self._tolerant else _asked

        def run(o: Json, c: Context) -> Found:
            found = guarded(namespace[key], None, o, c)
            if "extension" in o:
                found = guarded(_own_extensions, found, o, c, place)
            if "modifierExtension" in o:
                found = guarded(_own_modifiers, found, o, c, place)
            if "contained" in o:
                found = guarded(_container, found, o, c)
            if more is not None:
                found = guarded(more, found, o, c)
            return found

        return run

    def _compile_later(self, name: str) -> Rules:
        def compile_first(o: Any, c: Context) -> Found:
            return self.compile(name)(o, c)

        return compile_first

    def compile(self, name: str) -> Rules:
        """The rules of a type, compiled into the namespace."""
        emitter = RulesEmitter(
            self._definitions.types[name], self._definitions, extensions.place_of, tolerant=self._tolerant
        )
        text = emitter.source()
        self.namespace.update(emitter.constants)
        file = f"<rules of {name}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        exec(compile(text, file, "exec"), self.namespace)  # noqa: S102 - source that emit.py wrote
        made: Rules = self.namespace[rules_name(name)]
        return made

    def source(self, name: str) -> str:
        """The generated source, for the curious and for tests."""
        definition = self._definitions.types[name]
        return RulesEmitter(definition, self._definitions, extensions.place_of, tolerant=self._tolerant).source()


def _own_extensions(o: Json, c: Context, place: extensions.Place) -> Found:
    return extensions.extensions(None, "", o, place, c)


def _own_modifiers(o: Json, c: Context, place: extensions.Place) -> Found:
    return extensions.modifiers(None, "", o, place, c)


def _container(o: Json, c: Context) -> Found:  # noqa: ARG001 - all rules are called alike
    return contained.container_rules(o)


def _asked(work: Callable[..., Found], found: Found, *about: Any) -> Found:
    """`found` and what some rules say."""
    inner = work(*about)
    if found is None or inner is None:
        return found if inner is None else inner
    return under(found, "", inner)


def _passed_over(work: Callable[..., Found], found: Found, *about: Any) -> Found:
    """The same, but rules say nothing where the shape is so wrong that they cannot be asked."""
    try:
        return _asked(work, found, *about)
    except (AttributeError, TypeError, KeyError, ValueError, IndexError):
        return found
