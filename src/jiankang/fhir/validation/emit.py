"""Writes the Python source of a type's rules: what holds beyond its shape. One function for each concern.

`rules_<Type>(o, c)` answers None or the problems of an object of the type; `c` is the run's context. The code reads only
members that some rule is about. Constants (invariants, bindings, places of extensions) go into the namespace by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jiankang.fhir.path.values import is_primitive
from jiankang.fhir.validation.bindings import bound
from jiankang.fhir.validation.invariants import NEVER, SPECIALISED, guard_of, invariant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jiankang.fhir.definitions import Definitions, Element, TypeDefinition
    from jiankang.fhir.validation.extensions import Place

ANY_RESOURCE = frozenset({"Resource", "DomainResource"})
_CODED = frozenset({"code", "string", "uri", "url", "canonical", "id"})
_QUANTITIES = frozenset(
    {"Quantity", "Age", "Count", "Distance", "Duration", "Money", "SimpleQuantity", "MoneyQuantity"}
)
MANY = 8
_NEVER_WALKED = frozenset({"Element", "BackboneElement", "Resource", "DomainResource"})


def rules_name(type_name: str) -> str:
    """The name of a type's rules in generated code."""
    return "rules_" + type_name.replace(".", "_")


class RulesEmitter:
    """Writes the rules of one type. `tolerant` code passes over what is not shaped as its type says."""

    def __init__(
        self,
        definition: TypeDefinition,
        definitions: Definitions,
        place: Callable[[str, str], Place],
        *,
        tolerant: bool = False,
    ) -> None:
        self.definition = definition
        self.definitions = definitions
        self.constants: dict[str, Any] = {}
        self._place = place
        self._inner: list[str] = []
        self._tolerant = tolerant
        self._own = definition.name.replace(".", "_")

    def source(self) -> str:
        """The source of the function; `constants` are what it needs by name."""
        lines = [f"def {rules_name(self.definition.name)}(o, c):", "    found = None", "    get = o.get"]
        for block in self._blocks():
            lines += [f"    {line}" for line in self._safe(list(block))]
        lines.append("    return found")
        return "\n".join(self._inner + lines) + "\n"

    def _safe(self, block: list[str]) -> list[str]:
        if not self._tolerant or not block:
            return block
        return ["try:", *(f"    {line}" for line in block), "except Exception: pass"]

    def _blocks(self) -> Iterator[Iterator[str] | list[str]]:
        yield self._only_id()
        for constraint in self.definition.constraints:
            yield self._invariant(constraint)
        for element in self.definition.children:
            if len(element.json_names) > MANY:
                yield self._many_forms(element)
            elif element.name not in ("extension", "modifierExtension"):
                for name, type_name in element.json_names.items():
                    yield self._member(element, name, type_name)
        yield self._beside()
        if self.definition.name in SPECIAL:
            yield [f"found = special_{self.definition.name.lower()}(found, o, c)"]

    def _constant(self, prefix: str, value: Any) -> str:
        name = f"{prefix}_{self._own}_{len(self.constants)}"
        self.constants[name] = value
        return name

    # ---- the object itself

    def _only_id(self) -> Iterator[str]:
        """ele-1: an element has a value or children, an id alone is nothing; ids are unique in a resource."""
        if self.definition.kind != "resource":
            yield "if 'id' in o:"
            # A StructureDefinition names its elements by id twice, in the snapshot and in the differential.
            work = (
                "only_id(found, '') if len(o) == 1 else found" if self.definition.name == "ElementDefinition" else None
            )
            yield f"    found = {work or 'element_id(found, o, c)'}"

    def _invariant(self, constraint: Any) -> Iterator[str]:
        if constraint.key in SPECIALISED or not constraint.expression:
            return
        guard = guard_of(constraint, self.definition)
        if guard == NEVER:
            return
        made = invariant(constraint, self.definition.name)
        asked = "c.best_practice and " if made.best_practice else ""
        yield f"if {asked}{guard}:"
        yield f"    found = {self._constant('run', made.run)}(found, o, c)"

    # ---- members

    def _member(self, element: Element, name: str, type_name: str) -> Iterator[str]:
        """What is to be said of one JSON member: its own rules, its binding, the rules of its type."""
        on_item = list(self._on_item(element, type_name))
        if not on_item:
            return
        step = f"'.{element.name}'"
        yield f"v = get({name!r})"
        yield "if v is not None:"
        if element.max == 1:
            yield f"    step = {step}"
            yield from (f"    {line}" for line in on_item)
            return
        yield "    for index, v in enumerate(v):"
        if is_primitive(type_name):
            yield "        if v is None: continue"
        yield from (f"        {line.replace('{step}', self._item_step(element))}" for line in on_item)

    def _many_forms(self, element: Element) -> Iterator[str]:
        """A choice of so many types that it is quicker to look which member is there."""
        made = []
        for name, type_name in element.json_names.items():
            on_item = list(self._on_item(element, type_name))
            if on_item:
                work = f"form_{self._own}_{name}"
                self._inner += [f"def {work}(found, v, c):", f"    step = '.{element.name}'"]
                self._inner += [f"    {line}" for line in on_item]
                self._inner += ["    return found"]
                made.append(f"{name!r}: {work}")
        table = f"forms_{self._own}_{element.name}"
        self._inner.append(f"{table} = {{{', '.join(made)}}}")
        yield "for name, v in o.items():"
        yield f"    form = {table}.get(name)"
        yield "    if form is not None: found = form(found, v, c)"

    def _item_step(self, element: Element) -> str:
        return f"f'.{element.name}[{{index}}]'"

    def _on_item(self, element: Element, type_name: str) -> Iterator[str]:
        """Lines about one value `v`; `step` is where it is."""
        step = "step" if element.max == 1 else "{step}"
        if type_name in ANY_RESOURCE:
            work = "contained_rules" if element.name == "contained" else "entry_rules"
            yield f"inner = {work}(v, c)"
            yield f"if inner is not None: found = under(found, {step}, inner)"
            return
        if not is_primitive(type_name):
            if type_name not in _NEVER_WALKED:
                yield f"inner = {rules_name(type_name)}(v, c)"
                yield f"if inner is not None: found = under(found, {step}, inner)"
            if type_name != "Extension":
                place = self._constant("place", self._place(element.path, type_name))
                yield f"if 'extension' in v: found = extensions(found, {step}, v, {place}, c)"
                if self._may_modify(type_name):
                    yield f"if 'modifierExtension' in v: found = modifiers(found, {step}, v, {place}, c)"
            if "http://hl7.org/fhir/StructureDefinition/SimpleQuantity" in element.profiles.get(type_name, ()):
                yield f"if 'comparator' in v: found = no_comparator(found, {step})"
            if type_name == "Reference" and element.target_profiles:
                yield f"r = v.get('reference'); found = target(found, {step}, r, {element.target_profiles!r}, c)"
        yield from self._binding(element, type_name, step)
        yield from self._kind_rules(element, type_name, step)
        yield from self._own_invariants(element, type_name, step)

    def _may_modify(self, type_name: str) -> bool:
        return self.definitions.types[type_name].kind == "backbone" or "modifierExtension" in (
            self.definitions.types[type_name].elements
        )

    def _binding(self, element: Element, type_name: str, step: str) -> Iterator[str]:
        binding = element.binding
        if binding is None or binding.strength == "example":
            return
        made = bound(binding.strength, binding.value_set, binding.max_value_set)
        name = self._constant("bound", made)
        if type_name in _CODED:
            quick = ""
            if made.codes is not None:
                quick = f"if v not in {self._constant('codes', made.codes)}: "
            yield f"{quick}found = bound_code(found, {step}, v, {name}, c)"
        elif type_name == "CodeableConcept":
            yield f"found = bound_concept(found, {step}, v, {name}, c)"
        elif type_name == "Coding" or type_name in _QUANTITIES:
            yield f"found = bound_coding(found, {step}, v, {name}, c)"

    def _kind_rules(self, element: Element, type_name: str, step: str) -> Iterator[str]:
        if type_name == "canonical":
            if element.target_profiles:
                known = self._constant("good", set())
                allowed = element.target_profiles
                yield f"if v not in {known}: found = canonical_target(found, {step}, v, {allowed!r}, {known})"
            yield f"if v not in good_canonicals: found = canonical_rules(found, {step}, v, c)"

    def _own_invariants(self, element: Element, type_name: str, step: str) -> Iterator[str]:
        for constraint in element.constraints:
            if constraint.key not in SPECIALISED and constraint.expression:
                run = self._constant("run", invariant(constraint, type_name).run)
                yield (
                    f"inner = {run}(None, v, c)"
                    if not is_primitive(type_name)
                    else f"inner = {run}(None, node(v, {type_name!r}), c)"
                )
                yield f"if inner is not None: found = under(found, {step}, inner)"

    def _beside(self) -> Iterator[str]:
        """`_name`: extensions of primitives."""
        places = {
            f"_{name}": (element.name, element.max != 1, name, self._place(element.path, type_name))
            for element in self.definition.children
            for name, type_name in element.json_names.items()
            if is_primitive(type_name) and type_name != "xhtml"
        }
        if places:
            yield f"if not o.keys().isdisjoint({self._constant('beside', frozenset(places))}):"
            yield f"    found = beside(found, o, {self._constant('places', places)}, c)"


SPECIAL = frozenset({"Attachment", "Coding", "Extension", "Meta", "Narrative", "Quantity", "Reference", "Identifier",
                     "Age", "Count", "Distance", "Duration"})  # fmt: skip
