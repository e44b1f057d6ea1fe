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
    "element_id": specials.element_id,
    "extensions": extensions.extensions,
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

        def run(o: Json, c: Context) -> Found:
            found: Found = namespace[key](o, c)
            if "extension" in o:
                found = extensions.extensions(found, "", o, place, c)
            if "modifierExtension" in o:
                found = extensions.modifiers(found, "", o, place, c)
            if "contained" in o and (inner := contained.container_rules(o)) is not None:
                found = under(found, "", inner)
            if more is not None and (inner := more(o, c)) is not None:
                found = under(found, "", inner)
            return found

        return _tolerant(run) if self._tolerant else run

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


def _tolerant(run: Rules) -> Rules:
    """Rules that say nothing where the shape is so wrong that they cannot be asked."""

    def passed_over(o: Json, c: Context) -> Found:
        try:
            return run(o, c)
        except (AttributeError, TypeError, KeyError, ValueError, IndexError):
            return None

    return passed_over
