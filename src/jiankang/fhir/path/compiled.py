"""Compiled expressions: text in, Python code object out, kept for the next time."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from jiankang.fhir.path.emit import RUNTIME, Emitter, Scope
from jiankang.fhir.path.functions import truth
from jiankang.fhir.path.plain import FallbackError, Scalar, plain_code
from jiankang.fhir.path.run import MAX_WORK, Run
from jiankang.fhir.path.static import UNKNOWN, Static, fhir
from jiankang.fhir.path.syntax import Tree, parse
from jiankang.fhir.path.values import Node, plain_value, resource_node, type_of
from jiankang.fhir.path.writer import build

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jiankang.fhir.path.run import Resolver

    Code = Callable[[Run, list[Any]], list[Any]]


# What plain code meets where data is not shaped as its type says; the general code copes or explains.
_BEYOND_PLAIN = (FallbackError, AttributeError, TypeError, KeyError, IndexError)
_MAX_TYPES = 200
_SHORT = 512


def _is_condition(found: object) -> bool:
    return isinstance(found, Scalar) and found.kind == "Boolean"


class Path:
    """An expression ready to run. It keeps no state of its runs and may be shared by threads."""

    def __init__(self, expression: str, type_name: str | None, *, strict: bool) -> None:
        self.expression = expression
        self.type_name = type_name
        self.tree: Tree = parse(expression)
        self.static: Static
        self._code: Code
        self._code, self.static = _general(self.tree, expression, type_name, strict=strict)
        self._strict = strict
        self._plain: dict[Any, tuple[Any, bool] | None] = {}

    def __repr__(self) -> str:
        return f"Path({self.expression!r}, type_name={self.type_name!r})"

    def evaluate(
        self,
        resource: dict[str, Any],
        *,
        context: Any = None,
        variables: Mapping[str, Any] | None = None,
        resolver: Resolver | None = None,
        max_work: int = MAX_WORK,
    ) -> list[Any]:
        """The items that the expression finds: nodes of the resource, or System values.

        `context` is the element (node or JSON of the path's type) that the expression is about, the resource itself
        where none is given. `resolver` gives the resource that a reference's text names, or None. `max_work` bounds the
        steps (about a microsecond each; trusted expressions on huge bundles may be given more). Raises Invalid where
        the expression makes no sense for this data (http://hl7.org/fhirpath/N1/#path-selection).
        """
        run = self._prepared(resource, context, variables, resolver)
        run.work = max_work
        return self.run(run)

    def run(self, run: Run) -> list[Any]:
        """The items found by a run that was prepared before."""
        return list(self._code(run, [run.context]))

    def values(self, resource: dict[str, Any]) -> list[Any]:
        """The JSON values that the expression finds; elements without a value are left out."""
        plain = self._plain_for(resource)
        if plain is not None:
            code, is_condition = plain
            try:
                found = code(resource)
            except _BEYOND_PLAIN:
                pass
            else:
                if is_condition:
                    return [] if found is None else [found]
                return found  # type: ignore[no-any-return]
        values = [plain_value(item) for item in self.evaluate(resource)]
        return [value for value in values if value is not None]

    def holds(
        self,
        resource: dict[str, Any],
        *,
        context: Any = None,
        resolver: Resolver | None = None,
        max_work: int = MAX_WORK,
    ) -> bool | None:
        """Whether the condition is true for the resource, or for `context` in it; None where it is empty.

        For invariants: the fast way, where there is one (http://hl7.org/fhir/R4/conformance-rules.html#constraints).
        """
        element = resource if context is None else context
        if element.__class__ is dict:
            plain = self._plain_for(element)
            if plain is not None and plain[1]:
                try:
                    return plain[0](element)  # type: ignore[no-any-return]
                except _BEYOND_PLAIN:
                    pass
        found = self.evaluate(resource, context=context, resolver=resolver, max_work=max_work)
        return truth(found, "the condition")

    def _plain_for(self, element: dict[str, Any]) -> tuple[Any, bool] | None:
        """The fast code for the element's type, made when it is first met; None where there is none."""
        name = element.get("resourceType", self.type_name)
        try:
            return self._plain[name]
        except KeyError:
            if len(self._plain) > _MAX_TYPES:
                return None
            made = plain_code(self.tree, self.expression, name, strict=self._strict) if isinstance(name, str) else None
            entry = self._plain[name] = None if made is None else (made[0], _is_condition(made[1]))
            return entry
        except TypeError:
            return None

    def evaluate_typed(self, resource: dict[str, Any], *, resolver: Resolver | None = None) -> list[tuple[str, Any]]:
        """Pairs of FHIR (or System) type name and JSON value, for callers who branch on the type."""
        items = self.evaluate(resource, resolver=resolver)
        pairs = [(type_of(item).name, plain_value(item)) for item in items]
        return [(name, value) for name, value in pairs if value is not None]

    def _prepared(
        self, resource: dict[str, Any], context: Any, variables: Mapping[str, Any] | None, resolver: Resolver | None
    ) -> Run:
        if self.type_name is not None and context is None and "resourceType" not in resource:
            root = Node(resource, self.type_name)  # what is handed in is an element of the path's type
        else:
            root = resource_node(resource)
        if context is None or context is resource:
            return Run(root, root, root, variables, resolver)
        focus = context if context.__class__ is Node else self._focus(context)
        return Run(focus, _enclosing(focus, root), root, variables, resolver)

    def _focus(self, context: Any) -> Node:
        if isinstance(context, dict) and "resourceType" in context:
            return resource_node(context)
        return Node(context, self.type_name or "Element")


def tree_holds(tree: Tree, type_name: str, element: dict[str, Any]) -> bool | None:
    """Whether a condition, given as a tree, is true for an element that is in no resource; None where it is empty."""
    code, _ = _general(tree, "a condition", type_name, strict=False)
    node = Node(element, type_name)
    return truth(code(Run(node, node, node), [node]), "the condition")


def _enclosing(focus: Node, root: Node) -> Node:
    """The resource that a node is in, for %resource: a contained one, or the root."""
    node: Node | None = focus
    while node is not None:
        if isinstance(node.value, dict) and "resourceType" in node.value:
            return node
        node = node.parent
    return root


def _general(tree: Tree, expression: str, type_name: str | None, *, strict: bool) -> tuple[Code, Static]:
    """The code for any expression, on nodes."""
    emitter = Emitter(strict=strict)
    static = UNKNOWN if type_name is None else fhir(type_name)
    result, found = emitter.emit(tree, Scope("t0", static))
    emitter.line(f"return {result}")
    source = "def path(run, t0):\n" + "\n".join(emitter.lines)
    return build(source, expression, {**RUNTIME, **emitter.constants}), found


@functools.lru_cache(maxsize=4096)
def _short_path(expression: str, type_name: str | None, strict: bool) -> Path:
    return Path(expression, type_name, strict=strict)


@functools.lru_cache(maxsize=256)
def _long_path(expression: str, type_name: str | None, strict: bool) -> Path:
    return Path(expression, type_name, strict=strict)


def compile_path(expression: str, *, type_name: str | None = None, strict: bool = False) -> Path:
    """The expression compiled, for `type_name` if it is known what it is about.

    Raises Invalid with line and column for what is not FHIRPath. `strict` also refuses what can never make sense for
    the type, and `as` on many items, as http://hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation asks; HL7's own
    R4 invariants and search parameters need it off.
    """
    kept = _short_path if len(expression) <= _SHORT else _long_path
    return kept(expression, type_name, strict)
