"""Compiled expressions: text in, Python code object out, kept for the next time."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from jiankang.fhir.path.emit import RUNTIME, Emitter, Scope
from jiankang.fhir.path.run import Run
from jiankang.fhir.path.static import UNKNOWN, Static, fhir
from jiankang.fhir.path.syntax import Tree, parse
from jiankang.fhir.path.values import Node, plain_value, resource_node, type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jiankang.fhir.path.run import Resolver

    Code = Callable[[Run, list[Any]], list[Any]]


class Path:
    """An expression ready to run. It keeps no state of its runs and may be shared by threads."""

    def __init__(self, expression: str, type_name: str | None, *, strict: bool) -> None:
        self.expression = expression
        self.type_name = type_name
        self.tree: Tree = parse(expression)
        self.static: Static
        self._code: Code
        self._code, self.static = _general(self.tree, expression, type_name, strict=strict)

    def __repr__(self) -> str:
        return f"Path({self.expression!r}, type_name={self.type_name!r})"

    def evaluate(
        self,
        resource: dict[str, Any],
        *,
        context: Any = None,
        variables: Mapping[str, Any] | None = None,
        resolver: Resolver | None = None,
    ) -> list[Any]:
        """The items that the expression finds: nodes of the resource, or System values.

        `context` is the element (node or JSON of the path's type) that the expression is about, the resource itself
        where none is given. `resolver` gives the resource that a reference's text names, or None. Raises Invalid where
        the expression makes no sense for this data (http://hl7.org/fhirpath/N1/#path-selection).
        """
        return self.run(self._prepared(resource, context, variables, resolver))

    def run(self, run: Run) -> list[Any]:
        """The items found by a run that was prepared before."""
        return list(self._code(run, [run.context]))

    def values(self, resource: dict[str, Any]) -> list[Any]:
        """The JSON values that the expression finds; elements without a value are left out."""
        found = [plain_value(item) for item in self.evaluate(resource)]
        return [value for value in found if value is not None]

    def evaluate_typed(self, resource: dict[str, Any], *, resolver: Resolver | None = None) -> list[tuple[str, Any]]:
        """Pairs of FHIR (or System) type name and JSON value, for callers who branch on the type."""
        items = self.evaluate(resource, resolver=resolver)
        pairs = [(type_of(item).name, plain_value(item)) for item in items]
        return [(name, value) for name, value in pairs if value is not None]

    def _prepared(
        self, resource: dict[str, Any], context: Any, variables: Mapping[str, Any] | None, resolver: Resolver | None
    ) -> Run:
        root = Node(resource, self.type_name) if self._is_about(resource, context) else resource_node(resource)
        if context is None or context is resource:
            return Run(root, root, root, variables, resolver)
        focus = context if context.__class__ is Node else self._focus(context)
        return Run(focus, _enclosing(focus, root), root, variables, resolver)

    def _is_about(self, resource: dict[str, Any], context: Any) -> bool:
        """Whether what is handed in is no resource, but an element of the path's type."""
        return self.type_name is not None and context is None and "resourceType" not in resource

    def _focus(self, context: Any) -> Node:
        if isinstance(context, dict) and "resourceType" in context:
            return resource_node(context)
        return Node(context, self.type_name or "Element")


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


def build(source: str, expression: str, names: dict[str, Any]) -> Any:
    """The function `path` that the source defines."""
    code = compile(source, f"<fhirpath {expression[:80]}>", "exec")
    exec(code, names)  # noqa: S102 - our own source: names and constants of the expression are never pasted as code
    return names["path"]


@functools.lru_cache(maxsize=4096)
def compile_path(expression: str, *, type_name: str | None = None, strict: bool = False) -> Path:
    """The expression compiled, for `type_name` if it is known what it is about.

    Raises Invalid with line and column for what is not FHIRPath. `strict` also refuses what can never make sense for
    the type, and `as` on many items, as http://hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation asks; HL7's own
    R4 invariants and search parameters need it off.
    """
    return Path(expression, type_name, strict=strict)
